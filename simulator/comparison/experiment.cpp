#include "simulator/comparison/experiment.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>

#include "simulator/comparison/attempts.hpp"
#include "simulator/probe.hpp"
#include "simulator/set_up.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator::comparison {

namespace {

using touchstone::comparison::Experiment;

/// How often members are looked at; the resolution of "until when".
constexpr Duration look_every = std::chrono::milliseconds{500};

std::uint64_t micros(Duration duration) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

/// Says what is wrong with one experiment.
class Judge {
public:
    Judge(const Experiment& experiment, const LoadedScenario& loaded, std::string place,
          std::vector<std::string>& problems)
        : experiment_{experiment},
          loaded_{loaded},
          place_{std::move(place)},
          problems_{problems} {}

    void judge() {
        if (experiment_.question().empty()) complain("question is missing; ask one in words");
        const auto question = question_of(experiment_.measure());
        if (!question) {
            complain(fmt::format("measure '{}' is none; measures.hpp has all (Question)",
                                 experiment_.measure()));
            return;
        }
        for (const auto& known : outcomes_of(*question)) outcomes_.emplace_back(known.name);
        if (!loaded_.scenario.has_cluster() || loaded_.scenario.settle_ms() == 0)
            complain(
                fmt::format("{} has no cluster, or does not settle; it takes both", loaded_.path));
        for (const auto& client : loaded_.scenario.clients()) clients_.push_back(client.name());
        check_clients("clients", experiment_.clients());
        check_clients("receivers", experiment_.receivers());
        if (experiment_.clients().empty() && *question != Question::retained)
            complain("clients is empty; name those that it is about");
        if (*question == Question::retained &&
            (experiment_.values_size() != 2 || experiment_.topic().empty()))
            complain("a measure of 'retained' takes a topic and two values");
        std::set<std::string> named;
        for (const auto& one : experiment_.expected()) {
            check_outcomes(one.outcomes());
            if (one.words().empty()) complain("an expectation has no words; say what is expected");
            check_models("expected", one.models(), named);
        }
        named.clear();
        for (const auto& one : experiment_.differences()) {
            check_outcomes(one.outcomes());
            if (one.outcomes().empty()) complain("a difference has no outcomes; say what was seen");
            if (one.explanation().empty())
                complain("a difference has no explanation; say why it differs");
            if (one.cause() == touchstone::comparison::cause_missing)
                complain("a difference has no cause; give wrong_model, wrong_document, discovery "
                         "or not_modelled");
            check_models("differences", one.models(), named);
        }
    }

private:
    void complain(const std::string& what) {
        problems_.push_back(fmt::format("{}: {}", place_, what));
    }
    template <class Names>
    void check_clients(std::string_view field, const Names& names) {
        for (const auto& name : names)
            if (std::ranges::find(clients_, name) == clients_.end())
                complain(fmt::format("{}: {} has no client '{}'{}", field, loaded_.path, name,
                                     remedy(name, clients_)));
    }
    template <class Names>
    void check_outcomes(const Names& names) {
        for (const auto& name : names)
            if (std::ranges::find(outcomes_, name) == outcomes_.end())
                complain(fmt::format("outcome '{}' is none of measure '{}'{}", name,
                                     experiment_.measure(), remedy(name, outcomes_)));
    }
    template <class Names>
    void check_models(std::string_view field, const Names& names, std::set<std::string>& named) {
        if (names.empty()) complain(fmt::format("{}: models is empty; name at least one", field));
        for (const auto& name : names)
            if (!named.insert(name).second)
                complain(fmt::format("{}: model '{}' is named twice; leave one out", field, name));
    }

    const Experiment& experiment_;
    const LoadedScenario& loaded_;
    std::string place_;
    std::vector<std::string>& problems_;
    std::vector<std::string> outcomes_;
    std::vector<std::string> clients_;
};

}  // namespace

LoadedComparison parse_comparison(const std::string& path, const std::string& text) {
    LoadedComparison loaded;
    loaded.path = path;
    auto& problems = loaded.problems;
    if (!parse_text(path, text, loaded.comparison, nullptr, problems)) return loaded;
    if (loaded.comparison.experiments().empty())
        problems.push_back(fmt::format("{}: experiments is empty; add one", path));
    std::set<std::string> ids;
    for (const auto& experiment : loaded.comparison.experiments()) {
        const auto place = fmt::format("{}: experiment '{}'", path, experiment.id());
        if (experiment.id().empty() || !ids.insert(experiment.id()).second)
            problems.push_back(place + ": id is empty, or there twice; give each its own");
        const auto file = std::filesystem::path{path}.parent_path() / experiment.scenario();
        loaded.scenarios.push_back(load_scenario(file.string()));
        const auto& scenario = loaded.scenarios.back();
        problems.insert(problems.end(), scenario.problems.begin(), scenario.problems.end());
        if (scenario.problems.empty()) Judge{experiment, scenario, place, problems}.judge();
    }
    return loaded;
}

LoadedComparison load_comparison(const std::string& path) {
    LoadedComparison failed;
    const auto text =
        read_text_file(path, "name a comparison's file, e.g. cluster/x-matrix", failed.problems);
    if (text) return parse_comparison(path, *text);
    failed.path = path;
    return failed;
}

Subject subject_of(const Experiment& experiment) {
    const auto list = [](const auto& names) {
        return std::vector<std::string>{names.begin(), names.end()};
    };
    return {.question = question_of(experiment.measure()).value(),
            .clients = list(experiment.clients()),
            .receivers = list(experiment.receivers()),
            .topic = experiment.topic(),
            .values = list(experiment.values())};
}

scenario::Scenario for_model(const scenario::Scenario& scenario, const cluster::ModelRules& model,
                             const Variation& variation) {
    auto result = scenario;
    auto& cluster = *result.mutable_cluster();
    cluster.set_model(std::string{model.name});
    if (variation.detect_ms != 0) {
        cluster.set_detect_ms_low(variation.detect_ms);
        cluster.set_detect_ms_high(variation.detect_ms);
    }
    if (variation.policy != nullptr) apply(*variation.policy, cluster);
    const auto needed = model.converges_within + mesh_options(cluster, model).detects_high +
                        ClusterProbe::lasts(static_cast<std::size_t>(result.nodes_size()));
    const auto needed_ms =
        static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::milliseconds>(needed).count());
    if (needed_ms > result.settle_ms()) {
        result.set_duration_ms(result.duration_ms() + needed_ms - result.settle_ms());
        result.set_settle_ms(needed_ms);
    }
    return result;
}

MeasuredRun measure(const Experiment& experiment, const scenario::Scenario& scenario,
                    std::uint64_t seed) {
    std::vector<MemberSample> samples;
    Instant next{};
    const auto settles_at = run_begin + milliseconds(scenario.duration_ms() - scenario.settle_ms());
    const auto look = [&](World& world) {
        if (world.now() < next) return;
        // The last look is the run's own.
        if (world.now() + look_every >= settles_at + world.trace().cluster.converges_within) return;
        next = world.now() + look_every;
        world.note_agreement();
        samples.push_back(sample_members(world.trace(), false));
    };
    MeasuredRun run{.outcome = run_scenario(scenario, {.seed = seed, .after_event = look}),
                    .cell = {}};
    const auto& trace = run.outcome.world->trace();
    const auto subject = subject_of(experiment);
    auto& cell = run.cell;
    cell.set_model(scenario.cluster().model());
    cell.set_experiment(experiment.id());
    const auto answer = answer_to(subject, trace);
    cell.add_outcomes(answer.outcome);
    cell.set_words(answer.words);
    cell.set_runs(1);
    const auto unavailable = unavailability(trace);
    cell.set_unavailable_us(micros(unavailable.longest));
    cell.set_unavailable_at_end(!unavailable.has_ended);
    cell.set_unavailable_client(unavailable.client);
    // Who has unsubscribed loses nothing.
    const auto counts = count_messages(trace, subject.question == Question::unsubscription
                                                  ? std::vector<std::string>{}
                                                  : subject.receivers);
    cell.set_published(counts.published);
    cell.set_lost(counts.lost);
    cell.set_duplicated(counts.duplicated);
    cell.set_reordered(counts.reordered);
    const auto diverged = divergence(trace, samples);
    cell.set_diverged_us(micros(diverged.lasted));
    cell.set_diverged_at_end(diverged.is_lasting);
    for (const auto& id : diverged.what) cell.add_diverged_in(id);
    cell.set_sent_away(disturbance(trace).clients.size());
    for (const auto& line : told(trace, samples)) cell.add_told(line);
    return run;
}

}  // namespace touchstone::simulator::comparison
