// The result directory of a run: run.pb, run.json, junit.xml, report.html, repro.txt; of a
// conformance run also summary.md, badge.svg, conformance-statement.md, and packets/CASE.pcapng for
// each case that failed. Every file is written beside its place and renamed into it, so that an
// interrupted run leaves no half file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "broker/base/exit_code.hpp"
#include "reports/results.pb.h"

namespace touchstone::reports {

/// Why something could not be written or read: one line for stderr that names the place and the
/// remedy.
struct Problem {
    std::string line;
    ExitCode exit_code = ExitCode::usage_error;
};

/// `out/<kind>-<name>`, with every character of `name` that is not a letter, digit, '.', '_' or '-'
/// turned into '-'.
[[nodiscard]] std::filesystem::path default_result_directory(std::string_view kind,
                                                             std::string_view name);

/// Creates `directory` with its parents and proves that a file can be written there. Called before
/// a long run, so that a wrong --out costs a second and not the run.
[[nodiscard]] std::optional<Problem>
prepare_result_directory(const std::filesystem::path& directory);

/// Replaces the file at `path` by `content` in one step (temporary file, flush to disk, rename).
[[nodiscard]] std::optional<Problem> write_file_atomically(const std::filesystem::path& path,
                                                           std::string_view content);

/// Writes the files for `run` into `directory`, creating it when needed. Completes a copy of
/// the run first (complete(), valid UTF-8, format version, checksum).
[[nodiscard]] std::optional<Problem> write_results(const results::Run& run,
                                                   const std::filesystem::path& directory);

/// The end of every run: write_results, then last_line on stdout. Returns `exit_code`; when the
/// results could not be written, says so on stderr and returns usage_error, unless `exit_code`
/// already reports something worse than as_expected.
[[nodiscard]] ExitCode finish_run(results::Run run, const std::filesystem::path& directory,
                                  ExitCode exit_code);

}  // namespace touchstone::reports
