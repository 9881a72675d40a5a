#include "broker/access/access_rules.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace touchstone::access {

namespace {

using Rule = AccessRules::Rule;
using Who = AccessRules::Who;
using Filter = AccessRules::Filter;
using Level = AccessRules::Level;

bool is_met(const Who& who, const Client& client) {
    const auto meets = [&](const Who& part) { return is_met(part, client); };
    switch (who.kind) {
        case Who::Kind::everybody: return true;
        case Who::Kind::user: return client.user_name == who.name;
        case Who::Kind::client: return client.client_id == who.name;
        case Who::Kind::address: return who.range->contains(client.address);
        case Who::Kind::all_of: return std::ranges::all_of(who.parts, meets);
        case Who::Kind::any_of: return std::ranges::any_of(who.parts, meets);
    }
    return false;
}

/// Whether a level of the rule's filter takes a level of the topic.
bool takes(const Level& wanted, std::string_view given, const Client& client, Verdict verdict) {
    switch (wanted.kind) {
        case Level::Kind::literal: return given == wanted.literal;
        case Level::Kind::plus:
            // `#` reaches below this level, so `+` is too little to allow it and enough to deny it.
            return given != "#" || verdict == Verdict::deny;
        case Level::Kind::variable: {
            const auto value = value_of(wanted.variable, client);
            return value && given == *value && is_one_level(*value);
        }
        case Level::Kind::hash: return true;
    }
    return false;
}

bool is_matched(const Filter& filter, std::string_view topic, const Client& client,
                Verdict verdict) {
    if (filter.levels.empty()) return topic == filter.text;
    bool is_at_end = false;
    for (const auto& level : filter.levels) {
        if (level.kind == Level::Kind::hash) return true;  // the parent level, too (§4.7.1.2)
        if (is_at_end) return false;
        const auto slash = topic.find('/');
        if (!takes(level, topic.substr(0, slash), client, verdict)) return false;
        is_at_end = slash == std::string_view::npos;
        topic.remove_prefix(is_at_end ? topic.size() : slash + 1);
    }
    return is_at_end;
}

bool is_matched(const Rule& rule, std::string_view topic, const Client& client) {
    if (!is_met(rule.who, client)) return false;
    if (rule.is_for_all_topics) return true;
    return std::ranges::any_of(rule.filters, [&](const Filter& filter) {
        return is_matched(filter, topic, client, rule.verdict);
    });
}

/// Takes the smallest number that heads one of the lists off it; false when all are empty.
bool take_next(std::span<std::span<const std::uint32_t>> lists, std::uint32_t& next) {
    std::span<const std::uint32_t>* smallest = nullptr;
    for (auto& list : lists)
        if (!list.empty() && (smallest == nullptr || list.front() < smallest->front()))
            smallest = &list;
    if (smallest == nullptr) return false;
    next = smallest->front();
    *smallest = smallest->subspan(1);
    return true;
}

}  // namespace

AccessRules::AccessRules(std::vector<Rule> rules) : rules_{std::move(rules)} {
    for (std::uint32_t position = 0; position < rules_.size(); ++position) {
        const auto& rule = rules_[position];
        if (rule.is_for_publish) publish_.add(position, rule);
        if (rule.is_for_subscribe) subscribe_.add(position, rule);
    }
}

void AccessRules::Index::add(std::uint32_t position, const Rule& rule) {
    const auto& who = rule.who;
    has_denial = has_denial || rule.verdict == Verdict::deny;
    has_catch_all =
        has_catch_all || (who.kind == Who::Kind::everybody && rule.is_for_all_topics);
    if (who.kind != Who::Kind::user && who.kind != Who::Kind::client) {
        for_others.push_back(position);
        return;
    }
    auto& names = who.kind == Who::Kind::user ? by_user : by_client;
    const auto at = std::ranges::lower_bound(names, who.name, {}, &Named::value_type::first);
    if (at != names.end() && at->first == who.name)
        at->second.push_back(position);
    else
        names.insert(at, {who.name, {position}});
}

std::span<const std::uint32_t> AccessRules::Index::named(const Named& names,
                                                         std::string_view name) {
    const auto at = std::ranges::lower_bound(names, name, {}, &Named::value_type::first);
    if (at == names.end() || at->first != name) return {};
    return at->second;
}

Ruling AccessRules::decide(const Client& client, Action action, std::string_view topic) const {
    const auto& index = action == Action::publish ? publish_ : subscribe_;
    std::array<std::span<const std::uint32_t>, 3> lists{
        index.for_others, Index::named(index.by_client, client.client_id),
        client.user_name ? Index::named(index.by_user, *client.user_name)
                         : std::span<const std::uint32_t>{}};
    for (std::uint32_t position = 0; take_next(lists, position);) {
        const auto& rule = rules_[position];
        if (is_matched(rule, topic, client)) return {rule.verdict, rule.line};
    }
    return {};
}

bool AccessRules::has_catch_all() const {
    const auto is_for_all = [](const Rule& rule) {
        return rule.who.kind == Who::Kind::everybody && rule.is_for_all_topics;
    };
    return std::ranges::any_of(rules_, is_for_all);
}

}  // namespace touchstone::access
