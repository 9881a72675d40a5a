// Timers: what is due when, for one shard. An entry is a reminder, not a promise: whoever is
// reminded looks at its own deadline, so that moving a deadline (every packet moves a Keep Alive)
// costs nothing here. Reminders that have lost their meaning go when they are due, or when there are
// many of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "broker/base/instant.hpp"

namespace touchstone {

struct Reminder {
    enum class What : std::uint8_t {
        connect,     // a connection is to have sent its CONNECT
        keep_alive,  // a connection is to have sent a packet
        session,     // a Will is due, or a session ends
        retry,       // a session's resends
        resume,      // a connection that was paused may go on
        retained,    // Retained Messages expire
        storage,     // what was not stored is tried again
        defect,      // what a defect switch has put off
    };
    What what{};
    std::uint32_t slot = 0;        // which connection or session
    std::uint32_t generation = 0;  // of the slot: a reminder for a former holder is void
};

struct Timer {
    Instant at;
    std::uint64_t sequence = 0;  // first in, first out at one instant
    Reminder reminder;
};

class Timers {
public:
    void add(Instant at, Reminder reminder) {
        heap_.push_back({at, ++last_sequence_, reminder});
        std::push_heap(heap_.begin(), heap_.end(), Later{});
    }
    [[nodiscard]] bool has_due(Instant now) const {
        return !heap_.empty() && heap_.front().at <= now;
    }
    [[nodiscard]] Instant next() const { return heap_.empty() ? never : heap_.front().at; }
    Timer take() {
        std::pop_heap(heap_.begin(), heap_.end(), Later{});
        const auto timer = heap_.back();
        heap_.pop_back();
        return timer;
    }

    [[nodiscard]] std::size_t size() const { return heap_.size(); }
    /// Whether there are twice as many as the last forget() has left: then it costs little per add().
    [[nodiscard]] bool is_crowded() const { return heap_.size() >= crowded_size_; }
    /// Those for which `is_void(const Timer&)`.
    template <class Predicate>
    void forget(const Predicate& is_void) {
        std::erase_if(heap_, is_void);
        if (heap_.size() < heap_.capacity() / 4) heap_.shrink_to_fit();
        std::make_heap(heap_.begin(), heap_.end(), Later{});
        crowded_size_ = std::max(crowded_size_min, 2 * heap_.size());
    }

private:
    static constexpr std::size_t crowded_size_min = 1024;
    struct Later {
        bool operator()(const Timer& a, const Timer& b) const {
            return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
        }
    };
    std::vector<Timer> heap_;
    std::uint64_t last_sequence_ = 0;
    std::size_t crowded_size_ = crowded_size_min;
};

}  // namespace touchstone
