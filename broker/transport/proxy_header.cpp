#include "broker/transport/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace touchstone::transport {

namespace {

using access::PeerAddress;

constexpr std::string_view line_begin = "PROXY ";
constexpr std::string_view binary_begin{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t binary_fixed_bytes = 16;

// Version 2: the 13th byte is version and command, the 14th family and protocol.
constexpr unsigned version_2 = 0x20;
constexpr unsigned command_local = 0;
constexpr unsigned command_proxy = 1;
constexpr unsigned family_unspecified = 0;
constexpr unsigned family_v4 = 1;
constexpr unsigned family_v6 = 2;
constexpr unsigned family_unix = 3;
constexpr unsigned protocol_most = 2;  // datagrams; 1 is a stream, 0 is not known

// What may follow the addresses: type, length in 2 bytes, value.
constexpr unsigned extra_tls = 0x20;
constexpr unsigned extra_tls_common_name = 0x22;
constexpr std::size_t tls_fixed_bytes = 5;        // flags, result of the check
constexpr unsigned tls_certificate_flags = 0x06;  // in this connection, or in its TLS session

unsigned value_of(std::byte byte) {
    return std::to_integer<unsigned>(byte);
}

bool can_begin_with(std::string_view whole, std::string_view part) {
    const auto size = std::min(whole.size(), part.size());
    return whole.substr(0, size) == part.substr(0, size);
}

bool is_port(std::string_view text) {
    if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return false;
    unsigned port = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '9') return false;
        port = 10 * port + static_cast<unsigned>(digit - '0');
    }
    return port <= 65'535;
}

std::optional<PeerAddress> address_from(std::string_view text, bool is_v6) {
    const bool has_colon = text.find(':') != std::string_view::npos;
    return has_colon == is_v6 ? PeerAddress::from_text(text) : std::nullopt;
}

template <std::size_t size>
std::array<std::uint8_t, size> octets_of(Bytes bytes) {
    std::array<std::uint8_t, size> octets{};
    for (std::size_t i = 0; i < size; ++i)
        octets[i] = static_cast<std::uint8_t>(value_of(bytes[i]));
    return octets;
}

struct Extra {
    unsigned type = 0;
    Bytes value;
};

/// Nothing when the length says more than there is.
std::optional<Extra> take_extra(Bytes& from) {
    constexpr std::size_t fixed_bytes = 3;
    if (from.size() < fixed_bytes) return std::nullopt;
    const std::size_t size = (value_of(from[1]) << 8U) | value_of(from[2]);
    if (from.size() - fixed_bytes < size) return std::nullopt;
    const Extra extra{value_of(from[0]), from.subspan(fixed_bytes, size)};
    from = from.subspan(fixed_bytes + size);
    return extra;
}

}  // namespace

ProxyHeaderReader::Taken ProxyHeaderReader::take(Bytes bytes) {
    Taken taken;
    for (const std::byte byte : bytes) {
        bytes_.push_back(byte);
        ++taken.consumed_bytes;
        taken.next = look();
        if (taken.next != Next::more_bytes) break;
    }
    return taken;
}

ProxyHeaderReader::Next ProxyHeaderReader::look() {
    const auto text = as_text(bytes_);
    if (can_begin_with(line_begin, text)) return look_at_line();
    if (can_begin_with(binary_begin, text)) return look_at_binary();
    return Next::malformed;
}

ProxyHeaderReader::Next ProxyHeaderReader::look_at_line() {
    const auto text = as_text(bytes_);
    if (!text.ends_with('\n'))
        return text.size() < line_bytes_max ? Next::more_bytes : Next::malformed;
    if (!text.ends_with("\r\n")) return Next::malformed;
    const auto line = text.substr(0, text.size() - 2);
    return line.starts_with(line_begin) && read_line(line.substr(line_begin.size()))
               ? Next::complete
               : Next::malformed;
}

/// "TCP4 192.0.2.1 192.0.2.2 49152 1883"; behind UNKNOWN anything may stand.
bool ProxyHeaderReader::read_line(std::string_view line) {
    std::vector<std::string_view> words;
    for (std::size_t begin = 0; begin <= line.size();) {
        const auto end = std::min(line.find(' ', begin), line.size());
        words.push_back(line.substr(begin, end - begin));
        begin = end + 1;
    }
    if (words[0] == "UNKNOWN") return true;
    if (words.size() != 5 || (words[0] != "TCP4" && words[0] != "TCP6")) return false;
    const bool is_v6 = words[0] == "TCP6";
    const auto source = address_from(words[1], is_v6);
    const auto destination = address_from(words[2], is_v6);
    if (!source || !destination || !is_port(words[3]) || !is_port(words[4])) return false;
    header_.source = source;
    return true;
}

ProxyHeaderReader::Next ProxyHeaderReader::look_at_binary() {
    if (bytes_.size() < binary_fixed_bytes) return Next::more_bytes;
    const unsigned command = value_of(bytes_[12]) & 0x0FU;
    const unsigned family = value_of(bytes_[13]) >> 4U;
    const unsigned protocol = value_of(bytes_[13]) & 0x0FU;
    const std::size_t size_bytes =
        binary_fixed_bytes + ((value_of(bytes_[14]) << 8U) | value_of(bytes_[15]));
    if ((value_of(bytes_[12]) & 0xF0U) != version_2 || command > command_proxy ||
        family > family_unix || protocol > protocol_most || size_bytes > binary_bytes_max)
        return Next::malformed;
    if (bytes_.size() < size_bytes) return Next::more_bytes;
    // A proxy that speaks for itself may fill the rest with anything.
    if (command == command_local) return Next::complete;
    Bytes block = Bytes{bytes_}.subspan(binary_fixed_bytes);
    return read_addresses(family, block) && read_extras(block) ? Next::complete : Next::malformed;
}

bool ProxyHeaderReader::read_addresses(unsigned family, Bytes& block) {
    // Source and destination, and for IP the two ports.
    const std::size_t size_bytes = family == family_v4     ? 12
                                   : family == family_v6   ? 36
                                   : family == family_unix ? 216
                                                           : 0;
    if (block.size() < size_bytes) return false;
    if (family == family_v4) header_.source = PeerAddress::from_v4(octets_of<4>(block));
    if (family == family_v6) header_.source = PeerAddress::from_v6(octets_of<16>(block));
    // Without a family nobody can tell addresses from extras (§2.2).
    block = family == family_unspecified ? Bytes{} : block.subspan(size_bytes);
    return true;
}

bool ProxyHeaderReader::read_extras(Bytes block) {
    while (!block.empty()) {
        const auto extra = take_extra(block);
        if (!extra) return false;
        if (extra->type == extra_tls && !read_certificate(extra->value)) return false;
    }
    return true;
}

bool ProxyHeaderReader::read_certificate(Bytes block) {
    if (block.size() < tls_fixed_bytes) return false;
    const bool has_certificate = (value_of(block[0]) & tls_certificate_flags) != 0;
    // 0: the certificate was checked, and it is good (§2.2.6).
    const bool is_verified = std::ranges::all_of(
        block.subspan(1, 4), [](std::byte byte) { return byte == std::byte{}; });
    block = block.subspan(tls_fixed_bytes);
    while (!block.empty()) {
        const auto extra = take_extra(block);
        if (!extra) return false;
        if (extra->type == extra_tls_common_name && has_certificate && is_verified)
            header_.certificate_common_name = as_text(extra->value);
    }
    return true;
}

}  // namespace touchstone::transport
