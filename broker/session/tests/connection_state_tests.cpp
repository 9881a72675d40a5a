#include <gtest/gtest.h>

#include "broker/session/connection_state.hpp"

namespace touchstone {
namespace {

using wire::PacketType;

constexpr ProtocolVersion versions[] = {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1,
                                        ProtocolVersion::v5};

TEST(connection_state, nothing_but_connect_opens_a_connection) {
    for (const auto version : versions) {
        for (int raw = 1; raw <= 15; ++raw) {
            const auto type = static_cast<PacketType>(raw);
            const auto step = on_packet(ConnectionState::awaiting_connect, type, version);
            EXPECT_EQ(step.next == ConnectionState::connected, type == PacketType::connect) << raw;
            EXPECT_EQ(step.error.has_value(), type != PacketType::connect) << raw;
        }
    }
}

TEST(connection_state, a_connected_client_sends_what_clients_send) {
    using enum PacketType;
    for (const auto version : versions) {
        for (const auto type :
             {publish, puback, pubrec, pubrel, pubcomp, subscribe, unsubscribe, pingreq}) {
            const auto step = on_packet(ConnectionState::connected, type, version);
            EXPECT_EQ(step.next, ConnectionState::connected);
            EXPECT_FALSE(step.error.has_value());
        }
        for (const auto type : {connect, connack, suback, unsuback, pingresp}) {
            const auto step = on_packet(ConnectionState::connected, type, version);
            EXPECT_EQ(step.next, ConnectionState::closed);
            EXPECT_TRUE(step.error.has_value());
        }
        const auto exchange = on_packet(ConnectionState::connected, auth, version);
        EXPECT_EQ(exchange.error.has_value(), version != ProtocolVersion::v5);
        const auto end = on_packet(ConnectionState::connected, disconnect, version);
        EXPECT_EQ(end.next, ConnectionState::closed);
        EXPECT_FALSE(end.error.has_value());
    }
}

TEST(connection_state, a_client_that_authenticates_sends_auth_or_disconnect_only) {
    for (int raw = 1; raw <= 15; ++raw) {
        const auto type = static_cast<PacketType>(raw);
        const auto step =
            on_packet(ConnectionState::authenticating, type, ProtocolVersion::v5);
        EXPECT_EQ(step.error.has_value(),
                  type != PacketType::auth && type != PacketType::disconnect)
            << raw;
    }
}

}  // namespace
}  // namespace touchstone
