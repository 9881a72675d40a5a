// Broker::Core: what is behind broker.hpp. core.cpp has the inputs and the tables,
// core_connect.cpp the life of connections and sessions, core_publish.cpp the way of messages.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/hash.hpp"
#include "broker/broker.hpp"
#include "broker/client.hpp"
#include "broker/cluster/route_exchange.hpp"
#include "broker/defect_memory.hpp"
#include "broker/found_records.hpp"
#include "broker/pending_returns.hpp"
#include "broker/router/retained.hpp"
#include "broker/router/router.hpp"
#include "broker/session/connection_state.hpp"
#include "broker/storage/ledger.hpp"
#include "broker/storage/output_gate.hpp"
#include "broker/storage/session_copy.hpp"
#include "broker/timers.hpp"

namespace touchstone {

class Broker::Core {
public:
    Core(std::shared_ptr<const access::NodeRules> rules, const Options& options,
         const Ports& ports);
    ~Core() {
        if (ledger_) ledger_->close();  // what the process drops stays stored
    }
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    void on_open(ConnectionId id, access::Origin origin, Instant now);
    Intake on_bytes(ConnectionId id, Bytes bytes, Instant now);
    void on_written(ConnectionId id, std::size_t size_bytes, Instant now);
    void on_close(ConnectionId id, Instant now, DisconnectReason reason);
    void on_peer(ShardIndex from, PeerMessage message, Instant now);
    void on_tick(Instant now);
    void on_authenticated(QuestionNumber number, AuthenticationAnswer answer, Instant now);
    void on_claimed(ClaimNumber number, ClaimAnswer answer, Instant now);
    std::shared_ptr<const storage::SessionCopy> on_evicted(std::string_view client_id,
                                                           SessionFate fate, Instant now);
    void on_adopted(const storage::SessionCopy& session, Instant now);
    void on_publish(const MessageFields& fields, Instant now);
    void on_rules(std::shared_ptr<const access::NodeRules> rules, Instant now);
    void on_stop(Instant now);
    [[nodiscard]] bool on_record(std::string_view key, Bytes value);
    std::vector<std::string> on_recovered(Instant now);
    void on_stored(BatchNumber number, StorageOutcome outcome, Instant now);
    void on_read(ReadNumber number, const ReadAnswer& outcome, Instant now);
    /// An input has been dealt with.
    void end_turn() {
        if (!ledger_) return;
        if (options_.defects.any()) spoil_turn();
        ledger_->end_turn();
    }
    [[nodiscard]] std::optional<Instant> next_tick() const;

    [[nodiscard]] const Counters& counters() const { return counters_; }
    [[nodiscard]] Gauges gauges() const;
    [[nodiscard]] bool has_crashed() const { return defect_memory_ && defect_memory_->has_crashed; }
    [[nodiscard]] std::optional<SessionView> session(std::string_view client_id) const;
    [[nodiscard]] std::optional<std::vector<std::string>>
    subscriptions(std::string_view client_id) const;
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
    /// A CONNECT whose answer takes longer than its input, or an exchange to re-authenticate.
    struct Admission {
        Buffer connect;  // the body of the packet; not of re-authentication
        ProtocolVersion version = ProtocolVersion::v5;
        std::string assigned_client_id;    // chosen once; empty: the client has its own
        std::string method;                // of an exchange (§4.12); empty: none
        bool is_asked = false;             // Authentication owes an answer
        bool is_accepted = false;          // the answer was yes
        bool has_stalled_packets = false;  // behind the CONNECT; to be resumed
        std::string user_name;             // that an exchange has proven
        Buffer data;                       // Authentication Data for the CONNACK
        bool is_claiming = false;          // Registry owes an answer
        std::optional<ClaimAnswer> claimed;
    };
    struct Connection {
        ConnectionState state = ConnectionState::closed;
        std::uint32_t generation = 0;
        Instant last_packet_at{};  // before CONNECT: when it was opened
        Client* client = nullptr;
        std::unique_ptr<access::Origin> origin;  // until there is a client
        std::unique_ptr<PendingSubscribe> pending;
        std::unique_ptr<Admission> admission;
    };
    /// When a message goes to another shard.
    enum class Forwarding : std::uint8_t {
        at_once,       // nobody asks what becomes of it
        with_receipt,  // at once; the publisher's acknowledgement waits until it is stored there
        stored_first,  // once it is stored here; then it gets there, once, whatever crashes
    };
    /// A message that is stored here, and not known to be stored where it goes to.
    struct Forward {
        ShardIndex to;
        PeerMessage message;
        storage::MessageShare share;
        BatchNumber batch = 0;  // with which it was stored here
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
    [[nodiscard]] const Settings& settings_of(const Connection& connection) const;
    [[nodiscard]] static ProtocolVersion version_of(const Connection& connection);
    Connection& open_connection(ConnectionId id);
    Handled handle(ConnectionId id, const wire::Frame& frame);
    Handled handle_packet(ConnectionId id, Client& client, const wire::Frame& frame);
    template <class Packet, class Act>
    Handled with(ConnectionId id, Result<Packet> packet, Act act) {
        if (!packet) return fail(id, packet.error());
        return act(packet.value());
    }
    void resume_waiting_subscribes();
    static void obey(Client& client, const access::Zone& zone);
    [[nodiscard]] std::uint64_t intake_bytes() const;

    // core_connect.cpp
    Handled on_connect(ConnectionId id, const wire::Frame& frame);
    /// Goes on with the CONNECT that was put aside.
    Handled continue_connect(ConnectionId id);
    /// Puts the CONNECT aside until continue_connect().
    Handled wait_with_connect(ConnectionId id, const wire::Frame& frame);
    /// The client is let in: gives it its session and answers.
    Handled let_in(ConnectionId id, const wire::Connect& connect, std::string client_id,
                   const access::Client& who, access::Mountpoint mountpoint);
    [[nodiscard]] ConnectionTerms terms_of(const wire::Connect& connect,
                                           const access::Zone& zone) const;
    /// Why the Will Message of a CONNECT is not taken; nothing when it is.
    [[nodiscard]] static std::optional<ReasonCode> error_of(const wire::Will& will,
                                                            const Settings& settings);
    Handled refuse(ConnectionId id, ProtocolVersion version, ReasonCode reason);
    std::string new_client_id();
    /// The session to attach to: resumed, or new.
    struct Found {
        Client* client = nullptr;
        bool session_present = false;
        std::optional<Absence> before{};  // of one that is resumed, where something is stored
    };
    Found find_or_make(std::string client_id, bool clean_start, const access::Zone& zone);
    void take_over(Client& client, bool resumes);
    /// Of a client that has a newer one, here or at another node.
    void end_connection(Client& client, bool resumes);
    Client& make_client(std::string client_id, const access::Zone& zone);
    /// False when the client takes no packet that large.
    bool send_connack(Client& client, const wire::Connect& connect, const ConnectionTerms& terms,
                      bool session_present, std::string_view assigned_client_id);
    /// Tells who listens to `$SYS/brokers/{node}/clients/{client}/{what}`.
    void tell(const Client& client, bool clean_start);
    void tell(const Client& client, DisconnectReason reason);
    template <class Tell>
    void with_listener_of_events(std::string_view what, const Client& client, bool clean_start,
                                 Tell tell) {
        if (events_ == nullptr || !rules_->policy.publishes_presence) return;
        if (!is_event_wanted(client.session.client_id(), what)) return;
        const auto who = as_asker(client);
        const auto& terms = client.session.terms();
        tell(ClientEvent{.client_id = who.client_id,
                         .user_name = who.user_name,
                         .address = who.address,
                         .listener_port = rules_->listeners[client.listener.raw()].port,
                         .version = terms.version,
                         .keep_alive_s = terms.keep_alive_s,
                         .clean_start = clean_start,
                         .session_expiry_s = terms.session_expiry_s,
                         .qos = rules_->policy.presence_qos});
    }
    [[nodiscard]] bool is_event_wanted(std::string_view client_id, std::string_view what);
    Handled on_disconnect(ConnectionId id, Client& client, const wire::Frame& frame);
    /// A peer's error: says so where the version can, and ends the connection with its Will.
    Handled fail(ConnectionId id, ReasonCode reason) {
        return fail(id, reason, disconnect_reason_of(reason));
    }
    Handled fail(ConnectionId id, ReasonCode reason, DisconnectReason counted_as);
    void send_disconnect(Client& client, ReasonCode reason);
    /// The core forgets the connection; its client, if any, goes on without one.
    void forget_connection(ConnectionId id);
    void forget_connection(ConnectionId id, DisconnectReason reason);
    void detach(Client& client);
    void end_session(Client& client);
    /// The parts of it that are the same wherever its messages go: nothing of the session is
    /// subscribed, queued or stored any more; the tables know it no more.
    void leave_all(Client& client);
    void forget_client(Client& client);
    void publish_will(Client& client);
    /// When a session that is away has its Will due, or ends.
    [[nodiscard]] static Instant due_at(const Client& client);
    void remind(Client& client);
    void add_timer(Instant at, Reminder reminder);
    /// Whom it is for is gone, or another reminder has taken its place.
    [[nodiscard]] bool is_void(const Timer& timer) const;
    void on_reminder(const Reminder& reminder);
    void on_connect_timeout(ConnectionId id, const Connection& connection);
    void on_keep_alive_reminder(ConnectionId id, Connection& connection);
    void on_session_reminder(Client& client);

    // core_authenticate.cpp
    /// Whether the client has proven who it is; else how the handling of its CONNECT ends.
    std::optional<Handled> authenticate(ConnectionId id, const wire::Frame& frame,
                                        const wire::Connect& connect, std::string_view client_id,
                                        const std::optional<std::string_view>& user_name);
    void ask(ConnectionId id, Admission& admission, AuthenticationQuestion question);
    void on_answer(ConnectionId id, AuthenticationAnswer& answer);
    Handled on_auth_of_connect(ConnectionId id, const wire::Frame& frame);
    Handled on_auth(ConnectionId id, Client& client, const wire::Frame& frame);
    void send_auth(ConnectionId id, std::string_view method, ReasonCode reason, Bytes data);
    [[nodiscard]] QuestionNumber number_of(ConnectionId id) const;

    // core_access.cpp
    [[nodiscard]] static access::Client as_asker(const Client& client);
    [[nodiscard]] bool is_allowed(Client& client, access::Action action, std::string_view topic);
    [[nodiscard]] const access::Ban* ban_of(const access::Client& who, const access::Zone& zone);
    /// Whether the client has come or gone too often, and is banned now.
    bool note_change(std::string_view client_id, const access::Zone& zone);
    /// Whether PUBLISH packets of the client have to wait; then they are resumed in time.
    bool is_paused(ConnectionId id, Client& client);
    [[nodiscard]] std::uint64_t share_of(std::uint64_t node_limit) const;
    /// Takes memory from the longest queues until the shard is within its share.
    void evict();
    /// Lets go of messages that wait and are stored, when there are too many in memory.
    void page_out();
    /// Memory of the messages that wait above which page_out() has something to do.
    [[nodiscard]] std::uint64_t resident_bytes_max(const access::NodeRules& rules) const;
    void retry_storage();
    /// The name inside the broker: behind the mountpoint, if any. Its text is in mounted_ then.
    [[nodiscard]] std::optional<FilterName> mounted(const access::Mountpoint* mountpoint,
                                                    const FilterName& name);
    /// What the operator has subscribed for the client.
    void auto_subscribe(Client& client);

    // core_publish.cpp
    Handled deny_publish(ConnectionId id, Client& client, const wire::Publish& packet,
                         ReasonCode reason);
    Router::Subscribed subscribe(Client& client, const FilterName& name,
                                 wire::SubscriptionOptions options, std::uint32_t identifier);
    /// The part of subscribe() that writes nothing.
    Router::Subscribed join(Client& client, const FilterName& name,
                            wire::SubscriptionOptions options, std::uint32_t identifier);
    [[nodiscard]] bool has_room_for(Client& client, const FilterName& name);
    Handled on_publish(ConnectionId id, Client& client, wire::Publish& publish);
    Handled on_subscribe(ConnectionId id, Client& client, const wire::Subscribe& subscribe);
    Handled on_unsubscribe(ConnectionId id, Client& client, const wire::Unsubscribe& unsubscribe);
    /// Hands a publication that entered the node here to everybody. Returns how many receivers and
    /// shards it went to.
    RetainVersion next_version();
    std::size_t publish(Publication& publication, const Client* publisher,
                        Forwarding forwarding = Forwarding::at_once);
    std::size_t deliver_here(Publication& publication, const Client* publisher);
    /// What other shards have found when they looked for a member: bits, see PeerSharedPublication.
    struct GroupSearch {
        std::uint64_t tried = 0;
        std::uint64_t busy = 0;
    };
    /// To one member of the Shared Subscription, here or on another shard.
    void publish_to_group(Publication& publication, const FilterName& name, GroupSearch so_far,
                          Forwarding forwarding);
    /// By the operator's strategy.
    [[nodiscard]] ShardIndex shard_for(const Publication& publication, GroupRoute& group);
    /// Which member to begin with.
    [[nodiscard]] std::uint32_t turn_for(const Publication& publication,
                                         const SharedSubscription& group);
    void tell_group_size(const FilterName& name);
    /// Every shard but this one, and the gateway if there is one.
    template <class Act>
    void for_each_peer(Act act) const {
        for (unsigned peer = 0; peer < peer_count_; ++peer)
            if (ShardIndex{peer} != options_.self) act(ShardIndex{peer});
    }
    void deliver_to_member(Publication& publication, const FilterName& name,
                           SharedSubscription& group);
    /// What was for a member whose session is over, sent or not: to other members of its group.
    void redistribute(std::vector<Delivery> deliveries);
    void deliver(Client& client, Publication& publication, const Session::Grant& grant);
    void send_retained(Client& client, const FilterName& name, wire::SubscriptionOptions options,
                       std::uint32_t identifier);
    void store_retained(Publication& publication, RetainVersion version);
    /// False while the other shards do not know the routes yet.
    bool acquire_routes(ConnectionId id, const std::vector<FilterName>& names);
    void unsubscribe(Client& client, const FilterName& name);
    /// The server's own topics (§4.7.2): nobody else speaks there.
    /// Behind a mountpoint no topic begins with `$`, so a filter that begins with a wildcard would
    /// match it [MQTT-4.7.2-1]: such clients have none.
    [[nodiscard]] static bool is_server_topic(const Client& client, std::string_view topic) {
        return topic.starts_with("$SYS/") || topic == "$SYS" ||
               (client.mountpoint() != nullptr && topic.starts_with('$'));
    }
    [[nodiscard]] static bool has_too_many_levels(std::string_view topic, const Settings& settings);
    void time_retry(Client& client);

    // core_storage.cpp
    /// How often something was written; 0 without storage.
    [[nodiscard]] std::uint64_t write_count() const { return ledger_ ? ledger_->write_count() : 0; }
    /// What is sent to the client from now on certifies what was written since then.
    void certify_since(std::uint64_t write_count_before, Client& client) {
        if (write_count() != write_count_before) client.session.certify(context_);
    }
    /// Of a PUBLISH of that client.
    [[nodiscard]] Forwarding forwarding_of(const Client& client, QoS qos);
    void forward(ShardIndex to, PeerMessage message, Publication& publication,
                 Forwarding forwarding);
    /// Whether this is the first time that the message comes.
    bool is_first(ShardIndex from, const PeerReceipt& receipt);
    void answer(ShardIndex from, const PeerReceipt& receipt, std::uint64_t write_count_before);
    void on_peer_stored(const PeerStored& answer);
    /// Writes what the client is apart from its messages and subscriptions.
    void store_session(Client& client);
    void store_retained_record(const MessageRef& message, RetainVersion version);
    void sweep_retained();
    /// What waits for batches up to this one goes out.
    void let_out(BatchNumber number);
    void send_stored_forwards();
    /// Nothing new can be stored, for this reason; nothing when it can.
    [[nodiscard]] std::optional<ReasonCode> storage_refusal() const {
        if (!ledger_ || !ledger_->is_refused()) return std::nullopt;
        return storage_refusal_;
    }
    /// Whether what the PUBLISH asks for includes that something is stored on this shard.
    [[nodiscard]] bool wants_storage(const Client& client, const MessageFields& fields);
    Handled refuse_publish(ConnectionId id, Client& client, const wire::Publish& packet,
                           ReasonCode reason);
    /// What waits for the connection will not be sent: it is asked for, or sent, again on the next
    /// one. False when its CONNACK is among that; then there is no DISCONNECT either
    /// [MQTT-3.14.0-1].
    bool drop_waiting(ConnectionId id);
    /// Of a connection whose last packets cannot be certified.
    void let_go(ConnectionId id, ReasonCode reason);
    /// What a connected session would be if its connection ended now and were taken over by nobody.
    [[nodiscard]] Absence absence_of(const Client& client);
    /// Who resumed the session is refused.
    void go_back(Client& client, Absence before);

    // core_recovery.cpp
    void begin_recovery();
    void restore_sessions(std::vector<std::string>& unusable);
    void restore_subscriptions(std::vector<std::string>& unusable);
    void restore_deliveries(std::vector<std::string>& unusable);
    /// What a member had that went with the process. False when it cannot be used.
    bool restore_shared(const storage::DeliveryRecord& found);
    void restore_forwards(std::vector<std::string>& unusable);
    /// Another shard has it; who stores it is not this one's business.
    void learn_retained(const MessageRef& message, RetainVersion version);
    void restore_retained();
    void on_peer_recovered(const PeerRecovered& peer);
    /// All shards know of each other what they have found: clients may come.
    void become_ready();

    // core_cluster.cpp
    /// Whether no other node has the session; else how the handling of the CONNECT ends.
    std::optional<Handled> claim(ConnectionId id, const wire::Frame& frame,
                                 const wire::Connect& connect, const std::string& client_id);
    /// The session that another node had becomes, or becomes part of, the one of this node.
    void adopt(const storage::SessionCopy& copy, const access::Zone& zone);
    /// What the claim of that connection has brought; null: nothing.
    [[nodiscard]] static const storage::SessionCopy*
    session_claimed_by(const Connection& connection) {
        if (!connection.admission || !connection.admission->claimed) return nullptr;
        return connection.admission->claimed->session.get();
    }

    // core_defects.cpp, core_defects_messages.cpp: what a defect switch asks for. Nothing of it is
    // used without one.
    /// The process would be gone now.
    void crash() { defect_memory().has_crashed = true; }
    /// Of a packet whose connection has ended for it.
    void spoil_refused(const wire::Frame& frame);
    /// Of the beginning of a packet. Whether its connection is gone.
    bool spoil_wait(ConnectionId id, Bytes beginning);
    void spoil_unsubscribe(const Client& client, const FilterName& name);
    Handled refuse_and_stay(ConnectionId id);
    using Postponed = std::function<void()>;
    void postpone(Duration by, Postponed what);
    void take_postponed(std::uint32_t number);
    [[nodiscard]] DefectMemory& defect_memory();
    /// The client of that name; null when there is none, or it is not connected.
    [[nodiscard]] Client* find_connected(std::string_view client_id);
    /// The connection of whoever has the name now ends, as if it were over.
    void close_holder(std::string_view client_id);
    /// Whether a connected client of the name stays what it is, beside a new one.
    bool leaves_holder(const std::string& client_id);
    /// How the handling of a CONNECT that would be let in ends instead.
    std::optional<Handled> spoil_connect(ConnectionId id, const wire::Frame& frame,
                                         ProtocolVersion version, const std::string& client_id);
    void tell_later(const Client& client, DisconnectReason reason);
    /// Whether the CONNECT waits, and what arrives meanwhile will be lost.
    bool begins_gap(ConnectionId id, const wire::Frame& frame, const std::string& client_id);
    void overwrite_will(std::string_view client_id, const wire::Connect& connect);
    void spoil_takeover(Client& client, bool resumes);
    void redispatch_shared(const Client& client);
    /// Whether what is owed to the client comes later, or has come.
    bool spoil_resume(Client& client, bool session_present);
    void spoil_end(Client& client);
    void time_will_cleanup(const Client& client);
    void unsubscribe_all(Client& client, bool only_shared);
    /// Whether the new QoS 2 message is dealt with.
    bool spoil_qos_2(Client& client, const wire::Publish& packet);
    std::optional<Handled> spoil_duplicate(ConnectionId id, Client& client,
                                           const wire::Publish& packet);
    void hold(Client& client, const wire::Publish& packet);
    void release_held(Client& client, const wire::Frame& frame);
    void drop_held(const Client& client);
    /// Whether the message is not to be kept, or kept already.
    bool spoil_retained(const MessageRef& message, RetainVersion version);
    void keep_retained(Publication& publication, RetainVersion version);
    void keep_retained(const MessageRef& message, RetainVersion version);
    /// Whether the Retained Messages for a new subscription are dealt with.
    bool spoil_snapshot(Client& client, const FilterName& name, wire::SubscriptionOptions options,
                        std::uint32_t identifier);
    /// Whether a member that leaves a Shared Subscription is not taken out of it.
    bool stays_behind(const FilterName& name);
    // core_defects_storage.cpp
    /// Before what was written is committed.
    void spoil_turn();
    /// What waits for a batch goes out as soon as this input has been dealt with.
    void let_out_soon(BatchNumber number);
    /// Of a connection that waits for a batch that was refused. Whether it is not told.
    bool spoil_refusal(ConnectionId id);
    void spoil_recovered(Client& client, const storage::SessionRecord& found);
    void spoil_recovered(storage::RetainedRecord& found);
    /// A Will Message of a process that is gone is published, again and again.
    void claim_will(std::uint64_t publisher, std::shared_ptr<const StoredWill> will);
    void note_puback(const Client& client, const wire::Frame& frame);
    void return_acknowledged(Client& client);

    std::shared_ptr<const access::NodeRules> rules_;
    Options options_;
    // Null: nothing outlives the process.
    std::unique_ptr<storage::Ledger> ledger_;
    std::unique_ptr<storage::OutputGate> gate_;
    Network& network_;  // the gate, if there is one
    Peers& peers_;
    Random& random_;
    Authentication* authentication_;
    Events* events_;
    Registry* registry_;       // null: there are no other nodes
    unsigned peer_count_;      // shards, and the gateway
    PeerReadiness readiness_;  // of the cluster
    Counters counters_;
    SessionContext context_;
    Router router_;
    RouteExchange route_exchange_;
    std::uint64_t queued_bytes_max_;    // this shard's share
    std::uint64_t resident_bytes_max_;  // this shard's share
    std::vector<std::uint64_t> unread_;  // owners of queues whose read has failed
    RetainedMessages retained_;
    Timers timers_;
    access::BanList own_bans_;  // of clients that come and go too often
    std::map<std::string, access::FlappingDetector, std::less<>> flapping_;  // by zone
    std::vector<Connection> connections_;                                    // by ConnectionId
    std::uint64_t connection_count_ = 0;
    std::vector<ConnectionId> waiting_subscribes_;
    boost::unordered_flat_map<std::string_view, std::unique_ptr<Client>, TextHash> clients_;
    std::vector<Client*> slots_;  // of clients_
    std::vector<std::uint32_t> slot_generations_;
    std::vector<std::uint32_t> free_slots_;
    std::vector<std::unique_ptr<Client>> ghosts_;  // whose name is another one's, by a defect
    std::vector<Postponed> postponed_;
    std::unique_ptr<DefectMemory> defect_memory_;
    RetainVersion last_version_;
    Instant retained_reminder_at_ = never;

    // Of storage.
    std::unique_ptr<FoundRecords> found_;  // until they are put together
    bool is_ready_ = true;
    unsigned recovering_shards_ = 0;  // others that have not said PeerRecovered
    std::vector<std::pair<ConnectionId, std::uint32_t>> early_;  // connections, with generation
    std::vector<Client*> recovered_;
    std::vector<Delivery> bereft_;  // shared messages whose member went with the process
    storage::ReceiptNumber last_receipt_ = 0;
    unsigned receipts_asked_ = 0;
    std::map<storage::Number, Forward> forwards_;
    std::deque<storage::Number> unsent_forwards_;
    std::map<unsigned, storage::Number> marks_;  // by shard: the last of its forwards taken here
    struct Answer {
        BatchNumber batch;
        ShardIndex to;
        PeerReceipt receipt;
        bool is_refused = false;  // the other shard has been told that it cannot be stored
    };
    std::deque<Answer> answers_;
    PendingReturns returns_;
    ReasonCode storage_refusal_ = ReasonCode::quota_exceeded;  // after a batch that was not stored

    // Scratch, kept to spare allocations.
    Receivers receivers_;
    std::vector<std::uint32_t> identifiers_;
    std::vector<GroupRoute*> group_routes_;
    std::vector<SharedSubscription*> groups_;
    std::vector<MessageRef> snapshot_;
    std::vector<FilterName> names_;
    std::deque<std::string> mounted_;  // texts behind names_
    wire::PropertiesWriter forwarded_;
    Buffer built_;
    Buffer reasons_;
    std::string event_topic_;
    std::vector<GroupRoute*> event_groups_;
    Receivers event_receivers_;
};

}  // namespace touchstone
