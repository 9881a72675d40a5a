#include "load/limiter.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "load/expectation.hpp"

namespace touchstone::load {

namespace {

struct Shortage {
    Count count;
    Limiter limiter;
    std::string_view words;
};
constexpr Shortage shortages[] = {
    {Count::files_short, Limiter::files,
     "no descriptor was left; raise the limit of open files (ulimit -n), or allow unshare or "
     "close_range, which give each thread a table of its own"},
    {Count::ports_short, Limiter::ports,
     "no local port was left; give more addresses to connect from (--source)"},
    {Count::memory_short, Limiter::memory,
     "the system had no memory for a socket, or no room for another epoll watch "
     "(fs.epoll.max_user_watches); use fewer connections"},
};

std::string percent(double share) {
    return fmt::format("{:.0f} %", share * 100);
}

/// The thread that worked most, and the one that waited most.
ThreadUse most(const Outcome& outcome) {
    ThreadUse use;
    for (const auto& thread : outcome.threads) {
        use.busy = std::max(use.busy, thread.busy);
        use.waited = std::max(use.waited, thread.waited);
    }
    return use;
}

/// At the highest of these quantiles that the sample supports.
Nanos high_quantile(const Histogram& histogram) {
    for (const double quantile : {0.99, 0.9, 0.5}) {
        if (const auto value = histogram.quantile(quantile)) return *value;
    }
    return histogram.max();
}

bool has_loop(const Workload& workload) {
    return std::ranges::any_of(workload.groups, [](const Group& group) {
        return group.publishing.process == Publishing::Process::closed_loop;
    });
}

class Judge {
public:
    Judge(const Workload& workload, const Outcome& outcome)
        : workload_{workload},
          outcome_{outcome},
          all_{outcome.all()},
          use_{most(outcome)} {}

    Limit judge() {
        judge_shortages();
        judge_lateness();
        judge_loop();
        if (!limit_.is_generator) judge_target();
        describe_generator();
        return limit_;
    }

private:
    void blame_generator(Limiter limiter, std::string words) {
        if (!limit_.is_generator) limit_.limiter = limiter;
        limit_.is_generator = true;
        limit_.words.push_back("The generator was the limit: " + std::move(words) + ".");
    }

    void judge_shortages() {
        for (const auto& shortage : shortages) {
            const auto times = all_[shortage.count];
            if (times > 0)
                blame_generator(shortage.limiter,
                                fmt::format("{} times {}", times, shortage.words));
        }
    }

    /// What was late of itself: by messages that could have been sent, or connections that could
    /// have been opened.
    void judge_lateness() {
        const bool has_messages = outcome_.times.lag.count() > 0;
        const auto& lag = has_messages ? outcome_.times.lag : outcome_.times.connect_lag;
        const auto& result = has_messages ? outcome_.times.delivery : outcome_.times.connect;
        if (lag.count() == 0) return;
        const auto late = high_quantile(lag);
        const auto took = result.count() > 0 ? high_quantile(result) : 0;
        if (late <= lag_max ||
            static_cast<double>(late) <= lag_share_max * static_cast<double>(took)) {
            return;
        }
        const auto what =
            fmt::format("{} were up to {} late (p99) before the target had a part in it",
                        has_messages ? "messages" : "connections", time_text(late));
        if (use_.busy > busy_max) {
            blame_generator(Limiter::cpu, fmt::format("{}; a thread was busy {} of the time", what,
                                                      percent(use_.busy)));
        } else if (use_.waited > waited_max) {
            blame_generator(Limiter::cpu,
                            fmt::format("{}; a thread waited {} of the time for a processor that "
                                        "others had",
                                        what, percent(use_.waited)));
        } else {
            blame_generator(Limiter::schedule, what);
        }
    }

    void judge_loop() {
        if (!has_loop(workload_) || use_.busy <= busy_max || target_share() > busy_max) return;
        blame_generator(Limiter::cpu,
                        fmt::format("in its closed loop a thread was busy {} of the time{}",
                                    percent(use_.busy),
                                    outcome_.target_after
                                        ? fmt::format(", the target {}", percent(target_share()))
                                        : "; with --pid the target's part is seen"));
    }

    /// Processors that the watched process had.
    [[nodiscard]] double target_share() const {
        if (!outcome_.target_before || !outcome_.target_after || outcome_.measured <= 0) return 0;
        return (outcome_.target_after->cpu_s - outcome_.target_before->cpu_s) /
               in_seconds(outcome_.measured);
    }

    void judge_target() {
        const auto say = [this](std::string words) {
            limit_.limiter = Limiter::target;
            limit_.words.push_back(std::move(words));
        };
        const auto failed =
            all_[Count::refused] + all_[Count::connect_failures] + all_[Count::connect_timeouts];
        if (outcome_.ending == Ending::connect_timeout) {
            say(fmt::format(
                "Not all clients were connected and subscribed within {:.3g} s: nothing "
                "was published.",
                in_seconds(workload_.connect_timeout)));
        }
        if (failed > 0) {
            say(fmt::format("The target did not take {} connections ({} refused, {} failed, {} "
                            "without an answer).",
                            failed, all_[Count::refused], all_[Count::connect_failures],
                            all_[Count::connect_timeouts]));
        }
        if (all_[Count::lost_connections] + all_[Count::answer_timeouts] > 0) {
            say(fmt::format("{} connections ended before they should.",
                            all_[Count::lost_connections] + all_[Count::answer_timeouts]));
        }
        const bool is_behind =
            outcome_.sent_per_s() < 0.98 * outcome_.offered_per_s() || outcome_.unsent > 0;
        if (is_behind && !has_loop(workload_)) {
            say(fmt::format(
                "The target did not keep up: of {:.6g} messages/s it took {:.6g}; {} had "
                "to wait for it, {} were never sent.",
                outcome_.offered_per_s(), outcome_.sent_per_s(), all_[Count::held_back],
                outcome_.unsent));
        }
        if (outcome_.lost > 0 && outcome_.is_loss_judged) {
            say(fmt::format("{} deliveries are missing, of {}.", outcome_.lost,
                            all_[Count::expected]));
        }
        if (limit_.words.empty()) {
            limit_.words.emplace_back(
                has_loop(workload_)
                    ? "The pace is that of the closed loop: each answer lets the next message go."
                    : "Nothing limited the run: what was offered was taken and delivered.");
        }
    }

    void describe_generator() {
        if (outcome_.threads.empty() || outcome_.measured <= 0) return;
        auto text = fmt::format("The generator's busiest of {} threads used {} of a processor, and "
                                "waited {} of the time for one",
                                outcome_.threads.size(), percent(use_.busy), percent(use_.waited));
        if (const auto late = outcome_.times.lag.quantile(0.99))
            text += fmt::format("; it was late by {} at the 99th percentile", time_text(*late));
        if (outcome_.target_after)
            text += fmt::format("; the target used {}", percent(target_share()));
        limit_.words.push_back(text + ".");
    }

    const Workload& workload_;
    const Outcome& outcome_;
    const Counts all_;
    const ThreadUse use_;
    Limit limit_;
};

}  // namespace

std::string_view name_of(Limiter limiter) {
    switch (limiter) {
        case Limiter::none: return "none";
        case Limiter::files: return "files";
        case Limiter::ports: return "ports";
        case Limiter::memory: return "memory";
        case Limiter::cpu: return "cpu";
        case Limiter::schedule: return "schedule";
        case Limiter::target: return "target";
    }
    return "";
}

Limit judge(const Workload& workload, const Outcome& outcome) {
    return Judge{workload, outcome}.judge();
}

}  // namespace touchstone::load
