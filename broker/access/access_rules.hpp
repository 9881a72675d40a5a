// AccessRules: who may publish and subscribe to what. The text is that of an `acl.conf`: Erlang
// terms from top to bottom, the first match decides.
//
//   rule   = "{" perm "," "all" "}" "."  |  "{" perm "," who "," access "," topics "}" "."
//   perm   = allow | deny
//   who    = all | {user, "name"} | {user, all} | {client, "id"} | {client, all}
//          | {ipaddr, "CIDR"} | {'and', [who, …]} | {'or', [who, …]}
//   access = subscribe | publish | pubsub
//   topics = [ "filter" | {eq, "filter"}, … ]        %% comment
//
// It leaves to others: what happens without a match and after a denial (policy.hpp), caching,
// counting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/access/client.hpp"
#include "broker/access/parsed.hpp"

namespace touchstone::access {

enum class Action : unsigned char { publish, subscribe };

enum class Verdict : unsigned char { allow, deny, no_match };

/// A verdict with its reason, for logs and for an operator who asks why.
struct Ruling {
    Verdict verdict = Verdict::no_match;
    std::uint32_t line = 0;  // where the rule that matched begins; 0: none did
    friend bool operator==(const Ruling&, const Ruling&) = default;
};

class AccessRules {
public:
    /// No rules: nothing ever matches.
    AccessRules() = default;
    /// Errors: the first place where `text` is not by the grammar above.
    static Parsed<AccessRules> parse(std::string_view text);

    /// `topic`: the Topic Name of a PUBLISH, or a Topic Filter of a SUBSCRIBE, valid and as the
    /// client wrote it (before a mountpoint is added); of a Shared Subscription the filter behind
    /// the ShareName. Does not allocate. Cost: the rules that name this user, this client, or
    /// neither.
    ///
    /// - A rule's filter matches as a subscription would, and also names that begin with `$`: here
    ///   it is about permission, not about delivery.
    /// - The filter of a SUBSCRIBE is matched level by level, `+` and `#` in it being levels like
    ///   others. To be allowed it must not reach further than the rule: `a/#` is not allowed by
    ///   `a/+`, but denied by it.
    /// - `{eq, "f"}` matches what is spelled `f`, `%c` and `%u` included.
    /// - `%c` and `%u` are whole levels. Where the User Name is missing, or the value could not be
    ///   one level, the filter matches nothing.
    [[nodiscard]] Ruling decide(const Client& client, Action action, std::string_view topic) const;

    [[nodiscard]] std::size_t size() const { return rules_.size(); }
    /// Whether every question ends with a match, so that it does not matter what happens without.
    [[nodiscard]] bool has_catch_all() const;
    /// Whether decide() could say `deny` to anybody, or, when `without_match` is, leave somebody
    /// without a match. False spares the question.
    [[nodiscard]] bool may_deny(Action action, Verdict without_match) const {
        const auto& index = action == Action::publish ? publish_ : subscribe_;
        return index.has_denial || (without_match == Verdict::deny && !index.has_catch_all);
    }

    // The rules as data, for the parser and for whoever writes them down and reads them again.
    struct Level {
        enum class Kind : unsigned char { literal, plus, hash, variable };
        Kind kind = Kind::literal;
        Variable variable = Variable::none;
        std::string literal;
    };
    struct Filter {
        std::string text;
        std::vector<Level> levels;  // empty: `text` is compared as a whole
    };
    struct Who {
        enum class Kind : unsigned char { everybody, user, client, address, all_of, any_of };
        Kind kind = Kind::everybody;
        std::string name;
        std::optional<AddressRange> range;
        std::vector<Who> parts;
    };
    struct Rule {
        Verdict verdict = Verdict::deny;
        std::uint32_t line = 0;
        Who who;
        bool is_for_publish = true;
        bool is_for_subscribe = true;
        bool is_for_all_topics = false;
        std::vector<Filter> filters;
    };
    /// What rules() gave before: nothing is checked.
    static AccessRules of(std::vector<Rule> rules) { return AccessRules{std::move(rules)}; }
    [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }

private:
    /// Positions in rules_, in order, so that a question skips the rules for other clients.
    struct Index {
        using Named = std::vector<std::pair<std::string, std::vector<std::uint32_t>>>;
        Named by_user;    // sorted by name
        Named by_client;  // sorted by name
        std::vector<std::uint32_t> for_others;
        bool has_denial = false;
        bool has_catch_all = false;

        void add(std::uint32_t position, const Rule& rule);
        static std::span<const std::uint32_t> named(const Named& names, std::string_view name);
    };

    explicit AccessRules(std::vector<Rule> rules);

    std::vector<Rule> rules_;
    Index publish_;
    Index subscribe_;
};

/// The rules of a node whose settings name no file: this machine may do everything, others may not
/// watch `$SYS/#` or subscribe to all topics at once, the rest is allowed.
inline constexpr std::string_view default_rules_text = R"(
{allow, {'or', [{ipaddr, "127.0.0.0/8"}, {ipaddr, "::1"}]}, pubsub, ["$SYS/#", "#"]}.
{deny, all, subscribe, ["$SYS/#", {eq, "#"}]}.
{allow, all}.
)";

}  // namespace touchstone::access
