// TLS of a client's connection, directly on its descriptor.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

#include "broker/base/bytes.hpp"
#include "load/workload.hpp"

namespace touchstone::load {

/// What an operator can mend: one line that names the place and the remedy.
class TlsError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

template <auto release>
struct TlsRelease {
    template <class T>
    void operator()(T* pointer) const {
        release(pointer);
    }
};

/// What the connections of a run have in common. One for all threads.
class TlsClient {
public:
    /// Throws TlsError when the authorities cannot be read.
    explicit TlsClient(const Target& target);

    [[nodiscard]] SSL_CTX* raw() const { return context_.get(); }
    [[nodiscard]] const std::string& host() const { return host_; }
    [[nodiscard]] bool is_verifying() const { return is_verifying_; }

private:
    std::unique_ptr<SSL_CTX, TlsRelease<SSL_CTX_free>> context_;
    std::string host_;
    bool is_verifying_;
};

/// A session that a thread's connections resume, when a group of clients does so.
using TlsTicket = std::unique_ptr<SSL_SESSION, TlsRelease<SSL_SESSION_free>>;

class TlsStream {
public:
    enum class Outcome : std::uint8_t { done, waits, ended, failed };

    /// `socket` does not block, is connected, and outlives this. `ticket` may be null.
    TlsStream(const TlsClient& client, int socket, SSL_SESSION* ticket);

    Outcome shake_hands();
    /// `size` is what came, with any outcome; done: `to` is full.
    Outcome read(std::span<std::byte> to, std::size_t& size);
    /// `size` is what has left. After `waits` the next call begins with the same bytes.
    Outcome write(Bytes bytes, std::size_t& size);
    /// Tells the server that nothing follows.
    void say_goodbye();
    /// To resume with; null when the server gave none. After the first bytes have been read.
    [[nodiscard]] TlsTicket ticket() const;
    /// Of a handshake that has failed, in OpenSSL's words.
    [[nodiscard]] const std::string& failure() const { return failure_; }

private:
    [[nodiscard]] Outcome outcome_of(int result);

    std::unique_ptr<SSL, TlsRelease<SSL_free>> ssl_;
    std::string failure_;
};

}  // namespace touchstone::load
