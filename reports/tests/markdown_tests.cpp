#include "reports/markdown.hpp"

#include <sstream>

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <gtest/gtest.h>

#include "reports/summary.hpp"
#include "reports/tests/sample_runs.hpp"

namespace touchstone::reports {
namespace {

using results::Verdict;
using tests::occurrences;

results::Run run_with_failure() {
    auto run = tests::conformance_run("a");
    complete(run);
    return run;
}

/// The failing case is a known one.
results::Run run_with_known_failure() {
    auto run = tests::conformance_run("a");
    for (auto& result : *run.mutable_cases()) {
        if (result.verdict() != Verdict::fail) continue;
        result.set_expected_verdict(Verdict::fail);
        result.set_expectation_reason("will be mended");
        result.set_expectation_link("https://tracker.example/7");
    }
    complete(run);
    return run;
}

TEST(Annotations, name_each_failure_that_is_not_known) {
    const auto text = github_annotations(run_with_failure());
    EXPECT_EQ(occurrences(text, "::error title="), 1U) << text;
    EXPECT_NE(text.find("again: "), std::string::npos);
    EXPECT_EQ(github_annotations(run_with_known_failure()), "");
}

TEST(Annotations, are_one_line_each_whatever_they_hold) {
    auto run = tests::hostile_run();
    complete(run);
    std::istringstream lines{github_annotations(run)};
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        EXPECT_TRUE(line.starts_with("::")) << line;
    }
    EXPECT_GT(count, 0U);
}

TEST(Annotations, say_when_a_known_failure_is_gone) {
    auto run = tests::conformance_run("a");
    for (auto& result : *run.mutable_cases()) {
        if (result.verdict() == Verdict::pass) result.set_expected_verdict(Verdict::fail);
    }
    complete(run);
    EXPECT_EQ(occurrences(github_annotations(run), "::notice title="), 1U);
    EXPECT_NE(markdown_summary(run).find("Listed as failures, and pass"), std::string::npos);
}

TEST(MarkdownSummary, lists_failures_with_reason_and_command) {
    const auto text = markdown_summary(run_with_failure());
    EXPECT_TRUE(text.starts_with("## FAIL: MQTT conformance of a")) << text;
    EXPECT_NE(text.find("### Not as expected"), std::string::npos);
    EXPECT_NE(text.find("| **all** |"), std::string::npos);
    const auto known = markdown_summary(run_with_known_failure());
    EXPECT_EQ(known.find("### Not as expected"), std::string::npos);
    EXPECT_NE(known.find("known: will be mended"), std::string::npos);
    EXPECT_NE(known.find("https://tracker.example/7"), std::string::npos);
}

TEST(MarkdownSummary, takes_no_markup_from_outside) {
    auto run = tests::hostile_run();
    complete(run);
    EXPECT_EQ(markdown_summary(run).find("<script"), std::string::npos);
    EXPECT_EQ(conformance_statement(run).find("<script"), std::string::npos);
}

TEST(Badge, is_an_image_whose_colour_follows_the_failures) {
    const auto colour_of = [](const results::Run& run) {
        std::istringstream stream{badge_svg(run)};
        boost::property_tree::ptree tree;
        boost::property_tree::read_xml(stream, tree);  // throws when it is not well-formed
        return tree.get<std::string>("svg.path.<xmlattr>.fill");
    };
    const auto red = colour_of(run_with_failure());
    const auto orange = colour_of(run_with_known_failure());
    auto passing = tests::conformance_run("a");
    for (auto& result : *passing.mutable_cases()) result.set_verdict(Verdict::pass);
    for (auto& result : *passing.mutable_cases()) result.clear_close_verdict();
    complete(passing);
    const auto green = colour_of(passing);
    results::Run nothing;
    complete(nothing);
    const auto grey = colour_of(nothing);
    EXPECT_NE(red, orange);
    EXPECT_NE(orange, green);
    EXPECT_NE(green, grey);
    EXPECT_NE(red, green);
    EXPECT_NE(badge_svg(passing).find("100 % of 3"), std::string::npos);
}

TEST(ConformanceStatement, answers_for_every_statement) {
    auto run = run_with_failure();
    auto& fact = *run.add_facts();
    fact.set_name("Receive Maximum");
    fact.set_value("20");
    fact.set_source("announced");
    const auto text = conformance_statement(run);
    EXPECT_NE(text.find("| Receive Maximum | 20 | announced |"), std::string::npos);
    std::size_t lines = 0;
    for (const auto& statement : run.statements()) {
        const auto id = statement.id().substr(statement.id().find('/') + 1);
        lines += occurrences(text, "| " + id + " |");
    }
    EXPECT_EQ(lines, static_cast<std::size_t>(run.statements_size()));
    EXPECT_NE(text.find("**no**"), std::string::npos);
    EXPECT_NE(text.find("no exchange shows it: "), std::string::npos);
}

}  // namespace
}  // namespace touchstone::reports
