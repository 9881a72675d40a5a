// The QoS 1 and 2 flows from the broker to its clients, followed packet by packet: what several
// checkers have to know in the same way.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "simulator/checkers/history.hpp"

namespace touchstone::simulator {

/// The well-formed packet that the broker sent with this entry; null for every other entry.
[[nodiscard]] const TracedPacket* sent_by_broker(const Trace& trace, const TraceEntry& entry);
/// The well-formed packet that the broker took with this entry.
[[nodiscard]] const TracedPacket* taken_by_broker(const Trace& trace, const TraceEntry& entry);
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

class FlowTracker {
public:
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
        Flow flow;  // as it is after the packet, or was when it finished
        const TracedPacket* packet = nullptr;
    };

    /// To be called for every entry in order. A flow that starts is unfinished before the call
    /// returns.
    Observation step(const Trace& trace, const History& history, const TraceEntry& entry);

    /// Of the session, in the order of the first transmission.
    [[nodiscard]] const std::vector<Flow>& unfinished(std::uint32_t session) {
        return flows_[session];
    }

private:
    Observation on_publish(std::uint32_t session, const TracedPacket& packet);
    Observation on_answer(std::uint32_t session, const TracedPacket& packet);

    std::map<std::uint32_t, std::vector<Flow>> flows_;
};

/// "3 (id 7)" for messages: their label and Packet Identifier.
[[nodiscard]] std::string describe(const Trace& trace, const Flow& flow);
/// The message's label; "a message" for one that nobody published.
[[nodiscard]] std::string label_of(const Trace& trace, std::uint32_t message);

}  // namespace touchstone::simulator
