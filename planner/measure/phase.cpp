#include "planner/measure/phase.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "planner/measure/pace.hpp"
#include "planner/measure/plain_client.hpp"
#include "planner/measure/process.hpp"
#include "planner/measure/windows.hpp"

namespace touchstone::planner {

namespace {

ProcessReading read_or_throw(int pid) {
    auto reading = read_process(pid);
    if (!reading) {
        throw CannotMeasure{fmt::format("process {} cannot be looked at: there is none, or it is "
                                        "another user's",
                                        pid)};
    }
    return *std::move(reading);
}

/// Counts of the intervals that lie in the window that was measured, and their length.
std::pair<load::Counts, double> counts_in_window(const load::Outcome& outcome) {
    load::Counts counts;
    double length_s = 0;
    for (const auto& interval : outcome.intervals) {
        const bool is_in =
            interval.from >= outcome.measured_from &&
            interval.from + interval.length <= outcome.measured_from + outcome.measured;
        if (!is_in) continue;
        counts.add(interval.counts);
        length_s += load::in_seconds(interval.length);
    }
    return {counts, length_s};
}

/// Nothing: this thread did not have its turn at the end.
std::optional<Phase> measure_once(const MessageLoad& messages, const PhaseOptions& options,
                                  std::uint64_t seed) {
    auto workload = workload_of(messages, options.target);
    workload.seed = seed;
    workload.is_always_awake = options.is_generator_separate;
    workload.run_id = fmt::format("{:x}", seed * 0x9E37'79B9U);
    workload.warm_up_min = load::from_seconds(options.warm_up_s);
    workload.warm_up_max = load::from_seconds(options.warm_up_s);
    workload.measure = load::from_seconds(options.measure_s);
    std::optional<ProcessReading> before;
    std::optional<ProcessReading> after;
    const auto outcome = load::run(workload, [&](const load::Glimpse& glimpse) {
        if (glimpse.stage == load::Stage::measuring) {
            if (!before) before = after = read_or_throw(options.pid);
            // Looking takes time that the generator may want: not before the end. And on a busy
            // machine this thread may not have its turn in the very last moment.
            constexpr double late_share = 0.85;
            const double measured_s = load::in_seconds(load::clock_now()) - before->at_s;
            if (measured_s > options.measure_s * late_share) after = read_or_throw(options.pid);
        }
        return options.goes_on(messages.name);
    });
    if (outcome.ending == load::Ending::interrupted) throw CannotMeasure{"interrupted"};
    if (outcome.ending == load::Ending::connect_timeout || !before) {
        std::string why;
        for (const auto& [what, times] : outcome.failures) {
            why += fmt::format("; {} times: {}", times, what);
        }
        throw CannotMeasure{fmt::format("{}: nothing was measured: {} of {} clients got in{}",
                                        messages.name, outcome.connected,
                                        messages.publishers * (1 + messages.receivers), why)};
    }
    if (after->at_s <= before->at_s) return std::nullopt;
    Phase phase{.load = messages,
                .deliveries = windows_of(outcome, &load::Times::delivery),
                .lags = windows_of(outcome, &load::Times::lag),
                .lost = outcome.lost};
    const double length_s = after->at_s - before->at_s;
    phase.processor = (after->cpu_s - before->cpu_s) / length_s;
    phase.disturbance = (after->waited_s - before->waited_s) / length_s;
    phase.wakes_per_s = (after->sleeps - before->sleeps) / length_s;
    phase.workers = after->workers_since(*before);
    for (const auto& thread : outcome.threads) {
        phase.generator_busy = std::max(phase.generator_busy, thread.busy + thread.waited);
    }
    phase.limit = load::judge(workload, outcome);
    const double sent = outcome.sent_per_s();
    const double received = outcome.received_per_s();
    phase.rates[static_cast<std::size_t>(Operation::publish_0) + messages.qos] = sent;
    phase.rates[static_cast<std::size_t>(Operation::deliver_0) + messages.qos] = received;
    at(phase.rates, Operation::byte_in) = sent * messages.payload_bytes;
    at(phase.rates, Operation::byte_out) = received * messages.payload_bytes;
    const auto [counts, counted_s] = counts_in_window(outcome);
    if (counted_s > 0) {
        at(phase.rates, Operation::ping) =
            static_cast<double>(counts[load::Count::pings]) / counted_s;
    }
    add_uncached(phase.rates, demand_of(messages).connections);
    return phase;
}

/// Waits until the machine's pace is as it was before, while there is patience.
double await_pace(const PhaseOptions& options, load::Nanos& patience) {
    constexpr auto between_looks = load::second / 4;
    for (;;) {
        const double pace_s = pace_of(options.processors).value_or(0);
        if (is_similar_pace(pace_s, options.pace_s) || patience <= 0) return pace_s;
        if (!options.goes_on("a machine that is as fast as it was")) {
            throw CannotMeasure{"interrupted"};
        }
        // The host moves processors and tells nobody: there is no event to wait for.
        std::this_thread::sleep_for(std::chrono::nanoseconds{between_looks});
        patience -= between_looks;
    }
}

}  // namespace

load::Workload workload_of(const MessageLoad& messages, const load::Target& target) {
    load::Workload workload{.name = messages.name, .target = target};
    const auto qos = static_cast<QoS>(messages.qos);
    load::Group publishers{.name = "publishers", .count = messages.publishers};
    publishers.publishing = {
        .process = messages.in_flight > 0 ? load::Publishing::Process::closed_loop
                                          : load::Publishing::Process::stream,
        .rate_per_s = messages.per_s,
        .spacing = load::Spacing::poisson,
        .in_flight = messages.in_flight,
        .qos = qos,
        .size_min = messages.payload_bytes,
        .size_max = messages.payload_bytes,
        .audience = {.kind = load::Audience::Kind::own_topic, .topics = messages.publishers}};
    workload.groups = {publishers};
    if (messages.receivers > 0) {
        load::Group subscribers{.name = "subscribers",
                                .count = messages.publishers * messages.receivers};
        subscribers.subscribing = {.qos = qos, .streams_of = {0}};
        workload.groups.push_back(subscribers);
    }
    if (messages.pingers > 0) {
        load::Group pingers{.name = "pingers", .count = messages.pingers};
        pingers.ping_every = load::from_seconds(messages.ping_every_s);
        workload.groups.push_back(pingers);
    }
    workload.interval = load::second / 5;
    // Over when all is there; what comes late on a busy machine is not lost.
    workload.drain_max = 15 * load::second;
    return workload;
}

Demand demand_of(const MessageLoad& messages) {
    Demand demand{.name = messages.name};
    demand.streams = {{.name = messages.name,
                       .qos = messages.qos,
                       .messages_per_s = messages.per_s,
                       .payload_bytes = double{1} * messages.payload_bytes,
                       .receivers = double{1} * messages.receivers,
                       .sources = double{1} * messages.publishers,
                       .sinks = double{1} * messages.publishers * messages.receivers,
                       .has_own_sinks = true}};
    if (messages.pingers > 0) demand.pings_per_s = messages.pingers / messages.ping_every_s;
    const double clients = messages.publishers * (1.0 + messages.receivers) + messages.pingers;
    demand.connections = clients;
    at(demand.holdings, Holding::process) = 1;
    at(demand.holdings, Holding::connection) = clients;
    return demand;
}

bool had_usual_pace(const Phase& phase, double usual_s) {
    return !phase.has_changed && is_similar_pace(phase.pace_s, usual_s);
}

Phase measure_phase(const MessageLoad& messages, const PhaseOptions& options) {
    std::optional<Phase> best;
    auto patience = load::from_seconds(options.patience_s);
    for (unsigned attempt = 0; attempt < std::max(1U, options.attempts_max); ++attempt) {
        const double before_s = await_pace(options, patience);
        auto phase = measure_once(messages, options, options.seed + attempt * 1'000'003);
        const double after_s = pace_of(options.processors).value_or(0);
        if (!phase) continue;
        if (before_s > 0 && after_s > 0) phase->pace_s = (before_s + after_s) / 2;
        phase->has_changed = !is_similar_pace(before_s, after_s);
        const auto badness = [&](const Phase& one) {
            const bool is_usual = had_usual_pace(one, options.pace_s);
            return std::max(one.disturbance - options.disturbance_max, 0.0) + (is_usual ? 0 : 1);
        };
        if (!best || badness(*phase) < badness(*best)) best = std::move(phase);
        if (badness(*best) <= 0) break;
    }
    if (!best) {
        throw MachineTooBusy{fmt::format(
            "{}: nothing was measured: the machine did not let this process look at the broker in "
            "time",
            messages.name)};
    }
    return *std::move(best);
}

StormMeasurement measure_storm(const PhaseOptions& options, std::uint32_t clients,
                               std::uint32_t subscriptions) {
    load::Workload workload{.name = "storm", .target = options.target, .seed = options.seed};
    workload.run_id = fmt::format("{:x}", options.seed * 0x9E37'79B9U);
    load::Group group{.name = "clients", .count = clients};
    group.subscribing.idle_filters = subscriptions;
    workload.groups = {group};
    workload.hold = load::second / 5;
    workload.measure = load::second / 5;
    workload.warm_up_min = workload.warm_up_max = 0;
    const auto begin = read_or_throw(options.pid);
    std::optional<ProcessReading> connected;
    std::optional<ProcessReading> closing;
    const auto outcome = load::run(workload, [&](const load::Glimpse& glimpse) {
        if (glimpse.stage != load::Stage::connecting && !connected) {
            connected = read_or_throw(options.pid);
        }
        if (glimpse.stage != load::Stage::closing) closing = read_or_throw(options.pid);
        return options.goes_on("connections at once");
    });
    const auto end = read_or_throw(options.pid);
    if (outcome.ending == load::Ending::interrupted) throw CannotMeasure{"interrupted"};
    if (!connected || outcome.connected < clients) {
        throw CannotMeasure{fmt::format("of {} clients that connect at once only {} got in",
                                        clients, outcome.connected)};
    }
    const double length_s = connected->at_s - begin.at_s;
    return {.connect_s = (connected->cpu_s - begin.cpu_s) / clients,
            .disconnect_s = (end.cpu_s - closing->cpu_s) / clients,
            .disturbance = (connected->waited_s - begin.waited_s) / std::max(1e-3, length_s)};
}

}  // namespace touchstone::planner
