// A run as results.proto has it, from which all files and the page are made; and as text for a
// terminal.
#pragma once

#include <string>
#include <vector>

#include "broker/base/exit_code.hpp"
#include "load/expectation.hpp"
#include "load/limiter.hpp"
#include "load/outcome.hpp"
#include "load/workload.hpp"
#include "reports/results.pb.h"

namespace touchstone::load {

struct Judged {
    results::Verdict::Value verdict = results::Verdict::unspecified;
    ExitCode exit_code = ExitCode::as_expected;
    std::string reason;  // why it is no pass, in one line
};

/// What the run means for whoever started it. A generator that was the limit, or a sample that is
/// too small for what is expected, makes it invalid; what is expected and does not hold, or clients
/// that never got in, a failure.
[[nodiscard]] Judged judge(const Outcome& outcome, const Limit& limit,
                           const std::vector<Expectation>& expectations);

/// Figures, curves and groups.
[[nodiscard]] results::ScenarioResult to_result(const Workload& workload, const Outcome& outcome,
                                                const Judged& judged, const std::string& reproduce);

/// What a run of load has besides: the words, the quantiles, the settings.
[[nodiscard]] results::LoadReport to_load_report(const Workload& workload, const Outcome& outcome,
                                                 const Limit& limit);

/// The run around it; measures and verdict of the whole are those of `result`.
[[nodiscard]] results::Run to_run(const Workload& workload, results::ScenarioResult result,
                                  results::LoadReport load, const std::string& reproduce);

/// The log of all histograms, interval by interval (interval_log.hpp).
[[nodiscard]] std::string interval_log_of(const Outcome& outcome);

/// Lines for a terminal.
[[nodiscard]] std::string text_of(const results::ScenarioResult& result,
                                  const results::LoadReport& load);

}  // namespace touchstone::load
