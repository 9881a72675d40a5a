// Records of a real broker's shards (broker/record), run through a core of this build: the same
// inputs have to have the same effects, byte by byte. And what the clients of such a record saw, as
// a trace.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/base/defects.hpp"
#include "broker/record/record.hpp"
#include "simulator/trace.hpp"

namespace touchstone::simulator {

/// One shard's record. `file` are its bytes, which `frames` looks into.
struct ShardRecord {
    std::string path;  // for messages
    Buffer file;
    record::Frames frames;
    unsigned shard = 0;  // whose it is, of so many
    unsigned shard_count = 0;
};

/// Errors: "PATH: byte N: …", with the remedy.
[[nodiscard]] std::variant<ShardRecord, std::string> shard_record(std::string path, Buffer file);

/// Why these are not the records of all shards of one node, in their order; nothing when they are.
[[nodiscard]] std::optional<std::string> problem_of_node(const std::vector<ShardRecord>& shards);

struct ReplayOptions {
    Defects defects{};                     // switched on in the core
    std::function<bool()> is_to_end = {};  // asked now and then; none: never
};

struct Replayed {
    std::uint64_t inputs = 0;
    std::uint64_t effects = 0;
    /// Why the record is not whole: its broker was killed, the disk was full, or it was as long as
    /// it may become.
    std::optional<std::string> note;
    /// The first effect that is another one, is missing or is too many: where, what was recorded,
    /// what is.
    std::optional<std::string> parting;
    bool was_ended = false;  // by is_to_end
};

/// Runs the record through a fresh core, up to the first effect that differs. Where the core fails
/// a CHECK, the process ends as the recorded one did. Errors: "PATH: byte N: …" for an input that
/// no driver gives.
[[nodiscard]] std::variant<Replayed, std::string> replay(const ShardRecord& record,
                                                         const ReplayOptions& options);

/// The packets of all connections of the shards' clients, in the order of the instants. What was
/// sent counts as arrived, since nobody knows when it did. The shards' records can be replayed.
[[nodiscard]] Trace trace_of(const std::vector<ShardRecord>& shards);

/// Whether the checker's promise can be judged on the trace of these records, where payloads
/// repeat, and nobody knows what applications wanted, whether a client is still there, and, of a
/// broker that stores, what was before.
[[nodiscard]] bool can_judge(std::string_view invariant, const std::vector<ShardRecord>& shards);

}  // namespace touchstone::simulator
