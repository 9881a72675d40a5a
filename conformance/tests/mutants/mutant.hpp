// Broken brokers, made of the reference broker and a middleman who changes packets on their way in
// or out. What a client packet says on its way in decides what a broker does: take No Local out of
// a SUBSCRIBE, and the broker is one that ignores it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conformance/packets/reader.hpp"
#include "conformance/targets/sim.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance {

/// What a change can do besides changing the packet it is shown.
class Wire {
public:
    virtual ~Wire() = default;
    virtual void to_broker(const Buffer& bytes) = 0;
    virtual void to_client(const Buffer& bytes) = 0;
    /// From now on the client does not notice that the broker closes, and its PINGREQs are
    /// answered.
    virtual void keep_alive_for_ever() = 0;
    /// A topic of the case or script whose client this is: "t" is t behind its word, which the
    /// Client Identifier has after its first character.
    [[nodiscard]] std::string topic(const std::string& last) const {
        constexpr std::size_t word_size = 10;
        return client_id.empty() ? last : client_id.substr(1, word_size) + '/' + last;
    }

    std::map<std::string, int> memory{};      // of this Network Connection
    std::map<std::string, int>* shared = {};  // of all connections of the case
    std::string client_id{};
    Buffer held{};  // a packet that is kept back
};

/// Sees a packet; changes `packet.raw` if it likes. False: the packet goes no further.
using Tamper = std::function<bool(Packet& packet, Wire& wire)>;

/// What a broker behind WebSocket does wrong with it (§6).
enum class FrameDefect : std::uint8_t {
    none,
    text_is_taken,
    text_is_ignored,
    text_is_sent,            // PINGRESP comes in a text frame
    ping_closes,             // a Ping frame ends the connection
    first_packet_only,       // of a frame
    whole_packets_only,      // what is not a whole packet at the end of a frame is lost
    first_fragment_only,     // of a message
    first_32767_bytes_only,  // of a frame
    mqtt_always_selected,    // though it was not offered
    first_offered_selected,
    nothing_selected,
};

struct Mutant {
    std::string name;
    std::string story;  // what the broken broker does
    /// The statements that it breaks. "v5/MQTT-3.1.2-8:delay" is the one case of a statement that
    /// has to notice; see cases_naming() in trial.hpp.
    std::vector<std::string> breaks{};
    Tamper on_client{};                   // for packets on their way to the broker
    Tamper on_broker{};                   // for packets on their way to the client
    SimOptions options{};                 // the reference broker behind it, in any condition
    std::optional<FrameDefect> frames{};  // it is reached over WebSocket
    bool announces_limits = false;        // its CONNACK says other limits than the broker's own
};

/// The broken broker. `mutant` has to outlive it.
[[nodiscard]] std::unique_ptr<TargetSource> make_mutant_source(const Mutant& mutant);

/// All of them, each under a name of its own.
[[nodiscard]] const std::vector<Mutant>& all_mutants();

}  // namespace touchstone::conformance
