#include "simulator/comparison/comparison.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "broker/base/check.hpp"
#include "reports/html.hpp"
#include "reports/merge.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/result_directory.hpp"
#include "reports/summary.hpp"
#include "reports/text.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/comparison/attempts.hpp"
#include "simulator/comparison/judge.hpp"
#include "simulator/digest.hpp"
#include "simulator/results.hpp"
#include "simulator/worker_processes.hpp"

namespace touchstone::simulator::comparison {

namespace {

using results::ComparedCell;
using touchstone::comparison::Experiment;

/// One run: which experiment, model, seed, and what it has instead of what these say.
struct Task {
    std::size_t experiment = 0;
    std::size_t model = 0;
    std::uint64_t seed = 0;
    Variation variation;

    [[nodiscard]] bool is_swept() const {
        return variation.detect_ms != 0 || variation.policy != nullptr;
    }
};

std::string lower_case(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    });
    return text;
}

std::string folder_of(std::string_view model, const std::string& experiment) {
    return fmt::format("cells/{}/{}", model, lower_case(experiment));
}

class Comparer {
public:
    Comparer(const LoadedComparison& loaded, const ComparisonOptions& options)
        : loaded_{loaded},
          options_{options} {
        for (int i = 0; i < loaded.comparison.experiments_size(); ++i) {
            const auto& id = loaded.comparison.experiments(i).id();
            const auto& wanted = options.experiments;
            if (wanted.empty() || std::ranges::find(wanted, id) != wanted.end())
                chosen_.push_back(static_cast<std::size_t>(i));
        }
        for (const auto* const model : options.models)
            policies_.push_back(options.sweeps_policies ? policies_of(*model)
                                                        : std::vector<Policy>{});
        for (std::size_t model = 0; model < options.models.size(); ++model) {
            for (const auto experiment : chosen_) {
                add_tasks(experiment, model, {});
                for (const auto detect_ms : options.swept_detect_ms)
                    tasks_.push_back(
                        {experiment, model, options.seeds.first, {.detect_ms = detect_ms}});
                for (const auto& policy : policies_[model])
                    add_tasks(experiment, model, {.detect_ms = 0, .policy = &policy});
            }
        }
    }

    ComparisonRun compare() {
        std::vector<ComparedCell> done(tasks_.size());
        ComparisonRun result;
        result.is_complete = do_in_processes(
            {.task_count = tasks_.size(),
             .process_count = options_.process_count,
             .work = [this](std::uint64_t task) { return carry_out(task); },
             .on_end =
                 [&](const TaskEnd& end) {
                     auto& cell = done[static_cast<std::size_t>(end.task)];
                     if (end.answer) {
                         CHECK(cell.ParseFromString(*end.answer));
                     } else {
                         const auto& task = tasks_[static_cast<std::size_t>(end.task)];
                         cell.set_model(std::string{options_.models[task.model]->name});
                         cell.set_experiment(experiment(task).id());
                         cell.set_runs(1);
                         cell.set_broken("the simulator's process " + end.death);
                     }
                     return true;
                 },
             .is_enough = options_.is_enough});
        make_table(result, done);
        return result;
    }

private:
    void add_tasks(std::size_t experiment, std::size_t model, const Variation& variation) {
        for (auto seed = options_.seeds.first; seed <= options_.seeds.last; ++seed)
            tasks_.push_back({experiment, model, seed, variation});
    }

    [[nodiscard]] const Experiment& experiment(const Task& task) const {
        return loaded_.comparison.experiments(static_cast<int>(task.experiment));
    }

    [[nodiscard]] std::string command_of(const Task& task) const {
        return fmt::format("touchstone simulate {} --models {} --experiments {} --seeds {}..{}",
                           shell_word(options_.path), options_.models[task.model]->name,
                           experiment(task).id(), task.seed, task.seed);
    }

    /// In a child process.
    [[nodiscard]] std::string carry_out(std::uint64_t number) const {
        const auto& task = tasks_[static_cast<std::size_t>(number)];
        const auto& model = *options_.models[task.model];
        const auto& loaded = loaded_.scenarios[task.experiment];
        const auto scenario = for_model(loaded.scenario, model, task.variation);
        auto measured = measure(experiment(task), scenario, task.seed);
        auto& cell = measured.cell;
        cell.set_reproduce(command_of(task));
        const bool has_page =
            !options_.directory.empty() && !task.is_swept() && task.seed == options_.seeds.first;
        if (has_page) write_page(task, loaded.path, scenario, measured.outcome, cell);
        return cell.SerializeAsString();
    }

    void write_page(const Task& task, const std::string& path, const scenario::Scenario& scenario,
                    const Outcome& outcome, ComparedCell& cell) const {
        const auto& model = options_.models[task.model]->name;
        const auto folder = folder_of(model, experiment(task).id());
        results::Run run;
        run.set_kind(results::Run::simulation);
        run.set_name(fmt::format("{} on {}", experiment(task).id(), model));
        run.set_seed(task.seed);
        run.set_reproduce(cell.reproduce());
        *run.add_scenarios() =
            to_result(path, scenario, outcome, cell.reproduce(), Detail::everything);
        run.add_notes(fmt::format("{}: {}", experiment(task).question(), cell.words()));
        reports::complete(run);
        reports::make_strings_valid(run);
        std::filesystem::create_directories(options_.directory / folder);
        const auto page = folder + "/report.html";
        const auto problem = reports::write_file_atomically(
            options_.directory / page,
            reports::html_report(reports::merge_runs(run.name(), {run})));
        if (!problem) cell.set_page(page);
    }

    void make_table(ComparisonRun& result, const std::vector<ComparedCell>& done) const {
        auto& run = result.run;
        run.set_kind(results::Run::simulation);
        auto& table = *run.mutable_comparison();
        for (const auto* const model : options_.models) {
            auto& one = *table.add_models();
            one.set_name(std::string{model->name});
            one.set_description(std::string{model->description});
            for (const auto& text : model->assumptions) one.add_assumptions(std::string{text});
            one.set_detects(fmt::format("{} to {}", time_text(model->detects_low),
                                        time_text(model->detects_high)));
        }
        for (const auto index : chosen_) {
            const auto& from = loaded_.comparison.experiments(static_cast<int>(index));
            auto& one = *table.add_experiments();
            one.set_id(from.id());
            one.set_question(from.question());
            one.set_scenario(loaded_.scenarios[index].path);
            one.set_story(loaded_.scenarios[index].scenario.description());
        }
        const auto& cluster = loaded_.scenarios[chosen_.front()].scenario.cluster();
        if (cluster.has_detect_ms_low() && cluster.has_detect_ms_high())
            table.set_detects(fmt::format(
                "{} to {}", time_text(std::chrono::milliseconds{cluster.detect_ms_low()}),
                time_text(std::chrono::milliseconds{cluster.detect_ms_high()})));
        Digest digest;
        for (std::size_t i = 0; i < tasks_.size();) {
            const auto& first = tasks_[i];
            std::vector<ComparedCell> runs;
            const auto is_same = [&](const Task& task) {
                return task.experiment == first.experiment && task.model == first.model &&
                       task.variation.detect_ms == first.variation.detect_ms &&
                       task.variation.policy == first.variation.policy;
            };
            for (; i < tasks_.size() && is_same(tasks_[i]); ++i)
                if (done[i].runs() > 0) runs.push_back(done[i]);
            if (first.is_swept() || runs.empty()) continue;
            auto cell = join(runs);
            judge(cell, experiment(first));
            // Where its page is, a digest of what was seen does not depend on.
            auto seen = cell;
            seen.clear_page();
            digest.add(as_bytes(seen.SerializeAsString()));
            *run.add_scenarios() = result_of(cell, first);
            *table.add_cells() = std::move(cell);
        }
        add_sweep(table, done);
        add_policies(table, done);
        run.set_digest(digest.text());
        for (const auto& text : loaded_.comparison.sources()) run.add_notes(text);
        for (const auto& text : unseen_differences(loaded_.comparison, table)) run.add_notes(text);
    }

    [[nodiscard]] results::ScenarioResult result_of(const ComparedCell& cell,
                                                    const Task& task) const {
        results::ScenarioResult result;
        result.set_scenario(loaded_.scenarios[task.experiment].path);
        result.set_description(
            fmt::format("{} on {}: {}", cell.experiment(), cell.model(), cell.words()));
        result.set_variant(cell.model());
        result.set_seed(task.seed);
        result.set_reproduce(cell.reproduce());
        switch (cell.judgement()) {
            case ComparedCell::as_expected:
            case ComparedCell::explained: result.set_verdict(results::Verdict::pass); break;
            case ComparedCell::open:
                result.set_verdict(results::Verdict::info);
                result.set_expected_verdict(results::Verdict::info);
                break;
            default: result.set_verdict(results::Verdict::fail); break;
        }
        if (!cell.broken().empty()) result.set_verdict(results::Verdict::crash);
        if (cell.judgement() == ComparedCell::unexplained)
            result.set_reason(
                !cell.broken().empty()
                    ? cell.broken()
                    : fmt::format("{} on {}: expected {}, seen {}: {}; nobody explains it in {}",
                                  cell.experiment(), cell.model(),
                                  fmt::join(cell.expected_outcomes(), " or "),
                                  fmt::join(cell.outcomes(), " and "), cell.words(), loaded_.path));
        return result;
    }

    /// For each model: the longest unavailability and all messages lost, by the parameter.
    void add_sweep(results::Comparison& table, const std::vector<ComparedCell>& done) const {
        if (options_.swept_detect_ms.empty()) return;
        auto& sweep = *table.mutable_sweep();
        sweep.set_parameter("detect_ms");
        for (const auto& one : table.experiments()) sweep.add_experiments(one.id());
        for (std::size_t model = 0; model < options_.models.size(); ++model) {
            std::map<std::uint32_t, std::pair<std::uint64_t, std::uint64_t>> points;
            for (std::size_t i = 0; i < tasks_.size(); ++i) {
                const auto& task = tasks_[i];
                if (task.model != model || task.variation.detect_ms == 0 || done[i].runs() == 0)
                    continue;
                auto& [unavailable_us, lost] = points[task.variation.detect_ms];
                unavailable_us = std::max(unavailable_us, done[i].unavailable_us());
                lost += done[i].lost();
            }
            const auto add = [&](std::string_view measure, std::string_view unit, auto value_of) {
                auto& curve = *sweep.add_curves();
                curve.set_name(fmt::format("{}: {}", options_.models[model]->name, measure));
                curve.set_unit(std::string{unit});
                for (const auto& [detect_ms, values] : points) {
                    curve.add_at_s(static_cast<float>(detect_ms) / 1'000);
                    curve.add_values(static_cast<float>(value_of(values)));
                }
            };
            add("unavailable", "us", [](const auto& values) { return values.first; });
            add("lost", "1", [](const auto& values) { return values.second; });
        }
    }

    /// For each model what each of its policies costs, over all experiments and seeds.
    void add_policies(results::Comparison& table, const std::vector<ComparedCell>& done) const {
        for (std::size_t model = 0; model < options_.models.size(); ++model) {
            for (const auto& policy : policies_[model]) {
                auto& cost = *table.mutable_sweep()->add_policies();
                cost.set_model(std::string{options_.models[model]->name});
                cost.set_policy(policy.name);
                cost.set_description(policy.description);
                cost.set_is_own(policy.is_own);
                for (std::size_t i = 0; i < tasks_.size(); ++i)
                    if (tasks_[i].variation.policy == &policy) add_cost(cost, done[i]);
            }
        }
        if (!options_.sweeps_policies || table.sweep().experiments_size() > 0) return;
        for (const auto& one : table.experiments())
            table.mutable_sweep()->add_experiments(one.id());
    }

    static void add_cost(results::PolicyCost& cost, const ComparedCell& cell) {
        if (cell.runs() == 0) return;
        cost.set_runs(cost.runs() + cell.runs());
        cost.set_unavailable_us(std::max(cost.unavailable_us(), cell.unavailable_us()));
        cost.set_unavailable_at_end(cost.unavailable_at_end() +
                                    (cell.unavailable_at_end() ? 1 : 0));
        cost.set_published(cost.published() + cell.published());
        cost.set_lost(cost.lost() + cell.lost());
        cost.set_duplicated(cost.duplicated() + cell.duplicated());
        cost.set_reordered(cost.reordered() + cell.reordered());
        cost.set_sent_away(cost.sent_away() + cell.sent_away());
        cost.set_diverged_us(std::max(cost.diverged_us(), cell.diverged_us()));
        if (!cell.diverged_at_end()) return;
        cost.set_diverged_at_end(cost.diverged_at_end() + 1);
        for (const auto& id : cell.diverged_in())
            if (std::ranges::find(cost.diverged_in(), id) == cost.diverged_in().end())
                cost.add_diverged_in(id);
    }

    const LoadedComparison& loaded_;
    const ComparisonOptions& options_;
    std::vector<std::vector<Policy>> policies_;  // by model
    std::vector<std::size_t> chosen_;            // indices of experiments
    std::vector<Task> tasks_;
};

std::string figures_of(const ComparedCell& cell) {
    std::vector<std::string> parts;
    const auto time = [](std::uint64_t us) {
        return time_text(std::chrono::microseconds{static_cast<std::int64_t>(us)});
    };
    if (cell.unavailable_us() > 0)
        parts.push_back(fmt::format("unavailable {}{}", time(cell.unavailable_us()),
                                    cell.unavailable_at_end() ? ", to the end" : ""));
    if (cell.lost() > 0)
        parts.push_back(fmt::format("{} of {} lost", cell.lost(), cell.published()));
    if (cell.duplicated() > 0) parts.push_back(fmt::format("{} duplicated", cell.duplicated()));
    if (cell.reordered() > 0) parts.push_back(fmt::format("{} reordered", cell.reordered()));
    if (cell.sent_away() > 0) parts.push_back(fmt::format("{} sent away", cell.sent_away()));
    if (cell.diverged_at_end())
        parts.push_back(fmt::format("still diverged: {}", fmt::join(cell.diverged_in(), ", ")));
    else if (cell.diverged_us() > 0)
        parts.push_back(fmt::format("diverged {}", time(cell.diverged_us())));
    return parts.empty() ? "" : fmt::format("  ({})", fmt::join(parts, ", "));
}

std::string text_of(const results::ComparedSweep& sweep) {
    std::string text;
    const auto time = [](std::uint64_t us) {
        return time_text(std::chrono::microseconds{static_cast<std::int64_t>(us)});
    };
    std::string model;
    for (const auto& cost : sweep.policies()) {
        if (cost.model() != model) {
            model = cost.model();
            text += fmt::format("\nwhat each policy costs {} (> its own)\n", model);
        }
        text += fmt::format(
            " {} {:<33} unavailable {:>7} ({} to the end)  lost {:>4} of {}  duplicated {:>3}  "
            "sent away {:>3}  diverged {:>7} ({} to the end)\n",
            cost.is_own() ? '>' : ' ', cost.policy(), time(cost.unavailable_us()),
            cost.unavailable_at_end(), cost.lost(), cost.published(), cost.duplicated(),
            cost.sent_away(), time(cost.diverged_us()), cost.diverged_at_end());
    }
    return text;
}

}  // namespace

ComparisonRun compare(const LoadedComparison& loaded, const ComparisonOptions& options) {
    return Comparer{loaded, options}.compare();
}

std::string text_of(const results::Comparison& table) {
    std::string text;
    for (const auto& experiment : table.experiments()) {
        text += fmt::format("{} {}\n", experiment.id(), experiment.question());
        for (const auto& cell : table.cells()) {
            if (cell.experiment() != experiment.id()) continue;
            const char mark = cell.judgement() == ComparedCell::unexplained ? '!'
                              : cell.judgement() == ComparedCell::explained ? '*'
                                                                            : ' ';
            text +=
                fmt::format(" {} {:<26} {}{}\n", mark, cell.model(),
                            cell.broken().empty() ? cell.words() : cell.broken(), figures_of(cell));
        }
    }
    text += "\ndifferences from what the documents say (* explained, ! not)\n";
    for (const auto& cell : table.cells()) {
        if (cell.judgement() == ComparedCell::explained)
            text +=
                fmt::format(" * {} {}: {}; expected: {}; {}: {}\n", cell.experiment(), cell.model(),
                            cell.words(), cell.expected(), cell.cause(), cell.explanation());
        if (cell.judgement() == ComparedCell::unexplained)
            text += fmt::format(" ! {} {}: {} [{}]; expected: {} [{}]\n", cell.experiment(),
                                cell.model(), cell.words(), fmt::join(cell.outcomes(), ", "),
                                cell.expected(), fmt::join(cell.expected_outcomes(), ", "));
    }
    text += text_of(table.sweep());
    return text;
}

}  // namespace touchstone::simulator::comparison
