#include "conformance/baseline.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "conformance/suite/case.hpp"
#include "reports/summary.hpp"

namespace touchstone::conformance {

namespace {

using ResultVerdict = results::Verdict;

bool is_known_case(const std::string& id) {
    return std::ranges::binary_search(all_cases(), id, {}, &CaseEntry::id);
}

bool is_bad(ResultVerdict::Value verdict) {
    return reports::is_failure(verdict) || verdict == ResultVerdict::flaky;
}

/// The broker was judged, and well.
bool is_good(ResultVerdict::Value verdict) {
    return verdict == ResultVerdict::pass || verdict == ResultVerdict::non_strict ||
           verdict == ResultVerdict::info;
}

}  // namespace

std::string date_of(std::int64_t unix_s) {
    const std::chrono::sys_seconds instant{std::chrono::seconds{unix_s}};
    const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(instant)};
    const auto digits = [](auto number, std::size_t width) {
        auto text = std::to_string(number);
        return std::string(width - std::min(width, text.size()), '0') + text;
    };
    return digits(static_cast<int>(day.year()), 4) + '-' +
           digits(static_cast<unsigned>(day.month()), 2) + '-' +
           digits(static_cast<unsigned>(day.day()), 2);
}

bool is_date(const std::string& text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
    const auto number = [&text](std::size_t at, std::size_t size) {
        int value = 0;
        for (const char c : text.substr(at, size)) {
            if (c < '0' || c > '9') return -1;
            value = 10 * value + (c - '0');
        }
        return value;
    };
    const int year = number(0, 4);
    const int month = number(5, 2);
    const int day = number(8, 2);
    if (year < 1970 || month < 1 || day < 1) return false;
    return std::chrono::year_month_day{std::chrono::year{year},
                                       std::chrono::month{static_cast<unsigned>(month)},
                                       std::chrono::day{static_cast<unsigned>(day)}}
        .ok();
}

std::vector<std::string> check_baseline(const Baseline& baseline, const std::string& path) {
    std::vector<std::string> mistakes;
    std::set<std::string> seen;
    for (const auto& known : baseline.known()) {
        const auto complain = [&](const std::string& what) {
            mistakes.push_back(path + ": " + known.case_() + ": " + what);
        };
        if (!is_known_case(known.case_())) {
            complain("there is no such case; `touchstone conform --list` shows all");
        } else if (!seen.insert(known.case_()).second) {
            complain("it is listed twice");
        }
        if (known.reason().empty()) complain("a reason is missing");
        if (!known.expires().empty() && !is_date(known.expires())) {
            complain("expires: '" + known.expires() + "' is no day like 2027-03-31");
        }
    }
    return mistakes;
}

Comparison apply_baseline(const Baseline& baseline, const std::string& today, results::Run& run) {
    std::map<std::string, const KnownFailure*> known_by_case;
    for (const auto& known : baseline.known()) known_by_case[known.case_()] = &known;
    Comparison comparison;
    for (auto& result : *run.mutable_cases()) {
        const auto verdict = reports::overall_verdict(result);
        const auto found = known_by_case.find(result.case_id());
        if (found == known_by_case.end()) {
            if (is_bad(verdict)) comparison.regressions.push_back(result.case_id());
            continue;
        }
        const auto& known = *found->second;
        result.set_expectation_reason(known.reason());
        result.set_expectation_link(known.link());
        if (is_good(verdict) && known.sometimes()) continue;
        if (is_good(verdict)) {
            result.set_expected_verdict(known.crashes() ? ResultVerdict::crash
                                                        : ResultVerdict::fail);
            comparison.unexpected_passes.push_back(result.case_id());
        } else if (!is_bad(verdict)) {
            continue;
        } else if (!known.expires().empty() && known.expires() < today) {
            result.set_expectation_reason("accepted until " + known.expires() + ": " +
                                          known.reason());
            comparison.expired.push_back(result.case_id());
        } else if (verdict == ResultVerdict::crash && !known.crashes()) {
            comparison.regressions.push_back(result.case_id());
        } else {
            result.set_expected_verdict(verdict);
            comparison.known.push_back(result.case_id());
        }
    }
    return comparison;
}

ExitCode exit_code_of(const Comparison& comparison, ExitCode otherwise) {
    // What cut the run short is news, too, but what was found before counts more.
    if (!comparison.regressions.empty() || !comparison.expired.empty()) {
        return ExitCode::regression;
    }
    if (otherwise != ExitCode::as_expected && otherwise != ExitCode::expectation_failed) {
        return otherwise;
    }
    return comparison.unexpected_passes.empty() ? ExitCode::as_expected : ExitCode::unexpected_pass;
}

std::vector<std::string> update_baseline(const results::Run& run, const NewEntry& entry,
                                         Baseline& baseline) {
    std::vector<std::string> changes;
    std::map<std::string, KnownFailure> known_by_case;
    for (const auto& known : baseline.known()) known_by_case[known.case_()] = known;
    for (const auto& result : run.cases()) {
        const auto verdict = reports::overall_verdict(result);
        const auto found = known_by_case.find(result.case_id());
        if (found != known_by_case.end() && is_good(verdict) && !found->second.sometimes()) {
            changes.push_back("removed " + result.case_id() + ", which passes");
            known_by_case.erase(found);
        } else if (found == known_by_case.end() && is_bad(verdict)) {
            auto& known = known_by_case[result.case_id()];
            known.set_case_(result.case_id());
            known.set_reason(entry.reason.empty() ? "broken: " + result.title() : entry.reason);
            known.set_link(entry.link);
            known.set_expires(entry.expires);
            known.set_crashes(verdict == ResultVerdict::crash);
            known.set_sometimes(verdict == ResultVerdict::flaky);
            changes.push_back("added " + result.case_id() + ": " + known.reason());
        } else if (found != known_by_case.end() && verdict == ResultVerdict::crash &&
                   !found->second.crashes()) {
            found->second.set_crashes(true);
            changes.push_back("changed " + result.case_id() + ": the broker does not survive it");
        }
    }
    for (auto known = known_by_case.begin(); known != known_by_case.end();) {
        if (is_known_case(known->first)) {
            ++known;
            continue;
        }
        changes.push_back("removed " + known->first + ": there is no such case any more");
        known = known_by_case.erase(known);
    }
    baseline.clear_known();
    for (const auto& [id, known] : known_by_case) *baseline.add_known() = known;
    return changes;
}

}  // namespace touchstone::conformance
