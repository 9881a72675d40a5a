#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "broker/access/address_access.hpp"
#include "broker/access/peer_address.hpp"

namespace touchstone::access {
namespace {

PeerAddress address(std::string_view text) {
    return PeerAddress::from_text(text).value();
}

AddressRange range(std::string_view text) {
    return AddressRange::from_text(text).value();
}

/// Bytes with runs of 0 and few values, so that gaps and equal prefixes are common.
PeerAddress any_address() {
    PeerAddress::Bytes bytes{};
    for (auto& byte : bytes) byte = *rc::gen::element<std::uint8_t>(0, 0, 0, 1, 0x80, 0xFF);
    if (*rc::gen::arbitrary<bool>()) return PeerAddress::from_v6(bytes);
    return PeerAddress::from_v4({bytes[0], bytes[1], bytes[2], bytes[3]});
}

RC_GTEST_PROP(peer_address, is_written_and_read_as_the_system_does, ()) {
    const auto one = any_address();
    const auto text = one.to_text();
    RC_ASSERT(PeerAddress::from_text(text) == one);
    std::array<char, INET6_ADDRSTRLEN> expected{};
    if (one.is_v4()) {
        inet_ntop(AF_INET, one.bytes().data() + 12, expected.data(), expected.size());
    } else {
        // The system writes the last two groups of ::/96 as IPv4, which RFC 5952 leaves open.
        if (std::all_of(one.bytes().begin(), one.bytes().begin() + 12,
                        [](auto b) { return b == 0; }))
            return;
        inet_ntop(AF_INET6, one.bytes().data(), expected.data(), expected.size());
    }
    RC_ASSERT(text == expected.data());
}

RC_GTEST_PROP(peer_address, reads_a_text_when_the_system_does, ()) {
    auto text = any_address().to_text();
    // One character is lost, doubled or another one.
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    switch (*rc::gen::inRange(0, 3)) {
        case 0: text.erase(at, 1); break;
        case 1: text.insert(at, 1, text[at]); break;
        default: text[at] = *rc::gen::elementOf(std::string{"0159afF:.g/ "}); break;
    }
    PeerAddress::Bytes expected{};
    std::array<std::uint8_t, 4> v4{};
    const bool is_v6 = inet_pton(AF_INET6, text.c_str(), expected.data()) == 1;
    const bool is_v4 = inet_pton(AF_INET, text.c_str(), v4.data()) == 1;
    const auto found = PeerAddress::from_text(text);
    RC_ASSERT(found.has_value() == (is_v4 || is_v6));
    if (is_v6) RC_ASSERT(*found == PeerAddress::from_v6(expected));
    if (is_v4) RC_ASSERT(*found == PeerAddress::from_v4(v4));
}

TEST(peer_address, knows_both_families_and_their_loopbacks) {
    EXPECT_TRUE(address("127.3.2.1").is_loopback());
    EXPECT_TRUE(address("::1").is_loopback());
    EXPECT_FALSE(address("128.0.0.1").is_loopback());
    EXPECT_FALSE(address("::2").is_loopback());
    EXPECT_EQ(address("::ffff:10.0.0.1"), address("10.0.0.1"));
    EXPECT_EQ(address("::ffff:a00:1").to_text(), "10.0.0.1");
    EXPECT_TRUE(address("0.0.0.0").is_unspecified());
    EXPECT_TRUE(address("::").is_unspecified());
    EXPECT_EQ(address("2001:DB8:0:0:1:0:0:1").to_text(), "2001:db8::1:0:0:1");
    EXPECT_EQ(address("2001:db8:0:1:1:1:1:1").to_text(), "2001:db8:0:1:1:1:1:1");
}

TEST(peer_address, refuses_what_is_no_address) {
    for (const auto* const text : {"",
                                   "1.2.3",
                                   "1.2.3.4.5",
                                   "1.2.3.256",
                                   "01.2.3.4",
                                   "1.2.3.4 ",
                                   ":",
                                   ":::",
                                   "1::2::3",
                                   "1:2:3:4:5:6:7",
                                   "1:2:3:4:5:6:7:8:9",
                                   "1:2:3:4:5:6:7::8",
                                   "12345::",
                                   "[::1]",
                                   "fe80::1%0",
                                   "::1.2.3",
                                   "1.2.3.4::",
                                   "::1:",
                                   ":1::",
                                   "localhost"})
        EXPECT_FALSE(PeerAddress::from_text(text)) << text;
}

RC_GTEST_PROP(address_range, holds_the_addresses_with_its_first_bits, ()) {
    const auto base = any_address();
    const auto other = any_address();
    const unsigned length = *rc::gen::inRange(0U, base.is_v4() ? 33U : 129U);
    const auto one = AddressRange::from_text(base.to_text() + "/" + std::to_string(length));
    RC_ASSERT(one.has_value());
    RC_ASSERT(AddressRange::from_text(one->to_text()) == one);
    const auto bits_of = [](const PeerAddress& from) {
        std::string bits;
        for (std::size_t i = from.is_v4() ? 12 : 0; i < 16; ++i)
            for (unsigned bit = 0; bit < 8; ++bit)
                bits += ((from.bytes()[i] << bit) & 0x80) != 0 ? '1' : '0';
        return bits;
    };
    const bool expected = base.is_v4() == other.is_v4() &&
                          bits_of(base).substr(0, length) == bits_of(other).substr(0, length);
    RC_ASSERT(one->contains(other) == expected);
    RC_ASSERT(one->contains(base));
}

TEST(address_range, keeps_the_families_apart) {
    EXPECT_FALSE(range("::/0").contains(address("10.0.0.1")));
    EXPECT_FALSE(range("0.0.0.0/0").contains(address("::1")));
    EXPECT_TRUE(range("::ffff:10.0.0.0/104").contains(address("10.9.9.9")));
    EXPECT_EQ(range("10.1.2.3/8"), range("10.0.0.0/8"));
    EXPECT_EQ(range("10.1.2.3/8").to_text(), "10.0.0.0/8");
    EXPECT_TRUE(range("10.1.2.3").is_single());
}

TEST(address_range, refuses_lengths_that_are_none) {
    for (const auto* const text : {"10.0.0.0/33", "::/129", "10.0.0.0/", "/8", "10.0.0.0/-1",
                                   "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.0/ 8", "10.0.0.0/0008"})
        EXPECT_FALSE(AddressRange::from_text(text)) << text;
}

TEST(address_access, lets_the_first_entry_decide_and_refuses_without_one) {
    AddressAccess access;
    EXPECT_TRUE(access.accepts(address("10.0.0.1")));
    for (const auto* const text : {"deny 10.0.0.1", "allow \t10.0.0.0/8", "allow ::1"})
        access.add(AddressAccess::Entry::from_text(text).value());
    EXPECT_FALSE(access.accepts(address("10.0.0.1")));
    EXPECT_TRUE(access.accepts(address("10.0.0.2")));
    EXPECT_TRUE(access.accepts(address("::1")));
    EXPECT_FALSE(access.accepts(address("192.0.2.1")));
    access.add(AddressAccess::Entry::from_text("allow all").value());
    EXPECT_TRUE(access.accepts(address("192.0.2.1")));
    EXPECT_EQ(access.entries()[1].to_text(), "allow 10.0.0.0/8");
}

TEST(address_access, names_what_an_entry_looks_like) {
    for (const auto* const text :
         {"", "allow", "allow ", "permit all", "allow everybody", "deny 1/2"}) {
        const auto entry = AddressAccess::Entry::from_text(text);
        ASSERT_TRUE(entry.has_error()) << text;
        EXPECT_NE(entry.error().expected.find("allow 10.0.0.0/8"), std::string::npos);
    }
}

}  // namespace
}  // namespace touchstone::access
