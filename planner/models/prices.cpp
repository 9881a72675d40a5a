#include "planner/models/prices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace touchstone::planner {

namespace {

constexpr double seconds_per_month = 365.25 / 12 * 86'400;
constexpr std::uint32_t nodes_max = 10'000;

struct Use {
    double busy = 0;
    double memory_bytes = 0;
};

Use use_of(const Calibration& calibration, const Demand& demand, const NodePrice& node,
           std::uint32_t nodes) {
    const auto part = demand.scaled(1.0 / nodes);
    const double work =
        work_of(calibration, part.rates()).value +
        part.connects_per_s * (calibration.connect_s.value + calibration.disconnect_s.value) +
        part.handshakes_per_s * calibration.tls_handshake_s.value +
        part.subscribes_per_s * calibration.subscribe_s.value;
    return {.busy = work / (node.servers * node.speed),
            .memory_bytes = memory_of(calibration, part.holdings).value};
}

}  // namespace

std::vector<Offer> offers(const Calibration& calibration, const Demand& demand,
                          const Question& question, const PriceList& prices) {
    std::vector<Offer> all;
    for (const auto& node : prices.nodes) {
        const auto holds = [&](std::uint32_t nodes) {
            const auto use = use_of(calibration, demand, node, nodes);
            return use.busy <= question.busy_max &&
                   use.memory_bytes <= node.memory_bytes * memory_share_max;
        };
        std::uint32_t least = 1;
        while (least < nodes_max && !holds(least)) ++least;
        if (!holds(least)) continue;
        Offer offer{.node = node.name, .nodes = least + 1};
        const auto with_all = use_of(calibration, demand, node, offer.nodes);
        offer.busy = with_all.busy;
        offer.memory_bytes = with_all.memory_bytes;
        offer.busy_with_one_lost = use_of(calibration, demand, node, least).busy;
        offer.bound_by = "one to lose";
        if (least > 1) {
            const auto fewer = use_of(calibration, demand, node, least - 1);
            offer.bound_by = fewer.busy > question.busy_max ? "processor" : "memory";
        }
        offer.nodes_per_month = offer.nodes * node.per_month;
        offer.network_per_month =
            network_of(demand).out * seconds_per_month / 1e9 * prices.per_gb_out;
        offer.per_month = offer.nodes_per_month + offer.network_per_month;
        if (node.servers > extrapolation_max * calibration.servers) {
            offer.mark =
                fmt::format("{} processors, {} measured", node.servers, calibration.servers);
        }
        all.push_back(offer);
    }
    std::ranges::stable_sort(all, {}, &Offer::per_month);
    return all;
}

}  // namespace touchstone::planner
