// A packet script: what up to four clients do, one step per line, as text that people read and
// `touchstone conform replay` runs on any broker. The grammar is in README.md. Knows words only;
// what they do to a broker is the player's business, what the broker may answer the model's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace touchstone::conformance::generated {

enum class Verb : std::uint8_t {
    connect,
    subscribe,
    unsubscribe,
    publish,
    acknowledge,
    ping,
    disconnect,
    cut,
    wait,
    wrong,
};

[[nodiscard]] std::string_view text_of(Verb verb);

/// "retain" or "q=1".
struct Word {
    std::string key;
    std::string value{};

    friend bool operator==(const Word&, const Word&) = default;
};

/// One line. The words are those that the verb knows, each with a value in its range.
struct Step {
    char client = 'a';  // 'a' … 'd'; of no meaning with wait
    Verb verb = Verb::ping;
    std::vector<Word> words{};

    [[nodiscard]] bool has(std::string_view key) const;
    /// The value of the first word `key`; `otherwise` when it is absent.
    [[nodiscard]] std::uint32_t number(std::string_view key, std::uint32_t otherwise = 0) const;
    [[nodiscard]] std::optional<std::uint32_t> number_if(std::string_view key) const;
    [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise = {}) const;
    [[nodiscard]] std::vector<std::string> all(std::string_view key) const;

    Step& with(std::string key, std::string value = {});
    Step& with(std::string key, std::uint32_t value);

    friend bool operator==(const Step&, const Step&) = default;
};

using Script = std::vector<Step>;

inline constexpr std::string_view client_names = "abcd";

/// One line, without line end.
[[nodiscard]] std::string to_text(const Step& step);
[[nodiscard]] std::string to_text(const Script& script);

/// The script that `text` is. Nothing when it is none; `problem` then says which line is wrong, and
/// what is expected there, in one line.
[[nodiscard]] std::optional<Script> parse_script(std::string_view text, std::string& problem);

/// A Topic Filter of a SUBSCRIBE: "~/t,q1,nl,rap,rh2". Any string gives one.
struct FilterWord {
    std::string filter;
    std::uint8_t qos = 0;
    bool no_local = false;
    bool retain_as_published = false;
    std::uint8_t retain_handling = 0;

    /// Subscription Options (v5 §3.8.3.1); before 5.0 only the QoS counts.
    [[nodiscard]] std::uint8_t byte(bool is_v5) const;
};
[[nodiscard]] FilterWord parse_filter_word(std::string_view text);
[[nodiscard]] std::string to_text(const FilterWord& filter);

/// A packet that breaks a rule, sent with `wrong kind=…`.
struct WrongKind {
    std::string_view name;
    bool is_first_packet;  // sent on a Network Connection of its own, before or as CONNECT
    std::string_view story;
};
[[nodiscard]] const std::vector<WrongKind>& wrong_kinds();

}  // namespace touchstone::conformance::generated
