#include "reports/pcapng.hpp"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace touchstone::reports {
namespace {

using results::CaseResult;
using results::Step;
using results::Verdict;

std::uint32_t u32_at(const std::string& bytes, std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);  // the files are of this machine's order
    return value;
}

struct Block {
    std::uint32_t type = 0;
    std::string body;
};

/// Throws when the lengths before and after a block differ.
std::vector<Block> blocks_of(const std::string& file) {
    std::vector<Block> blocks;
    for (std::size_t at = 0; at < file.size();) {
        const auto size = u32_at(file, at + 4);
        if (size % 4 != 0 || at + size > file.size() || u32_at(file, at + size - 4) != size) {
            throw std::runtime_error{"a block of a wrong size"};
        }
        blocks.push_back({u32_at(file, at), file.substr(at + 8, size - 12)});
        at += size;
    }
    return blocks;
}

/// The IPv4 packets, as they were captured.
std::vector<std::string> packets_of(const std::string& file) {
    std::vector<std::string> packets;
    for (const auto& block : blocks_of(file)) {
        if (block.type == 6) packets.push_back(block.body.substr(20, u32_at(block.body, 12)));
    }
    return packets;
}

std::uint32_t folded_sum(const std::string& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto byte = static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
        sum += i % 2 == 0 ? byte << 8U : byte;
    }
    while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16U);
    return sum;
}

void add(CaseResult& result, Step::Kind kind, const char* from, const char* to,
         const std::string& bytes, const char* text) {
    auto& step = *result.add_trace();
    step.set_kind(kind);
    step.set_from(from);
    step.set_to(to);
    step.set_bytes(bytes);
    step.set_text(text);
    step.set_time_us(static_cast<std::uint64_t>(result.trace_size()) * 10);
}

CaseResult conversation() {
    CaseResult result;
    result.set_case_id("v5/MQTT-3.12.4-1");
    result.set_title("PINGREQ gets PINGRESP");
    result.set_verdict(Verdict::fail);
    add(result, Step::opened, "client", "broker", "", "");
    add(result, Step::packet, "client", "broker", std::string("\xC0\x00", 2), "PINGREQ");
    add(result, Step::noted, "broker", "", "", "expected PINGRESP");
    add(result, Step::packet, "broker", "client", std::string("\xE0\x00", 2), "DISCONNECT");
    result.mutable_trace(3)->set_deviates(true);
    result.mutable_trace(3)->set_note("no PINGRESP");
    add(result, Step::closed, "broker", "client", "", "connection closed");
    return result;
}

TEST(Pcapng, begins_with_a_section_and_an_interface_of_raw_ip) {
    const auto blocks = blocks_of(pcapng_of(conversation()));
    ASSERT_GE(blocks.size(), 3U);
    EXPECT_EQ(blocks[0].type, 0x0A0D'0D0AU);
    EXPECT_EQ(u32_at(blocks[0].body, 0), 0x1A2B'3C4DU);
    EXPECT_NE(blocks[0].body.find("v5/MQTT-3.12.4-1"), std::string::npos);
    EXPECT_EQ(blocks[1].type, 1U);
    EXPECT_EQ(u32_at(blocks[1].body, 0) & 0xFFFFU, 101U);
}

TEST(Pcapng, has_handshake_packets_and_the_end_with_right_checksums) {
    const auto packets = packets_of(pcapng_of(conversation()));
    ASSERT_EQ(packets.size(), 3U + 2U + 3U);
    for (const auto& packet : packets) {
        EXPECT_EQ(folded_sum(packet.substr(0, 20)), 0xFFFFU);
        const auto tcp = packet.substr(20);
        std::string pseudo = packet.substr(12, 8) + std::string("\0\x06", 2);
        pseudo += static_cast<char>(tcp.size() >> 8U);
        pseudo += static_cast<char>(tcp.size() & 0xFFU);
        EXPECT_EQ(folded_sum(pseudo + tcp), 0xFFFFU);
    }
    EXPECT_EQ(packets[0][33], '\x02');  // SYN
    EXPECT_EQ(packets[3].substr(40), std::string("\xC0\x00", 2));
    EXPECT_EQ(packets[4].substr(40), std::string("\xE0\x00", 2));
    EXPECT_EQ(packets[5][33], '\x11');  // FIN, ACK
}

TEST(Pcapng, says_where_the_conversation_deviates) {
    const auto file = pcapng_of(conversation());
    EXPECT_NE(file.find("expected PINGRESP"), std::string::npos);
    EXPECT_NE(file.find("deviates: no PINGRESP"), std::string::npos);
}

TEST(Pcapng, says_how_long_a_packet_was_that_was_not_kept_whole) {
    auto result = conversation();
    result.mutable_trace(1)->set_bytes_left_out(1'000);
    for (const auto& block : blocks_of(pcapng_of(result))) {
        if (block.type != 6 || u32_at(block.body, 12) == u32_at(block.body, 16)) continue;
        EXPECT_EQ(u32_at(block.body, 12), 42U);
        EXPECT_EQ(u32_at(block.body, 16), 1'042U);
        return;
    }
    FAIL() << "no packet is shorter than it was";
}

TEST(Pcapng, cuts_what_no_ip_packet_can_hold) {
    CaseResult result;
    add(result, Step::opened, "client", "broker", "", "");
    add(result, Step::packet, "client", "broker", std::string(150'000, 'p'), "PUBLISH");
    std::size_t payload_bytes = 0;
    for (const auto& packet : packets_of(pcapng_of(result))) payload_bytes += packet.size() - 40;
    EXPECT_EQ(payload_bytes, 150'000U);
}

}  // namespace
}  // namespace touchstone::reports
