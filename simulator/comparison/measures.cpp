#include "simulator/comparison/measures.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "simulator/checkers/checkers.hpp"
#include "simulator/comparison/attempts.hpp"

namespace touchstone::simulator::comparison {

namespace {

/// Of one client: since when it waits for a success, and its longest wait.
struct Waiting {
    Instant since = never;
    Instant last_attempt = never;
    Duration longest{};
    bool has_ended = true;

    void fail(Instant at) {
        since = std::min(since, at);
        last_attempt = at;
    }
    void succeed(Instant at) {
        if (since == never || at < since) return;
        longest = std::max(longest, at - since);
        since = never;
    }
};

}  // namespace

SplitTime split_time(const Trace& trace) {
    SplitTime split{.from = never, .to = Instant{}};
    for (const auto& fault : trace.faults) {
        if (fault.kind != "partition" && fault.kind != "cut one way") continue;
        split.from = std::min(split.from, fault.began_at);
        split.to = std::max(split.to, fault.ended_at);
    }
    if (split.from == never) split.to = never;
    return split;
}

Unavailability unavailability(const Trace& trace) {
    const auto split = split_time(trace);
    const auto attempts = attempts_of(trace);
    // When attempts were made and came to something, by client, in the order of time.
    std::map<Actor, std::vector<std::pair<Instant, bool>>> events;
    for (const auto& attempt : attempts) {
        if (attempt.opened_at < split.from || is_probe(trace, attempt.client)) continue;
        events[attempt.client].emplace_back(attempt.opened_at, false);
        if (attempt.is_accepted()) events[attempt.client].emplace_back(attempt.answered_at, true);
    }
    std::map<Actor, Waiting> waits;
    for (auto& [client, list] : events) {
        std::ranges::stable_sort(list, {}, &std::pair<Instant, bool>::first);
        auto& wait = waits[client];
        for (const auto& [at, is_success] : list) is_success ? wait.succeed(at) : wait.fail(at);
    }
    const Instant end = History::end_of_run(trace);
    for (const auto& passage : passages_of(trace)) {
        const auto& message = trace.messages[passage.message];
        if (message.is_will || message.qos == QoS::at_most_once) continue;
        if (passage.published_at < split.from || passage.published_at == never) continue;
        if (is_probe(trace, message.publisher)) continue;
        auto& wait = waits[message.publisher];
        if (passage.acknowledged_at == never) {
            wait.since = std::min(wait.since, passage.published_at);
            wait.last_attempt = end;  // a client keeps its message
        } else {
            wait.longest = std::max(wait.longest, passage.acknowledged_at - passage.published_at);
        }
    }
    // Who has not tried again for so long does not want to any more.
    constexpr Duration patience = std::chrono::seconds{30};
    // What any answer takes is no failure.
    constexpr Duration prompt = std::chrono::milliseconds{100};
    Unavailability found;
    for (auto& [client, wait] : waits) {
        const bool has_given_up = wait.since != never && end - wait.last_attempt > patience;
        if (has_given_up) {
            wait.longest = std::max(wait.longest, wait.last_attempt - wait.since);
        } else if (wait.since != never && end - wait.since > wait.longest) {
            wait.longest = end - wait.since;
            wait.has_ended = false;
        }
        if (wait.longest <= prompt || wait.longest <= found.longest) continue;
        found = {wait.longest, wait.has_ended, trace.name_of(client)};
    }
    return found;
}

MessageCounts count_messages(const Trace& trace, const std::vector<std::string>& receivers) {
    std::vector<Actor> actors;
    for (const auto& name : receivers)
        if (const auto actor = find_client(trace, name)) actors.push_back(*actor);
    MessageCounts counts;
    // By receiver, publisher and topic: the latest that has come.
    std::map<std::tuple<Actor, Actor, std::string>, std::uint64_t> latest;
    struct First {
        Instant at;
        Actor receiver;
        std::uint32_t message;
    };
    std::vector<First> firsts;
    for (const auto& passage : passages_of(trace)) {
        const auto& message = trace.messages[passage.message];
        if (is_probe(trace, message.publisher) || message.qos == QoS::at_most_once) continue;
        std::map<Actor, std::size_t> times;
        for (const auto& [client, at] : passage.deliveries) {
            if (is_probe(trace, client)) continue;
            if (++times[client] == 1) firsts.push_back({at, client, passage.message});
            if (times[client] == 2) ++counts.duplicated;
        }
        if (actors.empty() || passage.published_at == never) continue;
        ++counts.published;
        const bool is_accepted = message.is_will || passage.acknowledged_at != never;
        if (is_accepted && passage.delivered_at(actors) == never) ++counts.lost;
    }
    std::ranges::stable_sort(firsts, {}, &First::at);
    for (const auto& one : firsts) {
        const auto& message = trace.messages[one.message];
        if (message.is_will) continue;
        auto& newest = latest[{one.receiver, message.publisher, message.topic}];
        if (message.sequence < newest) ++counts.reordered;
        newest = std::max(newest, message.sequence);
    }
    return counts;
}

Disturbance disturbance(const Trace& trace) {
    const auto split = split_time(trace);
    std::set<std::string> sent_away;
    std::set<Actor> connected;
    for (const auto& attempt : attempts_of(trace)) {
        if (is_probe(trace, attempt.client) || !attempt.is_live(split.to)) continue;
        connected.insert(attempt.client);
        if (attempt.ended_by_node && attempt.ended_at < trace.agreement.at)
            sent_away.insert(trace.name_of(attempt.client));
    }
    return {{sent_away.begin(), sent_away.end()}, connected.size()};
}

MemberSample sample_members(const Trace& trace, bool asks_connections) {
    MemberSample sample{.at = trace.agreement.at, .health = {}, .diverged = {}};
    for (const auto& member : trace.agreement.members) sample.health.push_back(member.health);
    const History history{trace};
    const auto ask = [&](std::string_view id, const Failures& failures) {
        if (!failures.empty()) sample.diverged.emplace_back(id);
    };
    ask("C1", check_registry_convergence(trace, history));
    ask("C2", check_route_convergence(trace, history));
    ask("C3", check_membership_convergence(trace, history));
    ask("C6", check_heal_liveness(trace, history));
    ask("R1", check_retained_in_cluster(trace, history));
    if (asks_connections) ask("S1", check_single_owner_of_cluster(trace, history));
    return sample;
}

Divergence divergence(const Trace& trace, const std::vector<MemberSample>& samples) {
    const auto split = split_time(trace);
    Divergence found;
    std::set<std::string> seen;
    for (const auto& sample : samples) {
        if (sample.at < split.to || sample.diverged.empty()) continue;
        found.lasted = sample.at - split.to;
        seen.insert(sample.diverged.begin(), sample.diverged.end());
    }
    const auto last = sample_members(trace, true);
    std::set<std::string> left{last.diverged.begin(), last.diverged.end()};
    if (!check_probe(trace, History{trace}).empty()) left.insert("probe");
    found.is_lasting = !left.empty();
    if (found.is_lasting) {
        found.lasted = trace.agreement.at - split.to;
        seen = left;
    }
    found.what = {seen.begin(), seen.end()};
    return found;
}

std::vector<std::string> told(const Trace& trace, const std::vector<MemberSample>& samples) {
    const auto split = split_time(trace);
    struct Line {
        Instant at;
        std::string text;
        std::vector<std::string> nodes;
    };
    std::vector<Line> lines;
    // Together what several nodes say within a few seconds.
    constexpr Duration together = std::chrono::seconds{5};
    const auto add = [&](Instant at, const std::string& text, Actor node) {
        const auto& name = trace.name_of(node);
        for (auto& line : lines) {
            if (line.text != text || at - line.at > together) continue;
            if (std::ranges::find(line.nodes, name) == line.nodes.end()) line.nodes.push_back(name);
            return;
        }
        lines.push_back({at, text, {name}});
    };
    for (const auto& alarm : trace.alarms) add(alarm.at, "alarm: " + alarm.text, alarm.node);
    std::vector<std::string> before(trace.nodes.size(), "healthy");
    for (const auto& sample : samples) {
        for (std::size_t i = 0; i < sample.health.size() && i < before.size(); ++i) {
            if (sample.health[i] == before[i]) continue;
            add(sample.at, sample.health[i], trace.nodes[i].actor);
            before[i] = sample.health[i];
        }
    }
    std::ranges::stable_sort(lines, {}, &Line::at);
    std::vector<std::string> texts;
    for (const auto& line : lines) {
        const bool is_before = line.at < split.from;
        texts.push_back(
            fmt::format("{}{}, {}: {}", is_before ? "-" : "",
                        time_text(is_before ? split.from - line.at : line.at - split.from),
                        fmt::join(line.nodes, ", "), line.text));
    }
    return texts;
}

}  // namespace touchstone::simulator::comparison
