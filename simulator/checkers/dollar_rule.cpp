// D1: a filter that begins with a wildcard does not match a topic that begins with $
// (v5 [MQTT-4.7.2-1], v3.1.1 [MQTT-4.7.2-1]). More: what a session gets matches a subscription of
// it.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "broker/wire/topics.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// By session: the filters of SUBSCRIBEs that the broker took and whose connection ended before
/// they were answered. Whether they were carried out is not to be seen.
std::map<std::uint32_t, std::vector<std::string>> unanswered_filters(const Trace& trace,
                                                                     const History& history) {
    std::map<std::pair<ConnectionNumber, std::uint16_t>, const TracedPacket*> asked;
    for (const auto index : history.landmarks) {
        const auto& entry = trace.entries[index];
        if (const auto* packet = taken_by_broker(trace, entry)) {
            if (packet->type == wire::PacketType::subscribe) {
                asked[{packet->connection, packet->packet_id}] = packet;
            }
        } else if (const auto* answer = sent_by_broker(trace, entry)) {
            if (answer->type == wire::PacketType::suback) {
                asked.erase({answer->connection, answer->packet_id});
            }
        }
    }
    std::map<std::uint32_t, std::vector<std::string>> filters;
    for (const auto& [key, packet] : asked) {
        const auto session = history.session_of(*packet);
        if (session == no_session || history.of(key.first).end_entry == no_entry) continue;
        const auto subscribe =
            wire::decode_subscribe(trace.frame_of(*packet), history.of(key.first).version).value();
        subscribe.for_each([&](const wire::Subscription& one) {
            const auto shared =
                wire::is_shared(one.filter) ? wire::split_shared(one.filter) : std::nullopt;
            filters[session].emplace_back(shared ? shared->filter : one.filter);
        });
    }
    return filters;
}

}  // namespace

Failures check_dollar_rule(const Trace& trace, const History& history) {
    const auto unanswered = unanswered_filters(trace, history);
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish) continue;
        const auto session = history.session_of(*packet);
        // An empty topic stands for an alias, which the simulated clients do not offer.
        if (session == no_session || packet->topic.empty()) continue;
        const auto subscriptions = history.ever_matching(session, packet->topic);
        const auto& client_id = history.sessions[session].client_id;
        const auto asked = unanswered.find(session);
        const bool may_have_asked =
            asked != unanswered.end() &&
            std::ranges::any_of(asked->second, [&](const std::string& filter) {
                return wire::matches(filter, packet->topic);
            });
        if (may_have_asked) continue;
        if (subscriptions.empty()) {
            failures.push_back({index, fmt::format("'{}' got a message to '{}', which none of its "
                                                   "subscriptions matches",
                                                   client_id, packet->topic)});
            continue;
        }
        const auto is_enough = [&](const auto* one) { return one->granted >= packet->qos; };
        if (std::ranges::any_of(subscriptions, is_enough)) continue;
        failures.push_back(
            {index, fmt::format("'{}' got {} of '{}' at QoS {}, more than it was granted",
                                client_id, label_of(trace, packet->message), packet->topic,
                                static_cast<unsigned>(packet->qos))});
    }
    return failures;
}

}  // namespace touchstone::simulator
