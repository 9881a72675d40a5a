// Topic Names and Topic Filters (§4.7).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace touchstone::wire {

/// Not empty, at most 65,535 bytes, no wildcard characters [MQTT-3.3.2-2]. UTF-8 is judged when
/// the string is taken off the wire.
[[nodiscard]] bool is_topic_name(std::string_view text);

/// Not empty, at most 65,535 bytes, wildcards only as whole levels and `#` last
/// ([MQTT-4.7.1-1], [MQTT-4.7.1-2] v5; v3.1.1 [MQTT-4.7.1-2], [MQTT-4.7.1-3]).
[[nodiscard]] bool is_topic_filter(std::string_view text);

[[nodiscard]] bool has_wildcard(std::string_view filter);

/// Whether `filter` matches `name` (§4.7). A filter that begins with a wildcard does not match a
/// name that begins with `$` [MQTT-4.7.2-1]. Both are valid. The router has its own index; this is
/// the rule in its plainest form.
[[nodiscard]] bool matches(std::string_view filter, std::string_view name);

/// `$share/{share_name}/{filter}` taken apart (§4.8.2); or `$queue/{filter}`, which the standard does
/// not know: the one group without a name, whose share_name is "$queue/".
struct SharedFilter {
    std::string_view share_name;
    std::string_view filter;
};

/// Whether `text` begins with `$share/`, which makes it a Shared Subscription from v5 on, or is
/// `$queue/` and a valid filter.
[[nodiscard]] bool is_shared(std::string_view text);

/// Nothing when ShareName or filter is missing or not valid ([MQTT-4.8.2-1], [MQTT-4.8.2-2]).
[[nodiscard]] std::optional<SharedFilter> split_shared(std::string_view text);

/// The text that split_shared() takes apart.
[[nodiscard]] std::string shared_text(std::string_view share_name, std::string_view filter);

}  // namespace touchstone::wire
