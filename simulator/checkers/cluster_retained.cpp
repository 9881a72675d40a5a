// Retained Messages of a cluster. R1: when all is in order again its members have the same, and of
// a topic the one that was published last, where it is clear which that was. `healed`: the same for
// those alone that a database without versions can bring in order again. What is written while a
// node does not know yet that another one is gone reaches some members of a side and not others,
// and so does what is written between two cuts; which of them are like each other is then chance
// (cluster/retained-differ). What is written after one cut that all know of is on one side of it,
// whole.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"
#include "simulator/checkers/rows.hpp"

namespace touchstone::simulator {

namespace {

/// What two nodes say of one instant is known to both after that.
constexpr Duration apart = std::chrono::seconds{1};

/// From the first fault of nodes or links to when all is in order again.
struct Trouble {
    Instant began_at;
    Instant over_at;
    unsigned faults = 0;
    bool is_partition = false;  // of one fault: cut in both directions

    [[nodiscard]] bool is_one_cut() const { return faults == 1 && is_partition; }
};

class Troubles {
public:
    explicit Troubles(const Trace& trace) : trace_{trace} {
        std::vector<const TracedFault*> faults;
        for (const auto& one : trace.faults) {
            const bool is_of_nodes = one.kind == "partition" || one.kind == "cut one way" ||
                                     one.kind == "pause" || is_end_of_process(one);
            if (is_of_nodes) faults.push_back(&one);
        }
        std::ranges::sort(faults, {}, &TracedFault::began_at);
        for (const auto* one : faults) {
            const Instant over_at =
                one->ended_at == never ? never : one->ended_at + trace.cluster.converges_within;
            if (all_.empty() || all_.back().over_at < one->began_at)
                all_.push_back({one->began_at, over_at, 0, one->kind == "partition"});
            auto& last = all_.back();
            last.over_at = std::max(last.over_at, over_at);
            ++last.faults;
        }
    }

    /// In or shortly before which that was; null: in none.
    [[nodiscard]] const Trouble* at(Instant when) const {
        const auto found = std::ranges::find_if(all_, [when](const Trouble& one) {
            return one.began_at <= when + apart && when <= one.over_at;
        });
        return found == all_.end() ? nullptr : &*found;
    }
    /// Whether the process of some node has gone on since.
    [[nodiscard]] bool has_one_that_stayed(Instant since) const {
        return std::ranges::any_of(trace_.agreement.members, [&](const TracedMember& member) {
            return std::ranges::none_of(trace_.faults, [&](const TracedFault& fault) {
                return is_end_of_process(fault) && fault.ended_at >= since &&
                       fault.where == trace_.name_of(member.node);
            });
        });
    }

private:
    static bool is_end_of_process(const TracedFault& fault) {
        return fault.kind == "crash" || fault.kind == "stop";
    }

    const Trace& trace_;
    std::vector<Trouble> all_;
};

/// Topics to which a Will Message is retained: when that is written no packet says.
std::set<std::string> topics_of_wills(const Trace& trace) {
    std::set<std::string> topics;
    for (const auto& one : trace.messages)
        if (one.is_will && one.retain) topics.insert(one.topic);
    return topics;
}

/// Calls `take(entry, packet, is_written)` for every Retained Message that comes to a node:
/// whether it is written there for sure, as the newest of its topic. What comes again may be known,
/// and older than what came in between. Of what came behind a SUBSCRIBE, and was never acknowledged
/// since another program with its Client Identifier ended the connection before the SUBACK was
/// sent, nothing is known: that a node has taken it off the link is not that it has carried it out.
template <class Take>
void for_each_retained(const Trace& trace, const History& history, Take take) {
    const auto excluded = topics_of_wills(trace);
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* const packet = taken_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish || !packet->retain)
            continue;
        if (excluded.contains(packet->topic)) continue;
        const bool is_written = !packet->dup && !history.may_have_waited(packet->connection, index);
        take(trace.entries[index], *packet, is_written);
    }
}

/// When each node's cluster made it begin anew for the last time, with the tables of another one.
std::map<Actor, Instant> begun_anew(const Trace& trace, const History& history) {
    std::map<Actor, Instant> last;
    for (const auto index : history.landmarks) {
        const auto& entry = trace.entries[index];
        if (entry.kind == TraceEntry::Kind::node_stopped && entry.index == begins_anew)
            last[entry.actor] = entry.at;
    }
    return last;
}

/// The last of a topic is retained, whatever the clocks of nodes show, where no node or link has
/// failed since the first of that topic, or long before the last: then its node knew what the
/// others had. Of two that came at nearly the same time either. Links that are back do not make its
/// node one of theirs: one that begins anew for that takes nothing of it along.
void check_last_retained(const Trace& trace, const History& history, Failures& failures) {
    const Troubles troubles{trace};
    Instant disturbed_at = Instant::min();
    for (const auto& one : trace.reach) disturbed_at = std::max(disturbed_at, one.at);
    for (const auto& fault : trace.faults)
        if (fault.kind == "pause") disturbed_at = std::max(disturbed_at, fault.ended_at);
    if (disturbed_at != Instant::min()) disturbed_at += trace.cluster.notices_within + apart;
    struct Last {
        Instant at;
        Instant first_at = never;
        std::uint32_t message = no_message;
        bool is_alone = true;
        Actor node{};
    };
    std::map<std::string, Last> last;  // by topic
    const auto take = [&](const TraceEntry& entry, const TracedPacket& packet, bool is_written) {
        auto& one = last[packet.topic];
        one.is_alone = one.first_at == never || entry.at - one.at >= apart;
        one.at = entry.at;
        one.first_at = std::min(one.first_at, entry.at);
        one.message = is_written ? packet.message : no_message;
        one.node = history.of(packet.connection).node;
    };
    for_each_retained(trace, history, take);
    const auto begun = begun_anew(trace, history);
    for (const auto& [topic, one] : last) {
        const auto anew = begun.find(one.node);
        const bool is_kept = anew == begun.end() || anew->second <= one.at;
        const bool is_known =
            (one.first_at > disturbed_at && is_kept) ||
            (troubles.at(one.at) == nullptr && troubles.has_one_that_stayed(one.at));
        if (!one.is_alone || one.message == no_message || !is_known ||
            one.at + apart > trace.agreement.at)
            continue;
        const auto wanted = topic + " = " + label_of(trace.messages[one.message].payload);
        for (const auto& member : trace.agreement.members) {
            if (!member.is_serving) continue;
            const auto& rows = member.own_retained;
            if (std::ranges::find(rows, wanted) != rows.end()) continue;
            failures.push_back({trace.agreement.entry,
                                fmt::format("{} does not retain {}, which was published last",
                                            trace.name_of(member.node), wanted)});
        }
    }
}

/// Topics of which the members have the same when all is in order again.
std::set<std::string> healed_topics(const Trace& trace, const History& history) {
    const Troubles troubles{trace};
    std::map<std::string, bool> is_same;
    const auto take = [&](const TraceEntry& entry, const TracedPacket& packet, bool is_written) {
        const auto [found, is_first] = is_same.try_emplace(packet.topic, true);
        const auto* const trouble = troubles.at(entry.at);
        if (trouble == nullptr) {
            if (is_written) found->second = true;  // otherwise it may be as different as before
            return;
        }
        const Instant known_at = trouble->began_at + trace.cluster.notices_within + apart;
        // What a replicant writes goes through a core, and it may have none.
        const bool is_of_replicant = trace.cluster.is_replicant(history.of(packet.connection).node);
        if (!trouble->is_one_cut() || entry.at < known_at || is_of_replicant) found->second = false;
    };
    for_each_retained(trace, history, take);
    std::set<std::string> topics;
    for (const auto& [topic, is_healed] : is_same)
        if (is_healed) topics.insert(topic);
    return topics;
}

const TracedMember* first_that_serves(const Trace& trace) {
    const auto found = std::ranges::find_if(trace.agreement.members, &TracedMember::is_serving);
    return found == trace.agreement.members.end() ? nullptr : &*found;
}

}  // namespace

Failures check_retained_in_cluster(const Trace& trace, const History& history) {
    Failures failures;
    if (trace.agreement.at == never || !trace.cluster.shares_retained) return failures;
    check_last_retained(trace, history, failures);
    const auto* const first = first_that_serves(trace);
    for (const auto& member : trace.agreement.members) {
        if (!member.is_serving || member.own_retained == first->own_retained) continue;
        const auto only_one = missing_in(first->own_retained, member.own_retained);
        const auto only_other = missing_in(member.own_retained, first->own_retained);
        failures.push_back(
            {trace.agreement.entry,
             fmt::format("{} retains {}, {} {}", trace.name_of(first->node),
                         only_one.empty() ? "nothing more" : only_one, trace.name_of(member.node),
                         only_other.empty() ? "nothing more" : only_other)});
    }
    return failures;
}

Failures check_healed_retained(const Trace& trace, const History& history) {
    Failures failures;
    if (trace.agreement.at == never || !trace.cluster.shares_retained || trace.cluster.one_broker)
        return failures;
    // A replicant gets them from whoever takes them, not through its core: it may have what that
    // one has not, until it follows another core.
    const auto is_asked = [&](const TracedMember& member) {
        return member.is_serving && !trace.cluster.is_replicant(member.node);
    };
    const auto first = std::ranges::find_if(trace.agreement.members, is_asked);
    if (first == trace.agreement.members.end()) return failures;
    for (const auto& topic : healed_topics(trace, history)) {
        const auto row_of = [&](const TracedMember& member) -> std::string {
            const auto found = std::ranges::find_if(member.own_retained, [&](const auto& row) {
                return row.starts_with(topic + " = ");
            });
            return found == member.own_retained.end() ? "nothing" : "'" + *found + "'";
        };
        for (const auto& member : trace.agreement.members) {
            if (!is_asked(member) || row_of(member) == row_of(*first)) continue;
            failures.push_back(
                {trace.agreement.entry,
                 fmt::format("of '{}' {} retains {} and {} {}, though nothing was published to it "
                             "while a cut was not yet known, or one of several",
                             topic, trace.name_of(first->node), row_of(*first),
                             trace.name_of(member.node), row_of(member))});
        }
    }
    return failures;
}

}  // namespace touchstone::simulator
