// TlsSession: TLS on one connection, directly on its descriptor. OpenSSL reads and writes the
// socket itself, so there is no buffer of ours between the two that would have to be kept while the
// peer is slow, and what cannot be written stays where it is kept for plain connections.
//
// OpenSSL writes without MSG_NOSIGNAL: the thread has to have SIGPIPE blocked or ignored.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "broker/base/bytes.hpp"
#include "broker/transport/tls_context.hpp"

namespace touchstone::transport {

// name, number (RFC 8446 §6, RFC 5246 §7.2)
#define TOUCHSTONE_TLS_ALERTS(X)                                                                   \
    X(unexpected_message, 10)                                                                      \
    X(bad_record_mac, 20)                                                                          \
    X(record_overflow, 22)                                                                         \
    X(handshake_failure, 40)                                                                       \
    X(bad_certificate, 42)                                                                         \
    X(unsupported_certificate, 43)                                                                 \
    X(certificate_revoked, 44)                                                                     \
    X(certificate_expired, 45)                                                                     \
    X(certificate_unknown, 46)                                                                     \
    X(illegal_parameter, 47)                                                                       \
    X(unknown_ca, 48)                                                                              \
    X(access_denied, 49)                                                                           \
    X(decode_error, 50)                                                                            \
    X(decrypt_error, 51)                                                                           \
    X(protocol_version, 70)                                                                        \
    X(insufficient_security, 71)                                                                   \
    X(internal_error, 80)                                                                          \
    X(inappropriate_fallback, 86)                                                                  \
    X(user_canceled, 90)                                                                           \
    X(missing_extension, 109)                                                                      \
    X(unsupported_extension, 110)                                                                  \
    X(unrecognized_name, 112)                                                                      \
    X(bad_certificate_status_response, 113)                                                        \
    X(unknown_psk_identity, 115)                                                                   \
    X(certificate_required, 116)                                                                   \
    X(no_application_protocol, 120)

/// Why a handshake failed, in the words of the alert that either side has sent: a closed set.
enum class TlsAlert : std::uint8_t {
#define TOUCHSTONE_TLS_ALERT(name, number) name,
    TOUCHSTONE_TLS_ALERTS(TOUCHSTONE_TLS_ALERT)
#undef TOUCHSTONE_TLS_ALERT
        no_suitable_cipher,  // the handshake_failure of peers that share no cipher
    other,                   // an alert that is none of these
    none,                    // no alert was sent: the peer has left, or never spoke TLS
    count_of_alerts,
};
inline constexpr auto tls_alert_count = static_cast<std::size_t>(TlsAlert::count_of_alerts);
[[nodiscard]] std::string_view name_of(TlsAlert alert);

class TlsSession {
public:
    enum class Outcome : std::uint8_t {
        done,
        wants_read,   // go on when the socket can be read
        wants_write,  // go on when it can be written
        ended,        // the peer has ended its direction
        failed,       // nothing more can come or go
    };

    /// The server's side of a handshake on `socket`, which does not block and outlives it.
    TlsSession(std::shared_ptr<const TlsContext> context, int socket);
    ~TlsSession();
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    /// done: the two have agreed.
    Outcome shake_hands();
    /// Reads until `to` is full or nothing is left. `size_bytes` is what came, with any outcome.
    Outcome read(std::span<std::byte> to, std::size_t& size_bytes);
    /// Writes the beginning of `bytes`, which are not empty, up to one record. After wants_read and
    /// wants_write the next call has to begin with the same bytes.
    Outcome write(Bytes bytes, std::size_t& size_bytes);
    /// Tells the peer that nothing follows (close_notify). done: it is on its way.
    Outcome say_goodbye();

    /// The same connection has another descriptor from now on.
    void move_to(int socket);

    /// Whether the handshake was a short one. After it.
    [[nodiscard]] bool was_resumed() const;
    /// Why the handshake has failed.
    [[nodiscard]] TlsAlert alert() const { return alert_; }
    /// What the client's certificate, which was checked, stands for; empty: nothing. After the
    /// handshake.
    [[nodiscard]] std::string user_name() const;

    static void on_information(const SSL* ssl, int where, int value);

private:
    [[nodiscard]] Outcome outcome_of(int result);

    // Before ssl_, which refers to it.
    std::shared_ptr<const TlsContext> context_;
    std::unique_ptr<SSL, TlsRelease<SSL_free>> ssl_;
    TlsAlert alert_ = TlsAlert::none;
    bool has_failed_ = false;
};

}  // namespace touchstone::transport
