// Timers: what is due when, for one shard. An entry is a reminder, not a promise: whoever is
// reminded looks at its own deadline, so that moving a deadline (every packet moves a Keep Alive)
// costs nothing here.
#pragma once

#include <algorithm>
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
    };
    What what{};
    std::uint32_t slot = 0;        // which connection or session
    std::uint32_t generation = 0;  // of the slot: a reminder for a former holder is void
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
    Reminder take() {
        std::pop_heap(heap_.begin(), heap_.end(), Later{});
        const auto reminder = heap_.back().reminder;
        heap_.pop_back();
        return reminder;
    }

private:
    struct Entry {
        Instant at;
        std::uint64_t sequence;  // first in, first out at one instant
        Reminder reminder;
    };
    struct Later {
        bool operator()(const Entry& a, const Entry& b) const {
            return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
        }
    };
    std::vector<Entry> heap_;
    std::uint64_t last_sequence_ = 0;
};

}  // namespace touchstone
