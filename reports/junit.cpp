#include "reports/junit.hpp"

#include <ctime>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "reports/ladder.hpp"
#include "reports/summary.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

using results::Verdict;

namespace {

constexpr std::size_t ladder_line_count_max = 60;

enum class Outcome { passed, failed, crashed, skipped };

struct TestCase {
    std::string class_name;
    std::string name;
    Outcome outcome = Outcome::passed;
    std::string type;     // of the failure: the verdict
    std::string message;  // one paragraph
    std::string details;  // for failures, and for passes that say something
    std::uint64_t duration_us = 0;
};

struct Suite {
    std::string name;
    std::vector<TestCase> cases;
};

std::string seconds(std::uint64_t duration_us) {
    return fmt::format("{:.6f}", static_cast<double>(duration_us) / 1e6);
}

Outcome outcome_of(Verdict::Value verdict, bool as_expected) {
    if (!as_expected) return verdict == Verdict::crash ? Outcome::crashed : Outcome::failed;
    switch (verdict) {
        case Verdict::pass:
        case Verdict::non_strict:
        case Verdict::info: return Outcome::passed;
        default: return Outcome::skipped;
    }
}

std::string message_of(const results::CaseResult& result, bool as_expected) {
    const Verdict::Value verdict = overall_verdict(result);
    std::string message{verdict_text(verdict)};
    if (!as_expected && !is_failure(verdict)) message += ", although a failure was expected";
    if (as_expected && is_failure(verdict))
        message = fmt::format("known failure: {}", result.expectation_reason());
    if (!result.reason().empty()) message += fmt::format(": {}", result.reason());
    if (!result.expected().empty()) message += fmt::format("\nexpected: {}", result.expected());
    if (!result.seen().empty()) message += fmt::format("\nseen: {}", result.seen());
    return message;
}

std::string details_of(const results::CaseResult& result) {
    std::string details = fmt::format("demand: {}\nstatements: {}\n", result.title(),
                                      fmt::join(result.statements(), ", "));
    details += text_ladder(result.trace(), ladder_line_count_max);
    if (!result.reproduce().empty()) details += fmt::format("again: {}\n", result.reproduce());
    return details;
}

TestCase test_case(const results::Run& run, const results::CaseResult& result) {
    const bool as_expected = is_as_expected(result);
    const Verdict::Value verdict = overall_verdict(result);
    TestCase test{.class_name = fmt::format("{}.{}", run.name(), result.section()),
                  .name = fmt::format("{}: {}", result.case_id(), result.title()),
                  .outcome = outcome_of(verdict, as_expected),
                  .type = std::string{verdict_text(verdict)},
                  .duration_us = result.duration_us()};
    if (test.outcome != Outcome::passed) test.message = message_of(result, as_expected);
    const bool is_failed = test.outcome == Outcome::failed || test.outcome == Outcome::crashed;
    if (is_failed)
        test.details = details_of(result);
    else if (test.outcome == Outcome::passed && !result.reason().empty())
        test.details = message_of(result, as_expected);
    return test;
}

TestCase test_case(const results::Run& run, const results::ScenarioResult& result) {
    TestCase test{.class_name = fmt::format("{}.scenarios", run.name()),
                  .name = fmt::format("{} seed {}", result.scenario(), result.seed()),
                  .outcome = outcome_of(result.verdict(), is_as_expected(result)),
                  .type = std::string{verdict_text(result.verdict())}};
    if (result.defects_size() > 0)
        test.name += fmt::format(" defect {}", fmt::join(result.defects(), ","));
    // A scenario that was to fail, and did, is a passed test of the checker.
    if (is_as_expected(result) && is_failure(result.verdict())) test.outcome = Outcome::passed;
    if (test.outcome == Outcome::passed) return test;
    test.message = fmt::format("{}: {}", verdict_text(result.verdict()), result.reason());
    test.details = failure_text(result) + text_ladder(result.trace(), ladder_line_count_max);
    return test;
}

/// Suites in the order in which their sections are met.
std::vector<Suite> suites_of(const results::Run& run) {
    std::vector<Suite> suites;
    std::map<std::string, std::size_t> place_by_name;
    const auto suite = [&](const std::string& name) -> Suite& {
        const auto [place, is_new] = place_by_name.try_emplace(name, suites.size());
        if (is_new) suites.push_back({name, {}});
        return suites[place->second];
    };
    for (const auto& result : run.cases()) {
        suite(result.section().empty() ? "cases" : result.section())
            .cases.push_back(test_case(run, result));
    }
    for (const auto& result : run.scenarios())
        suite("scenarios").cases.push_back(test_case(run, result));
    return suites;
}

struct Totals {
    std::size_t tests = 0;
    std::size_t failures = 0;
    std::size_t errors = 0;
    std::size_t skipped = 0;
    std::uint64_t duration_us = 0;

    void add(const TestCase& test) {
        ++tests;
        failures += test.outcome == Outcome::failed ? 1 : 0;
        errors += test.outcome == Outcome::crashed ? 1 : 0;
        skipped += test.outcome == Outcome::skipped ? 1 : 0;
        duration_us += test.duration_us;
    }

    [[nodiscard]] std::string attributes() const {
        return fmt::format(R"(tests="{}" failures="{}" errors="{}" skipped="{}" time="{}")", tests,
                           failures, errors, skipped, seconds(duration_us));
    }
};

/// ` timestamp="2026-01-31T12:00:00"` in UTC, as JUnit has it; nothing when the start is not known.
std::string timestamp_attribute(const results::Run& run) {
    if (run.started_unix_ms() <= 0) return "";
    const std::time_t started = run.started_unix_ms() / 1'000;
    std::tm utc{};
    if (::gmtime_r(&started, &utc) == nullptr) return "";
    return fmt::format(R"( timestamp="{:04}-{:02}-{:02}T{:02}:{:02}:{:02}")", utc.tm_year + 1900,
                       utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string element(const TestCase& test) {
    std::string xml = fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
                                  xml_attribute(test.class_name), xml_attribute(test.name),
                                  seconds(test.duration_us));
    const auto body = [&](std::string_view tag) {
        return fmt::format(
            ">\n      <{0} type=\"{1}\" message=\"{2}\">{3}</{0}>\n    </testcase>\n", tag,
            xml_attribute(test.type), xml_attribute(test.message), xml_text(test.details));
    };
    switch (test.outcome) {
        case Outcome::failed: return xml + body("failure");
        case Outcome::crashed: return xml + body("error");
        case Outcome::skipped:
            return xml + fmt::format(">\n      <skipped message=\"{}\"/>\n    </testcase>\n",
                                     xml_attribute(test.message));
        case Outcome::passed: break;
    }
    if (test.details.empty()) return xml + "/>\n";
    return xml + fmt::format(">\n      <system-out>{}</system-out>\n    </testcase>\n",
                             xml_text(test.details));
}

std::string property(std::string_view name, std::string_view value) {
    if (value.empty()) return "";
    return fmt::format("      <property name=\"{}\" value=\"{}\"/>\n", name, xml_attribute(value));
}

std::string properties(const results::Run& run) {
    return "    <properties>\n" + property("target", run.target().url()) +
           property("target version", run.target().version()) +
           property("seed", fmt::format("{}", run.seed())) +
           property("tool version", run.tool_version()) + property("digest", run.digest()) +
           property("again", run.reproduce()) + "    </properties>\n";
}

}  // namespace

std::string junit_xml(const results::Run& run) {
    Totals all;
    std::string body;
    const std::string timestamp = timestamp_attribute(run);
    for (const auto& suite : suites_of(run)) {
        Totals totals;
        std::string cases;
        for (const auto& test : suite.cases) {
            totals.add(test);
            all.add(test);
            cases += element(test);
        }
        body += fmt::format("  <testsuite name=\"{}\" {}{}>\n{}{}  </testsuite>\n",
                            xml_attribute(suite.name), totals.attributes(), timestamp,
                            properties(run), cases);
    }
    const std::string name = fmt::format("{} {}", kind_text(run.kind()), run.name());
    return fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" "
                       "{}>\n{}</testsuites>\n",
                       xml_attribute(name), all.attributes(), body);
}

}  // namespace touchstone::reports
