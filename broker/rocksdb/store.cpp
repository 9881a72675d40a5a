#include "broker/rocksdb/store.hpp"

#include <rocksdb/db.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::rocksdb_driver {

namespace {

using SteadyClock = std::chrono::steady_clock;

/// A batch's memory is used again, unless it was a rare large one.
constexpr std::size_t kept_batch_bytes_max = 4 << 20;

rocksdb::Slice slice(std::string_view text) {
    return {text.data(), text.size()};
}

/// Puts the changes of one batch behind those of another.
class Appender final : public rocksdb::WriteBatch::Handler {
public:
    explicit Appender(rocksdb::WriteBatch& to) : to_{to} {}
    void Put(const rocksdb::Slice& key, const rocksdb::Slice& value) override {
        to_.Put(key, value);
    }
    void Delete(const rocksdb::Slice& key) override { to_.Delete(key); }

private:
    rocksdb::WriteBatch& to_;
};

std::unique_ptr<rocksdb::WriteBatch> new_batch() {
    return std::make_unique<rocksdb::WriteBatch>();
}

}  // namespace

// --- A shard's port ------------------------------------------------------------------------------

Store::Port::Port(Store& store, unsigned shard)
    : store_{store},
      shard_{shard},
      prefix_{store.database_.directory().layout().generation, shard},
      open_{new_batch()},
      under_way_{new_batch()} {}

void Store::Port::put(std::string_view key, Bytes value) {
    const rocksdb::Slice key_parts[] = {slice(prefix_.text()), slice(key)};
    const rocksdb::Slice value_part = slice(as_text(value));
    open_->Put(rocksdb::SliceParts{key_parts, 2}, rocksdb::SliceParts{&value_part, 1});
}

void Store::Port::erase(std::string_view key) {
    const rocksdb::Slice key_parts[] = {slice(prefix_.text()), slice(key)};
    open_->Delete(rocksdb::SliceParts{key_parts, 2});
}

void Store::Port::commit(BatchNumber number) {
    CHECK(!is_waiting_);
    is_waiting_ = true;
    std::swap(open_, under_way_);
    store_.enqueue(Job{shard_, number, under_way_.get()});
}

void Store::Port::read(ReadNumber number, std::vector<std::string> keys) {
    for (auto& key : keys) key.insert(0, prefix_.text());
    store_.enqueue(Lookup{shard_, number, std::move(keys)});
}

void Store::Port::on_outcome(StorageOutcome outcome) {
    CHECK(is_waiting_);
    is_waiting_ = false;
    if (outcome != StorageOutcome::stored) {
        // Both are ended together, next time.
        Appender behind{*under_way_};
        CHECK(open_->Iterate(&behind).ok());
        std::swap(open_, under_way_);
    }
    if (under_way_->GetDataSize() > kept_batch_bytes_max)
        under_way_ = new_batch();
    else
        under_way_->Clear();
}

// --- The start and the end -----------------------------------------------------------------------

Store::Store(Database& database, Options options)
    : database_{database},
      options_{std::move(options)} {
    CHECK(database_.directory().layout().shard_count == options_.shard_count);
    for (unsigned shard = 0; shard < options_.shard_count; ++shard)
        ports_.emplace_back(new Port{*this, shard});
    thread_ = std::thread{[this] { run(); }};
    lookup_thread_ = std::thread{[this] { run_lookups(); }};
}

Store::~Store() {
    stop();
}

void Store::recover(unsigned shard, const std::function<bool(std::string_view, Bytes)>& take) {
    std::vector<std::string> bad;
    std::uint64_t count = 0;
    const auto began = SteadyClock::now();
    const auto why = database_.read(database_.directory().layout().generation, shard,
                                    [&](std::string_view key, Bytes value) {
                                        ++count;
                                        if (!take(key, value)) bad.emplace_back(key);
                                    });
    if (!why.empty())
        spdlog::error("data directory: shard {}: not all records could be read: {}", shard, why);
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - began);
    spdlog::info("data directory: shard {}: {} records read in {} ms", shard, count, took.count());
    set_aside(shard, bad);
}

void Store::set_aside(unsigned shard, const std::vector<std::string>& keys) {
    if (keys.empty()) return;
    bad_records_ += keys.size();
    spdlog::error(
        "data directory: shard {}: {} records are damaged or refer to some that are missing; they "
        "are set aside, the first is {}",
        shard, keys.size(), keys.front());
    const auto why = database_.set_aside(shard, keys);
    if (!why.empty()) spdlog::error("data directory: shard {}: set aside: {}", shard, why);
}

void Store::stop() {
    if (!thread_.joinable()) return;
    {
        const std::scoped_lock lock{mutex_};
        is_stopping_ = true;
    }
    has_changed_.notify_one();
    wants_lookup_.notify_one();
    thread_.join();
    lookup_thread_.join();
}

StoreFigures Store::figures() const {
    StoreFigures all;
    all.batches = batches_;
    all.batches_full = batches_full_;
    all.batches_failed = batches_failed_;
    all.record_bytes = record_bytes_;
    all.sync_us = sync_us_;
    for (std::size_t i = 0; i < syncs_by_time_.size(); ++i) {
        all.syncs_by_time[i] = syncs_by_time_[i];
        all.syncs += all.syncs_by_time[i];
    }
    all.bad_records = bad_records_;
    all.damaged_parts = database_.damage().size();
    const auto written = database_.written();
    all.log_bytes = written.log_bytes;
    all.flush_bytes = written.flush_bytes;
    all.compaction_bytes = written.compaction_bytes;
    all.size_bytes = database_.size_bytes();
    all.is_refusing = is_refusing_;
    return all;
}

// --- The store's thread --------------------------------------------------------------------------

void Store::enqueue(Job job) {
    {
        const std::scoped_lock lock{mutex_};
        if (is_stopping_) return;
        jobs_.push_back(job);
    }
    has_changed_.notify_one();
}

void Store::run() {
    std::vector<Job> jobs;
    while (true) {
        {
            std::unique_lock lock{mutex_};
            const auto has_work = [this] { return !jobs_.empty() || is_stopping_; };
            if (unsynced_since_)
                has_changed_.wait_until(lock, *unsynced_since_ + options_.sync_interval, has_work);
            else
                has_changed_.wait(lock, has_work);
            if (jobs_.empty() && is_stopping_) break;
            jobs.swap(jobs_);
        }
        if (!jobs.empty()) write(jobs);
        jobs.clear();
        if (unsynced_since_ && SteadyClock::now() >= *unsynced_since_ + options_.sync_interval)
            sync_log();
    }
    if (unsynced_since_) sync_log();
}

void Store::write(const std::vector<Job>& jobs) {
    const auto outcome = try_to_write(jobs);
    if (outcome == StorageOutcome::stored && last_outcome_ != StorageOutcome::stored)
        spdlog::info("data directory: {}: records can be stored again",
                     database_.directory().path().string());
    last_outcome_ = outcome;
    is_refusing_ = outcome != StorageOutcome::stored;
    batches_ += jobs.size();
    if (outcome == StorageOutcome::full) batches_full_ += jobs.size();
    if (outcome == StorageOutcome::failed) batches_failed_ += jobs.size();
    if (outcome == StorageOutcome::stored)
        for (const Job& job : jobs) record_bytes_ += job.batch->GetDataSize();
    for (const Job& job : jobs) options_.on_outcome(job.shard, job.number, outcome);
}

StorageOutcome Store::try_to_write(const std::vector<Job>& jobs) {
    if (last_outcome_ != StorageOutcome::stored && !resume()) return last_outcome_;
    const auto last = std::ranges::find_if(jobs.rbegin(), jobs.rend(),
                                           [](const Job& job) { return job.batch->Count() != 0; });
    if (last == jobs.rend()) return StorageOutcome::stored;
    const auto began = SteadyClock::now();
    for (const Job& job : jobs) {
        if (job.batch->Count() == 0) continue;
        rocksdb::WriteOptions options;
        // The sync of the last one is that of all before it: they are in the same log.
        options.sync = options_.durability == Durability::sync && &job == &*last;
        const auto status = database_.db().Write(options, job.batch);
        if (!status.ok()) return refuse(status.IsNoSpace(), status.ToString());
    }
    if (options_.durability == Durability::sync) count_sync(began);
    if (options_.durability == Durability::interval && !unsynced_since_) unsynced_since_ = began;
    return StorageOutcome::stored;
}

void Store::sync_log() {
    unsynced_since_.reset();
    if (last_outcome_ != StorageOutcome::stored) return;  // it is synced when that is over
    const auto began = SteadyClock::now();
    const auto status = database_.db().SyncWAL();
    if (status.ok()) return count_sync(began);
    last_outcome_ = refuse(status.IsNoSpace(), status.ToString());
    is_refusing_ = true;
}

StorageOutcome Store::refuse(bool is_full, const std::string& why) {
    const auto outcome = is_full ? StorageOutcome::full : StorageOutcome::failed;
    if (outcome != last_outcome_) {
        spdlog::error("data directory: {}: cannot store: {}; clients whose messages, subscriptions "
                      "or sessions need the disk are refused until it is {}",
                      database_.directory().path().string(), why,
                      is_full ? "given room" : "sound again");
    }
    return outcome;
}

bool Store::resume() {
    const auto resumed = database_.resume();
    // While RocksDB tries on its own, the reason stays what it was.
    if (!resumed.is_ready && !resumed.is_busy) last_outcome_ = refuse(resumed.is_full, resumed.why);
    return resumed.is_ready;
}

void Store::count_sync(SteadyClock::time_point began) {
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - began);
    const auto place = std::ranges::lower_bound(sync_time_bounds, took) - sync_time_bounds.begin();
    ++syncs_by_time_[static_cast<std::size_t>(place)];
    sync_us_ += static_cast<std::uint64_t>(took.count());
}

// --- The thread that reads -----------------------------------------------------------------------

void Store::enqueue(Lookup lookup) {
    {
        const std::scoped_lock lock{mutex_};
        if (is_stopping_) return;
        lookups_.push_back(std::move(lookup));
    }
    wants_lookup_.notify_one();
}

void Store::run_lookups() {
    std::vector<Lookup> lookups;
    while (true) {
        {
            std::unique_lock lock{mutex_};
            wants_lookup_.wait(lock, [this] { return !lookups_.empty() || is_stopping_; });
            if (is_stopping_) return;  // nobody is sent anything any more
            lookups.swap(lookups_);
        }
        for (const Lookup& one : lookups)
            options_.on_read(one.shard, one.number, database_.look_up(one.keys));
        lookups.clear();
    }
}

}  // namespace touchstone::rocksdb_driver
