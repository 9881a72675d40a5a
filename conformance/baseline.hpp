// Compares a run with the file of known failures (baseline.proto), and makes that file from a run.
#pragma once

#include <string>
#include <vector>

#include "broker/base/exit_code.hpp"
#include "conformance/baseline.pb.h"
#include "reports/results.pb.h"

namespace touchstone::conformance {

/// What is wrong with the file, one line each with `path`: cases that do not exist or come twice,
/// no reason, a date that is none.
[[nodiscard]] std::vector<std::string> check_baseline(const Baseline& baseline,
                                                      const std::string& path);

/// How a run compares.
struct Comparison {
    std::vector<std::string> regressions{};        // cases that fail and are not listed
    std::vector<std::string> unexpected_passes{};  // cases that are listed and pass
    std::vector<std::string> expired{};            // listed, failing, and their time is up
    std::vector<std::string> known{};              // fail as listed
};

/// Puts expectations into the cases of `run`. `today` is "2026-11-21". Where a listed case was not
/// judged, nothing is said about it.
[[nodiscard]] Comparison apply_baseline(const Baseline& baseline, const std::string& today,
                                        results::Run& run);

/// regression, unexpected_pass, or `otherwise` where a run that merely fails would say as_expected.
[[nodiscard]] ExitCode exit_code_of(const Comparison& comparison, ExitCode otherwise);

/// What is written for a failure that is new in the file.
struct NewEntry {
    std::string reason{};
    std::string link{};
    std::string expires{};
};

/// Brings `baseline` in line with `run`: adds what fails, removes what passes, leaves what was not
/// judged. Returns a line for each change.
std::vector<std::string> update_baseline(const results::Run& run, const NewEntry& entry,
                                         Baseline& baseline);

/// "2026-11-21" of a time in seconds since 1970-01-01 UTC.
[[nodiscard]] std::string date_of(std::int64_t unix_s);

/// Whether `text` is a day as above.
[[nodiscard]] bool is_date(const std::string& text);

}  // namespace touchstone::conformance
