// Names of the Control Packets, and which Reason Codes they may carry.
#include <array>

#include "broker/base/check.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone::wire {

namespace {

/// A set of PacketTypes: bit n is the type of value n.
using Types = std::uint16_t;

template <class... Type>
constexpr Types in(Type... type) {
    return static_cast<Types>((0U | ... | (1U << static_cast<unsigned>(type))));
}

/// Where a Reason Code may stand, by who sends it.
struct Uses {
    Types client = 0;
    Types server = 0;
};

struct Row {
    ReasonCode code;
    Uses uses;
};

/// Tables 3-1 and 3-4 to 3-11 of the standard, with table 2-6 where they differ from it.
constexpr auto uses_by_code = [] {
    using enum PacketType;
    using enum ReasonCode;
    constexpr Row rows[] = {
        {success,
         {.client = in(puback, pubrec, pubrel, pubcomp, disconnect),
          .server =
              in(connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect, auth)}},
        {granted_qos_1, {.server = in(suback)}},
        {granted_qos_2, {.server = in(suback)}},
        {disconnect_with_will_message, {.client = in(disconnect)}},
        {no_matching_subscribers, {.server = in(puback, pubrec)}},
        {no_subscription_existed, {.server = in(unsuback)}},
        {continue_authentication, {.client = in(auth), .server = in(auth)}},
        {re_authenticate, {.client = in(auth)}},
        {unspecified_error,
         {.client = in(puback, pubrec, disconnect),
          .server = in(connack, puback, pubrec, suback, unsuback, disconnect)}},
        {malformed_packet, {.client = in(disconnect), .server = in(connack, disconnect)}},
        {protocol_error, {.client = in(disconnect), .server = in(connack, disconnect)}},
        {implementation_specific_error,
         {.client = in(puback, pubrec, disconnect),
          .server = in(connack, puback, pubrec, suback, unsuback, disconnect)}},
        {unsupported_protocol_version, {.server = in(connack)}},
        {client_identifier_not_valid, {.server = in(connack)}},
        {bad_user_name_or_password, {.server = in(connack)}},
        {not_authorized,
         {.client = in(puback, pubrec),
          .server = in(connack, puback, pubrec, suback, unsuback, disconnect)}},
        {server_unavailable, {.server = in(connack)}},
        {server_busy, {.server = in(connack, disconnect)}},
        {banned, {.server = in(connack)}},
        {server_shutting_down, {.server = in(disconnect)}},
        // In DISCONNECT by table 2-6, not by table 3-10: taken.
        {bad_authentication_method, {.server = in(connack, disconnect)}},
        {keep_alive_timeout, {.server = in(disconnect)}},
        {session_taken_over, {.server = in(disconnect)}},
        {topic_filter_invalid, {.server = in(suback, unsuback, disconnect)}},
        {topic_name_invalid,
         {.client = in(puback, pubrec, disconnect),
          .server = in(connack, puback, pubrec, disconnect)}},
        {packet_identifier_in_use,
         {.client = in(puback, pubrec), .server = in(puback, pubrec, suback, unsuback)}},
        {packet_identifier_not_found,
         {.client = in(pubrel, pubcomp), .server = in(pubrel, pubcomp)}},
        {receive_maximum_exceeded, {.client = in(disconnect), .server = in(disconnect)}},
        {topic_alias_invalid, {.client = in(disconnect), .server = in(disconnect)}},
        {packet_too_large, {.client = in(disconnect), .server = in(connack, disconnect)}},
        {message_rate_too_high, {.client = in(disconnect), .server = in(disconnect)}},
        {quota_exceeded,
         {.client = in(puback, pubrec, disconnect),
          .server = in(connack, puback, pubrec, suback, disconnect)}},
        {administrative_action, {.client = in(disconnect), .server = in(disconnect)}},
        {payload_format_invalid,
         {.client = in(puback, pubrec, disconnect),
          .server = in(connack, puback, pubrec, disconnect)}},
        {retain_not_supported, {.server = in(connack, disconnect)}},
        // Table 3-10 has it from the server only, but §3.3.4 tells a client to send it.
        {qos_not_supported, {.client = in(disconnect), .server = in(connack, disconnect)}},
        {use_another_server, {.server = in(connack, disconnect)}},
        {server_moved, {.server = in(connack, disconnect)}},
        {shared_subscriptions_not_supported, {.server = in(suback, disconnect)}},
        {connection_rate_exceeded, {.server = in(connack, disconnect)}},
        {maximum_connect_time, {.server = in(disconnect)}},
        {subscription_identifiers_not_supported, {.server = in(suback, disconnect)}},
        {wildcard_subscriptions_not_supported, {.server = in(suback, disconnect)}},
    };
    static_assert(std::size(rows) == 43);
    std::array<Uses, 256> by_code{};
    for (const auto& row : rows) by_code[static_cast<std::size_t>(row.code)] = row.uses;
    return by_code;
}();

Types types_of(ReasonCode code, Sender sender) {
    const auto& uses = uses_by_code[static_cast<std::size_t>(code)];
    switch (sender) {
        case Sender::client: return uses.client;
        case Sender::server: return uses.server;
        case Sender::anyone: return static_cast<Types>(uses.client | uses.server);
    }
    UNREACHABLE();
}

}  // namespace

bool is_allowed(ReasonCode code, PacketType type, Sender sender) {
    // v5 [MQTT-3.2.2-8], [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1],
    // [MQTT-3.9.3-2], [MQTT-3.11.3-2], [MQTT-3.14.2-1], [MQTT-3.15.2-1]
    return (types_of(code, sender) & in(type)) != 0;
}

std::string_view name_of(PacketType type) {
    switch (type) {
        case PacketType::connect: return "CONNECT";
        case PacketType::connack: return "CONNACK";
        case PacketType::publish: return "PUBLISH";
        case PacketType::puback: return "PUBACK";
        case PacketType::pubrec: return "PUBREC";
        case PacketType::pubrel: return "PUBREL";
        case PacketType::pubcomp: return "PUBCOMP";
        case PacketType::subscribe: return "SUBSCRIBE";
        case PacketType::suback: return "SUBACK";
        case PacketType::unsubscribe: return "UNSUBSCRIBE";
        case PacketType::unsuback: return "UNSUBACK";
        case PacketType::pingreq: return "PINGREQ";
        case PacketType::pingresp: return "PINGRESP";
        case PacketType::disconnect: return "DISCONNECT";
        case PacketType::auth: return "AUTH";
    }
    UNREACHABLE();
}

}  // namespace touchstone::wire
