// The HTTP request that opens a WebSocket, and its answer (RFC 6455 §4). Reads no socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/base/bytes.hpp"

namespace touchstone::transport {

// name, status, what is wrong
#define TOUCHSTONE_UPGRADE_REFUSALS(X)                                                             \
    X(malformed_request, "400 Bad Request", "this is not an HTTP/1.1 request without a body")      \
    X(header_too_large, "431 Request Header Fields Too Large", "the request is too large")         \
    X(wrong_method, "405 Method Not Allowed", "a WebSocket is opened with GET")                    \
    X(wrong_path, "404 Not Found", "there is nothing at this path")                                \
    X(no_upgrade, "426 Upgrade Required", "there is only a WebSocket here")                        \
    X(wrong_version, "426 Upgrade Required", "the version of WebSocket spoken here is 13")         \
    X(wrong_key, "400 Bad Request", "Sec-WebSocket-Key has to be 16 bytes in base64")              \
    X(no_subprotocol, "400 Bad Request", "Sec-WebSocket-Protocol has to offer mqtt")

/// Why a request is refused, as it is counted: a closed set.
enum class UpgradeRefusal : std::uint8_t {
#define TOUCHSTONE_UPGRADE_REFUSAL(name, status, text) name,
    TOUCHSTONE_UPGRADE_REFUSALS(TOUCHSTONE_UPGRADE_REFUSAL)
#undef TOUCHSTONE_UPGRADE_REFUSAL
        count_of_refusals,
};
inline constexpr auto upgrade_refusal_count =
    static_cast<std::size_t>(UpgradeRefusal::count_of_refusals);
[[nodiscard]] std::string_view name_of(UpgradeRefusal refusal);

/// What an operator sets.
struct UpgradeRules {
    std::string path = "/mqtt";
    bool requires_subprotocol = true;  // [MQTT-6.0.0-3]
};

struct UpgradeAnswer {
    std::optional<UpgradeRefusal> refusal;  // nothing: the WebSocket is open
    std::string response;                   // to be sent in any case
};

/// Takes the request off the front of a connection, in pieces of any size.
class UpgradeReader {
public:
    /// Bounds what a peer can make us keep before it has proven anything.
    static constexpr std::size_t request_bytes_max = 8192;

    /// Returns how many of `bytes` belong to the request.
    std::size_t take(Bytes bytes);
    /// The request is there, or is longer than it may be.
    [[nodiscard]] bool is_complete() const { return is_complete_; }

    /// Once it is complete.
    [[nodiscard]] UpgradeAnswer answer(const UpgradeRules& rules) const;

private:
    std::string request_;
    bool is_complete_ = false;
};

}  // namespace touchstone::transport
