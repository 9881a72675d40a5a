// What the tests of the store have in common: a directory, and a store in it whose outcomes can be
// waited for.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "broker/rocksdb/store.hpp"

namespace touchstone::rocksdb_driver {

/// What a test waits for must happen within this time, on a slow machine and under a sanitizer.
inline constexpr auto outcome_wait_max = std::chrono::seconds{60};

/// An empty directory that goes away with its contents.
class TestDirectory {
public:
    TestDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "touchstone-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error{"mkdtemp " + name};
        path_ = name;
    }
    ~TestDirectory() { std::filesystem::remove_all(path_); }
    TestDirectory(const TestDirectory&) = delete;
    TestDirectory& operator=(const TestDirectory&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::filesystem::path data() const { return path_ / "data"; }
    /// The database's files that end so.
    [[nodiscard]] std::vector<std::filesystem::path> files(std::string_view ending) const {
        std::vector<std::filesystem::path> found;
        for (const auto& file : std::filesystem::directory_iterator{data() / "records"})
            if (file.path().filename().string().ends_with(ending)) found.push_back(file.path());
        std::ranges::sort(found);
        return found;
    }

private:
    std::filesystem::path path_;
};

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}
inline void write_file(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream{path, std::ios::binary | std::ios::trunc} << bytes;
}

/// A store in a directory, as one process has it.
class StoreRig {
public:
    using Records = std::map<std::string, std::string>;
    struct Shape {
        unsigned shard_count = 2;
        Durability durability = Durability::sync;
        Duration sync_interval = std::chrono::hours{1};
        rocksdb::Env* environment = nullptr;
    };

    explicit StoreRig(const TestDirectory& directory) : StoreRig{directory, Shape{}} {}
    StoreRig(const TestDirectory& directory, Shape shape)
        : directory_{directory.data()},
          database_{laid_out(shape.shard_count), shape.environment},
          numbers_(shape.shard_count) {
        store_.emplace(database_, Store::Options{.shard_count = shape.shard_count,
                                                 .durability = shape.durability,
                                                 .sync_interval = shape.sync_interval,
                                                 .on_outcome = [this](auto... outcome) {
                                                     on_outcome(outcome...);
                                                 },
                                                 .on_read = [this](auto... found) {
                                                     on_read(found...);
                                                 }});
    }

    Store& store() { return *store_; }
    Database& database() { return database_; }

    /// Writes to the open batch of a shard.
    StoreRig& put(const std::string& key, const std::string& value, unsigned shard = 0) {
        store_->port(shard).put(key, as_bytes(value));
        return *this;
    }
    StoreRig& erase(const std::string& key, unsigned shard = 0) {
        store_->port(shard).erase(key);
        return *this;
    }
    /// Ends it.
    BatchNumber commit(unsigned shard = 0) {
        store_->port(shard).commit(++numbers_[shard]);
        return numbers_[shard];
    }
    /// Waits for the outcome of the last batch and tells the port.
    StorageOutcome outcome(unsigned shard = 0) {
        const auto result = await(shard);
        store_->port(shard).on_outcome(result);
        return result;
    }
    StorageOutcome committed(unsigned shard = 0) {
        commit(shard);
        return outcome(shard);
    }
    /// What the store finds under the keys; `?` for a record that is not there.
    std::vector<std::string> look_up(std::vector<std::string> keys, unsigned shard = 0) {
        const std::pair wanted{shard, ++last_read_};
        store_->port(shard).read(last_read_, std::move(keys));
        std::unique_lock lock{mutex_};
        const bool is_there =
            has_changed_.wait_for(lock, outcome_wait_max, [&] { return answers_.contains(wanted); });
        if (!is_there) throw std::runtime_error{"no answer in time"};
        std::vector<std::string> values;
        for (const auto& value : answers_.at(wanted).values)
            values.push_back(value ? std::string{as_text(*value)} : "?");
        return values;
    }
    Records records(unsigned shard = 0) {
        Records all;
        const auto why = database_.read(directory_.layout().generation, shard,
                                        [&](std::string_view key, Bytes value) {
                                            all.emplace(key, std::string{as_text(value)});
                                        });
        EXPECT_EQ(why, "");
        return all;
    }

private:
    DataDirectory& laid_out(unsigned shard_count) {
        if (directory_.layout().shard_count == 0)
            directory_.set_layout({.shard_count = shard_count});
        return directory_;
    }
    void on_outcome(unsigned shard, BatchNumber number, StorageOutcome outcome) {
        const std::scoped_lock lock{mutex_};
        outcomes_[{shard, number}] = outcome;
        has_changed_.notify_all();
    }
    void on_read(unsigned shard, ReadNumber number, const ReadAnswer& answer) {
        const std::scoped_lock lock{mutex_};
        answers_[{shard, number}] = answer;
        has_changed_.notify_all();
    }
    StorageOutcome await(unsigned shard) {
        const std::pair wanted{shard, numbers_[shard]};
        std::unique_lock lock{mutex_};
        const bool is_there = has_changed_.wait_for(lock, outcome_wait_max,
                                                    [&] { return outcomes_.contains(wanted); });
        if (!is_there) throw std::runtime_error{"no outcome in time"};
        return outcomes_.at(wanted);
    }

    DataDirectory directory_;
    Database database_;
    std::vector<BatchNumber> numbers_;
    std::mutex mutex_;
    std::condition_variable has_changed_;
    std::map<std::pair<unsigned, BatchNumber>, StorageOutcome> outcomes_;
    std::map<std::pair<unsigned, ReadNumber>, ReadAnswer> answers_;
    ReadNumber last_read_ = 0;
    std::optional<Store> store_;
};

}  // namespace touchstone::rocksdb_driver
