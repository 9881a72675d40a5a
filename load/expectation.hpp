// What a user expects of a run: "p99<10ms", "loss=0", "connected>=1000", in one comparison each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "load/outcome.hpp"

namespace touchstone::load {

struct Expectation {
    enum class Relation : std::uint8_t { below, at_most, above, at_least, equal };
    std::string text;  // as it was given
    std::string what;
    Relation relation = Relation::below;
    double bound = 0;  // nanoseconds for times
};

struct Finding {
    enum class Kind : std::uint8_t {
        holds,
        fails,
        unknown,  // too few samples
    };
    Kind kind = Kind::holds;
    std::string words;  // with the value that was found
};

/// Errors: one line with what can be expected, in `problem`.
[[nodiscard]] std::optional<Expectation> parse_expectation(std::string_view text,
                                                           std::string& problem);

[[nodiscard]] Finding find(const Expectation& expectation, const Outcome& outcome);

/// The words that an expectation may begin with, for help and messages.
[[nodiscard]] std::string expectation_words();

/// "10ms", "250us", "1.5s": nanoseconds. Nothing: it is no time.
[[nodiscard]] std::optional<Nanos> parse_duration(std::string_view text);

/// "10.2 ms", in the unit that fits.
[[nodiscard]] std::string time_text(Nanos time);

}  // namespace touchstone::load
