#include "reports/markdown.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <map>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "reports/summary.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

using results::Verdict;

constexpr std::size_t annotations_max = 50;

/// In a table, or in running text: no markup, no line ends.
std::string markdown_text(std::string_view text) {
    std::string out;
    for (const char c : one_line(text)) {
        if (c == '<') {
            out += "&lt;";
            continue;
        }
        if (std::string_view{"|`*_[]\\#$"}.find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
    return out;
}

std::string code(std::string_view text) {
    // Not every renderer keeps markup in code from being taken for markup.
    if (text.find_first_of("`<") != std::string_view::npos) return markdown_text(text);
    return "`" + one_line(text) + "`";
}

/// An address as it is, so that renderers make a link of it; anything else as text.
std::string link(std::string_view text) {
    const bool is_address =
        (text.starts_with("https://") || text.starts_with("http://")) &&
        std::ranges::all_of(text, [](char c) {
            return c > ' ' && c < '\x7F' &&
                   std::string_view{"<>\"`|\\"}.find(c) == std::string_view::npos;
        });
    return is_address ? std::string{text} : markdown_text(text);
}

/// The data of a workflow command (GitHub, "Workflow commands"): what ends a line is escaped.
std::string command_data(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '%': out += "%25"; break;
            case '\r': out += "%0D"; break;
            case '\n': out += "%0A"; break;
            default: out += c;
        }
    }
    return out;
}

std::string command_property(std::string_view text) {
    std::string out;
    for (const char c : command_data(text)) {
        if (c == ':') {
            out += "%3A";
        } else if (c == ',') {
            out += "%2C";
        } else {
            out += c;
        }
    }
    return out;
}

bool is_bad(Verdict::Value verdict) {
    return is_failure(verdict) || verdict == Verdict::flaky;
}

/// Broken, and nobody has said that it is known.
bool is_regression(const results::CaseResult& result) {
    return is_bad(overall_verdict(result)) && result.expected_verdict() != overall_verdict(result);
}

bool is_known(const results::CaseResult& result) {
    return is_bad(overall_verdict(result)) && !is_regression(result);
}

bool is_unexpected_pass(const results::CaseResult& result) {
    return is_failure(result.expected_verdict()) && !is_bad(overall_verdict(result));
}

std::string date_text(std::int64_t unix_ms) {
    if (unix_ms <= 0) return "unknown";
    const std::time_t seconds = unix_ms / 1'000;
    std::tm utc{};
    if (::gmtime_r(&seconds, &utc) == nullptr) return "unknown";
    return fmt::format("{:04}-{:02}-{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
}

std::string list_of(const results::Run& run, std::string_view title,
                    bool (*is_listed)(const results::CaseResult&)) {
    std::string text;
    for (const auto& result : run.cases()) {
        if (!is_listed(result)) continue;
        text +=
            fmt::format("- **{}** {} – {}", markdown_text(verdict_text(overall_verdict(result))),
                        code(result.case_id()), markdown_text(result.title()));
        if (!result.reason().empty()) text += "  \n  " + markdown_text(result.reason());
        if (!result.expectation_reason().empty()) {
            text += "  \n  known: " + markdown_text(result.expectation_reason());
        }
        if (!result.expectation_link().empty()) text += " " + link(result.expectation_link());
        if (is_regression(result) && !result.reproduce().empty()) {
            text += "  \n  " + code(result.reproduce());
        }
        text += '\n';
    }
    return text.empty() ? "" : fmt::format("\n### {}\n\n{}", title, text);
}

std::string section_table(const results::Run& run) {
    std::vector<std::string> order;
    std::map<std::string, results::Counts> rows;
    for (const auto& result : run.cases()) {
        // Version and the first number: as many rows as the standard has chapters.
        const auto& section = result.section();
        const auto blank = section.find(' ');
        const auto end = section.find_first_of(". ", blank == std::string::npos ? 0 : blank + 1);
        const auto chapter = section.substr(0, end);
        if (!rows.contains(chapter)) order.push_back(chapter);
        add_verdict(rows[chapter], overall_verdict(result));
    }
    std::ranges::sort(order);
    std::string text = "| Chapter | pass | non-strict | info | fail | crash | flaky | n/a | "
                       "inconclusive |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    const auto cell = [](std::uint32_t count) {
        return count == 0 ? std::string{} : std::to_string(count);
    };
    const auto row = [&](const std::string& name, const results::Counts& counts) {
        text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", name,
                            cell(counts.pass()), cell(counts.non_strict()), cell(counts.info()),
                            cell(counts.fail()), cell(counts.crash()), cell(counts.flaky()),
                            cell(counts.not_applicable()), cell(counts.inconclusive()));
    };
    for (const auto& name : order) row(markdown_text(name), rows[name]);
    row("**all**", run.counts());
    return text;
}

/// How a statement fared, from the cases that judged it.
struct Fate {
    Verdict::Value verdict = Verdict::unspecified;
    std::string reason{};
};

std::map<std::string, Fate> fates_of(const results::Run& run) {
    std::map<std::string, Fate> fates;
    for (const auto& result : run.cases()) {
        const auto verdict = overall_verdict(result);
        for (const auto& statement : result.statements()) {
            auto& fate = fates[statement];
            if (fate.verdict == Verdict::unspecified || worse(fate.verdict, verdict) == verdict) {
                if (fate.verdict != verdict) fate = {verdict, result.reason()};
            }
        }
    }
    return fates;
}

/// The word of a conformance statement, and what has to be said with it.
std::string answer_of(const results::StatementRecord& statement, const Fate* fate) {
    if (fate == nullptr) {
        return statement.reason().empty() ? "not run"
                                          : "no exchange shows it: " + statement.reason();
    }
    switch (fate->verdict) {
        case Verdict::pass: return "yes";
        case Verdict::info: return "yes: " + fate->reason;
        case Verdict::non_strict: return "yes, not as recommended: " + fate->reason;
        case Verdict::fail:
        case Verdict::crash: return "**no**: " + markdown_text(fate->reason);
        case Verdict::flaky: return "**not always**: " + markdown_text(fate->reason);
        case Verdict::not_applicable: return "n/a: " + fate->reason;
        default: return "unknown: " + fate->reason;
    }
}

/// Its width in a font like Verdana at 11 pixels, near enough for a badge.
unsigned width_of(std::string_view text) {
    return 10 + 7 * static_cast<unsigned>(text.size());
}

}  // namespace

std::string github_annotations(const results::Run& run) {
    std::string text;
    std::size_t count = 0;
    const auto add = [&](std::string_view level, const results::CaseResult& result,
                         std::string_view what) {
        if (++count > annotations_max) return;
        text +=
            fmt::format("::{} title={}::{}\n", level,
                        command_property(one_line(fmt::format("{} {}", result.case_id(), what))),
                        command_data(fmt::format("{}\n{}\nagain: {}", result.title(),
                                                 result.reason(), result.reproduce())));
    };
    for (const auto& result : run.cases()) {
        if (is_regression(result)) add("error", result, verdict_text(overall_verdict(result)));
    }
    for (const auto& result : run.cases()) {
        if (is_unexpected_pass(result)) add("notice", result, "passes, and is listed as a failure");
    }
    if (count > annotations_max) {
        text +=
            fmt::format("::notice::{} more; the report has them all\n", count - annotations_max);
    }
    return text;
}

std::string markdown_summary(const results::Run& run) {
    std::string verdict{verdict_text(run.verdict())};
    std::ranges::transform(verdict, verdict.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    std::string text =
        fmt::format("## {}: MQTT {} of {}\n\n{}, seed {}, {}\n\n", verdict, kind_text(run.kind()),
                    markdown_text(run.name()), counts_text(run.counts()), run.seed(),
                    wall_time_text(run.duration_ms()));
    if (run.cases_size() > 0) text += section_table(run);
    text += list_of(run, "Not as expected", is_regression);
    text += list_of(run, "Listed as failures, and pass", is_unexpected_pass);
    text += list_of(run, "Known failures", is_known);
    if (run.notes_size() > 0) {
        text += "\n### Notes\n\n";
        for (const auto& note : run.notes()) text += "- " + markdown_text(note) + "\n";
    }
    if (!run.reproduce().empty()) text += "\nAgain: " + code(run.reproduce()) + "\n";
    return text;
}

std::string badge_svg(const results::Run& run) {
    const auto& counts = run.counts();
    const auto judged = judged_count(counts);
    const auto good = counts.pass() + counts.non_strict() + counts.info();
    const bool has_regression = std::ranges::any_of(run.cases(), is_regression);
    const std::string label = "MQTT conformance";
    std::string value = "nothing judged";
    std::string_view colour = "#6b6b6b";
    if (judged > 0) {
        // Rounded down: 100 % means all.
        value = fmt::format("{} % of {}", std::uint64_t{100} * good / judged, judged);
        colour = good == judged ? "#2a7d2e" : has_regression ? "#b3261e" : "#9a5b00";
    }
    const auto left = width_of(label);
    const auto right = width_of(value);
    return fmt::format(
        R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="20" role="img" aria-label="{1}: {2}">
<title>{1}: {2}</title>
<rect width="{0}" height="20" rx="3" fill="#444"/>
<path d="M{3} 0h{4}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{4}z" fill="{5}"/>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="{6}" y="14" textLength="{7}">{1}</text>
<text x="{8}" y="14" textLength="{9}">{2}</text>
</g>
</svg>
)",
        left + right, label, html_text(value), left, right - 3, colour, left / 2, left - 10,
        left + right / 2, right - 10);
}

std::string conformance_statement(const results::Run& run) {
    const auto& target = run.target();
    std::string text = fmt::format(
        "# MQTT conformance statement of {}\n\n"
        "Made by `touchstone conform` from a run on {}; what no packet shows, it cannot know.\n\n"
        "| | |\n|---|---|\n| Implementation | {} |\n| Address | {} |\n| Versions of MQTT | {} |\n"
        "| Transport | {} |\n| Cases | {} |\n",
        markdown_text(run.name()), date_text(run.started_unix_ms()), markdown_text(target.name()),
        markdown_text(target.url()), markdown_text(target.mqtt_versions()),
        markdown_text(target.transport()), counts_text(run.counts()));
    if (run.facts_size() > 0) {
        text += "\n## Capabilities and choices\n\n| | | known by |\n|---|---|---|\n";
        for (const auto& fact : run.facts()) {
            text += fmt::format("| {} | {} | {} |\n", markdown_text(fact.name()),
                                markdown_text(fact.value()), markdown_text(fact.source()));
        }
    }
    const auto fates = fates_of(run);
    for (const auto& [prefix, title] : std::array<std::pair<std::string_view, std::string_view>, 2>{
             {{"v5/", "MQTT 5.0"}, {"v3.1.1/", "MQTT 3.1.1"}}}) {
        text += fmt::format("\n## {}\n\n| Statement | Level | Demand | Supported |\n"
                            "|---|---|---|---|\n",
                            title);
        for (const auto& statement : run.statements()) {
            if (!statement.id().starts_with(prefix)) continue;
            const auto found = fates.find(statement.id());
            const auto answer =
                answer_of(statement, found == fates.end() ? nullptr : &found->second);
            text += fmt::format(
                "| {} | {} | {} | {} |\n", markdown_text(statement.id().substr(prefix.size())),
                markdown_text(statement.level()), markdown_text(statement.requirement()),
                answer.starts_with("**") ? answer : markdown_text(answer));
        }
    }
    return text;
}

}  // namespace touchstone::reports
