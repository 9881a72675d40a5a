// From what a run found to results.proto, and the short account of a failure in the terminal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/suite/runner.hpp"
#include "reports/results.pb.h"

namespace touchstone::conformance {

/// What the report says about a run besides its cases.
struct RunHeader {
    std::string name;
    std::string url;
    std::string transport;
    unsigned shards = 0;
    std::uint64_t seed = 0;
    std::int64_t started_unix_ms = 0;
    std::uint64_t duration_ms = 0;
    std::string reproduce;     // the whole run
    std::string again_prefix;  // followed by the id of a case, runs that case alone
    bool has_virtual_time = false;
};

/// The whole catalogue with the cases of each statement.
void add_statements(results::Run& run);

/// A case as `--list --json` shows it: not judged.
void add_listed_case(results::Run& run, const CaseEntry& entry);

/// How it is known: announced | observed | declared.
void add_fact(results::Run& run, const std::string& name, const std::string& value,
              const char* source);

/// Makes a run flaky whose worst results that are not known are; before reports::complete().
void settle_verdict(results::Run& run);

[[nodiscard]] results::Run to_results(const RunHeader& header, const RunRecord& record);

/// At most 15 lines: id, statement, ladder, expected, seen, command. Each ends with a line end.
[[nodiscard]] std::string failure_text(const results::CaseResult& result);

/// JSON of `message`, indented.
[[nodiscard]] std::string to_json(const results::Run& run);

}  // namespace touchstone::conformance
