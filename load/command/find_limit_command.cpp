#include "load/command/find_limit_command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "load/command/report.hpp"
#include "load/command/run_command.hpp"
#include "load/command/session.hpp"
#include "load/limiter.hpp"
#include "load/search.hpp"

namespace touchstone::load {

namespace {

constexpr std::string_view examples = R"(
Each rate is a run of its own: it holds when p99 is below the bound, nothing is lost, and the target took at least 98 % of what was
offered. A rate counts when two measurements agree; three that the generator spoils put it out of reach. Rates double from --rate on until one does not hold, then
the gap is halved until it is --precision wide.

Examples:
  touchstone load find-limit --target mqtt://127.0.0.1:1883 --p99 10ms
      100 pairs, QoS 0
  touchstone load find-limit --target mqtt://127.0.0.1:1883 --shape fan-in --publishers 1000 --subscribers 1 --qos 1 --p99 5ms --rate 5000 --measure 5

Exit codes: 0 found; 1 not even the lowest rate held, or less than --at-least; 2 bad arguments; 3 nobody answers; 6 the
generator was the limit before the target was; 130 interrupted
)";

struct LimitOptions {
    std::string p99 = "10ms";
    double precision = 0.05;
    std::optional<double> at_least;
    double rate_max = 1e7;
};

class RateSearch {
public:
    RateSearch(Session& session, Workload workload, Nanos bound)
        : session_{session},
          workload_{std::move(workload)},
          bound_{bound} {}

    SearchResult run(const SearchOptions& options) {
        return find_highest_rate(
            options, [this](double rate, unsigned attempt) { return measure(rate, attempt); });
    }

    [[nodiscard]] const results::LoadReport& steps() const { return steps_; }
    /// The run with the highest rate that held, or the last one.
    [[nodiscard]] const Outcome& shown() const { return shown_; }
    [[nodiscard]] const Workload& shown_workload() const { return shown_workload_; }

private:
    std::optional<Step> measure(double rate, unsigned attempt) {
        if (session_.is_interrupted()) return std::nullopt;
        auto workload = workload_;
        for (auto& group : workload.groups) group.publishing.rate_per_s = rate;
        workload.run_id = new_run_id();
        auto outcome = session_.run(workload, fmt::format("{:.0f}/s: ", rate));
        if (outcome.ending == Ending::interrupted) return std::nullopt;
        const auto limit = judge(workload, outcome);
        auto& step = *steps_.add_steps();
        step.set_offered_per_s(rate);
        step.set_attempt(attempt);
        step.set_sent_per_s(outcome.sent_per_s());
        step.set_received_per_s(outcome.received_per_s());
        step.set_lost(outcome.lost);
        const auto p50 = outcome.times.delivery.quantile(0.5);
        const auto p99 = outcome.times.delivery.quantile(0.99);
        if (p50) step.set_p50_us(static_cast<double>(*p50) / 1e3);
        if (p99) step.set_p99_us(static_cast<double>(*p99) / 1e3);
        step.set_why_not(objection(outcome, p99));
        step.set_holds(step.why_not().empty());
        // A rate that holds, holds, however hard the generator had to work for it.
        step.set_is_valid(step.holds() || !limit.is_generator);
        if (!step.is_valid()) step.set_why_not(limit.words.front());
        session_.print(fmt::format("  {:>9.0f}/s, attempt {}: {}{}\n", rate, attempt,
                                   p99 ? "p99 " + time_text(*p99) + ", " : "",
                                   step.holds() ? "holds" : step.why_not()));
        const bool is_best = step.holds() && rate >= best_rate_;
        if (is_best || !has_best_) {
            shown_ = std::move(outcome);
            shown_workload_ = std::move(workload);
            has_best_ = has_best_ || is_best;
            if (is_best) best_rate_ = rate;
        }
        return Step{
            .rate = rate, .attempt = attempt, .holds = step.holds(), .is_valid = step.is_valid()};
    }

    [[nodiscard]] std::string objection(const Outcome& outcome, std::optional<Nanos> p99) const {
        if (outcome.ending != Ending::complete) return "not all clients got in";
        if (outcome.lost > 0) return fmt::format("{} lost", outcome.lost);
        if (outcome.sent_per_s() < 0.98 * outcome.offered_per_s())
            return fmt::format("took {:.0f}/s", outcome.sent_per_s());
        if (!p99) return "too few messages for a p99";
        if (*p99 >= bound_) return fmt::format("p99 {}", time_text(*p99));
        return "";
    }

    Session& session_;
    Workload workload_;
    Nanos bound_;
    results::LoadReport steps_;
    Outcome shown_;
    Workload shown_workload_;
    double best_rate_ = 0;
    bool has_best_ = false;
};

Judged judge_search(const SearchResult& found, bool is_interrupted, std::optional<double> at_least,
                    Nanos bound) {
    using results::Verdict;
    if (is_interrupted) return {Verdict::inconclusive, ExitCode::interrupted, "interrupted"};
    if (!found.limit && found.was_generator_limit) {
        return {Verdict::inconclusive, ExitCode::run_invalid,
                "the generator was the limit at every rate that was tried"};
    }
    if (!found.limit)
        return {Verdict::fail, ExitCode::expectation_failed,
                fmt::format("no rate that was tried held p99 below {}", time_text(bound))};
    if (at_least && *found.limit < *at_least && !found.was_generator_limit) {
        return {Verdict::fail, ExitCode::expectation_failed,
                fmt::format("{:.0f}/s held, and {:.0f}/s were expected", *found.limit, *at_least)};
    }
    if (found.was_generator_limit && !(at_least && *found.limit >= *at_least)) {
        return {Verdict::inconclusive, ExitCode::run_invalid,
                fmt::format("the target held {:.0f}/s; above that the generator was the limit",
                            *found.limit)};
    }
    return {Verdict::pass, ExitCode::as_expected, ""};
}

std::string words_of(const SearchResult& found, Nanos bound) {
    if (!found.limit) return "No rate that was tried held.";
    auto text =
        fmt::format("The highest rate with p99 below {} and nothing lost: {:.0f} messages/s",
                    time_text(bound), *found.limit);
    if (found.lowest_failed) {
        text += fmt::format("; at {:.0f}/s {}", *found.lowest_failed,
                            found.was_generator_limit ? "the generator was the limit"
                                                      : "it did not hold");
    }
    if (found.was_cut_short) text += "; the search was cut short";
    return text + ".";
}

}  // namespace

int find_limit_command(int argument_count, char** arguments) {
    CommonOptions common;
    TrafficOptions traffic;
    traffic.measure_s = 5;
    traffic.drain_s = 5;
    LimitOptions options;
    CLI::App app{"Finds the highest rate with p99 below a bound and nothing lost.",
                 "touchstone load find-limit"};
    app.footer(std::string{examples});
    add_common_options(app, common);
    add_traffic_options(app, traffic);
    app.get_option("--rate")->description("The first rate to try; default: 1000");
    app.get_option("--measure")->description("Seconds that each rate is measured; default: 5");
    app.remove_option(app.get_option("--in-flight"));
    app.add_option("--p99", options.p99, "The bound: 10ms (default), 500us, 1s");
    app.add_option("--precision", options.precision,
                   "How near the limit has to be found, as a share of it; default: 0.05")
        ->check(CLI::Range(0.005, 1.0));
    app.add_option("--at-least", options.at_least, "Exit code 1 when less than this rate holds")
        ->check(CLI::PositiveNumber);
    app.add_option("--rate-max", options.rate_max, "No higher rate is tried; default: 10000000")
        ->check(CLI::PositiveNumber);
    if (const auto code = parse_or_answer(app, argument_count, arguments)) return *code;
    const auto bound = parse_duration(options.p99);
    if (!bound || *bound == 0) {
        return say(ExitCode::usage_error,
                   fmt::format("--p99 {} is no time; write 10ms, 500us or 1s", options.p99));
    }
    if (!common.expectations.empty()) {
        return say(ExitCode::usage_error, "find-limit has its own expectation, --p99; --expect is "
                                          "for the other subcommands");
    }
    Workload workload;
    std::vector<Expectation> none;
    if (const auto problem = apply(traffic, workload)) return say(ExitCode::usage_error, *problem);
    workload.name = "find-limit-" + workload.name;
    if (const auto problem = apply(common, workload, none))
        return say(ExitCode::usage_error, *problem);
    if (const auto problem = problem_of(workload)) return say(ExitCode::usage_error, *problem);
    const auto drawn = common.seed ? std::nullopt : std::optional{workload.seed};
    Session session{common, workload.name, whole_command(argument_count, arguments, drawn)};
    if (const auto code = session.prepare()) return *code;
    session.print_seed(workload.seed);
    RateSearch search{session, workload, *bound};
    const auto found = search.run(
        {.first_rate = traffic.rate, .rate_max = options.rate_max, .precision = options.precision});
    const auto judged = judge_search(found, session.is_interrupted(), options.at_least, *bound);
    if (search.shown().groups.empty()) return say(judged.exit_code, "ended before the first rate");
    auto result = to_result(search.shown_workload(), search.shown(), judged, session.command());
    auto load = to_load_report(search.shown_workload(), search.shown(),
                               judge(search.shown_workload(), search.shown()));
    // What limited the search is not what limited the run that is shown.
    load.set_limiter(found.was_generator_limit ? "generator" : "target");
    for (auto& words : *load.mutable_words()) words = "The run that is shown: " + words;
    load.mutable_words()->Add();
    for (int i = load.words_size() - 1; i > 0; --i) load.mutable_words()->SwapElements(i, i - 1);
    load.set_words(0, words_of(found, *bound));
    *load.mutable_steps() = search.steps().steps();
    if (found.limit) load.set_limit_per_s(*found.limit);
    const auto text = fmt::format("{}\n", load.words(0));
    return session.finish(to_run(workload, std::move(result), std::move(load), session.command()),
                          judged.exit_code, text, interval_log_of(search.shown()));
}

}  // namespace touchstone::load
