#include "broker/access/auto_subscribe.hpp"

#include "broker/wire/topics.hpp"

namespace touchstone::access {

namespace {

/// Calls `visit(level)` for each level while it returns true; false when it stopped early.
template <class Visit>
bool every_level(std::string_view text, Visit visit) {
    for (;;) {
        const auto slash = text.find('/');
        if (!visit(text.substr(0, slash))) return false;
        if (slash == std::string_view::npos) return true;
        text.remove_prefix(slash + 1);
    }
}

}  // namespace

ParsedValue<TopicTemplate> TopicTemplate::from_text(std::string_view text) {
    if (!wire::is_topic_filter(text) || (wire::is_shared(text) && !wire::split_shared(text)))
        return ValueError{"a Topic Filter: not empty, + and # as whole levels, # last"};
    const bool are_whole = every_level(text, [](std::string_view level) {
        return variable_of(level) != Variable::none ||
               (level.find("%c") == level.npos && level.find("%u") == level.npos);
    });
    if (!are_whole) return ValueError{"%c and %u as whole levels, as in client/%c"};
    return TopicTemplate{std::string{text}};
}

std::optional<std::string> TopicTemplate::for_client(const Client& client) const {
    std::string filter;
    const bool is_complete = every_level(text_, [&](std::string_view level) {
        if (level.data() != text_.data()) filter += '/';
        const auto variable = variable_of(level);
        const auto value = value_of(variable, client);
        filter += value.value_or(level);
        return variable == Variable::none || (value && is_one_level(*value));
    });
    // A long name could make a valid template too long.
    if (!is_complete || !wire::is_topic_filter(filter)) return std::nullopt;
    return filter;
}

void AutoSubscribe::add(TopicTemplate filter, wire::SubscriptionOptions options) {
    entries_.push_back({std::move(filter), options});
}

AutoSubscribe::Outcome AutoSubscribe::for_client(const Client& client,
                                                 ProtocolVersion version) const {
    Outcome outcome;
    for (const auto& [filter_template, options] : entries_) {
        auto filter = filter_template.for_client(client);
        if (!filter) {
            outcome.skipped.push_back(filter_template.text());
            continue;
        }
        const auto fitting = version == ProtocolVersion::v5
                                 ? options
                                 : wire::SubscriptionOptions{.qos = options.qos};
        outcome.subscriptions.push_back({std::move(*filter), fitting});
    }
    return outcome;
}

}  // namespace touchstone::access
