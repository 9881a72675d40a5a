#include "broker/access/peer_address.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>

#include "broker/base/check.hpp"

namespace touchstone::access {

namespace {

constexpr unsigned bits_total = 128;
constexpr unsigned v4_prefix_bits = 96;
constexpr PeerAddress::Bytes v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr std::size_t group_count = 8;

/// All of `text` as a number of at most `digits_max` digits in `base`, 0 … `most`.
std::optional<unsigned> number_of(std::string_view text, int base, std::size_t digits_max,
                                  unsigned most) {
    unsigned value = 0;
    if (text.empty() || text.size() > digits_max) return std::nullopt;
    const auto* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, base);
    if (error != std::errc{} || stop != end || value > most) return std::nullopt;
    return value;
}

std::optional<std::array<std::uint8_t, 4>> v4_of(std::string_view text) {
    std::array<std::uint8_t, 4> address{};
    for (std::size_t i = 0; i < address.size(); ++i) {
        const auto dot = text.find('.');
        if ((dot == std::string_view::npos) != (i == 3)) return std::nullopt;
        const auto part = text.substr(0, dot);
        // 010 is 8 to some programs and 10 to others.
        if (part.size() > 1 && part.front() == '0') return std::nullopt;
        const auto value = number_of(part, 10, 3, 255);
        if (!value) return std::nullopt;
        address[i] = static_cast<std::uint8_t>(*value);
        text.remove_prefix(std::min(text.size(), part.size() + 1));
    }
    return address;
}

/// Groups of an IPv6 address on one side of `::`. False when `text` is none, or too long.
bool take_groups(std::string_view text, bool may_end_in_v4,
                 std::array<unsigned, group_count>& groups, std::size_t& count) {
    while (!text.empty()) {
        const auto colon = text.find(':');
        const auto part = text.substr(0, colon);
        const bool is_last = colon == std::string_view::npos;
        if (is_last && may_end_in_v4 && part.find('.') != std::string_view::npos) {
            const auto v4 = v4_of(part);
            if (!v4 || count + 2 > group_count) return false;
            groups[count++] = (*v4)[0] * 256U + (*v4)[1];
            groups[count++] = (*v4)[2] * 256U + (*v4)[3];
            return true;
        }
        const auto value = number_of(part, 16, 4, 0xFFFF);
        if (!value || count == group_count) return false;
        groups[count++] = *value;
        if (is_last) return true;
        text.remove_prefix(colon + 1);
        if (text.empty()) return false;  // "1:" ends with a separator
    }
    return true;
}

std::optional<PeerAddress::Bytes> v6_of(std::string_view text) {
    std::array<unsigned, group_count> head{};
    std::array<unsigned, group_count> tail{};
    std::size_t head_count = 0;
    std::size_t tail_count = 0;
    const auto gap = text.find("::");
    if (gap == std::string_view::npos) {
        if (!take_groups(text, true, head, head_count) || head_count != group_count)
            return std::nullopt;
    } else {
        if (!take_groups(text.substr(0, gap), false, head, head_count) ||
            !take_groups(text.substr(gap + 2), true, tail, tail_count))
            return std::nullopt;
        if (head_count + tail_count >= group_count)
            return std::nullopt;  // :: is at least one group
        std::copy_n(tail.begin(), tail_count, head.begin() + (group_count - tail_count));
    }
    PeerAddress::Bytes bytes{};
    for (std::size_t i = 0; i < group_count; ++i) {
        bytes[2 * i] = static_cast<std::uint8_t>(head[i] >> 8U);
        bytes[2 * i + 1] = static_cast<std::uint8_t>(head[i] & 0xFFU);
    }
    return bytes;
}

void append_number(std::string& text, unsigned value, int base) {
    std::array<char, 8> digits{};
    const auto [end, error] =
        std::to_chars(digits.data(), digits.data() + digits.size(), value, base);
    CHECK(error == std::errc{});
    text.append(digits.data(), end);
}

/// The first longest run of at least two groups that are 0 (RFC 5952 §4.2).
struct Gap {
    std::size_t first = group_count;
    std::size_t count = 1;
};
Gap gap_of(const std::array<unsigned, group_count>& groups) {
    Gap best;
    for (std::size_t first = 0; first < group_count; ++first) {
        std::size_t count = 0;
        while (first + count < group_count && groups[first + count] == 0) ++count;
        if (count > best.count) best = {first, count};
    }
    return best;
}

std::string text_of_v6(const PeerAddress::Bytes& bytes) {
    std::array<unsigned, group_count> groups{};
    for (std::size_t i = 0; i < group_count; ++i)
        groups[i] = bytes[2 * i] * 256U + bytes[2 * i + 1];
    const auto gap = gap_of(groups);
    std::string text;
    for (std::size_t i = 0; i < group_count; ++i) {
        if (i == gap.first) {
            text += "::";
            i += gap.count - 1;
            continue;
        }
        if (!text.empty() && text.back() != ':') text += ':';
        append_number(text, groups[i], 16);
    }
    return text;
}

}  // namespace

std::optional<PeerAddress> PeerAddress::from_text(std::string_view text) {
    if (text.find(':') == std::string_view::npos) {
        const auto v4 = v4_of(text);
        return v4 ? std::optional{from_v4(*v4)} : std::nullopt;
    }
    const auto v6 = v6_of(text);
    return v6 ? std::optional{from_v6(*v6)} : std::nullopt;
}

std::string PeerAddress::to_text() const {
    if (!is_v4()) return text_of_v6(bytes_);
    std::string text;
    for (std::size_t i = 12; i < bytes_.size(); ++i) {
        if (i != 12) text += '.';
        append_number(text, bytes_[i], 10);
    }
    return text;
}

bool PeerAddress::is_v4() const {
    return std::equal(v4_prefix.begin(), v4_prefix.begin() + v4_prefix_bits / 8, bytes_.begin());
}

bool PeerAddress::is_loopback() const {
    constexpr Bytes v6_loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return is_v4() ? bytes_[12] == 127 : bytes_ == v6_loopback;
}

bool PeerAddress::is_unspecified() const {
    return bytes_ == Bytes{} || bytes_ == v4_prefix;
}

std::optional<AddressRange> AddressRange::from_text(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = PeerAddress::from_text(text.substr(0, slash));
    if (!address) return std::nullopt;
    if (slash == std::string_view::npos) return AddressRange{*address};
    // "::ffff:10.0.0.0/104" counts its bits as IPv6 does.
    const bool is_v4_notation = text.substr(0, slash).find(':') == std::string_view::npos;
    const unsigned bits_before = is_v4_notation ? v4_prefix_bits : 0;
    const auto length = number_of(text.substr(slash + 1), 10, 3, bits_total - bits_before);
    if (!length) return std::nullopt;
    const unsigned prefix_bits = bits_before + *length;
    auto bytes = address->bytes();
    for (unsigned bit = prefix_bits; bit < bits_total; ++bit)
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> (bit % 8)));
    return AddressRange{PeerAddress::from_v6(bytes), prefix_bits};
}

bool AddressRange::contains(const PeerAddress& address) const {
    const bool is_v4_range = first_.is_v4() && prefix_bits_ >= v4_prefix_bits;
    if (address.is_v4() != is_v4_range) return false;
    const auto& wanted = first_.bytes();
    const auto& given = address.bytes();
    const std::size_t whole_bytes = prefix_bits_ / 8;
    if (!std::equal(wanted.begin(), wanted.begin() + whole_bytes, given.begin())) return false;
    const unsigned bits_left = prefix_bits_ % 8;
    if (bits_left == 0) return true;
    return ((wanted[whole_bytes] ^ given[whole_bytes]) >> (8 - bits_left)) == 0;
}

std::string AddressRange::to_text() const {
    auto text = first_.to_text();
    if (is_single()) return text;
    text += '/';
    const bool is_v4_range = first_.is_v4() && prefix_bits_ >= v4_prefix_bits;
    append_number(text, is_v4_range ? prefix_bits_ - v4_prefix_bits : prefix_bits_, 10);
    return text;
}

}  // namespace touchstone::access
