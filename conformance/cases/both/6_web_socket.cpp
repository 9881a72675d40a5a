// §6: MQTT over WebSocket. That what the broker sends is in binary frames is watched in every case.
#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using Kind = WebSocketMessage::Kind;

WebSocketMessage in_one_frame(Buffer bytes, Kind kind = Kind::binary) {
    return {.kind = kind, .fragments = {std::move(bytes)}};
}

/// `bytes` cut at `places`, which are ascending.
std::vector<Buffer> cut(const Buffer& bytes, std::initializer_list<std::size_t> places) {
    std::vector<Buffer> pieces;
    std::size_t begin = 0;
    const auto add = [&](std::size_t end) {
        pieces.emplace_back(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                            bytes.begin() + static_cast<std::ptrdiff_t>(end));
        begin = end;
    };
    for (const auto place : places) add(place);
    add(bytes.size());
    return pieces;
}

std::vector<WebSocketMessage> in_frames_of_their_own(const std::vector<Buffer>& pieces) {
    std::vector<WebSocketMessage> messages;
    for (const auto& piece : pieces) messages.push_back(in_one_frame(piece));
    return messages;
}

Buffer joined(std::initializer_list<Draft> packets) {
    Buffer all;
    for (const auto& packet : packets) append(all, packet.bytes());
    return all;
}

}  // namespace

CASE("v5/MQTT-6.0.0-1 v3.1.1/MQTT-6.0.0-1", "a CONNECT in a text frame ends the connection",
     needs.frames()) {
    auto client = peer("client").open();
    const auto connect = client.connect_packet();
    client.send({in_one_frame(connect.bytes(), Kind::text)});
    auto end = client.wait_for_close(now() + tolerances().close_before_asking());
    if (!end.is_closed && !end.connack.has_value()) {
        step("does it still live? A CONNECT as it should be shows it");
        client.send(connect);
        end = client.wait_for_close(now() + tolerances().answer());
    }
    demand(!end.connack.has_value(), "a close",
           end.connack.has_value() ? describe(*end.connack) : "");
    demand(end.is_closed, "a close", "no close");
}

CASE("v5/MQTT-6.0.0-1:publish v3.1.1/MQTT-6.0.0-1:publish",
     "a PUBLISH in a text frame ends the connection, and goes nowhere", needs.frames()) {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    auto client = peer("client").connect();
    // All bytes are below 0x80: as a text it is well-formed UTF-8.
    client.send({in_one_frame(client.publish_packet({.topic = "t", .payload = "text"}).bytes(),
                              Kind::text)});
    client.expect_transport_close();
    subscriber.expect_nothing();
}

CASE("v5/MQTT-6.0.0-1:answers v3.1.1/MQTT-6.0.0-1:answers",
     "what the broker sends is in binary frames", needs.frames()) {
    auto client = peer("client").connect().subscribe("t");
    client.publish("t", QoS::at_most_once, "a").expect_publish({.topic = "t", .payload = "a"});
    client.ping().disconnect();
}

CASE("v5/MQTT-6.0.0-1:ping-frame v3.1.1/MQTT-6.0.0-1:ping-frame",
     "a Ping frame is no data frame: the connection lives on", needs.frames()) {
    auto client = peer("client").connect();
    client.send({in_one_frame(Buffer{std::byte{'p'}}, Kind::ping)});
    client.ping();
}

CASE("v5/MQTT-6.0.0-2 v3.1.1/MQTT-6.0.0-2", "a CONNECT may come in frames of one byte each",
     needs.frames()) {
    auto client = peer("client").open();
    std::vector<WebSocketMessage> messages;
    for (const auto byte : client.connect_packet().bytes()) {
        messages.push_back(in_one_frame(Buffer{byte}));
    }
    client.send(messages);
    const auto connack = client.expect(PacketType::connack);
    demand(connack.reason_code == 0, "CONNACK with code 0", describe(connack));
    client.ping();
}

CASE("v5/MQTT-6.0.0-2:merged v3.1.1/MQTT-6.0.0-2:merged",
     "one frame may hold several Control Packets", needs.frames()) {
    auto client = peer("client").connect();
    client.send({in_one_frame(joined(
        {client.subscribe_packet({{"t"}}), client.publish_packet({.topic = "t", .payload = "a"}),
         client.publish_packet({.topic = "t", .payload = "b"}), build_pingreq()}))});
    client.expect(PacketType::suback);
    client.expect_publish({.topic = "t", .payload = "a"});
    client.expect_publish({.topic = "t", .payload = "b"});
    client.expect(PacketType::pingresp);
}

CASE("v5/MQTT-6.0.0-2:with-connect v3.1.1/MQTT-6.0.0-2:with-connect",
     "one frame may hold CONNECT and what comes after it", needs.frames()) {
    auto client = peer("client").open();
    const auto connect = client.connect_packet();
    client.send(
        {in_one_frame(joined({connect, client.subscribe_packet({{"t"}}), build_pingreq()}))});
    const auto connack = client.expect(PacketType::connack);
    demand(connack.reason_code == 0, "CONNACK with code 0", describe(connack));
    client.expect(PacketType::suback);
    client.expect(PacketType::pingresp);
}

CASE("v5/MQTT-6.0.0-2:across v3.1.1/MQTT-6.0.0-2:across",
     "a frame may hold the end of one Control Packet and the beginning of the next",
     needs.frames()) {
    auto client = peer("client").connect().subscribe("t");
    const auto first = client.publish_packet({.topic = "t", .payload = "first"}).bytes();
    const auto second = client.publish_packet({.topic = "t", .payload = "second"}).bytes();
    Buffer both = first;
    append(both, second);
    client.send(in_frames_of_their_own(cut(both, {1, first.size() - 2, first.size() + 1})));
    client.expect_publish({.topic = "t", .payload = "first"});
    client.expect_publish({.topic = "t", .payload = "second"});
}

CASE("v5/MQTT-6.0.0-2:fragmented v3.1.1/MQTT-6.0.0-2:fragmented",
     "a Control Packet may come in the fragments of one message", needs.frames()) {
    auto client = peer("client").connect().subscribe("t");
    const auto bytes = client.publish_packet({.topic = "t", .payload = "whole"}).bytes();
    client.send({{.kind = Kind::binary, .fragments = cut(bytes, {1, 2, bytes.size() - 3})}});
    client.expect_publish({.topic = "t", .payload = "whole"});
}

CASE("v5/MQTT-6.0.0-2:large v3.1.1/MQTT-6.0.0-2:large",
     "the length of a frame may take 16 bits, and its packets end where they end", needs.frames()) {
    auto client = peer("client").connect().subscribe("t");
    const std::string payload(40'000, 'x');
    const auto bytes = joined({client.publish_packet({.topic = "t", .payload = payload}),
                               client.publish_packet({.topic = "t", .payload = "after"})});
    client.send(in_frames_of_their_own(cut(bytes, {35'000})));
    client.expect_publish({.topic = "t", .payload = payload});
    client.expect_publish({.topic = "t", .payload = "after"});
}

CASE("v5/MQTT-6.0.0-3 v3.1.1/MQTT-6.0.0-3", "no subprotocol is selected that was not offered",
     needs.frames()) {
    const std::vector<std::vector<std::string>> offers{{}, {"chat"}};
    for (const auto& offered : offers) {
        const auto handshake = shake_hands(offered);
        if (!handshake.problem.empty()) continue;  // It may refuse: the client has to offer "mqtt".
        const bool is_offered = !handshake.subprotocol.has_value() ||
                                (!offered.empty() && *handshake.subprotocol == offered.front());
        demand(is_offered, "no Sec-WebSocket-Protocol, or no WebSocket",
               "'" + handshake.subprotocol.value_or("") + "'");
        observed("a WebSocket without the subprotocol 'mqtt' is begun");
    }
}

CASE("v5/MQTT-6.0.0-4 v3.1.1/MQTT-6.0.0-4", "the subprotocol that the broker selects is \"mqtt\"",
     needs.frames()) {
    const std::vector<std::vector<std::string>> offers{
        {"mqtt"}, {"mqtt", "chat"}, {"chat", "mqtt"}};
    for (const auto& offered : offers) {
        const auto handshake = shake_hands(offered);
        demand(handshake.problem.empty(), "a WebSocket", handshake.problem);
        demand(handshake.subprotocol == "mqtt", "the subprotocol 'mqtt'",
               handshake.subprotocol.has_value() ? "'" + *handshake.subprotocol + "'" : "none");
    }
}

}  // namespace touchstone::conformance
