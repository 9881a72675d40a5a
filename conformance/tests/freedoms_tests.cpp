// No accusation of a broker that does nothing wrong: brokers that make unusual use of what the
// standard leaves open, or of what it does not demand to be noticed. Each of them is like one that
// was met (FINDINGS.md) and was accused once.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "conformance/suite/runner.hpp"
#include "conformance/tests/unusual_brokers.hpp"

namespace touchstone::conformance {
namespace {

using enum PacketType;

constexpr std::uint64_t seed = 20260101;

class Freedom {
public:
    explicit Freedom(Mutant broker) : broker_{std::move(broker)} {}

    CaseOutcome run(const CaseEntry& entry) {
        return run_case_once(*source_, entry, surroundings_, seed);
    }
    CaseOutcome run(const std::string& id) {
        const auto& cases = all_cases();
        const auto found = std::ranges::find(cases, id, &CaseEntry::id);
        if (found == cases.end()) throw std::logic_error{"no case " + id};
        return run(*found);
    }
    Verdict verdict(const std::string& id) { return run(id).verdict; }

    /// The ids of the cases that accuse it, or come to no verdict.
    std::set<std::string> accusers() {
        std::set<std::string> ids;
        for (const auto& entry : all_cases()) {
            if (entry.requested.condition != Condition::usual || entry.requested.has_frames ||
                unmet_need(entry.requested, surroundings_.capabilities, entry.version) ||
                unmet_need(entry.requested, surroundings_.declaration)) {
                continue;
            }
            const auto outcome = run(entry);
            if (is_failure(outcome.verdict) || outcome.verdict == Verdict::inconclusive) {
                ids.insert(entry.id + ": " + outcome.reason);
            }
        }
        return ids;
    }

private:
    Mutant broker_;  // The source refers to it.
    std::unique_ptr<TargetSource> source_ = make_mutant_source(broker_);
    Surroundings surroundings_ = probe(*source_, {.seed = seed}).surroundings;
};

TEST(Freedom, to_send_one_message_at_a_time_is_not_held_against_a_broker) {
    Freedom broker{one_message_at_a_time()};
    EXPECT_EQ(broker.accusers(), std::set<std::string>{});
    EXPECT_EQ(broker.verdict("v5/MQTT-4.6.0-5:queued"), Verdict::not_applicable);
    EXPECT_EQ(broker.verdict("v3.1.1/MQTT-3.3.5-1"), Verdict::pass);
}

TEST(Freedom, to_let_qos_0_wait_as_well_is_not_held_against_a_broker) {
    Freedom broker{one_message_at_a_time_and_no_other()};
    EXPECT_EQ(broker.accusers(), std::set<std::string>{});
    EXPECT_EQ(broker.verdict("v5/MQTT-3.3.4-10"), Verdict::info);
}

TEST(Freedom, does_not_excuse_that_the_second_message_is_lost) {
    auto broker = one_message_at_a_time_and_no_other();
    broker.on_broker = [](Packet& packet, Wire& wire) {
        return packet.type != publish || packet.qos == 0 || ++wire.memory["count"] != 2;
    };
    Freedom lossy{broker};
    EXPECT_EQ(lossy.verdict("v5/MQTT-2.2.1-4"), Verdict::fail);
    EXPECT_EQ(lossy.verdict("v3.1.1/MQTT-4.6.0-6:queued"), Verdict::fail);
}

TEST(Freedom, an_unsuback_that_always_says_success_is_no_more_than_unusual) {
    Mutant broker{.name = "success"};
    broker.on_broker = [](Packet& packet, Wire&) {
        if (packet.type != unsuback) return true;
        for (std::size_t i = 0; i < packet.reason_codes.size(); ++i) {
            packet.raw[packet.raw.size() - 1 - i] = std::byte{0};
        }
        return true;
    };
    Freedom freedom{broker};
    EXPECT_EQ(freedom.accusers(), std::set<std::string>{});
    EXPECT_EQ(freedom.verdict("v5/MQTT-3.10.4-4"), Verdict::non_strict);
    EXPECT_EQ(freedom.verdict("v5/MQTT-3.10.4-6"), Verdict::non_strict);
}

TEST(Freedom, who_accepts_a_wrong_connect_is_accused_by_the_case_about_that_and_no_other) {
    Mutant broker{.name = "accepts"};
    broker.on_client = [](Packet& packet, Wire&) {
        constexpr std::size_t place = 9;  // of the Connect Flags, when one byte is the length
        if (packet.type == connect && packet.raw.size() > place &&
            packet.raw[1] < std::byte{0x80} && (packet.raw[3] == std::byte{4})) {
            packet.raw[place] &= std::byte{0xFE};
        }
        return true;
    };
    Freedom freedom{broker};
    EXPECT_EQ(freedom.verdict("v5/MQTT-3.1.2-3"), Verdict::fail);
    EXPECT_EQ(freedom.verdict("v3.1.1/MQTT-3.1.2-3"), Verdict::fail);
    for (const auto* id : {"v5/MQTT-3.1.4-6", "v3.1.1/MQTT-3.1.4-5", "v5/MQTT-3.2.2-6",
                           "v3.1.1/MQTT-3.2.2-4", "v5/MQTT-3.2.2-8", "v3.1.1/MQTT-3.2.2-6"}) {
        const auto outcome = freedom.run(id);
        EXPECT_FALSE(is_failure(outcome.verdict)) << id << ": " << outcome.reason;
    }
}

TEST(Freedom,
     a_request_for_nothing_may_be_answered_with_nothing_in_v5_and_ends_the_connection_in_v3_1_1) {
    Mutant broker{.name = "empty"};
    broker.on_client = [](Packet& packet, Wire& wire) {
        const bool is_request = packet.type == subscribe || packet.type == unsubscribe;
        if (!is_request || !packet.filters.empty()) return true;
        const bool has_properties = packet.version == ProtocolVersion::v5;
        Buffer answer{packet.type == subscribe ? std::byte{0x90} : std::byte{0xB0},
                      has_properties ? std::byte{3} : std::byte{2}};
        put_u16(answer, packet.packet_id);
        if (has_properties) answer.push_back(std::byte{0});
        wire.to_client(answer);
        return false;
    };
    Freedom freedom{broker};
    EXPECT_EQ(freedom.verdict("v5/MQTT-3.8.3-2"), Verdict::non_strict);
    EXPECT_EQ(freedom.verdict("v5/MQTT-3.10.3-2"), Verdict::non_strict);
    for (const auto* id : {"v3.1.1/MQTT-3.8.3-3", "v3.1.1/MQTT-3.10.3-2"}) {
        const auto outcome = freedom.run(id);
        EXPECT_EQ(outcome.verdict, Verdict::fail);
        EXPECT_EQ(outcome.expected, "a close") << id;
    }
}

TEST(Freedom, who_is_not_let_in_need_not_be_told_why) {
    Mutant broker{.name = "silent"};
    broker.on_client = [](Packet& packet, Wire& wire) {
        if (packet.type != connect || packet.user_name.has_value() == packet.password.has_value()) {
            return true;
        }
        wire.to_broker(hex("00 00"));  // ends the connection
        return false;
    };
    EXPECT_EQ(Freedom{broker}.verdict("v5/MQTT-3.1.2-19:without-user-name"), Verdict::non_strict);
}

TEST(Freedom, who_takes_anonymous_clients_need_not_take_any_user) {
    Mutant broker{.name = "unknown"};
    broker.on_client = [](Packet& packet, Wire& wire) {
        if (packet.type != connect || !packet.user_name.has_value()) return true;
        wire.to_client(packet.version == ProtocolVersion::v5 ? hex("20 03 00 86 00")
                                                             : hex("20 02 00 04"));
        return false;
    };
    Freedom freedom{broker};
    EXPECT_EQ(freedom.verdict("v5/MQTT-3.1.3-1"), Verdict::not_applicable);
    EXPECT_EQ(freedom.verdict("v3.1.1/MQTT-3.1.3-1"), Verdict::not_applicable);
}

TEST(Freedom, a_will_that_can_go_nowhere_may_be_accepted) {
    Mutant broker{.name = "will"};
    broker.on_client = [](Packet& packet, Wire&) {
        const bool is_of_interest = packet.type == connect && packet.will.has_value() &&
                                    packet.will->topic.find_first_of("+#") != std::string::npos;
        if (!is_of_interest) return true;
        packet.raw = build_connect({.version = packet.version,
                                    .client_id = packet.client_id,
                                    .properties = packet.properties})
                         .bytes();
        return true;
    };
    Freedom freedom{broker};
    EXPECT_EQ(freedom.verdict("v5/MQTT-4.7.0-1:will"), Verdict::non_strict);
    EXPECT_EQ(freedom.verdict("v3.1.1/MQTT-4.7.1-1:will"), Verdict::non_strict);
}

}  // namespace
}  // namespace touchstone::conformance
