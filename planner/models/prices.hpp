// What nodes cost, from prices that the user gives.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "planner/models/estimate.hpp"

namespace touchstone::planner {

struct NodePrice {
    std::string name;
    std::uint32_t servers = 1;  // processors that the broker may use
    double memory_bytes = 0;
    double per_month = 0;
    /// Of a processor, against the one that was calibrated.
    double speed = 1;
};

struct PriceList {
    std::string currency;
    std::vector<NodePrice> nodes;
    double per_gb_out = 0;
};

struct Offer {
    std::string node;
    std::uint32_t nodes = 0;  // with one to lose
    std::string bound_by;     // "processor", "memory", "one to lose"
    double busy = 0;          // with all there
    double busy_with_one_lost = 0;
    double memory_bytes = 0;  // of each
    double nodes_per_month = 0;
    double network_per_month = 0;
    double per_month = 0;
    std::string mark;  // what is extrapolated; empty: nothing
};

/// For each kind of node as many as keep below question.busy_max and the memory when one is lost;
/// the cheapest first. A kind that cannot do it at any number is left out.
[[nodiscard]] std::vector<Offer> offers(const Calibration& calibration, const Demand& demand,
                                        const Question& question, const PriceList& prices);

}  // namespace touchstone::planner
