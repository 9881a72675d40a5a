// The trace of a run: every packet, who saw it when, what the applications did, which faults there
// were. Written by the links and the clients, read by the checkers and the report. Packets are
// seen at the border, so a trace says what anybody with a tap could say, and no more.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/access/access_rules.hpp"
#include "broker/base/bytes.hpp"
#include "broker/base/instant.hpp"
#include "broker/base/mqtt.hpp"
#include "broker/base/reason_code.hpp"
#include "broker/base/strong.hpp"
#include "broker/wire/frame.hpp"
#include "broker/wire/types.hpp"
#include "simulator/chunks.hpp"
#include "simulator/clock.hpp"

namespace touchstone::simulator {

/// A Network Connection of the run: dense, never used again.
using ConnectionNumber = Strong<struct ConnectionNumberTag, std::uint32_t>;
/// A client or a node, in the order of their making; index into Trace::actors.
using Actor = Strong<struct ActorTag, std::uint32_t>;

/// Which way along a link; also names the end that receives.
enum class Direction : std::uint8_t { to_broker = 0, to_client = 1 };

[[nodiscard]] constexpr Direction opposite(Direction direction) {
    return direction == Direction::to_broker ? Direction::to_client : Direction::to_broker;
}

/// An Application Message as a publisher's application made it. Payloads are unique in a run
/// (an empty one, which deletes a Retained Message, is not recorded).
struct TracedMessage {
    std::string payload;
    std::string topic;
    QoS qos = QoS::at_most_once;
    bool retain = false;
    bool is_will = false;
    Actor publisher;
    std::uint64_t sequence = 0;  // of the publish() call among those of its publisher, from 1
};

inline constexpr std::uint32_t no_message = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::uint32_t begins_anew = no_message;

/// One Control Packet, from the sender's decision on.
struct TracedPacket {
    ConnectionNumber connection;
    Direction direction{};
    bool malformed = false;  // these bytes are no packet; `type` says nothing
    wire::PacketType type{};
    bool dup = false;
    bool retain = false;
    bool session_present = false;             // CONNACK
    QoS qos = QoS::at_most_once;              // PUBLISH
    std::uint16_t packet_id = 0;              // 0: has none
    std::uint16_t topic_alias = 0;            // PUBLISH; 0: has none
    ReasonCode reason = ReasonCode::success;  // CONNACK, PUBACK … PUBCOMP, DISCONNECT, AUTH
    std::uint32_t message = no_message;       // PUBLISH: index into Trace::messages
    std::string topic;                        // PUBLISH
    std::uint32_t first_byte = 0;             // in Trace::bytes
    std::uint32_t size_bytes = 0;
    Instant sent_at;
    Instant arrived_at = never;  // never: it was lost
};

struct TraceEntry {
    enum class Kind : std::uint8_t {
        opening,       // a client opens a connection
        opened,        // it has reached the broker
        sent,          // `index`: packet, given to the link by its sender
        arrived,       // `index`: packet, its last byte taken by its receiver
        closed,        // the end that receives `direction` ended the connection in order
        aborted,       // the same end reset it
        ended,         // the same end learned that the other one closed or that it was lost
        published,     // `index`: message, the application's call
        delivered,     // `index`: packet, handed to the application
        fault_began,   // `index`: fault
        fault_ended,   // `index`: fault
        node_crashed,  // `actor` lost its memory and its connections
        node_stopped,  // `actor` began to stop in order; `index` begins_anew: its cluster made it
                       // send its clients away, and the process goes on
        node_started,  // `actor` is up (again); `index` as above: it takes clients again
        settle_began,  // no faults from here on
        alarmed,       // `index`: alarm; what `actor` tells its operator
        // What follows concerns the client `actor`.
        commanded,  // its application connected, disconnected, or gave the connection up
        forgot,     // it lost its Session State, or dropped it since the server has none
        crashed,    // its process went, with what its store does not keep
        died,       // its process ended by a fault of its own
        scripted,   // it sends what the scenario says, which is no doing of its own
    };
    Instant at;
    Kind kind{};
    Direction direction{};
    Actor actor;                  // who did or saw it: a client for all that concerns one
    ConnectionNumber connection;  // where it means anything
    std::uint32_t index = 0;
    /// Of sent and arrived, so that most readers need no look at the packet: its type, 0 for bytes
    /// that are none, and whether it is a PUBLISH of QoS 1 or 2.
    wire::PacketType type{};
    bool is_flow = false;
};

struct TracedFault {
    std::string kind;   // "stall", "drop", …
    std::string where;  // name of a link or node
    std::string note;   // its parameters
    Instant began_at;
    Instant ended_at = never;
};

struct TracedConnection {
    Actor client;
    Actor node;
    bool is_forged = false;  // bytes were sent to the client in its node's place
};

/// What a node's settings promise, as far as an observer has to know it.
struct TracedNode {
    Actor actor;
    std::uint16_t inflight_max = 0;           // for clients that announce no lower Receive Maximum
    std::uint16_t packet_id_max = 65'535;     // Settings::packet_id_max
    std::uint32_t session_expiry_s_v3 = 0;    // Settings::session_expiry_s_v3
    std::uint32_t session_expiry_s_max = 0;   // Settings::session_expiry_s_max
    std::uint16_t keep_alive_s_max = 0;       // Settings::keep_alive_s_max
    std::uint32_t queue_messages_max = 0;     // Settings::queue_messages_max
    std::uint32_t packet_size_bytes_max = 0;  // Settings::packet_size_bytes_max
    std::size_t unwritten_bytes_max = 0;      // Settings::unwritten_bytes_max
    bool has_user_name_as_client_id = false;  // ZonePolicy::user_name_as_client_id
    Duration connect_timeout{};               // Settings::connect_timeout
    Duration retry_interval{};                // Settings::retry_interval
    Duration accept_interval{};               // NodeOptions::accept_interval
    bool has_storage = false;                 // NodeOptions::storage
    Duration durable_within{};                // what the node took is stored, at the latest
};

/// What a client's settings promise, as far as an observer has to know it.
struct TracedClient {
    Actor actor;
    std::uint16_t inflight_max = 65'535;        // ClientOptions::inflight_max
    std::uint16_t packet_id_max = 65'535;       // ClientOptions::packet_id_max
    Duration answer_timeout = Duration::max();  // ClientOptions::ping_timeout
    bool has_durable_store = false;             // ClientOptions::store
};

/// Access rules of a node, in force from that entry on.
struct TracedRules {
    Actor node;
    std::size_t from_entry = 0;
    std::shared_ptr<const access::AccessRules> rules;
};

/// What a crash of a node with a disk has taken of what was written.
struct TracedLoss {
    Actor node;
    Instant at;
    /// Since when something was not called stored yet, or came while the process was paused and was
    /// not taken; `at`: all was stored.
    Instant unsynced_since;
    /// Since when something was not as the disk had said, or is there in part; never: nothing.
    Instant broken_since = never;
    std::string how;  // "lost", "torn", "late"; empty: nothing was broken
};

/// A session at the end of a run, as its node tells.
struct TracedSession {
    std::string client_id;
    std::vector<std::string> queue;     // payloads, oldest first
    std::vector<std::string> inflight;  // payloads (empty once released), oldest first
    unsigned shard = 0;                 // of its node
};

/// A message that a shard of a node has sent to another one, which had not taken it when the run
/// ended.
struct TracedUnderway {
    Actor node;
    unsigned shard = 0;  // where it goes
    std::string group;   // of a Shared Subscription: $share/…; empty: for all of the shard
    std::string payload;
};

/// What became of the messages for which a node found receivers since its last start.
struct TracedBalance {
    Actor node;
    std::uint64_t matched = 0;    // receivers found
    std::uint64_t completed = 0;  // sent at QoS 0, acknowledged, or handed on to another receiver
    std::uint64_t dropped = 0;    // by any counted reason
    std::uint64_t waiting = 0;
    std::uint64_t in_flight = 0;
};

/// A cluster of the run. All of its nodes are in it.
struct TracedCluster {
    std::string model;                  // empty: there is none
    bool has_registry = false;          // ModelRules
    bool shares_retained = false;       // ModelRules
    bool floods = false;                // ModelRules
    bool needs_all_members = false;     // ModelRules
    bool minority_refuses = false;      // ModelRules
    bool may_register = false;          // ModelRules
    std::size_t kept_messages_max = 0;  // ModelRules
    bool keeps_log = false;             // ModelRules
    bool reports_doubles = false;       // ModelRules
    /// What is agreed upon goes through a node that reaches most of those that vote: who reaches
    /// that one need not reach the others.
    bool has_leader = false;
    std::size_t voters = 0;  // the first so many nodes; 0: all
    /// All nodes are one broker, which is this actor: what is said of a node's process holds for
    /// all of them together. Nothing: each is one of its own.
    std::optional<Actor> one_broker;
    /// Nodes without a vote, each of which one of the others feeds.
    std::vector<Actor> replicants;
    Duration notices_within{};  // that a node is gone: its failure detector at its slowest
    /// From the last fault until what the model promises holds again, its failure detector
    /// included.
    Duration converges_within{};

    [[nodiscard]] bool is_replicant(Actor node) const {
        return std::ranges::find(replicants, node) != replicants.end();
    }
};

/// What a member of a cluster says about itself and the others, and what it has.
struct TracedMember {
    Actor node;
    bool is_up = false;
    bool is_serving = false;
    std::string health;                   // what an operator is told: "healthy", …
    std::vector<Actor> running;           // members that it writes to, itself included, ascending
    std::vector<std::string> routes;      // rows of its tables, in order: "filter @node"
    std::vector<std::string> sessions;    // "client @node"
    std::vector<std::string> retained;    // "topic = payload"
    std::vector<std::string> own_routes;  // the same of what its own sessions really have
    std::vector<std::string> own_sessions;
    std::vector<std::string> own_retained;   // of its first shard
    std::string records;                     // of the broker that the nodes are together: a digest
    std::uint64_t dropped_publications = 0;  // for nodes that were down
    std::size_t kept_messages_most = 0;      // for one node at a time
    std::size_t fed_replicants = 0;          // by this core
};

/// All members at the instant from which on they are to agree.
struct TracedAgreement {
    Instant at = never;     // never: nobody looked
    std::size_t entry = 0;  // entries of the trace before it
    std::vector<TracedMember> members;
};

/// One node of a cluster does not reach another one any more, or does again; of a node and itself:
/// it is down.
struct TracedReach {
    Instant at;
    Actor from;
    Actor to;
    bool is_cut = false;
};

/// What an operator was told.
struct TracedAlarm {
    Instant at;
    Actor node;
    std::string text;
};

/// What a node keeps for what its clients have begun.
struct TracedMemory {
    Actor node;
    std::uint64_t wanted_bytes_max = 0;     // of one connection, for a packet that is not complete
    std::uint64_t intake_bytes = 0;         // Gauges::intake_bytes
    std::uint64_t unwritten_bytes_max = 0;  // that one connection had not taken
    std::uint64_t dropped_queue_full = 0;   // messages, since the last start
    std::uint64_t unusable_records = 0;     // set aside, over all starts
    std::uint64_t paged_in = 0;             // messages read when it was their turn, over all starts
};

/// What the nodes say about themselves at the end of a run.
struct TracedEnd {
    Instant at{};  // end of the run
    std::vector<TracedSession> sessions;
    std::vector<TracedUnderway> underway;
    /// Messages accepted for a session that lasted and given up for a counted reason (queue full,
    /// expired, too large), over all nodes and restarts.
    std::uint64_t dropped_messages = 0;
    std::vector<TracedBalance> balances;  // of the nodes that are up
    std::vector<TracedMemory> memory;
    /// Per topic with a Retained Message on any shard: the payload on each shard, "" for none.
    std::map<std::string, std::vector<std::string>> retained;
    bool known = false;  // false in a trace that was made by hand or broken off
};

class Trace {
public:
    std::vector<std::string> actors;
    std::vector<TracedNode> nodes;
    std::vector<TracedClient> clients;  // empty in a trace that was made by hand
    std::vector<TracedConnection> connections;
    std::vector<TracedMessage> messages;
    Chunks<TracedPacket> packets;
    std::vector<TraceEntry> entries;
    std::vector<TracedFault> faults;
    std::vector<TracedRules> access;  // in the order of their coming
    std::map<Actor, Clock> clocks;    // of those whose clock is not right
    std::vector<TracedLoss> losses;   // in the order of the crashes
    TracedCluster cluster;
    TracedAgreement agreement;
    std::vector<TracedAlarm> alarms;
    std::vector<TracedReach> reach;  // of the nodes of a cluster, in order
    TracedEnd end;
    Buffer bytes;

    Actor add_actor(std::string name);
    ConnectionNumber add_connection(Actor client, Actor node);
    /// Registers the message; an empty payload gives no_message.
    std::uint32_t add_message(TracedMessage message);
    /// no_message when no such payload was published.
    [[nodiscard]] std::uint32_t find_message(std::string_view payload) const;

    /// What passes between two instants by the clock of that client or node; negative when `to` is
    /// the earlier one.
    [[nodiscard]] Duration elapsed(Actor actor, Instant from, Instant to) const;
    /// The first instant at which `span` has passed since `from` by the clock of that actor.
    [[nodiscard]] Instant instant_after(Actor actor, Instant from, Duration span) const;

    void add(const TraceEntry& entry) { entries.push_back(entry); }
    /// The entry for a packet that was sent or has arrived, at the end that `where` names.
    void add_packet_entry(Instant at, TraceEntry::Kind kind, Direction where, std::uint32_t index);

    /// Decodes and records one whole packet as sent at `at`. `version` is the connection's, as far
    /// as it is known.
    std::uint32_t add_packet(Instant at, ConnectionNumber connection, Direction direction,
                             Bytes packet, ProtocolVersion version);
    /// The same of one whose frame is known; none: its bytes are no packet.
    std::uint32_t add_packet(Instant at, ConnectionNumber connection, Direction direction,
                             Bytes packet, const wire::Frame* frame, ProtocolVersion version);

    [[nodiscard]] Bytes bytes_of(const TracedPacket& packet) const {
        return Bytes{bytes}.subspan(packet.first_byte, packet.size_bytes);
    }
    /// The frame of a well-formed packet, to be decoded again for what TracedPacket leaves out.
    [[nodiscard]] wire::Frame frame_of(const TracedPacket& packet) const;
    [[nodiscard]] Actor client_of(ConnectionNumber connection) const {
        return connections[connection.raw()].client;
    }
    [[nodiscard]] const std::string& name_of(Actor actor) const { return actors[actor.raw()]; }

private:
    /// Where the message with this payload is found, or is to be put.
    [[nodiscard]] std::size_t slot_of(std::string_view payload) const;

    std::vector<std::uint32_t> message_slots_;  // by hash of the payload: index into `messages`
};

/// Cuts the bytes of one direction of one connection into packets as they are sent, and knows which
/// of them are complete once so many bytes have been taken at the other end.
class StreamRecorder {
public:
    /// Returns the packets completed by `bytes`, as indices into the trace.
    void on_sent(Trace& trace, Instant at, ConnectionNumber connection, Direction direction,
                 Bytes bytes, ProtocolVersion& version);
    void on_taken(Trace& trace, Instant at, Direction direction, std::size_t size_bytes);

private:
    struct Underway {
        std::uint64_t end;  // offset in the stream behind its last byte
        std::uint32_t packet;
    };
    Buffer partial_;
    std::uint64_t framed_bytes_ = 0;
    std::uint64_t taken_bytes_ = 0;
    std::deque<Underway> underway_;
    bool unreadable_ = false;
};

/// The settings of that actor; the defaults where nothing is known.
template <class Settings>
[[nodiscard]] const Settings& settings_of(const std::vector<Settings>& all, Actor actor) {
    static const Settings unknown{};
    for (const auto& one : all) {
        if (one.actor == actor) return one;
    }
    return unknown;
}

/// One line for people: `PUBLISH id=7 q1 dup t='a/b' "payload"`.
[[nodiscard]] std::string describe(const Trace& trace, const TracedPacket& packet);

/// Printable form of a payload: as it is when it is short printable ASCII, else its size.
[[nodiscard]] std::string label_of(std::string_view payload);

}  // namespace touchstone::simulator
