// R2: for a topic with Retained Messages of one publisher, what a session gets never goes back to
// an older value, whether it comes live or as a Retained Message for a new subscription (§4.6).

#include <fmt/format.h>

#include <map>
#include <set>
#include <tuple>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// Topics whose every message is retained, of one QoS and of one publisher: only they have an order
/// of values that can be seen from outside.
std::set<std::string> ordered_topics(const Trace& trace) {
    struct Source {
        Actor publisher;
        QoS qos;
        bool is_ordered;
    };
    std::map<std::string, Source> sources;
    for (const auto& message : trace.messages) {
        const auto [known, is_new] =
            sources.try_emplace(message.topic, Source{message.publisher, message.qos, true});
        auto& source = known->second;
        source.is_ordered &= message.retain && !message.is_will &&
                             source.publisher == message.publisher && source.qos == message.qos;
    }
    std::set<std::string> topics;
    for (const auto& [topic, source] : sources) {
        if (source.is_ordered) topics.insert(topic);
    }
    return topics;
}

}  // namespace

Failures check_retained_order(const Trace& trace, const History& history) {
    const auto topics = ordered_topics(trace);
    std::map<std::tuple<std::uint32_t, std::string, QoS>, std::uint32_t> newest;
    FlowTracker tracker;
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto seen = tracker.step(trace, history, trace.entries[index]);
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish ||
            packet->message == no_message || !topics.contains(packet->topic)) {
            continue;
        }
        const auto session = history.session_of(*packet);
        const bool is_repetition =
            seen.what != FlowTracker::What::nothing && seen.what != FlowTracker::What::started;
        if (session == no_session || is_repetition) continue;
        const auto [known, is_new] =
            newest.try_emplace({session, packet->topic, packet->qos}, packet->message);
        if (is_new) continue;
        const auto& last = trace.messages[known->second];
        const auto& now = trace.messages[packet->message];
        if (now.sequence < last.sequence) {
            failures.push_back({index, fmt::format("'{}' got {} of '{}' after the newer {}",
                                                   history.sessions[session].client_id,
                                                   label_of(trace, packet->message), packet->topic,
                                                   label_of(trace, known->second))});
            continue;
        }
        known->second = packet->message;
    }
    return failures;
}

}  // namespace touchstone::simulator
