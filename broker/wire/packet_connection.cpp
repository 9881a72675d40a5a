// The packets about the Network Connection itself: PINGREQ, PINGRESP, DISCONNECT, AUTH
// (§3.12 – §3.15).
#include "broker/wire/codec.hpp"

namespace touchstone::wire {

Result<void> decode_ping(const Frame& frame, ProtocolVersion version) {
    CHECK(frame.type == PacketType::pingreq || frame.type == PacketType::pingresp);
    BOOST_OUTCOME_TRYV(check_flags(frame, version));
    return check_end(frame.body);
}

void encode_pingreq(Buffer& to) {
    Writer{to, PacketType::pingreq, 0, 0};
}

void encode_pingresp(Buffer& to) {
    Writer{to, PacketType::pingresp, 0, 0};
}

Result<Disconnect> decode_disconnect(const Frame& frame, ProtocolVersion version, Sender sender) {
    CHECK(frame.type == PacketType::disconnect);
    BOOST_OUTCOME_TRYV(check_flags(frame, version));
    auto rest = frame.body;
    Disconnect packet;
    if (version == ProtocolVersion::v5 && !rest.empty()) {  // short forms: §3.14.2.1, §3.14.2.2.1
        BOOST_OUTCOME_TRYV(take_reason(rest, PacketType::disconnect, sender, packet.reason));
        if (!rest.empty()) {
            BOOST_OUTCOME_TRY(packet.properties,
                              take_properties(rest, PacketType::disconnect, version, sender));
        }
    }
    BOOST_OUTCOME_TRYV(check_end(rest));
    return packet;
}

void encode(Buffer& to, const Disconnect& packet, ProtocolVersion version) {
    const bool has_properties = version == ProtocolVersion::v5 && !packet.properties.empty();
    const bool has_reason =
        version == ProtocolVersion::v5 && (has_properties || packet.reason != ReasonCode::success);
    const auto length = (has_reason ? 1U : 0U) +
                        (has_properties ? properties_size_bytes(packet.properties, version) : 0U);
    Writer writer{to, PacketType::disconnect, 0, length};
    if (has_reason) writer.put_u8(static_cast<std::uint8_t>(packet.reason));
    if (has_properties) writer.put_properties(packet.properties);
}

Result<Auth> decode_auth(const Frame& frame, Sender sender) {
    CHECK(frame.type == PacketType::auth);
    BOOST_OUTCOME_TRYV(check_flags(frame, ProtocolVersion::v5));
    auto rest = frame.body;
    Auth packet;
    // A Remaining Length of 0 means success without Properties (§3.15.2.1), which the missing
    // Authentication Method turns into an error below. For 1 there is no short form.
    if (!rest.empty()) {
        BOOST_OUTCOME_TRYV(take_reason(rest, PacketType::auth, sender, packet.reason));
        BOOST_OUTCOME_TRY(packet.properties,
                          take_properties(rest, PacketType::auth, ProtocolVersion::v5, sender));
    }
    BOOST_OUTCOME_TRYV(check_end(rest));
    if (!packet.properties.has(PropertyId::authentication_method))
        return ReasonCode::protocol_error;  // §3.15.2.2.2
    return packet;
}

void encode(Buffer& to, const Auth& packet) {
    const auto length = 1 + properties_size_bytes(packet.properties, ProtocolVersion::v5);
    Writer writer{to, PacketType::auth, 0, length};
    writer.put_u8(static_cast<std::uint8_t>(packet.reason));
    writer.put_properties(packet.properties);
}

}  // namespace touchstone::wire
