#include "conformance/generated/script.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace touchstone::conformance::generated {

namespace {

constexpr std::array<std::pair<Verb, std::string_view>, 10> verbs{{
    {Verb::connect, "connect"},
    {Verb::subscribe, "subscribe"},
    {Verb::unsubscribe, "unsubscribe"},
    {Verb::publish, "publish"},
    {Verb::acknowledge, "acknowledge"},
    {Verb::ping, "ping"},
    {Verb::disconnect, "disconnect"},
    {Verb::cut, "cut"},
    {Verb::wait, "wait"},
    {Verb::wrong, "wrong"},
}};

/// What a word of a verb looks like.
struct WordRule {
    Verb verb;
    std::string_view key;
    enum class Kind : std::uint8_t { flag, number, text } kind;
    std::uint32_t minimum = 0;  // of a number
    std::uint32_t maximum = 0;
    bool is_needed = false;
};

constexpr auto flag = WordRule::Kind::flag;
constexpr auto number = WordRule::Kind::number;
constexpr auto text = WordRule::Kind::text;
constexpr std::uint32_t u16_max = 65'535;
constexpr std::uint32_t u32_max = 0xFFFF'FFFF;
/// Longer waits would only make a run longer.
constexpr std::uint32_t wait_s_max = 86'400;
constexpr std::uint32_t size_bytes_max = 1'000'000;

constexpr auto word_rules = std::to_array<WordRule>({
    {Verb::connect, "version", text},
    {Verb::connect, "id", text},
    {Verb::connect, "clean", flag},
    {Verb::connect, "expiry", number, 0, u32_max},
    {Verb::connect, "receive-maximum", number, 1, u16_max},
    {Verb::connect, "packet-size", number, 20, u32_max},
    {Verb::connect, "alias-maximum", number, 0, u16_max},
    {Verb::connect, "keep-alive", number, 0, u16_max},
    {Verb::connect, "manual", flag},
    {Verb::connect, "property", flag},
    {Verb::connect, "split", number, 1, u16_max},
    {Verb::connect, "joined", flag},
    {Verb::connect, "will", text},
    {Verb::connect, "will-q", number, 0, 2},
    {Verb::connect, "will-retain", flag},
    {Verb::connect, "will-delay", number, 0, u32_max},
    {Verb::connect, "will-expiry", number, 1, u32_max},
    {Verb::connect, "will-properties", flag},
    {Verb::subscribe, "filter", text, 0, 0, true},
    {Verb::subscribe, "identifier", number, 1, 268'435'455},
    {Verb::subscribe, "lose", flag},
    {Verb::unsubscribe, "filter", text, 0, 0, true},
    {Verb::unsubscribe, "lose", flag},
    {Verb::publish, "topic", text, 0, 0, true},
    {Verb::publish, "q", number, 0, 2},
    {Verb::publish, "retain", flag},
    {Verb::publish, "empty", flag},
    {Verb::publish, "size", number, 0, size_bytes_max},
    {Verb::publish, "alias", number, 1, u16_max},
    {Verb::publish, "by-alias", flag},
    {Verb::publish, "expiry", number, 1, u32_max},
    {Verb::publish, "properties", flag},
    {Verb::publish, "response", text},
    {Verb::publish, "cut", number, 1, u16_max},
    {Verb::publish, "lose", flag},
    {Verb::publish, "forget", flag},
    {Verb::acknowledge, "count", number, 1, 100},
    {Verb::acknowledge, "q", number, 1, 2},
    {Verb::acknowledge, "code", number, 0, 255},
    {Verb::acknowledge, "lose", flag},
    {Verb::disconnect, "code", number, 0, 255},
    {Verb::disconnect, "expiry", number, 0, u32_max},
    {Verb::wait, "seconds", number, 1, wait_s_max, true},
    {Verb::wrong, "kind", text, 0, 0, true},
    {Verb::wrong, "version", text},
});

const WordRule* find_rule(Verb verb, std::string_view key) {
    const auto found = std::ranges::find_if(
        word_rules, [&](const WordRule& rule) { return rule.verb == verb && rule.key == key; });
    return found == word_rules.end() ? nullptr : &*found;
}

std::optional<std::uint32_t> to_number(std::string_view digits) {
    std::uint32_t value = 0;
    const auto* const end = digits.data() + digits.size();
    const auto [last, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc{} || last != end) return std::nullopt;
    return value;
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    for (;;) {
        const auto begin = line.find_first_not_of(" \t\r");
        if (begin == std::string_view::npos) return words;
        line.remove_prefix(begin);
        const auto end = std::min(line.find_first_of(" \t\r"), line.size());
        words.push_back(line.substr(0, end));
        line.remove_prefix(end);
    }
}

/// Why `word` cannot stand in a line of `verb`; empty when it can.
std::string mistake_in(Verb verb, const Word& word, bool has_value) {
    const auto* const rule = find_rule(verb, word.key);
    const std::string name{text_of(verb)};
    if (rule == nullptr) {
        std::string known;
        for (const auto& one : word_rules) {
            if (one.verb == verb) known += (known.empty() ? "" : ", ") + std::string{one.key};
        }
        if (known.empty()) return name + " has no words, so not '" + word.key + "'";
        return name + " has no word '" + word.key + "'; it knows " + known;
    }
    if (rule->kind == flag) return has_value ? "'" + word.key + "' has no value" : "";
    if (!has_value || word.value.empty())
        return "'" + word.key + "' needs a value: " + word.key + "=…";
    if (rule->kind == number) {
        const auto value = to_number(word.value);
        if (value.has_value() && *value >= rule->minimum && *value <= rule->maximum) return "";
        return "'" + word.value + "' is no " + word.key + "; expected " +
               std::to_string(rule->minimum) + " to " + std::to_string(rule->maximum);
    }
    if (word.key == "version" && word.value != "5" && word.value != "3.1.1") {
        return "version is 5 or 3.1.1, not '" + word.value + "'";
    }
    if (word.key == "kind" &&
        std::ranges::find(wrong_kinds(), word.value, &WrongKind::name) == wrong_kinds().end()) {
        return "there is no kind '" + word.value + "'; the README of conformance/generated has all";
    }
    return "";
}

/// The step in `line`, which has a word at least. Empty: `problem` says why.
std::optional<Step> parse_step(std::string_view line, std::string& problem) {
    auto words = words_of(line);
    Step step;
    if (words.front().size() == 1 && client_names.find(words.front()) != std::string_view::npos) {
        step.client = words.front().front();
        words.erase(words.begin());
    } else if (words.front() != "wait") {
        problem = "'" + std::string{words.front()} + "' is no client; they are a, b, c and d";
        return std::nullopt;
    }
    const auto verb = words.empty() ? verbs.end()
                                    : std::ranges::find(verbs, words.front(),
                                                        &std::pair<Verb, std::string_view>::second);
    if (verb == verbs.end()) {
        problem = "expected connect, subscribe, unsubscribe, publish, acknowledge, ping, "
                  "disconnect, cut, wait or wrong";
        return std::nullopt;
    }
    step.verb = verb->first;
    words.erase(words.begin());
    for (const auto one : words) {
        const auto equals = one.find('=');
        const bool has_value = equals != std::string_view::npos;
        Word word{std::string{one.substr(0, equals)},
                  has_value ? std::string{one.substr(equals + 1)} : std::string{}};
        problem = mistake_in(step.verb, word, has_value);
        if (!problem.empty()) return std::nullopt;
        step.words.push_back(std::move(word));
    }
    for (const auto& rule : word_rules) {
        if (rule.verb != step.verb || !rule.is_needed || step.has(rule.key)) continue;
        problem = std::string{text_of(step.verb)} + " needs " + std::string{rule.key} + "=…";
        return std::nullopt;
    }
    return step;
}

}  // namespace

std::string_view text_of(Verb verb) {
    const auto found = std::ranges::find(verbs, verb, &std::pair<Verb, std::string_view>::first);
    return found->second;
}

bool Step::has(std::string_view key) const {
    return std::ranges::find(words, key, &Word::key) != words.end();
}

std::optional<std::uint32_t> Step::number_if(std::string_view key) const {
    const auto found = std::ranges::find(words, key, &Word::key);
    if (found == words.end()) return std::nullopt;
    return to_number(found->value);
}

std::uint32_t Step::number(std::string_view key, std::uint32_t otherwise) const {
    return number_if(key).value_or(otherwise);
}

std::string Step::text(std::string_view key, std::string_view otherwise) const {
    const auto found = std::ranges::find(words, key, &Word::key);
    return found == words.end() ? std::string{otherwise} : found->value;
}

std::vector<std::string> Step::all(std::string_view key) const {
    std::vector<std::string> values;
    for (const auto& word : words) {
        if (word.key == key) values.push_back(word.value);
    }
    return values;
}

Step& Step::with(std::string key, std::string value) {
    words.push_back({std::move(key), std::move(value)});
    return *this;
}

Step& Step::with(std::string key, std::uint32_t value) {
    return with(std::move(key), std::to_string(value));
}

std::string to_text(const Step& step) {
    std::string line = step.verb == Verb::wait ? "" : std::string{step.client} + " ";
    line += text_of(step.verb);
    for (const auto& word : step.words) {
        line += " " + word.key;
        const auto* const rule = find_rule(step.verb, word.key);
        if (rule == nullptr || rule->kind != flag) line += "=" + word.value;
    }
    return line;
}

std::string to_text(const Script& script) {
    std::string text;
    for (const auto& step : script) text += to_text(step) + "\n";
    return text;
}

std::optional<Script> parse_script(std::string_view text, std::string& problem) {
    Script script;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (words_of(line).empty() || words_of(line).front().starts_with('#')) continue;
        auto step = parse_step(line, problem);
        if (!step.has_value()) {
            problem = "line " + std::to_string(number) + ": " + problem;
            return std::nullopt;
        }
        script.push_back(std::move(*step));
    }
    if (script.empty()) {
        problem = "line 1: no step; expected lines like 'a connect clean'";
        return std::nullopt;
    }
    return script;
}

std::uint8_t FilterWord::byte(bool is_v5) const {
    if (!is_v5) return qos;
    unsigned value = qos;
    if (no_local) value |= 0x04U;
    if (retain_as_published) value |= 0x08U;
    return static_cast<std::uint8_t>(value | (static_cast<unsigned>(retain_handling) << 4U));
}

FilterWord parse_filter_word(std::string_view text) {
    FilterWord word;
    auto comma = text.find(',');
    word.filter = text.substr(0, comma);
    while (comma != std::string_view::npos) {
        text.remove_prefix(comma + 1);
        comma = text.find(',');
        const auto option = text.substr(0, comma);
        if (option == "nl") word.no_local = true;
        if (option == "rap") word.retain_as_published = true;
        if (option == "q1") word.qos = 1;
        if (option == "q2") word.qos = 2;
        if (option == "rh1") word.retain_handling = 1;
        if (option == "rh2") word.retain_handling = 2;
    }
    // v5 [MQTT-3.8.3-4]: a client does not do that.
    if (word.filter.starts_with("$share/")) word.no_local = false;
    return word;
}

std::string to_text(const FilterWord& filter) {
    std::string text = filter.filter;
    if (filter.qos > 0) text += ",q" + std::to_string(filter.qos);
    if (filter.no_local) text += ",nl";
    if (filter.retain_as_published) text += ",rap";
    if (filter.retain_handling > 0) text += ",rh" + std::to_string(filter.retain_handling);
    return text;
}

const std::vector<WrongKind>& wrong_kinds() {
    static const std::vector<WrongKind> kinds{
        {"second-connect", false, "CONNECT on a connection that has one"},
        {"pubrel-flags", false, "PUBREL with flags 0"},
        {"subscribe-flags", false, "SUBSCRIBE with flags 0"},
        {"unsubscribe-flags", false, "UNSUBSCRIBE with flags 0"},
        {"subscribe-options", false, "SUBSCRIBE with reserved Subscription Options"},
        {"disconnect-flags", false, "DISCONNECT with flags 1"},
        {"pingreq-flags", false, "PINGREQ with flags 1"},
        {"publish-qos-3", false, "PUBLISH with both QoS bits"},
        {"publish-wildcard", false, "PUBLISH to a Topic Name with a wildcard"},
        {"publish-utf8", false, "PUBLISH to a Topic Name that is no UTF-8"},
        {"publish-id-0", false, "PUBLISH at QoS 1 with Packet Identifier 0"},
        {"publish-no-topic", false, "PUBLISH without Topic Name and Topic Alias"},
        {"publish-response-wildcard", false, "PUBLISH whose Response Topic has a wildcard"},
        {"publish-identifier", false, "PUBLISH with a Subscription Identifier"},
        {"publish-property-utf8", false, "PUBLISH with a User Property that is no UTF-8"},
        {"publish-above-qos", false, "PUBLISH above the Maximum QoS of the broker"},
        {"publish-retain", false, "PUBLISH with RETAIN 1 to a broker that retains nothing"},
        {"publish-too-large", false, "PUBLISH above the Maximum Packet Size of the broker"},
        {"publish-bad-alias", false, "PUBLISH with a Topic Alias that has no mapping"},
        {"subscribe-empty", false, "SUBSCRIBE without a Topic Filter"},
        {"subscribe-bad-filter", false, "SUBSCRIBE with misplaced wildcards"},
        {"subscribe-no-filter", false, "SUBSCRIBE with a Topic Filter of no characters"},
        {"subscribe-bad-share", false, "SUBSCRIBE with wildcards in a ShareName"},
        {"unsubscribe-empty", false, "UNSUBSCRIBE without a Topic Filter"},
        {"suback", false, "SUBACK, which a client never sends"},
        {"auth", false, "AUTH without an Authentication Method in CONNECT"},
        {"auth-flags", false, "AUTH with flags 1"},
        {"text-frame", false, "PINGREQ in a text frame of WebSocket"},
        {"ping-frame", false, "a Ping frame of WebSocket, which is no mistake"},
        {"first-ping", true, "PINGREQ before CONNECT"},
        {"connect-flag", true, "CONNECT with the reserved Connect Flag"},
        {"connect-name", true, "CONNECT with the Protocol Name MQTZ"},
        {"connect-version", true, "CONNECT with Protocol Version 9"},
        {"connect-will-qos-3", true, "CONNECT with Will QoS 3"},
        {"connect-will-empty", true, "CONNECT with an empty Will Topic"},
        {"connect-will-wildcard", true, "3.1.1: CONNECT whose Will Topic has a wildcard"},
        {"connect-empty-id", true, "3.1.1: no Client Identifier and CleanSession 0"},
    };
    return kinds;
}

}  // namespace touchstone::conformance::generated
