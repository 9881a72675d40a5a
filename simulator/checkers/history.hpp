// What a trace says about connections, sessions and subscriptions, worked out once for all
// checkers: as it looked at the broker's border, without asking the broker.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/wire/packets.hpp"
#include "simulator/trace.hpp"

namespace touchstone::simulator {

/// An index into Trace::entries that means "not, or not by the end of the run".
inline constexpr std::size_t no_entry = std::numeric_limits<std::size_t>::max();
inline constexpr std::uint32_t no_session = std::numeric_limits<std::uint32_t>::max();

/// How long anything may take that has to happen "eventually", on a link without faults.
inline constexpr Duration progress_time = std::chrono::seconds{5};

struct WillHistory {
    std::uint32_t message = no_message;
    std::string topic;
    Duration delay{};
};

struct ConnectionHistory {
    enum class End : std::uint8_t {
        none,         // it was there at the end of the run
        by_broker,    // closed or aborted
        by_peer,      // the broker was told
        with_process  // the broker's process went
    };
    Actor node;      // or the broker that all nodes are together
    Actor entrance;  // the node that the client came to
    Actor client;
    std::string client_id;  // empty until CONNECT arrived (or the server assigned one)
    std::optional<std::string> user_name;
    ProtocolVersion version = ProtocolVersion::v3_1_1;
    bool clean_start = false;
    std::uint16_t keep_alive_s = 0;        // as it is in force
    std::uint32_t session_expiry_s = 0;    // as it is in force when the connection ends
    bool is_expiry_of_disconnect = false;  // … which nobody acknowledges
    std::uint32_t window = 0;  // most QoS 1 and 2 PUBLISHes the broker may have in flight
    std::uint32_t client_window = 65'535;  // the same for the client
    std::uint16_t packet_id_max = 0;       // the largest Packet Identifier of the broker
    std::optional<WillHistory> will;
    bool is_accepted = false;
    bool session_present = false;
    /// DISCONNECT of the client, with its Reason Code.
    std::optional<ReasonCode> disconnect;
    std::size_t connect_entry = no_entry;     // CONNECT arrived at the broker
    std::size_t connack_entry = no_entry;     // CONNACK sent by the broker
    std::size_t end_entry = no_entry;         // the broker's end was over
    std::size_t client_end_entry = no_entry;  // the client's end was over, or given up for another
    End end = End::none;
    bool is_durable = false;  // its node has storage: what it has acknowledged outlives the process
    Instant back_at = never;  // the end was with the process, or was lost with it: when there was
                              // one again
    std::uint32_t connect_count = 0;
    bool has_malformed = false;          // the client sent bytes that are no packet
    std::uint32_t session = no_session;  // index into History::sessions, once accepted

    /// CONNECT came and the connection ended before it could be answered. Whether it was carried
    /// out, a takeover or a new session included, is not to be seen. With storage the answer waits
    /// for the disk, and the next takeover may come meanwhile.
    [[nodiscard]] bool is_unanswered() const {
        return connect_entry != no_entry && connack_entry == no_entry &&
               (end == End::by_peer || (is_durable && end != End::none));
    }
};

struct SubscriptionHistory {
    std::string filter;  // without $share/…/
    bool is_shared = false;
    std::string share_name;  // of a Shared Subscription
    wire::SubscriptionOptions options;
    QoS granted = QoS::at_most_once;
    std::size_t requested_entry = no_entry;  // SUBSCRIBE arrived at the broker
    std::size_t granted_entry = no_entry;    // SUBACK sent by the broker; none: it never was, but
                                             // may have taken effect
    std::size_t end_entry = no_entry;        // replaced, or UNSUBSCRIBE arrived
};

/// From a CONNACK without Session Present to the next of the same Client Identifier, or to the end
/// of the process that held it.
struct SessionHistory {
    std::string client_id;
    Actor node;
    std::size_t begin_entry = no_entry;
    std::size_t end_entry = no_entry;  // what is known to have ended it; expiry is not an entry
    std::vector<ConnectionNumber> connections;
    std::vector<SubscriptionHistory> subscriptions;  // in the order of granting
};

/// A QoS 1 or 2 message that the broker acknowledged with success, once for each time it did. Not
/// one under a Packet Identifier that the broker may take for that of an older message, since its
/// disk lied.
struct Accepted {
    std::uint32_t message = no_message;
    std::size_t arrived_entry = no_entry;  // PUBLISH at the broker, the first one of the message
    std::size_t acknowledged_entry = no_entry;
    ConnectionNumber connection;
};

struct Missing {
    Accepted accepted;
    std::uint32_t session = no_session;
};

class FlowLog;

class History {
public:
    explicit History(const Trace& trace);

    /// Entries that are neither a part of a flow nor a PUBLISH of QoS 0, a publication, a delivery
    /// or a ping, in order: few.
    std::vector<std::size_t> landmarks;
    [[nodiscard]] const FlowLog& flows(Direction direction) const {
        return *flows_[static_cast<std::size_t>(direction)];
    }

    std::vector<ConnectionHistory> connections;  // by ConnectionNumber
    std::vector<SessionHistory> sessions;        // in the order of their beginning
    std::vector<Accepted> accepted;              // in the order of the acknowledgements
    /// Messages that matched a session's ordinary subscription when the broker took them and
    /// neither reached its client nor wait for it, once for each session. Not those of sessions and
    /// subscriptions that ended. Empty when no more are missing than were dropped and counted:
    /// which of them it was is not to be seen from outside.
    std::vector<Missing> missing;

    [[nodiscard]] const ConnectionHistory& of(ConnectionNumber number) const {
        return connections[number.raw()];
    }
    /// The session whose packet this is: nothing before CONNACK and for refused connections.
    [[nodiscard]] std::uint32_t session_of(const TracedPacket& packet) const {
        return of(packet.connection).session;
    }
    /// What passes between two instants by the clock of the node while its process is not paused;
    /// negative when `to` is the earlier one.
    [[nodiscard]] Duration active(const Trace& trace, Actor node, Instant from, Instant to) const;
    /// Whether the connection was there, accepted, and its node active, at least that long before
    /// the end of the run or of itself, counted from `since`.
    [[nodiscard]] bool lives_on(const Trace& trace, ConnectionNumber number, Instant since,
                                Duration span) const;
    /// The same for the client's end, which may be over earlier.
    [[nodiscard]] bool client_stays(const Trace& trace, ConnectionNumber number, Instant since,
                                    Duration span) const;
    /// Whether the broker may never have carried out what it took at `entry`: it stood behind a
    /// SUBSCRIBE or UNSUBSCRIBE that waited for other shards or nodes until the connection ended.
    [[nodiscard]] bool may_have_waited(ConnectionNumber number, std::size_t entry) const;
    /// Subscriptions of the session, not shared ones, that match and were granted before `entry`
    /// and not ended by then.
    [[nodiscard]] std::vector<const SubscriptionHistory*>
    matching(std::uint32_t session, std::string_view topic, std::size_t entry) const;
    /// Every subscription that the session ever asked for and that matches; shared ones too.
    [[nodiscard]] std::vector<const SubscriptionHistory*>
    ever_matching(std::uint32_t session, std::string_view topic) const;
    /// When the session's last connection has ended for longer than the session lasts: that
    /// instant.
    [[nodiscard]] std::optional<Instant> expiry_of(const Trace& trace, std::uint32_t session) const;
    /// Whether the session may have been over at that instant, and is there again since its node
    /// had not stored that it was over.
    [[nodiscard]] bool was_over(const Trace& trace, std::uint32_t session, Instant at) const;
    /// When a time that is counted from the end of a connection is over, at the earliest and at the
    /// latest. A process that was not there has counted from some instant of its absence.
    struct Between {
        Instant earliest;
        Instant latest;
    };
    [[nodiscard]] static Between over(const Trace& trace, const ConnectionHistory& connection,
                                      Duration span);
    /// Whether a node with storage crashed before something that it took was stored for sure. What
    /// the node has acknowledged, it has not lost, unless is_broken().
    [[nodiscard]] bool may_be_lost(const Trace& trace, Actor node, Instant taken_at) const;
    /// Whether the connection has ended, and how long its session lasts may have been lost since:
    /// the last word was in DISCONNECT, which is not acknowledged.
    [[nodiscard]] bool may_have_lost_expiry(const Trace& trace,
                                            const ConnectionHistory& connection) const {
        return connection.is_expiry_of_disconnect && connection.end_entry != no_entry &&
               may_be_lost(trace, connection.node, trace.entries[connection.end_entry].at);
    }
    /// Whether something that happened between these instants, acknowledged or not, was spoilt by
    /// a disk that lied, when the node crashed.
    [[nodiscard]] bool is_broken(Actor node, Instant from, Instant to) const;
    [[nodiscard]] bool is_broken(Actor node, Instant at) const { return is_broken(node, at, at); }
    /// The same for all of a connection that may be in storage.
    [[nodiscard]] bool is_broken(const Trace& trace, const ConnectionHistory& connection) const;
    /// Whether any disk has ever lied.
    [[nodiscard]] bool has_broken() const;
    /// Whether the node's disk takes nothing, or did not a moment ago.
    [[nodiscard]] bool is_refusing(Actor node, Instant at) const;
    /// Of a trace that was made by hand: the instant of its last entry.
    [[nodiscard]] static Instant end_of_run(const Trace& trace);

private:
    struct Request {
        std::size_t entry;
        std::uint32_t packet;
    };
    void on_taken_by_broker(const Trace& trace, std::size_t entry, const TracedPacket& packet,
                            std::uint32_t index);
    void on_sent_by_broker(const Trace& trace, std::size_t entry, const TracedPacket& packet);
    void on_connect(const Trace& trace, std::size_t entry, const TracedPacket& packet);
    void on_connack(const Trace& trace, std::size_t entry, const TracedPacket& packet);
    void on_suback(const Trace& trace, std::size_t entry, const TracedPacket& packet);
    void on_unsubscribe(const Trace& trace, std::size_t entry, const TracedPacket& packet);
    /// What the node did not unsubscribe stays subscribed.
    void on_unsuback(const Trace& trace, const TracedPacket& packet);
    void on_broker_end(std::size_t entry, ConnectionNumber number, ConnectionHistory::End end);
    void on_client_end(std::size_t entry, ConnectionNumber number);
    void on_opening(std::size_t entry, Actor client, ConnectionNumber number);
    void on_node_down(const Trace& trace, std::size_t entry, Actor node);
    void on_node_up(const Trace& trace, std::size_t entry, Actor node);
    /// SUBSCRIBEs that nobody answered may have taken effect.
    void keep_unanswered(const Trace& trace, ConnectionNumber number);
    void on_fault(Actor actor, const TracedFault& fault);
    /// Whether the session was over before, and a CONNECT that nobody answered may have made the
    /// one that the connection has found. Where it is not known when it was over, a session that
    /// shows nothing of the old one is another.
    [[nodiscard]] bool is_another(const Trace& trace, ConnectionNumber number,
                                  const SessionHistory& session) const;
    /// The new session may be what those of the same client were that did not end before `since`.
    void inherit(const Trace& trace, SessionHistory& session, Instant since);
    void note_activity(const TraceEntry& entry);
    // missing.cpp
    [[nodiscard]] static std::vector<Accepted> accepted_messages(const Trace& trace,
                                                                 const History& history);
    [[nodiscard]] static std::vector<Missing> missing_messages(const Trace& trace,
                                                               const History& history);

    std::map<std::pair<std::uint32_t, std::string>, std::uint32_t> current_session_;  // node, id
    std::map<std::pair<ConnectionNumber, std::uint16_t>, Request> subscribes_;
    struct Unsubscribed {
        std::size_t entry;
        ConnectionNumber connection;
        std::uint16_t packet_id;
        std::string text;
    };
    std::vector<Unsubscribed> unsubscribed_;
    std::map<Actor, ConnectionNumber> newest_;  // of each client
    struct Crash {
        Actor node;  // with storage
        Instant at;
        Instant unsynced_since;
        Instant broken_since = never;
    };
    std::vector<Crash> crashes_;
    std::vector<Instant> last_activity_;                                     // by session
    std::map<std::pair<std::uint32_t, std::string>, Instant> broken_since_;  // node, id
    struct Pause {
        Instant from;
        Instant to;
    };
    std::map<Actor, std::vector<Pause>> pauses_;           // of each node, in order
    std::map<Actor, std::vector<Pause>> refusals_;         // of its disk
    std::array<std::shared_ptr<const FlowLog>, 2> flows_;  // by Direction
};

}  // namespace touchstone::simulator
