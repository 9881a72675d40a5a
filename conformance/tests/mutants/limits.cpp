// Broken brokers: Limits that it announces or forgets.
#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

void add_limits(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    const auto announcing = [](std::initializer_list<Property> limits) {
        return on(connack, [limits = Properties{limits}](Packet& packet, Wire&) {
            if (!is_v5(packet) || packet.reason_code != 0) return;
            for (const auto& limit : limits) {
                erase(packet.properties, limit.id);
                packet.properties.push_back(limit);
            }
            rebuild_connack(packet);
        });
    };
    add({.name = "announced_limits_not_kept",
         .story = "CONNACK announces limits that the broker does not care for",
         .breaks = {"v5/MQTT-3.2.2-11", "v5/MQTT-3.2.2-12", "v5/MQTT-3.2.2-13", "v5/MQTT-3.2.2-14",
                    "v5/X5-26", "v5/X5-27", "v5/MQTT-3.2.2-15", "v5/MQTT-3.2.2-18",
                    "v3.1.1/MQTT-3.8.3-2", "v5/X5-24", "v5/X5-25"},
         .on_broker = announcing({number_property(PropertyId::maximum_qos, 1),
                                  number_property(PropertyId::retain_available, 0),
                                  number_property(PropertyId::topic_alias_maximum, 0),
                                  number_property(PropertyId::maximum_packet_size, 1'000),
                                  number_property(PropertyId::wildcard_subscription_available, 0),
                                  number_property(PropertyId::subscription_identifier_available, 0),
                                  number_property(PropertyId::shared_subscription_available, 0)}),
         .announces_limits = true});
    add({.name = "server_keep_alive_not_kept",
         .story = "CONNACK announces a Server Keep Alive that the broker does not enforce",
         .breaks = {"v5/X5-29"},
         .on_broker = announcing({number_property(PropertyId::server_keep_alive, 2)}),
         .announces_limits = true});
    add({.name = "retain_flag_of_a_broker_that_retains_nothing",
         .story = "a broker that announces to retain nothing delivers with RETAIN 1",
         .breaks = {"v5/X5-64"},
         .on_broker =
             [announce = announcing({number_property(PropertyId::retain_available, 0)})](
                 Packet& packet, Wire& wire) {
                 if (packet.type == publish) {
                     packet.retain = true;
                     rebuild_publish(packet);
                 }
                 return announce(packet, wire);
             },
         .announces_limits = true});
    add({.name = "low_quotas_not_kept",
         .story =
             "CONNACK announces a Receive Maximum and a Topic Alias Maximum below the true ones",
         .breaks = {"v5/MQTT-3.3.4-7", "v5/MQTT-3.3.2-9", "v5/MQTT-3.2.2-17", "v5/X5-23"},
         .on_broker = announcing({number_property(PropertyId::receive_maximum, 10),
                                  number_property(PropertyId::topic_alias_maximum, 3)}),
         .announces_limits = true});
    add({.name = "maximum_qos_refuses_subscriptions",
         .story = "a broker with Maximum QoS 1 refuses subscriptions at QoS 2",
         .breaks = {"v5/MQTT-3.2.2-10"},
         .on_client = on(subscribe,
                         [](Packet& packet, Wire& wire) {
                             wire.memory["asked"] = packet.filters.back().options & 3;
                         }),
         .on_broker =
             [announce = announcing({number_property(PropertyId::maximum_qos, 1)})](Packet& packet,
                                                                                    Wire& wire) {
                 if (packet.type == suback && wire.memory["asked"] == 2) {
                     packet.raw.back() = std::byte{0x80};
                 }
                 return announce(packet, wire);
             },
         .announces_limits = true});
    add({.name = "limited_broker_keeps_everything_else",
         .story = "CONNACK lacks a Maximum QoS that the broker has",
         .breaks = {"v5/MQTT-3.2.2-9"},
         .on_broker =
             connack_as([](Packet& packet) { erase(packet.properties, PropertyId::maximum_qos); }),
         .options =
             [] {
                 SimOptions options;
                 options.settings.maximum_qos = QoS::at_most_once;
                 return options;
             }(),
         .announces_limits = true});
    add({.name = "connect_awaited_for_ever",
         .story = "a connection without CONNECT stays open",
         .breaks = {"v5/X5-32", "v3.1.1/X3-05:silence"},
         .options = [] {
             SimOptions options;
             options.settings.connect_timeout = std::chrono::hours{1};
             return options;
         }()});
    add({.name = "long_identifiers_refused_badly",
         .story = "a long Client Identifier is refused with the wrong code, and without a close",
         .breaks = {"v5/MQTT-3.1.3-8", "v3.1.1/MQTT-3.1.3-9"},
         .on_client = on(PacketType::connect, [](Packet& packet, Wire& wire) {
             if (packet.client_id.size() < 100) return true;
             wire.to_client(is_v5(packet) ? hex("20 03 00 85 00") : hex("20 02 00 05"));
             return false;
         })});
    add({.name = "password_needs_user_name",
         .story = "5.0: a Password without a User Name is refused as malformed",
         .breaks = {"v5/MQTT-3.1.2-19:without-user-name"},
         .on_client = on(PacketType::connect, [](Packet& packet, Wire& wire) {
             if (!packet.password.has_value() || packet.user_name.has_value()) return true;
             wire.to_client(hex("20 03 00 81 00"));
             return false;
         })});
    add({.name = "clean_start_0_needs_a_session",
         .story = "a client that asks for a Session that is not there is refused",
         .breaks = {"v5/MQTT-3.1.2-6"},
         .on_client = on(PacketType::connect, [](Packet& packet, Wire& wire) {
             const bool is_clean = (packet.connect_flags & 2U) != 0;
             if (is_clean || (*wire.shared)[packet.client_id]++ > 0) return true;
             wire.to_client(is_v5(packet) ? hex("20 03 00 83 00") : hex("20 02 00 02"));
             return false;
         })});
    add({.name = "early_packets_dropped",
         .story = "what a client sends before CONNACK is lost",
         .breaks = {"v5/X5-31"},
         .on_client =
             [](Packet& packet, Wire& wire) {
                 return packet.type == PacketType::connect || wire.memory["accepted"] == 1;
             },
         .on_broker = on(connack, [](Packet&, Wire& wire) { wire.memory["accepted"] = 1; })});
}

}  // namespace touchstone::conformance::mutants
