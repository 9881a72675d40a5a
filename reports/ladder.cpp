#include "reports/ladder.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "reports/summary.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

using Trace = google::protobuf::RepeatedPtrField<results::Step>;

std::string between(const results::Step& step) {
    switch (step.kind()) {
        case results::Step::packet: return fmt::format("{} -> {}", step.from(), step.to());
        case results::Step::opened: return fmt::format("{} => {}", step.from(), step.to());
        case results::Step::closed: return fmt::format("{} =| {}", step.from(), step.to());
        default: return step.from();
    }
}

std::string_view kind_word(const results::Step& step) {
    switch (step.kind()) {
        case results::Step::opened: return "connection opened";
        case results::Step::closed: return "connection closed";
        default: return "";
    }
}

std::string hex(std::string_view bytes, std::size_t size_bytes_max) {
    std::string text;
    for (const char c : bytes.substr(0, size_bytes_max)) {
        text += fmt::format("{}{:02X}", text.empty() ? "" : " ", static_cast<unsigned char>(c));
    }
    if (bytes.size() > size_bytes_max) text += fmt::format(" … {} bytes", bytes.size());
    return text;
}

std::string line_of(const results::Step& step, std::size_t between_width) {
    std::string what = step.text().empty() ? std::string{kind_word(step)} : step.text();
    if (what.empty()) what = hex(step.bytes(), 32);
    std::string line =
        fmt::format("{} {:>10.3f} ms  {:<{}}  {}", step.deviates() ? '*' : ' ',
                    static_cast<double>(step.time_us()) / 1e3, between(step), between_width, what);
    if (step.lost()) line += "  (lost)";
    if (!step.note().empty()) line += fmt::format("  <- {}", step.note());
    return one_line(line) + '\n';
}

/// Which steps fit into `count_max` lines, one of them spent on saying how many do not.
std::pair<int, int> shown_range(const Trace& trace, std::size_t count_max) {
    const int size = trace.size();
    const int capacity =
        static_cast<int>(std::min<std::size_t>(count_max, static_cast<std::size_t>(size)));
    if (capacity == size) return {0, size};
    const int shown = capacity - 1;
    const auto deviating =
        std::ranges::find_if(trace, [](const auto& step) { return step.deviates(); });
    if (deviating == trace.end()) return {0, shown};
    const int end = static_cast<int>(deviating - trace.begin()) + 1;
    return {std::max(0, end - shown), std::max(end, shown)};
}

void add_line(std::string& text, std::string_view label, std::string_view content) {
    if (!content.empty()) text += fmt::format("  {:<9}{}\n", label, one_line(content));
}

}  // namespace

std::string text_ladder(const Trace& trace, std::size_t line_count_max) {
    const auto [begin, end] = shown_range(trace, std::max<std::size_t>(line_count_max, 2));
    std::size_t between_width = 0;
    for (int i = begin; i < end; ++i)
        between_width = std::max(between_width, between(trace[i]).size());
    std::string text;
    for (int i = begin; i < end; ++i) text += line_of(trace[i], between_width);
    const int left_out = trace.size() - (end - begin);
    if (left_out > 0)
        text += fmt::format("    … {} more step{} in report.html\n", left_out,
                            left_out == 1 ? "" : "s");
    return text;
}

std::string failure_text(const results::CaseResult& result) {
    constexpr std::size_t line_count_max = 15;
    std::string head =
        fmt::format("{}  {}\n", verdict_text(overall_verdict(result)), one_line(result.case_id()));
    add_line(head, "demand", result.title());
    add_line(head, "statement", fmt::format(" {}", fmt::join(result.statements(), ", ")));
    add_line(head, "reason", result.reason());
    add_line(head, "expected", result.expected());
    add_line(head, "seen", result.seen());
    std::string tail;
    add_line(tail, "again", result.reproduce());
    const auto used = static_cast<std::size_t>(std::ranges::count(head + tail, '\n'));
    return head + text_ladder(result.trace(), line_count_max - used) + tail;
}

std::string failure_text(const results::ScenarioResult& result) {
    std::string text = fmt::format("{}  {}  seed {}\n", verdict_text(result.verdict()),
                                   one_line(result.scenario()), result.seed());
    add_line(text, "reason", result.reason());
    for (const auto& invariant : result.invariants()) {
        if (!is_failure(invariant.verdict())) continue;
        add_line(text, invariant.invariant(),
                 fmt::format("{}: {}", invariant.title(), invariant.explanation()));
    }
    if (result.expected_received_size() > 0) {
        add_line(text, "expected",
                 fmt::format("[{}]", fmt::join(result.expected_received(), ", ")));
    }
    if (result.received_size() > 0)
        add_line(text, "seen", fmt::format("[{}]", fmt::join(result.received(), ", ")));
    add_line(text, "again", result.reproduce());
    return text;
}

}  // namespace touchstone::reports
