#include "conformance/generated/report.hpp"

#include <algorithm>

#include "conformance/catalogue/catalogue.hpp"

namespace touchstone::conformance::generated {

namespace {

results::Step::Kind kind_of(TraceStep::Kind kind) {
    switch (kind) {
        case TraceStep::Kind::packet: return results::Step::packet;
        case TraceStep::Kind::opened: return results::Step::opened;
        case TraceStep::Kind::closed: return results::Step::closed;
        case TraceStep::Kind::waited: return results::Step::waited;
        case TraceStep::Kind::noted: return results::Step::noted;
    }
    return results::Step::noted;
}

}  // namespace

std::string to_text(const Divergence& divergence) {
    std::string text = divergence.statement;
    if (!text.empty()) text += ' ';
    text += divergence.kind;
    if (!divergence.text.empty()) text += ": " + divergence.text;
    return text;
}

void add_script_case(results::Run& run, const ScriptCase& script, const Played& played) {
    auto& result = *run.add_cases();
    result.set_case_id(script.id);
    result.set_title(script.title);
    result.set_reproduce(script.reproduce);
    result.set_section("generated");
    if (played.divergence.has_value()) {
        const auto& divergence = *played.divergence;
        if (!divergence.statement.empty()) {
            result.add_statements(divergence.statement);
            const auto* const statement = find_statement(divergence.statement);
            if (statement != nullptr) result.set_expected(statement->requirement);
        }
        result.set_seen(divergence.text);
        result.set_reason(to_text(divergence));
        result.set_verdict(script.is_flaky ? results::Verdict::flaky : results::Verdict::fail);
    } else if (played.was_unreachable) {
        result.set_verdict(results::Verdict::crash);
        result.set_reason(played.inconclusive);
    } else if (!played.inconclusive.empty()) {
        result.set_verdict(results::Verdict::inconclusive);
        result.set_reason(played.inconclusive);
    } else {
        result.set_verdict(results::Verdict::pass);
    }
    result.set_duration_us(script.duration_us);
    for (const auto& actor : played.outcome.actors) result.add_actors(actor);
    for (const auto& step : played.outcome.trace) {
        auto& added = *result.add_trace();
        const auto since = (step.at - played.outcome.started).count();
        added.set_time_us(static_cast<std::uint64_t>(std::max<Duration::rep>(0, since)));
        added.set_from(step.from);
        added.set_to(step.to);
        added.set_kind(kind_of(step.kind));
        added.set_bytes(std::string{as_text(step.bytes)});
        added.set_text(step.text);
        added.set_deviates(step.deviates);
        added.set_note(step.note);
    }
}

std::string ladder_text(const Played& played, std::size_t lines_max) {
    std::vector<std::string> lines;
    std::size_t end = 0;
    for (const auto& step : played.outcome.trace) {
        const bool is_ping = step.text == "PINGREQ " || step.text == "PINGRESP " ||
                             step.text == "PINGREQ" || step.text == "PINGRESP";
        if (is_ping && !step.deviates) continue;
        std::string line = step.deviates ? "  ! " : "    ";
        switch (step.kind) {
            case TraceStep::Kind::packet:
                line += step.from + " -> " + step.to + ": " + step.text;
                break;
            case TraceStep::Kind::opened: line += step.from + " opens a connection"; break;
            case TraceStep::Kind::closed: line += step.from + ": " + step.text; break;
            case TraceStep::Kind::waited:
            case TraceStep::Kind::noted: line += "(" + step.text + ")"; break;
        }
        constexpr std::size_t line_length_max = 150;
        if (line.size() > line_length_max) line = line.substr(0, line_length_max) + "...";
        lines.push_back(std::move(line));
        if (step.deviates) end = lines.size();
    }
    if (end == 0) end = lines.size();
    const auto begin = end - std::min(end, lines_max);
    std::string text;
    if (begin > 0) text += "    ... " + std::to_string(begin) + " lines before\n";
    for (auto i = begin; i < end; ++i) text += lines[i] + "\n";
    return text;
}

}  // namespace touchstone::conformance::generated
