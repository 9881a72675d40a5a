// The QoS 1 and 2 flows of one direction, from the broker to its clients or from clients to it,
// followed packet by packet: what several checkers have to know in the same way.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "simulator/checkers/history.hpp"

namespace touchstone::simulator {

/// The well-formed packet of an entry of that kind, on its way in that direction; null for every
/// other entry. Inline, as the checkers ask it of every entry of a trace.
[[nodiscard]] inline const TracedPacket* packet_of(const Trace& trace, const TraceEntry& entry,
                                                   TraceEntry::Kind kind, Direction direction) {
    const auto end = kind == TraceEntry::Kind::sent ? opposite(direction) : direction;
    const bool is_it =
        entry.kind == kind && entry.direction == end && entry.type != wire::PacketType{};
    return is_it ? &trace.packets[entry.index] : nullptr;
}

/// The well-formed packet that the broker sent with this entry; null for every other entry.
[[nodiscard]] inline const TracedPacket* sent_by_broker(const Trace& trace,
                                                        const TraceEntry& entry) {
    return packet_of(trace, entry, TraceEntry::Kind::sent, Direction::to_client);
}
/// The well-formed packet that the broker took with this entry.
[[nodiscard]] inline const TracedPacket* taken_by_broker(const Trace& trace,
                                                         const TraceEntry& entry) {
    return packet_of(trace, entry, TraceEntry::Kind::arrived, Direction::to_broker);
}
/// The well-formed packet that a client sent with this entry.
[[nodiscard]] inline const TracedPacket* sent_by_client(const Trace& trace,
                                                        const TraceEntry& entry) {
    return packet_of(trace, entry, TraceEntry::Kind::sent, Direction::to_broker);
}
/// The well-formed packet that a client took with this entry.
[[nodiscard]] inline const TracedPacket* taken_by_client(const Trace& trace,
                                                         const TraceEntry& entry) {
    return packet_of(trace, entry, TraceEntry::Kind::arrived, Direction::to_client);
}

struct Flow {
    std::uint16_t packet_id = 0;
    std::uint32_t message = no_message;
    std::string_view topic;  // of the packet that started it
    QoS qos = QoS::at_least_once;
    bool is_released = false;     // PUBREC came
    ConnectionNumber connection;  // of the last PUBLISH
    std::uint32_t sends = 0;      // PUBLISHes on that connection
    std::uint64_t number = 0;     // counts up with the first transmissions
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
    Observation step(const Trace& trace, const History& history, const TraceEntry& entry) {
        return is_of_interest(entry) ? observe(trace, history, entry) : Observation{};
    }

    /// Of the sender (to clients: the session's number, to the broker: the client's actor), in the
    /// order of the first transmission.
    [[nodiscard]] const std::vector<Flow>& unfinished(std::uint32_t sender) {
        return flows_of(sender);
    }

private:
    /// Whether the entry can change anything here: most cannot.
    [[nodiscard]] static bool is_of_interest(const TraceEntry& entry) {
        using Kind = TraceEntry::Kind;
        using wire::PacketType;
        if (entry.kind == Kind::sent || entry.kind == Kind::arrived) {
            return entry.is_flow || entry.type == PacketType::puback ||
                   entry.type == PacketType::pubrec || entry.type == PacketType::pubcomp;
        }
        return entry.kind == Kind::forgot || entry.kind == Kind::scripted ||
               entry.kind == Kind::opening || entry.kind == Kind::node_crashed ||
               entry.kind == Kind::node_stopped || entry.kind == Kind::closed;
    }
    Observation observe(const Trace& trace, const History& history, const TraceEntry& entry);
    /// What is known of a client.
    struct Client {
        bool has_newest = false;
        ConnectionNumber newest;   // what it hears on an older one is nothing
        bool is_scripted = false;  // it is told what to send: not followed
    };
    [[nodiscard]] Client& client(Actor actor) {
        if (actor.raw() >= clients_.size()) clients_.resize(actor.raw() + 1);
        return clients_[actor.raw()];
    }
    [[nodiscard]] std::vector<Flow>& flows_of(std::uint32_t sender) {
        if (sender >= flows_.size()) flows_.resize(sender + 1);
        return flows_[sender];
    }
    /// An answer that a node with storage has taken, and may have lost in a crash: the flow may go
    /// on as if it had not come.
    struct Answered {
        std::uint32_t sender;
        Flow flow;  // before the answer
        Actor node;
        Instant at;
        ConnectionNumber connection;
    };
    void on_crash(const Trace& trace, const History& history, Actor node);
    /// The node has closed the connection: what came with what it closed it for, it has not read.
    void on_closed(const TraceEntry& entry);
    void unanswer(const Answered& one);
    /// Takes the flow that `packet` sends again from those whose answer was lost.
    void take_back(std::uint32_t sender, const TracedPacket& packet);
    /// Notes that a node with storage has taken the message at QoS 1: each time is another copy.
    void count_copy(const Trace& trace, const History& history, const TraceEntry& entry);
    /// Whether the message may have more copies than flows that are unfinished: one for each time
    /// the node took it and each way in which the session may get it. Never on a node without
    /// storage.
    [[nodiscard]] bool may_be_another_copy(const History& history, std::uint32_t sender,
                                           const TracedPacket& packet);
    /// Whether the message may have been ready to be sent before, and kept back until a crash or
    /// the end of its connection: then its first PUBLISH has DUP 1.
    [[nodiscard]] bool may_have_been_kept_back(const History& history, std::uint32_t sender,
                                               const TracedPacket& packet);
    Observation on_publish(const History& history, std::uint32_t sender,
                           const TracedPacket& packet);
    Observation on_answer(std::uint32_t sender, const TracedPacket& packet);

    Direction direction_;
    std::vector<Client> clients_;           // by actor
    std::vector<std::vector<Flow>> flows_;  // by sender
    std::uint64_t last_number_ = 0;
    std::vector<Answered> answered_;                         // of nodes with storage
    std::map<std::uint32_t, std::vector<Flow>> unanswered_;  // by sender: the answer may be lost
    std::map<std::pair<Actor, std::uint32_t>, std::int64_t> copies_;  // by node and message
};

/// What a FlowTracker observes in a whole trace: for all who need no more than that.
class FlowLog {
public:
    FlowLog(const Trace& trace, const History& history, Direction direction);

    struct Step {
        std::size_t entry = 0;
        FlowTracker::Observation seen;  // of which `packet` is there
        std::uint32_t in_flight = 0;    // of a PUBLISH: flows that are unfinished on its connection
    };
    /// In the order of the entries.
    [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }
    /// Flows that are unfinished at the end of the run.
    [[nodiscard]] const std::vector<Flow>& unfinished(std::uint32_t sender) const {
        return tracker_.unfinished(sender);
    }

private:
    mutable FlowTracker tracker_;
    std::vector<Step> steps_;
};

/// Goes through a FlowLog beside a walk through the entries of its trace.
class FlowReader {
public:
    explicit FlowReader(const History& history, Direction direction = Direction::to_client)
        : steps_{history.flows(direction).steps()} {}

    /// What is observed at that entry. To be asked of entries in ascending order.
    [[nodiscard]] const FlowTracker::Observation& at(std::size_t entry) {
        static const FlowTracker::Observation nothing{};
        while (next_ < steps_.size() && steps_[next_].entry < entry) ++next_;
        if (next_ == steps_.size() || steps_[next_].entry != entry) return nothing;
        return steps_[next_].seen;
    }

private:
    const std::vector<FlowLog::Step>& steps_;
    std::size_t next_ = 0;
};

/// When a PUBLISH of each message came to a broker first.
[[nodiscard]] std::map<std::uint32_t, Instant> first_arrivals(const Trace& trace);

/// "to 'subscriber'" for a flow of the broker, "by 'publisher'" for a client's.
[[nodiscard]] std::string whose(const History& history, const FlowTracker::Observation& seen);
/// "3 (id 7)" for messages: their label and Packet Identifier.
[[nodiscard]] std::string describe(const Trace& trace, const Flow& flow);
/// The message's label; "a message" for one that nobody published.
[[nodiscard]] std::string label_of(const Trace& trace, std::uint32_t message);

}  // namespace touchstone::simulator
