#include <algorithm>

#include "simulator/fleet/behaviour.hpp"
#include "simulator/fleet/fleet.hpp"

namespace touchstone::simulator::fleet {

/// The broker's process is gone: its system resets all connections.
void Fleet::on_crash(const TimedEvent& event) {
    const auto& crash = model_.crashes[event.subject];
    const Time up_at = event.at + crash.down;
    for (std::uint32_t node = 0; node < model_.cost.nodes; ++node) {
        if (crash.node >= 0 && crash.node != static_cast<int>(node)) continue;
        if (!nodes_[node].is_up) continue;
        nodes_[node].is_up = false;
        std::erase(nodes_up_, node);
        servers_.lose_work(node, event.at, up_at);
        put(up_at, Kind::node_up, node, 0, 0);
        for (std::size_t i = 0; i < model_.classes.size(); ++i) {
            const auto& one = model_.classes[i];
            if (model_.tier == Tier::t3 && is_steady(one)) continue;
            for (std::uint32_t device = one.first; device < one.first + one.count; ++device) {
                const auto& state = devices_[device];
                if (state.phase != Phase::connected || state.node != node) continue;
                cut_connection(static_cast<int>(i), device, event.at);
            }
        }
        leave_cohorts(node, event.at);
    }
}

/// The device hears of it, and makes up its mind when to come back.
void Fleet::cut_connection(int device_class, std::uint32_t device, Time at) {
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    auto draws = device_draws_.of(device, at);
    ++outcome_.classes[static_cast<std::size_t>(device_class)].cut_off;
    set_away(device_class, device);
    ++devices_[device].generation;
    retry(device_class, device, at + one_way(one.link, reset_bytes, draws), draws);
}

/// When the device has a way to the broker again; `at`, when it has one.
Time Fleet::cut_until(int device_class, std::uint32_t device, Time at) const {
    for (const auto& cut : cuts_[static_cast<std::size_t>(device_class)]) {
        if (at < cut.at || at >= cut.at + cut.duration) continue;
        if (cut_draws_.of(device, cut.at).chance(cut.share)) return cut.at + cut.duration;
    }
    return at;
}

void Fleet::on_sample(Time now) {
    sampler_.take(now, servers_.longest_wait(now), servers_.busy(), outcome_);
}

}  // namespace touchstone::simulator::fleet
