// Outbox: the messages on their way to one client. Those in flight keep the order of their first
// transmission and their Packet Identifiers until the client has acknowledged them (§4.3, §4.6);
// those that wait keep the order of their arrival. It decides, the session sends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/access/policy.hpp"
#include "broker/base/check.hpp"
#include "broker/base/message.hpp"
#include "broker/base/settings.hpp"
#include "broker/session/queue_ledger.hpp"
#include "broker/session/ring.hpp"
#include "broker/storage/ledger.hpp"
#include "broker/wire/types.hpp"

namespace touchstone {

/// What few deliveries have.
struct DeliveryExtras {
    std::vector<std::uint32_t> more_identifiers;  // Subscription Identifiers beyond the first
    std::string group;  // the Shared Subscription it was sent for, as written; empty: none
    storage::DeliveryEntry entry;  // of a durable session
    std::size_t paged_bytes = 0;   // memory that the message takes when it is not in storage only
};

/// A message as one client is to get it.
struct Delivery {
    MessageRef message;  // empty: in storage only (Outbox::page_out), or not needed any more
    QoS qos = QoS::at_most_once;
    bool retain = false;
    std::uint8_t priority = 0;     // of its queue (QueuePriorities): the higher goes first
    bool snapshot = false;         // a Retained Message for a new subscription
    std::uint32_t identifier = 0;  // Subscription Identifier; 0: none
    std::unique_ptr<DeliveryExtras> extras;
};

class Outbox {
public:
    struct Flow {
        wire::PacketId packet_id;
        bool released = false;  // PUBREC has come: PUBREL is owed, the message is not needed
        bool on_this_connection = false;  // PUBLISH was sent on it, so it counts for the send quota
        bool to_resend = false;           // its packet is owed on this connection
        Instant sent_at{};
        Delivery delivery;
    };

    // --- Waiting messages -----------------------------------------------------------------------

    struct Dropped {
        std::uint32_t count = 0;
        bool is_new = false;  // the one that was to be added is among them
    };
    /// Adds `delivery` at the end. When the queue is full, the oldest QoS 0 message makes room, or
    /// else the oldest of all; with room for none, the new one is dropped. The Retained Messages for
    /// a new subscription do not count and are not dropped: the node holds them anyway, and all of
    /// them are to be sent (v3.1.1 §3.8.4).
    ///
    /// With `priorities` the queue is one for each priority, the highest first, and each has the
    /// bound of messages for itself.
    Dropped enqueue(Delivery delivery, const access::QueuePriorities& priorities,
                    const Settings& settings);
    [[nodiscard]] bool has_waiting() const { return !queue_.empty(); }
    [[nodiscard]] bool has_waiting_qos_0() const { return waiting_qos_0_ != 0; }
    [[nodiscard]] const Delivery& front() const { return queue_.front(); }
    Delivery take_front();
    /// Whether one more message would push none out.
    [[nodiscard]] bool has_room(const Settings& settings) const {
        return queue_.size() - snapshot_count_ < settings.queue_messages_max &&
               queue_bytes_ < settings.queue_bytes_max;
    }
    /// Takes out the messages that may go to another member of their Shared Subscription when this
    /// session ends: those never sent and, of QoS 1, those not acknowledged (§4.8.2,
    /// [MQTT-4.8.2-5]).
    std::vector<Delivery> take_shared();

    // --- In storage only --------------------------------------------------------------------------

    /// Lets go of the messages that wait and can be read again: their numbers are at most `stored`.
    /// Those for Shared Subscriptions stay: somebody else may have to get them at once. Returns how
    /// many went.
    std::size_t page_out(storage::Number stored);
    /// The message that waits longest is in storage only.
    [[nodiscard]] bool is_front_paged() const { return !queue_.empty() && !queue_.front().message; }
    /// The numbers of the first messages that wait, up to `count`, as far as they are in storage only.
    [[nodiscard]] std::vector<storage::Number> paged_front(std::size_t count) const;
    /// The message was read. Empty: it is lost, and waits no more. Returns false when it does not wait
    /// any more anyway.
    bool page_in(storage::Number number, MessageRef message);
    [[nodiscard]] std::size_t paged_bytes() const { return paged_bytes_; }
    /// What is being read for page_in; 0: nothing.
    ReadNumber read_under_way = 0;

    // --- Flows ------------------------------------------------------------------------------------

    /// Starts a flow at the end of the window, with a Packet Identifier not in use [MQTT-2.2.1-4].
    /// There is room: flows().size() is below `packet_id_max`.
    Flow& start(Delivery delivery, Instant now, std::uint16_t packet_id_max, bool check_in_use) {
        return flows_.push_back({.packet_id = next_packet_id(packet_id_max, check_in_use),
                                 .sent_at = now,
                                 .delivery = std::move(delivery)});
    }
    /// A flow that was there before the process began, at the end of the window.
    Flow& restore(wire::PacketId packet_id, bool released, Delivery delivery);
    /// The flow with that identifier; null when there is none.
    [[nodiscard]] Flow* find(wire::PacketId packet_id) {
        // Acknowledgements mostly come in order.
        if (!flows_.empty() && flows_.front().packet_id == packet_id) return &flows_.front();
        return find_behind_front(packet_id);
    }
    /// Ends `flow`, one of flows().
    void finish(Flow& flow) {
        uncount(flow);
        resent(flow);
        if (&flow == &flows_.front())
            flows_.pop_front();
        else
            finish_behind_front(flow);
    }
    [[nodiscard]] Ring<Flow>& flows() { return flows_; }
    [[nodiscard]] const Ring<Flow>& flows() const { return flows_; }
    /// PUBLISH packets that count against the send quota of this connection (v5 §4.9).
    [[nodiscard]] std::size_t quota_used() const { return quota_used_; }
    void count_on_connection(Flow& flow) {
        CHECK(!flow.on_this_connection);
        flow.on_this_connection = true;
        ++quota_used_;
    }
    void uncount(Flow& flow) {
        if (!flow.on_this_connection) return;
        flow.on_this_connection = false;
        --quota_used_;
    }
    /// A new connection: nothing counts, and every flow's packet is owed again [MQTT-4.4.0-1].
    void begin_connection();
    [[nodiscard]] std::size_t resends_owed() const { return resends_owed_; }
    void resent(Flow& flow) {
        if (!flow.to_resend) return;
        flow.to_resend = false;
        --resends_owed_;
    }

    /// Takes the oldest message of the lowest priority away; there is one that is no snapshot.
    void drop_oldest();
    [[nodiscard]] std::size_t snapshot_count() const { return snapshot_count_; }
    /// Memory of the messages that wait, without the snapshots and what is in storage only.
    [[nodiscard]] std::size_t resident_bytes() const { return queue_bytes_ - paged_bytes_; }
    QueueAccount account;

    [[nodiscard]] const Ring<Delivery>& waiting() const { return queue_; }
    /// Nothing waits, and no packet is owed.
    [[nodiscard]] bool is_content() const { return queue_.empty() && resends_owed_ == 0; }
    [[nodiscard]] bool is_idle() const { return queue_.empty() && flows_.empty(); }

    // --- Defects (defects.hpp) --------------------------------------------------------------------

    /// The message that was added last goes before all others.
    void let_newest_overtake();
    /// Each part of the queue of so many messages is turned round. `size` is at least 1.
    void reverse_batches(std::size_t size);
    /// Another Packet Identifier for a flow that has one.
    void rename(Flow& flow, wire::PacketId packet_id);
    /// Begins to count the identifiers anew, whatever is in flight.
    void restart_packet_ids() { last_packet_id_ = 0; }
    /// The identifier that start() would give next; it is not taken.
    [[nodiscard]] wire::PacketId peek_packet_id() const;
    /// What was in flight before counts on this connection as well, and for ever.
    void carry_quota();
    /// One more place of the window is taken for ever.
    void leak_quota() { ++quota_used_; }
    /// Gives a place of the window back although nothing ended.
    void refund_quota();
    /// Ends the flows for which `is_wanted(const Flow&)`. Returns how many.
    template <class IsWanted>
    std::size_t finish_if(IsWanted is_wanted) {
        std::size_t count = 0;
        for (std::size_t place = 0; place < flows_.size();) {
            if (!is_wanted(flows_[place])) {
                ++place;
                continue;
            }
            finish(flows_[place]);
            ++count;
        }
        return count;
    }
    /// The messages behind the first `count` are gone.
    void truncate(std::size_t count);

private:
    /// Of the messages from `begin` to `end` of the queue.
    void drop_oldest(std::size_t begin, std::size_t end);
    /// The part of the queue that has this priority.
    [[nodiscard]] std::pair<std::size_t, std::size_t> part_of(std::uint8_t priority) const;
    [[nodiscard]] Ring<Delivery>::iterator at(std::size_t place) {
        return queue_.begin() + static_cast<std::ptrdiff_t>(place);
    }
    void forget(const Delivery& delivery);
    /// A message came to, or went from, that place of the queue.
    void note_place(std::size_t place);
    wire::PacketId next_packet_id(std::uint16_t packet_id_max, bool check_in_use);
    void finish_behind_front(const Flow& flow);
    [[nodiscard]] Flow* find_behind_front(wire::PacketId packet_id);

    Ring<Delivery> queue_;
    Ring<Flow> flows_;
    std::size_t queue_bytes_ = 0;     // without the snapshots
    std::size_t paged_bytes_ = 0;     // of queue_bytes_
    /// Before this place page_out() has looked: nothing there can go, but what was read since.
    std::size_t paged_end_ = 0;
    std::size_t snapshot_count_ = 0;  // of queue_
    std::size_t waiting_qos_0_ = 0;
    std::size_t quota_used_ = 0;
    std::size_t resends_owed_ = 0;
    std::uint16_t last_packet_id_ = 0;
    std::uint16_t packet_id_max_ = 0;  // of the last start()
    /// The identifiers of flows_ are in the order they are given out in, from the front's on. Then
    /// the front's is the first of them to come up again.
    bool is_in_order_ = true;
};

}  // namespace touchstone
