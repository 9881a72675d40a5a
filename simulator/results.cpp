#include "simulator/results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "simulator/text_format.hpp"

namespace touchstone::simulator {

namespace {

/// Steps of the trace that a report shows; a page with more is of no use to anybody.
constexpr std::size_t steps_max = 4'000;

std::uint64_t run_time_us(Instant at) {
    return static_cast<std::uint64_t>((at - run_begin).count());
}

std::string text_of(const Disappointment& one) {
    return fmt::format("{}: expected {}, got {}", one.what, one.expected, one.seen);
}

/// A trace and what checkers said of it.
struct Judged {
    const Trace& trace;
    Instant end;
    const std::vector<InvariantOutcome>& invariants;
};

Judged judged(const Outcome& outcome) {
    return {outcome.world->trace(), outcome.world->now(), outcome.invariants};
}

/// When the first promise was broken; nothing when none was.
std::optional<std::uint64_t> time_to_break_us(const Judged& judged) {
    std::optional<std::uint64_t> first;
    for (const auto& one : judged.invariants) {
        for (const auto& failure : one.failures) {
            const bool is_at_end = failure.entry >= judged.trace.entries.size();
            const auto at_us =
                run_time_us(is_at_end ? judged.end : judged.trace.entries[failure.entry].at);
            first = std::min(first.value_or(at_us), at_us);
        }
    }
    return first;
}

/// Where a report of a long trace has to begin for its first broken promise to be in it.
std::size_t first_shown_entry(const Judged& judged) {
    std::size_t broken = no_entry;
    for (const auto& one : judged.invariants) {
        for (const auto& failure : one.failures) broken = std::min(broken, failure.entry);
    }
    // A step has an entry or two; what comes after the failure is worth less than what led to it.
    constexpr std::size_t before_max = steps_max / 4 * 3;
    return broken == no_entry || broken <= before_max ? 0 : broken - before_max;
}

/// When the first violation was complete; nothing when there was none.
std::optional<std::uint64_t> time_to_fail_us(const Outcome& outcome) {
    const auto broken_us = time_to_break_us(judged(outcome));
    if (broken_us || outcome.disappointments.empty()) return broken_us;
    return run_time_us(outcome.world->now());
}

std::string first_broken(const Judged& judged) {
    for (const auto& one : judged.invariants) {
        if (one.failures.empty()) continue;
        return fmt::format("{} {}: {}", one.checker->id, one.checker->title,
                           one.failures.front().explanation);
    }
    return {};
}

std::string first_reason(const Outcome& outcome) {
    auto broken = first_broken(judged(outcome));
    if (!broken.empty()) return broken;
    if (!outcome.disappointments.empty()) return text_of(outcome.disappointments.front());
    if (!outcome.was_ended) return {};
    return fmt::format("broken off after {} ms of {} ms; no promise was broken until then",
                       run_time_us(outcome.world->now()) / 1'000, outcome.drawn.duration_ms());
}

results::Verdict::Value verdict_of(const Outcome& outcome) {
    if (!outcome.has_passed()) return results::Verdict::fail;
    return outcome.was_ended ? results::Verdict::inconclusive : results::Verdict::pass;
}

/// Publishers left, the nodes in the middle, those who receive right: messages flow to the right.
void add_actors(results::ScenarioResult& result, const Trace& trace) {
    std::vector<bool> is_publisher(trace.actors.size());
    std::vector<bool> is_receiver(trace.actors.size());
    std::vector<bool> is_node(trace.actors.size());
    for (const auto& node : trace.nodes) is_node[node.actor.raw()] = true;
    for (const auto& entry : trace.entries) {
        // Of what applications do a record knows nothing, but of their packets.
        const bool is_publish =
            entry.type == wire::PacketType::publish && entry.direction == Direction::to_client;
        const bool is_sent = is_publish && entry.kind == TraceEntry::Kind::sent;
        const bool has_arrived = is_publish && entry.kind == TraceEntry::Kind::arrived;
        if (is_sent || entry.kind == TraceEntry::Kind::published) {
            is_publisher[entry.actor.raw()] = true;
        }
        if (has_arrived || entry.kind == TraceEntry::Kind::delivered) {
            is_receiver[entry.actor.raw()] = true;
        }
    }
    const auto add = [&](auto is_wanted) {
        for (std::size_t actor = 0; actor < trace.actors.size(); ++actor) {
            if (is_wanted(actor)) result.add_actors(trace.actors[actor]);
        }
    };
    const auto is_left = [&](std::size_t actor) {
        return !is_node[actor] && is_publisher[actor] && !is_receiver[actor];
    };
    add(is_left);
    add([&](std::size_t actor) { return is_node[actor]; });
    add([&](std::size_t actor) { return !is_node[actor] && !is_left(actor); });
}

/// The trace as steps of a ladder, and which step stands for an entry.
class Ladder {
public:
    /// Of what was before `first_entry` there are no steps.
    Ladder(results::ScenarioResult& result, const Trace& trace, std::size_t first_entry = 0)
        : result_{result},
          trace_{trace},
          step_of_packet_(trace.packets.size(), no_step) {
        for (std::size_t index = 0; index < trace.entries.size(); ++index) {
            const bool has_step = index >= first_entry;
            step_of_entry_.push_back(has_step ? steps_ : no_step);
            if (has_step) add(trace.entries[index]);
        }
        if (steps_ > steps_max) result.set_steps_left_out(steps_ - steps_max);
    }

    /// The step of what the entry is about; for an arrival the sending. One that the report lacks
    /// when there is none.
    [[nodiscard]] std::uint32_t step_of(std::size_t entry) const {
        const auto& one = trace_.entries[entry];
        if (one.kind == TraceEntry::Kind::arrived) return step_of_packet_[one.index];
        return step_of_entry_[entry];
    }
    [[nodiscard]] std::uint32_t steps_before(std::size_t entry) const {
        return entry < step_of_entry_.size() ? step_of_entry_[entry] : steps_;
    }

private:
    static constexpr std::uint32_t no_step = std::numeric_limits<std::uint32_t>::max();

    results::Step* new_step(const TraceEntry& entry, results::Step::Kind kind) {
        ++steps_;
        if (steps_ > steps_max) return nullptr;
        auto* step = result_.add_trace();
        step->set_time_us(run_time_us(entry.at));
        step->set_kind(kind);
        return step;
    }

    void add(const TraceEntry& entry) {
        using Kind = TraceEntry::Kind;
        switch (entry.kind) {
            case Kind::sent: return add_packet(entry);
            case Kind::opening:
                return add_line(entry, results::Step::opened, client_of(entry), node_of(entry), "");
            case Kind::closed:
            case Kind::aborted: {
                const bool is_node = entry.direction == Direction::to_broker;
                return add_line(entry, results::Step::closed,
                                is_node ? node_of(entry) : client_of(entry),
                                is_node ? client_of(entry) : node_of(entry),
                                entry.kind == Kind::aborted ? "reset" : "closed");
            }
            case Kind::ended:
                return add_line(entry, results::Step::noted,
                                entry.direction == Direction::to_broker ? node_of(entry)
                                                                        : client_of(entry),
                                "", "learns that the connection is over");
            case Kind::fault_began:
            case Kind::fault_ended: {
                const auto& fault = trace_.faults[entry.index];
                return add_line(entry, results::Step::noted, trace_.name_of(entry.actor), "",
                                fmt::format("{} {}{}{}", fault.kind,
                                            entry.kind == Kind::fault_began ? "begins" : "ends",
                                            fault.note.empty() ? "" : ": ", fault.note));
            }
            case Kind::node_started:
                return add_line(entry, results::Step::noted, trace_.name_of(entry.actor), "",
                                entry.index == begins_anew ? "takes clients again" : "up again");
            case Kind::alarmed:
                return add_line(entry, results::Step::noted, trace_.name_of(entry.actor), "",
                                "tells its operator: " + trace_.alarms[entry.index].text);
            case Kind::node_stopped:
                if (entry.index != begins_anew) return;
                return add_line(entry, results::Step::noted, trace_.name_of(entry.actor), "",
                                "sends its clients away, as its cluster demands");
            case Kind::died:
                return add_line(entry, results::Step::noted, trace_.name_of(entry.actor), "",
                                "dies of what it was sent");
            case Kind::opened:
            case Kind::arrived:
            case Kind::published:
            case Kind::delivered:
            case Kind::node_crashed:
            case Kind::settle_began:
            case Kind::commanded:
            case Kind::forgot:
            case Kind::crashed:
            case Kind::scripted: return;
        }
    }

    void add_line(const TraceEntry& entry, results::Step::Kind kind, const std::string& from,
                  const std::string& to, const std::string& text) {
        auto* step = new_step(entry, kind);
        if (step == nullptr) return;
        step->set_from(from);
        step->set_to(to);
        step->set_text(text);
    }

    void add_packet(const TraceEntry& entry) {
        step_of_packet_[entry.index] = steps_;
        auto* step = new_step(entry, results::Step::packet);
        if (step == nullptr) return;
        const auto& packet = trace_.packets[entry.index];
        const bool to_client = packet.direction == Direction::to_client;
        step->set_from(to_client ? node_of(entry) : client_of(entry));
        step->set_to(to_client ? client_of(entry) : node_of(entry));
        const auto bytes = trace_.bytes_of(packet);
        step->set_bytes(std::string{as_text(bytes)});
        step->set_text(describe(trace_, packet));
        if (packet.arrived_at == never) {
            step->set_lost(true);
        } else {
            step->set_arrived_us(run_time_us(packet.arrived_at));
        }
    }

    [[nodiscard]] const std::string& client_of(const TraceEntry& entry) const {
        return trace_.name_of(trace_.connections[entry.connection.raw()].client);
    }
    [[nodiscard]] const std::string& node_of(const TraceEntry& entry) const {
        return trace_.name_of(trace_.connections[entry.connection.raw()].node);
    }

    results::ScenarioResult& result_;
    const Trace& trace_;
    std::uint32_t steps_ = 0;
    std::vector<std::uint32_t> step_of_entry_;
    std::vector<std::uint32_t> step_of_packet_;
};

/// Without a ladder only those that were broken.
void add_invariants(results::ScenarioResult& result, const Judged& judged, const Ladder* ladder) {
    const auto& trace = judged.trace;
    for (const auto& one : judged.invariants) {
        if (ladder == nullptr && one.failures.empty()) continue;
        auto* verdict = result.add_invariants();
        verdict->set_invariant(std::string{one.checker->id});
        verdict->set_title(std::string{one.checker->title});
        verdict->set_verdict(one.failures.empty() ? results::Verdict::pass
                                                  : results::Verdict::fail);
        if (one.failures.empty()) continue;
        const auto& failure = one.failures.front();
        auto explanation = failure.explanation;
        if (one.failures.size() > 1) {
            explanation += fmt::format(" (and {} more)", one.failures.size() - 1);
        }
        verdict->set_explanation(explanation);
        if (failure.entry >= trace.entries.size()) continue;
        verdict->set_at_us(run_time_us(trace.entries[failure.entry].at));
        if (ladder == nullptr) continue;
        const auto step = ladder->step_of(failure.entry);
        if (step >= static_cast<std::uint32_t>(result.trace_size())) continue;
        verdict->set_at_step(step);
        auto* deviating = result.mutable_trace(static_cast<int>(step));
        deviating->set_deviates(true);
        deviating->set_note(fmt::format("{}: {}", one.checker->id, failure.explanation));
    }
}

void add_state(results::ScenarioResult& result, const Outcome& outcome, const Ladder& ladder,
               const StateRecord& state, bool is_change) {
    auto* snapshot = result.add_states();
    snapshot->set_time_us(run_time_us(state.at));
    snapshot->set_client_id(outcome.world->client(state.client).client_id());
    snapshot->set_text(state.text());
    for (const auto& label : state.queue) snapshot->add_queue(label);
    for (const auto& label : state.inflight) snapshot->add_inflight(label);
    for (const auto& label : state.received) snapshot->add_received(label);
    snapshot->set_caption(state.caption);
    snapshot->set_after_step(ladder.steps_before(state.after_entry));
    snapshot->set_is_change(is_change);
    snapshot->set_received_left_out(static_cast<std::uint32_t>(state.received_left_out));
}

/// What the scenario asked for and what changed, in the order of their coming.
void add_states(results::ScenarioResult& result, const Outcome& outcome, const Ladder& ladder) {
    auto change = outcome.changes.begin();
    for (const auto& state : outcome.states) {
        for (; change != outcome.changes.end() && change->after_entry <= state.after_entry;
             ++change) {
            add_state(result, outcome, ladder, *change, true);
        }
        add_state(result, outcome, ladder, state, false);
    }
    for (; change != outcome.changes.end(); ++change) {
        add_state(result, outcome, ladder, *change, true);
    }
}

void add_faults(results::ScenarioResult& result, const Trace& trace, Instant end) {
    for (const auto& fault : trace.faults) {
        auto* band = result.add_faults();
        band->set_kind(fault.kind);
        band->set_where(fault.where);
        band->set_from_us(run_time_us(fault.began_at));
        band->set_to_us(run_time_us(std::min(fault.ended_at, end)));
        band->set_note(fault.note);
    }
}

void add_measures(results::ScenarioResult& result, const Trace& trace) {
    const auto add = [&](const char* name, std::size_t count) {
        auto* measure = result.add_measures();
        measure->set_name(name);
        measure->set_unit("1");
        measure->set_value(static_cast<double>(count));
        measure->set_samples(1);
    };
    const auto count = [&](TraceEntry::Kind kind) {
        return static_cast<std::size_t>(std::ranges::count(trace.entries, kind, &TraceEntry::kind));
    };
    add("connections", trace.connections.size());
    add("packets", trace.packets.size());
    add("messages_published", count(TraceEntry::Kind::published));
    add("messages_delivered", count(TraceEntry::Kind::delivered));
    add("messages_dropped", trace.end.dropped_messages);
}

}  // namespace

results::ScenarioResult to_result(const std::string& path, const scenario::Scenario& scenario,
                                  const Outcome& outcome, const std::string& reproduce,
                                  Detail detail) {
    const auto& trace = outcome.world->trace();
    results::ScenarioResult result;
    result.set_scenario(path);
    result.set_seed(outcome.seed);
    for (const auto& name : outcome.defects) result.add_defects(name);
    result.set_verdict(verdict_of(outcome));
    result.set_expected_verdict(scenario.expected_verdict() == scenario::fail
                                    ? results::Verdict::fail
                                    : results::Verdict::pass);
    result.set_reason(first_reason(outcome));
    result.set_digest(outcome.digest());
    result.set_virtual_duration_us(run_time_us(outcome.world->now()));
    result.set_events(outcome.world->engine().executed_events());
    if (const auto time_us = time_to_fail_us(outcome)) result.set_time_to_fail_us(*time_us);
    for (const auto& one : outcome.sometimes) {
        if (one.has_happened) result.add_sometimes(std::string{one.condition->name});
    }
    const bool is_declared = is_as_declared(scenario, outcome);
    if (detail == Detail::everything || !is_declared) result.set_reproduce(reproduce);
    if (detail == Detail::verdicts) {
        add_invariants(result, judged(outcome), nullptr);
        return result;
    }
    result.set_description(scenario.description());
    result.set_fidelity("T0");
    if (outcome.protagonist) {
        for (const auto& label : outcome.world->received(*outcome.protagonist)) {
            result.add_received(label);
        }
        for (const auto& label : outcome.expected_received) result.add_expected_received(label);
    }
    // What was broken off is nothing that `replay` could bring back.
    if (outcome.was_ended) result.clear_digest();
    if (!outcome.was_ended) result.set_scenario_text(file_text(scenario, ""));
    result.set_shards(outcome.shard_count.value_or(0));
    add_actors(result, trace);
    const Ladder ladder{result, trace};
    add_invariants(result, judged(outcome), &ladder);
    add_states(result, outcome, ladder);
    add_faults(result, trace, outcome.world->now());
    add_measures(result, trace);
    return result;
}

results::ScenarioResult to_result(const std::string& name, const std::string& description,
                                  const Trace& trace, Instant end,
                                  const std::vector<InvariantOutcome>& invariants,
                                  const std::string& reproduce) {
    const Judged judged{trace, end, invariants};
    const auto first_entry = first_shown_entry(judged);
    results::ScenarioResult result;
    result.set_scenario(name);
    result.set_description(description);
    if (first_entry > 0) {
        result.set_description(fmt::format("{} Shown from {} ms on, not long before the first "
                                           "promise was broken.",
                                           description,
                                           run_time_us(trace.entries[first_entry].at) / 1'000));
    }
    result.set_reason(first_broken(judged));
    result.set_verdict(result.reason().empty() ? results::Verdict::pass : results::Verdict::fail);
    result.set_expected_verdict(results::Verdict::pass);
    result.set_virtual_duration_us(run_time_us(end));
    if (const auto time_us = time_to_break_us(judged)) result.set_time_to_fail_us(*time_us);
    result.set_reproduce(reproduce);
    add_actors(result, trace);
    const Ladder ladder{result, trace, first_entry};
    add_invariants(result, judged, &ladder);
    add_measures(result, trace);
    return result;
}

bool is_as_declared(const scenario::Scenario& scenario, const Outcome& outcome) {
    return !outcome.was_ended &&
           outcome.has_passed() == (scenario.expected_verdict() != scenario::fail);
}

}  // namespace touchstone::simulator
