// Broken brokers: Users, access rules, enhanced authentication.
#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

void add_access(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    const auto set_method = [](std::string_view from, std::string_view to) {
        return on(auth, [from, to](Packet& packet, Wire&) {
            for (auto& property : packet.properties) {
                if (property.id == PropertyId::authentication_method && property.text == from) {
                    property.text = to;
                }
            }
            packet.raw = build_auth(packet.reason_code, packet.properties).bytes();
        });
    };
    const auto set_auth_code = [](std::uint8_t code) {
        return on(auth, [code](Packet& packet, Wire&) {
            packet.raw = build_auth(code, packet.properties).bytes();
        });
    };
    add({.name = "any_password",
         .story = "a wrong password is as good as the right one",
         .breaks = {"v5/MQTT-3.1.4-2", "v3.1.1/X3-02"},
         .on_client = connect_as([](Packet& packet) {
             if (!packet.password.has_value()) return;
             packet.user_name = "conformance";
             packet.password = "stone";
         })});
    add({.name = "forbidden_publish_ignored",
         .story = "a forbidden PUBLISH is dropped without an acknowledgement",
         .breaks = {"v3.1.1/MQTT-3.3.5-2", "v5/X5-85:forbidden"},
         .on_client = on(publish, [](Packet& packet, Wire&) {
             return packet.topic != "touchstone/forbidden";
         })});
    add({.name = "refused_identifier_remembered",
         .story = "a Packet Identifier whose message was refused stays in use",
         .breaks = {"v5/MQTT-4.3.3-9"},
         .on_client =
             on(publish,
                [](Packet& packet, Wire& wire) {
                    if (wire.memory["refused"] != packet.packet_id || packet.qos != 2) {
                        return true;
                    }
                    wire.to_client(
                        build_acknowledgement(packet.version, pubrec, packet.packet_id).bytes());
                    return false;
                }),
         .on_broker = on(pubrec, [](Packet& packet, Wire& wire) {
             if (packet.reason_code >= 0x80) wire.memory["refused"] = packet.packet_id;
         })});
    add({.name = "forbidden_filter_left_out",
         .story = "SUBACK has no code for a filter that the access rules forbid",
         .breaks = {"v5/MQTT-3.9.3-1:forbidden", "v3.1.1/MQTT-3.9.3-1:forbidden"},
         .on_broker = on(suback, [](Packet& packet, Wire&) {
             const auto refused = static_cast<std::uint8_t>(is_v5(packet) ? 0x87 : 0x80);
             auto body = body_bytes(packet);
             std::erase(packet.reason_codes, refused);
             const auto header_size = is_v5(packet) ? 3U : 2U;
             body.resize(header_size);
             for (const auto code : packet.reason_codes)
                 body.push_back(static_cast<std::byte>(code));
             set_body(packet, body);
         })});
    add({.name = "authentication_data_ignored",
         .story = "Authentication Data without Authentication Method is skipped",
         .breaks = {"v5/X5-81"},
         .on_client = [](Packet& packet, Wire&) {
             if (packet.type != PacketType::connect || !packet.is_decodable) return true;
             if (find(packet.properties, PropertyId::authentication_method) != nullptr) return true;
             if (find(packet.properties, PropertyId::authentication_data) == nullptr) return true;
             erase(packet.properties, PropertyId::authentication_data);
             rebuild_connect(packet);
             return true;
         }});
    add({.name = "auth_with_code_0",
         .story = "the AUTH of the broker in the middle of an exchange has Reason Code 0x00",
         .breaks = {"v5/X5-80", "v5/MQTT-4.12.1-1", "v5/MQTT-4.12.0-2", "v5/X5-82"},
         .on_broker = set_auth_code(0)});
    add({.name = "connack_without_method",
         .story = "CONNACK after an exchange does not name the Authentication Method",
         .breaks = {"v5/MQTT-4.12.0-5"},
         .on_broker = on(connack, [](Packet& packet, Wire&) {
             if (!is_v5(packet)) return;
             erase(packet.properties, PropertyId::authentication_method);
             erase(packet.properties, PropertyId::authentication_data);
             rebuild_connack(packet);
         })});
    add({.name = "auth_with_any_method",
         .story = "the Authentication Method of AUTH is not looked at",
         .breaks = {"v5/MQTT-4.12.0-5:of-client", "v5/MQTT-4.12.1-1:another-method"},
         .on_client = set_method("SCRAM-SHA-1", "SCRAM-SHA-256")});
    add({.name = "auth_with_any_code",
         .story = "the Reason Code of AUTH is not looked at",
         .breaks = {"v5/MQTT-4.12.0-3", "v5/MQTT-3.15.2-1"},
         .on_client = [](Packet& packet, Wire&) {
             if (packet.type != auth || !packet.is_decodable) return true;
             packet.raw = build_auth(0x18, packet.properties).bytes();
             return true;
         }});
    add({.name = "any_proof",
         .story = "who does not prove who it is gets in all the same",
         .breaks = {"v5/MQTT-4.12.0-4"},
         .on_broker = on(connack, [](Packet& packet, Wire& wire) {
             if (packet.reason_code != 0x87 || !is_v5(packet)) return;
             wire.keep_alive_for_ever();
             packet.reason_code = 0;
             rebuild_connack(packet);
         })});
    add({.name = "serves_before_authentication",
         .story = "a SUBSCRIBE in the middle of an exchange is answered",
         .breaks = {"v5/MQTT-3.1.2-30"},
         .on_client =
             [](Packet& packet, Wire& wire) {
                 if (wire.memory["is in exchange"] == 0) return true;
                 if (packet.type == publish) return false;
                 if (packet.type != subscribe) return true;
                 Draft answer{0x90};
                 answer.u16("packet_id", packet.packet_id)
                     .properties("properties", {})
                     .byte("code", 0);
                 wire.to_client(answer.bytes());
                 return false;
             },
         .on_broker =
             [](Packet& packet, Wire& wire) {
                 if (packet.type == auth) wire.memory["is in exchange"] = 1;
                 if (packet.type == connack) wire.memory["is in exchange"] = 0;
                 return true;
             }});
    add({.name = "auth_too_large",
         .story = "AUTH has a Reason String, whatever the client takes",
         .breaks = {"v5/MQTT-3.15.2-2"},
         .on_broker = on(auth, [](Packet& packet, Wire&) {
             auto properties = packet.properties;
             properties.push_back(text_property(PropertyId::reason_string, std::string(300, 'r')));
             packet.raw = build_auth(packet.reason_code, properties).bytes();
         })});
    add({.name = "auth_with_long_user_property",
         .story = "AUTH has a User Property, whatever the client takes",
         .breaks = {"v5/MQTT-3.15.2-3"},
         .on_broker = on(auth, [](Packet& packet, Wire&) {
             auto properties = packet.properties;
             properties.push_back(pair_property("explanation", std::string(300, 'u')));
             packet.raw = build_auth(packet.reason_code, properties).bytes();
         })});
    add({.name = "any_proof_again",
         .story = "a re-authentication that fails is taken for one that succeeds",
         .breaks = {"v5/MQTT-4.12.1-2", "v5/MQTT-4.12.0-7"},
         .on_client =
             [](Packet& packet, Wire& wire) {
                 if (packet.type != auth || wire.memory["is accepted"] == 0) return true;
                 if (packet.reason_code != 0x18) return true;
                 wire.to_client(build_auth(0, {text_property(PropertyId::authentication_method,
                                                             "SCRAM-SHA-256")})
                                    .bytes());
                 return false;
             },
         .on_broker = on(connack, [](Packet&, Wire& wire) { wire.memory["is accepted"] = 1; })});
}

}  // namespace touchstone::conformance::mutants
