// The packets a client sends, as drafts: right when untouched, and every field can still be
// changed. In versions before 5.0 properties and Reason Codes are left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/mqtt.hpp"
#include "conformance/packets/draft.hpp"
#include "conformance/packets/properties.hpp"

namespace touchstone::conformance {

/// §3.1.2.5 and §3.1.3.2 to §3.1.3.4.
struct WillFields {
    std::string topic{};
    std::string payload{};
    QoS qos = QoS::at_most_once;
    bool retain = false;
    Properties properties{};
};

/// §3.1. Fields of the draft: protocol_name protocol_version connect_flags keep_alive properties
/// client_id will_properties will_topic will_payload user_name password.
struct ConnectFields {
    ProtocolVersion version = ProtocolVersion::v5;
    std::string client_id{};
    bool clean_start = true;
    std::uint16_t keep_alive_s = 0;
    Properties properties{};
    std::optional<WillFields> will{};
    std::optional<std::string> user_name{};
    std::optional<std::string> password{};
};
[[nodiscard]] Draft build_connect(const ConnectFields& fields);

/// §3.3. Fields of the draft: topic_name packet_id properties payload.
struct PublishFields {
    std::string topic{};
    std::string payload{};
    QoS qos = QoS::at_most_once;
    bool retain = false;
    bool dup = false;
    std::uint16_t packet_id = 0;  // written when qos is above 0
    Properties properties{};
};
[[nodiscard]] Draft build_publish(ProtocolVersion version, const PublishFields& fields);

/// §3.4 to §3.7: PUBACK, PUBREC, PUBREL, PUBCOMP. The shortest form is used: no Reason Code when it
/// is 0 and there are no properties. Fields: packet_id reason_code properties.
[[nodiscard]] Draft build_acknowledgement(ProtocolVersion version, PacketType type,
                                          std::uint16_t packet_id, std::uint8_t reason_code = 0,
                                          const Properties& properties = {});

/// §3.8.3: one Topic Filter with its Subscription Options byte.
struct FilterFields {
    std::string filter{};
    std::uint8_t options = 0;  // v5 §3.8.3.1; before that the Requested QoS
};
/// §3.8. Fields: packet_id properties filter_0 options_0 filter_1 options_1 …
[[nodiscard]] Draft build_subscribe(ProtocolVersion version, std::uint16_t packet_id,
                                    const std::vector<FilterFields>& filters,
                                    const Properties& properties = {});

/// §3.10. Fields: packet_id properties filter_0 filter_1 …
[[nodiscard]] Draft build_unsubscribe(ProtocolVersion version, std::uint16_t packet_id,
                                      const std::vector<std::string>& filters,
                                      const Properties& properties = {});

/// §3.12.
[[nodiscard]] Draft build_pingreq();

/// §3.14. The shortest form is used. Fields: reason_code properties.
[[nodiscard]] Draft build_disconnect(ProtocolVersion version, std::uint8_t reason_code = 0,
                                     const Properties& properties = {});

/// §3.15. Fields: reason_code properties.
[[nodiscard]] Draft build_auth(std::uint8_t reason_code, const Properties& properties);

}  // namespace touchstone::conformance
