// R3: a Retained Message is sent as such (RETAIN 1) only because of a SUBSCRIBE, once for each, and
// not because a session is resumed (§3.3.1.3, §4.1). And it says so: what the broker had before a
// session subscribed can only be a Retained Message (v5 §3.3.1.3, v3.1.1 [MQTT-3.3.1-8]).

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "broker/wire/topics.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// A message that came so long before a SUBSCRIBE is not on its way between two shards any more.
constexpr Duration routing_time_max = std::chrono::seconds{1};

/// When the broker took each message for the last time.
std::map<std::uint32_t, Instant> last_taken(const Trace& trace) {
    std::map<std::uint32_t, Instant> times;
    for (const auto& entry : trace.entries) {
        const auto* packet = taken_by_broker(trace, entry);
        if (packet != nullptr && packet->type == wire::PacketType::publish) {
            times[packet->message] = entry.at;
        }
    }
    return times;
}

void check_flag(const Trace& trace, const History& history,
                const std::map<std::uint32_t, Instant>& taken, std::size_t index,
                const TracedPacket& packet, Failures& failures) {
    const auto found = taken.find(packet.message);
    const auto subscriptions = history.ever_matching(history.session_of(packet), packet.topic);
    if (packet.message == no_message || found == taken.end() || subscriptions.empty()) return;
    Instant subscribed_at = never;
    for (const auto* one : subscriptions) {
        // What another member's session left behind may be older (v5 §4.8.2), and what a session
        // had subscribed to before its node's disk lied.
        if (one->is_shared || one->granted_entry == no_entry) return;
        subscribed_at = std::min(subscribed_at, trace.entries[one->requested_entry].at);
    }
    if (found->second + routing_time_max >= subscribed_at) return;
    // Kept back until it was stored, or again what a disk that lied took back.
    const Actor node = history.of(packet.connection).node;
    if (history.is_refusing(node, found->second) ||
        history.is_refusing(node, found->second + routing_time_max) ||
        history.is_broken(node, found->second, packet.sent_at)) {
        return;
    }
    failures.push_back({index, fmt::format("'{}' got {} of '{}', which is older than its "
                                           "subscription, with RETAIN 0",
                                           history.of(packet.connection).client_id,
                                           label_of(trace, packet.message), packet.topic)});
}

}  // namespace

Failures check_unsolicited_replay(const Trace& trace, const History& history) {
    const auto taken = last_taken(trace);
    FlowReader flows{history};
    std::map<std::pair<std::uint32_t, std::string>, std::int64_t> sent;  // session, topic
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& seen = flows.at(index);
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish) continue;
        const auto session = history.session_of(*packet);
        const bool is_repetition =
            seen.what != FlowTracker::What::nothing && seen.what != FlowTracker::What::started;
        if (session == no_session || is_repetition) continue;
        if (!packet->retain) {
            check_flag(trace, history, taken, index, *packet, failures);
            continue;
        }
        std::int64_t asked = 0;
        bool may_be_live = false;
        for (const auto& one : history.sessions[session].subscriptions) {
            if (one.requested_entry > index || !wire::matches(one.filter, packet->topic)) continue;
            may_be_live |= one.options.retain_as_published;
            asked += one.is_shared ? 0 : 1;
        }
        if (may_be_live || ++sent[{session, packet->topic}] <= asked) continue;
        failures.push_back(
            {index,
             fmt::format("'{}' got the Retained Message {} of '{}' without a SUBSCRIBE for "
                         "it: {} were sent for {}",
                         history.sessions[session].client_id, label_of(trace, packet->message),
                         packet->topic, sent[{session, packet->topic}], asked)});
    }
    return failures;
}

}  // namespace touchstone::simulator
