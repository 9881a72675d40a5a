// Endpoint: where a node listens, as it is written on a command line.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "broker/asio/descriptor.hpp"

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
    [[nodiscard]] std::string to_text() const;
};

/// A socket that takes connections. It does not block, and what it accepts sends without delay.
struct Listener {
    Descriptor socket;
    Endpoint endpoint;  // with the real port

    /// Binds `wanted` and listens. An IPv6 address takes IPv6 only, so that both can be given.
    /// Errors: OperatorError: in use, not an address of this machine, no permission …
    static Listener open(const Endpoint& wanted);
};

}  // namespace touchstone::asio_driver
