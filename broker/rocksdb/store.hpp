// Store: the port Storage of all shards of a node. Each shard gathers a batch; what the shards have
// ended while the disk was syncing is written and synced together, by a thread of the store's own,
// so the disk's speed decides how much one sync carries.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "broker/base/instant.hpp"
#include "broker/ports/storage.hpp"
#include "broker/rocksdb/database.hpp"

namespace touchstone::rocksdb_driver {

/// When a batch is called stored, and so what has been acknowledged can still be lost.
enum class Durability : std::uint8_t {
    sync,      // it is synced: nothing
    interval,  // the system has it: when the system crashes, what came since the last sync
    none,      // the system has it and writes it when it likes: then half a minute or more
};

/// Upper ends of the classes that the time of a sync is counted in; above the last: one more.
inline constexpr auto sync_time_bounds = std::to_array<std::chrono::microseconds>(
    {std::chrono::microseconds{500}, std::chrono::milliseconds{1}, std::chrono::milliseconds{2},
     std::chrono::milliseconds{5}, std::chrono::milliseconds{10}, std::chrono::milliseconds{20},
     std::chrono::milliseconds{50}, std::chrono::milliseconds{100}, std::chrono::milliseconds{500},
     std::chrono::seconds{2}});

struct StoreFigures {
    std::uint64_t batches = 0;         // of shards, stored or refused
    std::uint64_t batches_full = 0;    // refused: no room
    std::uint64_t batches_failed = 0;  // refused: the disk, or RocksDB, could not
    std::uint64_t record_bytes = 0;    // in stored batches, keys included
    std::uint64_t syncs = 0;
    std::uint64_t sync_us = 0;  // time spent in them
    std::array<std::uint64_t, sync_time_bounds.size() + 1> syncs_by_time{};
    std::uint64_t bad_records = 0;    // set aside at the start
    std::uint64_t damaged_parts = 0;  // of the database, set aside at the start
    std::uint64_t log_bytes = 0;      // written to RocksDB's log, and by it to files of records
    std::uint64_t flush_bytes = 0;
    std::uint64_t compaction_bytes = 0;
    std::uint64_t size_bytes = 0;  // of these files now
    bool is_refusing = false;      // the last batch was not stored
};

class Store {
public:
    struct Options {
        unsigned shard_count = 1;
        Durability durability = Durability::sync;
        Duration sync_interval = std::chrono::seconds{1};  // of Durability::interval
        /// What became of a batch; called in the store's thread, and once for each commit. The
        /// shard hands the outcome to its Port before it ends another batch.
        std::function<void(unsigned shard, BatchNumber, StorageOutcome)> on_outcome;
        /// What a read has found; called in the store's other thread.
        std::function<void(unsigned shard, ReadNumber, ReadAnswer)> on_read;
    };

    /// One shard's; used in the shard's thread.
    class Port final : public Storage {
    public:
        void put(std::string_view key, Bytes value) override;
        void erase(std::string_view key) override;
        void commit(BatchNumber number) override;
        void read(ReadNumber number, std::vector<std::string> keys) override;
        /// What became of the batch that was ended last.
        void on_outcome(StorageOutcome outcome);
        /// A batch was ended and its outcome is not known yet.
        [[nodiscard]] bool is_waiting() const { return is_waiting_; }

    private:
        friend class Store;
        Port(Store& store, unsigned shard);

        Store& store_;
        unsigned shard_;
        KeyPrefix prefix_;
        std::unique_ptr<rocksdb::WriteBatch> open_;
        std::unique_ptr<rocksdb::WriteBatch> under_way_;  // the store's thread reads it
        bool is_waiting_ = false;
    };

    /// The database has the layout of that many shards, and is the store's alone from now on.
    Store(Database& database, Options options);
    /// As stop().
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    [[nodiscard]] Port& port(unsigned shard) { return *ports_[shard]; }

    // Before the shard commits anything; for different shards at the same time.

    /// Hands over each record of the shard. `take` returns false: it is of no use.
    void recover(unsigned shard, const std::function<bool(std::string_view, Bytes)>& take);
    /// Takes records that are of no use out of the way of the next process.
    void set_aside(unsigned shard, const std::vector<std::string>& keys);

    /// What was ended before is written and synced; of what is ended later, nobody hears.
    void stop();
    /// From any thread.
    [[nodiscard]] StoreFigures figures() const;

private:
    struct Job {
        unsigned shard;
        BatchNumber number;
        rocksdb::WriteBatch* batch;
    };

    struct Lookup {
        unsigned shard;
        ReadNumber number;
        std::vector<std::string> keys;  // as the database has them
    };

    void enqueue(Job job);
    void enqueue(Lookup lookup);
    void run_lookups();
    void run();
    void write(const std::vector<Job>& jobs);
    /// All of them are stored when this says so.
    StorageOutcome try_to_write(const std::vector<Job>& jobs);
    /// The log is synced because it is time to.
    void sync_log();
    StorageOutcome refuse(bool is_full, const std::string& why);
    [[nodiscard]] bool resume();
    void count_sync(std::chrono::steady_clock::time_point began);

    Database& database_;
    const Options options_;
    std::vector<std::unique_ptr<Port>> ports_;

    std::mutex mutex_;
    std::condition_variable has_changed_;
    std::vector<Job> jobs_;
    std::condition_variable wants_lookup_;
    std::vector<Lookup> lookups_;
    bool is_stopping_ = false;

    // The store's thread's.
    std::optional<std::chrono::steady_clock::time_point> unsynced_since_;
    StorageOutcome last_outcome_ = StorageOutcome::stored;

    // Written by the store's thread, but for bad_records.
    std::atomic<std::uint64_t> batches_{0};
    std::atomic<std::uint64_t> batches_full_{0};
    std::atomic<std::uint64_t> batches_failed_{0};
    std::atomic<std::uint64_t> record_bytes_{0};
    std::atomic<std::uint64_t> sync_us_{0};
    std::array<std::atomic<std::uint64_t>, sync_time_bounds.size() + 1> syncs_by_time_{};
    std::atomic<std::uint64_t> bad_records_{0};
    std::atomic<bool> is_refusing_{false};

    // Last: they use all of the above. Reading has a thread of its own, since a sync takes long.
    std::thread thread_;
    std::thread lookup_thread_;
};

}  // namespace touchstone::rocksdb_driver
