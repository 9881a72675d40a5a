#include "reports/summary.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "reports/text.hpp"

namespace touchstone::reports {

using results::Verdict;

namespace {

// From the best to the worst, as overall_verdict and the statement matrix rank them. `not
// applicable` is below pass: a statement of which one case passed has been judged.
constexpr std::array verdicts_by_weight{
    Verdict::unspecified, Verdict::not_applicable, Verdict::pass,
    Verdict::info,        Verdict::non_strict,     Verdict::inconclusive,
    Verdict::flaky,       Verdict::fail,           Verdict::crash,
};

bool is_crash(Verdict::Value verdict) {
    return verdict == Verdict::crash;
}

Verdict::Value run_verdict(const results::Run& run) {
    bool crashed = false;
    bool failed = false;
    for (const auto& result : run.cases()) {
        if (is_as_expected(result)) continue;
        failed = true;
        crashed = crashed || is_crash(overall_verdict(result));
    }
    for (const auto& result : run.scenarios()) {
        if (is_as_expected(result)) continue;
        failed = true;
        crashed = crashed || is_crash(result.verdict());
    }
    if (crashed) return Verdict::crash;
    if (failed) return Verdict::fail;
    return judged_count(run.counts()) == 0 ? Verdict::inconclusive : Verdict::pass;
}

void fill_sections(results::Run& run) {
    std::map<std::string, std::string> section_by_statement;
    for (const auto& statement : run.statements()) {
        const std::string version = statement.id().substr(0, statement.id().find('/'));
        section_by_statement[statement.id()] = fmt::format("{} {}", version, statement.section());
    }
    for (auto& result : *run.mutable_cases()) {
        if (!result.section().empty() || result.statements_size() == 0) continue;
        const auto found = section_by_statement.find(result.statements(0));
        if (found != section_by_statement.end()) result.set_section(found->second);
    }
}

std::string upper_case(std::string_view text) {
    std::string upper{text};
    std::ranges::transform(upper, upper.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return upper;
}

}  // namespace

std::string_view verdict_text(Verdict::Value verdict) {
    switch (verdict) {
        case Verdict::pass: return "pass";
        case Verdict::non_strict: return "non-strict";
        case Verdict::info: return "info";
        case Verdict::fail: return "fail";
        case Verdict::not_applicable: return "not applicable";
        case Verdict::inconclusive: return "inconclusive";
        case Verdict::flaky: return "flaky";
        case Verdict::crash: return "crash";
        default: return "not judged";
    }
}

std::string_view kind_text(results::Run::Kind kind) {
    switch (kind) {
        case results::Run::conformance: return "conformance";
        case results::Run::simulation: return "simulation";
        case results::Run::load: return "load";
        case results::Run::plan: return "plan";
        default: return "run";
    }
}

bool is_failure(Verdict::Value verdict) {
    return verdict == Verdict::fail || verdict == Verdict::crash;
}

bool is_failure(const results::CaseResult& result) {
    return is_failure(overall_verdict(result));
}

Verdict::Value worse(Verdict::Value left, Verdict::Value right) {
    const auto weight = [](Verdict::Value verdict) {
        return std::ranges::find(verdicts_by_weight, verdict);
    };
    return weight(left) < weight(right) ? right : left;
}

Verdict::Value overall_verdict(const results::CaseResult& result) {
    // A close that was as demanded does not turn an inapplicable or informational exchange into a
    // pass.
    if (result.close_verdict() == Verdict::pass) return result.verdict();
    return worse(result.verdict(), result.close_verdict());
}

bool is_as_expected(const results::CaseResult& result) {
    const Verdict::Value verdict = overall_verdict(result);
    if (result.expected_verdict() == Verdict::unspecified) return !is_failure(verdict);
    return result.expected_verdict() == verdict;
}

bool is_as_expected(const results::ScenarioResult& result) {
    const bool expects_more = result.expected_verdict() != Verdict::unspecified;
    return result.verdict() == (expects_more ? result.expected_verdict() : Verdict::pass);
}

void add_verdict(results::Counts& counts, Verdict::Value verdict) {
    switch (verdict) {
        case Verdict::pass: return counts.set_pass(counts.pass() + 1);
        case Verdict::non_strict: return counts.set_non_strict(counts.non_strict() + 1);
        case Verdict::info: return counts.set_info(counts.info() + 1);
        case Verdict::fail: return counts.set_fail(counts.fail() + 1);
        case Verdict::not_applicable: return counts.set_not_applicable(counts.not_applicable() + 1);
        case Verdict::crash: return counts.set_crash(counts.crash() + 1);
        case Verdict::flaky: return counts.set_flaky(counts.flaky() + 1);
        // A result without a verdict was not judged; hiding it would make the numbers look better.
        default: return counts.set_inconclusive(counts.inconclusive() + 1);
    }
}

void add_counts(results::Counts& counts, const results::Counts& more) {
    counts.set_pass(counts.pass() + more.pass());
    counts.set_non_strict(counts.non_strict() + more.non_strict());
    counts.set_info(counts.info() + more.info());
    counts.set_fail(counts.fail() + more.fail());
    counts.set_not_applicable(counts.not_applicable() + more.not_applicable());
    counts.set_inconclusive(counts.inconclusive() + more.inconclusive());
    counts.set_flaky(counts.flaky() + more.flaky());
    counts.set_crash(counts.crash() + more.crash());
}

std::uint32_t judged_count(const results::Counts& counts) {
    return counts.pass() + counts.non_strict() + counts.info() + counts.fail() + counts.flaky() +
           counts.crash();
}

void complete(results::Run& run) {
    fill_sections(run);
    results::Counts counts;
    for (const auto& result : run.cases()) add_verdict(counts, overall_verdict(result));
    for (const auto& result : run.scenarios()) add_verdict(counts, result.verdict());
    *run.mutable_counts() = counts;
    if (run.verdict() == Verdict::unspecified) run.set_verdict(run_verdict(run));
}

std::string counts_text(const results::Counts& counts) {
    const std::array<std::pair<std::uint32_t, Verdict::Value>, 8> all{{
        {counts.pass(), Verdict::pass},
        {counts.non_strict(), Verdict::non_strict},
        {counts.info(), Verdict::info},
        {counts.fail(), Verdict::fail},
        {counts.not_applicable(), Verdict::not_applicable},
        {counts.inconclusive(), Verdict::inconclusive},
        {counts.flaky(), Verdict::flaky},
        {counts.crash(), Verdict::crash},
    }};
    std::string text;
    for (const auto& [number, verdict] : all) {
        if (number == 0) continue;
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", number, verdict_text(verdict));
    }
    return text.empty() ? "nothing judged" : text;
}

std::string wall_time_text(std::uint64_t duration_ms) {
    return duration_ms == 0 ? "under 1 ms" : duration_text(duration_ms * 1'000);
}

std::string last_line(const results::Run& run, const std::filesystem::path& report_path) {
    std::string line =
        fmt::format("{} {} {} | {} | seed {} | {}", upper_case(verdict_text(run.verdict())),
                    kind_text(run.kind()), run.name(), counts_text(run.counts()), run.seed(),
                    wall_time_text(run.duration_ms()));
    if (!report_path.empty()) line += fmt::format(" | report {}", report_path.string());
    if (!run.reproduce().empty()) line += fmt::format(" | again: {}", run.reproduce());
    return one_line(line);
}

}  // namespace touchstone::reports
