// The disk of a node, in virtual time: what its shards have stored, and what is on its way there.
// It outlives the node's process. A batch is durable as a whole when its sync is over, and not
// before.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/ports/storage.hpp"
#include "simulator/engine.hpp"

namespace touchstone::simulator {

struct DiskOptions {
    /// From the end of a batch to its being stored, uniform.
    Duration sync_low = std::chrono::milliseconds{1};
    Duration sync_high = std::chrono::milliseconds{5};
};

class Disk final : private EventHandler {
public:
    using Records = std::map<std::string, Buffer, std::less<>>;
    /// A batch is stored, or is known not to be.
    using OnOutcome = std::function<void(unsigned shard, BatchNumber number, StorageOutcome)>;

    /// `entity`: of the node. The engine outlives the disk.
    Disk(Engine& engine, std::uint64_t entity, unsigned shard_count, DiskOptions options,
         OnOutcome on_outcome);
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;

    // What a shard does: see Storage.

    void put(unsigned shard, std::string_view key, Bytes value);
    void erase(unsigned shard, std::string_view key);
    void commit(unsigned shard, BatchNumber number);

    /// The process that wrote is gone, and with it what was not synced.
    void lose_unsynced();
    /// The process waits until all that it has written is stored, which takes no time here.
    void finish();

    /// What is stored.
    [[nodiscard]] const Records& records(unsigned shard) const { return shards_[shard].stored; }
    /// The record is taken out of the way of the next process.
    void set_aside(unsigned shard, const std::string& key) { shards_[shard].stored.erase(key); }

private:
    /// What becomes of each key; nothing: it is erased.
    using Changes = std::map<std::string, std::optional<Buffer>, std::less<>>;
    struct Shard {
        Records stored;
        Changes open;
        Changes under_way;
        std::optional<BatchNumber> number;  // of what is under way
        std::uint32_t commits = 0;          // tells their events apart
        RandomStream syncs;
    };

    void on_event(const Event& event) override;
    void complete(unsigned shard);

    Engine& engine_;
    DiskOptions options_;
    OnOutcome on_outcome_;
    std::uint16_t owner_;
    std::vector<Shard> shards_;
};

}  // namespace touchstone::simulator
