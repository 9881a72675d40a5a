// Mailbox: messages from one shard's thread to another's, without locks. Adding to it never waits,
// so two shards can not block each other; nothing is lost and nothing overtakes. It counts what was
// not taken yet, so that a sender can stop making more of them in time. Waking the receiver, and
// the sender that waits for room, is left to Shard, which knows whether it sleeps.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::asio_driver {

/// One producer thread, one consumer thread. Items live in a chain of blocks; a block that was
/// emptied goes back to the producer, so a steady flow allocates nothing.
template <class Item>
class Mailbox {
public:
    Mailbox() : first_{new Block}, last_{first_} {}
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;
    /// Both threads have ended. Items that were not taken are destroyed.
    ~Mailbox() {
        delete spare_.load(std::memory_order_acquire);
        while (first_ != nullptr) delete std::exchange(first_, first_->next);
    }

    // The producer's side.

    /// Adds an item behind the others, which takes `size_bytes` of memory. The consumer sees it
    /// after the next publish().
    void push(Item item, std::size_t size_bytes) {
        if (written_ - last_->begin == block_items) {
            Block* next = spare_.exchange(nullptr, std::memory_order_acquire);
            if (next == nullptr) next = new Block;
            next->begin = written_;
            next->next = nullptr;
            last_->next = next;
            last_ = next;
        }
        pushed_bytes_ += size_bytes;
        auto& place = last_->places[written_ - last_->begin];
        place.item.emplace(std::move(item));
        place.bytes_so_far = pushed_bytes_;
        ++written_;
    }

    /// What was pushed and not returned yet.
    [[nodiscard]] std::uint64_t owed_bytes() const {
        return pushed_bytes_ - returned_bytes_.load(std::memory_order_relaxed);
    }
    /// Whether that is more than `bytes`. Looks at what the consumer has written only if it may be.
    [[nodiscard]] bool owes_more_than(std::uint64_t bytes) {
        if (pushed_bytes_ - known_returned_bytes_ <= bytes) return false;
        known_returned_bytes_ = returned_bytes_.load(std::memory_order_relaxed);
        return pushed_bytes_ - known_returned_bytes_ > bytes;
    }
    /// From now on awaits_room(), until no more than `bytes` are left of what was pushed so far.
    void await_room(std::uint64_t bytes) {
        awaited_bytes_ = pushed_bytes_ - bytes;
        wake_at_bytes_.store(awaited_bytes_, std::memory_order_seq_cst);
    }
    /// Sequentially consistent, as publish() is, for a sender that is going to sleep.
    [[nodiscard]] bool awaits_room() {
        if (awaited_bytes_ == nothing) return false;
        if (returned_bytes_.load(std::memory_order_seq_cst) < awaited_bytes_) return true;
        awaited_bytes_ = nothing;
        wake_at_bytes_.store(nothing, std::memory_order_relaxed);
        return false;
    }

    /// Shows the consumer everything pushed. Sequentially consistent, so that together with the
    /// receiver's "I am going to sleep" one of the two always sees the other. False when there was
    /// nothing new.
    bool publish() {
        if (written_ == shown_) return false;
        shown_ = written_;
        published_.store(written_, std::memory_order_seq_cst);
        return true;
    }

    // The consumer's side.

    [[nodiscard]] bool is_empty() const {
        return published_.load(std::memory_order_seq_cst) == taken_;
    }

    /// The oldest item, or nothing.
    std::optional<Item> take() {
        if (taken_ == seen_) {
            seen_ = published_.load(std::memory_order_acquire);
            if (taken_ == seen_) return std::nullopt;
        }
        if (taken_ - first_->begin == block_items) {
            Block* next = first_->next;
            CHECK(next != nullptr);
            delete spare_.exchange(first_, std::memory_order_acq_rel);
            first_ = next;
        }
        auto& place = first_->places[taken_ - first_->begin];
        std::optional<Item> item = std::move(place.item);
        place.item.reset();
        taken_bytes_ = place.bytes_so_far;
        ++taken_;
        return item;
    }

    /// Shows the producer everything taken. True: it waits for that, and is to be woken.
    bool return_taken() {
        if (taken_bytes_ == shown_taken_bytes_) return false;
        shown_taken_bytes_ = taken_bytes_;
        returned_bytes_.store(taken_bytes_, std::memory_order_seq_cst);
        return taken_bytes_ >= wake_at_bytes_.load(std::memory_order_seq_cst);
    }

private:
    // Few, because every ordered pair of shards has at least one block.
    static constexpr std::size_t block_items = 32;
    static constexpr std::uint64_t nothing = UINT64_MAX;
    struct Place {
        std::optional<Item> item;
        std::uint64_t bytes_so_far = 0;  // of all items, this one included
    };
    struct Block {
        std::array<Place, block_items> places;
        Block* next = nullptr;    // written by the producer before the publication that needs it
        std::uint64_t begin = 0;  // number of the first item
    };
    static constexpr std::size_t cache_line_bytes = 64;

    // The consumer's.
    alignas(cache_line_bytes) Block* first_;
    std::uint64_t taken_ = 0;
    std::uint64_t seen_ = 0;
    std::uint64_t taken_bytes_ = 0;
    std::uint64_t shown_taken_bytes_ = 0;
    // The producer's.
    alignas(cache_line_bytes) Block* last_;
    std::uint64_t written_ = 0;
    std::uint64_t shown_ = 0;
    std::uint64_t pushed_bytes_ = 0;
    std::uint64_t known_returned_bytes_ = 0;
    std::uint64_t awaited_bytes_ = nothing;
    // Both.
    alignas(cache_line_bytes) std::atomic<std::uint64_t> published_{0};
    std::atomic<Block*> spare_{nullptr};
    // Both; the producer looks there only when much is owed.
    alignas(cache_line_bytes) std::atomic<std::uint64_t> returned_bytes_{0};
    std::atomic<std::uint64_t> wake_at_bytes_{nothing};
};

}  // namespace touchstone::asio_driver
