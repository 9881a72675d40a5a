// Runs cases against a broker: probe and sanity first, then the cases in an order shuffled by the
// seed, those that wait side by side; a failing case is run again twice. Leaves the report to
// suite/report.hpp.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/exit_code.hpp"
#include "conformance/suite/case.hpp"
#include "conformance/suite/context.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance {

struct RunSettings {
    std::uint64_t seed = 1;
    std::uint64_t nonce = 0;  // makes the names of this run differ from those of an earlier one
    double slow = 1.0;
    unsigned jobs = 32;  // cases that wait, side by side
    std::optional<std::chrono::seconds> time_budget{};
    Split split{};
    /// What the operator says of a broker that does not speak 5.0, and so announces nothing.
    Capabilities declared{};
    const std::atomic<bool>* is_interrupted = nullptr;
    /// Called for each finished case, by one thread at a time.
    std::function<void(const CaseEntry&, const CaseOutcome&)> on_case{};
};

struct CaseRecord {
    const CaseEntry* entry = nullptr;
    CaseOutcome outcome{};
    std::chrono::microseconds wall_time{0};
    Condition condition = Condition::usual;  // of the broker that was judged
};

struct RunRecord {
    std::vector<CaseRecord>
        cases{};  // in the order of the ids; those that were not run are missing
    std::size_t not_run = 0;
    Capabilities capabilities{};
    Tolerances tolerances{};
    std::vector<std::string> notes{};
    ExitCode exit_code = ExitCode::as_expected;
    std::string problem{};  // one line, when the run ended early or could not begin
};

/// Runs `cases` on what `source` makes. Never throws because of a broker.
[[nodiscard]] RunRecord run_cases(TargetSource& source, const std::vector<const CaseEntry*>& cases,
                                  const RunSettings& settings);

/// Runs one case once, without probe, sanity and repetitions.
[[nodiscard]] CaseOutcome run_case_once(TargetSource& source, const CaseEntry& entry,
                                        const Surroundings& surroundings, std::uint64_t seed);

/// Leads one conversation, without probe, sanity and repetitions.
[[nodiscard]] CaseOutcome converse_once(TargetSource& source, const Surroundings& surroundings,
                                        ProtocolVersion version, std::uint64_t seed,
                                        const std::function<void(Context&)>& body);

/// What probe() found out.
struct Probe {
    Surroundings surroundings{};
    std::vector<std::string> notes{};
    std::string problem{};  // not empty: the broker cannot be judged; the reason
    bool is_reachable = true;
};

/// Connects in both versions, reads what the CONNACK announces, measures the round trip.
[[nodiscard]] Probe probe(TargetSource& source, const RunSettings& settings);

/// A number that depends on all of the arguments; the same on every machine.
[[nodiscard]] std::uint64_t mix(std::uint64_t seed, std::string_view text, std::uint64_t number);

}  // namespace touchstone::conformance
