// What a cluster did in a partition, measured from the trace of a run: what became of a client's
// CONNECT, of its messages, of its session, and what the nodes say about themselves. Pure
// functions; which of them an experiment asks, and what was to be expected, is data
// (comparison.proto).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulator/trace.hpp"

namespace touchstone::simulator::comparison {

/// From the first cut between nodes to the end of the last one.
struct SplitTime {
    Instant from = never;
    Instant to = never;  // never: it is not over by the end of the trace
};
[[nodiscard]] SplitTime split_time(const Trace& trace);

/// What an experiment asks for.
enum class Question {
    admission,          // what becomes of the first CONNECT of `clients`
    same_client,        // of two connections of one client: which are there when the split ends
    same_client_after,  // … and at the instant when members are compared
    message,            // what becomes of what `clients` publish at QoS 1 for `receivers`
    subscription,       // a SUBSCRIBE during the split, and what is published elsewhere
    unsubscription,     // an UNSUBSCRIBE during the split, and what is published afterwards
    retained,           // which of two values is retained
    will,               // a Will Message during the split
    failover,           // whether a session is found on the other side
    disturbance,        // who loses a connection after the split
    serving,            // which of `clients`, one at each part, are let in, and whether it heals
};
[[nodiscard]] std::optional<Question> question_of(std::string_view name);
[[nodiscard]] std::string_view name_of(Question question);

/// What an experiment is about; names are those of clients of the scenario.
struct Subject {
    Question question{};
    std::vector<std::string> clients;    // who acts; of same_client the older one first
    std::vector<std::string> receivers;  // who is to get the messages; several are one client
    std::string topic;                   // of `retained`
    /// Of `retained`: the two values, the one of the majority first.
    std::vector<std::string> values;
};

/// One word for what happened, and the same for people.
struct Answer {
    std::string outcome;  // one of outcomes_of(question)
    std::string words;
};
/// Every outcome that an answer to the question can have, with what it means.
struct KnownOutcome {
    std::string_view name;
    std::string_view meaning;
};
[[nodiscard]] std::vector<KnownOutcome> outcomes_of(Question question);

[[nodiscard]] Answer answer_to(const Subject& subject, const Trace& trace);

/// What a client did not get: from its first attempt during the split, or after it, that did not
/// succeed to its next success; the longest of all clients. An attempt is a CONNECT, or a PUBLISH
/// of QoS 1 or 2 that nobody acknowledges.
struct Unavailability {
    Duration longest{};
    bool has_ended = true;  // false: `longest` is what had passed when the run ended
    std::string client;     // whose it was; empty: every attempt succeeded
};
[[nodiscard]] Unavailability unavailability(const Trace& trace);

/// What became of the messages of QoS 1 and 2 that clients published; those of the probe do not
/// count.
struct MessageCounts {
    std::size_t published = 0;   // with a receiver
    std::size_t lost = 0;        // acknowledged to the publisher, and no receiver got them
    std::size_t duplicated = 0;  // that an application got more than once; all clients
    std::size_t reordered = 0;   // that came first after a later one of their publisher and topic
};
/// `receivers` stand for one client: it is enough if one gets a message.
[[nodiscard]] MessageCounts count_messages(const Trace& trace,
                                           const std::vector<std::string>& receivers);

/// Connections that nodes ended after the split, until members are compared.
struct Disturbance {
    std::vector<std::string> clients;  // who lost one, in the order of their names
    std::size_t connected = 0;         // clients with a connection when the split ended
};
[[nodiscard]] Disturbance disturbance(const Trace& trace);

/// The members of a cluster at an instant: what they are, and what is wrong with their tables.
struct MemberSample {
    Instant at = never;
    std::vector<std::string> health;  // by member
    std::vector<std::string>
        diverged;  // ids of C1, C2, C3, C6, R1 and S1, as far as they are broken
};
/// Of `trace.agreement`, with what the trace has so far. S1 is only looked at if
/// `asks_connections`.
[[nodiscard]] MemberSample sample_members(const Trace& trace, bool asks_connections);

/// Until when members differed after the split.
struct Divergence {
    Duration lasted{};        // from the end of the split; zero: not seen to differ
    bool is_lasting = false;  // they differ when they are compared at last, or the probe fails
    std::vector<std::string> what;  // ids; of `is_lasting` what differs then, else what did
};
/// `samples` in order; the last look is the trace's own agreement.
[[nodiscard]] Divergence divergence(const Trace& trace, const std::vector<MemberSample>& samples);

/// What an operator was told: alarms and what nodes say about themselves, each line with when and
/// where. Times count from the beginning of the split.
[[nodiscard]] std::vector<std::string> told(const Trace& trace,
                                            const std::vector<MemberSample>& samples);

}  // namespace touchstone::simulator::comparison
