// All kill points of a scenario, one run for each: nothing is sampled. Each run is judged by the
// scenario's invariants; what it expects to be received is not asked for, since a client that does
// not connect again gets nothing more.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "simulator/kill_point.hpp"
#include "simulator/run.hpp"

namespace touchstone::simulator {

/// The scenario with time, behind its last step, for a node that was killed to start and for its
/// clients to settle. Kill points are those of this scenario.
[[nodiscard]] scenario::Scenario with_time_to_recover(scenario::Scenario scenario);

struct KilledRun {
    KillPoint point;
    Instant at;                       // when the write began
    std::vector<std::string> broken;  // "Q1: …", the first failure of each invariant
};

struct KillTally {
    std::uint64_t runs = 0;  // in which the node was killed
    std::uint64_t passed = 0;
};

struct KillReport {
    std::vector<WriteWatch::Seen> writes;
    std::uint64_t indivisible = 0;            // WriteWatch::indivisible
    std::vector<std::string> broken_without;  // invariants that break without a crash
    std::array<KillTally, all_kill_ways.size()> tallies{};
    std::vector<KilledRun> failed;  // in the order of the writes
    bool was_ended = false;

    [[nodiscard]] std::uint64_t runs() const;
    [[nodiscard]] bool has_passed() const { return broken_without.empty() && failed.empty(); }
};

/// `scenario` has no problems. `is_to_end` is asked before each run.
[[nodiscard]] KillReport kill_at_every_write(const scenario::Scenario& scenario,
                                             const RunOptions& options,
                                             const std::function<bool()>& is_to_end);

/// `broker/0/7/torn`: node, shard, number of the write, way.
[[nodiscard]] std::string text_of(const KillPoint& point, const scenario::Scenario& scenario);
/// Nothing when it is none, or the scenario has no such node with a disk.
[[nodiscard]] std::optional<KillPoint> parse_kill_point(const std::string& text,
                                                        const scenario::Scenario& scenario);

}  // namespace touchstone::simulator
