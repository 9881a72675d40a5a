#include "broker/transport/proxy_header.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace touchstone::transport {
namespace {

using namespace std::string_literals;
using Next = ProxyHeaderReader::Next;

const std::string binary_begin{"\r\n\r\n\0\r\nQUIT\n", 12};

std::string of_size(std::size_t size) {
    return {static_cast<char>(size >> 8U), static_cast<char>(size & 0xFFU)};
}

std::string extra(unsigned type, const std::string& value) {
    return static_cast<char>(type) + of_size(value.size()) + value;
}

std::string version_2(unsigned command, unsigned family, const std::string& block) {
    return binary_begin + static_cast<char>(0x20U | command) + static_cast<char>(family) +
           of_size(block.size()) + block;
}

const std::string from_v4 = "\xC0\x00\x02\x01\xC0\x00\x02\x02\xC0\x00\x07\x5B"s;
const std::string from_v6 = "\x20\x01\x0D\xB8"s + std::string(11, '\0') + "\x01" +
                            std::string(16, '\0') + "\xC0\x00\x07\x5B"s;

struct Read {
    Next next = Next::more_bytes;
    std::size_t consumed_bytes = 0;
    std::string source;  // empty: none
    std::string common_name;
};

Read read(const std::string& text, std::size_t piece_bytes) {
    ProxyHeaderReader reader;
    Read result;
    for (std::size_t begin = 0; begin < text.size() && result.next == Next::more_bytes;
         begin += piece_bytes) {
        const auto taken = reader.take(as_bytes(std::string_view{text}.substr(begin, piece_bytes)));
        result.consumed_bytes += taken.consumed_bytes;
        result.next = taken.next;
    }
    if (result.next != Next::complete) return result;
    if (reader.header().source) result.source = reader.header().source->to_text();
    result.common_name = reader.header().certificate_common_name;
    return result;
}

/// The header, followed by something else, at once and byte by byte.
Read read(const std::string& header) {
    const auto at_once = read(header + "\x10rest", 1'000'000);
    const auto byte_by_byte = read(header + "\x10rest", 1);
    EXPECT_EQ(at_once.next, byte_by_byte.next);
    EXPECT_EQ(at_once.source, byte_by_byte.source);
    EXPECT_EQ(at_once.common_name, byte_by_byte.common_name);
    EXPECT_EQ(at_once.consumed_bytes, byte_by_byte.consumed_bytes);
    if (at_once.next == Next::complete) {
        EXPECT_EQ(at_once.consumed_bytes, header.size());
    }
    return at_once;
}

TEST(proxy_header, of_version_1_names_the_source) {
    EXPECT_EQ(read("PROXY TCP4 192.0.2.1 192.0.2.2 49152 1883\r\n").source, "192.0.2.1");
    EXPECT_EQ(read("PROXY TCP6 2001:db8::1 ::1 49152 1883\r\n").source, "2001:db8::1");
    for (const auto* const unknown :
         {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 anything 1 2 3\r\n"}) {
        EXPECT_EQ(read(unknown).next, Next::complete);
        EXPECT_EQ(read(unknown).source, "");
    }
}

TEST(proxy_header, of_version_1_has_to_be_whole_and_right) {
    for (const std::string wrong :
         {"PROXY TCP4 192.0.2.1 192.0.2.2 49152\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
          "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n",
          "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
          "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
          "PROXY TCP4 192.0.2.1 192.0.2.256 1 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
          "PROXY\r\n", "proxy UNKNOWN\r\n", "PROXX"}) {
        EXPECT_EQ(read(wrong).next, Next::malformed) << wrong;
    }
    EXPECT_EQ(read("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n").next, Next::complete);
    EXPECT_EQ(read("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n").next, Next::malformed);
}

TEST(proxy_header, of_version_2_names_the_source) {
    EXPECT_EQ(read(version_2(1, 0x11, from_v4)).source, "192.0.2.1");
    EXPECT_EQ(read(version_2(1, 0x21, from_v6)).source, "2001:db8::1");
    for (const auto& silent :
         {version_2(0, 0x11, from_v4), version_2(0, 0x00, ""), version_2(0, 0x11, "junk"),
          version_2(1, 0x00, ""), version_2(1, 0x00, "junk"),
          version_2(1, 0x31, std::string(216, 'x'))}) {
        EXPECT_EQ(read(silent).next, Next::complete);
        EXPECT_EQ(read(silent).source, "");
    }
}

TEST(proxy_header, of_version_2_may_hold_extras) {
    const auto result = read(version_2(1, 0x11, from_v4 + extra(4, "padding") + extra(0xE5, "")));
    EXPECT_EQ(result.next, Next::complete);
    EXPECT_EQ(result.source, "192.0.2.1");
}

TEST(proxy_header, names_the_client_of_a_certificate_that_was_checked) {
    const auto certificate = [](unsigned flags, const std::string& result) {
        return extra(0x20, static_cast<char>(flags) + result + extra(0x21, "TLSv1.3") +
                               extra(0x22, "sensor-7"));
    };
    const auto name_from = [&](unsigned flags, const std::string& result) {
        return read(version_2(1, 0x11, from_v4 + certificate(flags, result))).common_name;
    };
    const std::string good(4, '\0');
    EXPECT_EQ(name_from(0x07, good), "sensor-7");
    EXPECT_EQ(name_from(0x05, good), "sensor-7");  // of an earlier connection of the TLS session
    EXPECT_EQ(name_from(0x01, good), "");          // no certificate
    EXPECT_EQ(name_from(0x07, "\0\0\0\1"s), "");   // not good
}

TEST(proxy_header, of_version_2_has_to_be_whole_and_right) {
    for (const auto& wrong :
         {binary_begin + "\x11\x11" + of_size(12) + from_v4, version_2(2, 0x11, from_v4),
          version_2(1, 0x41, from_v4), version_2(1, 0x13, from_v4), version_2(1, 0x11, "short"),
          version_2(1, 0x21, from_v4), version_2(1, 0x11, from_v4 + "\4"),
          version_2(1, 0x11, from_v4 + "\4\0\2x"s), version_2(1, 0x11, from_v4 + extra(0x20, "xx")),
          version_2(1, 0x11, from_v4 + extra(0x20, "\7\0\0\0\0\x22\0\x09x"s)),
          version_2(1, 0x11, std::string(ProxyHeaderReader::binary_bytes_max - 15, 'x')),
          "\r\n\r\n\0\r\nQUIX"s}) {
        EXPECT_EQ(read(wrong).next, Next::malformed);
    }
}

}  // namespace
}  // namespace touchstone::transport
