#include "broker/rocksdb/database.hpp"

#include <rocksdb/db.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <system_error>

#include "broker/base/check.hpp"
#include "broker/rocksdb/gradual_removal.hpp"
#include "broker/rocksdb/lost_layout.hpp"
#include "broker/rocksdb/store_error.hpp"

namespace touchstone::rocksdb_driver {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t readahead_bytes = 2 << 20;
/// What an open database needs besides its records.
constexpr std::uintmax_t spare_bytes = 1 << 20;

rocksdb::Slice slice(std::string_view text) {
    return {text.data(), text.size()};
}

/// Keys that are written in their order, if not for others between them: messages of a shard, and
/// deliveries of a session. RocksDB looks for a place near that of the last one with this prefix.
class RunsOfKeys final : public rocksdb::SliceTransform {
public:
    const char* Name() const override { return "touchstone.runs_of_keys"; }
    rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
        return {key.data(), size_of_prefix(key)};
    }
    bool InDomain(const rocksdb::Slice& key) const override {
        return key.size() > sizeof KeyPrefix::bytes && size_of_prefix(key) < key.size();
    }

private:
    static std::size_t size_of_prefix(const rocksdb::Slice& key) {
        constexpr std::size_t letter = sizeof KeyPrefix::bytes;
        if (key[letter] == 'm') return letter + 2;
        if (key[letter] == 'd') return letter + 2 + 16;
        return key.size();
    }
};

rocksdb::Options options_for(rocksdb::Env* environment) {
    rocksdb::Options options;
    options.env = environment;
    options.compression = rocksdb::kLZ4Compression;
    options.write_buffer_size = 32 << 20;
    options.max_write_buffer_number = 4;
    // A damaged file is lost as a whole.
    options.target_file_size_base = 8 << 20;
    options.level_compaction_dynamic_level_bytes = true;
    options.max_background_jobs = 2;
    options.memtable_insert_with_hint_prefix_extractor = std::make_shared<RunsOfKeys>();
    options.max_open_files = 256;
    // A restart reads the log and goes on with it.
    options.avoid_flush_during_recovery = true;
    options.max_total_wal_size = 256 << 20;
    options.info_log_level = rocksdb::WARN_LEVEL;
    options.max_log_file_size = 1 << 20;
    options.keep_log_file_num = 3;
    // Nothing is looked up, all is read once.
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(4 << 20);
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
}

std::string text_of(const rocksdb::Status& status) {
    return status.ok() ? std::string{} : status.ToString();
}

}  // namespace

Database::Database(DataDirectory& directory, rocksdb::Env* environment, Damage damage)
    : directory_{directory},
      own_environment_{rocksdb::NewCompositeEnv(std::make_shared<GradualRemoval>())},
      environment_{environment != nullptr ? environment : own_environment_.get()},
      statistics_{rocksdb::CreateDBStatistics()} {
    statistics_->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
    CHECK(!directory_.is_new());
    const auto& lost = directory_.lost_layout();
    if (!lost.empty() && damage == Damage::refuse)
        throw DamageError{"data directory: " + (directory_.path() / "layout").string() + ": " +
                          lost + "; a broker that is started on it finds out from the records"};
    const auto why = open_sound(Log::whole_but_for_its_end);
    if (!why.empty() && damage == Damage::refuse) {
        throw DamageError{"data directory: " + directory.records().string() + ": " + why +
                          "; a broker that is started on it sets aside what cannot be read"};
    }
    if (!why.empty()) repair(why);
    if (!lost.empty()) find_layout_again();
    const auto other = 3 - directory_.layout().generation;
    const KeyPrefix prefix{other, 0};
    const std::unique_ptr<rocksdb::Iterator> at{db_->NewIterator({})};
    at->Seek(slice(prefix.text()));
    if (at->Valid() && at->key()[0] == prefix.bytes[0]) remove(other);
}

Database::~Database() = default;

std::string Database::open(Log log, bool& is_full) {
    db_.reset();
    auto options = options_for(environment_);
    // RocksDB would take its files for somebody else's rest if just the one that names them were
    // gone.
    options.create_if_missing = !directory_.has_records();
    options.wal_recovery_mode = log == Log::whatever_is_readable
                                    ? rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords
                                    : rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    options.statistics = statistics_;
    rocksdb::DB* db = nullptr;
    const auto status = rocksdb::DB::Open(options, directory_.records().string(), &db);
    is_full = status.IsNoSpace();
    db_.reset(db);
    return text_of(status);
}

std::string Database::open_sound(Log log) {
    bool is_full = false;
    auto why = open(log, is_full);
    if (is_full)
        throw StoreError{"data directory: " + directory_.records().string() + ": " + why +
                         "; free some room on the disk and start again"};
    if (why.empty()) why = text_of(db_->VerifyChecksum());
    return why;
}

bool Database::has_room_to_open() const {
    std::error_code failed;
    std::uintmax_t log_bytes = 0;
    for (const auto& file : fs::directory_iterator{directory_.records(), failed})
        if (file.path().extension() == ".log") log_bytes += file.file_size(failed);
    return fs::space(directory_.records(), failed).available > log_bytes + spare_bytes;
}

Database::Resumed Database::resume() {
    if (db_ != nullptr) {
        const auto status = db_->Resume();
        if (status.ok()) return {.is_ready = true};
        if (status.IsNoSpace()) return {.is_full = true, .why = status.ToString()};
        if (status.IsBusy() && !has_room_to_open()) return {.is_busy = true};
    }
    // When the log could not be written or synced, nothing but this helps; and on a small disk
    // RocksDB would wait for more room than this takes.
    const std::scoped_lock lock{opening_};
    Resumed resumed;
    resumed.why = open(Log::whole_but_for_its_end, resumed.is_full);
    if (resumed.why.empty()) {
        // What the system has of the old log may never have reached the disk.
        const auto status = db_->Flush({});
        resumed.why = text_of(status);
        resumed.is_full = status.IsNoSpace();
    }
    resumed.is_ready = resumed.why.empty();
    return resumed;
}

void Database::find_layout_again() {
    const auto layout = layout_of_records(*this);
    const auto name = (directory_.path() / "layout").string();
    if (!layout)
        throw StoreError{"data directory: " + name + ": " + directory_.lost_layout() +
                         ", and the records do not tell what it said; write one with the lines "
                         "`touchstone data`, `format " +
                         std::to_string(data_format) +
                         "`, `shards N` (as many as the broker had), `generation 1` or 2"};
    const auto told = "the layout: it " + directory_.lost_layout() +
                      "; by the records it is that of " + std::to_string(layout->shard_count) +
                      " shards, generation " + std::to_string(layout->generation);
    damage_.push_back(told);
    spdlog::error("data directory: {}: {}", directory_.path().string(), told);
    directory_.set_layout(*layout);
}

/// Returns where the copy is; empty when there is no log.
fs::path Database::copy_log() {
    db_.reset();
    auto bad = directory_.unused_name("log");
    std::error_code failed;
    fs::create_directory(bad, failed);
    for (const auto& file : fs::directory_iterator{directory_.records(), failed})
        if (file.path().extension() == ".log")
            fs::copy_file(file.path(), bad / file.path().filename(), failed);
    if (fs::is_empty(bad, failed)) {
        fs::remove(bad, failed);
        bad.clear();
    }
    return bad;
}

/// From the mildest remedy to the one that always works.
void Database::repair(const std::string& why) {
    spdlog::error("data directory: {}: damaged: {}; what can be read is kept",
                  directory_.records().string(), why);
    const auto log = copy_log();
    auto problem = open_sound(Log::whatever_is_readable);
    std::error_code ignored;
    if (problem == why)
        fs::remove_all(log, ignored);  // it was not the log
    else if (!log.empty())
        damage_.push_back("the log: a copy is " + log.string());
    if (!problem.empty()) {
        db_.reset();
        auto options = options_for(environment_);
        const auto status = rocksdb::RepairDB(directory_.records().string(), options);
        if (!status.ok()) spdlog::error("data directory: repair: {}", status.ToString());
        // Where RepairDB puts files that it cannot read.
        const auto lost = directory_.records() / "lost";
        if (fs::exists(lost, ignored)) {
            const auto bad = directory_.unused_name("files");
            fs::rename(lost, bad, ignored);
            damage_.push_back("files of records: they are in " + bad.string());
        }
        problem = open_sound(Log::whatever_is_readable);
    }
    if (!problem.empty()) {
        db_.reset();
        const auto bad = directory_.unused_name("records");
        fs::rename(directory_.records(), bad, ignored);
        damage_.push_back("all records (" + problem + "): they are in " + bad.string());
        problem = open_sound(Log::whole_but_for_its_end);
    }
    if (!problem.empty())
        throw StoreError{"data directory: " + directory_.records().string() + ": " + problem +
                         "; see that the disk is sound, or give another directory"};
    if (damage_.empty()) damage_.push_back(why);
    for (const auto& one : damage_) spdlog::error("data directory: set aside: {}", one);
}

std::string Database::read(unsigned generation, unsigned shard, const Take& take) {
    const std::string prefix{KeyPrefix{generation, shard}.text()};
    const std::string end{KeyPrefix{generation, shard + 1}.text()};
    // Those of messages are next to each other, and come last.
    const auto messages = prefix + "m/";
    const auto behind_messages = prefix + "m0";
    for (const auto& [from, to] : {std::pair{prefix, messages}, std::pair{behind_messages, end},
                                   std::pair{messages, behind_messages}}) {
        const auto why = read_range(from, to, take);
        if (!why.empty()) return why;
    }
    return {};
}

std::string Database::read_range(const std::string& from, const std::string& to, const Take& take) {
    const rocksdb::Slice upper{to};
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper;
    options.readahead_size = readahead_bytes;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> at{db_->NewIterator(options)};
    for (at->Seek(from); at->Valid(); at->Next()) {
        const auto key = at->key();
        const auto value = at->value();
        take({key.data() + sizeof KeyPrefix::bytes, key.size() - sizeof KeyPrefix::bytes},
             as_bytes(std::string_view{value.data(), value.size()}));
    }
    return text_of(at->status());
}

ReadAnswer Database::look_up(const std::vector<std::string>& keys) {
    const std::vector<rocksdb::Slice> slices{keys.begin(), keys.end()};
    std::vector<std::string> values;
    const std::scoped_lock lock{opening_};
    if (db_ == nullptr) return {};
    const auto statuses = db_->MultiGet({}, slices, &values);
    ReadAnswer outcome;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto& status = statuses[i];
        if (status.ok()) {
            const auto bytes = as_bytes(values[i]);
            outcome.values.emplace_back(Buffer{bytes.begin(), bytes.end()});
            continue;
        }
        // What rotted is not there any more; for all else there may be a better time.
        if (!status.IsNotFound())
            spdlog::error("data directory: {}: cannot read a message that waits: {}",
                          directory_.path().string(), status.ToString());
        if (!status.IsNotFound() && !status.IsCorruption()) return {};
        outcome.values.emplace_back(std::nullopt);
    }
    return outcome;
}

std::string Database::set_aside(unsigned shard, const std::vector<std::string>& keys) {
    rocksdb::WriteBatch batch;
    const KeyPrefix from{directory_.layout().generation, shard};
    const KeyPrefix to{set_aside_mark, shard};
    for (const auto& key : keys) {
        const auto known = std::string{from.text()} + key;
        std::string value;
        const auto status = db_->Get({}, known, &value);
        if (!status.ok()) return status.ToString();
        batch.Put(std::string{to.text()} + key, value);
        batch.Delete(known);
    }
    rocksdb::WriteOptions synced;
    synced.sync = true;
    return text_of(db_->Write(synced, &batch));
}

std::string Database::remove(unsigned generation) {
    const KeyPrefix begin{generation, 0};
    const KeyPrefix end{generation + 1, 0};
    rocksdb::WriteOptions synced;
    synced.sync = true;
    return text_of(db_->DeleteRange(synced, db_->DefaultColumnFamily(), slice(begin.text()),
                                    slice(end.text())));
}

Database::Written Database::written() const {
    return {.log_bytes = statistics_->getTickerCount(rocksdb::WAL_FILE_BYTES),
            .flush_bytes = statistics_->getTickerCount(rocksdb::FLUSH_WRITE_BYTES),
            .compaction_bytes = statistics_->getTickerCount(rocksdb::COMPACT_WRITE_BYTES)};
}

std::uint64_t Database::size_bytes() const {
    const std::scoped_lock lock{opening_};
    std::uint64_t size_bytes = 0;
    if (db_ != nullptr)
        db_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &size_bytes);
    return size_bytes;
}

}  // namespace touchstone::rocksdb_driver
