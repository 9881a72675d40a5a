#include "simulator/checkers/flows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "broker/wire/topics.hpp"

namespace touchstone::simulator {

using wire::PacketType;

FlowTracker::Observation FlowTracker::observe(const Trace& trace, const History& history,
                                              const TraceEntry& entry) {
    const bool is_of_client = direction_ == Direction::to_broker;
    // Who stops in order may have a disk that takes nothing.
    if (entry.kind == TraceEntry::Kind::node_crashed ||
        entry.kind == TraceEntry::Kind::node_stopped) {
        on_crash(trace, history, entry.actor);
        return {};
    }
    if (entry.kind == TraceEntry::Kind::closed) {
        if (entry.direction == Direction::to_broker) on_closed(entry);
        return {};
    }
    // A broker's Session State goes with the session, a client's when it says so.
    if (is_of_client && entry.kind == TraceEntry::Kind::forgot) flows_of(entry.actor.raw()).clear();
    if (!is_of_client) count_copy(trace, history, entry);
    auto& client = this->client(entry.actor);
    if (entry.kind == TraceEntry::Kind::scripted) client.is_scripted = true;
    if (is_of_client && client.is_scripted) return {};
    if (entry.kind == TraceEntry::Kind::opening) {
        client.has_newest = true;
        client.newest = entry.connection;
    }
    const bool is_answer = entry.type == PacketType::puback || entry.type == PacketType::pubrec ||
                           entry.type == PacketType::pubcomp;
    const auto* packet =
        is_answer ? packet_of(trace, entry, TraceEntry::Kind::arrived, opposite(direction_))
                  : packet_of(trace, entry, TraceEntry::Kind::sent, direction_);
    if (packet == nullptr) return {};
    const auto session = history.of(entry.connection).session;
    if (session == no_session) return {};
    if (is_of_client && client.has_newest && client.newest != entry.connection) return {};
    const auto sender = is_of_client ? entry.actor.raw() : session;
    const bool may_be_lost = is_answer && !is_of_client && history.of(entry.connection).is_durable;
    if (may_be_lost) {
        const auto& flows = flows_of(sender);
        const auto known = std::ranges::find(flows, packet->packet_id, &Flow::packet_id);
        if (known != flows.end()) {
            answered_.push_back(
                {sender, *known, history.of(entry.connection).node, entry.at, entry.connection});
        }
    }
    Observation seen =
        is_answer ? on_answer(sender, *packet) : on_publish(history, sender, *packet);
    seen.session = session;
    seen.sender = sender;
    return seen;
}

void FlowTracker::on_crash(const Trace& trace, const History& history, Actor node) {
    for (const auto& one : answered_) {
        if (one.node != node || !history.may_be_lost(trace, node, one.at)) continue;
        unanswer(one);
    }
    std::erase_if(answered_, [node](const Answered& one) { return one.node == node; });
}

void FlowTracker::on_closed(const TraceEntry& entry) {
    for (const auto& one : answered_)
        if (one.connection == entry.connection && one.at == entry.at) unanswer(one);
}

void FlowTracker::unanswer(const Answered& one) {
    // The earliest state counts, as several answers may be lost.
    auto& list = unanswered_[one.sender];
    if (std::ranges::find(list, one.flow.number, &Flow::number) == list.end()) {
        list.push_back(one.flow);
    }
}

void FlowTracker::take_back(std::uint32_t sender, const TracedPacket& packet) {
    const auto all = unanswered_.find(sender);
    if (all == unanswered_.end()) return;
    // Several flows may have had the identifier, one after the other.
    const auto found = std::ranges::find_if(all->second, [&](const Flow& one) {
        return packet.dup && one.packet_id == packet.packet_id && one.message == packet.message;
    });
    if (found == all->second.end()) {
        // A new message under the identifier: no answer was lost.
        std::erase_if(all->second,
                      [&](const Flow& one) { return one.packet_id == packet.packet_id; });
        return;
    }
    const auto flow = *found;
    all->second.erase(found);
    auto& flows = flows_of(sender);
    const auto place =
        std::ranges::find_if(flows, [&](const Flow& one) { return one.number >= flow.number; });
    if (place != flows.end() && place->number == flow.number)
        *place = flow;
    else
        flows.insert(place, flow);
}

void FlowTracker::count_copy(const Trace& trace, const History& history, const TraceEntry& entry) {
    const auto* const taken = taken_by_broker(trace, entry);
    // At QoS 2 it is the same message, however often it comes.
    const bool is_copy = taken != nullptr && taken->type == PacketType::publish &&
                         taken->qos == QoS::at_least_once && taken->message != no_message;
    if (!is_copy || !history.of(entry.connection).is_durable) return;
    ++copies_[{history.of(entry.connection).node, taken->message}];
}

bool FlowTracker::may_be_another_copy(const History& history, std::uint32_t sender,
                                      const TracedPacket& packet) {
    const auto& connection = history.of(packet.connection);
    if (!connection.is_durable || packet.message == no_message) return false;
    const auto is_this = [&](const Flow& flow) { return flow.message == packet.message; };
    const auto unfinished = std::ranges::count_if(flows_of(sender), is_this);
    const auto taken = copies_.find({connection.node, packet.message});
    const std::int64_t times = taken == copies_.end() ? 1 : taken->second;
    // One for each group that the session is in, one for all its other subscriptions, and of a
    // Retained Message one for each SUBSCRIBE.
    std::set<std::string> ways;
    std::int64_t snapshots = 0;
    for (const auto* const one : history.ever_matching(sender, packet.topic)) {
        ways.insert(one->is_shared ? wire::shared_text(one->share_name, one->filter) : "");
        if (packet.retain && !one->is_shared) ++snapshots;
    }
    return unfinished < times * std::max<std::int64_t>(1, std::ssize(ways)) + snapshots;
}

bool FlowTracker::may_have_been_kept_back(const History& history, std::uint32_t sender,
                                          const TracedPacket& packet) {
    const auto& connection = history.of(packet.connection);
    if (direction_ != Direction::to_client || !connection.is_durable ||
        !connection.session_present) {
        return false;
    }
    // Nobody knows which flows a session has after its node's disk lied.
    if (history.is_broken(connection.node, Instant{}, packet.sent_at)) return true;
    if (packet.message == no_message) return true;  // empty: there is no telling which one it is
    return may_be_another_copy(history, sender, packet);
}

FlowTracker::Observation FlowTracker::on_publish(const History& history, std::uint32_t sender,
                                                 const TracedPacket& packet) {
    take_back(sender, packet);
    auto& flows = flows_of(sender);
    auto known = std::ranges::find(flows, packet.packet_id, &Flow::packet_id);
    const bool is_same = known != flows.end() && known->message == packet.message;
    if (is_same || (known != flows.end() && packet.dup)) {
        if (known->connection != packet.connection) known->sends = 0;
        known->connection = packet.connection;
        ++known->sends;
        const What what = known->is_released ? What::resent_released
                          : packet.dup       ? What::resent
                                             : What::resent_without_dup;
        return {what, no_session, sender, *known, &packet};
    }
    const bool is_first = !packet.dup || may_have_been_kept_back(history, sender, packet);
    What what = is_first ? What::started : What::started_with_dup;
    if (known != flows.end()) {
        what = What::started_in_use;
        flows.erase(known);
    }
    if (packet.dup && !may_be_another_copy(history, sender, packet)) {
        // A message that was given another identifier: what it had before is not in use any more.
        std::erase_if(flows, [&](const Flow& flow) {
            return flow.message != no_message && flow.message == packet.message;
        });
    }
    flows.push_back({.packet_id = packet.packet_id,
                     .message = packet.message,
                     .topic = packet.topic,
                     .qos = packet.qos,
                     .is_released = false,
                     .connection = packet.connection,
                     .sends = 1,
                     .number = ++last_number_});
    return {what, no_session, sender, flows.back(), &packet};
}

FlowTracker::Observation FlowTracker::on_answer(std::uint32_t sender, const TracedPacket& packet) {
    auto& flows = flows_of(sender);
    const auto known = std::ranges::find(flows, packet.packet_id, &Flow::packet_id);
    if (known == flows.end()) return {};
    const bool is_qos_2 = known->qos == QoS::exactly_once;
    if ((packet.type == PacketType::puback) == is_qos_2) return {};
    if (packet.type == PacketType::pubrec && !is_failure(packet.reason)) {
        known->is_released = true;
        return {What::released, no_session, sender, *known, &packet};
    }
    if (packet.type == PacketType::pubcomp && !known->is_released) return {};
    Observation finished{What::finished, no_session, sender, *known, &packet};
    flows.erase(known);
    return finished;
}

FlowLog::FlowLog(const Trace& trace, const History& history, Direction direction)
    : tracker_{direction} {
    using What = FlowTracker::What;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto seen = tracker_.step(trace, history, trace.entries[index]);
        if (seen.packet == nullptr) continue;
        const bool is_publish = seen.what != What::finished && seen.what != What::released;
        const auto in_flight = is_publish
                                   ? std::ranges::count(tracker_.unfinished(seen.sender),
                                                        seen.flow.connection, &Flow::connection)
                                   : 0;
        steps_.push_back({index, seen, static_cast<std::uint32_t>(in_flight)});
    }
}

std::map<std::uint32_t, Instant> first_arrivals(const Trace& trace) {
    std::map<std::uint32_t, Instant> instants;
    for (const auto& entry : trace.entries) {
        const auto* const packet = taken_by_broker(trace, entry);
        if (packet == nullptr || packet->type != PacketType::publish) continue;
        instants.try_emplace(packet->message, entry.at);
    }
    return instants;
}

std::string whose(const History& history, const FlowTracker::Observation& seen) {
    const bool is_to_broker =
        seen.packet->direction ==
        (seen.packet->type == PacketType::publish ? Direction::to_broker : Direction::to_client);
    return fmt::format("{} '{}'", is_to_broker ? "by" : "to",
                       history.sessions[seen.session].client_id);
}

std::string label_of(const Trace& trace, std::uint32_t message) {
    if (message == no_message) return "a message";
    return label_of(trace.messages[message].payload);
}

std::string describe(const Trace& trace, const Flow& flow) {
    return fmt::format("{} (id {})", label_of(trace, flow.message), flow.packet_id);
}

}  // namespace touchstone::simulator
