// The disk of a node, in virtual time: what its shards have stored, and what is on its way there.
// It outlives the node's process. A sound one keeps what the port Storage promises: a batch is
// durable as a whole when its sync is over, and not before. Faults make it slow, full, or broken,
// or make it lie: then it calls batches stored that a crash takes back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/ports/storage.hpp"
#include "simulator/engine.hpp"
#include "simulator/medium.hpp"

namespace touchstone::simulator {

struct DiskOptions {
    /// From the end of a batch to its being stored, uniform.
    Duration sync_low = std::chrono::milliseconds{1};
    Duration sync_high = std::chrono::milliseconds{5};
    /// Makes what the records of so many shards are kept on; null: memory. A disk with one is never
    /// full and does not fail or lie.
    std::function<std::unique_ptr<Medium>(unsigned shard_count)> make_medium{};
};

/// What is wrong with a disk for a while.
struct DiskFault {
    enum class Kind : std::uint8_t {
        slow,     // a sync takes between `sync_low` and `sync_high`
        full,     // batches are refused: StorageOutcome::full
        failing,  // batches are refused: StorageOutcome::failed
        // It lies, that is: flushes nothing. A crash while it lasts
        lost,  // … takes the last `batches` that were called stored, of each shard
        torn,  // … leaves a part of the last batch, called stored or not: the first changes of it
        late,  // … leaves the last batch, called stored or not, and takes the one before it
    };
    Kind kind = Kind::slow;
    Duration sync_low{};
    Duration sync_high{};
    unsigned batches = 1;  // 1 or more
};

/// What a crash has taken that was written before.
struct DiskLoss {
    /// Since when something was not called stored yet; never: there was nothing.
    Instant unsynced_since = never;
    /// Since when something was not as the disk had said, or is there in part; never: nothing.
    Instant broken_since = never;
    std::optional<DiskFault::Kind> lie;  // how, if anything is broken
};

/// Where the shards of a node keep their records: see Storage, whose driver this is.
class RecordStore {
public:
    using Records = simulator::Records;

    virtual void put(unsigned shard, std::string_view key, Bytes value) = 0;
    virtual void erase(unsigned shard, std::string_view key) = 0;
    virtual void commit(unsigned shard, BatchNumber number) = 0;
    virtual void read(unsigned shard, ReadNumber number, std::vector<std::string> keys) = 0;
    /// The record that a read would find now; null: there is none.
    [[nodiscard]] virtual const Buffer* find(unsigned shard, std::string_view key) const = 0;
    /// The process that wrote is gone, and with it what was not stored.
    virtual DiskLoss crash() = 0;
    /// The process waits until all that it has written is stored.
    virtual void finish() = 0;
    /// What is stored: to be asked when no process writes.
    [[nodiscard]] virtual const Records& records(unsigned shard) const = 0;
    /// The record is taken out of the way of the next process.
    virtual void set_aside(unsigned shard, const std::string& key) = 0;

protected:
    ~RecordStore() = default;
};

class Disk final : public RecordStore, private EventHandler {
public:
    /// A batch is stored, or is known not to be.
    using OnOutcome = std::function<void(unsigned shard, BatchNumber number, StorageOutcome)>;
    /// The answer to a read.
    using OnRead = std::function<void(unsigned shard, ReadNumber number, const ReadAnswer&)>;
    using FaultNumber = std::uint32_t;

    /// `entity`: of the node. The engine outlives the disk.
    Disk(Engine& engine, std::uint64_t entity, unsigned shard_count, DiskOptions options,
         OnOutcome on_outcome, OnRead on_read);
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;

    // RecordStore
    void put(unsigned shard, std::string_view key, Bytes value) override;
    void erase(unsigned shard, std::string_view key) override;
    void commit(unsigned shard, BatchNumber number) override;
    /// Takes as long as the quickest sync.
    void read(unsigned shard, ReadNumber number, std::vector<std::string> keys) override;
    /// Called stored, flushed or not.
    [[nodiscard]] const Buffer* find(unsigned shard, std::string_view key) const override;
    DiskLoss crash() override;
    /// Takes no time here.
    void finish() override;
    [[nodiscard]] const Records& records(unsigned shard) const override {
        return shards_[shard].stored;
    }
    void set_aside(unsigned shard, const std::string& key) override;

    /// Batches that the shard has ended, by all processes of the node; whether the last one is
    /// under way.
    [[nodiscard]] std::uint32_t ended(unsigned shard) const { return shards_[shard].commits; }
    [[nodiscard]] bool is_under_way(unsigned shard) const {
        return shards_[shard].number.has_value();
    }
    /// When the outcome of what is under way comes.
    [[nodiscard]] Instant due_at(unsigned shard) const { return shards_[shard].due_at; }

    /// Until end() of that number, which no other fault of the disk has. Of two of a kind, and of
    /// two lies, the later one counts.
    void begin(FaultNumber number, const DiskFault& fault);
    void end(FaultNumber number);

private:
    using Change = RecordChange;
    struct Batch {
        std::vector<Change> changes;  // in the order of writing
        Instant begun_at = never;     // the first of them
    };
    struct Shard {
        Records stored;
        std::vector<Batch> unflushed;  // called stored, oldest first
        Batch under_way;
        Batch open;
        std::optional<BatchNumber> number;  // of what is under way
        Instant due_at = never;             // its outcome
        std::uint32_t commits = 0;          // tells their events apart
        RandomStream syncs;
        RandomStream tears;
    };

    struct Reading {
        unsigned shard;
        ReadNumber number;
        std::vector<std::string> keys;
    };
    enum : std::uint8_t { synced, looked_up };  // events

    void on_event(const Event& event) override;
    void complete(unsigned shard);
    void answer(const Reading& reading);
    void write(unsigned shard, Change change);
    /// The first `count` changes of a batch are stored.
    static void store(Shard& shard, Batch& batch, std::size_t count);
    static void flush_oldest(Shard& shard);
    void lose(Shard& shard, const DiskFault& lie, DiskLoss& loss);
    [[nodiscard]] const DiskFault* last_of(DiskFault::Kind kind) const;
    [[nodiscard]] const DiskFault* lie() const;

    Engine& engine_;
    DiskOptions options_;
    OnOutcome on_outcome_;
    OnRead on_read_;
    std::map<std::uint64_t, Reading> readings_;  // under way, by the number of their event
    std::uint64_t reading_count_ = 0;
    std::uint16_t owner_;
    std::vector<Shard> shards_;
    std::unique_ptr<Medium> medium_;                         // null: `stored` is all
    std::vector<std::pair<FaultNumber, DiskFault>> faults_;  // that are on, in their order
};

}  // namespace touchstone::simulator
