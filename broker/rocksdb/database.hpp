// Database: RocksDB in a data directory, checked when it is opened, and repaired when it is
// damaged: what cannot be read is set aside, and the rest is served.
//
// Keys: a byte for the generation (1 or 2) and one for the shard, then the key of the record. Of
// what was set aside: set_aside_mark instead of the generation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/bytes.hpp"
#include "broker/ports/storage.hpp"
#include "broker/rocksdb/data_directory.hpp"

namespace rocksdb {
class DB;
class Env;
class Statistics;
class WriteBatch;
}  // namespace rocksdb

namespace touchstone::rocksdb_driver {

inline constexpr char set_aside_mark = 3;

/// What all keys of a shard begin with.
struct KeyPrefix {
    KeyPrefix(unsigned generation, unsigned shard)
        : bytes{static_cast<char>(generation), static_cast<char>(shard)} {}
    [[nodiscard]] std::string_view text() const { return {bytes, sizeof bytes}; }
    char bytes[2];
};

class Database {
public:
    enum class Damage : bool { repair, refuse };

    /// The directory has a layout or records: who dies while the database is made has a layout and
    /// no records. A lost layout is found out from the records.
    /// `environment`: what RocksDB does its work on; null: the system. It outlives the Database.
    /// Throws StoreError.
    /// With Damage::refuse, DamageError instead of a repair.
    explicit Database(DataDirectory& directory, rocksdb::Env* environment = nullptr,
                      Damage damage = Damage::repair);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    /// Not after a resume() that did not succeed.
    [[nodiscard]] rocksdb::DB& db() { return *db_; }
    [[nodiscard]] DataDirectory& directory() { return directory_; }
    /// Damage that was found when it was opened, in words; each was set aside.
    [[nodiscard]] const std::vector<std::string>& damage() const { return damage_; }

    using Take = std::function<void(std::string_view key, Bytes value)>;
    /// Hands over each record of a shard, those of messages behind the others. Nothing when all
    /// could be read, else why not.
    std::string read(unsigned generation, unsigned shard, const Take& take);
    /// What is under these keys, prefixes included. From any thread.
    [[nodiscard]] ReadAnswer look_up(const std::vector<std::string>& keys);
    /// Takes records out of the way of the next process. Nothing when that is durable, else why
    /// not.
    std::string set_aside(unsigned shard, const std::vector<std::string>& keys);
    /// Removes all records of a generation. Nothing when that is durable, else why not.
    std::string remove(unsigned generation);
    /// After an error, which RocksDB takes nothing after until it is told to, or opened again. What
    /// was called stored is there afterwards.
    struct Resumed {
        bool is_ready = false;
        bool is_busy = false;  // it is about to do the same by itself
        bool is_full = false;
        std::string why;
    };
    Resumed resume();

    /// Bytes written by RocksDB since the start. From any thread, as size_bytes().
    struct Written {
        std::uint64_t log_bytes = 0;
        std::uint64_t flush_bytes = 0;
        std::uint64_t compaction_bytes = 0;
    };
    [[nodiscard]] Written written() const;
    /// Of all its files but the log.
    [[nodiscard]] std::uint64_t size_bytes() const;

private:
    /// How much damage to the log is taken.
    enum class Log : bool { whole_but_for_its_end, whatever_is_readable };
    /// Nothing when it is open and sound.
    std::string open_sound(Log log);
    std::string open(Log log, bool& is_full);
    void repair(const std::string& why);
    void find_layout_again();
    /// From one key to before another.
    std::string read_range(const std::string& from, const std::string& to, const Take& take);
    /// What is in the log becomes a file.
    [[nodiscard]] bool has_room_to_open() const;
    std::filesystem::path copy_log();

    DataDirectory& directory_;
    std::unique_ptr<rocksdb::Env> own_environment_;  // outlives the database
    rocksdb::Env* environment_;
    std::shared_ptr<rocksdb::Statistics> statistics_;
    mutable std::mutex opening_;       // held by who changes db_ while others may ask for figures
    std::unique_ptr<rocksdb::DB> db_;  // null: it could not be opened again after an error
    std::vector<std::string> damage_;
};

}  // namespace touchstone::rocksdb_driver
