#include "load/shared.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::load {

Interval& Board::at(std::size_t index) {
    CHECK(index >= taken_);
    while (index - taken_ >= intervals_.size()) {
        auto& interval = intervals_.emplace_back();
        interval.from = static_cast<Nanos>(taken_ + intervals_.size() - 1) * interval_;
        interval.length = interval_;
    }
    return intervals_[index - taken_];
}

void Board::add(std::size_t index, const Counts& counts, const Times& times,
                std::uint64_t connected) {
    const std::scoped_lock lock{mutex_};
    auto& interval = at(index);
    interval.counts.add(counts);
    interval.times.add(times);
    interval.connected += connected;
    ++interval.parts;
}

void Board::add_failure(const std::string& words) {
    // A target could say something else each time.
    constexpr std::size_t kinds_max = 40;
    const std::scoped_lock lock{mutex_};
    const auto known = failures_.find(words);
    if (known != failures_.end()) {
        ++known->second;
    } else {
        ++failures_[failures_.size() < kinds_max ? words : "others"];
    }
}

std::vector<Interval> Board::take_complete() {
    const std::scoped_lock lock{mutex_};
    const auto end = std::ranges::find_if(
        intervals_, [this](const Interval& interval) { return interval.parts < parts_; });
    std::vector<Interval> complete{std::make_move_iterator(intervals_.begin()),
                                   std::make_move_iterator(end)};
    intervals_.erase(intervals_.begin(), end);
    taken_ += complete.size();
    return complete;
}

std::vector<Interval> Board::take_rest() {
    const std::scoped_lock lock{mutex_};
    taken_ += intervals_.size();
    return std::exchange(intervals_, {});
}

std::map<std::string, std::uint64_t> Board::failures() {
    const std::scoped_lock lock{mutex_};
    return failures_;
}

Credits::Credits(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
        auto& inbox = *inboxes_.emplace_back(std::make_unique<Inbox>());
        inbox.wake = Handle{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
        if (inbox.wake.is_open()) continue;
        throw std::system_error{errno, std::generic_category(), "eventfd"};
    }
}

void Credits::post(unsigned to, std::span<const std::uint32_t> publishers) {
    auto& inbox = *inboxes_[to];
    bool was_empty = false;
    {
        const std::scoped_lock lock{inbox.mutex};
        was_empty = inbox.publishers.empty();
        inbox.publishers.insert(inbox.publishers.end(), publishers.begin(), publishers.end());
    }
    if (!was_empty) return;
    const std::uint64_t one = 1;
    // Full, it is readable already.
    [[maybe_unused]] const auto written = ::write(inbox.wake.raw(), &one, sizeof one);
}

void Credits::take(unsigned own, std::vector<std::uint32_t>& publishers) {
    auto& inbox = *inboxes_[own];
    publishers.clear();
    const std::scoped_lock lock{inbox.mutex};
    publishers.swap(inbox.publishers);
}

Shared::Shared(const Workload& workload, unsigned thread_count, Nanos now)
    : plan{workload},
      threads{thread_count},
      start{now},
      board{workload.interval, thread_count},
      credits{thread_count} {
    for (unsigned i = 0; i < thread_count; ++i) {
        progress.push_back(std::make_unique<Progress>());
    }
    for (const auto& group : workload.groups) {
        has_credits =
            has_credits || (group.publishing.process == Publishing::Process::closed_loop &&
                            group.publishing.qos == QoS::at_most_once);
    }
}

}  // namespace touchstone::load
