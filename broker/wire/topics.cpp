#include "broker/wire/topics.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace touchstone::wire {

namespace {

constexpr std::string_view share_prefix = "$share/";
// As a share name it has a slash, which no other has.
constexpr std::string_view queue_prefix = "$queue/";
constexpr std::size_t topic_size_bytes_max = 65'535;  // [MQTT-4.7.3-3]

/// Whether one of the eight bytes of `word` is `byte`. The first such byte is 0 in `other`, and of all
/// bytes up to there the only one whose high bit is set by taking away 1.
bool has_byte(std::uint64_t word, unsigned char byte) {
    constexpr std::uint64_t ones = 0x0101'0101'0101'0101;
    const auto other = word ^ (ones * byte);
    return ((other - ones) & ~other & (ones << 7U)) != 0;
}

bool has_valid_size(std::string_view text) {
    return !text.empty() && text.size() <= topic_size_bytes_max;  // [MQTT-4.7.3-1]
}

/// Goes through the levels of a text; a text has at least one, which may be empty.
class Levels {
public:
    explicit Levels(std::string_view text) : rest_{text} {}

    [[nodiscard]] bool is_at_end() const { return is_at_end_; }
    /// What the levels not yet taken are made of.
    [[nodiscard]] std::string_view rest() const { return rest_; }
    std::string_view take() {
        const auto separator = rest_.find('/');
        const auto level = rest_.substr(0, separator);
        is_at_end_ = separator == std::string_view::npos;
        rest_.remove_prefix(is_at_end_ ? rest_.size() : separator + 1);
        return level;
    }

private:
    std::string_view rest_;
    bool is_at_end_ = false;
};

}  // namespace

bool is_topic_name(std::string_view text) {
    return has_valid_size(text) && !has_wildcard(text);  // [MQTT-3.3.2-2], [MQTT-4.7.0-1]
}

bool is_topic_filter(std::string_view text) {
    if (!has_valid_size(text)) return false;
    for (Levels levels{text}; !levels.is_at_end();) {
        const auto level = levels.take();
        if (!has_wildcard(level)) continue;
        if (level.size() != 1) return false;                    // v5 [MQTT-4.7.1-2], v3.1.1 -3
        if (level == "#" && !levels.is_at_end()) return false;  // v5 [MQTT-4.7.1-1], v3.1.1 -2
    }
    return true;
}

bool has_wildcard(std::string_view filter) {
    // Two searches by the library cost more than one pass over the short texts that topics are.
    while (filter.size() >= sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, filter.data(), sizeof word);
        if (has_byte(word, '#') || has_byte(word, '+')) return true;
        filter.remove_prefix(sizeof word);
    }
    return std::any_of(filter.begin(), filter.end(),
                       [](char character) { return character == '#' || character == '+'; });
}

bool matches(std::string_view filter, std::string_view name) {
    const bool begins_with_wildcard = filter.starts_with('#') || filter.starts_with('+');
    if (begins_with_wildcard && name.starts_with('$')) return false;  // [MQTT-4.7.2-1]
    Levels filter_levels{filter};
    Levels name_levels{name};
    while (!filter_levels.is_at_end()) {
        const auto level = filter_levels.take();
        if (level == "#") return true;  // also when the name has ended: the parent level (§4.7.1.2)
        if (name_levels.is_at_end()) return false;
        const auto name_level = name_levels.take();
        if (level != "+" && level != name_level) return false;  // byte by byte [MQTT-4.7.3-4]
    }
    return name_levels.is_at_end();
}

bool is_shared(std::string_view text) {
    return text.starts_with(share_prefix) ||
           (text.starts_with(queue_prefix) && is_topic_filter(text.substr(queue_prefix.size())));
}

std::optional<SharedFilter> split_shared(std::string_view text) {
    if (!is_shared(text)) return std::nullopt;
    if (text.starts_with(queue_prefix))
        return SharedFilter{.share_name = text.substr(0, queue_prefix.size()),
                            .filter = text.substr(queue_prefix.size())};
    Levels levels{text.substr(share_prefix.size())};
    const auto share_name = levels.take();
    if (share_name.empty() || has_wildcard(share_name)) return std::nullopt;  // [MQTT-4.8.2-1], -2
    if (levels.is_at_end() || !is_topic_filter(levels.rest())) return std::nullopt;  // -2
    return SharedFilter{.share_name = share_name, .filter = levels.rest()};
}

std::string shared_text(std::string_view share_name, std::string_view filter) {
    if (share_name == queue_prefix) return std::string{share_name} + std::string{filter};
    return std::string{share_prefix} + std::string{share_name} + "/" + std::string{filter};
}

}  // namespace touchstone::wire
