// AutoSubscribe: Topic Filters that the broker subscribes on behalf of every client when its
// session is created; the client sends nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/access/client.hpp"
#include "broker/access/parsed.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone::access {

/// A Topic Filter with `%c` and `%u` as whole levels.
class TopicTemplate {
public:
    static ParsedValue<TopicTemplate> from_text(std::string_view text);

    /// Nothing when the client has no User Name for `%u`, or when the value could not be one topic
    /// level: a client named `#` must not get `client/#`.
    [[nodiscard]] std::optional<std::string> for_client(const Client& client) const;
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    explicit TopicTemplate(std::string text) : text_{std::move(text)} {}

    std::string text_;
};

class AutoSubscribe {
public:
    struct Subscription {
        std::string filter;
        wire::SubscriptionOptions options;
        friend bool operator==(const Subscription&, const Subscription&) = default;
    };
    struct Outcome {
        std::vector<Subscription> subscriptions;  // in the order of the templates
        std::vector<std::string> skipped;         // templates that do not fit this client
    };

    void add(TopicTemplate filter, wire::SubscriptionOptions options);

    /// What to subscribe for `client`. No Local, Retain As Published and Retain Handling exist from
    /// MQTT 5.0 on.
    [[nodiscard]] Outcome for_client(const Client& client, ProtocolVersion version) const;

    [[nodiscard]] bool is_empty() const { return entries_.empty(); }
    struct Entry {
        TopicTemplate filter;
        wire::SubscriptionOptions options;
    };
    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

private:
    std::vector<Entry> entries_;
};

}  // namespace touchstone::access
