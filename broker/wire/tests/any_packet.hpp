// One type for whatever a Frame holds, for tests and the fuzzer: decode and encode without asking
// for the packet's type.
#pragma once

#include <variant>

#include "broker/base/check.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone::wire {

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
struct TypedAck {
    PacketType type;
    Ack ack;
    friend bool operator==(const TypedAck&, const TypedAck&) = default;
};

/// SUBACK or UNSUBACK.
struct TypedSubscribeAck {
    PacketType type;
    SubscribeAck ack;
    friend bool operator==(const TypedSubscribeAck&, const TypedSubscribeAck&) = default;
};

/// PINGREQ or PINGRESP.
struct Ping {
    PacketType type;
    friend bool operator==(const Ping&, const Ping&) = default;
};

using AnyPacket = std::variant<Connect, Connack, Publish, TypedAck, Subscribe, TypedSubscribeAck,
                               Unsubscribe, Ping, Disconnect, Auth>;

/// A view like the packet in it. AUTH is decoded by v5's rules in every version: take_frame refuses
/// it before.
inline Result<AnyPacket> decode_any(const Frame& frame, ProtocolVersion version, Sender sender) {
    switch (frame.type) {
        case PacketType::connect: {
            BOOST_OUTCOME_TRY(const auto packet, decode_connect(frame));
            return AnyPacket{packet};
        }
        case PacketType::connack: {
            BOOST_OUTCOME_TRY(const auto packet, decode_connack(frame, version));
            return AnyPacket{packet};
        }
        case PacketType::publish: {
            BOOST_OUTCOME_TRY(const auto packet, decode_publish(frame, version, sender));
            return AnyPacket{packet};
        }
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp: {
            BOOST_OUTCOME_TRY(const auto packet, decode_ack(frame, version, sender));
            return AnyPacket{TypedAck{frame.type, packet}};
        }
        case PacketType::subscribe: {
            BOOST_OUTCOME_TRY(const auto packet, decode_subscribe(frame, version));
            return AnyPacket{packet};
        }
        case PacketType::suback: {
            BOOST_OUTCOME_TRY(const auto packet, decode_suback(frame, version));
            return AnyPacket{TypedSubscribeAck{frame.type, packet}};
        }
        case PacketType::unsubscribe: {
            BOOST_OUTCOME_TRY(const auto packet, decode_unsubscribe(frame, version));
            return AnyPacket{packet};
        }
        case PacketType::unsuback: {
            BOOST_OUTCOME_TRY(const auto packet, decode_unsuback(frame, version));
            return AnyPacket{TypedSubscribeAck{frame.type, packet}};
        }
        case PacketType::pingreq:
        case PacketType::pingresp: {
            BOOST_OUTCOME_TRYV(decode_ping(frame, version));
            return AnyPacket{Ping{frame.type}};
        }
        case PacketType::disconnect: {
            BOOST_OUTCOME_TRY(const auto packet, decode_disconnect(frame, version, sender));
            return AnyPacket{packet};
        }
        case PacketType::auth: {
            BOOST_OUTCOME_TRY(const auto packet, decode_auth(frame, sender));
            return AnyPacket{packet};
        }
    }
    UNREACHABLE();
}

/// Appends `packet` in its encoded form.
class AnyEncoder {
public:
    AnyEncoder(Buffer& to, ProtocolVersion version) : to_{to}, version_{version} {}

    void operator()(const Connect& packet) { encode(to_, packet); }
    void operator()(const Connack& packet) { encode(to_, packet, version_); }
    void operator()(const Publish& packet) { encode(to_, packet, version_); }
    void operator()(const TypedAck& packet) { encode(to_, packet.type, packet.ack, version_); }
    void operator()(const Subscribe& packet) { encode(to_, packet, version_); }
    void operator()(const TypedSubscribeAck& packet) {
        if (packet.type == PacketType::suback) {
            encode_suback(to_, packet.ack, version_);
        } else {
            encode_unsuback(to_, packet.ack, version_);
        }
    }
    void operator()(const Unsubscribe& packet) { encode(to_, packet, version_); }
    void operator()(const Ping& packet) {
        if (packet.type == PacketType::pingreq) {
            encode_pingreq(to_);
        } else {
            encode_pingresp(to_);
        }
    }
    void operator()(const Disconnect& packet) { encode(to_, packet, version_); }
    void operator()(const Auth& packet) { encode(to_, packet); }

private:
    Buffer& to_;
    ProtocolVersion version_;
};

inline Buffer encoded(const AnyPacket& packet, ProtocolVersion version) {
    Buffer to;
    std::visit(AnyEncoder{to, version}, packet);
    return to;
}

}  // namespace touchstone::wire
