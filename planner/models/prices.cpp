#include "planner/models/prices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "planner/models/activity.hpp"

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
        processor_time(calibration, part, node.servers).value + admissions_of(calibration, part);
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
        if (!holds(nodes_max)) continue;
        std::uint32_t least = nodes_max;
        for (std::uint32_t fewer = 0; least - fewer > 1;) {
            const auto middle = (fewer + least) / 2;
            (holds(middle) ? least : fewer) = middle;
        }
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
