// Session: one client's side of the protocol (§4.1 – §4.6): its flows, its queue, its Will Message,
// its limits. It knows neither topics nor other sessions: broker.cpp routes, and calls deliver().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/access/mountpoint.hpp"
#include "broker/access/policy.hpp"
#include "broker/base/counters.hpp"
#include "broker/base/defects.hpp"
#include "broker/base/settings.hpp"
#include "broker/ports/network.hpp"
#include "broker/session/inbox.hpp"
#include "broker/session/outbox.hpp"
#include "broker/session/publication.hpp"
#include "broker/session/queue_ledger.hpp"
#include "broker/storage/ledger.hpp"
#include "broker/storage/output_gate.hpp"
#include "broker/storage/session_copy.hpp"
#include "broker/storage/stored_will.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone {

/// Messages of a queue that are being read from storage.
struct PageRead {
    ReadNumber number = 0;
    std::uint64_t owner = 0;  // QueueAccount::owner of the queue
    std::vector<storage::Number> messages;
};

/// What every session of a shard uses; owned by the Broker.
struct SessionContext {
    const Defects& defects;
    Network& network;
    Counters& counters;
    MessagePool messages{};
    QueueLedger queues{};
    Instant now{};
    Buffer scratch{};                     // packets are built here
    wire::PropertiesWriter properties{};  // and their Properties here
    EncodedPublishes encoded{};
    storage::Ledger* ledger = nullptr;    // null: nothing outlives the process
    storage::OutputGate* gate = nullptr;  // with the ledger
    std::vector<PageRead> reads{};        // not answered yet, in the order of their numbers
};

/// What a CONNECT settled for the time of its Network Connection.
struct ConnectionTerms {
    ProtocolVersion version = ProtocolVersion::v3_1_1;
    std::uint16_t receive_maximum = 65'535;  // of the client (v5 §3.1.2.11.3)
    std::uint16_t topic_alias_max = 0;       // that the server may use (v5 §3.1.2.11.5)
    std::uint32_t packet_size_bytes_max = wire::packet_size_bytes_max;  // of the client
    std::uint16_t keep_alive_s = 0;                                     // in force; 0: none
    std::uint32_t session_expiry_s = 0;      // in force; 0xFFFFFFFF: never
    bool expiry_was_zero_at_connect = true;  // for v5 §3.14.2.2.2
};

class Session {
public:
    /// `zone` outlives the session or its own replacement by obey().
    Session(std::string client_id, const access::Zone& zone)
        : client_id_{std::move(client_id)},
          zone_{&zone} {}
    /// What QueueAccount::owner of its queue is.
    void set_owner(std::uint64_t owner) { owner_ = owner; }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // --- Life -----------------------------------------------------------------------------------

    /// A connection takes the session. What the last one left is owed again; nothing is sent yet.
    /// `mountpoint` (null: none) is left out of the Topic Names that are sent; valid until the next
    /// attach().
    void attach(ConnectionId connection, const ConnectionTerms& terms,
                const access::Mountpoint* mountpoint, std::unique_ptr<StoredWill> will);
    /// After CONNACK: resends what is owed, then what waits (§4.4).
    void resume(SessionContext& context);
    /// The connection is gone.
    void detach();
    /// Frees what only flows in progress need, if there are none. A client that has nothing to say
    /// but PINGREQ is the one to do it for: for a busy one it would be made again at once.
    void free_idle_parts();

    /// The settings of `zone` hold from now on. What is beyond them already, stays.
    void obey(const access::Zone& zone) { zone_ = &zone; }
    [[nodiscard]] const access::Zone& zone() const { return *zone_; }
    [[nodiscard]] const Settings& settings() const { return zone_->settings; }

    [[nodiscard]] bool is_connected() const { return connected_; }
    [[nodiscard]] ConnectionId connection() const { return connection_; }
    [[nodiscard]] const std::string& client_id() const { return client_id_; }
    [[nodiscard]] ConnectionTerms& terms() { return terms_; }
    [[nodiscard]] const ConnectionTerms& terms() const { return terms_; }
    [[nodiscard]] bool is_v5() const { return terms_.version == ProtocolVersion::v5; }
    [[nodiscard]] const StoredWill* will() const { return will_.get(); }
    std::unique_ptr<StoredWill> take_will() { return std::move(will_); }
    void drop_will() { will_.reset(); }
    void replace_will(std::unique_ptr<StoredWill> will) { will_ = std::move(will); }

    // --- To the client
    // ----------------------------------------------------------------------------

    struct Grant {
        QoS qos = QoS::at_most_once;
        bool retain = false;
        bool snapshot = false;  // a Retained Message for a new subscription
        std::uint32_t identifier = 0;
        const std::vector<std::uint32_t>* more_identifiers = nullptr;
        std::string_view group;            // the Shared Subscription it is sent for; empty: none
        bool is_of_lasting_group = false;  // one of its members outlives the process
    };
    /// Sends `publication` or keeps it, as window, queue and limits demand.
    void deliver(SessionContext& context, Publication& publication, const Grant& grant);
    /// A packet built by the caller: CONNACK, SUBACK, PINGRESP, … . False, and nothing is sent,
    /// when the client takes none that large [MQTT-3.1.2-24].
    bool send(SessionContext& context, Bytes packet);
    void on_written(SessionContext& context, std::size_t size_bytes);
    /// Resends what has waited for its acknowledgement longer than the retry interval. Returns when
    /// it is wanted next; `never` for not.
    Instant retry(SessionContext& context);
    [[nodiscard]] bool wants_retry() const {
        return connected_ && !is_v5() && settings().retry_interval > Duration::zero() && outbox_ &&
               !outbox_->flows().empty();
    }
    /// Connected, and a QoS 1 message would go out at once: the better member of a Shared
    /// Subscription.
    [[nodiscard]] bool is_ready() const;
    /// A QoS 1 message would be sent or kept, and push out none.
    [[nodiscard]] bool has_room() const { return !outbox_ || outbox_->has_room(settings()); }
    /// When the session ends: see Outbox::take_shared.
    std::vector<Delivery> take_shared(SessionContext& context);
    /// When the session ends: its queue's memory counts no more.
    void forget_queue(SessionContext& context);
    /// Drops the message that has waited longest. There is one that takes memory.
    void evict_oldest(SessionContext& context);

    // --- In storage only

    /// Lets go of the messages that wait and are stored. Returns how many.
    std::size_t page_out(SessionContext& context);
    /// The answer to a read of this session, or of one that had its place before.
    void on_read(SessionContext& context, const PageRead& read, const ReadAnswer& outcome);
    /// After a read that failed: asks once more, if it is still wanted.
    void read_again(SessionContext& context) {
        if (outbox_) advance(context);
    }

    // --- From the client
    // --------------------------------------------------------------------------

    /// Puts the Topic Name behind an alias into `publish`, and checks what depends on the session.
    /// Errors: topic_alias_invalid, protocol_error, receive_maximum_exceeded.
    Result<void> accept(wire::Publish& publish);
    /// Whether a QoS 2 PUBLISH is new; remembers its identifier.
    Inbox::Received receive_qos_2(SessionContext& context, wire::PacketId packet_id);
    /// A PUBREC that refuses the message ends the flow: its identifier is free again (§4.3.3).
    void unreceive_qos_2(SessionContext& context, wire::PacketId packet_id);
    /// The answer to an accepted PUBLISH of QoS 1 or 2.
    void acknowledge(SessionContext& context, const wire::Publish& publish, ReasonCode reason);

    void on_puback(SessionContext& context, const wire::Ack& ack);
    void on_pubrec(SessionContext& context, const wire::Ack& ack);
    void on_pubrel(SessionContext& context, const wire::Ack& ack);
    void on_pubcomp(SessionContext& context, const wire::Ack& ack);

    // --- What outlives the process (session_storage.cpp) -----------------------------------------

    /// The number of its record; 0: none.
    [[nodiscard]] storage::Number stored_as() const { return stored_as_; }
    /// Its messages, subscriptions and identifiers are stored from now on (or were before).
    [[nodiscard]] bool is_durable() const { return is_durable_; }
    void set_stored(storage::Number number, bool is_durable) {
        stored_as_ = number;
        is_durable_ = is_durable;
    }
    /// What is sent to the client from now on leaves after what is written now is stored.
    void certify(SessionContext& context) const {
        if (context.gate != nullptr && connected_)
            context.gate->hold(connection_, context.ledger->awaited_batch());
    }
    /// What was found at recovery, in the order of storage::DeliveryRecord::started, then sequence.
    /// False: it contradicts what is there already.
    /// Without a message, of one that waits: it takes `paged_bytes` of memory when it is read.
    bool restore(SessionContext& context, const storage::DeliveryRecord& found, MessageRef message,
                 storage::DeliveryEntry entry, std::size_t paged_bytes = 0);
    void restore_received(wire::PacketId packet_id);
    /// Adds its flows, its queue and the identifiers that it has received.
    void copy_to(storage::SessionCopy& copy) const;
    /// Of a session that comes from another node: as restore(), but what is durable is to be stored
    /// anew. A flow whose Packet Identifier is in use here waits to begin once more.
    void adopt(SessionContext& context, const storage::DeliveryRecord& found, MessageRef message);
    void adopt_received(SessionContext& context, wire::PacketId packet_id);
    /// The session ends: its identifiers are forgotten. Its deliveries go with themselves.
    void erase_received(SessionContext& context) const;

    // --- Defects (defects.hpp, session_defects.cpp) ----------------------------------------------

    /// Of a connection that begins: before and after attach().
    void spoil_terms(const SessionContext& context, ConnectionTerms& terms) const;
    void spoil_begin(SessionContext& context);
    /// Of a connection that ends: before detach().
    void spoil_end(SessionContext& context);
    /// Sends `publication` at its QoS without starting a flow for it.
    void send_unregistered(SessionContext& context, Publication& publication, const Grant& grant);
    /// The messages that wait behind the first `count` are gone, and nobody counts them.
    void truncate_queue(SessionContext& context, std::size_t count);

    [[nodiscard]] const Outbox* outbox() const { return outbox_.get(); }
    [[nodiscard]] const Inbox* inbox() const { return inbox_.get(); }
    /// Most PUBLISH packets of QoS 1 and 2 in flight on this connection.
    [[nodiscard]] std::size_t window() const;

private:
    /// Writes what a change of the queue has cost or freed into the ledger.
    void account(SessionContext& context, std::size_t before_bytes);
    Outbox& made_outbox();
    /// Of a durable session: gives the delivery its place in storage.
    void enter(SessionContext& context, Publication& publication, Delivery& delivery,
               bool is_of_lasting_group) const;
    /// What the delivery is now, without the numbers that storage gives it.
    static storage::DeliveryRecord record_of(const Delivery& delivery, const Outbox::Flow* flow);
    /// Writes what the delivery is now; `flow`: null while it waits.
    static void write(Delivery& delivery, const Outbox::Flow* flow);
    /// Before the flow's next packet is sent: the packet waits until the flow is stored.
    void write(SessionContext& context, Outbox::Flow& flow) const;
    void send_ack(SessionContext& context, wire::PacketType type, wire::PacketId packet_id,
                  ReasonCode reason);
    void keep(SessionContext& context, Delivery delivery);
    /// Sends what the window and the unwritten bytes allow.
    void advance(SessionContext& context);
    void send_waiting(SessionContext& context);
    /// The message that is next is in storage only.
    void ask_for_pages(SessionContext& context);
    void resend(SessionContext& context);
    void resend_flow(SessionContext& context, Outbox::Flow& flow);
    [[nodiscard]] bool is_window_open(const SessionContext& context) const {
        return outbox_->quota_used() + foreign_quota(context) < window() ||
               context.defects.has(Defect::window_not_enforced);
    }
    [[nodiscard]] static bool checks_packet_ids(const SessionContext& context) {
        return !context.defects.has(Defect::pid_no_in_use_check) &&
               !context.defects.has(Defect::pid_alloc_restart_on_resume);
    }
    [[nodiscard]] const Settings& limits_of_queue(const SessionContext& context) const;
    /// What a defect takes from the window for something else.
    [[nodiscard]] std::size_t foreign_quota(const SessionContext& context) const {
        return context.defects.has(Defect::rx_counts_in_tx_window) && inbox_
                   ? inbox_->unreleased().size()
                   : 0;
    }
    void spoil_resume(SessionContext& context);
    void spoil_queue(SessionContext& context);
    void spoil_stray_puback(SessionContext& context, Outbox::Flow* flow);
    [[nodiscard]] bool is_congested(const SessionContext& context) const {
        return unwritten_bytes_ > settings().unwritten_bytes_max &&
               !context.defects.has(Defect::unbounded_write_buffer);
    }
    /// Puts a PUBLISH together and sends it. False when it is too large for the client
    /// [MQTT-3.1.2-24].
    bool send_publish(SessionContext& context, const MessageFields& fields,
                      const MessageRef& message, const Delivery& delivery, bool dup,
                      std::optional<wire::PacketId> packet_id);
    bool send_shared_publish(SessionContext& context, Publication& publication, QoS qos,
                             bool retain, std::optional<wire::PacketId> packet_id);
    void count_publish_sent(SessionContext& context, QoS qos);
    void start_flow(SessionContext& context, Delivery delivery);
    /// The alias to send `topic` with, and whether it stands for the topic already; nothing when
    /// there is none left. A new one counts only once its packet is sent (note_alias).
    struct Alias {
        std::uint16_t number;
        bool is_known;
    };
    [[nodiscard]] std::optional<Alias> alias_for(std::string_view topic) const;
    void note_alias(std::string_view topic);

    std::string client_id_;
    const access::Zone* zone_;
    const access::Mountpoint* mountpoint_ = nullptr;
    std::uint64_t owner_ = 0;
    ConnectionId connection_;
    bool connected_ = false;
    bool is_durable_ = false;
    storage::Number stored_as_ = 0;
    ConnectionTerms terms_;
    std::size_t unwritten_bytes_ = 0;
    std::unique_ptr<Outbox> outbox_;  // null: nothing in it
    std::unique_ptr<Inbox> inbox_;
    // Topic Aliases this server has set on the connection; the first is 1 (v5 §3.3.2.3.4).
    std::unique_ptr<boost::container::flat_map<std::string, std::uint16_t, std::less<>>> aliases_;
    std::unique_ptr<StoredWill> will_;
};

}  // namespace touchstone
