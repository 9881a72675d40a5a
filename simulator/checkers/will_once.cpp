// L1: the Will Message of a connection is published once when the connection ends without a normal
// DISCONNECT, at the earlier of its delay and the end of the session, unless the session is resumed
// before; and never otherwise (v5 [MQTT-3.1.2-8] to [MQTT-3.1.2-10], [MQTT-3.1.3-9], v3.1.1
// [MQTT-3.1.2-8], [MQTT-3.1.2-10]). Seen through those who subscribe to it.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "broker/wire/topics.hpp"
#include "simulator/checkers/access_rules.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/cluster_messages.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// Two instants within this of each other may be taken in either order.
constexpr Duration tolerance = std::chrono::milliseconds{1'500};

struct Due {
    bool may = false;     // publishing it is allowed
    bool must = false;    // … and demanded
    Instant from{};       // not before
    Instant until{};      // counted from then it is late; never: nobody is there to publish it
    std::string because;  // for people
};

/// The next accepted connection of the same client on the same node.
const ConnectionHistory* successor_of(const History& history, ConnectionNumber number) {
    const auto& mine = history.of(number);
    const ConnectionHistory* next = nullptr;
    for (const auto& other : history.connections) {
        if (&other == &mine || !other.is_accepted || other.node != mine.node ||
            other.client_id != mine.client_id || other.connack_entry < mine.connack_entry) {
            continue;
        }
        if (next == nullptr || other.connack_entry < next->connack_entry) next = &other;
    }
    return next;
}

/// A CONNECT that nobody answered may have resumed the session, or ended it, and then was
/// forgotten.
const ConnectionHistory* unanswered_successor(const History& history,
                                              const ConnectionHistory& mine) {
    const auto found =
        std::ranges::find_if(history.connections, [&](const ConnectionHistory& other) {
            return other.is_durable && other.is_unanswered() && other.node == mine.node &&
                   other.client_id == mine.client_id && other.connect_entry > mine.connack_entry;
        });
    return found == history.connections.end() ? nullptr : &*found;
}

Due due_of(const Trace& trace, const History& history, ConnectionNumber number) {
    using End = ConnectionHistory::End;
    const auto& connection = history.of(number);
    Due due;
    if (connection.end == End::none) {
        due.because = "its connection is there";
        return due;
    }
    const auto* next = successor_of(history, number);
    if (connection.disconnect && *connection.disconnect == ReasonCode::success) {
        // A DISCONNECT that reached the node may be too late: the session was taken over meanwhile.
        due.may =
            (next != nullptr && next->connect_entry < connection.end_entry) ||
            history.may_be_lost(trace, connection.node, trace.entries[connection.end_entry].at);
        due.because = "it left with DISCONNECT";
        return due;
    }
    const Duration lasts = std::chrono::seconds{connection.session_expiry_s};
    const auto* const unanswered = unanswered_successor(history, connection);
    due.may = true;
    due.must = (connection.end != End::with_process || connection.is_durable) &&
               unanswered == nullptr &&
               !is_denied(trace, connection, connection.end_entry, access::Action::publish,
                          connection.will->topic);
    const auto over = History::over(trace, connection, std::min(connection.will->delay, lasts));
    due.from = over.earliest;
    due.until = over.latest;
    due.because = "its connection ended without DISCONNECT";
    if (unanswered != nullptr && unanswered->clean_start)
        due.from = std::min(due.from, trace.entries[unanswered->connect_entry].at);
    if (next == nullptr) return due;
    const Instant resumed_at = trace.entries[next->connack_entry].at;
    // A session that ends, by Clean Start or because it lasts no longer than its connection, brings
    // the publication with it (§3.1.3.2.2).
    if (next->clean_start || lasts == Duration::zero()) {
        due.from = std::min(due.from, resumed_at);
        return due;
    }
    if (resumed_at + tolerance < due.from) {
        due.may = false;
        due.must = false;
        due.because = "its session was resumed before the delay was over";
    } else if (resumed_at - tolerance < due.until && connection.will->delay > Duration::zero()) {
        due.must = false;
    }
    return due;
}

/// Whether a live copy of the message would reach the session, and be recognized as one.
bool is_watching(const History& history, std::uint32_t session, std::string_view topic,
                 std::size_t entry) {
    const auto matching = history.matching(session, topic, entry);
    return !matching.empty() && std::ranges::none_of(matching, [](const auto* one) {
        return one->options.retain_as_published || one->options.no_local;
    });
}

/// Whether the session keeps the message although its client is away, and over crashes.
bool is_kept_for(const Trace& trace, const History& history, std::uint32_t session,
                 const WillHistory& will, std::size_t entry) {
    const auto& watcher = history.of(history.sessions[session].connections.front());
    if (!watcher.is_durable || history.expiry_of(trace, session)) return false;
    const auto matching = history.matching(session, will.topic, entry);
    return std::ranges::any_of(matching, [&](const auto* one) {
        return one->end_entry == no_entry &&
               min(one->granted, trace.messages[will.message].qos) != QoS::at_most_once;
    });
}

/// How far each connection has got with what it was sent: a queue that went with it may have held
/// whatever is newer.
class Progress {
public:
    void step(const Trace& trace, std::size_t index) {
        const auto& entry = trace.entries[index];
        if (const auto* packet = taken_by_broker(trace, entry)) {
            if (packet->type == wire::PacketType::publish && packet->message != no_message) {
                came_at_.emplace(packet->message, entry.at);
            }
        } else if (const auto* sent = sent_by_broker(trace, entry)) {
            const auto came = came_at_.find(sent->message);
            if (sent->type != wire::PacketType::publish || came == came_at_.end()) return;
            for (const bool is_flow : {false, entry.is_flow}) {
                auto& newest = newest_[{sent->connection, is_flow}];
                newest = std::max(newest, came->second);
            }
        }
    }
    /// Whether it got what came well after that instant: at QoS 1 or 2 if `is_flow`, since other
    /// messages need no room in the window.
    [[nodiscard]] bool is_past(ConnectionNumber number, bool is_flow, Instant at) const {
        const auto found = newest_.find({number, is_flow});
        return found != newest_.end() && found->second > at + tolerance;
    }

private:
    std::map<std::uint32_t, Instant> came_at_;  // by message
    std::map<std::pair<ConnectionNumber, bool>, Instant> newest_;
};

}  // namespace

Failures check_will_once(const Trace& trace, const History& history) {
    if (is_cluster_of_brokers(trace)) return check_will_once_in_cluster(trace, history);
    FlowReader flows{history};
    Progress order;
    // message → session → entries of first transmissions
    std::map<std::uint32_t, std::map<std::uint32_t, std::vector<std::size_t>>> seen;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& step = flows.at(index);
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        order.step(trace, index);
        if (packet == nullptr || packet->type != wire::PacketType::publish || packet->retain ||
            packet->message == no_message || !trace.messages[packet->message].is_will) {
            continue;
        }
        const bool is_first = packet->qos == QoS::at_most_once ||
                              step.what == FlowTracker::What::started ||
                              step.what == FlowTracker::What::started_in_use;
        const auto session = history.session_of(*packet);
        if (is_first && session != no_session) seen[packet->message][session].push_back(index);
    }

    const Instant end = history.end_of_run(trace);
    Failures failures;
    for (std::uint32_t raw = 0; raw < history.connections.size(); ++raw) {
        const ConnectionNumber number{raw};
        const auto& connection = history.of(number);
        if (!connection.is_accepted || !connection.will) continue;
        const auto& will = *connection.will;
        if (will.message == no_message) continue;
        const auto due = due_of(trace, history, number);
        const Instant last_at = due.until == never ? end : due.until + tolerance;
        const Instant first_at = trace.entries[connection.connect_entry].at;
        if (history.is_broken(connection.node, first_at, last_at)) continue;
        const auto label = label_of(trace, will.message);
        for (const auto& [session, entries] : seen[will.message]) {
            const auto& watcher = history.sessions[session].client_id;
            const auto copies =
                std::max<std::size_t>(1, history.ever_matching(session, will.topic).size());
            if (!due.may) {
                failures.push_back(
                    {entries.front(),
                     fmt::format("the Will Message {} of '{}' was published (to "
                                 "'{}') although {}",
                                 label, connection.client_id, watcher, due.because)});
            } else if (trace.entries[entries.front()].at + tolerance < due.from) {
                failures.push_back(
                    {entries.front(),
                     fmt::format("the Will Message {} of '{}' was published {} ms too early", label,
                                 connection.client_id,
                                 (due.from - trace.entries[entries.front()].at).count() / 1'000)});
            } else if (entries.size() > copies) {
                failures.push_back(
                    {entries[copies], fmt::format("the Will Message {} of '{}' was published twice "
                                                  "(to '{}')",
                                                  label, connection.client_id, watcher)});
            }
        }
        if (!due.must || due.until == never || trace.end.dropped_messages > 0 ||
            history.active(trace, connection.node, due.until, end) < progress_time) {
            continue;
        }
        for (std::uint32_t session = 0; session < history.sessions.size(); ++session) {
            const auto& watcher = history.sessions[session];
            if (watcher.node != connection.node || watcher.begin_entry > connection.end_entry ||
                watcher.end_entry != no_entry || seen[will.message].contains(session) ||
                !is_watching(history, session, will.topic, connection.end_entry)) {
                continue;
            }
            const bool is_flow = trace.messages[will.message].qos != QoS::at_most_once;
            // It has to be there all the time, as QoS 0 does not wait for it.
            const auto holds = [&](ConnectionNumber candidate) {
                const auto& one = history.of(candidate);
                // With its process goes what of QoS 0 waits behind a backlog.
                if (one.end == ConnectionHistory::End::with_process) return false;
                return one.connack_entry < connection.end_entry &&
                       history.lives_on(trace, candidate, due.from, progress_time) &&
                       (one.end_entry == no_entry || order.is_past(candidate, is_flow, due.until));
            };
            const bool is_kept = is_kept_for(trace, history, session, will, connection.end_entry);
            if (!is_kept && std::ranges::none_of(watcher.connections, holds)) continue;
            const auto view =
                std::ranges::find(trace.end.sessions, watcher.client_id, &TracedSession::client_id);
            const auto is_in = [&](const std::vector<std::string>& payloads) {
                return std::ranges::find(payloads, trace.messages[will.message].payload) !=
                       payloads.end();
            };
            const bool is_waiting = view != trace.end.sessions.end() &&
                                    (is_in(view->queue) || (is_kept && is_in(view->inflight)));
            const bool is_given_up = std::ranges::any_of(
                history.ever_matching(session, will.topic),
                [](const auto* one) { return one->end_entry != no_entry || one->is_shared; });
            if (is_waiting || is_given_up) continue;
            failures.push_back(
                {connection.end_entry,
                 fmt::format("the Will Message {} of '{}' was not published to '{}' "
                             "although {}",
                             label, connection.client_id, watcher.client_id, due.because)});
        }
    }
    return failures;
}

}  // namespace touchstone::simulator
