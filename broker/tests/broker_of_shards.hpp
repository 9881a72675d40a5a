// What the tests of the core share: a node of one, two and four shards, clients that are sent and
// answered by hand, and the packets they got as short texts.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/tests/rig.hpp"

namespace touchstone {

using Peer = Rig::Peer;
using wire::PropertyId;

struct ConnectWith {
    ProtocolVersion version = ProtocolVersion::v5;
    bool clean_start = true;
    std::uint16_t keep_alive_s = 0;
    std::uint32_t session_expiry_s = 0;
    std::uint16_t receive_maximum = 65'535;
    std::optional<wire::Will> will{};
    std::optional<std::string_view> user_name{};
    std::optional<std::string_view> password{};
    access::Origin origin{};
    std::string_view method{};  // of enhanced authentication
    std::string_view data{};
    bool asks_for_response_information = false;
};

/// The Control Packets the broker has sent since the last look, as short texts:
/// "PUBLISH q1 t=payload dup retain id=1".
inline std::vector<std::string> seen(Peer& peer) {
    std::vector<std::string> texts;
    Bytes rest = peer.unread;
    while (true) {
        const auto frame =
            wire::take_frame(rest, wire::packet_size_bytes_max, peer.version).value();
        if (!frame) break;
        std::string text{name_of(frame->type)};
        using enum wire::PacketType;
        switch (frame->type) {
            case connack: {
                const auto packet = wire::decode_connack(*frame, peer.version).value();
                text += packet.session_present ? " resumed " : " ";
                text += name_of(packet.reason);
                if (const auto data = packet.properties.binary(PropertyId::authentication_data))
                    text += " " + std::string{as_text(*data)};
                break;
            }
            case publish: {
                const auto packet = wire::decode_publish(*frame, peer.version).value();
                text += " q" + std::to_string(static_cast<int>(packet.qos)) + " " +
                        std::string{packet.topic} + "=" + std::string{as_text(packet.payload)};
                if (packet.dup) text += " dup";
                if (packet.retain) text += " retain";
                if (packet.packet_id) text += " id=" + std::to_string(packet.packet_id->raw());
                packet.properties.for_each([&](const wire::Property& property) {
                    if (property.id == PropertyId::subscription_identifier)
                        text += " sub=" + std::to_string(property.integer);
                    if (property.id == PropertyId::message_expiry_interval)
                        text += " expiry=" + std::to_string(property.integer);
                });
                break;
            }
            case puback:
            case pubrec:
            case pubrel:
            case pubcomp: {
                const auto packet = wire::decode_ack(*frame, peer.version).value();
                text += " " + std::to_string(packet.packet_id.raw());
                if (packet.reason != ReasonCode::success)
                    text += " " + std::string{name_of(packet.reason)};
                break;
            }
            case suback: {
                const auto packet = wire::decode_suback(*frame, peer.version).value();
                for (const auto reason : packet.reasons)
                    text += " " + std::to_string(std::to_integer<int>(reason));
                break;
            }
            case auth: {
                const auto packet = wire::decode_auth(*frame).value();
                text += " " + std::string{name_of(packet.reason)};
                if (const auto data = packet.properties.binary(PropertyId::authentication_data))
                    text += " " + std::string{as_text(*data)};
                break;
            }
            case disconnect: {
                const auto packet = wire::decode_disconnect(*frame, peer.version).value();
                text += " " + std::string{name_of(packet.reason)};
                break;
            }
            default: break;
        }
        texts.push_back(std::move(text));
    }
    peer.unread.clear();
    return texts;
}

using Texts = std::vector<std::string>;

class broker_of_shards : public testing::TestWithParam<unsigned> {
protected:
    void SetUp() override { rig = make({}); }
    [[nodiscard]] std::unique_ptr<Rig> make(Settings settings, Defects defects = {}) const {
        return std::make_unique<Rig>(
            Rig::Options{.shards = GetParam(), .settings = settings, .defects = defects});
    }

    Peer& connect(std::string_view id, const ConnectWith& with = {}) {
        auto& peer = rig->open(0, with.origin);
        peer.version = with.version;
        wire::PropertiesWriter properties;
        if (with.version == ProtocolVersion::v5) {
            if (with.session_expiry_s != 0)
                properties.put_integer(PropertyId::session_expiry_interval, with.session_expiry_s);
            properties.put_integer(PropertyId::receive_maximum, with.receive_maximum);
            if (with.asks_for_response_information)
                properties.put_integer(PropertyId::request_response_information, 1);
            if (!with.method.empty())
                properties.put_text(PropertyId::authentication_method, with.method);
            if (!with.data.empty())
                properties.put_binary(PropertyId::authentication_data, as_bytes(with.data));
        }
        Buffer bytes;
        wire::encode(bytes, wire::Connect{.version = with.version,
                                          .clean_start = with.clean_start,
                                          .keep_alive_s = with.keep_alive_s,
                                          .client_id = id,
                                          .will = with.will,
                                          .user_name = with.user_name,
                                          .password = with.password
                                                          ? std::optional{as_bytes(*with.password)}
                                                          : std::nullopt,
                                          .properties = properties.view()});
        rig->send(peer, bytes);
        rig->settle();
        return peer;
    }
    Peer& connected(std::string_view id, const ConnectWith& with = {}) {
        auto& peer = connect(id, with);
        EXPECT_EQ(seen(peer), Texts{"CONNACK success"});
        return peer;
    }
    void subscribe(Peer& peer, std::string_view filter, QoS qos,
                   wire::SubscriptionOptions options = {}, std::uint32_t identifier = 0) {
        options.qos = qos;
        Buffer entries;
        wire::put_subscription(entries, {filter, options}, peer.version);
        wire::PropertiesWriter properties;
        if (identifier != 0)
            properties.put_integer(PropertyId::subscription_identifier, identifier);
        Buffer bytes;
        wire::encode(bytes,
                     wire::Subscribe{.packet_id = id(900),
                                     .properties = properties.view(),
                                     .entries = entries,
                                     .entry_count = 1,
                                     .version = peer.version},
                     peer.version);
        rig->send(peer, bytes);
        rig->settle();
    }
    void subscribed(Peer& peer, std::string_view filter, QoS qos) {
        subscribe(peer, filter, qos);
        EXPECT_EQ(seen(peer), Texts{"SUBACK " + std::to_string(static_cast<int>(qos))});
    }
    void publish(Peer& peer, wire::Publish packet) {
        Buffer bytes;
        wire::encode(bytes, packet, peer.version);
        rig->send(peer, bytes);
        rig->settle();
    }
    void publish(Peer& peer, std::string_view topic, std::string_view payload, QoS qos,
                 std::uint16_t packet_id = 0, bool retain = false) {
        publish(peer, {.qos = qos,
                       .retain = retain,
                       .topic = topic,
                       .packet_id = packet_id == 0 ? std::optional<wire::PacketId>{}
                                                   : std::optional{id(packet_id)},
                       .payload = as_bytes(payload)});
    }
    void ack(Peer& peer, wire::PacketType type, std::uint16_t packet_id) {
        Buffer bytes;
        wire::encode(bytes, type, {.packet_id = id(packet_id)}, peer.version);
        rig->send(peer, bytes);
        rig->settle();
    }
    void disconnect(Peer& peer, ReasonCode reason = ReasonCode::success) {
        Buffer bytes;
        wire::encode(bytes, wire::Disconnect{.reason = reason}, peer.version);
        rig->send(peer, bytes);
        rig->settle();
    }
    static wire::PacketId id(std::uint16_t raw) { return wire::PacketId::from_wire(raw).value(); }

    std::unique_ptr<Rig> rig;
};

}  // namespace touchstone
