// Broker::Core: what is behind broker.hpp. core.cpp has the inputs and the tables,
// core_connect.cpp the life of connections and sessions, core_publish.cpp the way of messages.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/hash.hpp"
#include "broker/broker.hpp"
#include "broker/client.hpp"
#include "broker/cluster/route_exchange.hpp"
#include "broker/router/retained.hpp"
#include "broker/router/router.hpp"
#include "broker/session/connection_state.hpp"
#include "broker/timers.hpp"

namespace touchstone {

class Broker::Core {
public:
    Core(const Settings& settings, const Options& options, Network& network, Peers& peers,
         Random& random);

    void on_open(ConnectionId id, Instant now);
    Intake on_bytes(ConnectionId id, Bytes bytes, Instant now);
    void on_written(ConnectionId id, std::size_t size_bytes, Instant now);
    void on_close(ConnectionId id, Instant now, DisconnectReason reason);
    void on_peer(ShardIndex from, PeerMessage message, Instant now);
    void on_tick(Instant now);
    void on_stop(Instant now);
    [[nodiscard]] std::optional<Instant> next_tick() const;

    [[nodiscard]] const Counters& counters() const { return counters_; }
    [[nodiscard]] Gauges gauges() const;
    [[nodiscard]] std::optional<SessionView> session(std::string_view client_id) const;
    [[nodiscard]] std::vector<std::string> client_ids() const;
    [[nodiscard]] MessageRef retained(std::string_view topic) const {
        return retained_.find(topic, context_.now);
    }

private:
    /// A SUBSCRIBE that waits until the other shards know its routes.
    struct PendingSubscribe {
        std::vector<std::pair<std::string, std::string>> routes;  // (filter, share name), acquired
        std::uint64_t sequence = 0;
    };
    struct Connection {
        ConnectionState state = ConnectionState::closed;
        std::uint32_t generation = 0;
        Instant last_packet_at{};  // before CONNECT: when it was opened
        Client* client = nullptr;
        std::unique_ptr<PendingSubscribe> pending;
    };
    /// How the handling of one packet ends.
    enum class Handled : std::uint8_t {
        done,
        gone,     // the connection is over
        moved,    // it goes to another shard, from this packet on
        stalled,  // this packet has to be delivered again later
    };
    struct TextHash {
        using is_avalanching = void;
        std::uint64_t seed;
        std::size_t operator()(std::string_view text) const { return hash_of(text, seed); }
    };

    // core.cpp
    Connection& open_connection(ConnectionId id);
    Handled handle(ConnectionId id, const wire::Frame& frame);
    Handled handle_packet(ConnectionId id, Client& client, const wire::Frame& frame);
    template <class Packet, class Act>
    Handled with(ConnectionId id, Result<Packet> packet, Act act) {
        if (!packet) return fail(id, packet.error());
        return act(packet.value());
    }
    void resume_waiting_subscribes();

    // core_connect.cpp
    Handled on_connect(ConnectionId id, const wire::Frame& frame);
    Handled refuse(ConnectionId id, ProtocolVersion version, ReasonCode reason);
    std::string new_client_id();
    /// The session to attach to: resumed, or new. The second member: Session Present.
    std::pair<Client*, bool> find_or_make(std::string client_id, bool clean_start);
    void take_over(Client& client, bool resumes);
    Client& make_client(std::string client_id);
    /// False when the client takes no packet that large.
    bool send_connack(Client& client, const wire::Connect& connect, const ConnectionTerms& terms,
                      bool session_present, std::string_view assigned_client_id);
    Handled on_disconnect(ConnectionId id, Client& client, const wire::Frame& frame);
    /// A peer's error: says so where the version can, and ends the connection with its Will.
    Handled fail(ConnectionId id, ReasonCode reason) {
        return fail(id, reason, disconnect_reason_of(reason));
    }
    Handled fail(ConnectionId id, ReasonCode reason, DisconnectReason counted_as);
    void send_disconnect(Client& client, ReasonCode reason);
    /// The core forgets the connection; its client, if any, goes on without one.
    void forget_connection(ConnectionId id);
    void forget_connection(ConnectionId id, DisconnectReason reason) {
        counters_.add(reason);
        forget_connection(id);
    }
    void detach(Client& client);
    void end_session(Client& client);
    void publish_will(Client& client);
    void remind(Client& client, Instant at);
    void on_connect_timeout(ConnectionId id, const Connection& connection);
    void on_keep_alive_reminder(ConnectionId id, Connection& connection);
    void on_session_reminder(Client& client);

    // core_publish.cpp
    Handled on_publish(ConnectionId id, Client& client, wire::Publish& publish);
    Handled on_subscribe(ConnectionId id, Client& client, const wire::Subscribe& subscribe);
    Handled on_unsubscribe(ConnectionId id, Client& client,
                           const wire::Unsubscribe& unsubscribe);
    /// Hands a publication that entered the node here to everybody. Returns how many receivers and
    /// shards it went to.
    std::size_t publish(Publication& publication, const Client* publisher);
    std::size_t deliver_here(Publication& publication, const Client* publisher);
    /// To one member of the Shared Subscription, here or on another shard. `tried`: the shards that
    /// had no member to take it at once.
    void publish_to_group(Publication& publication, const FilterName& name, std::uint64_t tried);
    void deliver_to_member(Publication& publication, const FilterName& name,
                           SubscriberList& group);
    void deliver(Client& client, Publication& publication, const Session::Grant& grant);
    void send_retained(Client& client, const FilterName& name, wire::SubscriptionOptions options,
                       std::uint32_t identifier);
    void store_retained(Publication& publication, RetainVersion version);
    /// False while the other shards do not know the routes yet.
    bool acquire_routes(ConnectionId id, const std::vector<FilterName>& names);
    void unsubscribe(Client& client, const FilterName& name);
    [[nodiscard]] bool has_too_many_levels(std::string_view topic) const;
    void time_retry(Client& client);

    const Settings& settings_;
    Options options_;
    Network& network_;
    Peers& peers_;
    Random& random_;
    Counters counters_;
    SessionContext context_;
    Router router_;
    RouteExchange route_exchange_;
    RetainedMessages retained_;
    Timers timers_;
    std::vector<Connection> connections_;  // by ConnectionId
    std::uint64_t connection_count_ = 0;
    std::vector<ConnectionId> waiting_subscribes_;
    boost::unordered_flat_map<std::string_view, std::unique_ptr<Client>, TextHash> clients_;
    std::vector<Client*> slots_;             // of clients_
    std::vector<std::uint32_t> slot_generations_;
    std::vector<std::uint32_t> free_slots_;
    std::vector<std::unique_ptr<Client>> ghosts_;  // with the defect no_takeover
    RetainVersion last_version_;
    Instant retained_reminder_at_ = never;

    // Scratch, kept to spare allocations.
    Receivers receivers_;
    std::vector<std::uint32_t> identifiers_;
    std::vector<GroupRoute*> group_routes_;
    std::vector<SubscriberList*> groups_;
    std::vector<MessageRef> snapshot_;
    std::vector<FilterName> names_;
    wire::PropertiesWriter forwarded_;
    Buffer built_;
    Buffer reasons_;
};

}  // namespace touchstone
