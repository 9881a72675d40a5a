// Names in the table of keys: found, corrected, and turned into environment variables.
#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "broker/base/edit_distance.hpp"
#include "broker/settings/keys.hpp"

namespace touchstone::settings {

namespace {

constexpr std::string_view variable_prefix = "TOUCHSTONE_";
constexpr std::size_t name_size_max = 200;  // longer ones are no misspelt keys
constexpr std::string_view number_part = "<n>";

using Parts = std::vector<std::string_view>;

Parts parts_of(std::string_view name) {
    Parts parts;
    for (;;) {
        const auto point = name.find('.');
        parts.push_back(name.substr(0, point));
        if (point == std::string_view::npos) return parts;
        name.remove_prefix(point + 1);
    }
}

bool is_free(std::string_view part) {
    return part.starts_with('<');
}

/// Whether `part` can stand for `free`, as in <ssl|wss>.
bool can_stand_for(std::string_view part, std::string_view free) {
    if (free == number_part) {
        constexpr std::size_t digits_max = 6;
        return !part.empty() && part.size() <= digits_max && part.front() != '0' &&
               part.find_first_not_of("0123456789") == part.npos;
    }
    if (free == "<zone>" || free == "<name>") return is_name(part);
    for (auto words = free.substr(1, free.size() - 2);;) {
        const auto bar = words.find('|');
        if (words.substr(0, bar) == part) return true;
        if (bar == words.npos) return false;
        words.remove_prefix(bar + 1);
    }
}

/// Something that can stand for `free`.
std::string_view example_of(std::string_view free) {
    if (free == number_part) return "1";
    if (free == "<zone>" || free == "<name>") return "external";
    const auto words = free.substr(1, free.size() - 2);
    return words.substr(0, words.find('|'));
}

struct Pattern {
    const Key* key;
    Parts parts;
};

const std::vector<Pattern>& patterns() {
    static const std::vector<Pattern> all = [] {
        std::vector<Pattern> made;
        for (const auto& key : keys()) made.push_back({&key, parts_of(key.pattern)});
        return made;
    }();
    return all;
}

/// Names without free parts: the key, and its name in the table.
const std::map<std::string_view, std::pair<const Key*, std::string_view>>& plain_names() {
    static const auto all = [] {
        std::map<std::string_view, std::pair<const Key*, std::string_view>> made;
        for (const auto& key : keys()) {
            const std::string_view name =
                key.scope == Scope::zone ? key.for_all_zones : key.pattern;
            if (name.find('<') == name.npos) made[name] = {&key, name};
            for (const auto& other : key.also) made[other] = {&key, name};
        }
        return made;
    }();
    return all;
}

/// Keys that compatible brokers know and that have no meaning here. A * at the end stands for
/// anything.
struct ForeignKey {
    std::string_view pattern;
    std::string_view why;
};
constexpr std::array<ForeignKey, 21> foreign_keys{
    {{"listener.<tcp|ssl|ws|wss>.<name>.acceptors", "every shard accepts; see node.shards"},
     {"listener.<tcp|ssl|ws|wss>.<name>.active_n", "a read takes what there is"},
     {"listener.<tcp|ssl|ws|wss>.<name>.reuseaddr", "addresses are always reused"},
     {"listener.<ssl|wss>.<name>.psk_ciphers", "pre-shared keys are not supported"},
     {"listener.<ssl|wss>.<name>.dhfile", "parameters are OpenSSL's"},
     {"node.cookie", "nodes do not log in to each other by a cookie"},
     {"cluster.*", "a node stands alone"},
     {"rpc.*", "a node stands alone"},
     {"broker.enable_session_registry", "there is always one session for a client"},
     {"broker.session_locking_strategy", "there is always one session for a client"},
     {"broker.route_batch_clean", "a node stands alone"},
     {"broker.shared_dispatch_ack_enabled", "a member that cannot take a message is passed over"},
     {"zone.<zone>.await_rel_timeout", "forgetting a QoS 2 message would deliver it twice"},
     {"mqtt.await_rel_timeout", "forgetting a QoS 2 message would deliver it twice"},
     {"module.rewrite.*", "topics are not rewritten"},
     {"log.to", "the log goes to standard error"},
     {"log.dir", "the log goes to standard error"},
     {"log.file", "the log goes to standard error"},
     {"log.rotation.*", "the log goes to standard error"},
     {"plugins.*", "there are no plugins"},
     {"auth.*", "users are in password_file, Client Identifiers in client_id_list"}}};

bool is_matched(const Parts& pattern, const Parts& name) {
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == "*") return i < name.size();
        if (i == name.size()) return false;
        const bool fits =
            is_free(pattern[i]) ? can_stand_for(name[i], pattern[i]) : name[i] == pattern[i];
        if (!fits) return false;
    }
    return pattern.size() == name.size();
}

/// The pattern as `name` could have meant it: its own parts where they can stand.
std::string adapted(const Parts& pattern, const Parts& name) {
    std::string text;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (i != 0) text += '.';
        const bool has_part = i < name.size();
        if (!is_free(pattern[i]))
            text += pattern[i];
        else
            text +=
                has_part && can_stand_for(name[i], pattern[i]) ? name[i] : example_of(pattern[i]);
    }
    return text;
}

}  // namespace

bool is_name(std::string_view text) {
    const auto is_part = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    };
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, is_part) &&
           text.front() != '_' && text.back() != '_' && text.find("__") == text.npos;
}

std::optional<KeyMatch> find_key(std::string_view name) {
    if (const auto found = plain_names().find(name); found != plain_names().end()) {
        const auto& [key, canonical] = found->second;
        return KeyMatch{.key = key,
                        .name = std::string{canonical},
                        .parts = {},
                        .is_for_all_zones = key->scope == Scope::zone};
    }
    const auto parts = parts_of(name);
    for (const auto& pattern : patterns()) {
        if (!is_matched(pattern.parts, parts)) continue;
        KeyMatch match{.key = pattern.key, .name = std::string{name}, .parts = {}};
        for (std::size_t i = 0; i < parts.size(); ++i)
            if (is_free(pattern.parts[i])) match.parts.emplace_back(parts[i]);
        return match;
    }
    return std::nullopt;
}

std::string nearest(std::string_view text, std::span<const std::string> known) {
    const std::string* best = nullptr;
    auto best_distance = std::max<std::size_t>(2, text.size() / 3) + 1;
    for (const auto& one : known) {
        const auto changes = edit_distance(text, one);
        if (changes >= best_distance) continue;
        best_distance = changes;
        best = &one;
    }
    return best == nullptr ? std::string{} : *best;
}

std::string advice_for_unknown_key(std::string_view name) {
    constexpr std::string_view all = "`touchstone broker --help-settings` lists all keys";
    if (name.size() > name_size_max) return std::string{all};
    const auto parts = parts_of(name);
    for (const auto& foreign : foreign_keys)
        if (is_matched(parts_of(foreign.pattern), parts))
            return "it has no meaning here, remove it: " + std::string{foreign.why};
    std::vector<std::string> known;
    for (const auto& pattern : patterns()) known.push_back(adapted(pattern.parts, parts));
    for (const auto& [plain, found] : plain_names()) known.emplace_back(plain);
    for (const auto& one : known)  // the end of a name
        if (one.size() > name.size() && one.ends_with(name) &&
            one[one.size() - name.size() - 1] == '.')
            return "the nearest key is " + one;
    const auto best = nearest(name, known);
    if (best.empty()) return std::string{all};
    return "the nearest key is " + best;
}

std::string variable_of(std::string_view name) {
    std::string variable{variable_prefix};
    for (const char c : name) {
        if (c == '.')
            variable += "__";
        else
            variable += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return variable;
}

std::optional<std::string> name_of_variable(std::string_view variable) {
    if (!variable.starts_with(variable_prefix)) return std::nullopt;
    variable.remove_prefix(variable_prefix.size());
    std::string name;
    for (std::size_t i = 0; i < variable.size(); ++i) {
        const char c = variable[i];
        if (c == '_' && variable.substr(i, 2) == "__") {
            name += '.';
            ++i;
        } else {
            name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        }
    }
    return name;
}

std::string filled(std::string_view pattern, std::span<const std::string> parts) {
    std::string text;
    std::size_t next = 0;
    for (const auto part : parts_of(pattern)) {
        if (!text.empty()) text += '.';
        text += is_free(part) ? parts[next++] : part;
    }
    return text;
}

std::string help_text() {
    std::string text = "Settings: a file of lines `key = value` (## begins a comment), environment "
                       "variables, and\n"
                       "options; an option wins over a variable, a variable over the file.\n"
                       "<zone> and <name> are yours to choose (a-z, 0-9, _), <n> is a number from "
                       "1. A key of a zone\n"
                       "has a second name that sets it for all zones.\n";
    std::string_view section;
    for (const auto& key : keys()) {
        if (key.section != section) {
            section = key.section;
            text += "\n" + std::string{section} + "\n";
        }
        text += "  " + key.pattern;
        if (key.scope == Scope::zone) text += ", " + key.for_all_zones;
        for (const auto& other : key.also) text += ", " + other;
        text += "\n      " + std::string{key.meaning} + "\n      ";
        text += static_cast<char>(key.form.front() >= 'a' && key.form.front() <= 'z'
                                      ? key.form.front() - 'a' + 'A'
                                      : key.form.front());
        text += key.form.substr(1) + ". ";
        text += key.default_text.empty() ? "Not set by default."
                                         : "Default: " + std::string{key.default_text} + ".";
        text += key.reload == Reload::live ? " Reload: live.\n" : " Reload: needs a restart.\n";
        text += "      " + variable_of(key.pattern);
        if (key.scope == Scope::zone) text += ", " + variable_of(key.for_all_zones);
        text += "\n";
    }
    return text;
}

}  // namespace touchstone::settings
