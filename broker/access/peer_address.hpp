// Where a Network Connection comes from, as rules see it: the address without the port. IPv4 and
// IPv6 are one type, so a rule does not depend on the family of the listening socket.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace touchstone::access {

/// An IPv6 address, or an IPv4 one mapped into ::ffff:0:0/96 (RFC 4291 §2.5.5.2).
class PeerAddress {
public:
    using Bytes = std::array<std::uint8_t, 16>;

    /// The unspecified address `::`.
    constexpr PeerAddress() = default;
    static constexpr PeerAddress from_v4(std::array<std::uint8_t, 4> address) {
        return PeerAddress{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, address[0], address[1],
                            address[2], address[3]}};
    }
    static constexpr PeerAddress from_v6(Bytes address) { return PeerAddress{address}; }
    /// "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1". Nothing for anything else: no brackets, no
    /// port, no zone, no leading zeros in IPv4.
    static std::optional<PeerAddress> from_text(std::string_view text);

    /// An IPv4 address with dots; an IPv6 one in the form of RFC 5952.
    [[nodiscard]] std::string to_text() const;
    [[nodiscard]] bool is_v4() const;
    /// 127.0.0.0/8 or ::1.
    [[nodiscard]] bool is_loopback() const;
    /// 0.0.0.0 or ::, which as an address to listen on means all of its family.
    [[nodiscard]] bool is_unspecified() const;
    [[nodiscard]] constexpr const Bytes& bytes() const { return bytes_; }
    friend constexpr auto operator<=>(const PeerAddress&, const PeerAddress&) = default;

private:
    explicit constexpr PeerAddress(Bytes bytes) : bytes_{bytes} {}

    Bytes bytes_{};
};

/// All addresses that share a prefix (CIDR, RFC 4632). A range of IPv6 holds no IPv4 address, not
/// even `::/0`.
class AddressRange {
public:
    /// That one address.
    explicit AddressRange(PeerAddress address) : first_{address} {}
    /// "10.0.0.0/8", "2001:db8::/32"; without a length, that one address. Bits behind the prefix
    /// are ignored, so "10.1.2.3/8" is "10.0.0.0/8". Nothing for anything else.
    static std::optional<AddressRange> from_text(std::string_view text);

    [[nodiscard]] bool contains(const PeerAddress& address) const;
    [[nodiscard]] bool is_single() const { return prefix_bits_ == 128; }
    /// The address with all bits behind the prefix 0.
    [[nodiscard]] const PeerAddress& first() const { return first_; }
    [[nodiscard]] std::string to_text() const;
    friend auto operator<=>(const AddressRange&, const AddressRange&) = default;

private:
    AddressRange(PeerAddress first, unsigned prefix_bits)
        : first_{first},
          prefix_bits_{prefix_bits} {}

    PeerAddress first_;
    unsigned prefix_bits_ = 128;  // of the 16 bytes: an IPv4 length and 96
};

}  // namespace touchstone::access
