// Problem: something an operator has to mend, with its place. Loading goes on after one, so that
// all are told at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace touchstone::settings {

/// Where a value, or a mistake, was written.
struct Origin {
    enum class Kind : unsigned char { built_in, file, environment, command_line };
    Kind kind = Kind::built_in;
    std::string name;          // a file's path, a variable's name, an option
    std::uint32_t line = 0;    // of a file, from 1; 0: all of it
    std::uint32_t column = 0;  // from 1; 0: all of the line

    /// "default", "etc/touchstone.conf:12", "environment TOUCHSTONE_X", "command line --set".
    [[nodiscard]] std::string to_text() const;
    friend bool operator==(const Origin&, const Origin&) = default;
};

struct Problem {
    Origin origin;
    std::string message;  // what is wrong and what to do; one line

    /// "etc/touchstone.conf:12: …"
    [[nodiscard]] std::string to_text() const;
};

/// Collects problems. A file of nonsense must not cost more than its size, so their number is
/// bounded and the rest is counted.
class Problems {
public:
    static constexpr std::size_t kept_max = 100;

    void add(Origin origin, std::string message);
    [[nodiscard]] bool is_empty() const { return problems_.empty(); }
    /// Whether the next one is only counted, so that its message need not be made.
    [[nodiscard]] bool is_full() const { return problems_.size() == kept_max; }
    /// Those kept, in the order of the places in a file; the last one tells how many are left out.
    [[nodiscard]] std::vector<Problem> take();

private:
    std::vector<Problem> problems_;
    std::size_t left_out_ = 0;
};

/// `text` on one line, shortened, without bytes that a terminal would obey.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace touchstone::settings
