// The event list of large fleets: as simulator/event_list.hpp it gives back the earliest event, and
// those of one instant in the order they were put, but it stays as fast with 10^8 of them.
//
// Heaps and trees die of cache misses. Here an event is written behind others of about its time, in
// a bucket, and a bucket is sorted when time reaches it: memory is gone through in sequence. There
// is a lane of buckets per time scale, 2^15 ns (33 us) for what is near and 2^24 ns (17 ms) for
// what is not; what is beyond the lanes waits, and is dealt out to them.
//
// No event carries a sequence number. An event goes to the far lane, not to the near one, when it
// is far from now; so of two for the same instant the one in the far lane was put first, and a
// stable sort keeps the order within a lane.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "broker/base/check.hpp"
#include "simulator/fleet/pages.hpp"

namespace touchstone::simulator::fleet {

/// Virtual time, nanoseconds from the start of the run: the cost of an operation is microseconds.
using Time = std::uint64_t;
inline constexpr Time never = std::numeric_limits<Time>::max();

/// What is to happen, to whom. The fields behind `at` are the owner's.
struct TimedEvent {
    Time at = 0;
    std::uint32_t subject = 0;
    std::uint8_t kind = 0;
    std::uint8_t generation = 0;
    std::uint16_t detail = 0;
};
static_assert(sizeof(TimedEvent) == 16);

class BucketList {
public:
    BucketList();
    BucketList(const BucketList&) = delete;
    BucketList& operator=(const BucketList&) = delete;

    /// `event.at` is not before now() and before `never`.
    void put(const TimedEvent& event);
    /// Takes the earliest event off into `event` and makes its time now(). False when there is none
    /// up to and with `until`; then that is now(). `until` is not before now().
    bool take(Time until, TimedEvent& event);
    [[nodiscard]] Time now() const { return now_; }
    [[nodiscard]] std::size_t size() const { return size_; }

    /// The subject of an event that is due soon, most likely: worth fetching from memory. Some
    /// subject of an event that was put, in any case, or 0.
    [[nodiscard]] std::uint32_t subject_ahead() const { return far_.next[ahead].subject; }

private:
    static constexpr unsigned near_shift = 15;
    static constexpr unsigned far_shift = 24;
    static constexpr std::uint64_t near_buckets = 1024;
    static constexpr std::uint64_t far_buckets = 32'768;
    /// What is beyond the far lane is dealt out by so many of its buckets.
    static constexpr std::uint64_t beyond_buckets = 512;
    // Nothing is put into the far lane's open bucket: the near lane reaches beyond it.
    static_assert((near_buckets << near_shift) >= (std::uint64_t{2} << far_shift));
    static constexpr std::size_t ahead = 12;

    /// Aligned to its size, so that the address of an event says whether it is a chunk's last.
    struct Chunk {
        static constexpr std::size_t bytes = 256;
        Chunk* next;
        std::uint64_t unused;
        std::array<TimedEvent, bytes / sizeof(TimedEvent) - 1> events;
    };
    static_assert(sizeof(Chunk) == Chunk::bytes);

    struct Bucket {
        Chunk* first = nullptr;
        TimedEvent* end = nullptr;  // where the next event goes, unless its chunk is full
    };

    /// A ring of buckets, numbered by time; which of them hold something.
    template <std::uint64_t count>
    struct Lane {
        std::array<Bucket, count> buckets{};
        std::array<std::uint64_t, count / 64> filled{};
        std::array<std::uint64_t, (count / 64 + 63) / 64> filled_words{};
        Time next_start = never;  // of the first bucket that holds something

        Bucket& bucket(std::uint64_t number) { return buckets[number % count]; }
        void mark(std::uint64_t number) {
            const auto at = number % count;
            filled[at / 64] |= std::uint64_t{1} << (at % 64);
            filled_words[at / 4096] |= std::uint64_t{1} << (at / 64 % 64);
        }
        void unmark(std::uint64_t number) {
            const auto at = number % count;
            filled[at / 64] &= ~(std::uint64_t{1} << (at % 64));
            if (filled[at / 64] == 0) {
                filled_words[at / 4096] &= ~(std::uint64_t{1} << (at / 64 % 64));
            }
        }
        /// The number of the first one from `from` on, within a round; `never` when there is none.
        [[nodiscard]] std::uint64_t find(std::uint64_t from) const;
    };

    /// The open bucket of a lane, sorted. Behind its last event is one with the time `never`, and
    /// room for subject_ahead() to look at.
    struct Sorted {
        std::vector<TimedEvent> events;
        const TimedEvent* next = nullptr;
    };

    /// An event for a bucket that is open already.
    struct Late {
        TimedEvent event;
        std::uint64_t sequence = 0;
    };
    static bool is_later(const Late& a, const Late& b) {
        return a.event.at != b.event.at ? a.event.at > b.event.at : a.sequence > b.sequence;
    }

    void append(Bucket& bucket, const TimedEvent& event) {
        // At the end of a chunk, or of none.
        if (reinterpret_cast<std::uintptr_t>(bucket.end) % Chunk::bytes == 0) add_chunk(bucket);
        *bucket.end++ = event;
    }
    void add_chunk(Bucket& bucket);
    void grow();
    void put_late(const TimedEvent& event);
    void put_beyond(const TimedEvent& event);
    void take_late(TimedEvent& event);
    void open_next();
    /// Has the next chunk of the coming far bucket brought from memory; its predecessor, which
    /// knows where it is, came the time before.
    void fetch_chunk() {
        if (coming_ == nullptr) return;
        coming_ = coming_->next;
        fetch(coming_);
    }
    static void fetch(const Chunk* chunk) {
        if (chunk == nullptr) return;
        for (std::size_t line = 0; line < Chunk::bytes; line += 64) {
            __builtin_prefetch(reinterpret_cast<const std::byte*>(chunk) + line);
        }
    }
    void deal_out(std::uint64_t far_number);
    /// Empties the bucket into `sorted`; `shift`: all its events are within 2^shift ns.
    void sort_bucket(Bucket& bucket, unsigned shift, Sorted& sorted);
    static void set_end(Sorted& sorted, std::size_t count);

    Sorted far_;
    Sorted near_;
    std::vector<Late> late_;   // a heap with the earliest in front
    Time late_at_ = never;     // of its front
    Time next_start_ = never;  // where the first bucket begins that is not open and holds something
    Time now_ = 0;
    std::size_t size_ = 0;
    std::uint64_t near_limit_ = 0;           // number of the first near bucket that is not open
    std::uint64_t far_limit_ = far_buckets;  // number of the first far bucket that is beyond
    std::uint64_t late_sequence_ = 0;
    /// While a bucket is drained its successor is brought from memory, a chunk for so many bytes.
    static constexpr std::size_t fetch_every = Chunk::bytes / 2;
    const Chunk* coming_ = nullptr;  // fetched last
    Chunk* free_ = nullptr;          // used before, chained
    Chunk* fresh_ = nullptr;         // never used: not touched, so that it takes no memory
    Chunk* fresh_end_ = nullptr;
    Lane<near_buckets> near_lane_;
    Lane<far_buckets> far_lane_;
    std::map<std::uint64_t, Bucket> beyond_;
    std::vector<Pages> memory_;
    std::vector<TimedEvent> scratch_;
};

inline void BucketList::put(const TimedEvent& event) {
    CHECK(event.at >= now_);
    ++size_;
    const std::uint64_t near_number = event.at >> near_shift;
    if (near_number < (now_ >> near_shift) + near_buckets) {
        if (near_number < near_limit_) return put_late(event);
        auto& bucket = near_lane_.bucket(near_number);
        if (bucket.first == nullptr) {
            near_lane_.mark(near_number);
            const Time start = near_number << near_shift;
            if (start < near_lane_.next_start) near_lane_.next_start = start;
            if (start < next_start_) next_start_ = start;
        }
        return append(bucket, event);
    }
    const std::uint64_t far_number = event.at >> far_shift;
    if (far_number >= far_limit_) return put_beyond(event);
    auto& bucket = far_lane_.bucket(far_number);
    if (bucket.first == nullptr) {
        far_lane_.mark(far_number);
        const Time start = far_number << far_shift;
        if (start < far_lane_.next_start) far_lane_.next_start = start;
        if (start < next_start_) next_start_ = start;
    }
    append(bucket, event);
}

inline bool BucketList::take(Time until, TimedEvent& event) {
    for (;;) {
        // Of one instant first what is far, then what is near, then what is late: as it was put.
        const Time far_at = far_.next->at;
        const Time near_at = near_.next->at;
        const Time sorted_at = far_at <= near_at ? far_at : near_at;
        const Time at = sorted_at <= late_at_ ? sorted_at : late_at_;
        if (at >= next_start_ && next_start_ <= until && next_start_ != never) {
            open_next();
            continue;
        }
        if (at > until || at == never) {
            now_ = until;
            return false;
        }
        if (sorted_at > late_at_) {
            take_late(event);
        } else {
            // A choice of places, not a branch: nobody could predict it.
            const TimedEvent*& next = far_at <= near_at ? far_.next : near_.next;
            event = *next++;
            if (reinterpret_cast<std::uintptr_t>(next) % fetch_every == 0) fetch_chunk();
        }
        now_ = at;
        --size_;
        return true;
    }
}

}  // namespace touchstone::simulator::fleet
