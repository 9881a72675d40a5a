// How long a batch of the store takes from when its first change was due until it is called stored,
// at a given rate of messages, as a shard ends batches: one on its way, the next one gathers.
// Beside it what the disk itself takes for an append and an fdatasync of the same size. Open loop:
// what is late counts from when it was due.
//
// usage: store_latency DIRECTORY [SECONDS] [MESSAGES_PER_SECOND] [BYTES]
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "broker/rocksdb/store.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::rocksdb_driver {
namespace {

using Clock = std::chrono::steady_clock;
using Micros = std::chrono::duration<double, std::micro>;

/// Messages that were not acknowledged by their receivers yet; the oldest is erased for each new
/// one.
constexpr std::size_t kept_messages = 4'000;

void print(const char* what, std::vector<double>& us) {
    if (us.empty()) return;
    std::ranges::sort(us);
    const auto at = [&](double part) {
        return us[static_cast<std::size_t>(part * static_cast<double>(us.size() - 1))] / 1'000;
    };
    std::printf("%-26s n %8zu  p50 %7.2f  p90 %7.2f  p99 %7.2f  p99.9 %7.2f  max %7.2f ms\n", what,
                us.size(), at(0.5), at(0.9), at(0.99), at(0.999), at(1));
}

/// Appends and syncs, one after the other.
void measure_disk(const std::filesystem::path& directory, double seconds, std::size_t size_bytes) {
    const auto name = directory / "plain";
    const int file =
        open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file < 0) std::exit(2);
    const std::string bytes(size_bytes, 'x');
    std::vector<double> us;
    const auto end = Clock::now() + std::chrono::duration<double>{seconds};
    while (Clock::now() < end) {
        const auto began = Clock::now();
        if (write(file, bytes.data(), bytes.size()) < 0 || fdatasync(file) != 0) std::exit(2);
        us.push_back(Micros{Clock::now() - began}.count());
    }
    close(file);
    std::filesystem::remove(name);
    print("append and fdatasync", us);
}

class Bench {
public:
    Bench(const std::filesystem::path& path, std::size_t size_bytes)
        : directory_{path},
          database_{laid_out(directory_)},
          payload_(size_bytes, 'x') {
        store_.emplace(database_, Store::Options{.shard_count = 1, .on_outcome = [this](auto...) {
                                                     const std::scoped_lock lock{mutex_};
                                                     is_stored_ = true;
                                                     has_changed_.notify_one();
                                                 }});
    }

    void run(double seconds, double per_second) {
        const auto began = Clock::now();
        const auto period = std::chrono::duration<double>{1 / per_second};
        const auto due_at = [&](std::uint64_t number) {
            return began + std::chrono::duration_cast<Clock::duration>(period *
                                                                       static_cast<double>(number));
        };
        const auto count = static_cast<std::uint64_t>(seconds * per_second);
        while (done_ < count) {
            take_outcome(due_at(next_));
            const auto now = Clock::now();
            for (; next_ < count && due_at(next_) <= now; ++next_) add(due_at(next_));
            if (!store_->port(0).is_waiting() && !gathered_.empty()) {
                std::swap(gathered_, under_way_);
                store_->port(0).commit(++batches_);
            }
        }
        const auto figures = store_->figures();
        std::printf("%llu batches, %llu syncs, %.2f bytes written per byte of records\n",
                    static_cast<unsigned long long>(figures.batches),
                    static_cast<unsigned long long>(figures.syncs),
                    static_cast<double>(figures.log_bytes + figures.flush_bytes +
                                        figures.compaction_bytes) /
                        static_cast<double>(figures.record_bytes));
        print("due until stored", us_);
    }

private:
    static DataDirectory& laid_out(DataDirectory& directory) {
        if (directory.is_new()) directory.set_layout({.shard_count = 1});
        return directory;
    }
    /// Waits for one, or until the next message is due.
    void take_outcome(Clock::time_point until) {
        std::unique_lock lock{mutex_};
        if (!has_changed_.wait_until(lock, until, [&] { return is_stored_; })) return;
        is_stored_ = false;
        lock.unlock();
        store_->port(0).on_outcome(StorageOutcome::stored);
        const auto now = Clock::now();
        for (const auto due : under_way_) us_.push_back(Micros{now - due}.count());
        done_ += under_way_.size();
        under_way_.clear();
    }
    /// What a QoS 1 message to one lasting session writes, and its acknowledgement erases.
    void add(Clock::time_point due) {
        const auto number = ++number_;
        const auto message =
            Message::make({.topic = "touchstone/bench", .payload = as_bytes(payload_)});
        put(storage::MessageRecord{.number = number, .message = message});
        put(storage::DeliveryRecord{.session = 1, .sequence = number, .message = number});
        if (number > kept_messages) {
            const auto old = number - kept_messages;
            store_->port(0).erase(storage::key_of_delivery(1, old));
            store_->port(0).erase(storage::key_of_message(old));
        }
        gathered_.push_back(due);
    }
    void put(const storage::Record& record) {
        const auto key = storage::key_of(record);
        store_->port(0).put(key, storage::encode(key, record, Duration{}));
    }

    DataDirectory directory_;
    Database database_;
    std::string payload_;
    std::mutex mutex_;
    std::condition_variable has_changed_;
    bool is_stored_ = false;
    std::deque<Clock::time_point> gathered_;
    std::deque<Clock::time_point> under_way_;
    std::vector<double> us_;
    BatchNumber batches_ = 0;
    storage::Number number_ = 0;
    std::uint64_t next_ = 0;
    std::uint64_t done_ = 0;
    std::optional<Store> store_;
};

int bench(int argument_count, char** arguments) {
    if (argument_count < 2) {
        std::fprintf(stderr,
                     "store_latency: name a directory on the disk that is to be measured\n");
        return 2;
    }
    const auto number = [&](int place, double otherwise) {
        return argument_count > place ? std::atof(arguments[place]) : otherwise;
    };
    const std::filesystem::path directory{arguments[1]};
    const double seconds = number(2, 10);
    const double per_second = number(3, 25'000);
    const auto size_bytes = static_cast<std::size_t>(number(4, 16));
    std::filesystem::create_directories(directory);
    measure_disk(directory, seconds / 5, 16 << 10);
    Bench{directory / "data", size_bytes}.run(seconds, per_second);
    measure_disk(directory, seconds / 5, 16 << 10);
    std::filesystem::remove_all(directory / "data");
    return 0;
}

}  // namespace
}  // namespace touchstone::rocksdb_driver

int main(int argument_count, char** arguments) {
    return touchstone::rocksdb_driver::bench(argument_count, arguments);
}
