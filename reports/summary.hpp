// What a run comes to: counts, verdict, and the last line that every run prints.
// Leaves to others: which exit code follows (the subcommands), the files (result_directory.hpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "reports/results.pb.h"

namespace touchstone::reports {

/// "pass", "non-strict", "info", "fail", "not applicable", "inconclusive", "flaky", "crash"; "not
/// judged" for unspecified.
[[nodiscard]] std::string_view verdict_text(results::Verdict::Value verdict);

/// "conformance", "simulation", "load", "plan"; "run" for unspecified.
[[nodiscard]] std::string_view kind_text(results::Run::Kind kind);

/// The worse of two verdicts: crash, fail, flaky, inconclusive, non-strict, info, pass, not
/// applicable, not judged.
[[nodiscard]] results::Verdict::Value worse(results::Verdict::Value left,
                                            results::Verdict::Value right);

/// fail or crash.
[[nodiscard]] bool is_failure(results::Verdict::Value verdict);

/// True when the exchange or the close is a failure.
[[nodiscard]] bool is_failure(const results::CaseResult& result);

/// The verdict of a case as a whole: of the exchange, or of the close where that is worse. A close
/// that passed leaves the exchange's verdict alone.
[[nodiscard]] results::Verdict::Value overall_verdict(const results::CaseResult& result);

/// True when it ended as its expectation says; without one: when it did not fail.
[[nodiscard]] bool is_as_expected(const results::CaseResult& result);
[[nodiscard]] bool is_as_expected(const results::ScenarioResult& result);

/// Adds one result to `counts`; a result without a verdict counts as inconclusive.
void add_verdict(results::Counts& counts, results::Verdict::Value verdict);

/// Adds every number of `more` to `counts`.
void add_counts(results::Counts& counts, const results::Counts& more);

/// Results that say something about the target: all but not applicable and inconclusive.
[[nodiscard]] std::uint32_t judged_count(const results::Counts& counts);

/// Fills `counts` (cases by overall_verdict, scenarios by verdict) and, unless the caller already
/// set it, `verdict`: crash or fail when a result failed against expectation, inconclusive when no
/// result was judged at all, else pass. A case without `section` gets the one of its first
/// statement, after the version: "v5 3.3.4 PUBLISH Actions". Calling it twice changes nothing.
void complete(results::Run& run);

/// Wall time as Run has it: "3.21 s"; "under 1 ms" for 0.
[[nodiscard]] std::string wall_time_text(std::uint64_t duration_ms);

/// "57 pass, 1 non-strict, 2 fail": verdicts that occurred, in the order of the enumeration;
/// "nothing judged" if none.
[[nodiscard]] std::string counts_text(const results::Counts& counts);

/// The last line of every run, without line end, in ASCII apart from what names contain; a line
/// break inside a name or command becomes a blank:
///   FAIL conformance mosquitto-tcp | 57 pass, 2 fail | seed 42 | 3.214 s | report
///   out/conform/report.html | again: …
/// `run` has been through complete(). An empty `report_path` is left out.
[[nodiscard]] std::string last_line(const results::Run& run,
                                    const std::filesystem::path& report_path);

}  // namespace touchstone::reports
