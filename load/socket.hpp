// TCP from a client's side: an address that was looked up, a socket that does not block, and words
// for what can go wrong.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "load/counts.hpp"
#include "load/time.hpp"

namespace touchstone::load {

/// A descriptor that is closed with its owner.
class Handle {
public:
    Handle() = default;
    explicit Handle(int raw) : raw_{raw} {}
    Handle(Handle&& other) noexcept : raw_{std::exchange(other.raw_, -1)} {}
    Handle& operator=(Handle&& other) noexcept {
        close();
        raw_ = std::exchange(other.raw_, -1);
        return *this;
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { close(); }

    void close();
    [[nodiscard]] int release() { return std::exchange(raw_, -1); }
    [[nodiscard]] int raw() const { return raw_; }
    [[nodiscard]] bool is_open() const { return raw_ >= 0; }

private:
    int raw_ = -1;
};

/// Where a socket comes from or goes to.
struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] bool is_loopback() const;
    [[nodiscard]] bool is_v4() const { return storage.ss_family == AF_INET; }
};

/// Looks the host up. Nothing: `problem` says in one line why.
[[nodiscard]] std::optional<Address> resolve(const std::string& host, std::uint16_t port,
                                             std::string& problem);

/// The n-th of 127.0.0.2, 127.0.0.3, … without .0 and .255.
[[nodiscard]] std::string loopback_source(std::uint32_t n);

/// Opens a connection, which is under way when this returns. Not open: errno says why.
[[nodiscard]] Handle open_connection(const Address& to, const Address* from);

/// What an errno of open_connection counts as, besides a connection that failed; nothing for the
/// target's own doing.
[[nodiscard]] std::optional<Count> shortage_of(int error);

/// Of the monotonic clock.
[[nodiscard]] Nanos clock_now();

}  // namespace touchstone::load
