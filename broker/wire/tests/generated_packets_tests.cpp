// Packets that nobody thought of: drawn by RapidCheck, encoded, decoded, cut, bent.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <set>

#include "broker/wire/tests/decoding.hpp"
#include "broker/wire/tests/spec_tables.hpp"

namespace touchstone::wire {
namespace {

/// 0 … bound - 1, all as likely: RapidCheck's own ranges begin small and grow.
int below(int bound) {
    return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, bound));
}

void put_character(std::string& to, std::uint32_t code_point) {
    const auto put = [&to](std::uint32_t byte) { to += static_cast<char>(byte); };
    if (code_point < 0x80) return put(code_point);
    if (code_point < 0x800) {
        put(0xC0U | code_point >> 6U);
    } else {
        if (code_point < 0x1'0000) {
            put(0xE0U | code_point >> 12U);
        } else {
            put(0xF0U | code_point >> 18U);
            put(0x80U | (code_point >> 12U & 0x3FU));
        }
        put(0x80U | (code_point >> 6U & 0x3FU));
    }
    put(0x80U | (code_point & 0x3FU));
}

/// Draws packets. Owns what their views point to.
class PacketMaker {
public:
    explicit PacketMaker(ProtocolVersion version) : version_{version} {}

    AnyPacket packet(PacketType type) {
        switch (type) {
            case PacketType::connect: return connect();
            case PacketType::connack: return connack();
            case PacketType::publish: return publish();
            case PacketType::puback:
            case PacketType::pubrec:
            case PacketType::pubrel:
            case PacketType::pubcomp: return ack(type);
            case PacketType::subscribe: return subscribe();
            case PacketType::suback:
            case PacketType::unsuback: return subscribe_ack(type);
            case PacketType::unsubscribe: return unsubscribe();
            case PacketType::pingreq:
            case PacketType::pingresp: return Ping{type};
            case PacketType::disconnect: return disconnect();
            case PacketType::auth:
                return Auth{.reason = reason(PacketType::auth),
                            .properties = properties("AUTH", PropertyId::authentication_method)};
        }
        UNREACHABLE();
    }

private:
    static bool flip() { return *rc::gen::arbitrary<bool>(); }
    static std::uint16_t two_bytes() { return *rc::gen::arbitrary<std::uint16_t>(); }

    /// Any string that is allowed, now and then a long one.
    std::string_view text(int length_min = 0, bool with_wildcards = true) {
        auto& text = texts_.emplace_back();
        const int length = below(20) == 0 ? 300 : length_min + below(12);
        constexpr std::uint32_t boundaries[] = {0x01,   0x7F,   0x80,   0x7FF,    0x800,    0xD7FF,
                                                0xE000, 0xFEFF, 0xFFFF, 0x1'0000, 0x10'FFFF};
        for (int i = 0; i < length; ++i) {
            const int pick = below(16);
            if (pick < 11) {
                put_character(text, boundaries[static_cast<std::size_t>(pick)]);
            } else if (pick < 14) {
                text += "/$a"[pick - 11];
            } else if (with_wildcards) {
                text += "+#"[pick - 14];
            }
        }
        if (static_cast<int>(text.size()) < length_min) text = "a";
        return text;
    }

    std::string_view topic() { return text(1, false); }

    Bytes binary() { return as_bytes(texts_.emplace_back(*rc::gen::arbitrary<std::string>())); }

    PacketId packet_id() {
        return PacketId::from_wire(static_cast<std::uint16_t>(1 + below(65'535))).value();
    }

    QoS qos() { return static_cast<QoS>(below(3)); }

    ReasonCode reason(PacketType type) {
        std::vector<ReasonCode> codes;
        for (const auto& row : spec::reason_code_rows) {
            if (!spec::who(row.places, name_of(type)).empty())
                codes.push_back(static_cast<ReasonCode>(row.code));
        }
        return codes[static_cast<std::size_t>(below(static_cast<int>(codes.size())))];
    }

    void put_value(PropertiesWriter& to, const spec::PropertyRow& row) {
        const auto id = static_cast<PropertyId>(row.id);
        switch (type_of(id)) {
            case PropertyType::byte:
                to.put_integer(id, static_cast<std::uint32_t>(below(2)));
                return;
            case PropertyType::two_byte_integer:
                to.put_integer(id, static_cast<std::uint32_t>(1 + below(65'535)));
                return;
            case PropertyType::four_byte_integer:
                to.put_integer(id, 1U | *rc::gen::arbitrary<std::uint32_t>());
                return;
            case PropertyType::variable_byte_integer: {
                constexpr std::uint32_t values[] = {1,      127,       128,       16'383,
                                                    16'384, 2'097'151, 2'097'152, 268'435'455};
                to.put_integer(id, values[below(8)]);
                return;
            }
            case PropertyType::string:
                to.put_text(id, id == PropertyId::response_topic ? topic() : text());
                return;
            case PropertyType::binary: to.put_binary(id, binary()); return;
            case PropertyType::string_pair: {
                const auto name = text();
                const auto value = text();
                to.put_pair(id, name, value);
                return;
            }
        }
    }

    /// Some of those allowed in `place` in random order, `needed` among them.
    Properties properties(std::string_view place, std::optional<PropertyId> needed = {}) {
        if (version_ != ProtocolVersion::v5) return {};
        auto& writer = writers_.emplace_back();
        std::set<int> given;
        const auto put = [&](const spec::PropertyRow& row) {
            const bool is_new = given.insert(row.id).second;
            const bool may_repeat = row.id == 0x26 || (row.id == 0x0B && place == "PUBLISH");
            if (is_new || may_repeat) put_value(writer, row);
        };
        std::vector<spec::PropertyRow> allowed;
        for (const auto& row : spec::property_rows) {
            if (spec::who(row.places, place).empty()) continue;
            allowed.push_back(row);
            if (static_cast<PropertyId>(row.id) == needed) put(row);
        }
        for (int count = below(8); count > 0; --count) {
            put(allowed[static_cast<std::size_t>(below(static_cast<int>(allowed.size())))]);
        }
        return writer.view();
    }

    Connect connect() {
        Connect packet{.version = version_,
                       .clean_start = flip(),
                       .keep_alive_s = two_bytes(),
                       .client_id = text()};
        if (flip()) {
            packet.will = Will{.qos = qos(), .retain = flip()};
            packet.will->topic = topic();
            packet.will->payload = binary();
            packet.will->properties = properties("WILL");
        }
        if (flip()) packet.user_name = text();
        const bool may_have_password =
            version_ == ProtocolVersion::v5 || packet.user_name.has_value();
        if (may_have_password && flip()) packet.password = binary();
        packet.properties = properties("CONNECT");
        if (packet.properties.has(PropertyId::authentication_data) &&
            !packet.properties.has(PropertyId::authentication_method))
            packet.properties = {};
        return packet;
    }

    Connack connack() {
        Connack packet;
        constexpr ReasonCode return_codes[] = {ReasonCode::success,
                                               ReasonCode::unsupported_protocol_version,
                                               ReasonCode::client_identifier_not_valid,
                                               ReasonCode::server_unavailable,
                                               ReasonCode::bad_user_name_or_password,
                                               ReasonCode::not_authorized};
        packet.reason =
            version_ == ProtocolVersion::v5 ? reason(PacketType::connack) : return_codes[below(6)];
        packet.session_present =
            version_ != ProtocolVersion::v3_1 && packet.reason == ReasonCode::success && flip();
        packet.properties = properties("CONNACK");
        return packet;
    }

    Publish publish() {
        Publish packet{.qos = qos(), .retain = flip(), .topic = topic()};
        if (packet.qos != QoS::at_most_once) {
            packet.dup = flip();
            packet.packet_id = packet_id();
        }
        const bool is_alias_alone = version_ == ProtocolVersion::v5 && below(4) == 0;
        if (is_alias_alone) packet.topic = {};
        packet.properties = properties(
            "PUBLISH", is_alias_alone ? std::optional{PropertyId::topic_alias} : std::nullopt);
        packet.payload = binary();
        return packet;
    }

    TypedAck ack(PacketType type) {
        TypedAck packet{type, {.packet_id = packet_id()}};
        if (version_ != ProtocolVersion::v5) return packet;
        packet.ack.reason = reason(type);
        packet.ack.properties = properties(name_of(type));
        return packet;
    }

    Subscribe subscribe() {
        Subscribe packet{
            .packet_id = packet_id(), .properties = properties("SUBSCRIBE"), .version = version_};
        auto& entries = buffers_.emplace_back();
        packet.entry_count = static_cast<std::size_t>(1 + below(4));
        for (std::size_t i = 0; i < packet.entry_count; ++i) {
            Subscription subscription{.filter = text(1), .options = {.qos = qos()}};
            if (version_ == ProtocolVersion::v5) {
                subscription.options.no_local =
                    flip() && !subscription.filter.starts_with("$share/");
                subscription.options.retain_as_published = flip();
                subscription.options.retain_handling = static_cast<std::uint8_t>(below(3));
            }
            put_subscription(entries, subscription, version_);
        }
        packet.entries = entries;
        return packet;
    }

    TypedSubscribeAck subscribe_ack(PacketType type) {
        TypedSubscribeAck packet{type, {.packet_id = packet_id()}};
        packet.ack.properties = properties(name_of(type));
        if (type == PacketType::unsuback && version_ != ProtocolVersion::v5) return packet;
        auto& reasons = buffers_.emplace_back();
        for (int count = 1 + below(4); count > 0; --count) {
            put_u8(reasons, version_ == ProtocolVersion::v5
                                ? static_cast<std::uint8_t>(reason(type))
                                : static_cast<std::uint8_t>(qos()));
        }
        packet.ack.reasons = reasons;
        return packet;
    }

    Unsubscribe unsubscribe() {
        Unsubscribe packet{.packet_id = packet_id(), .properties = properties("UNSUBSCRIBE")};
        auto& entries = buffers_.emplace_back();
        packet.entry_count = static_cast<std::size_t>(1 + below(4));
        for (std::size_t i = 0; i < packet.entry_count; ++i) put_string(entries, text(1));
        packet.entries = entries;
        return packet;
    }

    Disconnect disconnect() {
        if (version_ != ProtocolVersion::v5) return {};
        return {.reason = reason(PacketType::disconnect), .properties = properties("DISCONNECT")};
    }

    ProtocolVersion version_;
    std::deque<std::string> texts_;
    std::deque<Buffer> buffers_;
    std::deque<PropertiesWriter> writers_;
};

ProtocolVersion draw_version() {
    return all_versions[below(3)];
}

/// The types of `version`: all but AUTH before MQTT 5.0.
std::vector<PacketType> types_of(ProtocolVersion version) {
    std::vector<PacketType> types;
    const int last = version == ProtocolVersion::v5 ? 15 : 14;
    for (int type = 1; type <= last; ++type) types.push_back(static_cast<PacketType>(type));
    return types;
}

PacketType draw_type(ProtocolVersion version) {
    const auto types = types_of(version);
    return types[static_cast<std::size_t>(below(static_cast<int>(types.size())))];
}

/// What may be done with any bytes at all: they are packets, an error, or need more.
void survive(Bytes input, ProtocolVersion version) {
    while (true) {
        const auto frame = take_frame(input, packet_size_bytes_max, version);
        if (!frame.has_value() || !frame.value().has_value()) return;
        for (const auto sender : {Sender::client, Sender::server, Sender::anyone}) {
            const auto packet = decode_any(*frame.value(), version, sender);
            if (!packet.has_value()) continue;
            // Whatever is taken can be sent on, and is then taken again as the same packet.
            const auto bytes = encoded(packet.value(), version);
            const auto again = decode_bytes(bytes, version, sender);
            RC_ASSERT(again.has_value());
            RC_ASSERT(again.value() == packet.value());
        }
    }
}

RC_GTEST_PROP(generated_packet, is_the_same_after_encoding_and_decoding, ()) {
    const auto version = draw_version();
    PacketMaker maker{version};
    for (const auto type : types_of(version)) {
        const auto packet = maker.packet(type);
        const auto bytes = encoded(packet, version);
        const auto back = decode_bytes(bytes, version);
        RC_ASSERT(back.has_value());
        RC_ASSERT(back.value() == packet);
        RC_ASSERT(encoded(back.value(), version) == bytes);
    }
}

RC_GTEST_PROP(generated_packet, needs_more_in_every_proper_prefix, ()) {
    const auto version = draw_version();
    PacketMaker maker{version};
    for (const auto type : types_of(version)) {
        const auto bytes = encoded(maker.packet(type), version);
        for (std::size_t length = 0; length < bytes.size(); ++length) {
            auto input = Bytes{bytes}.first(length);
            const auto frame = take_frame(input, packet_size_bytes_max, version);
            RC_ASSERT(frame.has_value());
            RC_ASSERT(!frame.value().has_value());
            RC_ASSERT(input.size() == length);
            RC_ASSERT(announced_size_bytes(input).value_or(bytes.size()) == bytes.size());
        }
    }
}

RC_GTEST_PROP(generated_packet, survives_every_flipped_bit, ()) {
    const auto version = draw_version();
    PacketMaker maker{version};
    auto bytes = encoded(maker.packet(draw_type(version)), version);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        const auto mask = std::byte{1} << (bit % 8);
        bytes[bit / 8] ^= mask;
        survive(bytes, version);
        bytes[bit / 8] ^= mask;
    }
}

/// `body` behind a Fixed Header that fits it.
Buffer with_body(std::byte first, Bytes body) {
    Buffer bytes{first};
    put_variable_byte_integer(bytes, static_cast<std::uint32_t>(body.size()));
    append(bytes, body);
    return bytes;
}

RC_GTEST_PROP(generated_packet, survives_a_body_that_is_cut_or_goes_on, ()) {
    const auto version = draw_version();
    PacketMaker maker{version};
    const auto bytes = encoded(maker.packet(draw_type(version)), version);
    Bytes input = bytes;
    const auto frame = take_frame(input, packet_size_bytes_max, version).value();
    const auto body = frame->body;
    for (std::size_t length = 0; length < body.size(); ++length) {
        survive(with_body(bytes.front(), body.first(length)), version);
    }
    Buffer extended(body.begin(), body.end());
    append(extended, as_bytes(*rc::gen::nonEmpty(rc::gen::arbitrary<std::string>())));
    survive(with_body(bytes.front(), extended), version);
}

RC_GTEST_PROP(generated_packet, is_refused_with_a_byte_too_many_unless_that_is_payload, ()) {
    const auto version = draw_version();
    const auto type = draw_type(version);
    // The byte would be one more code of these.
    RC_PRE(type != PacketType::publish && type != PacketType::suback &&
           type != PacketType::unsuback);
    PacketMaker maker{version};
    const auto bytes = encoded(maker.packet(type), version);
    Bytes input = bytes;
    const auto frame = take_frame(input, packet_size_bytes_max, version).value();
    Buffer body(frame->body.begin(), frame->body.end());
    // In a short form the next byte would be the Reason Code or the Property Length: 0xFF is
    // neither, nor does it begin a string that would fit.
    body.push_back(std::byte{0xFF});
    RC_ASSERT(verdict_on(with_body(bytes.front(), body), version) != ReasonCode::success);
}

RC_GTEST_PROP(any_bytes, are_survived, (const std::vector<std::uint8_t>& raw)) {
    for (const auto version : all_versions) survive(std::as_bytes(std::span{raw}), version);
}

}  // namespace
}  // namespace touchstone::wire
