// Readiness: which descriptors of a shard can be read or written. The one place that knows epoll.
//
// Asio's reactor is not used for connections: a socket of Asio with a pending wait takes about 500
// bytes, and each wait costs an epoll_ctl (README.md has the figures).
#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <span>

#include "broker/asio/descriptor.hpp"

namespace touchstone::asio_driver {

/// What to wait for. The end of the peer's direction and a broken connection are always reported.
enum class Interest : std::uint8_t { read, read_and_write };

/// One thread waits; wake() may be called by any.
class Readiness {
public:
    /// Throws std::system_error.
    Readiness();

    /// Reports `socket` with `key` when it becomes ready, or is now: once, so whoever does not read
    /// all there is has to remember that. False: out of memory or of the user's epoll watches, and
    /// nothing has changed.
    [[nodiscard]] bool add(int socket, std::uint64_t key, Interest interest);
    /// The same with another interest.
    [[nodiscard]] bool change(int socket, std::uint64_t key, Interest interest);
    /// Reports a listener of several shards as long as clients wait; to one of them, seldom to all.
    [[nodiscard]] bool add_shared(int listener, std::uint64_t key);
    void remove(int socket);

    /// Waits until something is ready, for at most `timeout` (negative: for ever; rounded up to
    /// milliseconds), or until wake(). The events are valid until the next call.
    std::span<const epoll_event> wait(std::chrono::microseconds timeout);

    /// Ends a wait(), this one or the next. Reported with wake_key.
    void wake();

    /// What the thread that waits needs in its table of descriptors, and one that calls wake().
    [[nodiscard]] int raw() const { return epoll_.raw(); }
    [[nodiscard]] int raw_wake() const { return wake_.raw(); }

    static constexpr std::uint64_t wake_key = UINT64_MAX;

private:
    // More than that in one turn only makes the others wait longer for what they were sent.
    static constexpr std::size_t events_max = 512;

    Descriptor epoll_;
    Descriptor wake_;
    epoll_event events_[events_max];
};

}  // namespace touchstone::asio_driver
