// Endpoint: where a node listens, as it is written on a command line.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "broker/asio/descriptor.hpp"
#include "broker/settings/forms.hpp"

namespace touchstone::asio_driver {

/// What an operator can mend: `what()` is one line that names the place and the remedy.
class OperatorError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct Endpoint {
    std::string address;     // numeric, IPv4 or IPv6 without brackets
    std::uint16_t port = 0;  // 0: any free one
    bool is_loopback = true;

    /// Reads "127.0.0.1:1883" or "[::1]:1883".
    /// Errors: OperatorError.
    static Endpoint from_text(std::string_view text);
    static Endpoint from_address(const settings::ListenAddress& address);
    [[nodiscard]] std::string to_text() const;
};

/// How a listening socket, and every socket accepted from it, behaves.
struct SocketOptions {
    int backlog = 4096;  // connections that wait to be accepted; the system may allow fewer
    bool has_no_delay = true;
    std::optional<std::uint32_t> receive_buffer_bytes;  // nothing: the system's choice
    std::optional<std::uint32_t> send_buffer_bytes;
    /// Whether an IPv6 address of all zeros is for IPv6 alone; nothing: as the system is set up,
    /// which usually serves IPv4 as well.
    std::optional<bool> is_v6_only;
};

/// A socket that takes connections, without blocking. What it accepts notices dead peers (TCP
/// keep-alive).
struct ListeningSocket {
    Descriptor socket;
    Endpoint endpoint;  // with the real port

    /// Binds `wanted` and listens.
    /// Errors: OperatorError: in use, not an address of this machine, no permission …
    static ListeningSocket open(const Endpoint& wanted, const SocketOptions& options = {});
    /// Gives those of the options that can change to what is accepted from now on.
    void apply(const SocketOptions& options) const;
};

}  // namespace touchstone::asio_driver
