// One right packet of every type and version and form, as bytes: decoded and encoded again they are
// the same bytes. Seeds of the fuzzer's corpus, too.
#pragma once

#include <string>
#include <vector>

#include "broker/wire/tests/bytes_of.hpp"
#include "broker/wire/types.hpp"

namespace touchstone::wire {

struct SamplePacket {
    std::string name;  // of its file in the corpus
    ProtocolVersion version;
    Buffer bytes;
};

namespace samples {

inline std::vector<SamplePacket> v5() {
    using std::string_view_literals::operator""sv;
    constexpr auto version = ProtocolVersion::v5;
    return {
        {"v5_connect", version,
         bytes_of(0x10, 0x13,              // CONNECT
                  Prefixed{"MQTT"}, 0x05,  // Protocol Name, Protocol Version
                  0x02,                    // Connect Flags: Clean Start
                  0x00, 0x3C,              // Keep Alive 60 s
                  0x00,                    // no Properties
                  Prefixed{"client"})},    // Client Identifier
        {"v5_connect_full", version,
         packet_of(0x10,                                        // CONNECT
                   Prefixed{"MQTT"}, 0x05,                      // Protocol Name, Protocol Version
                   0xEE,                                        // all flags, Will QoS 1
                   0xFF, 0xFF,                                  // Keep Alive
                   properties_of(0x11, 0x00, 0x00, 0x00, 0x78,  // Session Expiry Interval
                                 0x21, 0x00, 0x14,              // Receive Maximum
                                 0x27, 0x00, 0x01, 0x00, 0x00,  // Maximum Packet Size
                                 0x22, 0x00, 0x0A,              // Topic Alias Maximum
                                 0x19, 0x01,                    // Request Response Information
                                 0x17, 0x00,                    // Request Problem Information
                                 0x26, Prefixed{"n"}, Prefixed{"v"},  // User Property
                                 0x15, Prefixed{"method"},            // Authentication Method
                                 0x16, Prefixed{"\x00"sv}),           // Authentication Data
                   Prefixed{"client"},                                // Client Identifier
                   properties_of(0x18, 0x00, 0x00, 0x00, 0x05,        // Will Delay Interval
                                 0x01, 0x01,                          // Payload Format Indicator
                                 0x02, 0x00, 0x00, 0x00, 0x0A,        // Message Expiry Interval
                                 0x03, Prefixed{"text/plain"},        // Content Type
                                 0x08, Prefixed{"r/1"},               // Response Topic
                                 0x09, Prefixed{"\xFF"},              // Correlation Data
                                 0x26, Prefixed{"a"}, Prefixed{""}),  // User Property
                   Prefixed{"will/topic"},                            // Will Topic
                   Prefixed{"gone"},                                  // Will Payload
                   Prefixed{"user"},                                  // User Name
                   Prefixed{"\x00secret"sv})},                        // Password
        {"v5_connect_password_alone", version,
         packet_of(0x10, Prefixed{"MQTT"}, 0x05, 0x40, 0x00, 0x00, 0x00, Prefixed{""},
                   Prefixed{"token"})},
        {"v5_connack", version, bytes_of(0x20, 0x03, 0x00, 0x00, 0x00)},
        {"v5_connack_full", version,
         packet_of(0x20,                                              // CONNACK
                   0x01, 0x00,                                        // Session Present, Success
                   properties_of(0x11, 0x00, 0x00, 0x00, 0x78,        // Session Expiry Interval
                                 0x21, 0x00, 0x64,                    // Receive Maximum
                                 0x24, 0x01,                          // Maximum QoS
                                 0x25, 0x00,                          // Retain Available
                                 0x27, 0x00, 0x10, 0x00, 0x00,        // Maximum Packet Size
                                 0x12, Prefixed{"assigned"},          // Assigned Client Identifier
                                 0x22, 0x00, 0x40,                    // Topic Alias Maximum
                                 0x1F, Prefixed{"welcome"},           // Reason String
                                 0x26, Prefixed{"n"}, Prefixed{"v"},  // User Property
                                 0x28, 0x01,                    // Wildcard Subscription Available
                                 0x29, 0x01,                    // Subscription Id. Available
                                 0x2A, 0x00,                    // Shared Subscription Available
                                 0x13, 0x00, 0x1E,              // Server Keep Alive
                                 0x1A, Prefixed{"r/"},          // Response Information
                                 0x1C, Prefixed{"other:1883"},  // Server Reference
                                 0x15, Prefixed{"method"},      // Authentication Method
                                 0x16, Prefixed{"data"}))},     // Authentication Data
        {"v5_connack_refusal", version,
         packet_of(0x20, 0x00, 0x87, properties_of(0x1F, Prefixed{"no"}))},
        {"v5_publish_qos_0", version,
         bytes_of(0x30, 0x0A,       // PUBLISH
                  Prefixed{"a/b"},  // Topic Name
                  0x00,             // no Properties
                  "data")},         // payload
        {"v5_publish_qos_1_retain", version,
         packet_of(0x33, Prefixed{"a/b"}, 0x00, 0x0A,           // Topic Name, Packet Identifier
                   properties_of(0x01, 0x00,                    // Payload Format Indicator
                                 0x02, 0x00, 0x00, 0x00, 0x1E,  // Message Expiry Interval
                                 0x23, 0x00, 0x05,              // Topic Alias
                                 0x0B, 0x01,                    // Subscription Identifier
                                 0x0B, 0x80, 0x01),             // Subscription Identifier
                   "payload")},
        {"v5_publish_qos_2_dup", version,
         packet_of(0x3C, Prefixed{"a/b"}, 0xFF, 0xFF,
                   properties_of(0x08, Prefixed{"r"}, 0x09, Prefixed{"c"}, 0x03, Prefixed{"t"},
                                 0x26, Prefixed{"n"}, Prefixed{"1"},  //
                                 0x26, Prefixed{"n"}, Prefixed{"2"}))},
        {"v5_publish_alias_alone", version,
         bytes_of(0x30, 0x06,                // PUBLISH
                  0x00, 0x00,                // no Topic Name
                  0x03, 0x23, 0x00, 0x01)},  // Topic Alias
        {"v5_puback", version, bytes_of(0x40, 0x02, 0x12, 0x34)},
        {"v5_puback_reason", version, bytes_of(0x40, 0x03, 0x00, 0x01, 0x80)},
        {"v5_puback_properties", version,
         packet_of(0x40, 0x00, 0x01, 0x97, properties_of(0x1F, Prefixed{"full"}))},
        {"v5_pubrec", version, bytes_of(0x50, 0x02, 0x12, 0x34)},
        {"v5_pubrec_reason", version, bytes_of(0x50, 0x03, 0x00, 0x01, 0x99)},
        {"v5_pubrel", version, bytes_of(0x62, 0x02, 0x12, 0x34)},
        {"v5_pubrel_reason", version, bytes_of(0x62, 0x03, 0x00, 0x01, 0x92)},
        {"v5_pubcomp", version, bytes_of(0x70, 0x02, 0x12, 0x34)},
        {"v5_pubcomp_properties", version,
         packet_of(0x70, 0x00, 0x01, 0x92, properties_of(0x26, Prefixed{"n"}, Prefixed{"v"}))},
        {"v5_subscribe", version,
         packet_of(0x82,                            // SUBSCRIBE
                   0x00, 0x0A,                      // Packet Identifier
                   properties_of(0x0B, 0xFF, 0x7F,  // Subscription Identifier
                                 0x26, Prefixed{"n"}, Prefixed{"v"}),
                   Prefixed{"a/+"}, 0x01,             // QoS 1
                   Prefixed{"$share/g/b/#"}, 0x2A)},  // QoS 2, as published, Retain Handling 2
        {"v5_suback", version,
         packet_of(0x90, 0x00, 0x0A, properties_of(0x1F, Prefixed{"r"}), 0x00, 0x01, 0x02, 0x8F)},
        {"v5_unsubscribe", version,
         packet_of(0xA2, 0x00, 0x0B, 0x00, Prefixed{"a/+"}, Prefixed{"#"})},
        {"v5_unsuback", version, packet_of(0xB0, 0x00, 0x0B, 0x00, 0x00, 0x11)},
        {"v5_pingreq", version, bytes_of(0xC0, 0x00)},
        {"v5_pingresp", version, bytes_of(0xD0, 0x00)},
        {"v5_disconnect", version, bytes_of(0xE0, 0x00)},
        {"v5_disconnect_reason", version, bytes_of(0xE0, 0x01, 0x04)},
        {"v5_disconnect_client", version,
         packet_of(0xE0, 0x00, properties_of(0x11, 0x00, 0x00, 0x00, 0x00))},
        {"v5_disconnect_server", version,
         packet_of(0xE0, 0x9D, properties_of(0x1C, Prefixed{"other"}, 0x1F, Prefixed{"moved"}))},
        {"v5_auth", version,
         packet_of(0xF0, 0x18,
                   properties_of(0x15, Prefixed{"method"}, 0x16, Prefixed{"\x00\x01"sv}))},
    };
}

inline std::vector<SamplePacket> v3(ProtocolVersion version) {
    const bool is_3_1 = version == ProtocolVersion::v3_1;
    const std::string prefix = is_3_1 ? "v3_1_" : "v3_1_1_";
    const auto protocol =
        is_3_1 ? bytes_of(Prefixed{"MQIsdp"}, 0x03) : bytes_of(Prefixed{"MQTT"}, 0x04);
    std::vector<SamplePacket> packets = {
        {"connect", version, packet_of(0x10, protocol, 0x02, 0x00, 0x3C, Prefixed{"client"})},
        {"connect_full", version,
         packet_of(0x10, protocol,          // CONNECT, Protocol Name and Version
                   0xF4,                    // all flags, Will QoS 2
                   0x00, 0x00,              // Keep Alive
                   Prefixed{"client"},      // Client Identifier
                   Prefixed{"will/topic"},  // Will Topic
                   Prefixed{"gone"},        // Will Message
                   Prefixed{"user"},        // User Name
                   Prefixed{"secret"})},    // Password
        {"connack", version, bytes_of(0x20, 0x02, 0x00, 0x00)},
        {"connack_refusal", version, bytes_of(0x20, 0x02, 0x00, 0x05)},
        {"publish_qos_0", version, packet_of(0x31, Prefixed{"a/b"}, "payload")},
        {"publish_qos_1", version, packet_of(0x3A, Prefixed{"a/b"}, 0x00, 0x01, "payload")},
        {"publish_qos_2", version, packet_of(0x34, Prefixed{"a/b"}, 0xFF, 0xFF)},
        {"puback", version, bytes_of(0x40, 0x02, 0x12, 0x34)},
        {"pubrec", version, bytes_of(0x50, 0x02, 0x12, 0x34)},
        {"pubrel", version, bytes_of(0x62, 0x02, 0x12, 0x34)},
        {"pubcomp", version, bytes_of(0x70, 0x02, 0x12, 0x34)},
        {"subscribe", version,
         packet_of(0x82, 0x00, 0x0A, Prefixed{"a/+"}, 0x01, Prefixed{"$share/g/b"}, 0x02)},
        {"suback", version, bytes_of(0x90, 0x05, 0x00, 0x0A, 0x00, 0x01, 0x02)},
        {"unsubscribe", version, packet_of(0xA2, 0x00, 0x0B, Prefixed{"a/+"}, Prefixed{"#"})},
        {"unsuback", version, bytes_of(0xB0, 0x02, 0x00, 0x0B)},
        {"pingreq", version, bytes_of(0xC0, 0x00)},
        {"pingresp", version, bytes_of(0xD0, 0x00)},
        {"disconnect", version, bytes_of(0xE0, 0x00)},
    };
    if (!is_3_1) {
        packets.push_back({"connack_session_present", version, bytes_of(0x20, 0x02, 0x01, 0x00)});
        packets.push_back({"suback_failure", version, bytes_of(0x90, 0x03, 0x00, 0x0A, 0x80)});
    }
    for (auto& packet : packets) packet.name.insert(0, prefix);
    return packets;
}

}  // namespace samples

inline std::vector<SamplePacket> sample_packets() {
    auto packets = samples::v5();
    for (const auto version : {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1}) {
        for (auto& packet : samples::v3(version)) packets.push_back(std::move(packet));
    }
    return packets;
}

}  // namespace touchstone::wire
