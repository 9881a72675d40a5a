// Broken brokers: MQTT over WebSocket (§6).
#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

void add_web_socket(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    const auto add_frames = [&add](const char* name, const char* story, FrameDefect defect,
                                   std::initializer_list<const char*> cases) {
        Mutant mutant{.name = name, .story = story, .frames = defect};
        for (const std::string one : cases) {
            mutant.breaks.push_back("v5/MQTT-6.0.0-" + one);
            mutant.breaks.push_back("v3.1.1/MQTT-6.0.0-" + one);
        }
        add(std::move(mutant));
    };
    using enum FrameDefect;
    add_frames("text_is_taken", "text frames are as good as binary ones", text_is_taken,
               {"1", "1:publish"});
    add_frames("text_is_ignored", "text frames are not looked at", text_is_ignored,
               {"1", "1:publish"});
    add_frames("text_is_sent", "PINGRESP comes in a text frame", text_is_sent, {"1:answers"});
    add_frames("ping_closes", "a Ping frame ends the connection", ping_closes, {"1:ping-frame"});
    add_frames("first_packet_only", "only the first Control Packet of a frame is seen",
               first_packet_only, {"2:merged", "2:with-connect"});
    add_frames("whole_packets_only", "a Control Packet has to be in one frame", whole_packets_only,
               {"2", "2:across", "2:fragmented", "2:large"});
    add_frames("first_fragment_only", "continuation frames are not looked at", first_fragment_only,
               {"2:fragmented"});
    add_frames("first_32767_bytes_only", "frames are cut at 32,767 bytes", first_32767_bytes_only,
               {"2:large"});
    add_frames("mqtt_always_selected", "the subprotocol is \"mqtt\", offered or not",
               mqtt_always_selected, {"3"});
    add_frames("first_offered_selected", "the subprotocol is the first that is offered",
               first_offered_selected, {"4"});
    add_frames("nothing_selected", "no subprotocol is selected", nothing_selected, {"4"});
}

}  // namespace touchstone::conformance::mutants
