#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "broker/access/access_rules.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone::access {
namespace {

using enum Verdict;
using enum Action;

AccessRules rules(std::string_view text) {
    auto parsed = AccessRules::parse(text);
    EXPECT_TRUE(parsed.has_value()) << parsed.error().message;
    return std::move(parsed).value();
}

Client client(std::string_view client_id, std::optional<std::string_view> user_name = {},
              std::string_view address = "192.0.2.1") {
    return {.client_id = client_id,
            .user_name = user_name,
            .address = PeerAddress::from_text(address).value()};
}

Verdict verdict(const AccessRules& rules, const Client& client, Action action,
                std::string_view topic) {
    return rules.decide(client, action, topic).verdict;
}

// --- Meaning -----------------------------------------------------------------------------------

constexpr std::string_view example = R"(
%% The dashboard may watch the broker.
{allow, {user, "dashboard"}, subscribe, ["$SYS/#"]}.

{allow, {ipaddr, "127.0.0.1"}, pubsub, ["$SYS/#", "#"]}.

{deny, all, subscribe, ["$SYS/#", {eq, "#"}]}.

{allow, all}.
)";

TEST(access_rules, decide_as_the_example_says) {
    const auto list = rules(example);
    EXPECT_EQ(list.size(), 4U);
    EXPECT_TRUE(list.has_catch_all());
    EXPECT_EQ(list.decide(client("c", "dashboard"), subscribe, "$SYS/#"), (Ruling{allow, 3}));
    EXPECT_EQ(list.decide(client("c", "dashboard"), subscribe, "$SYS/a/b"), (Ruling{allow, 3}));
    EXPECT_EQ(list.decide(client("c", {}, "127.0.0.1"), subscribe, "#"), (Ruling{allow, 5}));
    EXPECT_EQ(list.decide(client("c"), subscribe, "$SYS/#"), (Ruling{deny, 7}));
    EXPECT_EQ(list.decide(client("c"), subscribe, "$SYS/brokers"), (Ruling{deny, 7}));
    EXPECT_EQ(list.decide(client("c"), subscribe, "#"), (Ruling{deny, 7}));
    EXPECT_EQ(list.decide(client("c"), subscribe, "a/#"), (Ruling{allow, 9}));
    EXPECT_EQ(list.decide(client("c"), publish, "$SYS/x"), (Ruling{allow, 9}));
}

TEST(access_rules, of_a_node_without_a_file_give_only_this_machine_the_whole_tree) {
    const auto list = rules(default_rules_text);
    for (const auto* const address : {"127.0.0.1", "127.9.9.9", "::1"}) {
        EXPECT_EQ(verdict(list, client("c", {}, address), subscribe, "$SYS/#"), allow);
        EXPECT_EQ(verdict(list, client("c", {}, address), subscribe, "#"), allow);
    }
    EXPECT_EQ(verdict(list, client("c", "dashboard"), subscribe, "$SYS/#"), deny);
    EXPECT_EQ(verdict(list, client("c"), subscribe, "#"), deny);
    EXPECT_EQ(verdict(list, client("c"), subscribe, "+/#"), allow);
    EXPECT_EQ(verdict(list, client("c"), publish, "a"), allow);
}

TEST(access_rules, without_a_match_leave_the_decision_to_others) {
    const auto list = rules(R"({allow, all, publish, ["a"]}.)");
    EXPECT_FALSE(list.has_catch_all());
    EXPECT_EQ(list.decide(client("c"), publish, "b"), Ruling{});
    EXPECT_EQ(list.decide(client("c"), subscribe, "a"), Ruling{});
    EXPECT_EQ(AccessRules{}.decide(client("c"), publish, "a"), Ruling{});
}

TEST(access_rules, tell_the_literal_filter_from_the_wildcard) {
    const auto literal = rules(R"({deny, all, pubsub, [{eq, "#"}, {eq, "a/%c"}]}.)");
    EXPECT_EQ(verdict(literal, client("c"), subscribe, "#"), deny);
    EXPECT_EQ(verdict(literal, client("c"), subscribe, "a"), no_match);
    EXPECT_EQ(verdict(literal, client("c"), subscribe, "a/%c"), deny);
    EXPECT_EQ(verdict(literal, client("c"), subscribe, "a/c"), no_match);
    const auto wildcard = rules(R"({deny, all, pubsub, ["#"]}.)");
    EXPECT_EQ(verdict(wildcard, client("c"), subscribe, "#"), deny);
    EXPECT_EQ(verdict(wildcard, client("c"), subscribe, "a/+"), deny);
    EXPECT_EQ(verdict(wildcard, client("c"), publish, "$SYS/a"), deny);
}

TEST(access_rules, allow_a_filter_only_when_it_reaches_no_further_and_deny_it_when_it_touches) {
    const auto allowing = rules(R"({allow, all, subscribe, ["a/+", "b/#"]}.)");
    const auto denying = rules(R"({deny, all, subscribe, ["a/+", "b/#"]}.)");
    for (const auto* const filter : {"a/+", "a/x", "b", "b/#", "b/+/c", "b/+/#"}) {
        EXPECT_EQ(verdict(allowing, client("c"), subscribe, filter), allow) << filter;
        EXPECT_EQ(verdict(denying, client("c"), subscribe, filter), deny) << filter;
    }
    EXPECT_EQ(verdict(allowing, client("c"), subscribe, "a/#"), no_match);
    EXPECT_EQ(verdict(denying, client("c"), subscribe, "a/#"), deny);
    for (const auto* const filter : {"#", "+/x", "a/+/x", "a"}) {
        EXPECT_EQ(verdict(allowing, client("c"), subscribe, filter), no_match) << filter;
        EXPECT_EQ(verdict(denying, client("c"), subscribe, filter), no_match) << filter;
    }
}

TEST(access_rules, put_client_and_user_in_as_whole_levels) {
    const auto list = rules(R"({allow, all, pubsub, ["c/%c/+", "u/%u/#", "other"]}.)");
    EXPECT_EQ(verdict(list, client("me"), publish, "c/me/x"), allow);
    EXPECT_EQ(verdict(list, client("me"), publish, "c/you/x"), no_match);
    EXPECT_EQ(verdict(list, client("me", "anna"), subscribe, "u/anna/#"), allow);
    EXPECT_EQ(verdict(list, client("me", "anna"), subscribe, "u/bert/#"), no_match);
    // Without a User Name %u stands for nothing, not even for itself; the other filters hold.
    EXPECT_EQ(verdict(list, client("me"), publish, "u/%u/x"), no_match);
    EXPECT_EQ(verdict(list, client("me"), publish, "other"), allow);
}

TEST(access_rules, give_nobody_more_for_a_name_with_wildcards) {
    const auto list = rules(R"({allow, all, pubsub, ["c/%c/x", "u/%u"]}.)");
    EXPECT_EQ(verdict(list, client("+", "#"), subscribe, "c/+/x"), no_match);
    EXPECT_EQ(verdict(list, client("+", "#"), subscribe, "u/#"), no_match);
    EXPECT_EQ(verdict(list, client("a/b"), publish, "c/a/b/x"), no_match);
    EXPECT_EQ(verdict(list, client("", ""), publish, "u/"), no_match);
}

TEST(access_rules, ask_for_user_client_address_and_their_combinations) {
    const auto list = rules(R"(
        {allow, {user, "u"}, publish, ["user"]}.
        {allow, {client, "c"}, publish, ["client"]}.
        {allow, {ipaddr, "10.0.0.0/8"}, publish, ["v4"]}.
        {allow, {ipaddr, "2001:db8::/32"}, publish, ["v6"]}.
        {allow, {user, all}, publish, ["users"]}.
        {allow, {client, all}, publish, ["clients"]}.
        {allow, {'and', [{user, "u"}, {ipaddr, "10.0.0.0/8"}]}, publish, ["and"]}.
        {allow, {'or', [{user, "u"}, {'and', [{client, "c"}, {ipaddr, "::1"}]}]}, publish, ["or"]}.
    )");
    const auto allowed = [&](const Client& who) {
        std::string topics;
        for (const auto* const topic :
             {"user", "client", "v4", "v6", "users", "clients", "and", "or"})
            if (verdict(list, who, publish, topic) == allow) topics += std::string{topic} + " ";
        return topics;
    };
    EXPECT_EQ(allowed(client("x")), "users clients ");
    EXPECT_EQ(allowed(client("x", "u")), "user users clients or ");
    EXPECT_EQ(allowed(client("x", "u", "10.1.1.1")), "user v4 users clients and or ");
    EXPECT_EQ(allowed(client("c")), "client users clients ");
    EXPECT_EQ(allowed(client("c", {}, "::1")), "client users clients or ");
    EXPECT_EQ(allowed(client("x", {}, "2001:db8::9")), "v6 users clients ");
}

TEST(access_rules, keep_their_order_whoever_they_are_for) {
    const auto list = rules(R"(
        {deny, {client, "c"}, publish, ["t"]}.
        {allow, all, publish, ["t"]}.
        {deny, {user, "u"}, publish, ["t"]}.
        {deny, {user, "v"}, publish, ["s"]}.
        {allow, {client, "d"}, publish, ["s"]}.
    )");
    EXPECT_EQ(list.decide(client("c", "u"), publish, "t"), (Ruling{deny, 2}));
    EXPECT_EQ(list.decide(client("x", "u"), publish, "t"), (Ruling{allow, 3}));
    EXPECT_EQ(list.decide(client("d", "v"), publish, "s"), (Ruling{deny, 5}));
    EXPECT_EQ(list.decide(client("d", "w"), publish, "s"), (Ruling{allow, 6}));
}

// --- Grammar -----------------------------------------------------------------------------------

TEST(access_rules, are_read_with_comments_escapes_and_any_white_space) {
    const auto list =
        rules("%% only a comment\n{deny,all,publish,[\"a%b\",\n  {eq,\"\\\"\\x41\\x{20AC}\\101\"}]}"
              ". % another\r\n\t{ 'allow' , 'all' }.%");
    EXPECT_EQ(list.decide(client("c"), publish, "a%b"), (Ruling{deny, 2}));
    EXPECT_EQ(list.decide(client("c"), publish,
                          "\"A\xE2\x82\xAC"
                          "A"),
              (Ruling{deny, 2}));
    EXPECT_EQ(list.decide(client("c"), publish, "x"), (Ruling{allow, 4}));
    EXPECT_EQ(rules("").size(), 0U);
    EXPECT_EQ(rules(" %% {deny, all}.").size(), 0U);
}

struct Mistake {
    const char* text;
    std::uint32_t line;
    std::uint32_t column;
    const char* message;  // a part of it
};

TEST(access_rules, name_the_place_of_a_mistake_and_what_was_expected) {
    for (const auto& [text, line, column, message] : std::vector<Mistake>{
             {"{alow, all}.", 1, 2, "expected allow or deny, found 'alow'"},
             {"{allow, all}", 1, 13, "expected a full stop at the end of the rule, found the end"},
             {"{allow, all}.\n\n{deny all}.", 3, 7, "expected a comma behind the permission"},
             {"{allow, all, all}.", 1, 14, "expected subscribe, publish or pubsub, found 'all'"},
             {"{allow, {user, u}, publish, [\"a\"]}.", 1, 16, "a name in double quotes, or all"},
             {"{allow, {user, \"u\"}}.", 1, 20, "a comma and subscribe, publish or pubsub"},
             {"{allow, {client, all}}.", 1, 22, "a comma and subscribe, publish or pubsub"},
             {"{allow, {ipaddr, \"10.0.0.0/33\"}, publish, [\"a\"]}.", 1, 18, "\"10.0.0.0/33\""},
             {"{allow, {ipaddr, all}, publish, [\"a\"]}.", 1, 18, "an address or a range"},
             {"{allow, {and, [all]}, publish, [\"a\"]}.", 1, 10, "in single quotes 'and', 'or'"},
             {"{allow, {'and', []}, publish, [\"a\"]}.", 1, 18, "expected all, {user, …}"},
             {"{allow, all, publish, []}.", 1, 24, "a topic in double quotes"},
             {"{allow, all, publish, \"a\"}.", 1, 23, "a list of topics"},
             {"{allow, all, publish, [\"a\" \"b\"]}.", 1, 28, "a comma or ] in the list"},
             {"{allow, all, publish, [\"a/#/b\"]}.", 1, 24, "a Topic Filter"},
             {"{allow, all, publish, [\"\"]}.", 1, 24, "a Topic Filter"},
             {"{allow, all, publish, [\"dev-%c\"]}.", 1, 24, "%c and %u as whole levels"},
             {"{allow, all, publish, [{qe, \"#\"}]}.", 1, 25, "eq, as in {eq, \"#\"}, found 'qe'"},
             {"{allow, all, publish, [\"a]}.\n", 1, 24, "a closing \" on this line"},
             {"{\xC3\xA4llow, all}.", 1, 2, "did not expect '\xC3\xA4llow'"},
             {"{allow, {user, \"\xC3\xA4\xC3\xB6\"}; publish}.", 1, 21, "did not expect ';'"},
             {"{allow, {user, \"\\xZZ\"}}.", 1, 17, "a character's code behind \\x"},
             {"{allow, {user, \"\\x{110000}\"}}.", 1, 17, "a character's code behind \\x"},
             {"allow.", 1, 1, "expected a rule, as in {allow, all}."},
         }) {
        const auto parsed = AccessRules::parse(text);
        ASSERT_TRUE(parsed.has_error()) << text;
        EXPECT_EQ(parsed.error().line, line) << text;
        EXPECT_EQ(parsed.error().column, column) << text << "\n" << parsed.error().message;
        EXPECT_NE(parsed.error().message.find(message), std::string::npos)
            << text << "\n"
            << parsed.error().message;
    }
}

TEST(access_rules, do_not_let_nesting_use_up_the_stack) {
    const auto nested = [](std::size_t depth) {
        std::string text = "{allow, ";
        for (std::size_t i = 0; i < depth; ++i) text += "{'or', [";
        text += "all";
        for (std::size_t i = 0; i < depth; ++i) text += "]}";
        return AccessRules::parse(text + ", publish, [\"a\"]}.");
    };
    EXPECT_TRUE(nested(32).has_value());
    EXPECT_TRUE(nested(33).has_error());
    EXPECT_TRUE(nested(100'000).has_error());
}

RC_GTEST_PROP(access_rules, of_a_mangled_text_are_read_or_refused, ()) {
    std::string text{example};
    for (int i = *rc::gen::inRange(1, 6); i > 0; --i) {
        const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
        switch (*rc::gen::inRange(0, 4)) {
            case 0: text.erase(at, *rc::gen::inRange<std::size_t>(1, 20)); break;
            case 1:
                text.insert(at, *rc::gen::elementOf(std::vector<std::string>{
                                    "{", "}", "[", "]", "\"", "'", "\\", "\\x{", "\\^", ".", ",",
                                    "%", "\xFF"}));
                break;
            case 2: text[at] = static_cast<char>(*rc::gen::inRange(0, 256)); break;
            default: text.insert(at, text.substr(text.size() / 2)); break;
        }
        if (text.empty()) break;
    }
    const auto parsed = AccessRules::parse(text);
    if (parsed.has_value()) {
        const auto ruling = parsed.value().decide(client("c", "u"), subscribe, "a/+/#");
        RC_ASSERT((ruling.verdict == no_match) == (ruling.line == 0U));
    } else {
        RC_ASSERT(!parsed.error().message.empty());
        RC_ASSERT(parsed.error().line >= 1U && parsed.error().column >= 1U);
    }
}

// --- Against a plain model ---------------------------------------------------------------------

/// A rule as a person reads it: no index, no compiled filters.
struct PlainRule {
    bool allows;
    std::string
        who;  // "all", "user u", "client c", "ipaddr r", "and", "or" (of the user and client)
    std::string access;
    std::vector<std::string> topics;  // "=" in front: {eq, …}
};

std::string erlang(const PlainRule& rule) {
    std::string who = "all";
    if (rule.who.starts_with("user ")) who = "{user, \"" + rule.who.substr(5) + "\"}";
    if (rule.who.starts_with("client ")) who = "{client, \"" + rule.who.substr(7) + "\"}";
    if (rule.who.starts_with("ipaddr ")) who = "{ipaddr, \"" + rule.who.substr(7) + "\"}";
    if (rule.who == "and" || rule.who == "or")
        who = "{'" + rule.who + "', [{user, \"a\"}, {client, \"b\"}]}";
    std::string topics;
    for (const auto& topic : rule.topics) {
        topics += topics.empty() ? "" : ", ";
        topics +=
            topic.starts_with('=') ? "{eq, \"" + topic.substr(1) + "\"}" : "\"" + topic + "\"";
    }
    return std::string{rule.allows ? "{allow, " : "{deny, "} + who + ", " + rule.access + ", [" +
           topics + "]}.\n";
}

std::vector<std::string> levels_of(std::string_view text) {
    std::vector<std::string> levels{""};
    for (const char c : text) {
        if (c == '/')
            levels.emplace_back();
        else
            levels.back() += c;
    }
    return levels;
}

bool plain_match(const PlainRule& rule, const std::string& filter, const Client& who,
                 const std::string& topic) {
    if (filter.starts_with('=')) return filter.substr(1) == topic;
    const auto wanted = levels_of(filter);
    const auto given = levels_of(topic);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == "#") return true;
        if (i >= given.size()) return false;
        if (wanted[i] == "+") {
            if (rule.allows && given[i] == "#") return false;
            continue;
        }
        std::string value = wanted[i];
        if (value == "%c") value = who.client_id;
        if (value == "%u") {
            if (!who.user_name) return false;
            value = *who.user_name;
        }
        const bool is_variable = wanted[i] == "%c" || wanted[i] == "%u";
        if (is_variable && (value == "+" || value == "#")) return false;
        if (value != given[i]) return false;
    }
    return wanted.size() == given.size();
}

bool plain_who(const PlainRule& rule, const Client& who) {
    const bool is_user_a = who.user_name == "a";
    const bool is_client_b = who.client_id == "b";
    if (rule.who == "all") return true;
    if (rule.who == "and") return is_user_a && is_client_b;
    if (rule.who == "or") return is_user_a || is_client_b;
    const auto name = rule.who.substr(rule.who.find(' ') + 1);
    if (rule.who.starts_with("user ")) return who.user_name == name;
    if (rule.who.starts_with("client ")) return who.client_id == name;
    return who.address.to_text() == name;
}

Verdict plain_verdict(const std::vector<PlainRule>& list, const Client& who, Action action,
                      const std::string& topic) {
    for (const auto& rule : list) {
        if (rule.access != "pubsub" && rule.access != (action == publish ? "publish" : "subscribe"))
            continue;
        if (!plain_who(rule, who)) continue;
        for (const auto& filter : rule.topics)
            if (plain_match(rule, filter, who, topic)) return rule.allows ? allow : deny;
    }
    return no_match;
}

std::string text_of_levels(std::vector<std::string> words) {
    const auto levels =
        *rc::gen::resize(4, rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(
                                rc::gen::elementOf(std::move(words)))));
    std::string text;
    for (const auto& level : levels) text += "/" + level;
    return text.substr(1);
}

std::string any_filter(std::vector<std::string> words) {
    auto text = text_of_levels(std::move(words));
    if (*rc::gen::inRange(0, 3) == 0) text += "/#";
    return text.empty() || !wire::is_topic_filter(text) ? "#" : text;
}

RC_GTEST_PROP(access_rules, decide_as_a_plain_reading_does, ()) {
    std::vector<PlainRule> model;
    std::string text;
    for (int i = *rc::gen::inRange(0, 12); i > 0; --i) {
        PlainRule rule{.allows = *rc::gen::arbitrary<bool>(),
                       .who = *rc::gen::element<std::string>("all", "user a", "user b", "client a",
                                                             "client b", "ipaddr 10.0.0.1", "and",
                                                             "or"),
                       .access = *rc::gen::element<std::string>("publish", "subscribe", "pubsub"),
                       .topics = {}};
        for (int j = *rc::gen::inRange(1, 4); j > 0; --j) {
            const auto prefix = *rc::gen::element<std::string>("", "", "=");
            const auto filter = any_filter({"a", "b", "", "+", "%c", "%u", "$s"});
            rule.topics.push_back(prefix + filter);
        }
        text += erlang(rule);
        model.push_back(std::move(rule));
    }
    const auto list = rules(text);
    for (int i = 0; i < 20; ++i) {
        const auto client_id = *rc::gen::element<std::string>("a", "b", "+", "#");
        const auto user_name = *rc::gen::element<std::string>("a", "b", "+", "none");
        const auto address = *rc::gen::element<std::string>("10.0.0.1", "10.0.0.2");
        const auto who =
            client(client_id,
                   user_name == "none" ? std::nullopt : std::optional<std::string_view>{user_name},
                   address);
        const auto action = *rc::gen::element(publish, subscribe);
        auto topic = action == publish ? text_of_levels({"a", "b", "", "$s"})
                                       : any_filter({"a", "b", "", "$s", "+"});
        if (topic.empty()) topic = "a";
        RC_ASSERT(verdict(list, who, action, topic) == plain_verdict(model, who, action, topic));
    }
}

RC_GTEST_PROP(access_rules, never_allow_a_filter_that_reaches_beyond_the_rule, ()) {
    const auto rule_filter = any_filter({"a", "b", "+"});
    const auto list = rules("{allow, all, pubsub, [\"" + rule_filter + "\"]}.");
    const auto requested = any_filter({"a", "b", "+"});
    const auto name = text_of_levels({"a", "b", "c"});
    if (verdict(list, client("c"), subscribe, requested) != allow) return;
    // Whatever would be delivered could also be asked for by its name.
    if (wire::matches(requested, name))
        RC_ASSERT(verdict(list, client("c"), subscribe, name) == allow);
}

}  // namespace
}  // namespace touchstone::access
