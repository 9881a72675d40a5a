// presence: what the broker tells about a client, in the topics
// $SYS/brokers/NODE/clients/CLIENT/connected and …/disconnected, tells of one connection after the
// other: each ends before the next begins.

#include <fmt/format.h>

#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

constexpr std::string_view begin_of_topic = "$SYS/brokers/";

}  // namespace

Failures check_presence_order(const Trace& trace, const History& history) {
    FlowReader flows{history};
    std::map<std::pair<std::uint32_t, std::string>, std::string> last;  // session, client → event
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& seen = flows.at(index);
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        const bool is_new =
            packet != nullptr && packet->type == wire::PacketType::publish &&
            (packet->qos == QoS::at_most_once || seen.what == FlowTracker::What::started);
        if (!is_new || !packet->topic.starts_with(begin_of_topic)) continue;
        const auto session = history.session_of(*packet);
        const auto slash = packet->topic.rfind('/');
        const auto event = packet->topic.substr(slash + 1);
        if (session == no_session || (event != "connected" && event != "disconnected")) continue;
        const auto client = packet->topic.substr(0, slash);
        auto& before = last[{session, client}];
        if (before == event) {
            failures.push_back(
                {index, fmt::format("'{}' was told {} twice in a row of {}",
                                    history.sessions[session].client_id, event, client)});
        }
        before = event;
    }
    return failures;
}

}  // namespace touchstone::simulator
