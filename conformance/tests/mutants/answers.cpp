// Broken brokers: acknowledgements, and PINGRESP.
#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

namespace {

using Ids = std::vector<std::string>;

/// What goes wrong with any answer, and the statements that break.
struct Answer {
    PacketType type;
    Ids dropped;
    Ids twice;
    Ids wrong_id;
    Ids long_reason;
    Ids long_user_property;
};

std::vector<Answer> answers() {
    return {
        {.type = puback,
         .dropped = {"v5/MQTT-3.3.4-1", "v3.1.1/MQTT-3.3.4-1", "v5/MQTT-4.3.2-4"},
         .twice = {"v5/MQTT-3.3.4-1"},
         .wrong_id = {"v5/MQTT-2.2.1-5", "v3.1.1/MQTT-2.3.1-6"},
         .long_reason = {"v5/MQTT-3.1.2-29", "v5/MQTT-3.4.2-2"},
         .long_user_property = {"v5/MQTT-3.4.2-3"}},
        {.type = pubrec,
         .dropped = {"v5/MQTT-3.3.4-1", "v5/MQTT-4.3.3-8"},
         .twice = {"v5/MQTT-3.3.4-1", "v3.1.1/MQTT-3.3.4-1"},
         .wrong_id = {"v5/MQTT-2.2.1-5", "v3.1.1/MQTT-2.3.1-6"},
         .long_reason = {"v5/MQTT-3.1.2-29", "v5/MQTT-3.5.2-2"},
         .long_user_property = {"v5/MQTT-3.5.2-3"}},
        {.type = pubrel,
         .dropped = {"v5/MQTT-4.3.3-4", "v3.1.1/MQTT-4.3.3-1:pubrel", "v3.1.1/MQTT-4.1.0-2"},
         .twice = {"v5/MQTT-4.3.3-4"},
         .wrong_id = {"v5/MQTT-2.2.1-5:sender", "v3.1.1/MQTT-2.3.1-6:sender"},
         .long_reason = {"v5/MQTT-3.6.2-2"},
         .long_user_property = {"v5/MQTT-3.6.2-3"}},
        {.type = pubcomp,
         .dropped = {"v5/MQTT-4.3.3-11", "v5/MQTT-4.3.3-13", "v3.1.1/MQTT-4.3.3-2:pubcomp"},
         .twice = {"v5/MQTT-4.3.3-11"},
         .wrong_id = {"v5/MQTT-2.2.1-5", "v3.1.1/MQTT-2.3.1-6"},
         .long_reason = {"v5/MQTT-3.1.2-29", "v5/MQTT-3.7.2-2"},
         .long_user_property = {"v5/MQTT-3.7.2-3"}},
        {.type = suback,
         .dropped = {"v5/MQTT-3.8.4-1", "v3.1.1/MQTT-3.8.4-1"},
         .twice = {"v5/MQTT-3.8.4-1"},
         .wrong_id = {"v5/MQTT-2.2.1-6", "v3.1.1/MQTT-2.3.1-7", "v5/MQTT-3.8.4-2",
                      "v3.1.1/MQTT-3.8.4-2"},
         .long_reason = {"v5/MQTT-3.1.2-29", "v5/MQTT-3.9.2-1"},
         .long_user_property = {"v5/MQTT-3.9.2-2"}},
        {.type = unsuback,
         .dropped = {"v5/MQTT-3.10.4-4", "v3.1.1/MQTT-3.10.4-5", "v5/X5-66"},
         .twice = {"v5/MQTT-3.10.4-4"},
         .wrong_id = {"v5/MQTT-2.2.1-6", "v3.1.1/MQTT-2.3.1-7", "v5/MQTT-3.10.4-5",
                      "v3.1.1/MQTT-3.10.4-4"},
         .long_reason = {"v5/MQTT-3.1.2-29", "v5/MQTT-3.11.2-1"},
         .long_user_property = {"v5/MQTT-3.11.2-2"}},
    };
}

}  // namespace

void add_answers(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };
    const auto add_wrong_flags = [&add](PacketType type) {
        const std::string name{name_of(type)};
        add({.name = name + "_flags",
             .story = name + " has wrong flags",
             .breaks = {"v5/MQTT-2.1.3-1", "v3.1.1/MQTT-2.2.2-1"},
             .on_broker = wrong_flags(type)});
    };
    const auto reason = text_property(PropertyId::reason_string, std::string(80, 'r'));
    const auto pair = pair_property("explanation", std::string(80, 'u'));

    for (const auto& answer : answers()) {
        const auto type = answer.type;
        const std::string name{name_of(type)};
        add({.name = name + "_dropped",
             .story = name + " is not sent",
             .breaks = answer.dropped,
             .on_broker = drop(type)});
        add({.name = name + "_twice",
             .story = name + " is sent twice",
             .breaks = answer.twice,
             .on_broker = twice(type)});
        add_wrong_flags(type);
        add({.name = name + "_wrong_id",
             .story = name + " has another Packet Identifier",
             .breaks = answer.wrong_id,
             .on_broker = wrong_id(type)});
        add({.name = name + "_with_long_reason",
             .story = name + " has a Reason String of 80 characters, whatever the client takes",
             .breaks = answer.long_reason,
             .on_broker = with_property(type, reason)});
        add({.name = name + "_with_long_user_property",
             .story = name + " has a User Property of 80 characters, whatever the client takes",
             .breaks = answer.long_user_property,
             .on_broker = with_property(type, pair)});
    }
    add({.name = "PINGRESP_dropped",
         .story = "PINGRESP is not sent",
         .breaks = {"v5/MQTT-3.12.4-1", "v3.1.1/MQTT-3.12.4-1"},
         .on_broker = drop(pingresp)});
    add({.name = "PINGRESP_twice",
         .story = "PINGRESP is sent twice",
         .breaks = {"v5/MQTT-3.12.4-1", "v3.1.1/MQTT-3.12.4-1"},
         .on_broker = twice(pingresp)});
    add_wrong_flags(pingresp);
    add({.name = "DISCONNECT_with_long_reason",
         .story = "DISCONNECT has a Reason String of 80 characters, whatever the client takes",
         .breaks = {"v5/MQTT-3.14.2-3"},
         .on_broker = with_property(disconnect, reason)});
    add({.name = "DISCONNECT_with_long_user_property",
         .story = "DISCONNECT has a User Property of 80 characters, whatever the client takes",
         .breaks = {"v5/MQTT-3.14.2-4"},
         .on_broker = with_property(disconnect, pair)});
    const auto refusal_with = [](const Property& property) {
        return on(connack, [property](Packet& packet, Wire&) {
            if (packet.reason_code == 0) return;
            packet.properties.push_back(property);
            rebuild_connack(packet);
        });
    };
    add({.name = "connack_with_long_reason",
         .story = "a refusing CONNACK has a Reason String of 80 characters",
         .breaks = {"v5/MQTT-3.2.2-19"},
         .on_broker = refusal_with(reason)});
    add({.name = "connack_with_long_user_property",
         .story = "a refusing CONNACK has a User Property of 80 characters",
         .breaks = {"v5/MQTT-3.2.2-20"},
         .on_broker = refusal_with(pair)});

    add({.name = "puback_listless_code",
         .story = "PUBACK has a code that is not in its table",
         .breaks = {"v5/MQTT-3.4.2-1"},
         .on_broker = acknowledgement_with_code(puback, 0x92)});
    add({.name = "pubrec_listless_code",
         .story = "PUBREC has a code that is not in its table",
         .breaks = {"v5/MQTT-3.5.2-1"},
         .on_broker = acknowledgement_with_code(pubrec, 0x92)});
    add({.name = "pubrel_listless_code",
         .story = "PUBREL has a code that is not in its table",
         .breaks = {"v5/MQTT-3.6.2-1"},
         .on_broker = acknowledgement_with_code(pubrel, 0x10)});
    add({.name = "pubcomp_listless_code",
         .story = "PUBCOMP has a code that is not in its table",
         .breaks = {"v5/MQTT-3.7.2-1"},
         .on_broker = acknowledgement_with_code(pubcomp, 0x80)});
    add({.name = "puback_missing",
         .story = "QoS 1 publications are never acknowledged",
         .breaks = {"v5/MQTT-3.3.4-1", "v3.1.1/MQTT-3.3.4-1"},
         .options = with_defect(Defect::puback_missing)});
}

}  // namespace touchstone::conformance::mutants
