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

/// What to wait for; a closed or broken connection is always reported, unless it is `nothing`.
enum class Interest : std::uint8_t { nothing, read, write, read_and_write };

/// One thread waits; wake() may be called by any.
class Readiness {
public:
    /// Throws std::system_error.
    Readiness();

    /// Reports `socket` with `key` while it is ready (level-triggered). False: out of memory or of
    /// the user's epoll watches, and nothing has changed.
    [[nodiscard]] bool add(int socket, std::uint64_t key, Interest interest);
    /// The same for a listener that several shards watch; wakes at least one of them, seldom all.
    [[nodiscard]] bool add_shared(int listener, std::uint64_t key);
    /// `before` is what was wanted so far.
    [[nodiscard]] bool change(int socket, std::uint64_t key, Interest before, Interest after);
    void remove(int socket);

    /// Waits until something is ready, for at most `timeout` (negative: for ever; rounded up to
    /// milliseconds), or until wake(). The events are valid until the next call.
    std::span<const epoll_event> wait(std::chrono::microseconds timeout);

    /// Ends a wait(), this one or the next. Reported with wake_key.
    void wake();

    static constexpr std::uint64_t wake_key = UINT64_MAX;

private:
    // More than that in one turn only makes the others wait longer for what they were sent.
    static constexpr std::size_t events_max = 512;

    Descriptor epoll_;
    Descriptor wake_;
    epoll_event events_[events_max];
};

}  // namespace touchstone::asio_driver
