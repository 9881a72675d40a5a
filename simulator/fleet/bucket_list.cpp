#include "simulator/fleet/bucket_list.hpp"

#include <algorithm>
#include <memory>
#include <span>

namespace touchstone::simulator::fleet {

namespace {

constexpr std::size_t insertion_max = 24;
constexpr unsigned digit_bits_max = 12;
// How far subject_ahead() may look beyond the last event.
constexpr std::size_t padding = 16;

void insertion_sort(TimedEvent* first, TimedEvent* last) {
    for (auto* one = first + 1; one < last; ++one) {
        const TimedEvent event = *one;
        auto* hole = one;
        for (; hole > first && (hole - 1)->at > event.at; --hole) *hole = *(hole - 1);
        *hole = event;
    }
}

/// Stable, by the lowest `bits` of the time, above which all agree; from `from` to `to`, `from` is
/// used up. Distributes the events over about as many slots as there are, which sorts them but for
/// a few; a slot that holds many is distributed again, by what is left of the time.
void radix_sort(TimedEvent* from, TimedEvent* to, std::size_t count, unsigned bits) {
    if (count <= insertion_max || bits == 0) {
        std::copy_n(from, count, to);
        if (bits > 0) insertion_sort(to, to + count);  // else all are of the same instant
        return;
    }
    const unsigned digit_bits =
        std::min({static_cast<unsigned>(std::bit_width(count)), digit_bits_max, bits});
    const unsigned shift = bits - digit_bits;
    const std::size_t slots = std::size_t{1} << digit_bits;
    const auto slot_of = [&](const TimedEvent& event) {
        return static_cast<std::size_t>(event.at >> shift) & (slots - 1);
    };
    std::array<std::uint32_t, std::size_t{1} << digit_bits_max> ends;
    std::fill_n(ends.begin(), slots, 0);
    for (std::size_t i = 0; i < count; ++i) ++ends[slot_of(from[i])];
    std::uint32_t sum = 0;
    std::uint32_t largest = 0;
    for (std::size_t slot = 0; slot < slots; ++slot) {
        largest = std::max(largest, ends[slot]);
        sum += std::exchange(ends[slot], sum);
    }
    for (std::size_t i = 0; i < count; ++i) to[ends[slot_of(from[i])]++] = from[i];
    if (largest <= insertion_max) {
        if (shift > 0) insertion_sort(to, to + count);
        return;
    }
    std::size_t begin = 0;
    for (std::size_t slot = 0; slot < slots; ++slot) {
        // `ends` has become the end of each slot.
        const std::size_t end = ends[slot];
        if (end - begin > insertion_max) {
            std::copy(to + begin, to + end, from + begin);
            radix_sort(from + begin, to + begin, end - begin, shift);
        } else if (end - begin > 1 && shift > 0) {
            insertion_sort(to + begin, to + end);
        }
        begin = end;
    }
}

}  // namespace

template <std::uint64_t count>
std::uint64_t BucketList::Lane<count>::find(std::uint64_t from) const {
    const auto begin = from % count;
    // What the first word holds from `begin` on, the words behind it, and round again to it.
    const auto first = filled[begin / 64] >> (begin % 64);
    if (first != 0) return from + static_cast<unsigned>(std::countr_zero(first));
    constexpr std::size_t words = count / 64;
    const auto word_at = [&](std::size_t word) -> std::uint64_t {
        const auto place = word * 64 + static_cast<unsigned>(std::countr_zero(filled[word]));
        return from + (place + count - begin) % count;
    };
    const std::size_t after = (begin / 64 + 1) % words;
    for (std::size_t step = 0; step <= words;) {
        const std::size_t word = (after + step) % words;
        const auto rest = filled_words[word / 64] >> (word % 64);
        if (rest != 0) {
            const auto found = word + static_cast<unsigned>(std::countr_zero(rest));
            return found < words ? word_at(found) : never;
        }
        step += std::min<std::size_t>(64 - word % 64, words - word);
    }
    return never;
}

BucketList::BucketList() {
    set_end(far_, 0);
    set_end(near_, 0);
}

void BucketList::set_end(Sorted& sorted, std::size_t count) {
    if (sorted.events.size() < count + padding) sorted.events.resize(count + count / 2 + padding);
    sorted.events[count].at = never;
    sorted.next = sorted.events.data();
}

void BucketList::add_chunk(Bucket& bucket) {
    if (free_ == nullptr && fresh_ == fresh_end_) grow();
    Chunk* const chunk = free_ != nullptr ? std::exchange(free_, free_->next) : fresh_++;
    chunk->next = nullptr;
    if (bucket.first == nullptr) {
        bucket.first = chunk;
    } else {
        // `end` is the end of the last chunk.
        (reinterpret_cast<Chunk*>(bucket.end) - 1)->next = chunk;
    }
    bucket.end = chunk->events.data();
}

void BucketList::grow() {
    // A quarter more each time: what is reserved and not used stays small.
    constexpr std::size_t bytes_min = std::size_t{2} << 20U;
    std::size_t bytes = 0;
    for (const auto& pages : memory_) bytes += pages.bytes();
    memory_.emplace_back(std::max(bytes_min, bytes / 4));
    const auto& pages = memory_.back();
    fresh_ = reinterpret_cast<Chunk*>(pages.data());
    fresh_end_ = fresh_ + pages.bytes() / sizeof(Chunk);
}

void BucketList::put_late(const TimedEvent& event) {
    late_.push_back({event, late_sequence_++});
    std::ranges::push_heap(late_, is_later);
    late_at_ = late_.front().event.at;
}

void BucketList::take_late(TimedEvent& event) {
    std::ranges::pop_heap(late_, is_later);
    event = late_.back().event;
    late_.pop_back();
    late_at_ = late_.empty() ? never : late_.front().event.at;
}

void BucketList::put_beyond(const TimedEvent& event) {
    const auto number = (event.at >> far_shift) / beyond_buckets;
    append(beyond_[number], event);
    next_start_ = std::min(next_start_, number * beyond_buckets << far_shift);
}

/// All far buckets up to half a round after `far_number` are in the far lane.
void BucketList::deal_out(std::uint64_t far_number) {
    while (far_limit_ < far_number + far_buckets / 2) {
        far_limit_ += beyond_buckets;
        const auto found = beyond_.find(far_limit_ / beyond_buckets - 1);
        if (found == beyond_.end()) {
            // Nothing to deal out far and wide: at once to where there is, or to where it suffices.
            const auto goal = (far_number / beyond_buckets + 1) * beyond_buckets;
            const auto next = beyond_.empty() ? goal : beyond_.begin()->first * beyond_buckets;
            far_limit_ = std::max(far_limit_, std::min(goal, next));
            continue;
        }
        Chunk* chunk = found->second.first;
        const TimedEvent* const end = found->second.end;
        beyond_.erase(found);
        while (chunk != nullptr) {
            const auto* const stop =
                chunk->next != nullptr ? chunk->events.data() + chunk->events.size() : end;
            for (const auto* one = chunk->events.data(); one != stop; ++one) {
                const auto number = one->at >> far_shift;
                auto& bucket = far_lane_.bucket(number);
                if (bucket.first == nullptr) far_lane_.mark(number);
                append(bucket, *one);
                far_lane_.next_start = std::min(far_lane_.next_start, number << far_shift);
            }
            Chunk* const done = std::exchange(chunk, chunk->next);
            done->next = std::exchange(free_, done);
        }
    }
}

/// Opens the bucket that begins at next_start_. Everything before has been taken.
void BucketList::open_next() {
    const Time start = next_start_;
    deal_out(start >> far_shift);
    // A far bucket goes before a near one that begins with it: the order of both is then known.
    if (far_lane_.next_start <= std::min(start, near_lane_.next_start)) {
        const auto number = far_lane_.next_start >> far_shift;
        // The one before has been used up: it ended before this one begins.
        CHECK(far_.next->at == never);
        far_lane_.unmark(number);
        sort_bucket(far_lane_.bucket(number), far_shift, far_);
        const auto next = far_lane_.find(number + 1);
        far_lane_.next_start = next == never ? never : next << far_shift;
        // What is small is in the processor's caches, or soon brought there.
        constexpr std::size_t large = 2'048;
        const bool is_large = next != never && far_.events.size() > large;
        coming_ = is_large ? far_lane_.bucket(next).first : nullptr;
        fetch(coming_);
    } else if (near_lane_.next_start <= start) {
        const auto number = near_lane_.next_start >> near_shift;
        CHECK(near_.next->at == never);
        near_lane_.unmark(number);
        sort_bucket(near_lane_.bucket(number), near_shift, near_);
        near_limit_ = number + 1;
        const auto next = near_lane_.find(number + 1);
        near_lane_.next_start = next == never ? never : next << near_shift;
    }
    next_start_ = std::min(far_lane_.next_start, near_lane_.next_start);
    if (!beyond_.empty()) {
        next_start_ = std::min(next_start_, beyond_.begin()->first * beyond_buckets << far_shift);
    }
}

void BucketList::sort_bucket(Bucket& bucket, unsigned shift, Sorted& sorted) {
    std::size_t count = 0;
    for (Chunk* chunk = bucket.first; chunk != nullptr;) {
        Chunk* const next = chunk->next;
        fetch(next);
        const auto* const stop =
            next != nullptr ? chunk->events.data() + chunk->events.size() : bucket.end;
        const auto in_chunk = static_cast<std::size_t>(stop - chunk->events.data());
        if (scratch_.size() < count + in_chunk) scratch_.resize(2 * (count + in_chunk));
        std::copy_n(chunk->events.data(), in_chunk, scratch_.data() + count);
        count += in_chunk;
        chunk->next = std::exchange(free_, chunk);
        chunk = next;
    }
    bucket = {};
    set_end(sorted, count);
    radix_sort(scratch_.data(), sorted.events.data(), count, shift);
}

}  // namespace touchstone::simulator::fleet
