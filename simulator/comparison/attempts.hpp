// The connections of clients as they saw them, for the measures.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "simulator/trace.hpp"

namespace touchstone::simulator::comparison {

struct Attempt {
    Actor client;
    Actor node;
    Instant opened_at = never;
    std::optional<ReasonCode> answer;  // of the CONNACK that reached the client
    Instant answered_at = never;
    bool session_present = false;
    Instant ended_at = never;  // at whichever end first; never: it is still there
    bool ended_by_node = false;

    [[nodiscard]] bool is_accepted() const { return answer && !is_failure(*answer); }
    /// Whether the client was connected at that instant.
    [[nodiscard]] bool is_live(Instant at) const {
        return is_accepted() && answered_at <= at && at < ended_at;
    }
};

/// All of the trace, by ConnectionNumber.
[[nodiscard]] std::vector<Attempt> attempts_of(const Trace& trace);

/// No such client: nothing.
[[nodiscard]] std::optional<Actor> find_client(const Trace& trace, std::string_view name);

/// A message that an application published, and what became of it.
struct Passage {
    std::uint32_t message = no_message;
    Instant published_at = never;     // first sent, or the application's call if that is known
    Instant acknowledged_at = never;  // never: not by the end
    std::vector<std::pair<Actor, Instant>> deliveries;  // to applications, in order

    /// To one of those clients for the first time.
    [[nodiscard]] Instant delivered_at(const std::vector<Actor>& receivers) const;
};

/// By index into Trace::messages. A Will Message counts as published when its connection ended.
[[nodiscard]] std::vector<Passage> passages_of(const Trace& trace);

/// `2.5 s`, `430 ms`.
[[nodiscard]] std::string time_text(Duration duration);

/// Whether the client is one of the cluster's probe.
[[nodiscard]] bool is_probe(const Trace& trace, Actor client);

}  // namespace touchstone::simulator::comparison
