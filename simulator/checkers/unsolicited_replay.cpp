// R3: a Retained Message is sent as such (RETAIN 1) only because of a SUBSCRIBE, once for each, and
// not because a session is resumed (§3.3.1.3, §4.1).

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "broker/wire/topics.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_unsolicited_replay(const Trace& trace, const History& history) {
    FlowTracker tracker;
    std::map<std::pair<std::uint32_t, std::string>, std::int64_t> sent;  // session, topic
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto seen = tracker.step(trace, history, trace.entries[index]);
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish || !packet->retain) {
            continue;
        }
        const auto session = history.session_of(*packet);
        const bool is_repetition =
            seen.what != FlowTracker::What::nothing && seen.what != FlowTracker::What::started;
        if (session == no_session || is_repetition) continue;
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
