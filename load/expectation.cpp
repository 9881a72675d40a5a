#include "load/expectation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::load {

namespace {

struct Figure {
    std::string_view name;
    double (*value)(const Outcome& outcome);
};

template <Count count>
double count_of(const Outcome& outcome) {
    return static_cast<double>(outcome.all()[count]);
}

constexpr auto figures = std::to_array<Figure>({
    {"loss", [](const Outcome& outcome) { return static_cast<double>(outcome.lost); }},
    {"duplicates", count_of<Count::duplicates>},
    {"out_of_order", count_of<Count::out_of_order>},
    {"connected", [](const Outcome& outcome) { return static_cast<double>(outcome.connected); }},
    {"lost_connections",
     [](const Outcome& outcome) {
         const auto all = outcome.all();
         return static_cast<double>(all[Count::lost_connections] + all[Count::answer_timeouts]);
     }},
    {"refused", count_of<Count::refused>},
    {"connect_failures",
     [](const Outcome& outcome) {
         const auto all = outcome.all();
         return static_cast<double>(all[Count::connect_failures] + all[Count::connect_timeouts]);
     }},
    {"received", count_of<Count::received>},
    {"unsent", [](const Outcome& outcome) { return static_cast<double>(outcome.unsent); }},
    {"unanswered_pings",
     [](const Outcome& outcome) {
         const auto all = outcome.all();
         return static_cast<double>(all[Count::pings] - all[Count::pings_answered]);
     }},
    {"sent_per_s", [](const Outcome& outcome) { return outcome.sent_per_s(); }},
    {"received_per_s", [](const Outcome& outcome) { return outcome.received_per_s(); }},
});

struct Timed {
    std::string_view name;
    Histogram Times::*histogram;
};
constexpr auto timed = std::to_array<Timed>({{"delivery", &Times::delivery},
                                             {"connect", &Times::connect},
                                             {"acknowledge", &Times::acknowledge},
                                             {"ping", &Times::ping}});

struct RelationText {
    std::string_view text;
    Expectation::Relation relation;
};
// Longer ones first.
constexpr auto relations = std::to_array<RelationText>({
    {"<=", Expectation::Relation::at_most},
    {">=", Expectation::Relation::at_least},
    {"<", Expectation::Relation::below},
    {">", Expectation::Relation::above},
    {"=", Expectation::Relation::equal},
});

std::optional<double> parse_number(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || value < 0) return std::nullopt;
    const std::string_view rest{end, text.data() + text.size()};
    if (rest.empty()) return value;
    if (rest == "k") return value * 1e3;
    if (rest == "M") return value * 1e6;
    return std::nullopt;
}

/// "p99" is 0.99, "p999" is 0.999, "p50" is 0.5.
std::optional<double> parse_quantile(std::string_view text) {
    if (!text.starts_with('p') || text.size() < 2 || text.size() > 9) return std::nullopt;
    double value = 0;
    double place = 0.1;
    for (const char digit : text.substr(1)) {
        if (digit < '0' || digit > '9') return std::nullopt;
        value += (digit - '0') * place;
        place /= 10;
    }
    if (value <= 0) return std::nullopt;
    return value;
}

/// A histogram and the quantile of it; "max" is quantile 1.
struct Place {
    const Timed* timed;
    double quantile;
};
std::optional<Place> parse_place(std::string_view what) {
    const auto dot = what.find('.');
    const auto name = dot == std::string_view::npos ? "delivery" : what.substr(0, dot);
    const auto last = dot == std::string_view::npos ? what : what.substr(dot + 1);
    const auto* const found = std::ranges::find(timed, name, &Timed::name);
    if (found == timed.end()) return std::nullopt;
    if (last == "max") return Place{found, 1};
    const auto quantile = parse_quantile(last);
    if (!quantile) return std::nullopt;
    return Place{found, *quantile};
}

bool holds(Expectation::Relation relation, double value, double bound) {
    switch (relation) {
        case Expectation::Relation::below: return value < bound;
        case Expectation::Relation::at_most: return value <= bound;
        case Expectation::Relation::above: return value > bound;
        case Expectation::Relation::at_least: return value >= bound;
        case Expectation::Relation::equal: return value == bound;
    }
    UNREACHABLE();
}

Finding found(const Expectation& expectation, double value, const std::string& text) {
    const bool is_so = holds(expectation.relation, value, expectation.bound);
    return {is_so ? Finding::Kind::holds : Finding::Kind::fails,
            fmt::format("{}: {}", expectation.text, text)};
}

}  // namespace

std::string expectation_words() {
    std::string words = "pNN or max of delivery, connect.pNN, acknowledge.pNN, ping.pNN";
    for (const auto& figure : figures) words += fmt::format(", {}", figure.name);
    return words;
}

std::optional<Nanos> parse_duration(std::string_view text) {
    constexpr std::pair<std::string_view, double> units[] = {
        {"ns", 1}, {"us", microsecond}, {"ms", millisecond}, {"s", second}, {"min", 60.0 * second}};
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || value < 0) return std::nullopt;
    const std::string_view unit{end, text.data() + text.size()};
    for (const auto& [name, size] : units) {
        if (unit == name) return static_cast<Nanos>(value * size);
    }
    return std::nullopt;
}

std::string time_text(Nanos time) {
    const auto value = static_cast<double>(time);
    if (time < millisecond) return fmt::format("{:.3g} us", value / 1e3);
    if (time < second) return fmt::format("{:.4g} ms", value / 1e6);
    return fmt::format("{:.4g} s", value / 1e9);
}

std::optional<Expectation> parse_expectation(std::string_view text, std::string& problem) {
    const auto at = text.find_first_of("<>=");
    const auto fail = [&](std::string_view why) {
        problem = fmt::format("--expect '{}': {}; e.g. 'p99<10ms', 'loss=0'; there are {}", text,
                              why, expectation_words());
        return std::nullopt;
    };
    if (at == std::string_view::npos || at == 0) return fail("no comparison");
    Expectation expectation{.text = std::string{text}, .what = std::string{text.substr(0, at)}};
    const auto* const relation = std::ranges::find_if(
        relations, [&](const RelationText& one) { return text.substr(at).starts_with(one.text); });
    expectation.relation = relation->relation;
    const auto bound = text.substr(at + relation->text.size());
    if (parse_place(expectation.what)) {
        const auto time = parse_duration(bound);
        if (!time) return fail(fmt::format("'{}' is no time; write 10ms, 250us or 1.5s", bound));
        expectation.bound = static_cast<double>(*time);
        return expectation;
    }
    if (std::ranges::find(figures, expectation.what, &Figure::name) == figures.end())
        return fail(fmt::format("nothing is called '{}'", expectation.what));
    const auto number = parse_number(bound);
    if (!number) return fail(fmt::format("'{}' is no number; write 1000, 20k or 1M", bound));
    expectation.bound = *number;
    return expectation;
}

Finding find(const Expectation& expectation, const Outcome& outcome) {
    if (const auto place = parse_place(expectation.what)) {
        const auto& histogram = outcome.times.*place->timed->histogram;
        const auto value = place->quantile >= 1 && histogram.count() > 0
                               ? std::optional{histogram.max()}
                               : histogram.quantile(place->quantile);
        if (!value) {
            return {Finding::Kind::unknown, fmt::format("{}: {} samples are too few for it",
                                                        expectation.text, histogram.count())};
        }
        return found(expectation, static_cast<double>(*value), time_text(*value));
    }
    const auto* const figure = std::ranges::find(figures, expectation.what, &Figure::name);
    CHECK(figure != figures.end());
    if (figure->name == "loss" && !outcome.is_loss_judged) {
        return {Finding::Kind::unknown,
                fmt::format("{}: clients came and went, so nobody can say what was lost",
                            expectation.text)};
    }
    const auto value = figure->value(outcome);
    return found(expectation, value, fmt::format("{:.10g}", value));
}

}  // namespace touchstone::load
