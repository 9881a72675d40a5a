// Broken brokers: Topic Names and Topic Filters.
#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

namespace {

bool has_high_byte(const std::string& text) {
    return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

}  // namespace

void add_topics(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    add({.name = "topics_ignore_case",
         .story = "topics are compared without regard to case",
         .breaks = {"v5/MQTT-3.3.2-3", "v5/MQTT-4.7.3-4", "v3.1.1/MQTT-4.7.3-4"},
         .on_client = publish_as([](Packet& packet) {
             std::ranges::transform(packet.topic, packet.topic.begin(), [](char letter) {
                 return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
             });
         })});
    add({.name = "empty_levels_removed",
         .story = "doubled separators are made one",
         .breaks = {"v5/MQTT-4.7.3-4", "v5/MQTT-3.3.2-3"},
         .on_client = publish_as([](Packet& packet) {
             for (auto at = packet.topic.find("//"); at != std::string::npos;
                  at = packet.topic.find("//")) {
                 packet.topic.erase(at, 1);
             }
         })});
    add({.name = "byte_order_mark_stripped",
         .story = "U+FEFF at the beginning of a topic is taken away",
         .breaks = {"v5/MQTT-1.5.4-3", "v3.1.1/MQTT-1.5.3-3"},
         .on_client = publish_as([](Packet& packet) {
             if (packet.topic.starts_with("\xEF\xBB\xBF")) packet.topic.erase(0, 3);
         })});
    add({.name = "wrong_topic_delivered",
         .story = "what is delivered has another Topic Name",
         .breaks = {"v5/MQTT-3.3.2-3", "v3.1.1/MQTT-3.3.2-3"},
         .on_broker = publish_as([](Packet& packet) { packet.topic += "/x"; })});
    add({.name = "topic_with_wildcard_delivered",
         .story = "a Topic Name with a wildcard is delivered",
         .breaks = {"v5/MQTT-3.3.2-2", "v3.1.1/MQTT-3.3.2-2"},
         .on_broker = publish_as([](Packet& packet) { packet.topic += "/+"; })});
    add({.name = "dollar_rule_ignored",
         .story = "wildcards match topics that begin with $",
         .breaks = {"v5/MQTT-4.7.2-1", "v3.1.1/MQTT-4.7.2-1"},
         .options = with_defect(Defect::dollar_matched)});
    add({.name = "everything_to_everybody",
         .story = "every subscription is one to #",
         .breaks = {"v5/MQTT-3.3.2-3", "v3.1.1/MQTT-3.3.2-3", "v5/MQTT-4.7.3-4"},
         .on_client =
             filters_as([](FilterFields& filter, const Packet&) { filter.filter = "#"; })});
    add({.name = "bad_filters_granted",
         .story = "filters with misplaced wildcards are granted",
         .breaks = {"v5/MQTT-4.7.1-1", "v5/MQTT-4.7.1-2", "v3.1.1/MQTT-4.7.1-2",
                    "v3.1.1/MQTT-4.7.1-3"},
         .on_client = filters_as([](FilterFields& filter, const Packet&) {
             std::erase_if(filter.filter, [](char c) { return c == '+' || c == '#'; });
         })});
    add({.name = "empty_filters_granted",
         .story = "an empty filter is granted",
         .breaks = {"v5/MQTT-4.7.3-1", "v3.1.1/MQTT-4.7.3-1"},
         .on_client = filters_as([](FilterFields& filter, const Packet&) {
             if (filter.filter.empty()) filter.filter = "x";
         })});
    add({.name = "wildcard_topics_forwarded",
         .story = "a PUBLISH to a topic with wildcards goes on, without the wildcards",
         .breaks = {"v5/MQTT-3.3.2-2", "v3.1.1/MQTT-3.3.2-2", "v3.1.1/MQTT-4.7.1-1",
                    "v5/MQTT-4.7.0-1"},
         .on_client = [](Packet& packet, Wire&) {
             if (packet.type != publish || !packet.is_decodable) return true;
             std::ranges::replace(packet.topic, '+', 'p');
             std::ranges::replace(packet.topic, '#', 'h');
             rebuild_publish(packet);
             return true;
         }});
    add({.name = "faulty_publish_repaired",
         .story = "a PUBLISH with a bad topic or bad flags is repaired and goes on",
         .breaks = {"v5/MQTT-1.5.4-1:topic-name", "v5/MQTT-1.5.4-2:topic-name",
                    "v3.1.1/MQTT-1.5.3-1:topic-name", "v5/MQTT-3.3.1-4", "v3.1.1/MQTT-3.3.1-4",
                    "v3.1.1/MQTT-4.7.3-2", "v5/MQTT-4.7.3-2"},
         .on_client = [](Packet& packet, Wire&) {
             if (packet.type != publish || is_sound(packet)) return true;
             std::erase_if(packet.topic,
                           [](char c) { return c == 0 || static_cast<unsigned char>(c) >= 0x80; });
             packet.qos = packet.qos == 3 ? 2 : packet.qos;
             if (packet.qos > 0 && packet.packet_id == 0) packet.packet_id = 9;
             rebuild_publish(packet);
             return true;
         }});
    add({.name = "bad_response_topic_forwarded",
         .story = "a Response Topic with a wildcard is delivered",
         .breaks = {"v5/MQTT-3.3.2-14"},
         .on_client =
             [](Packet& packet, Wire&) {
                 if (packet.type != publish || is_sound(packet)) return true;
                 for (auto& property : packet.properties) property.text = "good";
                 rebuild_publish(packet);
                 return true;
             },
         .on_broker = publish_as([](Packet& packet) {
             if (find(packet.properties, PropertyId::response_topic) == nullptr) return;
             erase(packet.properties, PropertyId::response_topic);
             packet.properties.push_back(text_property(PropertyId::response_topic, "a/+"));
         })});
    add({.name = "ill_formed_texts_forwarded",
         .story = "texts among the properties of a PUBLISH are forwarded as they are, UTF-8 or not",
         .breaks = {"v5/MQTT-3.3.2-13", "v5/MQTT-3.3.2-19", "v5/MQTT-1.5.7-1"},
         .on_client =
             [](Packet& packet, Wire& wire) {
                 if (packet.type != publish || is_sound(packet)) return true;
                 for (auto& property : packet.properties) {
                     for (auto* const text : {&property.text, &property.value}) {
                         if (!has_high_byte(*text)) continue;
                         (*wire.shared)["is ill-formed"] = 1;
                         *text = "stand-in";
                     }
                 }
                 rebuild_publish(packet);
                 return true;
             },
         .on_broker = on(publish, [](Packet& packet, Wire& wire) {
             if ((*wire.shared)["is ill-formed"] == 0) return;
             for (auto& property : packet.properties) {
                 for (auto* const text : {&property.text, &property.value}) {
                     if (*text == "stand-in") *text = "\xC0\xAF";
                 }
             }
             rebuild_publish(packet);
         })});
}

}  // namespace touchstone::conformance::mutants
