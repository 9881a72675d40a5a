// Broken brokers: Keep Alive, takeover, DISCONNECT.
#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

void add_ending(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    add({.name = "keep_alive_ignored",
         .story = "silent clients are never disconnected",
         .breaks = {"v5/MQTT-3.1.2-22", "v3.1.1/MQTT-3.1.2-24"},
         .options = with_defect(Defect::keep_alive_ignored)});
    add({.name = "keep_alive_halved",
         .story = "clients are disconnected after half of their Keep Alive",
         .breaks = {"v5/MQTT-3.1.2-22:any-packet", "v5/MQTT-3.2.2-22",
                    "v3.1.1/MQTT-3.1.2-24:any-packet", "v3.1.1/MQTT-3.1.2-24:long",
                    "v3.1.1/MQTT-3.1.2-24:off", "v5/MQTT-3.1.2-22:off"},
         .on_client = connect_as([](Packet& packet) {
             packet.keep_alive_s = static_cast<std::uint16_t>(packet.keep_alive_s / 4);
             if (packet.keep_alive_s == 0) packet.keep_alive_s = 1;
         })});
    add({.name = "no_takeover",
         .story = "two connections of one client live side by side",
         .breaks = {"v5/MQTT-3.1.4-3", "v3.1.1/MQTT-3.1.4-2"},
         .options = with_defect(Defect::no_takeover)});
    add({.name = "takeover_without_close",
         .story = "after DISCONNECT the broker does not close",
         .breaks = {"v5/MQTT-3.1.4-3", "v5/MQTT-3.14.2-1", "v5/MQTT-4.13.1-1", "v5/MQTT-3.14.4-2"},
         .on_broker = on(disconnect, [](Packet&, Wire& wire) { wire.keep_alive_for_ever(); })});
    add({.name = "packet_after_disconnect",
         .story = "a packet follows the broker's DISCONNECT",
         .breaks = {"v5/MQTT-3.14.2-1", "v5/MQTT-3.14.4-1"},
         .on_broker = on(disconnect, [](Packet& packet, Wire& wire) {
             wire.to_client(packet.raw);
             wire.to_client(hex("d0 00"));
             return false;
         })});
    add({.name = "disconnect_with_session_expiry",
         .story = "the broker's DISCONNECT has a Session Expiry Interval",
         .breaks = {"v5/MQTT-3.14.2-1", "v5/MQTT-3.14.2-2"},
         .on_broker = on(disconnect, [](Packet& packet, Wire&) {
             packet.raw = hex("e0 07 82 05 11 00 00 00 01");
         })});
    add({.name = "disconnect_with_client_code",
         .story = "the broker's DISCONNECT has a code that only clients use",
         .breaks = {"v5/MQTT-3.14.2-1", "v5/MQTT-3.1.4-3"},
         .on_broker = on(disconnect, [](Packet& packet, Wire&) { packet.raw = hex("e0 01 04"); })});
    add({.name = "disconnect_before_connack",
         .story = "a refused CONNECT is answered with DISCONNECT",
         .breaks = {"v5/MQTT-3.14.0-1"},
         .on_client = [](Packet& packet, Wire& wire) {
             if (wire.memory["first"]++ == 0 && !is_sound(packet)) wire.to_client(hex("e0 01 81"));
             return true;
         }});
    add({.name = "disconnect_without_code",
         .story = "errors are answered with DISCONNECT 0x80 (non-strict)",
         .breaks = {"v5/MQTT-3.1.4-3"},
         .on_broker = on(disconnect, [](Packet& packet, Wire&) { packet.raw = hex("e0 01 80"); })});
    add({.name = "client_disconnect_ignored",
         .story = "a client's DISCONNECT does not end its connection",
         .breaks = {"v5/MQTT-4.13.2-1:client", "v5/MQTT-3.14.4-3", "v3.1.1/MQTT-3.14.4-3",
                    "v3.1.1/X3-06", "v5/X5-86"},
         .on_client = on(disconnect, [](Packet&, Wire&) { return false; })});
}

}  // namespace touchstone::conformance::mutants
