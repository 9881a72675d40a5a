// Any broker, over TCP, TLS, WebSocket, and WebSocket over TLS.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "conformance/targets/target.hpp"

namespace touchstone::conformance {

enum class Transport : std::uint8_t { tcp, tls, ws, wss };

/// "tcp", "tls", "ws", "wss".
[[nodiscard]] const char* text_of(Transport transport);
[[nodiscard]] constexpr bool has_tls(Transport transport) {
    return transport == Transport::tls || transport == Transport::wss;
}
[[nodiscard]] constexpr bool is_web_socket(Transport transport) {
    return transport == Transport::ws || transport == Transport::wss;
}

/// Files are PEM. The broker's certificate has to be for the host that was asked for.
struct TlsOptions {
    std::string authorities_file{};  // whom to trust; empty: whom this machine trusts
    bool checks_certificate = true;
    std::string certificate_file{};  // ours, with its chain; empty: none. Goes with key_file
    std::string key_file{};
};

struct NetworkAddress {
    Transport transport = Transport::tcp;
    std::string host;  // a name or an address, resolved at each open()
    std::uint16_t port = 1883;
    std::string path = "/mqtt";  // of the HTTP request that begins a WebSocket
    TlsOptions tls{};
};

/// Reads the files of `address.tls`. nullptr when one is not what it should be; `problem` then says
/// in one line which and why.
[[nodiscard]] std::unique_ptr<TargetSource> make_network_source(const NetworkAddress& address,
                                                                std::string& problem);

}  // namespace touchstone::conformance
