// A broker's end of Network Connections, on 127.0.0.1: each test writes what it does, down to
// single frames, alerts and resets. By hand on sockets and OpenSSL, so that it shares nothing with
// the client that is tested.
#pragma once

#include <openssl/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "conformance/targets/network.hpp"

namespace touchstone::conformance {

/// A key, and a certificate for it that is valid today. PEM files, which go with it.
class Identity {
public:
    enum class Kind : std::uint8_t { authority, host };
    /// `names` as in a certificate: "DNS:localhost", "IP:127.0.0.1". Without `issuer` it is
    /// self-signed.
    Identity(Kind kind, const std::string& names, const Identity* issuer = nullptr);
    Identity(const Identity&) = delete;
    Identity& operator=(const Identity&) = delete;
    ~Identity();

    [[nodiscard]] std::string certificate_file() const { return stem_ + ".pem"; }
    [[nodiscard]] std::string key_file() const { return stem_ + ".key"; }

private:
    EVP_PKEY* key_;
    X509* certificate_;
    std::string stem_;
};

/// How it went when a client ended.
enum class ClientEnd : std::uint8_t { none, finish, close_notify, reset };

/// A connection that was accepted. Reads wait at most 10 seconds.
class LoopbackConnection {
public:
    /// Takes the socket over. `tls` is nullptr for plain TCP.
    LoopbackConnection(int descriptor, SSL_CTX* tls);
    LoopbackConnection(const LoopbackConnection&) = delete;
    LoopbackConnection& operator=(const LoopbackConnection&) = delete;
    ~LoopbackConnection();

    /// The handshake of TLS; false when one of the two sides does not like it.
    bool shake_hands();
    /// `size_bytes` bytes, or fewer at the end.
    std::string read(std::size_t size_bytes);
    std::string read_until(std::string_view end);
    void write(std::string_view bytes);
    /// Reads until the client ends, and says how it did.
    ClientEnd await_end();

    void send_finish();        // TCP FIN; what the client sends is still read
    void send_close_notify();  // of TLS, without a FIN
    void reset();              // TCP RST

    /// Server Name Indication; empty: there was none.
    [[nodiscard]] std::string server_name() const;
    [[nodiscard]] bool has_client_certificate() const;

private:
    int descriptor_;
    SSL* tls_;
    ClientEnd end_ = ClientEnd::none;
};

// WebSocket (RFC 6455), by hand.
struct ClientFrame {
    bool is_final = false;
    unsigned opcode = 0;
    bool is_masked = false;
    std::string payload{};
};
[[nodiscard]] ClientFrame read_frame(LoopbackConnection& connection);
/// A frame of the server.
[[nodiscard]] std::string frame(unsigned opcode, std::string_view payload, bool is_final = true);
/// Reads the client's HTTP request and answers that it is a WebSocket from now on. Returns the
/// request.
std::string accept_web_socket(LoopbackConnection& connection,
                              std::optional<std::string> subprotocol = "mqtt");

/// Serves one connection after another in a thread of its own.
class LoopbackBroker {
public:
    struct Options {
        Transport transport = Transport::tcp;
        const Identity* identity = nullptr;       // for TLS; has to outlive the broker
        const Identity* client_issuer = nullptr;  // whose certificate a client has to show
    };
    /// `serve` is called for each connection, with TLS in place but without WebSocket.
    LoopbackBroker(Options options, std::function<void(LoopbackConnection&)> serve);
    LoopbackBroker(const LoopbackBroker&) = delete;
    LoopbackBroker& operator=(const LoopbackBroker&) = delete;
    ~LoopbackBroker();

    /// Where it listens, as an address of a target; it trusts nobody special.
    [[nodiscard]] NetworkAddress address() const;
    /// Returns when all who have connected so far are served; nobody is after that.
    void finish();

private:
    void accept_all();

    Options options_;
    std::function<void(LoopbackConnection&)> serve_;
    SSL_CTX* tls_ = nullptr;
    int listener_;
    std::atomic<std::uint16_t> last_port_{0};  // whose connection is the last; 0: nobody's
    std::jthread thread_;
};

}  // namespace touchstone::conformance
