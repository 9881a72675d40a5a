#include "reports/junit.hpp"

#include <sstream>

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <gtest/gtest.h>

#include "reports/summary.hpp"
#include "reports/tests/sample_runs.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {
namespace {

using results::Verdict;
using Tree = boost::property_tree::ptree;

/// Throws when `xml` is not well-formed.
Tree parse(const std::string& xml) {
    std::istringstream stream{xml};
    Tree tree;
    boost::property_tree::read_xml(stream, tree);
    return tree;
}

std::string junit_of(results::Run run) {
    complete(run);
    return junit_xml(run);
}

const Tree& test_case(const Tree& tree, const std::string& name_start) {
    for (const auto& [suite_tag, suite] : tree.get_child("testsuites")) {
        for (const auto& [tag, test] : suite) {
            if (tag == "testcase" &&
                test.get<std::string>("<xmlattr>.name").starts_with(name_start))
                return test;
        }
    }
    throw std::runtime_error{"no test case " + name_start};
}

TEST(JUnit, has_a_suite_per_section_and_counts_that_add_up) {
    const Tree tree = parse(junit_of(tests::conformance_run("a")));
    const auto& all = tree.get_child("testsuites");
    EXPECT_EQ(all.get<int>("<xmlattr>.tests"), 3);
    EXPECT_EQ(all.get<int>("<xmlattr>.failures"), 1);
    EXPECT_EQ(all.get<int>("<xmlattr>.skipped"), 1);
    EXPECT_EQ(all.get<int>("<xmlattr>.errors"), 0);
    int suites = 0;
    int tests = 0;
    for (const auto& [tag, suite] : all) {
        if (tag != "testsuite") continue;
        ++suites;
        tests += suite.get<int>("<xmlattr>.tests");
        EXPECT_EQ(suite.get<std::string>("<xmlattr>.timestamp"), "2026-01-01T00:00:00");
    }
    EXPECT_EQ(suites, 3);
    EXPECT_EQ(tests, 3);
}

TEST(JUnit, a_failure_has_expected_and_seen_the_packets_and_the_command) {
    const Tree tree = parse(junit_of(tests::conformance_run("a")));
    const Tree& failure = test_case(tree, "v5/3.3.4/receive-maximum").get_child("failure");
    EXPECT_EQ(failure.get<std::string>("<xmlattr>.message"),
              "fail: a third PUBLISH came although two were unacknowledged\nexpected: no PUBLISH "
              "before PUBCOMP\nseen: PUBLISH id=3");
    EXPECT_NE(failure.data().find("broker -> subscriber  PUBLISH id=3"), std::string::npos)
        << failure.data();
    EXPECT_NE(failure.data().find("again: touchstone conform"), std::string::npos);
}

TEST(JUnit, what_is_not_applicable_is_skipped_with_the_reason) {
    const Tree tree = parse(junit_of(tests::conformance_run("a")));
    const Tree& test = test_case(tree, "v5/3.2.2/maximum-qos");
    EXPECT_EQ(test.get<std::string>("skipped.<xmlattr>.message"),
              "not applicable: the target announces no Maximum QoS");
}

TEST(JUnit, a_crash_is_an_error_a_known_failure_is_skipped_an_unexpected_pass_fails) {
    results::Run run = tests::conformance_run("a");
    run.mutable_cases(0)->set_expected_verdict(Verdict::fail);
    run.mutable_cases(1)->set_expected_verdict(Verdict::fail);
    run.mutable_cases(1)->set_expectation_reason("see the tracker");
    run.mutable_cases(2)->set_verdict(Verdict::crash);
    const Tree tree = parse(junit_of(run));
    EXPECT_EQ(test_case(tree, "v3.1.1/3.1/first-packet").count("failure"), 1U);
    EXPECT_NE(test_case(tree, "v5/3.3.4")
                  .get<std::string>("skipped.<xmlattr>.message")
                  .find("known failure: see the tracker"),
              std::string::npos);
    EXPECT_EQ(test_case(tree, "v5/3.2.2/maximum-qos").count("error"), 1U);
}

TEST(JUnit, a_scenario_fails_with_its_invariant_and_passes_when_it_was_to_fail) {
    results::Run run = tests::simulation_run("s");
    const Tree failed = parse(junit_of(run));
    EXPECT_NE(test_case(failed, "scenarios/ordering").get<std::string>("failure").find("O2"),
              std::string::npos);
    run.mutable_scenarios(0)->set_expected_verdict(Verdict::fail);
    const Tree passed = parse(junit_of(run));
    EXPECT_EQ(test_case(passed, "scenarios/ordering").count("failure"), 0U);
}

TEST(JUnit, is_well_formed_whatever_bytes_the_strings_hold) {
    const std::string xml = junit_of(tests::hostile_run());
    EXPECT_NO_THROW(parse(xml));
    EXPECT_EQ(valid_utf8(xml), xml);
    for (const char c : xml)
        ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t');
    EXPECT_EQ(xml.find("<script"), std::string::npos);
}

}  // namespace
}  // namespace touchstone::reports
