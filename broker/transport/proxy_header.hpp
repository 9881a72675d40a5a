// The header a proxy puts before the first byte of a connection it passes on: the PROXY protocol,
// versions 1 and 2, by its specification of 2020 (haproxy's doc/proxy-protocol.txt).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "broker/access/peer_address.hpp"
#include "broker/base/bytes.hpp"

namespace touchstone::transport {

struct ProxyHeader {
    /// Who connected to the proxy. Nothing: the proxy speaks for itself (LOCAL, a health check) or
    /// does not know (UNKNOWN, UNSPEC, UNIX), so the address of the connection is the one that
    /// counts.
    std::optional<access::PeerAddress> source;
    /// Common name of the client's certificate, when the proxy ended TLS and says that it has
    /// checked it; else empty.
    std::string certificate_common_name;
};

/// Takes the header off the front of a connection, in pieces of any size.
class ProxyHeaderReader {
public:
    enum class Next : std::uint8_t { more_bytes, complete, malformed };
    struct Taken {
        std::size_t consumed_bytes = 0;  // never one behind the header
        Next next = Next::more_bytes;
    };
    /// Not to be called again after it has answered complete or malformed.
    Taken take(Bytes bytes);

    /// Once take() has answered complete.
    [[nodiscard]] const ProxyHeader& header() const { return header_; }

    /// Longest header of version 1, with its line end.
    static constexpr std::size_t line_bytes_max = 107;
    /// Longest of version 2. Its length field could say 64 KiB, but a header with a unique id, a
    /// server name and what is known of a certificate takes less than 1.
    static constexpr std::size_t binary_bytes_max = 4096;

private:
    [[nodiscard]] Next look();
    [[nodiscard]] Next look_at_line();
    [[nodiscard]] Next look_at_binary();
    [[nodiscard]] bool read_line(std::string_view line);
    [[nodiscard]] bool read_addresses(unsigned family, Bytes& block);
    [[nodiscard]] bool read_extras(Bytes block);
    [[nodiscard]] bool read_certificate(Bytes block);

    Buffer bytes_;
    ProxyHeader header_;
};

}  // namespace touchstone::transport
