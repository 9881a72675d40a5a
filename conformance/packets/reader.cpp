#include "conformance/packets/reader.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "broker/base/reason_code.hpp"

namespace touchstone::conformance {

namespace {

namespace rule {
// The numbers are the standards'; X… are behaviours without a number (catalogue/unnumbered.tsv).
constexpr Rule reserved_flags{"MQTT-2.1.3-1", "MQTT-2.2.2-1"};
constexpr Rule layout{"X5-90", "X3-10"};
constexpr Rule shortest_integer{"MQTT-1.5.5-1", ""};
constexpr Rule utf8{"MQTT-1.5.4-1", "MQTT-1.5.3-1"};
constexpr Rule utf8_null{"MQTT-1.5.4-2", "MQTT-1.5.3-2"};
constexpr Rule utf8_pair{"MQTT-1.5.7-1", ""};
constexpr Rule property_length{"MQTT-2.2.2-1", ""};
constexpr Rule property_place{"X5-55", ""};
constexpr Rule property_value{"X5-28", ""};
constexpr Rule packet_id_zero{"MQTT-2.2.1-4", "MQTT-2.3.1-1"};
constexpr Rule answer_id_zero{"MQTT-2.2.1-5", "MQTT-2.3.1-6"};
constexpr Rule suback_id_zero{"MQTT-2.2.1-6", "MQTT-2.3.1-7"};
constexpr Rule qos_3{"MQTT-3.3.1-4", "MQTT-3.3.1-4"};
constexpr Rule dup_at_qos_0{"MQTT-3.3.1-2", "MQTT-3.3.1-2"};
constexpr Rule topic_utf8{"MQTT-3.3.2-1", "MQTT-3.3.2-1"};
constexpr Rule topic_wildcard{"MQTT-3.3.2-2", "MQTT-3.3.2-2"};
constexpr Rule topic_empty{"MQTT-4.7.3-1", "MQTT-4.7.3-1"};
constexpr Rule alias_zero{"MQTT-3.3.2-8", ""};
constexpr Rule response_topic_utf8{"MQTT-3.3.2-13", ""};
constexpr Rule response_topic_wildcard{"MQTT-3.3.2-14", ""};
constexpr Rule content_type_utf8{"MQTT-3.3.2-19", ""};
constexpr Rule identifier_zero{"X5-60", ""};
constexpr Rule connack_flags{"MQTT-3.2.2-1", "X3-01"};
constexpr Rule connack_code{"MQTT-3.2.2-8", "MQTT-3.2.2-6"};
constexpr Rule connack_refusal_flags{"MQTT-3.2.2-6", "MQTT-3.2.2-4"};
constexpr Rule puback_code{"MQTT-3.4.2-1", ""};
constexpr Rule pubrec_code{"MQTT-3.5.2-1", ""};
constexpr Rule pubrel_code{"MQTT-3.6.2-1", ""};
constexpr Rule pubcomp_code{"MQTT-3.7.2-1", ""};
constexpr Rule suback_code{"MQTT-3.9.3-2", "MQTT-3.9.3-2"};
constexpr Rule unsuback_code{"MQTT-3.11.3-2", ""};
constexpr Rule disconnect_code{"MQTT-3.14.2-1", ""};
constexpr Rule disconnect_expiry{"MQTT-3.14.2-2", ""};
constexpr Rule auth_code{"MQTT-3.15.2-1", ""};
constexpr Rule no_rule{"", ""};
}  // namespace rule

const Rule& code_rule_of(PacketType type) {
    switch (type) {
        case PacketType::connack: return rule::connack_code;
        case PacketType::puback: return rule::puback_code;
        case PacketType::pubrec: return rule::pubrec_code;
        case PacketType::pubrel: return rule::pubrel_code;
        case PacketType::pubcomp: return rule::pubcomp_code;
        case PacketType::suback: return rule::suback_code;
        case PacketType::unsuback: return rule::unsuback_code;
        case PacketType::disconnect: return rule::disconnect_code;
        case PacketType::auth: return rule::auth_code;
        default: return rule::layout;
    }
}

std::uint8_t prescribed_flags(PacketType type) {
    const bool has_bit_1 = type == PacketType::pubrel || type == PacketType::subscribe ||
                           type == PacketType::unsubscribe;
    return has_bit_1 ? 0x02 : 0x00;
}

bool is_sent_by(PacketType type, Sender sender, ProtocolVersion version) {
    using enum PacketType;
    const bool is_v5 = version == ProtocolVersion::v5;
    switch (type) {
        case reserved: return false;
        case PacketType::connect:
        case subscribe:
        case unsubscribe:
        case pingreq: return sender == Sender::client;
        case connack:
        case suback:
        case unsuback:
        case pingresp: return sender == Sender::server;
        case publish:
        case puback:
        case pubrec:
        case pubrel:
        case pubcomp: return true;
        case disconnect: return is_v5 || sender == Sender::client;
        case auth: return is_v5;
    }
    return false;
}

/// Takes fields off the front. Once something was missing it stays failed and gives zeros.
class Cursor {
public:
    explicit Cursor(Bytes rest) : rest_{rest} {}

    [[nodiscard]] bool has_failed() const { return has_failed_; }
    [[nodiscard]] bool is_at_end() const { return rest_.empty(); }
    [[nodiscard]] std::size_t size() const { return rest_.size(); }

    std::uint8_t take_byte() {
        if (!has(1)) return 0;
        const auto value = std::to_integer<std::uint8_t>(rest_[0]);
        rest_ = rest_.subspan(1);
        return value;
    }

    std::uint16_t take_u16() {
        if (!has(2)) return 0;
        const auto high = take_byte();
        return static_cast<std::uint16_t>((high << 8U) | take_byte());
    }

    std::uint32_t take_u32() {
        if (!has(4)) return 0;
        const std::uint32_t high = take_u16();
        return (high << 16U) | take_u16();
    }

    /// `is_shortest` becomes false when fewer bytes would have said the same.
    std::uint32_t take_variable(bool& is_shortest) {
        std::uint32_t value = 0;
        for (unsigned i = 0; i < 4; ++i) {
            if (!has(1)) return 0;
            const auto byte = take_byte();
            value |= static_cast<std::uint32_t>(byte & 0x7FU) << (7U * i);
            if ((byte & 0x80U) == 0) {
                if (i > 0 && byte == 0) is_shortest = false;
                return value;
            }
        }
        has_failed_ = true;
        return 0;
    }

    std::string take_text() { return take(take_u16()); }

    std::string take(std::size_t size_bytes) {
        if (!has(size_bytes)) return {};
        std::string text{as_text(rest_.first(size_bytes))};
        rest_ = rest_.subspan(size_bytes);
        return text;
    }

    /// A cursor over the next `size_bytes`, which are taken off this one.
    Cursor take_part(std::size_t size_bytes) {
        if (!has(size_bytes)) {
            Cursor empty{{}};
            empty.has_failed_ = true;
            return empty;
        }
        Cursor part{rest_.first(size_bytes)};
        rest_ = rest_.subspan(size_bytes);
        return part;
    }

private:
    bool has(std::size_t size_bytes) {
        if (rest_.size() < size_bytes) has_failed_ = true;
        return !has_failed_;
    }

    Bytes rest_;
    bool has_failed_ = false;
};

/// Decodes one packet and collects its faults.
class Decoder {
public:
    Decoder(Packet& packet, Cursor body) : packet_{packet}, body_{body} {}

    void run();

private:
    [[nodiscard]] bool is_v5() const { return packet_.version == ProtocolVersion::v5; }
    [[nodiscard]] bool is_from_server() const { return packet_.sender == Sender::server; }

    void fault(const Rule& rule, std::string text) {
        packet_.faults.push_back({statement_of(rule, packet_.version), std::move(text)});
    }

    void check_text(std::string_view text, std::string_view what, const Rule& ill_formed);
    void take_packet_id(const Rule& when_zero);
    void take_properties(Properties& properties, PacketType place, Cursor& cursor);
    void take_property_values(Properties& properties, PacketType place, Cursor& part);
    void check_property(const Property& property, const PropertyRule& rule);
    void check_once(const Properties& properties, PacketType place);
    void check_code(std::uint8_t code);

    void on_connect();
    void on_connack();
    void on_publish();
    void on_acknowledgement();
    void on_subscribe();
    void on_suback();
    void on_unsubscribe();
    void on_unsuback();
    void on_disconnect();
    void on_auth();

    Packet& packet_;
    Cursor body_;
};

void Decoder::check_text(std::string_view text, std::string_view what, const Rule& ill_formed) {
    switch (judge_utf8(text)) {
        case Utf8::well_formed: return;
        case Utf8::ill_formed:
            fault(ill_formed, std::string{what} + " is not well-formed UTF-8");
            return;
        case Utf8::contains_null:
            fault(rule::utf8_null, std::string{what} + " contains U+0000");
            return;
    }
}

void Decoder::take_packet_id(const Rule& when_zero) {
    packet_.packet_id = body_.take_u16();
    if (!body_.has_failed() && packet_.packet_id == 0) {
        fault(when_zero, "Packet Identifier is 0");
    }
}

void Decoder::take_properties(Properties& properties, PacketType place, Cursor& cursor) {
    if (cursor.is_at_end()) {
        fault(rule::property_length, "the Property Length is missing");
        return;
    }
    bool is_shortest = true;
    const auto size_bytes = cursor.take_variable(is_shortest);
    if (!is_shortest) fault(rule::shortest_integer, "Property Length is not in its shortest form");
    auto part = cursor.take_part(size_bytes);
    take_property_values(properties, place, part);
    check_once(properties, place);
}

void Decoder::take_property_values(Properties& properties, PacketType place, Cursor& part) {
    while (!part.has_failed() && !part.is_at_end()) {
        bool is_shortest = true;
        const auto id = part.take_variable(is_shortest);
        const auto* found = find_property_rule(id);
        if (!is_shortest) {
            fault(rule::shortest_integer, "property identifier is not in its shortest form");
        }
        if (found == nullptr) {
            fault(rule::property_place, "unknown property identifier " + std::to_string(id));
            body_.take_part(body_.size() + 1);  // The rest cannot be found any more.
            return;
        }
        Property property{.id = found->id};
        switch (found->type) {
            case PropertyType::byte: property.number = part.take_byte(); break;
            case PropertyType::two_byte_integer: property.number = part.take_u16(); break;
            case PropertyType::four_byte_integer: property.number = part.take_u32(); break;
            case PropertyType::variable_byte_integer:
                property.number = part.take_variable(is_shortest);
                if (!is_shortest) {
                    fault(rule::shortest_integer,
                          std::string{found->name} + " is not in its shortest form");
                }
                break;
            case PropertyType::text:
            case PropertyType::binary: property.text = part.take_text(); break;
            case PropertyType::pair:
                property.text = part.take_text();
                property.value = part.take_text();
                break;
        }
        if (part.has_failed()) break;
        if ((found->packets & (1U << static_cast<unsigned>(place))) == 0) {
            fault(rule::property_place, std::string{found->name} + " is not allowed in " +
                                            std::string{name_of(packet_.type)});
        }
        check_property(property, *found);
        properties.push_back(std::move(property));
    }
    if (part.has_failed()) {
        fault(rule::layout, "the properties do not fit their Property Length");
        body_.take_part(body_.size() + 1);
    }
}

void Decoder::check_property(const Property& property, const PropertyRule& found) {
    using enum PropertyId;
    const std::string name{found.name};
    if (found.type == PropertyType::text) {
        const auto& ill_formed = found.id == response_topic ? rule::response_topic_utf8
                                 : found.id == content_type ? rule::content_type_utf8
                                                            : rule::utf8;
        check_text(property.text, name, ill_formed);
    }
    if (found.type == PropertyType::pair) {
        check_text(property.text, name, rule::utf8_pair);
        check_text(property.value, name, rule::utf8_pair);
    }
    switch (found.id) {
        case payload_format_indicator:
        case request_problem_information:
        case request_response_information:
        case maximum_qos:
        case retain_available:
        case wildcard_subscription_available:
        case subscription_identifier_available:
        case shared_subscription_available:
            if (property.number > 1) {
                fault(rule::property_value, name + " is " + std::to_string(property.number));
            }
            return;
        case receive_maximum:
        case maximum_packet_size:
            if (property.number == 0) fault(rule::property_value, name + " is 0");
            return;
        case topic_alias:
            if (property.number == 0) fault(rule::alias_zero, "Topic Alias is 0");
            return;
        case subscription_identifier:
            if (property.number == 0) fault(rule::identifier_zero, name + " is 0");
            return;
        case response_topic:
            if (property.text.find_first_of("+#") != std::string::npos) {
                fault(rule::response_topic_wildcard, "Response Topic has a wildcard character");
            }
            return;
        default: return;
    }
}

void Decoder::check_once(const Properties& properties, PacketType place) {
    for (const auto& found : property_rules()) {
        const bool may_repeat =
            found.id == PropertyId::user_property ||
            (found.id == PropertyId::subscription_identifier && place == PacketType::publish);
        if (!may_repeat && count(properties, found.id) > 1) {
            fault(rule::property_place, std::string{found.name} + " is there more than once");
        }
    }
}

void Decoder::check_code(std::uint8_t code) {
    if (!is_from_server()) return;
    const bool is_listed = is_v5()                              ? is_listed_code(packet_.type, code)
                           : packet_.type == PacketType::suback ? code <= 2 || code == 0x80
                                                                : code <= 5;
    if (is_listed) return;
    // 0x8C: Table 2-6 allows it in DISCONNECT, Table 3-10 does not. Nobody can be blamed for it.
    const bool is_contradiction = packet_.type == PacketType::disconnect && code == 0x8C;
    fault(is_contradiction ? rule::no_rule : code_rule_of(packet_.type),
          describe_code(code, packet_.version) + " is not a code of " +
              std::string{name_of(packet_.type)});
}

void Decoder::on_connect() {
    packet_.protocol_name = body_.take_text();
    packet_.protocol_version = body_.take_byte();
    packet_.connect_flags = body_.take_byte();
    packet_.keep_alive_s = body_.take_u16();
    if (packet_.protocol_version >= 3 && packet_.protocol_version <= 5) {
        packet_.version = static_cast<ProtocolVersion>(packet_.protocol_version);
    }
    const bool name_fits = packet_.version == ProtocolVersion::v3_1
                               ? packet_.protocol_name == "MQIsdp"
                               : packet_.protocol_name == "MQTT";
    if (!name_fits) fault(rule::layout, "wrong Protocol Name");
    if (packet_.protocol_version < 3 || packet_.protocol_version > 5) {
        fault(rule::layout, "unknown Protocol Version");
    }
    if (is_v5()) take_properties(packet_.properties, PacketType::connect, body_);
    packet_.client_id = body_.take_text();
    check_text(packet_.client_id, "Client Identifier", rule::utf8);

    const auto flags = packet_.connect_flags;
    const bool has_will = (flags & 0x04U) != 0;
    if ((flags & 0x01U) != 0) fault(rule::layout, "reserved Connect Flag is 1");
    if ((flags & 0x18U) == 0x18U) fault(rule::layout, "Will QoS is 3");
    if (!has_will && (flags & 0x38U) != 0) fault(rule::layout, "Will QoS or Retain without Will");
    if (has_will) {
        WillFields will;
        // The Will has its own set of allowed properties: bit 0 of a rule.
        if (is_v5()) take_properties(will.properties, PacketType::reserved, body_);
        will.topic = body_.take_text();
        will.payload = body_.take_text();
        will.qos = static_cast<QoS>(std::min((flags >> 3U) & 3U, 2U));
        will.retain = (flags & 0x20U) != 0;
        check_text(will.topic, "Will Topic", rule::utf8);
        packet_.will = std::move(will);
    }
    if ((flags & 0x80U) != 0) {
        packet_.user_name = body_.take_text();
        check_text(*packet_.user_name, "User Name", rule::utf8);
    }
    if ((flags & 0x40U) != 0) {
        packet_.password = body_.take_text();
        if (!is_v5() && (flags & 0x80U) == 0) fault(rule::layout, "Password without User Name");
    }
}

void Decoder::on_connack() {
    packet_.acknowledge_flags = body_.take_byte();
    packet_.reason_code = body_.take_byte();
    if (body_.has_failed()) return;
    if ((packet_.acknowledge_flags & 0xFEU) != 0) {
        fault(rule::connack_flags, "reserved Connect Acknowledge Flags are not 0");
    }
    check_code(packet_.reason_code);
    if (packet_.reason_code != 0 && packet_.session_present()) {
        fault(rule::connack_refusal_flags, "a refusing CONNACK has Session Present 1");
    }
    if (is_v5()) take_properties(packet_.properties, PacketType::connack, body_);
}

void Decoder::on_publish() {
    packet_.dup = (packet_.flags & 0x08U) != 0;
    packet_.qos = (packet_.flags >> 1U) & 3U;
    packet_.retain = (packet_.flags & 0x01U) != 0;
    if (packet_.qos == 3) fault(rule::qos_3, "both QoS bits are 1");
    if (packet_.qos == 0 && packet_.dup) fault(rule::dup_at_qos_0, "DUP is 1 at QoS 0");

    packet_.topic = body_.take_text();
    check_text(packet_.topic, "Topic Name", rule::topic_utf8);
    if (packet_.topic.find_first_of("+#") != std::string::npos) {
        fault(rule::topic_wildcard, "Topic Name has a wildcard character");
    }
    if (packet_.qos > 0) take_packet_id(rule::packet_id_zero);
    if (is_v5()) take_properties(packet_.properties, PacketType::publish, body_);
    const bool has_alias = find(packet_.properties, PropertyId::topic_alias) != nullptr;
    if (packet_.topic.empty() && !has_alias && !body_.has_failed()) {
        fault(rule::topic_empty, "Topic Name is empty");
    }
    packet_.payload = body_.take(body_.size());
}

void Decoder::on_acknowledgement() {
    take_packet_id(rule::answer_id_zero);
    if (!is_v5() || body_.has_failed() || body_.is_at_end()) return;
    packet_.reason_code = body_.take_byte();
    check_code(packet_.reason_code);
    if (!body_.is_at_end()) take_properties(packet_.properties, packet_.type, body_);
}

void Decoder::on_subscribe() {
    take_packet_id(rule::packet_id_zero);
    if (is_v5()) take_properties(packet_.properties, PacketType::subscribe, body_);
    if (body_.is_at_end()) fault(rule::layout, "no Topic Filter");
    while (!body_.has_failed() && !body_.is_at_end()) {
        FilterFields filter;
        filter.filter = body_.take_text();
        filter.options = body_.take_byte();
        if (body_.has_failed()) return;
        check_text(filter.filter, "Topic Filter", rule::utf8);
        const unsigned reserved = is_v5() ? 0xC0U : 0xFCU;
        if ((filter.options & reserved) != 0) fault(rule::layout, "reserved option bits are not 0");
        if ((filter.options & 3U) == 3) fault(rule::layout, "requested QoS is 3");
        if (is_v5() && (filter.options & 0x30U) == 0x30U) {
            fault(rule::layout, "Retain Handling is 3");
        }
        packet_.filters.push_back(std::move(filter));
    }
}

void Decoder::on_suback() {
    take_packet_id(rule::suback_id_zero);
    if (is_v5()) take_properties(packet_.properties, PacketType::suback, body_);
    if (body_.is_at_end()) fault(rule::layout, std::string{no_codes});
    while (!body_.has_failed() && !body_.is_at_end()) {
        packet_.reason_codes.push_back(body_.take_byte());
        check_code(packet_.reason_codes.back());
    }
}

void Decoder::on_unsubscribe() {
    take_packet_id(rule::packet_id_zero);
    if (is_v5()) take_properties(packet_.properties, PacketType::unsubscribe, body_);
    if (body_.is_at_end()) fault(rule::layout, "no Topic Filter");
    while (!body_.has_failed() && !body_.is_at_end()) {
        packet_.filters.push_back({.filter = body_.take_text()});
        check_text(packet_.filters.back().filter, "Topic Filter", rule::utf8);
    }
}

void Decoder::on_unsuback() {
    take_packet_id(rule::suback_id_zero);
    if (!is_v5()) return;
    take_properties(packet_.properties, PacketType::unsuback, body_);
    if (body_.is_at_end()) fault(rule::unsuback_code, std::string{no_codes});
    while (!body_.has_failed() && !body_.is_at_end()) {
        packet_.reason_codes.push_back(body_.take_byte());
        check_code(packet_.reason_codes.back());
    }
}

void Decoder::on_disconnect() {
    if (!is_v5() || body_.is_at_end()) return;
    packet_.reason_code = body_.take_byte();
    check_code(packet_.reason_code);
    if (!body_.is_at_end()) take_properties(packet_.properties, PacketType::disconnect, body_);
    if (is_from_server() &&
        find(packet_.properties, PropertyId::session_expiry_interval) != nullptr) {
        fault(rule::disconnect_expiry, "a DISCONNECT of the server has a Session Expiry Interval");
    }
}

void Decoder::on_auth() {
    if (!is_v5() || body_.is_at_end()) return;
    packet_.reason_code = body_.take_byte();
    check_code(packet_.reason_code);
    if (!body_.is_at_end()) take_properties(packet_.properties, PacketType::auth, body_);
}

void Decoder::run() {
    using enum PacketType;
    if (packet_.type != publish && packet_.flags != prescribed_flags(packet_.type)) {
        fault(rule::reserved_flags, "fixed header flags are " + std::to_string(packet_.flags));
    }
    if (!is_sent_by(packet_.type, packet_.sender, packet_.version)) {
        fault(rule::layout, std::string{name_of(packet_.type)} + " is not sent by a " +
                                (is_from_server() ? "server" : "client"));
    }
    switch (packet_.type) {
        case reserved: return;
        case PacketType::connect: on_connect(); break;
        case connack: on_connack(); break;
        case publish: on_publish(); break;
        case puback:
        case pubrec:
        case pubrel:
        case pubcomp: on_acknowledgement(); break;
        case subscribe: on_subscribe(); break;
        case suback: on_suback(); break;
        case unsubscribe: on_unsubscribe(); break;
        case unsuback: on_unsuback(); break;
        case pingreq:
        case pingresp: break;
        case disconnect: on_disconnect(); break;
        case auth: on_auth(); break;
    }
    if (body_.has_failed()) {
        fault(rule::layout, "the packet ends too early");
    } else if (!body_.is_at_end()) {
        fault(rule::layout, std::to_string(body_.size()) + " bytes too many");
    }
    packet_.is_decodable = !body_.has_failed() && body_.is_at_end();
}

std::string describe_properties(const Properties& properties) {
    if (properties.empty()) return {};
    std::string text = " {";
    for (const auto& property : properties) {
        if (text.size() > 2) text += ' ';
        const auto* found = find_property_rule(static_cast<std::uint32_t>(property.id));
        if (found == nullptr) continue;
        text += std::string{found->name} + '=';
        switch (found->type) {
            case PropertyType::byte:
            case PropertyType::two_byte_integer:
            case PropertyType::four_byte_integer:
            case PropertyType::variable_byte_integer:
                text += std::to_string(property.number);
                break;
            case PropertyType::text:
            case PropertyType::binary: text += '\'' + printable(property.text, 32) + '\''; break;
            case PropertyType::pair:
                text += '\'' + printable(property.text, 32) + "':'" +
                        printable(property.value, 32) + '\'';
                break;
        }
    }
    return text + '}';
}

std::string describe_will(const WillFields& will) {
    return " will(t='" + printable(will.topic) + "' q" +
           std::to_string(static_cast<int>(will.qos)) + (will.retain ? " retain" : "") + " '" +
           printable(will.payload, 24) + "'" + describe_properties(will.properties) + ")";
}

std::string describe_publish(const Packet& packet) {
    std::string text;
    if (packet.qos > 0) text += " id=" + std::to_string(packet.packet_id);
    text += " q" + std::to_string(packet.qos);
    if (packet.dup) text += " dup";
    if (packet.retain) text += " retain";
    text += " t='" + printable(packet.topic) + "' " + std::to_string(packet.payload.size()) + " B";
    if (!packet.payload.empty()) text += " '" + printable(packet.payload, 24) + "'";
    return text;
}

std::string describe_filters(const Packet& packet) {
    std::string text = " id=" + std::to_string(packet.packet_id);
    for (const auto& filter : packet.filters) {
        text += " '" + printable(filter.filter) + "'";
        if (packet.type == PacketType::unsubscribe) continue;
        text += " q" + std::to_string(filter.options & 3U);
        if (packet.version != ProtocolVersion::v5) continue;
        if ((filter.options & 0x04U) != 0) text += " no_local";
        if ((filter.options & 0x08U) != 0) text += " retain_as_published";
        const unsigned handling = (filter.options >> 4U) & 3U;
        if (handling != 0) text += " retain_handling=" + std::to_string(handling);
    }
    return text;
}

std::string describe_connect(const Packet& packet) {
    std::string text = " " + printable(packet.protocol_name, 12) + " level " +
                       std::to_string(packet.protocol_version) + " id='" +
                       printable(packet.client_id, 40) + "'";
    if ((packet.connect_flags & 2U) != 0) {
        text += packet.version == ProtocolVersion::v5 ? " clean_start" : " clean_session";
    }
    text += " keep_alive=" + std::to_string(packet.keep_alive_s);
    if (packet.will.has_value()) text += describe_will(*packet.will);
    if (packet.user_name.has_value()) text += " user='" + printable(*packet.user_name, 24) + "'";
    if (packet.password.has_value()) {
        text += " password(" + std::to_string(packet.password->size()) + " B)";
    }
    return text;
}

std::string describe_body(const Packet& packet) {
    using enum PacketType;
    switch (packet.type) {
        case PacketType::connect: return describe_connect(packet);
        case connack:
            return std::string{" session_present="} + (packet.session_present() ? "1" : "0") + ' ' +
                   describe_code(packet.reason_code, packet.version);
        case publish: return describe_publish(packet);
        case puback:
        case pubrec:
        case pubrel:
        case pubcomp: {
            std::string text = " id=" + std::to_string(packet.packet_id);
            if (packet.reason_code != 0) {
                text += ' ' + describe_code(packet.reason_code, packet.version);
            }
            return text;
        }
        case subscribe:
        case unsubscribe: return describe_filters(packet);
        case suback:
        case unsuback: {
            std::string text = " id=" + std::to_string(packet.packet_id);
            for (const auto code : packet.reason_codes) {
                text += ' ' + describe_code(code, packet.version);
            }
            return text;
        }
        case disconnect:
        case auth:
            if (packet.version != ProtocolVersion::v5) return {};
            return ' ' + describe_code(packet.reason_code, packet.version);
        case reserved:
        case pingreq:
        case pingresp: return {};
    }
    return {};
}

}  // namespace

std::string_view prefix_of(ProtocolVersion version) {
    return version == ProtocolVersion::v5 ? "v5/" : "v3.1.1/";
}

std::string statement_of(const Rule& rule, ProtocolVersion version) {
    const auto number = version == ProtocolVersion::v5 ? rule.v5 : rule.v3_1_1;
    if (number.empty()) return {};
    return std::string{prefix_of(version)} + std::string{number};
}

Packet decode(Bytes raw, ProtocolVersion version, Sender sender) {
    Packet packet;
    packet.version = version;
    packet.sender = sender;
    packet.raw.assign(raw.begin(), raw.end());
    Cursor cursor{raw};
    const auto first_byte = cursor.take_byte();
    packet.type = static_cast<PacketType>(first_byte >> 4U);
    packet.flags = first_byte & 0x0FU;
    bool is_shortest = true;
    const auto size_bytes = cursor.take_variable(is_shortest);
    if (!is_shortest) {
        packet.faults.push_back({statement_of(rule::shortest_integer, version),
                                 "Remaining Length is not in its shortest form"});
    }
    if (cursor.has_failed() || cursor.size() != size_bytes) {
        packet.faults.push_back(
            {statement_of(rule::layout, version), "the Remaining Length is wrong"});
        return packet;
    }
    Decoder{packet, cursor}.run();
    return packet;
}

Framing take_packet(Buffer& stream, Buffer& raw) {
    std::size_t size_bytes = 0;
    std::size_t header_bytes = 1;
    for (;; ++header_bytes) {
        if (header_bytes > 4) {
            raw = std::exchange(stream, {});
            return Framing::broken;
        }
        if (stream.size() <= header_bytes) return Framing::need_more;
        const auto byte = std::to_integer<std::size_t>(stream[header_bytes]);
        size_bytes |= (byte & 0x7FU) << (7U * (header_bytes - 1));
        if ((byte & 0x80U) == 0) break;
    }
    const auto total_bytes = 1 + header_bytes + size_bytes;
    if (stream.size() < total_bytes) return Framing::need_more;
    const auto end = stream.begin() + static_cast<std::ptrdiff_t>(total_bytes);
    raw.assign(stream.begin(), end);
    stream.erase(stream.begin(), end);
    return Framing::packet;
}

std::string describe(const Packet& packet) {
    std::string text{name_of(packet.type)};
    if (packet.is_decodable) {
        text += describe_body(packet) + describe_properties(packet.properties);
    } else {
        text += " " + std::to_string(packet.raw.size()) + " B";
    }
    for (const auto& fault : packet.faults) text += " (" + fault.text + ")";
    return text;
}

std::string describe_code(std::uint8_t code, ProtocolVersion version) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "0x";
    text += digits[code >> 4U];
    text += digits[code & 15U];
    if (version == ProtocolVersion::v5 && is_reason_code(code)) {
        text += ' ';
        text += name_of(static_cast<ReasonCode>(code));
    }
    return text;
}

std::string printable(std::string_view text, std::size_t limit) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char character : text.substr(0, limit)) {
        const auto value = static_cast<unsigned char>(character);
        if (value >= 0x20 && value < 0x7F && character != '\\') {
            out += character;
        } else {
            out += "\\x";
            out += digits[value >> 4U];
            out += digits[value & 15U];
        }
    }
    if (text.size() > limit) out += "…";
    return out;
}

Utf8 judge_utf8(std::string_view text) {
    bool has_null = false;
    std::size_t i = 0;
    const auto at = [&](std::size_t index) {
        return index < text.size() ? static_cast<unsigned char>(text[index]) : 0U;
    };
    const auto is_continuation = [&](std::size_t index, unsigned low = 0x80, unsigned high = 0xBF) {
        return at(index) >= low && at(index) <= high;
    };
    while (i < text.size()) {
        const unsigned lead = at(i);
        if (lead < 0x80) {
            has_null = has_null || lead == 0;
            i += 1;
        } else if (lead >= 0xC2 && lead <= 0xDF) {
            if (!is_continuation(i + 1)) return Utf8::ill_formed;
            i += 2;
        } else if (lead >= 0xE0 && lead <= 0xEF) {
            const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;   // below: overlong
            const unsigned high = lead == 0xED ? 0x9F : 0xBF;  // above: surrogates
            if (!is_continuation(i + 1, low, high)) return Utf8::ill_formed;
            if (!is_continuation(i + 2)) return Utf8::ill_formed;
            i += 3;
        } else if (lead >= 0xF0 && lead <= 0xF4) {
            const unsigned low = lead == 0xF0 ? 0x90 : 0x80;   // below: overlong
            const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;  // above: beyond U+10FFFF
            if (!is_continuation(i + 1, low, high)) return Utf8::ill_formed;
            if (!is_continuation(i + 2) || !is_continuation(i + 3)) return Utf8::ill_formed;
            i += 4;
        } else {
            return Utf8::ill_formed;
        }
    }
    return has_null ? Utf8::contains_null : Utf8::well_formed;
}

bool is_listed_code(PacketType type, std::uint8_t code) {
    using enum PacketType;
    const auto is_one_of = [code](std::initializer_list<int> codes) {
        return std::ranges::find(codes, static_cast<int>(code)) != codes.end();
    };
    switch (type) {
        case connack:
            return is_one_of({0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
                              0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F});
        case puback:
        case pubrec: return is_one_of({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99});
        case pubrel:
        case pubcomp: return is_one_of({0x00, 0x92});
        case suback:
            return is_one_of(
                {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2});
        case unsuback: return is_one_of({0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91});
        case disconnect:
            return is_one_of({0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E,
                              0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A,
                              0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2});
        case auth: return is_one_of({0x00, 0x18});
        case reserved:
        case PacketType::connect:
        case publish:
        case subscribe:
        case unsubscribe:
        case pingreq:
        case pingresp: return false;
    }
    return false;
}

}  // namespace touchstone::conformance
