// §3.12 PINGREQ and §3.13 PINGRESP.
#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

CASE("v5/MQTT-3.12.4-1 v3.1.1/MQTT-3.12.4-1", "each PINGREQ is answered with one PINGRESP") {
    auto client = peer("client").connect();
    client.send(build_pingreq()).send(build_pingreq()).send(build_pingreq());
    for (int i = 0; i < 3; ++i) client.expect(PacketType::pingresp);
    // A fourth answer to three requests would be noticed here.
    client.expect_nothing_by_ping();
}

}  // namespace touchstone::conformance
