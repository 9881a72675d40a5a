#include "load/engine.hpp"

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "load/probe.hpp"
#include "load/process.hpp"
#include "load/shared.hpp"
#include "load/steady.hpp"
#include "load/tables.hpp"
#include "load/worker.hpp"

namespace touchstone::load {

namespace {

/// What the conductor decides holds from so much later on, when all threads have read it.
constexpr Nanos notice = 60 * millisecond;
constexpr std::chrono::milliseconds tick{5};
/// Ports of one address, of the 28,000 that a system usually gives out: a search for a free one
/// stays short.
constexpr std::uint64_t connections_per_source = 14'000;
/// Draining ends when nothing has come for so long.
constexpr Nanos silence_max = 2 * second;

TablePlan plan_threads(const Workload& workload, bool is_loopback) {
    auto threads = workload.threads;
    if (threads == 0) {
        threads = processors();
        if (is_loopback) threads = std::max(1U, threads / 2);
    }
    return plan_tables(workload.clients(), threads,
                       workload.open_files_max ? *workload.open_files_max : open_files_max());
}

std::vector<std::string> source_names(const Workload& workload, const Address& target) {
    if (!workload.sources.empty()) return workload.sources;
    const auto clients = workload.clients();
    if (!target.is_v4() || !target.is_loopback() || clients <= connections_per_source) return {};
    std::vector<std::string> names;
    const auto count = (clients + connections_per_source - 1) / connections_per_source;
    for (std::uint32_t i = 0; i < count; ++i) names.push_back(loopback_source(i));
    return names;
}

/// Decides when a run goes on to its next stage, and gathers what the threads leave.
class Conductor {
public:
    Conductor(const Workload& workload, const GoesOn& goes_on)
        : workload_{workload},
          goes_on_{goes_on} {}

    Outcome run() {
        set_up();
        start_threads();
        conduct();
        end_threads();
        gather();
        return std::move(outcome_);
    }

private:
    void set_up() {
        std::string problem;
        const auto target = resolve(workload_.target.host, workload_.target.port, problem);
        if (!target) throw Unreachable{problem};
        const auto tables = plan_threads(workload_, target->is_loopback());
        shared_ = std::make_unique<Shared>(workload_, tables.threads, clock_now());
        shared_->target = *target;
        shared_->has_own_tables = tables.has_own_tables;
        outcome_.own_tables = tables.has_own_tables ? tables.threads : 0;
        outcome_.sources = source_names(workload_, *target);
        for (const auto& name : outcome_.sources) {
            const auto source = resolve(name, 0, problem);
            if (!source) throw CannotRun{"--source: " + problem};
            shared_->sources.push_back(*source);
        }
        try {
            if (workload_.target.has_tls)
                shared_->tls = std::make_unique<TlsClient>(workload_.target);
        } catch (const TlsError& error) {
            throw CannotRun{error.what()};
        }
        if (const auto problem_there = problem_of_target(*shared_)) {
            throw Unreachable{fmt::format("{} {}", workload_.target.url, *problem_there)};
        }
    }

    void start_threads() {
        for (unsigned i = 0; i < shared_->threads; ++i) {
            workers_.push_back(std::make_unique<Worker>(*shared_, i));
        }
        using namespace std::chrono;
        outcome_.started_unix_ms =
            duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
        shared_->start = clock_now();
        if (workload_.publishes_at_once) {
            shared_->window_from = shared_->start;
            shared_->window_to = shared_->start + workload_.measure;
            shared_->publish_from = shared_->start;
            outcome_.target_before = use_of_target();
        } else if (!publishes()) {
            shared_->window_from = shared_->start;
            outcome_.target_before = use_of_target();
        }
        for (auto& worker : workers_) {
            threads_.emplace_back([&worker] { worker->run(); });
        }
    }

    void end_threads() {
        shared_->is_closing.store(true, std::memory_order_release);
        stage_ = Stage::closing;
        for (auto& thread : threads_) thread.join();
    }

    [[nodiscard]] bool publishes() const {
        return std::ranges::any_of(workload_.groups, [](const Group& group) {
            return group.publishing.process != Publishing::Process::silent;
        });
    }

    [[nodiscard]] std::optional<ProcessUse> use_of_target() const {
        if (!workload_.watched_pid) return std::nullopt;
        return use_of_process(*workload_.watched_pid);
    }

    [[nodiscard]] std::uint64_t sum(std::atomic<std::uint64_t> Progress::*what) const {
        std::uint64_t sum = 0;
        for (const auto& progress : shared_->progress) {
            sum += ((*progress).*what).load(std::memory_order_relaxed);
        }
        return sum;
    }

    /// Waits until `is_over()`, or until `deadline`, whichever is first. False: the run has to end.
    template <class IsOver>
    bool go_through(Stage stage, Nanos deadline, const IsOver& is_over) {
        stage_ = stage;
        while (true) {
            if (!look()) {
                outcome_.ending = Ending::interrupted;
                return false;
            }
            if (clock_now() >= deadline || is_over()) return true;
            std::this_thread::sleep_for(tick);
        }
    }

    /// Takes what has been reported, and tells the caller.
    bool look() {
        for (auto& interval : shared_->board.take_complete()) note(std::move(interval));
        const auto connected = sum(&Progress::connected);
        outcome_.connected_max = std::max(outcome_.connected_max, connected);
        if (!goes_on_) return true;
        return goes_on_(
            {.stage = stage_,
             .since_start = clock_now() - shared_->start,
             .clients = workload_.clients(),
             .connected = connected,
             .ready = sum(&Progress::ready),
             .counts = counts_,
             .latest = outcome_.intervals.empty() ? nullptr : &outcome_.intervals.back()});
    }

    void note(Interval interval) {
        counts_.add(interval.counts);
        outcome_.intervals.push_back(std::move(interval));
    }

    void conduct() {
        if (workload_.publishes_at_once) return conduct_at_once();
        const auto clients = workload_.clients();
        const auto start = shared_->start;
        const bool goes_on = go_through(Stage::connecting, start + workload_.connect_timeout, [&] {
            return sum(&Progress::ready) + sum(&Progress::given_up) >= clients;
        });
        if (!goes_on) return;
        outcome_.connected_after = clock_now() - start;
        const auto ready = sum(&Progress::ready);
        if (ready == 0 || ready + sum(&Progress::given_up) < clients) {
            outcome_.ending = Ending::connect_timeout;
            return close_window(clock_now());
        }
        if (!go_through(Stage::holding, clock_now() + workload_.hold, [] { return false; })) return;
        if (!publishes()) return close_window(clock_now());
        conduct_publishing();
    }

    void conduct_at_once() {
        const auto end = shared_->window_to.load();
        if (!go_through(Stage::measuring, end, [] { return false; })) return;
        outcome_.ready = sum(&Progress::ready);
        close_window(end);
        drain();
    }

    void conduct_publishing() {
        outcome_.ready = sum(&Progress::ready);
        const auto from = clock_now() + notice;
        // Without a search for steadiness the seed decides all that is offered.
        const bool is_fixed = workload_.warm_up_min == workload_.warm_up_max;
        const auto fixed_to = from + workload_.warm_up_max + workload_.measure;
        if (is_fixed) open_window(fixed_to - workload_.measure, fixed_to);
        shared_->publish_from = from;
        if (!warm_up(from)) return close_window(clock_now());
        const auto window_from = clock_now() + notice;
        const auto window_to = is_fixed ? fixed_to : window_from + workload_.measure;
        if (!is_fixed) open_window(window_from, window_to);
        outcome_.target_before = use_of_target();
        if (!go_through(Stage::measuring, window_to, [] { return false; })) {
            return close_window(clock_now());
        }
        close_window(window_to);
        drain();
    }

    void open_window(Nanos from, Nanos to) {
        shared_->window_to = to;
        shared_->window_from = from;
    }

    bool warm_up(Nanos from) {
        const auto least = from + workload_.warm_up_min;
        return go_through(Stage::warming_up, from + workload_.warm_up_max, [&] {
            if (clock_now() < least) return false;
            outcome_.was_steady = is_steady(paces(from - shared_->start, no_time));
            return outcome_.was_steady && workload_.warm_up_min < workload_.warm_up_max;
        });
    }

    /// The whole intervals between two times that count from the start.
    [[nodiscard]] std::vector<Pace> paces(Nanos from, Nanos to) const {
        std::vector<Pace> paces;
        for (const auto& interval : outcome_.intervals) {
            if (interval.from < from || interval.from + interval.length > to) continue;
            auto& pace = paces.emplace_back();
            pace.received_per_s =
                static_cast<double>(interval.counts[Count::received]) / in_seconds(interval.length);
            if (const auto median = interval.times.delivery.quantile(0.5))
                pace.median_us = static_cast<double>(*median) / 1e3;
        }
        return paces;
    }

    void close_window(Nanos at) {
        if (shared_->window_to.load() > at) shared_->window_to = at;
        outcome_.connected = sum(&Progress::connected);
        outcome_.target_after = use_of_target();
    }

    void drain() {
        std::uint64_t arrived = 0;
        auto changed_at = clock_now();
        go_through(Stage::draining, clock_now() + workload_.drain_max, [&] {
            const auto now = clock_now();
            const auto newest = sum(&Progress::arrived);
            const auto open = sum(&Progress::open);
            if (newest != arrived) changed_at = now;
            arrived = newest;
            // A thread that had no processor may have something to offer yet.
            if (sum(&Progress::is_done) < shared_->threads) return false;
            if (open == 0 && arrived >= sum(&Progress::owed)) return true;
            return open == 0 && now > changed_at + silence_max;
        });
    }

    void gather() {
        outcome_.groups.resize(workload_.groups.size());
        for (const auto& worker : workers_) {
            for (std::size_t g = 0; g < outcome_.groups.size(); ++g)
                outcome_.groups[g].add(worker->groups()[g]);
            outcome_.times.add(worker->times());
            outcome_.threads.push_back(worker->use());
            outcome_.unsent += worker->unsent();
            outcome_.unacknowledged += worker->unacknowledged();
            if (worker->has_no_table()) {
                ++outcome_.failures["a thread got no table of descriptors of its own: the sandbox "
                                    "allows neither unshare nor close_range"];
            }
        }
        for (auto& interval : shared_->board.take_rest()) {
            if (interval.parts > 0) note(std::move(interval));
        }
        for (const auto& [words, times] : shared_->board.failures())
            outcome_.failures[words] += times;
        const auto from = shared_->window_from.load();
        const auto to = shared_->window_to.load();
        if (from != no_time && to != no_time) {
            outcome_.measured_from = from - shared_->start;
            outcome_.measured = std::max(Nanos{0}, to - from);
        }
        describe_steadiness();
        count_losses();
    }

    void describe_steadiness() {
        if (workload_.publishes_at_once || !publishes() || outcome_.measured == 0) return;
        const bool drifts = !has_no_drift(
            paces(outcome_.measured_from, outcome_.measured_from + outcome_.measured));
        outcome_.steadiness = fmt::format(
            "{}; {}",
            outcome_.was_steady
                ? fmt::format("steady before it was measured (the last {} intervals: rates within "
                              "{:.0f} %, medians within {:.0f} % of their mean)",
                              steady_intervals, steady_rate_spread * 100,
                              steady_median_spread * 100)
                : fmt::format("not steady after {:.3g} s of warm-up; measured nonetheless",
                              in_seconds(workload_.warm_up_max)),
            drifts ? "its two halves differ" : "its two halves are alike");
        outcome_.was_steady = outcome_.was_steady && !drifts;
    }

    [[nodiscard]] bool is_loss_judged() const {
        if (!shared_->plan.has_lines()) return false;
        // Who is away without a Session misses what is published, and nobody is to blame.
        if (!workload_.publishes_at_once) return true;
        const auto all = outcome_.all();
        const bool all_stay = std::ranges::all_of(
            workload_.groups, [](const Group& group) { return group.awake == 0; });
        return all_stay && all[Count::lost_connections] == 0 && outcome_.connected_after == 0 &&
               shared_->plan.clients() == outcome_.ready &&
               std::ranges::all_of(workload_.groups, [](const Group& group) {
                   return group.ramp_per_s == 0 && group.ramp_start == 0;
               });
    }

    void count_losses() {
        const auto& plan = shared_->plan;
        std::vector<std::uint32_t> sent(plan.clients());
        OnceLog once;
        std::uint64_t twice = 0;
        for (auto& worker : workers_) {
            for (const auto& client : worker->clients()) {
                if (client.talk)
                    sent[plan.client(client.group, client.number)] = client.talk->next_number;
            }
            twice += once.merge(worker->once());
        }
        outcome_.is_loss_judged = is_loss_judged();
        const auto all = outcome_.all();
        if (all[Count::unstamped] > 0 || !plan.has_lines()) {
            const auto came = all[Count::received];
            outcome_.lost = all[Count::expected] > came ? all[Count::expected] - came : 0;
            return;
        }
        count_once(once, sent, twice);
        for (const auto& worker : workers_) {
            for (const auto& client : worker->clients()) {
                if (client.talk) count_lines(client, sent);
            }
        }
    }

    void count_once(const OnceLog& once, const std::vector<std::uint32_t>& sent,
                    std::uint64_t twice) {
        const auto& plan = shared_->plan;
        for (std::uint32_t g = 0; g < plan.groups(); ++g) {
            if (!plan.is_once(g)) continue;
            // What two threads' clients both had was no loss of the first.
            outcome_.groups[g][Count::duplicates] += std::exchange(twice, 0);
            for (std::uint32_t number = 0; number < plan.group(g).count; ++number) {
                const auto publisher = plan.client(g, number);
                const auto lost = sent[publisher] - std::min<std::uint64_t>(
                                                        sent[publisher], once.received(publisher));
                outcome_.lost += lost;
                outcome_.undelivered_pairs += lost > 0 ? 1 : 0;
            }
        }
    }

    void count_lines(const Client& client, const std::vector<std::uint32_t>& sent) {
        const auto& logs = client.talk->logs;
        for (std::uint32_t log = 0; log < logs.size(); ++log) {
            const auto publisher = shared_->plan.publisher_of(client.group, client.number, log);
            if (!publisher) continue;
            const auto lost = logs[log].lost(sent[*publisher]);
            outcome_.lost += lost;
            outcome_.undelivered_pairs += lost > 0 ? 1 : 0;
        }
    }

    const Workload& workload_;
    const GoesOn& goes_on_;
    std::unique_ptr<Shared> shared_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<std::thread> threads_;
    Stage stage_ = Stage::connecting;
    Counts counts_;
    Outcome outcome_;
};

}  // namespace

std::string_view name_of(Stage stage) {
    switch (stage) {
        case Stage::connecting: return "connecting";
        case Stage::holding: return "holding";
        case Stage::warming_up: return "warming up";
        case Stage::measuring: return "measuring";
        case Stage::draining: return "draining";
        case Stage::closing: return "closing";
    }
    return "";
}

Outcome run(const Workload& workload, const GoesOn& goes_on) {
    return Conductor{workload, goes_on}.run();
}

std::string new_run_id() {
    constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    std::uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != sizeof bits)
        bits = static_cast<std::uint64_t>(clock_now()) ^ static_cast<std::uint64_t>(getpid());
    std::string id;
    for (int i = 0; i < 8; ++i, bits >>= 5U) id += alphabet[bits & 31U];
    return id;
}

}  // namespace touchstone::load
