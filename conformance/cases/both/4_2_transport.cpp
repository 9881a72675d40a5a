// §4.2 of 5.0, §7.1 of 3.1.1: the transport.
#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

CASE("v5/MQTT-4.2.0-1 v3.1.1/MQTT-7.1.1-1",
     "the transport is ordered and loses nothing, also when it carries much at once",
     needs.qos(1)) {
    constexpr std::size_t payload_bytes = 50'000;
    constexpr int count = 8;
    auto client = peer("client").connect().acknowledging().subscribe("t", QoS::at_least_once);
    const auto payload_of = [](int number) {
        std::string payload(payload_bytes, '\0');
        for (std::size_t i = 0; i < payload.size(); ++i) {
            payload[i] = static_cast<char>((i * 31 + static_cast<std::size_t>(number)) & 0xFFU);
        }
        return payload;
    };
    for (int i = 0; i < count; ++i) {
        client.send_publish({.topic = "t", .qos = QoS::at_least_once, .payload = payload_of(i)});
    }
    for (int i = 0; i < count; ++i) {
        client.expect_publish({.topic = "t", .payload = payload_of(i)});
    }
    for (int i = 0; i < count; ++i) client.expect(PacketType::puback);
}

}  // namespace touchstone::conformance
