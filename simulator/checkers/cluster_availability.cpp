// C5 of clusters: a node lets clients in when its model says so, and only then. Which nodes are
// reached is taken from the faults; whoever has to notice one has the time to.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// Which nodes a node reaches, entry by entry.
class Reached {
public:
    Reached(const Trace& trace, const History& history) : trace_{trace} {
        for (const auto& node : trace.nodes)
            if (node.actor != trace.cluster.one_broker) nodes_.push_back(node.actor);
        voters_ = nodes_;
        const auto voters = trace.cluster.voters;
        if (voters > 0 && voters < voters_.size())
            voters_.erase(voters_.begin() + static_cast<std::ptrdiff_t>(voters), voters_.end());
        const bool has_replicants = std::ranges::any_of(
            nodes_, [&](Actor node) { return trace.cluster.is_replicant(node); });
        if (has_replicants) changes_.insert(Instant{});  // they have to find a core first
        for (const auto& one : trace.reach) changes_.insert(one.at);
        for (const auto& one : trace.faults) {
            if (one.kind != "pause") continue;
            changes_.insert(one.began_at);
            changes_.insert(one.ended_at);
            pauses_.push_back(&one);
        }
        for (const auto index : history.landmarks) {
            const auto& entry = trace.entries[index];
            const bool is_change = entry.kind == TraceEntry::Kind::node_started ||
                                   entry.kind == TraceEntry::Kind::node_stopped ||
                                   entry.kind == TraceEntry::Kind::node_crashed;
            if (is_change) changes_.insert(entry.at);
        }
    }

    void step(Instant at) {
        for (; next_ < trace_.reach.size() && trace_.reach[next_].at <= at; ++next_) {
            const auto& one = trace_.reach[next_];
            auto& count = cuts_[{one.from, one.to}];
            one.is_cut ? ++count : --count;
            review(one.at);
        }
    }
    /// Whether it reaches most of the nodes that vote.
    [[nodiscard]] bool is_with_most(Actor node) const { return !minority_since_.contains(node); }
    /// Since when neither it does, nor a node that it reaches and that leads; nothing: one does.
    [[nodiscard]] const Instant* apart_since(Actor node) const {
        const auto found = apart_since_.find(node);
        return found == apart_since_.end() ? nullptr : &found->second;
    }
    /// Whether most of the nodes that vote answer it.
    [[nodiscard]] bool is_answered_by_most(Actor node, Instant at) {
        const auto count = std::ranges::count_if(
            voters_, [&](Actor other) { return is_answered(node, other, at); });
        return 2 * static_cast<std::size_t>(count) > voters_.size();
    }
    /// Whether it reaches whoever leads, if there is a leader: which one it is is not to be seen,
    /// but it is a node that votes and that most of them answer. It goes on to lead as long as they
    /// do, whoever does not reach it.
    [[nodiscard]] bool is_answered_by_leader(Actor node, Instant at) {
        if (!trace_.cluster.has_leader) return true;
        return std::ranges::none_of(voters_, [&](Actor other) {
            return is_answered(other, other, at) && is_answered_by_most(other, at) &&
                   !is_answered(node, other, at);
        });
    }
    /// A replicant can do nothing without one.
    [[nodiscard]] bool is_answered_by_a_core(Actor node, Instant at) {
        if (!trace_.cluster.is_replicant(node)) return true;
        return std::ranges::any_of(nodes_, [&](Actor other) {
            return !trace_.cluster.is_replicant(other) && is_answered(node, other, at);
        });
    }
    /// Whether it reaches all nodes, and all run.
    [[nodiscard]] bool is_answered_by_all(Actor node, Instant at) {
        return std::ranges::all_of(nodes_,
                                   [&](Actor other) { return is_answered(node, other, at); });
    }
    /// Whether nothing has happened to any node or link for that long.
    [[nodiscard]] bool is_quiet(Instant at, Duration span) const {
        const auto next = changes_.upper_bound(at);
        return next == changes_.begin() || *std::prev(next) + span < at;
    }

private:
    [[nodiscard]] bool is_reached(Actor node, Actor other) {
        if (other == node) return true;
        return cuts_[{node, other}] == 0 && cuts_[{other, node}] == 0 && cuts_[{other, other}] == 0;
    }
    /// Whether it reaches the other one, which does not stand still.
    [[nodiscard]] bool is_answered(Actor node, Actor other, Instant at) {
        return cuts_[{other, other}] == 0 && is_reached(node, other) &&
               std::ranges::none_of(pauses_, [&](const TracedFault* one) {
                   return one->began_at <= at && at < one->ended_at &&
                          one->where == trace_.name_of(other);
               });
    }
    void review(Instant at) {
        const auto note = [at](std::map<Actor, Instant>& since, Actor node, bool is_so) {
            if (is_so)
                since.try_emplace(node, at);
            else
                since.erase(node);
        };
        for (const auto node : nodes_) {
            const auto reached = std::ranges::count_if(
                voters_, [&](Actor other) { return is_reached(node, other); });
            note(minority_since_, node, 2 * static_cast<std::size_t>(reached) <= voters_.size());
        }
        for (const auto node : nodes_) {
            const auto leads = [&](Actor other) {
                return is_reached(node, other) && is_with_most(other);
            };
            const bool is_led =
                trace_.cluster.has_leader ? std::ranges::any_of(nodes_, leads) : is_with_most(node);
            note(apart_since_, node, !is_led);
        }
    }

    const Trace& trace_;
    std::vector<Actor> nodes_;
    std::set<Instant> changes_;
    std::vector<const TracedFault*> pauses_;
    std::map<std::pair<Actor, Actor>, unsigned> cuts_;
    std::vector<Actor> voters_;
    std::map<Actor, Instant> minority_since_;
    std::map<Actor, Instant> apart_since_;
    std::size_t next_ = 0;
};

/// For reasons that lie in the server, as of nodes that stand alone (availability.cpp).
bool is_refusal_of_server(ReasonCode reason) {
    return reason == ReasonCode::unspecified_error ||
           reason == ReasonCode::implementation_specific_error ||
           reason == ReasonCode::server_unavailable;
}

/// What a node that serves has taken, it answers.
void check_answers(const Trace& trace, const History& history, Failures& failures) {
    const Duration span = trace.cluster.notices_within + progress_time;
    std::map<std::pair<ConnectionNumber, std::uint16_t>, std::size_t> waiting;
    const auto judge = [&](ConnectionNumber number, std::size_t asked, Instant until) {
        const auto& connection = history.of(number);
        if (!connection.is_accepted) return;
        const auto since =
            std::max(trace.entries[asked].at, trace.entries[connection.connack_entry].at);
        if (history.active(trace, connection.node, since, until) < span) return;
        if (!history.lives_on(trace, number, since, span)) return;
        failures.push_back(
            {asked,
             fmt::format(
                 "a SUBSCRIBE of '{}' has had no answer of {} for {} "
                 "ms",
                 connection.client_id, trace.name_of(connection.node),
                 std::chrono::duration_cast<std::chrono::milliseconds>(until - since).count())});
    };
    for (const auto index : history.landmarks) {
        const auto& entry = trace.entries[index];
        if (const auto* packet = taken_by_broker(trace, entry)) {
            if (packet->type == wire::PacketType::subscribe)
                waiting[{packet->connection, packet->packet_id}] = index;
        } else if (const auto* answer = sent_by_broker(trace, entry)) {
            if (answer->type != wire::PacketType::suback) continue;
            const auto found = waiting.find({answer->connection, answer->packet_id});
            if (found == waiting.end()) continue;
            judge(answer->connection, found->second, entry.at);
            waiting.erase(found);
        }
    }
    for (const auto& [key, asked] : waiting) {
        const auto& connection = history.of(key.first);
        const auto end = connection.end_entry == no_entry ? History::end_of_run(trace)
                                                          : trace.entries[connection.end_entry].at;
        judge(key.first, asked, end);
    }
}

}  // namespace

Failures check_declared_availability(const Trace& trace, const History& history) {
    Failures failures;
    const auto& cluster = trace.cluster;
    // A verdict may come that late, and a CONNECT may have been on its way then.
    const Duration excused = cluster.notices_within + progress_time;
    // Who is asked about a client and does not answer any more is waited for before. Whether most
    // of the nodes are reached, and which cores have tables, shows only when they are one cluster
    // again.
    const auto settled_of = [&](Actor node) {
        return cluster.minority_refuses || cluster.is_replicant(node) ? cluster.converges_within
                                                                      : excused + progress_time;
    };
    Reached reached{trace, history};
    for (const auto index : history.landmarks) {
        const auto& entry = trace.entries[index];
        reached.step(entry.at);
        const auto* packet = sent_by_broker(trace, entry);
        if (packet == nullptr || packet->type != wire::PacketType::connack) continue;
        const auto& connection = history.of(packet->connection);
        const auto* const since = reached.apart_since(connection.entrance);
        if (!is_failure(packet->reason)) {
            if (!cluster.minority_refuses || since == nullptr || entry.at < *since + excused)
                continue;
            failures.push_back(
                {index,
                 fmt::format(
                     "{} lets '{}' in, though it has not reached most of the nodes for {} ms",
                     trace.name_of(connection.entrance), connection.client_id,
                     std::chrono::duration_cast<std::chrono::milliseconds>(entry.at - *since)
                         .count())});
            continue;
        }
        const auto node = connection.entrance;
        const bool is_led = reached.is_answered_by_most(node, entry.at) &&
                            reached.is_answered_by_leader(node, entry.at);
        const bool may_refuse = (cluster.minority_refuses && !is_led) ||
                                (cluster.needs_all_members && !cluster.may_register &&
                                 !reached.is_answered_by_all(node, entry.at)) ||
                                !reached.is_answered_by_a_core(node, entry.at) ||
                                !reached.is_quiet(entry.at, settled_of(node));
        if (may_refuse || !is_refusal_of_server(packet->reason)) continue;
        failures.push_back(
            {index, fmt::format("{} does not let '{}' in ({}), though its model has no reason to",
                                trace.name_of(connection.entrance), connection.client_id,
                                name_of(packet->reason))});
    }
    check_answers(trace, history, failures);
    return failures;
}

}  // namespace touchstone::simulator
