// A Storage that keeps what it is told, for tests: batches become stored when the test says so.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/ports/storage.hpp"

namespace touchstone {

class MemoryStorage final : public Storage {
public:
    using Records = std::map<std::string, Buffer, std::less<>>;

    void put(std::string_view key, Bytes value) override {
        open.insert_or_assign(std::string{key}, Buffer{value.begin(), value.end()});
    }
    void erase(std::string_view key) override {
        open.insert_or_assign(std::string{key}, std::nullopt);
    }
    void commit(BatchNumber number) override {
        under_way = number;
        for (auto& [key, value] : std::exchange(open, {})) batch.insert_or_assign(key, value);
    }
    void read(ReadNumber number, std::vector<std::string> keys) override {
        reads.emplace_back(number, std::move(keys));
    }

    /// What the read that was asked for first finds now. Returns its number, too.
    std::pair<ReadNumber, ReadAnswer> look_up() {
        const auto [number, keys] = reads.front();
        reads.erase(reads.begin());
        ReadAnswer outcome;
        for (const auto& key : keys) {
            const auto found = records.find(key);
            outcome.values.push_back(found == records.end() ? std::nullopt
                                                            : std::optional{found->second});
        }
        return {number, std::move(outcome)};
    }
    /// What is under way is stored, or is not and stays. Returns its number.
    BatchNumber complete(StorageOutcome outcome = StorageOutcome::stored) {
        const auto number = *std::exchange(under_way, std::nullopt);
        if (outcome != StorageOutcome::stored) return number;
        for (auto& [key, value] : std::exchange(batch, {})) {
            if (value)
                records.insert_or_assign(key, *value);
            else
                records.erase(key);
        }
        return number;
    }
    /// The process is gone.
    void lose_unsynced() {
        open.clear();
        batch.clear();
        under_way.reset();
    }
    /// The keys that begin with `letter`, one after the other.
    [[nodiscard]] std::string keys(char letter) const {
        std::string all;
        for (const auto& [key, value] : records)
            if (key.front() == letter) all += (all.empty() ? "" : " ") + key;
        return all;
    }

    std::map<std::string, std::optional<Buffer>, std::less<>> open;
    std::map<std::string, std::optional<Buffer>, std::less<>> batch;
    std::optional<BatchNumber> under_way;
    Records records;
    std::vector<std::pair<ReadNumber, std::vector<std::string>>> reads;  // not answered
};

}  // namespace touchstone
