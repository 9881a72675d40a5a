// Fits what operations of a broker cost to phases. How often it looked, read and wrote in them is
// not seen from outside: a run of the loop says that, with costs that the fit gave before.
#pragma once

#include <optional>
#include <vector>

#include "planner/measure/phase.hpp"

namespace touchstone::planner {

/// How a server may work.
struct LoopKind {
    bool gathers = true;  // event_loop.hpp
    /// To make a copy of QoS 0 takes this share of what it takes to write one. Nothing: what
    /// processor time says, which hardly tells the two apart, since nearly every copy is written by
    /// itself. Latencies do: those of a fan-out wait until all copies are made, and then for the
    /// writes before theirs.
    std::optional<double> copy_share;
};

/// CPU time of operations, from phases with all of their rates. Nothing: they cannot be told apart.
[[nodiscard]] std::optional<LinearFit> fit_processor(const std::vector<Phase>& phases,
                                                     std::optional<double> copy_share = {});

struct LoopFit {
    LinearFit cpu;
    double wake_delay_s = 0;
    double answer_s = 0;
    /// Of the phases' processor time, root of the mean square, as a share; no phase counts for more
    /// than a tenth.
    double error = 0;
};

/// Of one kind of loop. `answer_s`: about how long clients take to acknowledge. Nothing: costs
/// cannot be told apart.
[[nodiscard]] std::optional<LoopFit> fit_loop(const std::vector<Phase>& phases,
                                              std::uint32_t servers, bool shares_queue,
                                              double answer_s, const LoopKind& kind);

/// Rates of all operations in a phase, as a calibration has it; `wake` as it was measured.
[[nodiscard]] OperationRates all_rates(const Calibration& calibration, const Phase& phase);

}  // namespace touchstone::planner
