// The grammar of access_rules.hpp, by recursive descent over Erlang's tokens.
#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "broker/access/access_rules.hpp"
#include "broker/base/check.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone::access {

namespace {

using Rule = AccessRules::Rule;
using Who = AccessRules::Who;
using Filter = AccessRules::Filter;
using Level = AccessRules::Level;

/// Bounds the stack: nobody nests 'and' and 'or' this deep on purpose.
constexpr unsigned who_depth_max = 32;

struct Place {
    std::uint32_t line = 1;
    std::uint32_t column = 1;
};

struct Token {
    enum class Kind : unsigned char { mark, atom, string, end };
    Kind kind = Kind::end;
    Place place;
    std::string text;        // a mark's character, an atom's name, a string's content
    bool is_quoted = false;  // an atom in single quotes
};

bool is_atom_start(char c) {
    return c >= 'a' && c <= 'z';
}

bool is_atom_part(char c) {
    return is_atom_start(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '@';
}

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/// What was found, for a message: short, on one line, without bytes a terminal would obey.
std::string quoted(std::string_view text) {
    constexpr std::size_t shown_bytes_max = 40;
    auto size = std::min(text.size(), shown_bytes_max);
    // A cut inside a character would leave ill-formed UTF-8.
    const auto is_inside = [&](char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; };
    while (size != 0 && size < text.size() && is_inside(text[size])) --size;
    std::string out = "'";
    for (const char c : text.substr(0, size)) {
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20 || byte == 0x7F ? '?' : c;
    }
    if (size < text.size()) out += "…";
    return out + "'";
}

void append_utf8(std::string& text, std::uint32_t point) {
    const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (point < 0x80) return put(point);
    if (point < 0x800) {
        put(0xC0U | (point >> 6U));
    } else if (point < 0x10000) {
        put(0xE0U | (point >> 12U));
        put(0x80U | ((point >> 6U) & 0x3FU));
    } else {
        put(0xF0U | (point >> 18U));
        put(0x80U | ((point >> 12U) & 0x3FU));
        put(0x80U | ((point >> 6U) & 0x3FU));
    }
    put(0x80U | (point & 0x3FU));
}

/// The first error of a text; what is read after it does not count.
class Failure {
public:
    /// Always false, for `return failure.at(…)`.
    bool at(Place place, std::string message) {
        if (!error_) error_ = {place.line, place.column, std::move(message)};
        return false;
    }
    [[nodiscard]] const std::optional<SyntaxError>& error() const { return error_; }

private:
    std::optional<SyntaxError> error_;
};

class Scanner {
public:
    Scanner(std::string_view text, Failure& failure) : rest_{text}, failure_{failure} {}

    /// False after an error.
    bool take(Token& token) {
        skip_space();
        token = {.kind = Token::Kind::end, .place = place_, .text = {}, .is_quoted = false};
        if (rest_.empty()) return true;
        const char first = rest_.front();
        if (first == '"' || first == '\'') return take_quoted(token);
        if (is_atom_start(first)) {
            token.kind = Token::Kind::atom;
            while (!rest_.empty() && is_atom_part(rest_.front())) token.text += take_char();
            return true;
        }
        if (std::string_view{"{}[],."}.find(first) == std::string_view::npos)
            return failure_.at(place_, "did not expect " + found());
        token.kind = Token::Kind::mark;
        token.text = take_char();
        return true;
    }

private:
    char take_char() {
        const char c = rest_.front();
        rest_.remove_prefix(1);
        if (c == '\n') {
            ++place_.line;
            place_.column = 1;
        } else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {
            ++place_.column;  // once for each character of UTF-8, not for each byte
        }
        return c;
    }

    void skip_space() {
        while (!rest_.empty()) {
            if (is_space(rest_.front())) {
                take_char();
            } else if (rest_.front() == '%') {
                while (!rest_.empty() && rest_.front() != '\n') take_char();
            } else {
                return;
            }
        }
    }

    /// The word at which reading stopped.
    [[nodiscard]] std::string found() const {
        std::size_t size = 1;
        while (size < rest_.size() && !is_space(rest_[size]) &&
               std::string_view{"{}[],.\"'"}.find(rest_[size]) == std::string_view::npos)
            ++size;
        return quoted(rest_.substr(0, size));
    }

    bool take_quoted(Token& token) {
        const char quote = take_char();
        token.kind = quote == '"' ? Token::Kind::string : Token::Kind::atom;
        token.is_quoted = true;
        for (;;) {
            if (rest_.empty() || rest_.front() == '\n')
                return failure_.at(token.place,
                                   std::string{"expected a closing "} + quote + " on this line");
            if (rest_.front() == quote) break;
            if (rest_.front() != '\\') {
                token.text += take_char();
            } else if (!take_escape(token.text)) {
                return false;
            }
        }
        take_char();
        return true;
    }

    /// Erlang's escapes; the backslash is still there.
    bool take_escape(std::string& text) {
        const auto place = place_;
        take_char();
        if (rest_.empty() || rest_.front() == '\n')
            return failure_.at(place, "expected a character behind the backslash");
        constexpr std::string_view names = "bdefnrstv";
        constexpr std::string_view meanings = "\b\x7F\x1B\f\n\r \t\v";
        const char c = take_char();
        if (c == 'x') return take_code(text, place);
        if (c >= '0' && c <= '7') {
            take_octal(text, c);
        } else if (c == '^' && !rest_.empty() && rest_.front() != '\n') {
            text += static_cast<char>(static_cast<unsigned char>(take_char()) & 0x1FU);
        } else {
            const auto name = names.find(c);
            text += name == std::string_view::npos ? c : meanings[name];
        }
        return true;
    }

    void take_octal(std::string& text, char first) {
        auto point = static_cast<std::uint32_t>(first - '0');
        for (int i = 0; i < 2 && !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '7';
             ++i)
            point = point * 8 + static_cast<std::uint32_t>(take_char() - '0');
        append_utf8(text, point);
    }

    /// `\xHH` or `\x{H…}`, behind the x.
    bool take_code(std::string& text, Place place) {
        const bool has_braces = !rest_.empty() && rest_.front() == '{';
        const auto end = has_braces ? rest_.find('}') : std::size_t{2};
        const auto digits = rest_.substr(0, end).substr(has_braces ? 1 : 0);
        std::uint32_t point = 0;
        const auto* const last = digits.data() + digits.size();
        const auto [stop, error] = std::from_chars(digits.data(), last, point, 16);
        const bool is_point = point <= 0x10FFFF && !(point >= 0xD800 && point <= 0xDFFF);
        if (end >= rest_.size() || error != std::errc{} || stop != last || !is_point)
            return failure_.at(place,
                               "expected a character's code behind \\x, as in \\xE4 or \\x{20AC}");
        for (std::size_t i = 0; i < end + (has_braces ? 1 : 0); ++i) take_char();
        append_utf8(text, point);
        return true;
    }

    std::string_view rest_;
    Place place_;
    Failure& failure_;
};

/// Each take_… begins at the first token of what it takes and ends at its last one; false after an
/// error.
class Parser {
public:
    Parser(std::string_view text, Failure& failure) : failure_{failure}, scanner_{text, failure} {}

    bool take_rules(std::vector<Rule>& rules) {
        for (;;) {
            if (!advance()) return false;
            if (token_.kind == Token::Kind::end) return true;
            if (!take_rule(rules.emplace_back())) return false;
        }
    }

private:
    bool take_rule(Rule& rule) {
        rule.line = token_.place.line;
        if (!expect("{", "a rule, as in {allow, all}.") || !advance()) return false;
        if (!is_atom("allow") && !is_atom("deny")) return unexpected("allow or deny");
        rule.verdict = is_atom("allow") ? Verdict::allow : Verdict::deny;
        if (!advance_to(",", "a comma behind the permission") || !advance()) return false;
        const bool may_end = is_atom("all");
        if (!take_who(rule.who, 0) || !advance()) return false;
        if (may_end && is_mark("}")) {
            rule.is_for_all_topics = true;
            return advance_to(".", "a full stop at the end of the rule");
        }
        return expect(",", may_end ? "} or a comma" : "a comma and subscribe, publish or pubsub") &&
               advance() && take_access(rule) && advance_to(",", "a comma and a list of topics") &&
               advance() && take_topics(rule.filters) &&
               advance_to("}", "} at the end of the rule") &&
               advance_to(".", "a full stop at the end of the rule");
    }

    bool take_who(Who& who, unsigned depth) {
        if (is_atom("all")) return true;
        if (!expect("{", "all, {user, …}, {client, …}, {ipaddr, …}, {'and', […]} or {'or', […]}") ||
            !advance() || !take_who_kind(who) || !advance_to(",", "a comma") || !advance() ||
            !take_who_argument(who, depth))
            return false;
        return advance_to("}", "}");
    }

    bool take_who_kind(Who& who) {
        if (is_atom("user")) {
            who.kind = Who::Kind::user;
        } else if (is_atom("client")) {
            who.kind = Who::Kind::client;
        } else if (is_atom("ipaddr")) {
            who.kind = Who::Kind::address;
        } else if (is_atom("and") && token_.is_quoted) {
            who.kind = Who::Kind::all_of;
        } else if (is_atom("or") && token_.is_quoted) {
            who.kind = Who::Kind::any_of;
        } else {
            // Erlang reserves the words and, or.
            return unexpected("user, client, ipaddr, or in single quotes 'and', 'or'");
        }
        return true;
    }

    bool take_who_argument(Who& who, unsigned depth) {
        switch (who.kind) {
            case Who::Kind::user:
            case Who::Kind::client:
                // {user, all} and {client, all} are other words for all.
                if (is_atom("all")) {
                    who.kind = Who::Kind::everybody;
                    return true;
                }
                who.name = token_.text;
                return token_.kind == Token::Kind::string ||
                       unexpected("a name in double quotes, or all");
            case Who::Kind::address:
                if (token_.kind == Token::Kind::string)
                    who.range = AddressRange::from_text(token_.text);
                return who.range.has_value() ||
                       unexpected(
                           "an address or a range, as in \"10.1.0.0/16\" or \"2001:db8::/32\"");
            case Who::Kind::all_of:
            case Who::Kind::any_of: return take_parts(who.parts, depth);
            case Who::Kind::everybody: break;
        }
        UNREACHABLE();  // take_who_kind sets one of the others.
    }

    bool take_parts(std::vector<Who>& parts, unsigned depth) {
        if (depth == who_depth_max)
            return unexpected("no more than 32 'and' and 'or' inside each other");
        if (!expect("[", "a list, as in [{user, \"u\"}, {ipaddr, \"10.0.0.0/8\"}]")) return false;
        do {
            if (!advance() || !take_who(parts.emplace_back(), depth + 1) || !advance())
                return false;
        } while (is_mark(","));
        return expect("]", "a comma or ]");
    }

    bool take_access(Rule& rule) {
        if (!is_atom("subscribe") && !is_atom("publish") && !is_atom("pubsub"))
            return unexpected("subscribe, publish or pubsub");
        rule.is_for_publish = !is_atom("subscribe");
        rule.is_for_subscribe = !is_atom("publish");
        return true;
    }

    bool take_topics(std::vector<Filter>& filters) {
        if (!expect("[", "a list of topics, as in [\"a/b\", {eq, \"#\"}]")) return false;
        do {
            if (!advance() || !take_topic(filters.emplace_back()) || !advance()) return false;
        } while (is_mark(","));
        return expect("]", "a comma or ] in the list of topics");
    }

    bool take_topic(Filter& filter) {
        if (!is_mark("{"))
            return take_filter(filter, "a topic in double quotes, or {eq, \"topic\"}") &&
                   split(filter);
        if (!advance()) return false;
        if (!is_atom("eq")) return unexpected("eq, as in {eq, \"#\"}");
        return advance_to(",", "a comma") && advance() &&
               take_filter(filter, "a topic in double quotes") && advance_to("}", "}");
    }

    bool take_filter(Filter& filter, std::string_view wanted) {
        if (token_.kind != Token::Kind::string) return unexpected(wanted);
        if (!wire::is_topic_filter(token_.text) || token_.text.find('\0') != std::string::npos)
            return unexpected("a Topic Filter: not empty, + and # as whole levels, # last");
        filter.text = token_.text;
        return true;
    }

    bool split(Filter& filter) {
        bool is_plain = true;
        for (std::string_view rest = filter.text;;) {
            const auto slash = rest.find('/');
            const auto text = rest.substr(0, slash);
            auto& level = filter.levels.emplace_back();
            level.variable = variable_of(text);
            if (text == "+") {
                level.kind = Level::Kind::plus;
            } else if (text == "#") {
                level.kind = Level::Kind::hash;
            } else if (level.variable != Variable::none) {
                level.kind = Level::Kind::variable;
            } else if (text.find("%c") != text.npos || text.find("%u") != text.npos) {
                return unexpected("%c and %u as whole levels, as in \"devices/%c/state\"");
            } else {
                level.literal = text;
            }
            is_plain = is_plain && level.kind == Level::Kind::literal;
            if (slash == std::string_view::npos) break;
            rest.remove_prefix(slash + 1);
        }
        if (is_plain) filter.levels.clear();
        return true;
    }

    bool advance() { return scanner_.take(token_); }
    bool advance_to(std::string_view mark, std::string_view wanted) {
        return advance() && expect(mark, wanted);
    }
    bool expect(std::string_view mark, std::string_view wanted) {
        return is_mark(mark) || unexpected(wanted);
    }
    [[nodiscard]] bool is_mark(std::string_view text) const {
        return token_.kind == Token::Kind::mark && token_.text == text;
    }
    [[nodiscard]] bool is_atom(std::string_view name) const {
        return token_.kind == Token::Kind::atom && token_.text == name;
    }
    bool unexpected(std::string_view wanted) {
        std::string message = "expected ";
        message += wanted;
        message += ", found ";
        if (token_.kind == Token::Kind::end) {
            message += "the end of the text";
        } else if (token_.kind == Token::Kind::string) {
            auto shown = quoted(token_.text);
            shown.front() = shown.back() = '"';
            message += shown;
        } else {
            message += quoted(token_.text);
        }
        return failure_.at(token_.place, std::move(message));
    }

    Failure& failure_;
    Scanner scanner_;
    Token token_;
};

}  // namespace

Parsed<AccessRules> AccessRules::parse(std::string_view text) {
    Failure failure;
    std::vector<Rule> rules;
    if (!Parser{text, failure}.take_rules(rules)) return *failure.error();
    return AccessRules{std::move(rules)};
}

}  // namespace touchstone::access
