#include "simulator/fleet/servers.hpp"

namespace touchstone::simulator::fleet {

Time varied(const CostModel& cost, Time mean, Draws& draws) {
    if (cost.variation == Variation::constant) return mean;
    if (cost.variation == Variation::exponential) return draws.exponential(mean);
    constexpr std::uint64_t one = std::uint64_t{1} << 32U;
    const bool is_slow = draws.chance(cost.slow_share);
    if (is_slow) return mean * cost.slow_per_mille / 1'000;
    // So that the mean stays: (1 - slow * factor) / (1 - slow).
    const std::uint64_t slow_part = cost.slow_share * cost.slow_per_mille / 1'000;
    __extension__ using Wide = unsigned __int128;
    return static_cast<Time>(Wide{mean} * (one - slow_part) / (one - cost.slow_share));
}

Servers::Servers(const CostModel& cost)
    : cost_{cost},
      free_at_(std::size_t{cost.nodes} * cost.servers),
      busy_(free_at_.size()) {}

std::uint32_t Servers::soonest(std::uint32_t first) const {
    const auto begin = free_at_.begin() + first;
    return static_cast<std::uint32_t>(std::min_element(begin, begin + cost_.servers) - begin);
}

Time Servers::longest_wait(Time at) const {
    const Time latest = *std::ranges::max_element(free_at_);
    return latest > at ? latest - at : 0;
}

void Servers::lose_work(std::uint32_t node, Time at, Time up_at) {
    for (std::uint32_t i = 0; i < cost_.servers; ++i) {
        const std::uint32_t server = node * cost_.servers + i;
        if (free_at_[server] > at) busy_[server] -= free_at_[server] - at;
        free_at_[server] = up_at;
    }
}

}  // namespace touchstone::simulator::fleet
