// acknowledged: a QoS 1 message that a client has acknowledged is not sent to it as a new one. Each
// PUBLISH of its publisher may bring it once, repetitions with DUP 1 included, since at QoS 1 the
// server need not know that it had the message before (§4.3.2). Not of Wills, which no client
// publishes, of Retained Messages for a new subscription, and of Shared Subscriptions, which may
// give a message to the same member again. QoS 2 is Q2.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

using Key = std::pair<std::uint32_t, std::uint32_t>;  // session, message

/// How often each message of QoS 1 or 2 got to a broker.
std::map<std::uint32_t, std::uint64_t> arrivals(const Trace& trace) {
    std::map<std::uint32_t, std::uint64_t> counts;
    for (const auto& packet : trace.packets) {
        const bool is_publication = !packet.malformed && packet.direction == Direction::to_broker &&
                                    packet.type == wire::PacketType::publish;
        if (is_publication && packet.arrived_at != never) ++counts[packet.message];
    }
    return counts;
}

/// Copies that one publication may bring the session: one for each matching subscription. Nothing
/// when that is not to be seen.
std::optional<std::uint64_t> copies_max(const History& history, std::uint32_t session,
                                        std::string_view topic) {
    std::set<std::string_view> filters;
    for (const auto* one : history.ever_matching(session, topic)) {
        if (one->is_shared) return std::nullopt;
        filters.insert(one->filter);
    }
    return std::max<std::uint64_t>(1, filters.size());
}

}  // namespace

Failures check_acknowledged(const Trace& trace, const History& history) {
    using What = FlowTracker::What;
    const auto published = arrivals(trace);
    std::map<Key, std::uint64_t> started;
    std::set<Key> acknowledged;
    Failures failures;
    for (const auto& step : history.flows(Direction::to_client).steps()) {
        const auto& seen = step.seen;
        if (seen.flow.message == no_message || seen.flow.qos != QoS::at_least_once) continue;
        const Key key{seen.session, seen.flow.message};
        if (seen.what == What::finished) acknowledged.insert(key);
        const bool is_start = seen.what == What::started || seen.what == What::started_in_use ||
                              seen.what == What::started_with_dup;
        const auto& message = trace.messages[seen.flow.message];
        if (!is_start || seen.packet->retain || message.is_will) continue;
        const auto arrived = published.find(seen.flow.message);
        const auto copies = copies_max(history, seen.session, message.topic);
        if (arrived == published.end() || !copies) continue;
        const bool is_too_often = ++started[key] > arrived->second * *copies;
        if (!is_too_often || !acknowledged.contains(key)) continue;
        const auto came = first_arrivals(trace).at(seen.flow.message);
        if (history.is_broken(history.sessions[seen.session].node, came)) continue;
        failures.push_back(
            {step.entry, fmt::format("{} was sent {} as another message although it had been "
                                     "acknowledged and was not published again",
                                     describe(trace, seen.flow), whose(history, seen))});
    }
    return failures;
}

}  // namespace touchstone::simulator
