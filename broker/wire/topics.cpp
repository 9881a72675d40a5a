#include "broker/wire/topics.hpp"

#include <algorithm>

namespace touchstone::wire {

namespace {

constexpr std::string_view share_prefix = "$share/";
constexpr std::size_t topic_size_bytes_max = 65'535;  // [MQTT-4.7.3-3]

bool has_valid_size(std::string_view text) {
    return !text.empty() && text.size() <= topic_size_bytes_max;  // [MQTT-4.7.3-1]
}

/// Takes the topic level at the front of `text` and the separator that ends it. Nothing is left
/// to take when `text` has become nothing; an empty text has one (empty) level.
std::string_view take_level(std::optional<std::string_view>& text) {
    const auto separator = text->find('/');
    const auto level = text->substr(0, separator);
    if (separator == std::string_view::npos) {
        text.reset();
    } else {
        text->remove_prefix(separator + 1);
    }
    return level;
}

}  // namespace

bool is_topic_name(std::string_view text) {
    return has_valid_size(text) && !has_wildcard(text);  // [MQTT-3.3.2-2], [MQTT-4.7.0-1]
}

bool is_topic_filter(std::string_view text) {
    if (!has_valid_size(text)) return false;
    for (std::optional rest{text}; rest.has_value();) {
        const auto level = take_level(rest);
        if (!has_wildcard(level)) continue;
        if (level.size() != 1) return false;                 // v5 [MQTT-4.7.1-2], v3.1.1 -3
        if (level == "#" && rest.has_value()) return false;  // v5 [MQTT-4.7.1-1], v3.1.1 -2
    }
    return true;
}

bool has_wildcard(std::string_view filter) {
    return filter.find('#') != std::string_view::npos || filter.find('+') != std::string_view::npos;
}

bool matches(std::string_view filter, std::string_view name) {
    const bool begins_with_wildcard = filter.starts_with('#') || filter.starts_with('+');
    if (begins_with_wildcard && name.starts_with('$')) return false;  // [MQTT-4.7.2-1]
    std::optional filter_rest{filter};
    std::optional name_rest{name};
    while (filter_rest.has_value()) {
        const auto level = take_level(filter_rest);
        if (level == "#") return true;  // also when the name has ended: the parent level (§4.7.1.2)
        if (!name_rest.has_value()) return false;
        const auto name_level = take_level(name_rest);
        if (level != "+" && level != name_level) return false;  // byte by byte [MQTT-4.7.3-4]
    }
    return !name_rest.has_value();
}

bool is_shared(std::string_view text) {
    return text.starts_with(share_prefix);
}

std::optional<SharedFilter> split_shared(std::string_view text) {
    if (!is_shared(text)) return std::nullopt;
    std::optional rest{text.substr(share_prefix.size())};
    const auto share_name = take_level(rest);
    if (share_name.empty() || has_wildcard(share_name)) return std::nullopt;  // [MQTT-4.8.2-1], -2
    if (!rest.has_value() || !is_topic_filter(*rest)) return std::nullopt;    // [MQTT-4.8.2-2]
    return SharedFilter{.share_name = share_name, .filter = *rest};
}

}  // namespace touchstone::wire
