// Sweeps: runs that consist of many. What a sweep comes to, whether it was done in one go or in
// shards on several machines that are joined here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "broker/base/exit_code.hpp"
#include "reports/result_directory.hpp"
#include "reports/results.pb.h"

namespace touchstone::reports {

/// Failing runs of a sweep that are kept with their packets.
inline constexpr std::size_t kept_failures_max = 10;

/// Indices into `run.scenarios()` of what did not end as declared: crashes first, then the soonest
/// in virtual time, then what broke no promise; among equals by position.
[[nodiscard]] std::vector<int> failures_by_time(const results::Run& run);

/// Folder of a result directory for the failures that are kept.
inline constexpr std::string_view failures_folder = "seeds";

/// Where a failure that is kept with its packets has its own report and run.pb, below the sweep's
/// result directory; empty for a run that is not kept, or is no part of a sweep.
[[nodiscard]] std::string folder_of_failure(const results::ScenarioResult& result);

/// Leaves the verdicts of a run of a sweep, and what was broken.
void forget_packets(results::ScenarioResult& result);

/// Puts the runs of the sweep in the order of their positions and works out what follows from them:
/// digest, verdict, and the notes that say what is missing. Packets are kept of the first
/// kept_failures_max of failures_by_time(). `run` has a sweep with its tallies.
void complete_sweep(results::Run& run);

/// Conditions that came about in no run, as "name: story"; nothing for a part of a sweep or one
/// that was broken off, of which nobody can tell.
[[nodiscard]] std::vector<std::string> never_happened(const results::Run& run);

/// 130 interrupted, else 1 a run did not end as declared, else 7 its time was up, else 6 something
/// of never_happened(), else 0.
[[nodiscard]] ExitCode exit_code_of(const results::Run& sweep);

/// Whether the run at `position` belongs to that shard of so many: they are dealt out like cards.
[[nodiscard]] constexpr bool is_of_shard(std::uint64_t position, std::uint32_t shard,
                                         std::uint32_t shards) {
    return position % shards == shard - 1;
}

struct SweepShard {
    std::filesystem::path path;  // where it was read
    results::Run run;
};

/// The shards of one sweep as the sweep. `shards` is not empty. What is wrong is a Problem: no
/// sweep, shards of different sweeps, one that is missing or there twice.
[[nodiscard]] std::variant<results::Run, Problem> merge_sweep(std::vector<SweepShard> shards);

}  // namespace touchstone::reports
