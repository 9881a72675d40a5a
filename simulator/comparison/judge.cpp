#include "simulator/comparison/judge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone::simulator::comparison {

namespace {

using results::ComparedCell;

template <class Range, class Value>
bool has(const Range& range, const Value& value) {
    return std::ranges::find(range, value) != range.end();
}

std::string cause_text(touchstone::comparison::Cause cause) {
    switch (cause) {
        case touchstone::comparison::wrong_model: return "wrong model";
        case touchstone::comparison::wrong_document: return "wrong document";
        case touchstone::comparison::discovery: return "discovery";
        case touchstone::comparison::not_modelled: return "not modelled";
        default: return "";
    }
}

}  // namespace

ComparedCell join(const std::vector<ComparedCell>& runs) {
    CHECK(!runs.empty());
    ComparedCell all = runs.front();
    std::vector<std::pair<std::string, int>> words;
    for (const auto& one : runs) {
        const auto known =
            std::ranges::find(words, one.words(), &std::pair<std::string, int>::first);
        known == words.end() ? words.emplace_back(one.words(), 1), void() : void(++known->second);
    }
    for (std::size_t i = 1; i < runs.size(); ++i) {
        const auto& one = runs[i];
        for (const auto& outcome : one.outcomes())
            if (!has(all.outcomes(), outcome)) all.add_outcomes(outcome);
        for (const auto& id : one.diverged_in())
            if (!has(all.diverged_in(), id)) all.add_diverged_in(id);
        if (one.unavailable_us() > all.unavailable_us()) {
            all.set_unavailable_us(one.unavailable_us());
            all.set_unavailable_client(one.unavailable_client());
        }
        all.set_unavailable_at_end(all.unavailable_at_end() || one.unavailable_at_end());
        all.set_published(std::max(all.published(), one.published()));
        all.set_lost(std::max(all.lost(), one.lost()));
        all.set_duplicated(std::max(all.duplicated(), one.duplicated()));
        all.set_reordered(std::max(all.reordered(), one.reordered()));
        all.set_diverged_us(std::max(all.diverged_us(), one.diverged_us()));
        all.set_diverged_at_end(all.diverged_at_end() || one.diverged_at_end());
        all.set_sent_away(std::max(all.sent_away(), one.sent_away()));
        if (all.broken().empty()) all.set_broken(one.broken());
        all.set_runs(all.runs() + one.runs());
    }
    if (words.size() > 1) {
        std::vector<std::string> parts;
        for (const auto& [text, count] : words)
            parts.push_back(fmt::format("{} of {} seeds: {}", count, runs.size(), text));
        all.set_words(fmt::format("{}", fmt::join(parts, " | ")));
    }
    return all;
}

void judge(ComparedCell& cell, const touchstone::comparison::Experiment& experiment) {
    cell.set_judgement(ComparedCell::open);
    for (const auto& one : experiment.expected()) {
        if (!has(one.models(), cell.model())) continue;
        cell.set_expected(one.words());
        for (const auto& outcome : one.outcomes()) cell.add_expected_outcomes(outcome);
    }
    if (!cell.broken().empty()) return cell.set_judgement(ComparedCell::unexplained);
    if (cell.expected_outcomes().empty()) return;
    std::vector<std::string> other;
    for (const auto& outcome : cell.outcomes())
        if (!has(cell.expected_outcomes(), outcome)) other.push_back(outcome);
    if (other.empty()) return cell.set_judgement(ComparedCell::as_expected);
    cell.set_judgement(ComparedCell::unexplained);
    for (const auto& one : experiment.differences()) {
        const bool is_meant =
            has(one.models(), cell.model()) &&
            std::ranges::all_of(other, [&](const auto& seen) { return has(one.outcomes(), seen); });
        if (!is_meant) continue;
        cell.set_judgement(ComparedCell::explained);
        cell.set_cause(cause_text(one.cause()));
        cell.set_explanation(one.explanation());
    }
}

std::string_view judgement_text(ComparedCell::Judgement judgement) {
    switch (judgement) {
        case ComparedCell::as_expected: return "as expected";
        case ComparedCell::explained: return "differs, explained";
        case ComparedCell::unexplained: return "differs, not explained";
        case ComparedCell::open: return "nothing definite was expected";
        default: return "not judged";
    }
}

std::vector<std::string> unseen_differences(const touchstone::comparison::Comparison& comparison,
                                            const results::Comparison& table) {
    std::vector<std::string> unseen;
    for (const auto& experiment : comparison.experiments()) {
        for (const auto& difference : experiment.differences()) {
            for (const auto& model : difference.models()) {
                const auto cell = std::ranges::find_if(table.cells(), [&](const ComparedCell& one) {
                    return one.model() == model && one.experiment() == experiment.id();
                });
                if (cell == table.cells().end()) continue;
                if (cell->judgement() == ComparedCell::explained) continue;
                unseen.push_back(fmt::format("{}, {}: a difference is explained that was not seen",
                                             experiment.id(), model));
            }
        }
    }
    return unseen;
}

}  // namespace touchstone::simulator::comparison
