// Files of comparisons, the judgement of cells, the whole table, and the subcommand from outside.
#include "simulator/comparison/comparison.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "reports/run_file.hpp"
#include "simulator/command.hpp"
#include "simulator/comparison/judge.hpp"

namespace touchstone::simulator::comparison {
namespace {

using results::ComparedCell;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto file = "scenarios/cluster/matrix/expected.pbtxt";

std::string text_of_file(const std::filesystem::path& path) {
    std::ifstream stream{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{stream}, std::istreambuf_iterator<char>{}};
}

TEST(ComparisonFile, of_the_project_is_right) {
    const auto loaded = load_comparison(file);
    EXPECT_THAT(loaded.problems, IsEmpty());
    EXPECT_EQ(loaded.comparison.experiments_size(), 15);
}

TEST(ComparisonFile, says_what_is_wrong_with_it) {
    const auto problems = [](const std::string& rest) {
        return parse_comparison(file, "experiments { id: \"X1\" scenario: \"x01.textproto\" "
                                      "question: \"?\" " +
                                          rest + " }")
            .problems;
    };
    const std::string right = "measure: \"admission\" clients: \"device\" ";
    EXPECT_THAT(problems(right), IsEmpty());
    EXPECT_THAT(problems("measure: \"admision\""), Contains(HasSubstr("'admision' is none")));
    EXPECT_THAT(problems("measure: \"admission\" clients: \"devise\""),
                Contains(HasSubstr("did you mean 'device'")));
    EXPECT_THAT(problems("measure: \"admission\""), Contains(HasSubstr("clients is empty")));
    EXPECT_THAT(problems(right + "expected { models: \"a\" outcomes: \"let\" words: \"w\" }"),
                Contains(HasSubstr("outcome 'let' is none of measure 'admission'")));
    EXPECT_THAT(problems(right + "expected { models: \"a\" models: \"a\" words: \"w\" }"),
                Contains(HasSubstr("named twice")));
    EXPECT_THAT(problems(right + "differences { models: \"a\" }"),
                AllOf(Contains(HasSubstr("no outcomes")), Contains(HasSubstr("no explanation")),
                      Contains(HasSubstr("no cause"))));
    EXPECT_THAT(parse_comparison(file, "").problems, Contains(HasSubstr("experiments is empty")));
    EXPECT_THAT(load_comparison("nowhere/expected.pbtxt").problems,
                Contains(HasSubstr("nowhere/expected.pbtxt")));
}

touchstone::comparison::Experiment experiment() {
    touchstone::comparison::Experiment experiment;
    experiment.set_id("X1");
    auto& expected = *experiment.add_expected();
    expected.add_models("one");
    expected.add_outcomes("let_in");
    expected.set_words("served as ever");
    auto& vague = *experiment.add_expected();
    vague.add_models("vague");
    vague.set_words("depends");
    auto& difference = *experiment.add_differences();
    difference.add_models("one");
    difference.add_outcomes("refused");
    difference.set_cause(touchstone::comparison::discovery);
    difference.set_explanation("because");
    return experiment;
}

ComparedCell cell_of(const std::string& model, const std::string& outcome) {
    ComparedCell cell;
    cell.set_model(model);
    cell.set_experiment("X1");
    cell.add_outcomes(outcome);
    cell.set_words(outcome);
    cell.set_runs(1);
    return cell;
}

TEST(Judgement, tells_the_expected_the_explained_and_the_rest) {
    const auto judged = [](ComparedCell cell) {
        judge(cell, experiment());
        return cell;
    };
    EXPECT_EQ(judged(cell_of("one", "let_in")).judgement(), ComparedCell::as_expected);
    const auto explained = judged(cell_of("one", "refused"));
    EXPECT_EQ(explained.judgement(), ComparedCell::explained);
    EXPECT_EQ(explained.cause(), "discovery");
    EXPECT_EQ(explained.explanation(), "because");
    EXPECT_EQ(judged(cell_of("one", "no_answer")).judgement(), ComparedCell::unexplained)
        << "an explanation holds for what it names";
    EXPECT_EQ(judged(cell_of("vague", "refused")).judgement(), ComparedCell::open);
    EXPECT_EQ(judged(cell_of("new", "refused")).judgement(), ComparedCell::open);
    auto broken = cell_of("one", "let_in");
    broken.set_broken("its process ended");
    EXPECT_EQ(judged(broken).judgement(), ComparedCell::unexplained);
}

TEST(Judgement, looks_at_every_seed) {
    auto cell = join({cell_of("one", "let_in"), cell_of("one", "no_answer")});
    EXPECT_EQ(cell.words(), "1 of 2 seeds: let_in | 1 of 2 seeds: no_answer");
    judge(cell, experiment());
    EXPECT_EQ(cell.judgement(), ComparedCell::unexplained);
    auto mixed = join({cell_of("one", "let_in"), cell_of("one", "refused")});
    judge(mixed, experiment());
    EXPECT_EQ(mixed.judgement(), ComparedCell::explained);
}

TEST(Joining, keeps_the_worst_of_every_figure) {
    auto one = cell_of("one", "let_in");
    one.set_lost(3);
    one.set_unavailable_us(5);
    auto other = cell_of("one", "let_in");
    other.set_lost(1);
    other.set_unavailable_us(9);
    other.set_unavailable_client("late");
    other.set_diverged_at_end(true);
    const auto cell = join({one, other});
    EXPECT_EQ(cell.runs(), 2U);
    EXPECT_EQ(cell.words(), "let_in");
    EXPECT_EQ(cell.lost(), 3U);
    EXPECT_EQ(cell.unavailable_us(), 9U);
    EXPECT_EQ(cell.unavailable_client(), "late");
    EXPECT_TRUE(cell.diverged_at_end());
}

TEST(Difference, that_is_explained_and_not_seen_is_told) {
    touchstone::comparison::Comparison comparison;
    *comparison.add_experiments() = experiment();
    results::Comparison table;
    *table.add_cells() = cell_of("one", "let_in");
    judge(*table.mutable_cells(0), experiment());
    EXPECT_THAT(unseen_differences(comparison, table), ElementsAre(HasSubstr("X1, one")));
    *table.mutable_cells(0) = cell_of("one", "refused");
    judge(*table.mutable_cells(0), experiment());
    EXPECT_THAT(unseen_differences(comparison, table), IsEmpty());
}

ComparisonOptions all_models() {
    ComparisonOptions options;
    for (const auto& model : cluster::all_models()) options.models.push_back(&model);
    options.path = "cluster/x-matrix";
    return options;
}

// Fails when a model does anything that its documents do not say: the message has the cell, and
// scenarios/cluster/matrix/expected.pbtxt is where it is explained.
TEST(Matrix, is_as_documented_or_explained) {
    const auto loaded = load_comparison(file);
    const auto [run, is_complete] = compare(loaded, all_models());
    EXPECT_TRUE(is_complete);
    const auto& table = run.comparison();
    EXPECT_EQ(table.cells_size(), 15 * static_cast<int>(cluster::all_models().size()));
    for (const auto& cell : table.cells()) {
        EXPECT_NE(cell.judgement(), ComparedCell::unexplained)
            << cell.experiment() << ' ' << cell.model() << ": " << cell.words() << cell.broken()
            << "; expected: " << cell.expected() << "\n"
            << cell.reproduce();
        EXPECT_FALSE(cell.words().empty());
    }
    EXPECT_THAT(unseen_differences(loaded.comparison, table), IsEmpty());
}

TEST(Matrix, does_not_depend_on_processes_and_looks_change_no_run) {
    const auto loaded = load_comparison(file);
    auto options = all_models();
    options.models.resize(2);
    options.experiments = {"X4", "X7"};
    options.seeds = {1, 3};
    const auto one = compare(loaded, options);
    options.process_count = 3;
    const auto three = compare(loaded, options);
    EXPECT_EQ(one.run.digest(), three.run.digest());
    EXPECT_EQ(one.run.comparison().cells(0).runs(), 3U);

    const auto& scenario = loaded.scenarios[3].scenario;
    EXPECT_EQ(measure(loaded.comparison.experiments(3), scenario, 1).outcome.digest(),
              run_scenario(scenario, {.seed = 1}).digest());
}

TEST(Sweep, costs_more_with_slower_failure_detectors) {
    const auto loaded = load_comparison(file);
    ComparisonOptions options;
    options.models = {cluster::find_model("rabbit312_pause_minority")};
    ASSERT_NE(options.models.front(), nullptr);
    options.experiments = {"X4"};
    options.swept_detect_ms = {1'000, 20'000};
    const auto run = compare(loaded, options).run;
    const auto& curves = run.comparison().sweep().curves();
    const auto lost =
        std::ranges::find(curves, "rabbit312_pause_minority: lost", &results::Curve::name);
    ASSERT_NE(lost, curves.end());
    ASSERT_EQ(lost->values_size(), 2);
    EXPECT_LT(lost->values(0), lost->values(1));
}

TEST(Sweep, has_every_policy_that_a_model_leaves_to_its_operator) {
    const auto loaded = load_comparison(file);
    ComparisonOptions options;
    for (const auto* const name : {"emqx4", "vernemq", "hivemq"})
        options.models.push_back(cluster::find_model(name));
    options.experiments = {"X1", "X4"};
    options.sweeps_policies = true;
    const auto run = compare(loaded, options).run;
    const auto& policies = run.comparison().sweep().policies();
    const auto cost_of = [&](std::string_view model, std::string_view policy) {
        const auto found = std::ranges::find_if(policies, [&](const auto& one) {
            return one.model() == model && one.policy() == policy;
        });
        return found == policies.end() ? results::PolicyCost{} : *found;
    };
    EXPECT_EQ(policies.size(), 7 + 8);
    for (const auto& one : policies) EXPECT_EQ(one.runs(), 2U) << one.policy();
    // Its own is what the table has, and the table does not depend on the rest.
    EXPECT_TRUE(cost_of("emqx4", "emqx4").is_own());
    std::uint64_t lost = 0;
    for (const auto& cell : run.comparison().cells())
        if (cell.model() == "emqx4") lost += cell.lost();
    EXPECT_EQ(cost_of("emqx4", "emqx4").lost(), lost);
    options.sweeps_policies = false;
    EXPECT_EQ(compare(loaded, options).run.digest(), run.digest());
    // Nobody heals: the sides stay apart. Nothing is allowed: nobody is let in.
    EXPECT_GT(cost_of("emqx4", "off").diverged_at_end(), 0U);
    EXPECT_EQ(cost_of("emqx4", "emqx4").diverged_at_end(), 0U);
    EXPECT_TRUE(cost_of("vernemq", "allow nothing").is_own());
    EXPECT_GT(cost_of("vernemq", "allow nothing").unavailable_us(),
              cost_of("vernemq", "allow register+publish+subscribe").unavailable_us());
}

struct Said {
    int exit_code = 0;
    std::string output;
    std::string errors;
};

Said simulate(std::vector<std::string> words) {
    words.insert(words.begin(), "simulate");
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Said said;
    said.exit_code = simulate_command(static_cast<int>(arguments.size()), arguments.data());
    said.output = testing::internal::GetCapturedStdout();
    said.errors = testing::internal::GetCapturedStderr();
    return said;
}

TEST(Command, writes_the_table_and_a_page_for_each_cell) {
    const std::filesystem::path out = testing::TempDir() + "comparison-out";
    const auto said = simulate({"cluster/x-matrix", "--models", "emqx4,hivemq", "--experiments",
                                "X1,X4", "--out", out.string()});
    EXPECT_EQ(said.exit_code, 0) << said.output << said.errors;
    EXPECT_THAT(said.output, HasSubstr("PASS simulation x-matrix"));
    EXPECT_THAT(text_of_file(out / "report.html"), HasSubstr("cells/hivemq/x4/report.html"));
    EXPECT_TRUE(std::filesystem::exists(out / "cells/emqx4/x1/report.html"));
    EXPECT_THAT(text_of_file(out / "run.json"), HasSubstr("\"comparison\""));
}

TEST(Command, fails_when_nobody_explains_a_difference) {
    const std::filesystem::path folder = testing::TempDir() + "comparison-file";
    std::filesystem::create_directories(folder);
    auto text = text_of_file(file);
    const auto replace_all = [&](const std::string& from, const std::string& to) {
        for (auto at = text.find(from); at != std::string::npos;
             at = text.find(from, at + to.size()))
            text.replace(at, from.size(), to);
    };
    replace_all("scenario: \"", "scenario: \"" +
                                    std::filesystem::absolute("scenarios/cluster/matrix").string() +
                                    "/");
    const auto path = (folder / "expected.pbtxt").string();
    const std::vector<std::string> words{path,        "--no-report",   "--models",
                                         "rabbit312", "--experiments", "X3"};
    std::ofstream{path} << text;
    EXPECT_EQ(simulate(words).exit_code, 0);
    replace_all("models: \"rabbit312\" outcomes: \"older_lives\"", "");
    replace_all("models: \"rabbit37\" models: \"rabbit312\"", "models: \"rabbit37\"");
    std::ofstream{path} << text;
    const auto said = simulate(words);
    EXPECT_EQ(said.exit_code, 1) << said.output << said.errors;
    EXPECT_THAT(said.output, AllOf(HasSubstr("! X3 rabbit312"), HasSubstr("FAIL simulation")));
}

TEST(Command, refuses_what_it_does_not_know) {
    EXPECT_THAT(simulate({"cluster/x-matrix", "--models", "emqx9"}).errors,
                HasSubstr("did you mean 'emqx"));
    EXPECT_EQ(simulate({"cluster/x-matrix", "--models", "emqx9"}).exit_code, 2);
    EXPECT_THAT(simulate({"cluster/x-matrix", "--experiments", "X99"}).errors, HasSubstr("X1, X2"));
    EXPECT_THAT(simulate({"cluster/x-matrix", "--seeds", "3"}).errors, HasSubstr("write A..B"));
    EXPECT_THAT(simulate({"cluster/x-matrix", "--sweep", "detect_ms=9..1"}).errors,
                HasSubstr("detect_ms=1000..60000"));
    EXPECT_THAT(simulate({"cluster/x-matrix", "--models", "hivemq", "--sweep", "policy"}).errors,
                HasSubstr("leaves one to its operator"));
}

}  // namespace
}  // namespace touchstone::simulator::comparison
