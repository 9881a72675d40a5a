#include "simulator/print.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "reports/sweep.hpp"

namespace touchstone::simulator {

namespace {

std::string seconds_text(Instant at) {
    const auto us = (at - run_begin).count();
    return fmt::format("  {:>4}.{:03} s  ", us / 1'000'000, us / 1'000 % 1'000);
}

void print_seconds(Instant at) {
    fmt::print("{}", seconds_text(at));
}

/// `4,3`: the newest first, as sequences of a state are written.
template <class All, class Text>
std::string newest_first(const All& all, Text text_of) {
    std::vector<std::string> texts;
    for (const auto& one : all) texts.push_back(text_of(one));
    std::ranges::reverse(texts);
    return fmt::format("{}", fmt::join(texts, ","));
}

void print_session(const LookedAt::Session& session) {
    const auto& view = session.view;
    const auto queue = newest_first(
        view.queue, [](const MessageRef& one) { return label_of(as_text(one->payload())); });
    const auto inflight = newest_first(view.inflight, [](const SessionView::Inflight& one) {
        const auto what = one.message ? label_of(as_text(one.message->payload())) : "PUBREL";
        return fmt::format("{}={}", one.packet_id, what);
    });
    fmt::print("  {:<10} {:<16} {:<9}  [{}||{}]  window {}", session.node, view.client_id,
               view.connected ? "connected" : "away", queue.empty() ? "" : queue + " ",
               inflight.empty() ? "" : " " + inflight, view.window);
    if (!view.unreleased.empty()) fmt::print("  not released: {}", fmt::join(view.unreleased, ","));
    fmt::print("\n");
}

}  // namespace

void print_outcome(const std::string& path, const scenario::Scenario& scenario,
                   const Outcome& outcome) {
    const auto& world = *outcome.world;
    fmt::print("scenario {}: {}\n", path, scenario.description());
    for (const auto& name : outcome.defects) fmt::print("defect {} is on\n", name);
    if (outcome.protagonist) {
        fmt::print("received by {}: {}\n", world.name_of(*outcome.protagonist),
                   sequence_text(world.received(*outcome.protagonist)));
    }
    if (!outcome.states.empty()) fmt::print("states [queue || in flight] -> received\n");
    std::size_t width = 0;
    for (const auto& state : outcome.states) width = std::max(width, state.text().size());
    for (const auto& state : outcome.states) {
        print_seconds(state.at);
        fmt::print("{:<{}}  {}\n", state.text(), width, state.caption);
    }
    fmt::print("invariants\n");
    for (const auto& one : outcome.invariants) {
        fmt::print("  {:<4}  {:<12}  {}\n", one.failures.empty() ? "pass" : "FAIL", one.checker->id,
                   one.checker->title);
        if (one.failures.empty()) continue;
        const auto& failure = one.failures.front();
        if (failure.entry < world.trace().entries.size()) {
            fmt::print("      ");
            print_seconds(world.trace().entries[failure.entry].at);
            fmt::print("{}\n", failure.explanation);
        } else {
            fmt::print("        at the end  {}\n", failure.explanation);
        }
    }
    for (const auto& one : outcome.disappointments) {
        fmt::print("  FAIL  {}: expected {}, got {}\n", one.what, one.expected, one.seen);
    }
}

void print_sweep(const results::Run& run) {
    constexpr std::size_t lines_max = 30;
    const auto failures = reports::failures_by_time(run);
    fmt::print("{} runs, {} not as declared\n", run.scenarios_size(), failures.size());
    for (std::size_t i = 0; i < std::min(failures.size(), lines_max); ++i) {
        const auto& one = run.scenarios(failures[i]);
        std::vector<std::string> broken;
        for (const auto& verdict : one.invariants()) {
            if (verdict.verdict() == results::Verdict::fail) broken.push_back(verdict.invariant());
        }
        const auto time =
            one.has_time_to_fail_us()
                ? fmt::format("{:>9.3f} s", static_cast<double>(one.time_to_fail_us()) / 1e6)
                : std::string(11, ' ');
        fmt::print("  {}  {}  {}\n", time,
                   broken.empty() ? one.reason() : fmt::format("{}", fmt::join(broken, " ")),
                   one.reproduce());
    }
    if (failures.size() > lines_max) {
        fmt::print("  … and {} more, in repro.txt\n", failures.size() - lines_max);
    }
    for (const auto& tally : run.sweep().scenarios()) {
        if (tally.sometimes().empty()) continue;
        fmt::print("sometimes, in so many of {} runs of {}\n", tally.runs(), tally.scenario());
        for (const auto& one : tally.sometimes())
            fmt::print("  {:>7}  {}\n", one.runs(), one.name());
    }
    for (const auto& note : run.notes()) fmt::print("{}\n", note);
    fmt::print("digest={}\n", run.digest());
}

void print_look(const LookedAt& look) {
    fmt::print("sessions at{}[queue || Packet Identifier=in flight], newest left\n",
               seconds_text(look.at));
    for (const auto& session : look.sessions) print_session(session);
    fmt::print("clients\n");
    for (const auto& client : look.clients) {
        fmt::print("  {:<10} {:<9}  {} received, {} publications unfinished, {} acknowledgements "
                   "withheld\n",
                   client.name, client.is_connected ? "connected" : "away", client.received,
                   client.unfinished, client.withheld);
    }
}

void print_trace(const Trace& trace, const std::string& of) {
    fmt::print("trace\n");
    for (const auto& line : trace_lines(trace, of)) fmt::print("{}\n", line);
}

std::vector<std::string> trace_lines(const Trace& trace, const std::string& of) {
    using Kind = TraceEntry::Kind;
    std::vector<std::string> lines;
    for (const auto& entry : trace.entries) {
        const bool is_packet = entry.kind == Kind::sent;
        const auto& actor = trace.actors[entry.actor.raw()];
        if (of != "all" && of != actor) continue;
        const auto line = [&](std::string_view text) {
            lines.push_back(seconds_text(entry.at) +
                            fmt::format("{:<10} {:>4}  {}", actor, entry.connection.raw(), text));
        };
        if (is_packet) {
            const auto& packet = trace.packets[entry.index];
            const bool to_client = packet.direction == Direction::to_client;
            const auto arrival =
                packet.arrived_at == never
                    ? std::string{"lost"}
                    : fmt::format("+{} us", (packet.arrived_at - entry.at).count());
            line(fmt::format("{} {}  {}", to_client ? "<" : ">", describe(trace, packet), arrival));
            continue;
        }
        const bool is_broker = entry.direction == Direction::to_broker;
        switch (entry.kind) {
            case Kind::opened: line("  opened at the broker"); break;
            case Kind::closed: line(is_broker ? "  closed by the broker" : "  closed"); break;
            case Kind::aborted: line(is_broker ? "  reset by the broker" : "  reset"); break;
            case Kind::ended: line(is_broker ? "  the broker learns its end" : "  ended"); break;
            case Kind::fault_began:
            case Kind::fault_ended: {
                const auto& fault = trace.faults[entry.index];
                line(fmt::format("* {} {} {}", fault.kind,
                                 entry.kind == Kind::fault_began ? "begins" : "ends", fault.note));
                break;
            }
            case Kind::node_started: line("* up"); break;
            case Kind::settle_began: line("* settling begins"); break;
            case Kind::alarmed:
                line("* tells its operator: " + trace.alarms[entry.index].text);
                break;
            case Kind::opening: line("  opens"); break;
            case Kind::forgot: line("  has no Session State"); break;
            case Kind::died: line("* dies of what it was sent"); break;
            case Kind::commanded:
            case Kind::crashed:
            case Kind::scripted:
            case Kind::sent:
            case Kind::arrived:
            case Kind::published:
            case Kind::delivered:
            case Kind::node_crashed:
            case Kind::node_stopped: break;
        }
    }
    return lines;
}

}  // namespace touchstone::simulator
