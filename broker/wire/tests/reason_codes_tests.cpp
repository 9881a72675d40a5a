// Which Reason Codes are taken from whom in which packet.
#include "broker/wire/tests/decoding.hpp"
#include "broker/wire/tests/spec_tables.hpp"

namespace touchstone::wire {
namespace {

struct Place {
    std::string_view name;  // as in spec::reason_code_rows
    PacketType type;
    std::string_view senders;
};

constexpr Place places[] = {
    {"CONNACK", PacketType::connack, "S"},   {"PUBACK", PacketType::puback, "CS"},
    {"PUBREC", PacketType::pubrec, "CS"},    {"PUBREL", PacketType::pubrel, "CS"},
    {"PUBCOMP", PacketType::pubcomp, "CS"},  {"SUBACK", PacketType::suback, "S"},
    {"UNSUBACK", PacketType::unsuback, "S"}, {"DISCONNECT", PacketType::disconnect, "CS"},
    {"AUTH", PacketType::auth, "CS"},
};

/// A v5 packet that is right but for `code`.
Buffer packet_with(PacketType type, int code) {
    switch (type) {
        case PacketType::connack: return packet_of(0x20, 0x00, code, 0x00);
        case PacketType::puback: return packet_of(0x40, 0, 1, code);
        case PacketType::pubrec: return packet_of(0x50, 0, 1, code);
        case PacketType::pubrel: return packet_of(0x62, 0, 1, code);
        case PacketType::pubcomp: return packet_of(0x70, 0, 1, code);
        case PacketType::suback: return packet_of(0x90, 0, 1, 0x00, 0x00, code);
        case PacketType::unsuback: return packet_of(0xB0, 0, 1, 0x00, 0x00, code);
        case PacketType::disconnect: return packet_of(0xE0, code);
        case PacketType::auth:
            return packet_of(0xF0, code, properties_of(0x15, Prefixed{"method"}));
        default: ADD_FAILURE() << name_of(type) << " has no Reason Code"; return {};
    }
}

std::string_view who_sends(int code, std::string_view place) {
    for (const auto& row : spec::reason_code_rows) {
        if (row.code == code) return spec::who(row.places, place);
    }
    return {};
}

TEST(reason_codes, are_taken_where_the_standard_allows_them_and_from_whom) {
    EXPECT_EQ(std::size(spec::reason_code_rows), 43U);
    for (const auto& place : places) {
        for (int code = 0; code < 256; ++code) {
            const auto packet = packet_with(place.type, code);
            const auto who = who_sends(code, place.name);
            const auto check = [&](Sender sender, bool is_expected) {
                EXPECT_EQ(verdict_on(packet, ProtocolVersion::v5, sender),
                          is_expected ? ReasonCode::success : ReasonCode::protocol_error)
                    << code << " in " << place.name << " from " << static_cast<int>(sender);
            };
            const bool is_clients = who.find('C') != who.npos;
            const bool is_servers = who.find('S') != who.npos;
            check(Sender::anyone, is_clients || is_servers);
            if (place.senders == "CS") check(Sender::client, is_clients);
            check(Sender::server, is_servers);
            EXPECT_EQ(is_allowed(static_cast<ReasonCode>(code), place.type, Sender::client),
                      is_clients);
        }
    }
}

TEST(reason_codes, of_a_connack_before_version_5_are_0_to_5) {
    constexpr ReasonCode meanings[] = {
        ReasonCode::success,
        ReasonCode::unsupported_protocol_version,
        ReasonCode::client_identifier_not_valid,
        ReasonCode::server_unavailable,
        ReasonCode::bad_user_name_or_password,
        ReasonCode::not_authorized,
    };
    for (const auto version : {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1}) {
        for (int code = 0; code < 256; ++code) {
            const auto packet = bytes_of(0x20, 0x02, 0x00, code);
            if (code >= 6) {
                EXPECT_EQ(verdict_on(packet, version), ReasonCode::protocol_error) << code;
                continue;
            }
            const auto connack = decoded<Connack>(packet, version);
            EXPECT_EQ(connack.reason, meanings[code]);
            EXPECT_EQ(encoded(connack, version), packet);
        }
    }
}

TEST(reason_codes, of_a_suback_before_version_5_are_a_granted_qos_or_in_3_1_1_a_failure) {
    for (int code = 0; code < 256; ++code) {
        const auto packet = bytes_of(0x90, 0x04, 0x00, 0x01, 0x00, code);
        const bool is_granted = code <= 2;
        EXPECT_EQ(verdict_on(packet, ProtocolVersion::v3_1),
                  is_granted ? ReasonCode::success : ReasonCode::protocol_error);
        EXPECT_EQ(verdict_on(packet, ProtocolVersion::v3_1_1),
                  is_granted || code == 0x80 ? ReasonCode::success : ReasonCode::protocol_error);
    }
}

}  // namespace
}  // namespace touchstone::wire
