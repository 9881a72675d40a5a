// PowerCutStore: the real Store on a directory of its own, whose batches are synced when a test
// says so, and whose power can be cut.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/bytes.hpp"
#include "broker/rocksdb/store.hpp"
#include "broker/rocksdb/tests/power_cut_files.hpp"
#include "broker/rocksdb/tests/store_rig.hpp"

namespace touchstone::rocksdb_driver {

class PowerCutStore {
public:
    explicit PowerCutStore(unsigned shard_count, Durability durability = Durability::sync)
        : shard_count_{shard_count},
          durability_{durability},
          files_{std::make_shared<PowerCutFiles>()},
          environment_{rocksdb::NewCompositeEnv(files_)},
          numbers_(shard_count) {
        start();
    }
    PowerCutStore(const PowerCutStore&) = delete;
    PowerCutStore& operator=(const PowerCutStore&) = delete;
    ~PowerCutStore() { files_->open_gate(); }

    /// The open batch of a shard, to be filled before begin().
    [[nodiscard]] Storage& batch(unsigned shard) { return store_->port(shard); }
    /// Ends it: RocksDB has it and waits for its sync.
    void begin(unsigned shard) {
        store_->port(shard).commit(++numbers_[shard]);
        files_->await_sync([&] { return outcome_of(shard).has_value(); });
    }
    /// It is synced when this returns.
    void finish(unsigned shard) {
        files_->open_gate();
        std::optional<StorageOutcome> outcome;
        {
            std::unique_lock lock{mutex_};
            const std::pair wanted{shard, numbers_[shard]};
            if (!has_changed_.wait_for(lock, outcome_wait_max,
                                       [&] { return outcomes_.contains(wanted); }))
                throw std::runtime_error{"no outcome in time"};
            outcome = outcomes_.at(wanted);
        }
        files_->close_gate();
        store_->port(shard).on_outcome(*outcome);
        if (*outcome != StorageOutcome::stored) throw std::runtime_error{"was not stored"};
    }
    /// The process is gone, and what was not synced; another one begins.
    void cut_power() {
        files_->cut();
        store_.reset();
        database_.reset();
        directory_.reset();
        files_->open_gate();
        ++cuts_;
        start();
    }
    [[nodiscard]] std::map<std::string, Buffer, std::less<>> records(unsigned shard) {
        std::map<std::string, Buffer, std::less<>> all;
        store_->recover(shard, [&](std::string_view key, Bytes value) {
            all.emplace(key, Buffer{value.begin(), value.end()});
            return true;
        });
        return all;
    }
    void set_aside(unsigned shard, const std::string& key) {
        files_->open_gate();
        store_->set_aside(shard, {key});
        files_->close_gate();
    }

    [[nodiscard]] unsigned cuts() const { return cuts_; }

private:
    void start() {
        directory_.emplace(test_directory_.data());
        if (directory_->is_new()) directory_->set_layout({.shard_count = shard_count_});
        database_.emplace(*directory_, environment_.get());
        if (!database_->damage().empty()) throw std::runtime_error{database_->damage().front()};
        {
            const std::scoped_lock lock{mutex_};
            outcomes_.clear();
        }
        numbers_.assign(shard_count_, 0);
        store_.emplace(*database_, Store::Options{.shard_count = shard_count_,
                                                  .durability = durability_,
                                                  .on_outcome = [this](auto... outcome) {
                                                      on_outcome(outcome...);
                                                  }});
        files_->close_gate();
    }
    void on_outcome(unsigned shard, BatchNumber number, StorageOutcome outcome) {
        {
            const std::scoped_lock lock{mutex_};
            outcomes_[{shard, number}] = outcome;
            has_changed_.notify_all();
        }
        files_->tell();
    }
    [[nodiscard]] std::optional<StorageOutcome> outcome_of(unsigned shard) {
        const std::scoped_lock lock{mutex_};
        const auto found = outcomes_.find({shard, numbers_[shard]});
        if (found == outcomes_.end()) return std::nullopt;
        return found->second;
    }

    unsigned shard_count_;
    Durability durability_;
    TestDirectory test_directory_;
    std::shared_ptr<PowerCutFiles> files_;
    std::unique_ptr<rocksdb::Env> environment_;
    std::mutex mutex_;
    std::condition_variable has_changed_;
    std::map<std::pair<unsigned, BatchNumber>, StorageOutcome> outcomes_;
    std::vector<BatchNumber> numbers_;
    unsigned cuts_ = 0;
    std::optional<DataDirectory> directory_;
    std::optional<Database> database_;
    std::optional<Store> store_;
};

}  // namespace touchstone::rocksdb_driver
