// O1: what one publisher published to one topic at one QoS is first delivered in the order of
// publishing (§4.6). Shared Subscriptions have no such order (v5 §4.8.2), and Retained Messages for
// a new subscription are R2's business.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "simulator/checkers/access_rules.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/cluster_messages.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

struct Taken {
    std::uint64_t times = 0;
    std::size_t first_entry = no_entry;
};

/// How often, and when first, the broker took a PUBLISH of each message.
std::map<std::uint32_t, Taken> taken_messages(const Trace& trace) {
    std::map<std::uint32_t, Taken> all;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* packet = taken_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish) continue;
        auto& one = all[packet->message];
        if (one.times++ == 0) one.first_entry = index;
    }
    return all;
}

/// Whether this delivery may stem from a repetition by the publisher, whose first copy was not for
/// this session or was given up for it.
bool may_be_repetition(const Trace& trace, const History& history, const TracedPacket& packet,
                       const Taken& taken) {
    if (taken.times < 2) return false;
    const auto& first = trace.packets[trace.entries[taken.first_entry].index];
    // It was refused, which its publisher did not hear before its connection ended.
    if (history.is_refusing(history.of(first.connection).node,
                            trace.entries[taken.first_entry].at)) {
        return true;
    }
    if (is_denied(trace, history.of(first.connection), taken.first_entry, access::Action::publish,
                  packet.topic)) {
        return true;
    }
    const auto subscriptions = history.ever_matching(history.session_of(packet), packet.topic);
    return packet.qos == QoS::at_most_once || trace.end.dropped_messages > 0 ||
           subscriptions.size() != 1 || subscriptions.front()->end_entry != no_entry ||
           subscriptions.front()->granted_entry > taken.first_entry;
}

}  // namespace

Failures check_publisher_order(const Trace& trace, const History& history) {
    if (is_cluster_of_brokers(trace)) return check_publisher_order_in_cluster(trace, history);
    struct Last {
        std::uint64_t sequence = 0;
        std::uint32_t message = no_message;
    };
    // session, publisher, topic, QoS of publishing, QoS of delivery
    std::map<std::tuple<std::uint32_t, Actor, std::string, QoS, QoS>, Last> newest;
    std::set<std::pair<std::uint32_t, std::uint32_t>> delivered;  // session, message
    const auto taken = taken_messages(trace);
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        if (trace.entries[index].kind != TraceEntry::Kind::delivered) continue;
        const auto* packet = &trace.packets[trace.entries[index].index];
        if (packet->retain || packet->message == no_message) continue;
        const auto session = history.session_of(*packet);
        const auto& message = trace.messages[packet->message];
        if (session == no_session || message.is_will) continue;
        // A Shared Subscription has no order: what one member did not take comes late to another.
        const auto subscriptions = history.ever_matching(session, message.topic);
        if (std::ranges::any_of(subscriptions, &SubscriptionHistory::is_shared)) continue;
        if (!delivered.insert({session, packet->message}).second) continue;
        auto& last = newest[{session, message.publisher, message.topic, message.qos, packet->qos}];
        if (message.sequence < last.sequence) {
            const auto source = taken.find(packet->message);
            // What a disk took back is published again, behind what it did not.
            if (source != taken.end() &&
                history.is_broken(history.sessions[session].node,
                                  trace.entries[source->second.first_entry].at,
                                  trace.entries[index].at)) {
                continue;
            }
            if (source != taken.end() &&
                may_be_repetition(trace, history, *packet, source->second)) {
                continue;
            }
            failures.push_back(
                {index,
                 fmt::format("'{}' received {} for the first time after {}, which {} "
                             "published later to '{}' at QoS {}",
                             history.sessions[session].client_id, label_of(trace, packet->message),
                             label_of(trace, last.message), trace.name_of(message.publisher),
                             message.topic, static_cast<unsigned>(message.qos))});
            continue;
        }
        last = {message.sequence, packet->message};
    }
    return failures;
}

}  // namespace touchstone::simulator
