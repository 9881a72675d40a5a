#include "simulator/sometimes.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;

namespace {

constexpr bool is_acknowledgement(PacketType type) {
    return type == PacketType::puback || type == PacketType::pubrec || type == PacketType::pubcomp;
}

/// What one side is called in the enumeration.
struct SideConditions {
    Sometimes resent;
    Sometimes resent_on_live_connection;
    Sometimes window_full;
    Sometimes packet_id_wrapped;
    Sometimes resumed_before_pubrec;
    Sometimes resumed_before_pubcomp;
};

constexpr SideConditions broker_conditions{Sometimes::broker_resent_publish,
                                           Sometimes::broker_resent_on_live_connection,
                                           Sometimes::broker_window_full,
                                           Sometimes::broker_packet_id_wrapped,
                                           Sometimes::broker_qos_2_resumed_before_pubrec,
                                           Sometimes::broker_qos_2_resumed_before_pubcomp};
constexpr SideConditions client_conditions{Sometimes::client_resent_publish,
                                           Sometimes::client_resent_on_live_connection,
                                           Sometimes::client_window_full,
                                           Sometimes::client_packet_id_wrapped,
                                           Sometimes::client_qos_2_resumed_before_pubrec,
                                           Sometimes::client_qos_2_resumed_before_pubcomp};

/// One side as the sender of QoS 1 and 2 messages.
class Sending {
public:
    Sending(Direction direction, const SideConditions& conditions)
        : direction_{direction},
          conditions_{conditions},
          flows_{direction} {}

    FlowTracker::Observation step(const Trace& trace, const History& history,
                                  const TraceEntry& entry, Happened& happened) {
        using What = FlowTracker::What;
        const auto seen = flows_.step(trace, history, entry);
        const auto note = [&](Sometimes one) { happened.set(static_cast<std::size_t>(one)); };
        const bool is_start = seen.what == What::started || seen.what == What::started_with_dup;
        if (seen.what == What::resent) {
            note(conditions_.resent);
            if (seen.flow.sends > 1) note(conditions_.resent_on_live_connection);
            const bool is_first_here = seen.flow.sends == 1;
            if (is_first_here && seen.flow.qos == QoS::exactly_once) {
                note(conditions_.resumed_before_pubrec);
            }
        }
        if (is_start || seen.what == What::resent) {
            const auto& connection = history.of(seen.flow.connection);
            const auto window =
                direction_ == Direction::to_client ? connection.window : connection.client_window;
            const auto count = std::ranges::count(flows_.unfinished(seen.sender),
                                                  seen.flow.connection, &Flow::connection);
            if (static_cast<std::uint64_t>(count) == window) note(conditions_.window_full);
        }
        if (is_start) {
            auto& last = last_packet_id_[seen.sender];
            if (seen.flow.packet_id < last) note(conditions_.packet_id_wrapped);
            last = seen.flow.packet_id;
        }
        if (seen.what == What::released) {
            released_on_[{seen.sender, seen.flow.packet_id}] = seen.packet->connection;
        }
        if (is_resumed_release(trace, history, entry)) note(conditions_.resumed_before_pubcomp);
        return seen;
    }

    [[nodiscard]] const std::vector<Flow>& unfinished(std::uint32_t sender) {
        return flows_.unfinished(sender);
    }

private:
    bool is_resumed_release(const Trace& trace, const History& history, const TraceEntry& entry) {
        if (entry.type != PacketType::pubrel) return false;
        const bool is_of_broker = direction_ == Direction::to_client;
        const auto* sent =
            is_of_broker ? sent_by_broker(trace, entry) : sent_by_client(trace, entry);
        if (sent == nullptr) return false;
        const auto sender = is_of_broker ? history.session_of(*sent) : entry.actor.raw();
        const auto released = released_on_.find({sender, sent->packet_id});
        return released != released_on_.end() && released->second != sent->connection;
    }

    Direction direction_;
    const SideConditions& conditions_;
    FlowTracker flows_;
    std::map<std::uint32_t, std::uint16_t> last_packet_id_;
    // Sender and identifier → the connection on which the last PUBREC came.
    std::map<std::pair<std::uint32_t, std::uint16_t>, ConnectionNumber> released_on_;
};

/// One side as the receiver of QoS 2 messages.
class Receiving {
public:
    Receiving(Sometimes duplicate, Sometimes repeated_release)
        : duplicate_{duplicate},
          repeated_release_{repeated_release} {}

    /// `taken` and `sent` are the receiver's packets of this entry; either may be null.
    void step(std::uint32_t receiver, const TracedPacket* taken, const TracedPacket* sent,
              Happened& happened) {
        if (taken != nullptr && taken->qos == QoS::exactly_once &&
            unreleased_.contains({receiver, taken->packet_id})) {
            happened.set(static_cast<std::size_t>(duplicate_));
        }
        if (taken != nullptr && taken->type == PacketType::pubrel) {
            const bool is_known = unreleased_.erase({receiver, taken->packet_id}) > 0;
            if (!is_known && completed_.contains({receiver, taken->packet_id})) {
                happened.set(static_cast<std::size_t>(repeated_release_));
            }
        }
        if (sent == nullptr || is_failure(sent->reason)) return;
        if (sent->type == PacketType::pubrec) {
            unreleased_.insert({receiver, sent->packet_id});
            completed_.erase({receiver, sent->packet_id});
        }
        if (sent->type == PacketType::pubcomp) completed_.insert({receiver, sent->packet_id});
    }
    void forget(std::uint32_t receiver) {
        const auto is_its = [receiver](const auto& one) { return one.first == receiver; };
        std::erase_if(unreleased_, is_its);
        std::erase_if(completed_, is_its);
    }

private:
    using Identifiers = std::set<std::pair<std::uint32_t, std::uint16_t>>;
    Sometimes duplicate_;
    Sometimes repeated_release_;
    Identifiers unreleased_;
    Identifiers completed_;
};

/// Everything that is seen while the trace is read once.
class Walk {
public:
    Walk(const Trace& trace, const History& history) : trace_{trace}, history_{history} {}

    Happened walk() {
        for (index_ = 0; index_ < trace_.entries.size(); ++index_) step(trace_.entries[index_]);
        for (const auto& packet : trace_.packets) judge_loss(packet);
        for (std::uint32_t i = 0; i < history_.sessions.size(); ++i) judge_session(i);
        for (const auto& expiring : expiring_) judge_expiry(expiring);
        for (const auto& one : trace_.end.memory) {
            if (one.dropped_queue_full > 0) note(Sometimes::queue_overflowed);
            if (one.unusable_records > 0) note(Sometimes::records_set_aside);
            if (one.paged_in > 0) note(Sometimes::queue_read_from_disk);
        }
        for (const auto& one : trace_.losses) {
            if (one.how == "lost") note(Sometimes::batch_lost);
            if (one.how == "torn") note(Sometimes::batch_torn);
            if (one.how == "late") note(Sometimes::batch_late);
        }
        return happened_;
    }

private:
    struct Expiring {
        std::uint32_t message;
        std::size_t entry;  // PUBLISH arrived at the broker
        Instant expires_at;
    };

    void note(Sometimes one) { happened_.set(static_cast<std::size_t>(one)); }
    [[nodiscard]] bool has(Sometimes one) const {
        return happened_.test(static_cast<std::size_t>(one));
    }

    void step(const TraceEntry& entry) {
        using Kind = TraceEntry::Kind;
        const auto by_broker = broker_.step(trace_, history_, entry, happened_);
        client_.step(trace_, history_, entry, happened_);
        const bool is_start = by_broker.what == FlowTracker::What::started;
        if (is_start && broker_.unfinished(by_broker.session).size() ==
                            history_.of(by_broker.flow.connection).packet_id_max) {
            note(Sometimes::broker_packet_ids_used_up);
        }
        switch (entry.kind) {
            case Kind::sent:
            case Kind::arrived: return on_packet(entry);
            case Kind::closed:
            case Kind::aborted:
            case Kind::ended:
                if (entry.direction == Direction::to_broker) on_broker_end(entry.connection);
                return;
            case Kind::node_crashed: down_.insert(entry.actor); return on_crash(entry.actor);
            case Kind::node_stopped: down_.insert(entry.actor); return;
            case Kind::node_started:
                if (down_.erase(entry.actor) > 0) note(Sometimes::node_came_back);
                return;
            case Kind::crashed:
                if (!client_.unfinished(entry.actor.raw()).empty()) {
                    note(Sometimes::client_crashed_with_flows);
                }
                return;
            case Kind::forgot: return client_receives_.forget(entry.actor.raw());
            default: return;  // says nothing about a condition
        }
    }

    void on_packet(const TraceEntry& entry) {
        const auto session = history_.of(entry.connection).session;
        const auto* const to_broker = taken_by_broker(trace_, entry);
        const auto* const from_broker = sent_by_broker(trace_, entry);
        broker_receives_.step(session, to_broker, from_broker, happened_);
        client_receives_.step(entry.actor.raw(), taken_by_client(trace_, entry),
                              sent_by_client(trace_, entry), happened_);
        if (to_broker != nullptr) on_taken_by_broker(*to_broker, session);
        if (from_broker != nullptr) on_sent_by_broker(*from_broker, session);
    }

    void on_taken_by_broker(const TracedPacket& packet, std::uint32_t session) {
        if (packet.type == PacketType::unsubscribe && session != no_session &&
            !broker_.unfinished(session).empty()) {
            note(Sometimes::unsubscribed_with_flows);
        }
        if (packet.type != PacketType::publish) return;
        if (packet.message != no_message) arrived_.try_emplace(packet.message, index_);
        if (packet.topic_alias != 0 &&
            !aliases_.insert({packet.connection, packet.topic_alias}).second) {
            note(Sometimes::topic_alias_used);
        }
        if (packet.retain && packet.message == no_message && retained_.erase(packet.topic) > 0) {
            note(Sometimes::retained_deleted);
        }
        if (packet.retain && packet.message != no_message &&
            !retained_.insert(trace_.messages[packet.message].topic).second) {
            note(Sometimes::retained_replaced);
        }
        if (!has(Sometimes::message_expired_while_away)) note_expiry(packet);
    }

    void note_expiry(const TracedPacket& packet) {
        const auto version = history_.of(packet.connection).version;
        if (version != ProtocolVersion::v5 || packet.message == no_message) return;
        const auto publish = wire::decode_publish(trace_.frame_of(packet), version);
        const auto expiry_s =
            publish.value().properties.integer(wire::PropertyId::message_expiry_interval);
        if (!expiry_s) return;
        expiring_.push_back(
            {packet.message, index_, trace_.entries[index_].at + std::chrono::seconds{*expiry_s}});
    }

    void on_sent_by_broker(const TracedPacket& packet, std::uint32_t session) {
        const auto& connection = history_.of(packet.connection);
        if (history_.is_refusing(connection.node, trace_.entries[index_].at)) {
            if (packet.reason == ReasonCode::quota_exceeded) note(Sometimes::disk_full_met);
            if (packet.reason == ReasonCode::implementation_specific_error) {
                note(Sometimes::disk_failure_met);
            }
        }
        if (packet.type == PacketType::connack) return on_connack(connection, session);
        if (packet.type == PacketType::disconnect &&
            packet.reason == ReasonCode::keep_alive_timeout) {
            note(Sometimes::keep_alive_ran_out);
        }
        if (packet.type != PacketType::publish) return;
        if (packet.retain) note(Sometimes::retained_delivered);
        if (packet.message == no_message || session == no_session) return;
        const auto& message = trace_.messages[packet.message];
        sent_.insert({session, packet.message});
        if (message.is_will) note(Sometimes::will_published);
        if (packet.qos < message.qos) note(Sometimes::qos_lowered);
        const auto arrival = arrived_.find(packet.message);
        if (!packet.dup && arrival != arrived_.end() &&
            arrival->second < connection.connect_entry) {
            const bool is_retained = packet.retain;
            if (!is_retained) note(Sometimes::backlog_delivered);
        }
        if (!has(Sometimes::overlapping_subscriptions) &&
            history_.matching(session, message.topic, index_).size() > 1) {
            note(Sometimes::overlapping_subscriptions);
        }
    }

    void on_connack(const ConnectionHistory& connection, std::uint32_t session) {
        if (!connection.is_accepted || !connection.session_present) return;
        note(Sometimes::session_resumed);
        const auto& all = history_.sessions[session].connections;
        for (std::size_t i = 1; i < all.size(); ++i) {
            if (&history_.of(all[i]) != &connection) continue;
            const auto& former = history_.of(all[i - 1]);
            if (former.end_entry == no_entry || former.end_entry < connection.connect_entry) return;
            note(Sometimes::session_taken_over);
            if (!broker_.unfinished(session).empty()) note(Sometimes::taken_over_with_flows);
        }
    }

    void on_broker_end(ConnectionNumber number) {
        const auto session = history_.of(number).session;
        if (session == no_session || broker_.unfinished(session).empty()) return;
        const auto& all = history_.sessions[session].subscriptions;
        const bool is_member = std::ranges::any_of(all, [this](const SubscriptionHistory& one) {
            return one.is_shared && one.granted_entry < index_ && one.end_entry > index_;
        });
        if (is_member) note(Sometimes::shared_member_left_with_flows);
    }

    void on_crash(Actor node) {
        for (std::uint32_t i = 0; i < history_.sessions.size(); ++i) {
            const auto& session = history_.sessions[i];
            const bool is_there =
                session.node == node && session.begin_entry < index_ && session.end_entry >= index_;
            if (is_there && !broker_.unfinished(i).empty()) {
                note(Sometimes::node_crashed_with_flows);
            }
        }
    }

    void judge_loss(const TracedPacket& packet) {
        const auto& connection = history_.of(packet.connection);
        const bool is_over =
            connection.end_entry != no_entry || connection.client_end_entry != no_entry;
        if (packet.malformed || packet.arrived_at != never || !is_over) return;
        const bool is_to_broker = packet.direction == Direction::to_broker;
        if (packet.type == PacketType::connack) note(Sometimes::connack_lost);
        if (packet.qos != QoS::at_most_once) {
            note(is_to_broker ? Sometimes::publish_to_broker_lost
                              : Sometimes::publish_to_client_lost);
        }
        if (is_acknowledgement(packet.type)) {
            note(is_to_broker ? Sometimes::acknowledgement_to_broker_lost
                              : Sometimes::acknowledgement_to_client_lost);
        }
    }

    void judge_session(std::uint32_t number) {
        const auto& session = history_.sessions[number];
        const auto& last = history_.of(session.connections.back());
        const auto expiry = history_.expiry_of(trace_, number);
        const bool has_ended_before = expiry && session.end_entry != no_entry &&
                                      trace_.entries[session.end_entry].at < *expiry;
        if (expiry && last.session_expiry_s > 0 && !has_ended_before) {
            note(Sometimes::session_expired);
        }
        for (std::size_t i = 0; i < session.connections.size(); ++i) {
            const auto& connection = history_.of(session.connections[i]);
            judge_will(connection, i + 1 < session.connections.size()
                                       ? &history_.of(session.connections[i + 1])
                                       : nullptr);
        }
        const auto& first = history_.of(session.connections.front());
        const auto discarded =
            std::ranges::find(history_.sessions, first.connack_entry, &SessionHistory::end_entry);
        if (!first.clean_start || discarded == history_.sessions.end()) return;
        const auto its_expiry = history_.expiry_of(
            trace_, static_cast<std::uint32_t>(discarded - history_.sessions.begin()));
        if (!its_expiry || *its_expiry > trace_.entries[first.connect_entry].at) {
            note(Sometimes::session_discarded_by_clean_start);
        }
    }

    void judge_will(const ConnectionHistory& connection, const ConnectionHistory* next) {
        if (!connection.will || connection.end_entry == no_entry) return;
        if (connection.disconnect == ReasonCode::success) return note(Sometimes::will_discarded);
        if (connection.disconnect || next == nullptr || connection.will->delay == Duration{}) {
            return;
        }
        const auto due_at = trace_.entries[connection.end_entry].at + connection.will->delay;
        if (next->connect_entry > connection.end_entry &&
            trace_.entries[next->connect_entry].at < due_at) {
            note(Sometimes::will_delay_outlived);
        }
    }

    /// A session that would have got the message was away until it had expired, came back, and did
    /// not get it.
    void judge_expiry(const Expiring& expiring) {
        const auto& topic = trace_.messages[expiring.message].topic;
        for (std::uint32_t i = 0; i < history_.sessions.size(); ++i) {
            if (sent_.contains({i, expiring.message})) continue;
            if (history_.matching(i, topic, expiring.entry).empty()) continue;
            const auto& all = history_.sessions[i].connections;
            const auto next = std::ranges::find_if(all, [&](ConnectionNumber number) {
                return history_.of(number).connect_entry > expiring.entry;
            });
            if (next == all.end() || next == all.begin()) continue;
            const auto& former = history_.of(*(next - 1));
            const auto back_at = trace_.entries[history_.of(*next).connect_entry].at;
            if (former.end_entry < expiring.entry && back_at > expiring.expires_at) {
                note(Sometimes::message_expired_while_away);
            }
        }
    }

    const Trace& trace_;
    const History& history_;
    Happened happened_;
    std::size_t index_ = 0;
    Sending broker_{Direction::to_client, broker_conditions};
    Sending client_{Direction::to_broker, client_conditions};
    Receiving broker_receives_{Sometimes::broker_took_duplicate_before_release,
                               Sometimes::broker_took_pubrel_after_pubcomp};
    Receiving client_receives_{Sometimes::client_took_duplicate_before_release,
                               Sometimes::client_took_pubrel_after_pubcomp};
    std::map<std::uint32_t, std::size_t> arrived_;            // message → entry at the broker
    std::set<std::pair<std::uint32_t, std::uint32_t>> sent_;  // session, message
    std::set<std::pair<ConnectionNumber, std::uint16_t>> aliases_;
    std::set<std::string>
        retained_;  // topics; of all nodes, which is as good for a scenario of one
    std::vector<Expiring> expiring_;
    std::set<Actor> down_;  // nodes
};

}  // namespace

namespace {

/// What several nodes do together.
void note_cluster(const Trace& trace, const History& history, Happened& happened) {
    const auto note = [&](Sometimes one) { happened.set(static_cast<std::size_t>(one)); };
    if (std::ranges::any_of(trace.reach, [](const auto& one) { return one.from != one.to; }))
        note(Sometimes::nodes_parted);
    if (trace.cluster.model.empty()) return;
    std::map<std::string, const ConnectionHistory*> last;  // of each client, as it was let in
    for (const auto& entry : trace.entries) {
        if (entry.kind == TraceEntry::Kind::node_stopped && entry.index == begins_anew)
            note(Sometimes::node_sent_its_clients_away);
        const auto* packet = sent_by_broker(trace, entry);
        if (packet == nullptr || packet->type != PacketType::connack) continue;
        const auto& connection = history.of(packet->connection);
        if (!connection.is_accepted || connection.client_id.empty()) continue;
        const auto* const before = std::exchange(last[connection.client_id], &connection);
        if (before == nullptr || before->node == connection.node) continue;
        if (connection.session_present) note(Sometimes::session_followed_its_client);
        if (before->end_entry > connection.connack_entry) note(Sometimes::let_in_twice);
    }
}

}  // namespace

Happened what_happened(const Trace& trace, const History& history) {
    auto happened = Walk{trace, history}.walk();
    note_cluster(trace, history, happened);
    return happened;
}

}  // namespace touchstone::simulator
