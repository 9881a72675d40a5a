// What an experiment asks for, and how the trace answers it.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

#include "broker/base/check.hpp"
#include "simulator/comparison/attempts.hpp"
#include "simulator/comparison/measures.hpp"

namespace touchstone::simulator::comparison {

namespace {

constexpr std::array questions{
    std::pair{Question::admission, "admission"},
    std::pair{Question::same_client, "same_client"},
    std::pair{Question::same_client_after, "same_client_after"},
    std::pair{Question::message, "message"},
    std::pair{Question::subscription, "subscription"},
    std::pair{Question::unsubscription, "unsubscription"},
    std::pair{Question::retained, "retained"},
    std::pair{Question::will, "will"},
    std::pair{Question::failover, "failover"},
    std::pair{Question::disturbance, "disturbance"},
    std::pair{Question::serving, "serving"},
};

std::vector<Actor> actors_of(const Trace& trace, const std::vector<std::string>& names) {
    std::vector<Actor> actors;
    for (const auto& name : names)
        if (const auto actor = find_client(trace, name)) actors.push_back(*actor);
    return actors;
}

bool is_within(const SplitTime& split, Instant at) {
    return split.from <= at && at < split.to;
}

Answer first_attempt(const Attempt& attempt) {
    if (attempt.is_accepted()) return {"let_in", "let in"};
    if (attempt.answer)
        return {"refused", fmt::format("refused: {}", touchstone::name_of(*attempt.answer))};
    return {"no_answer", "no answer"};
}

const Attempt* first_within(const std::vector<Attempt>& attempts, Actor client,
                            const SplitTime& split) {
    for (const auto& one : attempts)
        if (one.client == client && is_within(split, one.opened_at)) return &one;
    return nullptr;
}

Answer admission(const Subject& subject, const Trace& trace) {
    const auto split = split_time(trace);
    const auto attempts = attempts_of(trace);
    for (const auto client : actors_of(trace, subject.clients))
        if (const auto* const attempt = first_within(attempts, client, split))
            return first_attempt(*attempt);
    return {"no_attempt", "nobody tried"};
}

Answer same_client(const Subject& subject, const Trace& trace, bool is_after) {
    const auto split = split_time(trace);
    const auto at = is_after ? trace.agreement.at : split.to - Duration{1};
    const auto attempts = attempts_of(trace);
    std::vector<bool> live;
    bool is_newer_refused = false;
    const auto clients = actors_of(trace, subject.clients);
    for (const auto client : clients) {
        live.push_back(std::ranges::any_of(
            attempts, [&](const Attempt& one) { return one.client == client && one.is_live(at); }));
        const auto* const within = first_within(attempts, client, split);
        if (within != nullptr && !within->is_accepted()) is_newer_refused = true;
    }
    if (live.size() != 2) return {"no_attempt", "nobody tried"};
    const auto nodes = [&](Actor client) {
        for (const auto& one : attempts)
            if (one.client == client) return trace.name_of(one.node);
        return std::string{};
    };
    if (live[0] && live[1])
        return {"both_live", is_after ? "both stay connected" : "both are connected"};
    if (live[0] && is_newer_refused)
        return {"newer_refused", "the newer one is refused, the older one stays"};
    if (live[0])
        return {"older_lives", fmt::format("the newer one, at {}, is closed", nodes(clients[1]))};
    if (live[1])
        return {"newer_lives", fmt::format("the older one, at {}, is closed", nodes(clients[0]))};
    return {"none_lives", is_newer_refused ? "the newer one is refused, the older one is closed"
                                           : "both are closed"};
}

Answer message(const Subject& subject, const Trace& trace, bool is_will) {
    const auto split = split_time(trace);
    const auto publishers = actors_of(trace, subject.clients);
    const auto receivers = actors_of(trace, subject.receivers);
    std::size_t all = 0;
    std::size_t unanswered = 0;
    std::size_t lost = 0;
    std::size_t lost_unnoticed = 0;
    std::size_t late = 0;
    std::size_t soon = 0;
    for (const auto& passage : passages_of(trace)) {
        const auto& one = trace.messages[passage.message];
        if (std::ranges::find(publishers, one.publisher) == publishers.end()) continue;
        if (one.is_will != is_will || !is_within(split, passage.published_at)) continue;
        ++all;
        const auto delivered = passage.delivered_at(receivers);
        if (!is_will && passage.acknowledged_at >= split.to) {
            ++unanswered;
        } else if (delivered == never) {
            ++lost;
            // A verdict comes that late, and on its heels what it changes.
            if (passage.published_at <= split.from + trace.cluster.notices_within) ++lost_unnoticed;
        } else {
            ++(delivered >= split.to ? late : soon);
        }
    }
    if (all == 0)
        return {"none",
                is_will ? "the client had no connection to leave a Will" : "nothing was published"};
    std::vector<std::string> parts;
    const auto add = [&](std::size_t count, std::string_view what) {
        if (count == 0) return;
        parts.push_back(is_will ? std::string{what} : fmt::format("{} of {} {}", count, all, what));
    };
    add(lost, is_will ? "lost" : "acknowledged and lost");
    add(late, is_will ? "delivered after the split" : "acknowledged, delivered after the split");
    add(soon, is_will ? "delivered" : "acknowledged and delivered at once");
    add(unanswered, "not acknowledged during the split");
    const auto words = fmt::format("{}", fmt::join(parts, "; "));
    if (!is_will && lost > 0 && lost == lost_unnoticed && lost < all)
        return {"lost_unnoticed", words + "; those lost are from before the split was noticed"};
    if (lost > 0) return {is_will ? "lost" : "acknowledged_lost", words};
    if (unanswered > 0) return {"not_acknowledged", words};
    if (late > 0) return {is_will ? "late" : "acknowledged_late", words};
    return {is_will ? "delivered" : "acknowledged_delivered", words};
}

/// Whether an answer of that type came to the client during the split, and was none of failure.
bool is_granted(const Trace& trace, Actor client, wire::PacketType type, const SplitTime& split) {
    return std::ranges::any_of(trace.entries, [&](const TraceEntry& entry) {
        if (entry.kind != TraceEntry::Kind::arrived || entry.type != type) return false;
        const auto& packet = trace.packets[entry.index];
        if (trace.client_of(packet.connection) != client || !is_within(split, entry.at))
            return false;
        // Of SUBACK and UNSUBACK the last byte is the Reason Code of the only filter.
        const auto bytes = trace.bytes_of(packet);
        return !bytes.empty() && static_cast<std::uint8_t>(bytes.back()) < 0x80;
    });
}

struct Arrivals {
    bool has_during = false;
    bool has_during_late = false;
    bool has_after = false;
};

Arrivals arrivals(const Subject& subject, const Trace& trace) {
    const auto split = split_time(trace);
    const auto publishers = actors_of(trace, subject.clients);
    const auto receivers = actors_of(trace, subject.receivers);
    Arrivals seen;
    for (const auto& passage : passages_of(trace)) {
        const auto& one = trace.messages[passage.message];
        if (std::ranges::find(publishers, one.publisher) == publishers.end()) continue;
        const auto delivered = passage.delivered_at(receivers);
        if (delivered == never || passage.published_at < split.from) continue;
        if (passage.published_at >= split.to)
            seen.has_after = true;
        else
            (delivered >= split.to ? seen.has_during_late : seen.has_during) = true;
    }
    return seen;
}

Answer subscription(const Subject& subject, const Trace& trace) {
    const auto split = split_time(trace);
    const auto receivers = actors_of(trace, subject.receivers);
    const bool was_granted = std::ranges::any_of(receivers, [&](Actor client) {
        return is_granted(trace, client, wire::PacketType::suback, split);
    });
    const auto seen = arrivals(subject, trace);
    const std::string_view later = seen.has_after ? "what is published afterwards comes"
                                                  : "what is published afterwards is lost, too";
    if (!was_granted)
        return {"refused", fmt::format("SUBSCRIBE is not granted during the split; {}", later)};
    if (seen.has_during) return {"matched", "granted, and matched during the split"};
    if (seen.has_during_late)
        return {"matched_late", "granted, what was published during the split comes after it"};
    if (seen.has_after)
        return {"matched_after", "granted, what is published during the split is lost, what is "
                                 "published afterwards comes"};
    return {"never_matched", fmt::format("granted, and nothing ever comes: {}", later)};
}

Answer unsubscription(const Subject& subject, const Trace& trace) {
    const auto split = split_time(trace);
    const auto receivers = actors_of(trace, subject.receivers);
    const bool was_granted = std::ranges::any_of(receivers, [&](Actor client) {
        return is_granted(trace, client, wire::PacketType::unsuback, split);
    });
    const bool comes = arrivals(subject, trace).has_after;
    if (!was_granted)
        return {"refused", fmt::format("UNSUBSCRIBE is not answered during the split; afterwards "
                                       "messages {}",
                                       comes ? "come" : "do not come")};
    if (comes) return {"resurrected", "answered, and undone: messages come again"};
    return {"stays_away", "answered, and it stays so"};
}

Answer retained(const Subject& subject, const Trace& trace) {
    std::set<std::string> seen;
    std::vector<std::string> parts;
    for (const auto& member : trace.agreement.members) {
        std::string value = "none";
        for (const auto& row : member.own_retained)
            if (row.starts_with(subject.topic + " = "))
                value = row.substr(subject.topic.size() + 3);
        seen.insert(value);
        parts.push_back(fmt::format("{}: {}", trace.name_of(member.node), value));
    }
    CHECK(subject.values.size() == 2);
    if (seen.size() != 1) return {"differs", fmt::format("differs: {}", fmt::join(parts, ", "))};
    if (*seen.begin() == subject.values[0])
        return {"majority_value", "the earlier value, of the majority"};
    if (*seen.begin() == subject.values[1])
        return {"minority_value", "the later value, of the minority"};
    return {"no_value", "neither value"};
}

Answer failover(const Subject& subject, const Trace& trace) {
    const auto answer = admission(subject, trace);
    if (answer.outcome != "let_in") return answer;
    const auto split = split_time(trace);
    const auto attempts = attempts_of(trace);
    for (const auto client : actors_of(trace, subject.clients)) {
        const auto* const attempt = first_within(attempts, client, split);
        if (attempt == nullptr) continue;
        if (attempt->session_present) return {"resumed", "let in, with its session"};
        const auto receivers = actors_of(trace, subject.receivers);
        for (const auto& passage : passages_of(trace)) {
            const auto delivered = passage.delivered_at(receivers);
            if (passage.published_at >= split.from || delivered < split.to || delivered == never)
                continue;
            return {"new_session_merged",
                    "let in with a new session; what waited in the old one comes after the split"};
        }
        return {"new_session", "let in with a new, empty session; what waited is lost"};
    }
    return {"no_attempt", "nobody tried"};
}

Answer disturbed(const Subject& subject, const Trace& trace) {
    const auto seen = disturbance(trace);
    if (seen.connected == 0)
        return {"none_left", "nobody was connected any more when the links were back"};
    if (seen.clients.empty()) return {"nobody", "nobody loses a connection"};
    const auto is_cut_off = [&](const std::string& name) {
        return std::ranges::any_of(subject.clients, [&](const std::string& one) {
            return name == one || name.starts_with(one + "-");
        });
    };
    const auto of_minority = std::ranges::count_if(seen.clients, is_cut_off);
    const auto words = fmt::format("{} of {} clients are sent away, {} of them of the minority",
                                   seen.clients.size(), seen.connected, of_minority);
    if (of_minority == std::ssize(seen.clients)) return {"minority", words};
    if (seen.clients.size() == seen.connected) return {"everybody", words};
    return {of_minority == 0 ? "majority" : "both_sides", words};
}

Answer serving(const Subject& subject, const Trace& trace) {
    const auto split = split_time(trace);
    const auto attempts = attempts_of(trace);
    std::vector<std::string> in;
    for (const auto client : actors_of(trace, subject.clients)) {
        const auto* const attempt = first_within(attempts, client, split);
        if (attempt != nullptr && attempt->is_accepted())
            in.push_back(trace.name_of(attempt->node));
    }
    const auto left = divergence(trace, {});
    const bool all = in.size() == subject.clients.size();
    const std::string_view who = in.empty() ? "refused" : all ? "served" : "partly_served";
    const auto words = in.empty() ? std::string{"no part lets a new client in"}
                       : all      ? std::string{"all parts let new clients in"}
                                  : fmt::format("only {} lets new clients in", fmt::join(in, ", "));
    return {fmt::format("{}_{}", who, left.is_lasting ? "not_healed" : "healed"),
            fmt::format("{}; {}", words,
                        left.is_lasting
                            ? fmt::format("not healed: {} at the end", fmt::join(left.what, ", "))
                            : std::string{"healed"})};
}

constexpr KnownOutcome let_in{"let_in", "the client is let in"};
constexpr KnownOutcome refused{"refused", "it is refused, with a Reason Code"};
constexpr KnownOutcome no_answer{"no_answer", "nobody answers it"};
constexpr KnownOutcome no_attempt{"no_attempt", "it did not come to an attempt"};

}  // namespace

std::optional<Question> question_of(std::string_view name) {
    for (const auto& [question, text] : questions)
        if (name == text) return question;
    return std::nullopt;
}

std::string_view name_of(Question question) {
    for (const auto& [one, text] : questions)
        if (one == question) return text;
    UNREACHABLE();
}

std::vector<KnownOutcome> outcomes_of(Question question) {
    switch (question) {
        case Question::admission: return {let_in, refused, no_answer, no_attempt};
        case Question::same_client:
        case Question::same_client_after:
            return {{"both_live", "both connections are there"},
                    {"newer_refused", "the newer one was refused, the older one is there"},
                    {"older_lives", "the newer one was closed"},
                    {"newer_lives", "the older one was closed"},
                    {"none_lives", "neither is there"},
                    no_attempt};
        case Question::message:
            return {{"acknowledged_lost", "some were acknowledged and never delivered"},
                    {"lost_unnoticed", "some that came before the split was noticed were "
                                       "acknowledged and never delivered, others not"},
                    {"acknowledged_late", "some were acknowledged and delivered after the split"},
                    {"acknowledged_delivered", "all were delivered during the split"},
                    {"not_acknowledged", "some were not acknowledged; none that were are lost"},
                    {"none", "nothing was published"}};
        case Question::subscription:
            return {{"refused", "SUBSCRIBE is not granted"},
                    {"matched", "matched during the split"},
                    {"matched_late", "what was published during the split comes after it"},
                    {"matched_after", "matched after the split only"},
                    {"never_matched", "never matched, not even after the split"}};
        case Question::unsubscription:
            return {{"refused", "UNSUBSCRIBE is not answered"},
                    {"resurrected", "the subscription is back after the split"},
                    {"stays_away", "it stays unsubscribed"}};
        case Question::retained:
            return {{"majority_value", "the value written on the majority side, the earlier one"},
                    {"minority_value", "the value written on the minority side, the later one"},
                    {"differs", "not the same on all nodes"},
                    {"no_value", "neither"}};
        case Question::will:
            return {{"lost", "never delivered"},
                    {"late", "delivered after the split"},
                    {"delivered", "delivered during the split"},
                    {"none", "the client had no connection"}};
        case Question::failover:
            return {{"resumed", "it finds its session"},
                    {"new_session", "a new session; what waited in the old one is lost"},
                    {"new_session_merged", "a new session, the old one's messages come later"},
                    let_in,
                    refused,
                    no_answer,
                    no_attempt};
        case Question::disturbance:
            return {{"nobody", "nobody loses a connection"},
                    {"minority", "clients of the minority only"},
                    {"majority", "clients of the majority only"},
                    {"both_sides", "clients of both sides"},
                    {"everybody", "all clients"},
                    {"none_left", "nobody was connected when the links were back"}};
        case Question::serving:
            return {{"served_healed", "all parts serve; healed afterwards"},
                    {"served_not_healed", "all parts serve; not healed"},
                    {"partly_served_healed", "some parts serve; healed afterwards"},
                    {"partly_served_not_healed", "some parts serve; not healed"},
                    {"refused_healed", "no part lets a new client in; healed afterwards"},
                    {"refused_not_healed", "no part lets a new client in; not healed"}};
    }
    UNREACHABLE();
}

Answer answer_to(const Subject& subject, const Trace& trace) {
    switch (subject.question) {
        case Question::admission: return admission(subject, trace);
        case Question::same_client: return same_client(subject, trace, false);
        case Question::same_client_after: return same_client(subject, trace, true);
        case Question::message: return message(subject, trace, false);
        case Question::subscription: return subscription(subject, trace);
        case Question::unsubscription: return unsubscription(subject, trace);
        case Question::retained: return retained(subject, trace);
        case Question::will: return message(subject, trace, true);
        case Question::failover: return failover(subject, trace);
        case Question::disturbance: return disturbed(subject, trace);
        case Question::serving: return serving(subject, trace);
    }
    UNREACHABLE();
}

}  // namespace touchstone::simulator::comparison
