// What a run comes to: counts, verdict, and the last line that every run prints.
// Leaves to others: which exit code follows (the subcommands), the files (result_directory.hpp).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "reports/results.pb.h"

namespace touchstone::reports {

/// "pass", "non-strict", "info", "fail", "not applicable", "inconclusive", "flaky", "crash"; "not judged" for
/// unspecified.
[[nodiscard]] std::string_view verdict_text(results::Verdict::Value verdict);

/// fail or crash.
[[nodiscard]] bool is_failure(results::Verdict::Value verdict);

/// True when the exchange or the close is a failure.
[[nodiscard]] bool is_failure(const results::CaseResult& result);

/// The worse of the two verdicts of a case: crash, fail, flaky, inconclusive, non-strict, info, pass, not applicable.
[[nodiscard]] results::Verdict::Value overall_verdict(const results::CaseResult& result);

/// True when it ended as its expectation says; without one: when it did not fail.
[[nodiscard]] bool is_as_expected(const results::CaseResult& result);
[[nodiscard]] bool is_as_expected(const results::ScenarioResult& result);

/// Fills `counts` (cases by overall_verdict, scenarios by verdict) and, unless the caller already set it, `verdict`:
/// crash or fail when a result failed against expectation, inconclusive when no result was judged at all, else pass.
/// Calling it twice changes nothing.
void complete(results::Run& run);

/// "57 pass, 1 non-strict, 2 fail": verdicts that occurred, in the order of the enumeration; "nothing judged" if none.
[[nodiscard]] std::string counts_text(const results::Counts& counts);

/// The last line of every run, without line end, in ASCII apart from what names contain; a line break inside a name
/// or command becomes a blank:
///   FAIL conformance mosquitto-tcp | 57 pass, 2 fail | seed 42 | 3.214 s | report out/conform/report.html | again: …
/// `run` has been through complete(). An empty `report_path` is left out.
[[nodiscard]] std::string last_line(const results::Run& run,
                                    const std::filesystem::path& report_path);

}  // namespace touchstone::reports
