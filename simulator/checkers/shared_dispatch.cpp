// H1: a message for a Shared Subscription goes to one member, to one that is there if any is; when
// that member's session ends before it has acknowledged, it goes to another (v5 §4.8.2), unless it
// was sent at QoS 2 already [MQTT-4.8.2-5]. Judged for QoS 1 and 2, and for sessions that have no
// other subscription that matches.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "broker/wire/topics.hpp"
#include "simulator/checkers/flows.hpp"
#include "simulator/checkers/missing.hpp"

namespace touchstone::simulator {

using wire::PacketType;

namespace {

/// A member that left so long before a message came does not get it any more.
constexpr Duration routing_time_max = std::chrono::seconds{1};

struct Member {
    std::uint32_t session;
    const SubscriptionHistory* subscription;
};
struct Group {
    std::vector<Member> members;  // who can be judged
    bool has_others = false;      // who may get a message without being judged
};

/// (node, Share Name, filter) → everybody who ever was in it.
std::map<std::tuple<Actor, std::string, std::string>, Group> groups_of(const History& history) {
    std::map<std::tuple<Actor, std::string, std::string>, Group> groups;
    for (std::uint32_t index = 0; index < history.sessions.size(); ++index) {
        const auto& session = history.sessions[index];
        for (const auto& one : session.subscriptions) {
            if (!one.is_shared) continue;
            auto& group = groups[{session.node, one.share_name, one.filter}];
            // What is sent at QoS 0 leaves no flow behind that says who had it.
            if (one.granted == QoS::at_most_once) {
                group.has_others = true;
            } else {
                group.members.push_back({index, &one});
            }
        }
    }
    return groups;
}

/// What became of each message in each session.
struct Fates {
    using Key = std::pair<std::uint32_t, std::uint32_t>;  // message, session
    std::map<Key, std::size_t> sent;                      // entry of the first transmission
    std::set<Key> acknowledged;  // PUBACK or PUBREC came, or it is this member's for good
    std::set<Key> waiting;       // at the end of the run, in queue or window
    /// How often a node took the message at QoS 1: each time is another copy, answered or not.
    std::map<std::pair<Actor, std::uint32_t>, std::size_t> copies;
};

Fates fates_of(const Trace& trace, const History& history) {
    Fates fates;
    FlowReader flows{history};
    using What = FlowTracker::What;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        const auto* const taken = entry.is_flow ? taken_by_broker(trace, entry) : nullptr;
        if (taken != nullptr && taken->qos == QoS::at_least_once) {
            ++fates.copies[{history.of(entry.connection).node, taken->message}];
        }
        const auto& seen = flows.at(index);
        if (seen.packet == nullptr || seen.flow.message == no_message) continue;
        const Fates::Key key{seen.flow.message, seen.session};
        if (seen.packet->type == PacketType::publish) fates.sent.emplace(key, index);
        const bool is_answered = seen.what == What::released || seen.what == What::finished;
        // Nobody else gets what was sent at QoS 2 [MQTT-4.8.2-5].
        if (is_answered || seen.flow.qos == QoS::exactly_once) {
            fates.acknowledged.insert(key);
        }
    }
    for (std::uint32_t index = 0; index < history.sessions.size(); ++index) {
        const auto& session = history.sessions[index];
        const auto view =
            std::ranges::find(trace.end.sessions, session.client_id, &TracedSession::client_id);
        if (session.end_entry != no_entry || view == trace.end.sessions.end()) continue;
        for (const auto* list : {&view->queue, &view->inflight}) {
            for (const auto& payload : *list) {
                fates.waiting.insert({trace.find_message(payload), index});
            }
        }
    }
    return fates;
}

/// Whether the session is over by then. One that a CONNECT replaces ends when that arrives; the
/// CONNACK that tells of it comes behind what the end brings about.
bool is_over(const Trace& trace, const History& history, std::uint32_t session, std::size_t entry) {
    const auto& ended = history.sessions[session];
    if (ended.end_entry <= entry) return true;
    const auto replaces = [&](const ConnectionHistory& one) {
        return one.node == ended.node && one.client_id == ended.client_id &&
               one.connack_entry == ended.end_entry && one.connect_entry <= entry;
    };
    if (ended.end_entry != no_entry && std::ranges::any_of(history.connections, replaces))
        return true;
    const auto expired_at = history.expiry_of(trace, session);
    return expired_at && *expired_at <= trace.entries[entry].at;
}

/// Whether a connection of the session is there at that entry.
bool is_there(const History& history, std::uint32_t session, std::size_t entry) {
    return std::ranges::any_of(history.sessions[session].connections, [&](const auto number) {
        const auto& connection = history.of(number);
        return connection.connack_entry < entry && entry < connection.end_entry;
    });
}

class Judge {
public:
    Judge(const Trace& trace, const History& history)
        : trace_{trace},
          history_{history},
          fates_{fates_of(trace, history)} {}

    /// `times`: how often the message was acknowledged.
    void judge(const Group& group, const Accepted& accepted, std::string_view name,
               std::size_t times) {
        if (trace_.end.dropped_messages != 0) return;
        if (!group.has_others) check_reached(group, accepted, name);
        check_once(group, accepted, name, times);
        check_member(group, accepted, name);
        check_away(group, accepted, name);
    }

    Failures failures;

private:
    [[nodiscard]] std::string label(const Accepted& accepted) const {
        return label_of(trace_, accepted.message);
    }
    [[nodiscard]] const std::string& client_of(std::uint32_t session) const {
        return history_.sessions[session].client_id;
    }
    /// Between two shards at the end of the run, so that it is not to be said yet who gets it.
    [[nodiscard]] bool is_underway(const Accepted& accepted, std::string_view name) const {
        const Actor node = history_.of(accepted.connection).node;
        const auto& payload = trace_.messages[accepted.message].payload;
        return std::ranges::any_of(trace_.end.underway, [&](const TracedUnderway& one) {
            return one.node == node && one.group == name && one.payload == payload;
        });
    }
    /// In the group from before the message on to the end of the run.
    [[nodiscard]] bool is_lasting(const Member& member, const Accepted& accepted) const {
        const auto& session = history_.sessions[member.session];
        return member.subscription->granted_entry < accepted.arrived_entry &&
               member.subscription->end_entry == no_entry && session.end_entry == no_entry &&
               !history_.expiry_of(trace_, member.session) &&
               !history_.was_over(trace_, member.session,
                                  trace_.entries[accepted.acknowledged_entry].at);
    }
    /// Whether the message may have been that member's, at QoS 2, and the disk kept it back until
    /// the session was over: then nobody else gets it [MQTT-4.8.2-5].
    [[nodiscard]] bool may_have_gone_along(const Member& member, const Accepted& accepted) const {
        const auto& ended = history_.sessions[member.session];
        return settings_of(trace_.nodes, ended.node).has_storage &&
               member.subscription->granted == QoS::exactly_once &&
               trace_.messages[accepted.message].qos == QoS::exactly_once &&
               member.subscription->requested_entry < accepted.acknowledged_entry &&
               ended.end_entry != no_entry && ended.end_entry > accepted.arrived_entry &&
               !fates_.sent.contains({accepted.message, member.session});
    }

    void check_reached(const Group& group, const Accepted& accepted, std::string_view name) {
        if (history_.is_broken(history_.of(accepted.connection).node,
                               trace_.entries[accepted.arrived_entry].at,
                               trace_.entries[accepted.acknowledged_entry].at)) {
            return;
        }
        const auto lasting = [&](const Member& one) { return is_lasting(one, accepted); };
        if (std::ranges::none_of(group.members, lasting)) return;
        const auto has = [&](const Member& one) {
            const Fates::Key key{accepted.message, one.session};
            return fates_.acknowledged.contains(key) || fates_.waiting.contains(key) ||
                   may_have_gone_along(one, accepted);
        };
        if (std::ranges::any_of(group.members, has)) return;
        if (is_underway(accepted, name)) return;
        failures.push_back({accepted.acknowledged_entry,
                            fmt::format("{} was acknowledged to its publisher, but no member of "
                                        "the Shared Subscription {} has acknowledged it or is "
                                        "still to get it",
                                        label(accepted), name)});
    }

    void check_once(const Group& group, const Accepted& accepted, std::string_view name,
                    std::size_t times) {
        const auto taken =
            fates_.copies.find({history_.of(accepted.connection).node, accepted.message});
        const auto copies =
            std::max(times, taken == fates_.copies.end() ? std::size_t{1} : taken->second);
        std::map<std::size_t, std::uint32_t> sent;  // in the order of sending
        for (const auto& member : group.members) {
            const auto found = fates_.sent.find({accepted.message, member.session});
            if (found != fates_.sent.end()) sent[found->second] = member.session;
        }
        for (auto next = sent.begin(); next != sent.end(); ++next) {
            const auto lasts = [&](const auto& earlier) {
                return !is_over(trace_, history_, earlier.second, next->first);
            };
            const auto had = std::ranges::count_if(sent.begin(), next, lasts);
            if (static_cast<std::size_t>(had) < copies) continue;
            const auto earlier = std::find_if(sent.begin(), next, lasts);
            failures.push_back(
                {next->first, fmt::format("{} of the Shared Subscription {} was sent to '{}' "
                                          "although '{}' had got it, whose session lasts",
                                          label(accepted), name, client_of(next->second),
                                          client_of(earlier->second))});
            return;
        }
    }

    void check_member(const Group& group, const Accepted& accepted, std::string_view name) {
        const Instant came_at = trace_.entries[accepted.arrived_entry].at;
        for (const auto& member : group.members) {
            const auto sent = fates_.sent.find({accepted.message, member.session});
            if (sent == fates_.sent.end()) continue;
            const auto may_get = [&](const Member& one) {
                return one.session == member.session &&
                       (one.subscription->end_entry == no_entry ||
                        trace_.entries[one.subscription->end_entry].at + routing_time_max >=
                            came_at);
            };
            if (std::ranges::any_of(group.members, may_get)) continue;
            failures.push_back(
                {sent->second, fmt::format("{} of the Shared Subscription {} was sent to '{}', "
                                           "which had left it before the message came",
                                           label(accepted), name, client_of(member.session))});
            return;
        }
    }

    void check_away(const Group& group, const Accepted& accepted, std::string_view name) {
        for (const auto& away : group.members) {
            const bool waits = fates_.waiting.contains({accepted.message, away.session}) &&
                               !fates_.sent.contains({accepted.message, away.session});
            if (!waits || is_there(history_, away.session, accepted.arrived_entry)) continue;
            const auto could_take = [&](const Member& one) {
                return is_lasting(one, accepted) &&
                       is_there(history_, one.session, accepted.arrived_entry);
            };
            const auto present = std::ranges::find_if(group.members, could_take);
            if (present == group.members.end()) continue;
            failures.push_back({accepted.acknowledged_entry,
                                fmt::format("{} of the Shared Subscription {} waits for '{}', "
                                            "which was away when it came, although '{}' was there",
                                            label(accepted), name, client_of(away.session),
                                            client_of(present->session))});
            return;
        }
    }

    const Trace& trace_;
    const History& history_;
    Fates fates_;
};

}  // namespace

Failures check_shared_dispatch(const Trace& trace, const History& history) {
    const auto groups = groups_of(history);
    if (groups.empty()) return {};
    const auto& all_accepted = history.accepted;
    std::map<std::uint32_t, std::size_t> times;
    for (const auto& one : all_accepted) ++times[one.message];
    Judge judge{trace, history};
    for (const auto& [key, group] : groups) {
        // Not as a structured binding: clang 14 has none of those in a lambda.
        const Actor node = std::get<0>(key);
        const std::string& share_name = std::get<1>(key);
        const std::string& filter = std::get<2>(key);
        const auto name = wire::shared_text(share_name, filter);
        std::set<std::uint32_t> judged;
        for (const auto& accepted : all_accepted) {
            const auto& topic = trace.messages[accepted.message].topic;
            if (history.of(accepted.connection).node != node || !wire::matches(filter, topic)) {
                continue;
            }
            if (!judged.insert(accepted.message).second) continue;
            // Who gets it for another reason as well says nothing about this one.
            Group only_members{.members = {}, .has_others = group.has_others};
            for (const auto& member : group.members) {
                // Not the names of the structured binding: clang 14 lets no lambda see them.
                const auto is_of_group = [&key = key](const auto* one) {
                    return one->share_name == std::get<1>(key) && one->filter == std::get<2>(key);
                };
                if (std::ranges::all_of(history.ever_matching(member.session, topic),
                                        is_of_group)) {
                    only_members.members.push_back(member);
                } else {
                    only_members.has_others = true;
                }
            }
            judge.judge(only_members, accepted, name, times[accepted.message]);
        }
    }
    return std::move(judge.failures);
}

}  // namespace touchstone::simulator
