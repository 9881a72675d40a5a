// Socket: a non-blocking TCP connection as the files of this folder need it. Owns its descriptor.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "broker/base/bytes.hpp"
#include "simulator/live/target.hpp"

namespace touchstone::simulator::live {

class Socket {
public:
    /// What became of a read or write.
    enum class Outcome : std::uint8_t {
        done,     // some bytes went
        waits,    // none can go now
        ended,    // the peer has ended its direction in order
        refused,  // nobody listens at the other end
        broken,   // the connection is gone
    };

    /// Begins to connect. Errors: nothing, and errno, when the system gives no socket.
    static std::optional<Socket> connect(const Address& address);

    Socket(Socket&& other) noexcept
        : descriptor_{std::exchange(other.descriptor_, -1)},
          is_refused_{other.is_refused_} {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        is_refused_ = other.is_refused_;
        return *this;
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket();

    [[nodiscard]] int descriptor() const { return descriptor_; }
    /// Adds what has come to `bytes`, `size_bytes_max` at most, which is not 0.
    Outcome read(Buffer& bytes, std::size_t size_bytes_max);
    /// Takes what the system takes off the front of `bytes`.
    Outcome write(Buffer& bytes);
    /// Nothing more is sent; what was sent still arrives.
    void end_output();

private:
    explicit Socket(int descriptor) : descriptor_{descriptor} {}
    [[nodiscard]] Outcome outcome_of_errno();

    int descriptor_;
    bool is_refused_ = false;  // the system tells that once
};

}  // namespace touchstone::simulator::live
