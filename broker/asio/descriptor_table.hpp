// Tables of descriptors of the shards' own. A process may have so many open files and no more; but
// what is counted are the entries of a table, and a thread can leave the table that its process's
// threads share and have one for itself. So N shards carry N times as many connections.
//
// What was opened before a thread leaves is in both tables, under the same number, and is only
// closed when it is closed in both. So a thread that leaves keeps what all shards need and closes
// the rest at once, and what it opens later is in its table alone: it has to be closed in that
// thread, too. Between two tables a descriptor travels as a message (SCM_RIGHTS).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "broker/asio/descriptor.hpp"
#include "broker/base/check.hpp"
#include "broker/base/strong.hpp"

namespace touchstone::asio_driver {

/// ThreadSanitizer takes a number for the same descriptor in all threads, and loses its way when it
/// is not. In a program that it watches all threads keep sharing one table, and all else is as it
/// is otherwise: descriptors travel, as copies within the table.
#ifdef __SANITIZE_THREAD__
inline constexpr bool is_descriptor_table_watched = true;
#else
inline constexpr bool is_descriptor_table_watched = false;
#endif

/// Gives the calling thread a table of its own that has the standard streams and `kept` in it and
/// nothing else. Nobody must count on numbers this thread has opened before.
/// Returns how many descriptors can be opened there in addition.
/// Errors: OperatorError when the system does not allow it, or leaves no room.
std::size_t leave_shared_descriptor_table(std::vector<int> kept);

/// Closes all of the calling thread's own table but the standard streams. The end of the thread
/// would do so, too, but only after it has been joined.
void close_own_descriptor_table();

/// Room for connections in the table of a shard. Whoever makes an entry there, or sends one there,
/// has taken a place for it before, so that the table can never be full when it matters. From any
/// thread.
class DescriptorPlaces {
public:
    /// Once, before anybody takes one.
    void set_count(std::size_t count) {
        count_ = count;
        free_.store(count, std::memory_order_relaxed);
    }
    /// False: none is free.
    [[nodiscard]] bool take() {
        std::size_t free = free_.load(std::memory_order_relaxed);
        while (free > 0) {
            if (free_.compare_exchange_weak(free, free - 1, std::memory_order_relaxed)) return true;
        }
        return false;
    }
    void give_back() {
        const auto before = free_.fetch_add(1, std::memory_order_relaxed);
        CHECK(before < count_);
    }
    [[nodiscard]] std::size_t count() const { return count_; }
    [[nodiscard]] std::size_t used() const {
        return count_ - free_.load(std::memory_order_relaxed);
    }

private:
    std::size_t count_ = 0;
    std::atomic<std::size_t> free_{0};
};

/// The way for descriptors into the table of one shard, from those of all others. What is sent
/// arrives, and in the order in which each shard has sent it.
class DescriptorPassage {
public:
    /// As many as the system lets through in a message.
    static constexpr std::size_t per_message_max = 253;

    /// `buffer_bytes`: about what may be on its way, nothing: as the system is set up. Throws
    /// std::system_error.
    explicit DescriptorPassage(std::optional<int> buffer_bytes = {});

    /// In any shard's thread: one message with all of `descriptors`, at most per_message_max, which
    /// stay open here. False: the system takes no more now.
    [[nodiscard]] bool send(ShardIndex from, std::span<const int> descriptors);

    struct Arrival {
        ShardIndex from;
        /// In their order. One that is not open was lost: there was no place for it.
        std::vector<Descriptor> descriptors;
    };
    /// In the thread of the shard it leads to: the oldest message, or nothing.
    [[nodiscard]] std::optional<Arrival> receive();

    /// To be kept in the tables of those who send, and of the one who receives.
    [[nodiscard]] int sending() const { return sending_.raw(); }
    [[nodiscard]] int receiving() const { return receiving_.raw(); }

private:
    Descriptor sending_;
    Descriptor receiving_;
};

/// What makes the table of a shard's own known to the others. Made before there are threads.
struct ShardTable {
    explicit ShardTable(std::optional<int> passage_buffer_bytes = {})
        : passage{passage_buffer_bytes} {}

    DescriptorPlaces places;
    DescriptorPassage passage;
};

}  // namespace touchstone::asio_driver
