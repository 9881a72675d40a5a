// Broken brokers: SUBSCRIBE and UNSUBSCRIBE, Shared Subscriptions, Retained Messages.
#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

void add_subscribe(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    add({.name = "suback_code_missing",
         .story = "SUBACK has one code less than there are filters",
         .breaks = {"v5/MQTT-3.8.4-6", "v3.1.1/MQTT-3.8.4-5", "v5/X5-65"},
         .on_broker = on(suback, [](Packet& packet, Wire&) {
             auto body = body_bytes(packet);
             if (packet.reason_codes.size() > 1) body.pop_back();
             set_body(packet, body);
         })});
    add({.name = "suback_codes_reversed",
         .story = "the codes of SUBACK are in another order",
         .breaks = {"v5/MQTT-3.9.3-1", "v3.1.1/MQTT-3.9.3-1"},
         .on_broker = on(suback, [](Packet& packet, Wire&) {
             const auto count = static_cast<std::ptrdiff_t>(packet.reason_codes.size());
             std::reverse(packet.raw.end() - count, packet.raw.end());
         })});
    add({.name = "suback_listless_code",
         .story = "SUBACK has a code that is not in its table",
         .breaks = {"v5/MQTT-3.9.3-2", "v3.1.1/MQTT-3.9.3-2"},
         .on_broker =
             on(suback, [](Packet& packet, Wire&) { packet.raw.back() = std::byte{0x03}; })});
    add({.name = "suback_grants_more",
         .story = "SUBACK grants QoS 2, whatever was asked for",
         .breaks = {"v5/MQTT-3.8.4-7", "v3.1.1/MQTT-3.8.4-6"},
         .on_broker = on(suback, [](Packet& packet, Wire&) {
             if (packet.reason_codes.back() < 2) packet.raw.back() = std::byte{0x02};
         })});
    add({.name = "unsuback_always_success",
         .story = "UNSUBACK says 0x00 for everything",
         .breaks = {"v5/MQTT-3.10.4-4", "v5/MQTT-3.10.4-6"},
         .on_broker = on(unsuback, [](Packet& packet, Wire&) {
             for (std::size_t i = 0; i < packet.reason_codes.size(); ++i) {
                 packet.raw[packet.raw.size() - 1 - i] = std::byte{0};
             }
         })});
    add({.name = "unsuback_codes_reversed",
         .story = "the codes of UNSUBACK are in another order",
         .breaks = {"v5/MQTT-3.11.3-1"},
         .on_broker = on(unsuback, [](Packet& packet, Wire&) {
             const auto count = static_cast<std::ptrdiff_t>(packet.reason_codes.size());
             std::reverse(packet.raw.end() - count, packet.raw.end());
         })});
    add({.name = "unsuback_listless_code",
         .story = "UNSUBACK has a code that is not in its table",
         .breaks = {"v5/MQTT-3.10.4-6", "v5/MQTT-3.11.3-2"},
         .on_broker = on(unsuback, [](Packet& packet, Wire&) {
             if (is_v5(packet)) packet.raw.back() = std::byte{0x92};
         })});
    add({.name = "unsubscribe_ignored",
         .story = "UNSUBSCRIBE is answered and has no effect",
         .breaks = {"v5/MQTT-3.10.4-2", "v5/MQTT-3.10.4-1", "v3.1.1/MQTT-3.10.4-2",
                    "v3.1.1/MQTT-3.10.4-1", "v5/X5-74"},
         .on_client = on(unsubscribe, [](Packet& packet, Wire& wire) {
             Buffer body;
             put_u16(body, packet.packet_id);
             if (is_v5(packet)) {
                 body.push_back(std::byte{0});
                 body.resize(body.size() + packet.filters.size());
             }
             Packet answer;
             answer.raw = {std::byte{0xB0}};
             set_body(answer, body);
             wire.to_client(answer.raw);
             return false;
         })});
    add({.name = "unsubscribe_first_only",
         .story = "of several filters in an UNSUBSCRIBE only the first counts",
         .breaks = {"v5/MQTT-3.10.4-6", "v3.1.1/MQTT-3.10.4-6"},
         .on_client = on(unsubscribe, [](Packet& packet, Wire&) {
             std::vector<std::string> filters;
             for (const auto& filter : packet.filters) {
                 filters.push_back(filters.empty() ? filter.filter : filter.filter + "/no");
             }
             packet.raw = build_unsubscribe(packet.version, packet.packet_id, filters).bytes();
         })});
    add({.name = "unsubscribe_removes_everything",
         .story = "UNSUBSCRIBE removes the first filter that was ever subscribed, too",
         .breaks = {"v5/MQTT-3.10.4-1", "v3.1.1/MQTT-3.10.4-1"},
         .on_client =
             on(unsubscribe,
                [](Packet& packet, Wire&) {
                    const auto word = packet.filters.front().filter.substr(0, 10);
                    std::vector<std::string> filters;
                    for (const auto& filter : packet.filters) filters.push_back(filter.filter);
                    filters.push_back(word + "/b/c");
                    filters.push_back(word + "/a/+");
                    packet.raw =
                        build_unsubscribe(packet.version, packet.packet_id, filters).bytes();
                }),
         .on_broker = on(unsuback, [](Packet& packet, Wire&) {
             if (!is_v5(packet)) return;
             auto body = body_bytes(packet);
             body.resize(body.size() - 2);
             set_body(packet, body);
         })});
    add({.name = "only_first_filter",
         .story = "of several filters in a SUBSCRIBE only the first counts",
         .breaks = {"v5/MQTT-3.8.4-5", "v3.1.1/MQTT-3.8.4-4"},
         .on_client = on(subscribe, [](Packet& packet, Wire&) {
             for (std::size_t i = 1; i < packet.filters.size(); ++i) {
                 packet.filters[i].filter = "nowhere";
             }
             rebuild_subscribe(packet);
         })});
    add({.name = "resubscribe_ignored",
         .story = "a second SUBSCRIBE of a filter changes nothing",
         .breaks = {"v5/MQTT-3.8.4-3", "v5/MQTT-3.8.4-3:options", "v3.1.1/MQTT-3.8.4-3",
                    "v3.1.1/MQTT-3.8.4-3:stream"},
         .on_client = on(subscribe, [](Packet& packet, Wire& wire) {
             bool is_known = true;
             for (const auto& filter : packet.filters) {
                 is_known = is_known && wire.memory[filter.filter]++ > 0;
             }
             if (!is_known) return true;
             Buffer body;
             put_u16(body, packet.packet_id);
             if (is_v5(packet)) body.push_back(std::byte{0});
             for (const auto& filter : packet.filters) {
                 body.push_back(static_cast<std::byte>(filter.options & 3U));
             }
             Packet answer;
             answer.raw = {std::byte{0x90}};
             set_body(answer, body);
             wire.to_client(answer.raw);
             return false;
         })});
    add({.name = "no_local_ignored",
         .story = "No Local is ignored",
         .breaks = {"v5/MQTT-3.8.3-3", "v5/MQTT-3.8.3-4", "v5/X5-67"},
         .on_client = filters_as([](FilterFields& filter, const Packet& packet) {
             if (is_v5(packet)) filter.options &= 0xFBU;
         })});
    add({.name = "retain_as_published_ignored",
         .story = "Retain As Published is ignored",
         .breaks = {"v5/MQTT-3.3.1-13", "v5/X5-63"},
         .on_client = filters_as([](FilterFields& filter, const Packet& packet) {
             if (is_v5(packet)) filter.options &= 0xF7U;
         })});
    add({.name = "retain_handling_0",
         .story = "Retain Handling is taken for 0",
         .breaks = {"v5/MQTT-3.3.1-10", "v5/MQTT-3.3.1-11"},
         .on_client = filters_as([](FilterFields& filter, const Packet& packet) {
             if (is_v5(packet)) filter.options &= 0xCFU;
         })});
    add({.name = "retain_handling_2",
         .story = "Retain Handling is taken for 2",
         .breaks = {"v5/MQTT-3.3.1-9", "v5/MQTT-3.3.1-10", "v5/MQTT-3.8.4-4"},
         .on_client = filters_as([](FilterFields& filter, const Packet& packet) {
             if (is_v5(packet)) {
                 filter.options = static_cast<std::uint8_t>((filter.options & 0xCFU) | 0x20U);
             }
         })});
    add({.name = "identifiers_lost",
         .story = "Subscription Identifiers are not sent",
         .breaks = {"v5/MQTT-3.3.4-3", "v5/X5-60:all-filters", "v5/X5-61:retained",
                    "v5/MQTT-4.8.2-3", "v5/MQTT-3.3.4-4"},
         .on_broker = publish_without(PropertyId::subscription_identifier)});
    add({.name = "identifiers_wrong",
         .story = "Subscription Identifiers are those of other subscriptions",
         .breaks = {"v5/MQTT-3.3.4-3", "v5/X5-60:all-filters", "v5/MQTT-3.3.4-5"},
         .on_broker = publish_as([](Packet& packet) {
             for (auto& property : packet.properties) {
                 if (property.id == PropertyId::subscription_identifier) property.number ^= 64;
             }
         })});
    add({.name = "share_is_plain",
         .story = "a Shared Subscription is an ordinary one",
         .breaks = {"v5/X5-70", "v5/X5-72"},
         .on_client = filters_as([](FilterFields& filter, const Packet&) {
             constexpr std::string_view prefix = "$share/";
             if (!filter.filter.starts_with(prefix)) return;
             const auto slash = filter.filter.find('/', prefix.size());
             if (slash != std::string::npos) filter.filter = filter.filter.substr(slash + 1);
         })});
    add({.name = "share_without_name",
         .story = "a Shared Subscription without a right ShareName is granted and served",
         .breaks = {"v5/MQTT-4.8.2-1", "v5/MQTT-4.8.2-2"},
         .on_client = filters_as([](FilterFields& filter, const Packet&) {
             constexpr std::string_view prefix = "$share/";
             if (!filter.filter.starts_with(prefix)) return;
             const auto slash = filter.filter.find('/', prefix.size());
             if (slash == std::string::npos) return;
             filter.filter = "$share/x" + filter.filter.substr(slash);
         })});
    add({.name = "shared_filter_without_first_level",
         .story = "an empty first level in the filter of a Shared Subscription is left out",
         .breaks = {"v5/X5-71"},
         .on_client = filters_as([](FilterFields& filter, const Packet&) {
             if (!filter.filter.starts_with("$share/")) return;
             const auto at = filter.filter.find("//");
             if (at != std::string::npos) filter.filter.erase(at, 1);
         })});
    add({.name = "share_group_never_ends",
         .story = "a share group without Sessions keeps messages for who comes later",
         .breaks = {"v5/X5-75"},
         .on_client = on(subscribe,
                         [](Packet& packet, Wire& wire) {
                             const auto& filter = packet.filters.front().filter;
                             if (!filter.starts_with("$share/")) return;
                             wire.memory["is late"] = (*wire.shared)[filter]++;
                         }),
         .on_broker = on(suback, [](Packet& packet, Wire& wire) {
             if (wire.memory["is late"] == 0) return;
             wire.to_broker(
                 build_publish(packet.version, {.topic = wire.topic("t"), .payload = "kept"})
                     .bytes());
         })});
    add({.name = "refused_share_goes_to_another",
         .story = "a message that a member refuses is sent to another member",
         .breaks = {"v5/MQTT-4.8.2-6"},
         .on_client = [](Packet& packet, Wire& wire) {
             const bool is_refusal =
                 (packet.type == puback || packet.type == pubrec) && packet.reason_code >= 0x80;
             if (!is_refusal || wire.client_id.empty()) return true;
             wire.to_broker(packet.raw);
             const auto topic = wire.topic(packet.type == puback ? "t/1" : "t/2");
             packet.raw =
                 build_publish(packet.version, {.topic = topic, .payload = "refused"}).bytes();
             return true;
         }});
    add({.name = "lost_share_goes_to_another",
         .story = "a QoS 2 message of a member that was cut off is sent to another member",
         .breaks = {"v5/MQTT-4.8.2-4", "v5/MQTT-4.8.2-5"},
         .on_broker = on(connack, [](Packet& packet, Wire& wire) {
             if (wire.client_id.empty() || (*wire.shared)[wire.client_id]++ == 0) return;
             wire.to_broker(
                 build_publish(packet.version, {.topic = wire.topic("t"), .payload = "begun"})
                     .bytes());
         })});
    add({.name = "retain_on_resume",
         .story = "Retained Messages are sent again without a SUBSCRIBE",
         .breaks = {"v5/MQTT-3.3.1-12:resume", "v3.1.1/MQTT-3.3.1-9:resume"},
         .options = with_defect(Defect::retain_on_resume)});
    add({.name = "retain_flag_lost",
         .story = "Retained Messages for a new subscription have RETAIN 0",
         .breaks = {"v3.1.1/MQTT-3.3.1-8", "v5/X5-62"},
         .options = with_defect(Defect::retain_flag_lost)});
    add({.name = "session_present_lies",
         .story = "CONNACK says Session Present without a Session",
         .breaks = {"v5/MQTT-3.2.2-3", "v5/X5-01"},
         .options = with_defect(Defect::session_present_lies)});
}

}  // namespace touchstone::conformance::mutants
