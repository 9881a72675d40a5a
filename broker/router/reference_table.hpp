// ReferenceTable: a hash table from 32 bits of a hash to 32-bit references; what they refer to, and
// the keys, are the caller's. The slots are in the order of the hashes, empty ones in between, so
// that a miss ends early and growing is one pass over both tables.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "broker/base/check.hpp"

namespace touchstone {

class ReferenceTable {
public:
    using Ref = std::uint32_t;  // never 0

    ReferenceTable() : slots_(1) {}

    /// The first reference with this hash for which `is_it(Ref)`; 0 when there is none.
    template <class IsIt>
    [[nodiscard]] Ref find(std::uint32_t hash, IsIt is_it) const {
        for (const auto* slot = slots_.data() + home(hash); slot->ref != 0 && slot->hash <= hash;
             ++slot)
            if (slot->hash == hash && is_it(slot->ref)) return slot->ref;
        return 0;
    }

    void prefetch(std::uint32_t hash) const { __builtin_prefetch(slots_.data() + home(hash)); }
    /// A reference that find() may have to look at, once the slot has been prefetched; 0 for none.
    [[nodiscard]] Ref candidate(std::uint32_t hash) const {
        return find(hash, [](Ref) { return true; });
    }

    void insert(std::uint32_t hash, Ref ref) {
        if ((size_ + 1) * load_slots > capacity_ * load_entries)
            rebuild(std::max(capacity_min, capacity_ + capacity_ / 2));
        auto at = home(hash);
        while (slots_[at].ref != 0 && slots_[at].hash <= hash) ++at;
        for (Slot moving{hash, ref}; moving.ref != 0; ++at) {
            if (at + 1 == slots_.size()) add_tail();
            std::swap(moving, slots_[at]);
        }
        ++size_;
    }

    /// `ref` is there with this hash.
    void erase(std::uint32_t hash, Ref ref) {
        auto at = place(hash, ref);
        for (; slots_[at + 1].ref != 0 && home(slots_[at + 1].hash) <= at; ++at)
            slots_[at] = slots_[at + 1];
        slots_[at] = {};
        --size_;
        // Far from both limits, so that coming and going does not rebuild each time.
        if (capacity_ > capacity_min && size_ * 4 < capacity_)
            rebuild(std::max(capacity_min, size_ * 2));
    }

    /// `ref` is there with this hash; `by` takes its place.
    void replace(std::uint32_t hash, Ref ref, Ref by) { slots_[place(hash, ref)].ref = by; }

    /// In an order that depends on the hashes alone.
    template <class Visit>
    void for_each(Visit visit) const {
        for (const auto& slot : slots_)
            if (slot.ref != 0) visit(slot.ref);
    }

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t reserved_bytes() const { return slots_.capacity() * sizeof(Slot); }

private:
    struct Slot {
        std::uint32_t hash = 0;
        Ref ref = 0;  // 0: empty
    };
    static constexpr std::size_t capacity_min = 16;
    // Full at 4/5: a look-up then sees 3 slots, and they are mostly in one cache line.
    static constexpr std::size_t load_entries = 4;
    static constexpr std::size_t load_slots = 5;
    static constexpr std::size_t tail_slots = 32;

    /// Where the look-up of a hash begins: no smaller for a larger one.
    [[nodiscard]] std::size_t home(std::uint32_t hash) const { return hash * capacity_ >> 32U; }

    [[nodiscard]] std::size_t place(std::uint32_t hash, Ref ref) const {
        auto at = home(hash);
        while (slots_[at].ref != ref) {
            CHECK(slots_[at].ref != 0 && slots_[at].hash <= hash);
            ++at;
        }
        return at;
    }

    /// The last slot is always empty: there every look-up ends.
    void add_tail() {
        slots_.reserve(slots_.size() + tail_slots);  // not twice the size
        slots_.resize(slots_.size() + tail_slots);
    }

    void rebuild(std::size_t capacity) {
        const auto old = std::exchange(slots_, std::vector<Slot>(capacity + tail_slots));
        capacity_ = capacity;
        std::size_t next = 0;
        for (const auto& slot : old) {
            if (slot.ref == 0) continue;
            next = std::max(next, home(slot.hash));
            if (next + 1 >= slots_.size()) add_tail();
            slots_[next++] = slot;
        }
    }

    std::vector<Slot> slots_;
    std::size_t capacity_ = 0;  // the homes; behind them is the tail
    std::size_t size_ = 0;
};

}  // namespace touchstone
