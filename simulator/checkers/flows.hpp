// The QoS 1 and 2 flows of one direction, from the broker to its clients or from clients to it,
// followed packet by packet: what several checkers have to know in the same way.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "simulator/checkers/history.hpp"

namespace touchstone::simulator {

/// The well-formed packet that the broker sent with this entry; null for every other entry.
[[nodiscard]] const TracedPacket* sent_by_broker(const Trace& trace, const TraceEntry& entry);
/// The well-formed packet that the broker took with this entry.
[[nodiscard]] const TracedPacket* taken_by_broker(const Trace& trace, const TraceEntry& entry);
/// The well-formed packet that a client sent with this entry.
[[nodiscard]] const TracedPacket* sent_by_client(const Trace& trace, const TraceEntry& entry);
/// The well-formed packet that a client took with this entry.
[[nodiscard]] const TracedPacket* taken_by_client(const Trace& trace, const TraceEntry& entry);

struct Flow {
    std::uint16_t packet_id = 0;
    std::uint32_t message = no_message;
    std::string topic;
    QoS qos = QoS::at_least_once;
    bool is_released = false;     // PUBREC came
    ConnectionNumber connection;  // of the last PUBLISH
    std::uint32_t sends = 0;      // PUBLISHes on that connection
};

/// Both directions in which PUBLISHes go: what holds for one sender holds for the other.
inline constexpr std::array both_flow_directions{Direction::to_client, Direction::to_broker};

class FlowTracker {
public:
    /// `direction`: where the PUBLISHes go.
    explicit FlowTracker(Direction direction = Direction::to_client) : direction_{direction} {}

    enum class What : std::uint8_t {
        nothing,
        started,             // first transmission
        started_in_use,      // … with the Packet Identifier of another unfinished flow
        started_with_dup,    // … with DUP 1
        resent,              // same identifier, same message
        resent_without_dup,  // … with DUP 0
        resent_released,     // … although PUBREC had come
        released,            // PUBREC
        finished,            // PUBACK, PUBCOMP, or a PUBREC that refuses
    };
    struct Observation {
        What what = What::nothing;
        std::uint32_t session = no_session;
        std::uint32_t sender = 0;  // whose Packet Identifiers they are: a session, or a client
        Flow flow;                 // as it is after the packet, or was when it finished
        const TracedPacket* packet = nullptr;
    };

    /// To be called for every entry in order. A flow that starts is unfinished before the call
    /// returns.
    Observation step(const Trace& trace, const History& history, const TraceEntry& entry);

    /// Of the sender (to clients: the session's number, to the broker: the client's actor), in the
    /// order of the first transmission.
    [[nodiscard]] const std::vector<Flow>& unfinished(std::uint32_t sender) {
        return flows_[sender];
    }

private:
    Observation on_publish(std::uint32_t sender, const TracedPacket& packet);
    Observation on_answer(std::uint32_t sender, const TracedPacket& packet);

    Direction direction_;
    std::map<Actor, ConnectionNumber> newest_;  // what a client hears on an older one is nothing
    std::set<Actor> scripted_;                  // clients that are told what to send: not followed
    std::map<std::uint32_t, std::vector<Flow>> flows_;
};

/// "to 'subscriber'" for a flow of the broker, "by 'publisher'" for a client's.
[[nodiscard]] std::string whose(const History& history, const FlowTracker::Observation& seen);
/// "3 (id 7)" for messages: their label and Packet Identifier.
[[nodiscard]] std::string describe(const Trace& trace, const Flow& flow);
/// The message's label; "a message" for one that nobody published.
[[nodiscard]] std::string label_of(const Trace& trace, std::uint32_t message);

}  // namespace touchstone::simulator
