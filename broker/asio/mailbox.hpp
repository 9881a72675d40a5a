// Mailbox: messages from one shard's thread to another's, without locks. It is unbounded, so a
// sender never waits for a receiver and two shards can not block each other; nothing is lost and
// nothing overtakes. Waking the receiver is left to Shard, which knows whether it sleeps.
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

    /// Adds an item behind the others. The consumer sees it after the next publish().
    void push(Item item) {
        if (written_ - last_->begin == block_items) {
            Block* next = spare_.exchange(nullptr, std::memory_order_acquire);
            if (next == nullptr) next = new Block;
            next->begin = written_;
            next->next = nullptr;
            last_->next = next;
            last_ = next;
        }
        last_->items[written_ - last_->begin].emplace(std::move(item));
        ++written_;
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
        auto& place = first_->items[taken_ - first_->begin];
        std::optional<Item> item = std::move(place);
        place.reset();
        ++taken_;
        return item;
    }

private:
    // Few, because every ordered pair of shards has at least one block.
    static constexpr std::size_t block_items = 32;
    struct Block {
        std::array<std::optional<Item>, block_items> items;
        Block* next = nullptr;    // written by the producer before the publication that needs it
        std::uint64_t begin = 0;  // number of the first item
    };
    static constexpr std::size_t cache_line_bytes = 64;

    // The consumer's.
    alignas(cache_line_bytes) Block* first_;
    std::uint64_t taken_ = 0;
    std::uint64_t seen_ = 0;
    // The producer's.
    alignas(cache_line_bytes) Block* last_;
    std::uint64_t written_ = 0;
    std::uint64_t shown_ = 0;
    // Both.
    alignas(cache_line_bytes) std::atomic<std::uint64_t> published_{0};
    std::atomic<Block*> spare_{nullptr};
};

}  // namespace touchstone::asio_driver
