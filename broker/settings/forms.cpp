#include "broker/settings/forms.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "broker/wire/topics.hpp"

namespace touchstone::settings {

namespace {

struct Unit {
    std::string_view name;
    std::int64_t size;
};

constexpr std::int64_t second_us = 1'000'000;
// From the largest, so that a value is written with the largest unit that leaves no rest.
constexpr std::array<Unit, 5> time_units{{{"d", 86'400 * second_us},
                                          {"h", 3'600 * second_us},
                                          {"m", 60 * second_us},
                                          {"s", second_us},
                                          {"ms", 1'000}}};
constexpr std::array<Unit, 4> size_units{
    {{"GB", std::int64_t{1} << 30}, {"MB", std::int64_t{1} << 20}, {"KB", 1'024}, {"B", 1}}};

std::optional<std::int64_t> digits_of(std::string_view text) {
    std::int64_t value = 0;
    const auto* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    const bool is_signed = text.starts_with('-');
    if (error != std::errc{} || stop != end || is_signed) return std::nullopt;
    return value;
}

std::string lower(std::string_view text) {
    std::string out{text};
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

/// A number and a unit; nothing when there is no such unit, or the product is out of range.
std::optional<std::int64_t> with_unit(std::string_view text, std::span<const Unit> units) {
    const auto behind_digits = text.find_first_not_of("0123456789");
    const auto number = digits_of(text.substr(0, behind_digits));
    if (!number || behind_digits == std::string_view::npos) return std::nullopt;
    const auto name = lower(trimmed(text.substr(behind_digits)));
    for (const auto& unit : units) {
        if (lower(unit.name) != name) continue;
        std::int64_t value = 0;
        if (__builtin_mul_overflow(*number, unit.size, &value)) return std::nullopt;
        return value;
    }
    return std::nullopt;
}

std::string written(std::int64_t value, std::span<const Unit> units) {
    for (const auto& unit : units)
        if (value % unit.size == 0)
            return std::to_string(value / unit.size) + std::string{unit.name};
    return std::to_string(value);
}

std::optional<std::int64_t> bytes_of(std::string_view text) {
    const auto plain = digits_of(text);
    return plain ? plain : with_unit(text, size_units);
}

std::optional<Duration> time_of(std::string_view text) {
    if (text == "0") return Duration::zero();
    const auto us = with_unit(text, time_units);
    return us ? std::optional{Duration{*us}} : std::nullopt;
}

/// What stands before and behind the first comma.
std::optional<std::pair<std::string_view, std::string_view>> pair_of(std::string_view text) {
    const auto comma = text.find(',');
    if (comma == std::string_view::npos) return std::nullopt;
    return std::pair{trimmed(text.substr(0, comma)), trimmed(text.substr(comma + 1))};
}

template <class Visit>
bool every_item(std::string_view text, Visit visit) {
    for (;;) {
        const auto comma = text.find(',');
        if (!visit(trimmed(text.substr(0, comma)))) return false;
        if (comma == std::string_view::npos) return true;
        text.remove_prefix(comma + 1);
    }
}

std::string range_text(const std::string& least, const std::string& most) {
    return least + " to " + most;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r";
    const auto begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// --- Boolean -------------------------------------------------------------------------------------

ParsedValue<bool> Boolean::read(std::string_view text) {
    if (text == "on" || text == "true") return true;
    if (text == "off" || text == "false") return false;
    return ValueError{describe()};
}

std::string Boolean::write(bool value) {
    return value ? "on" : "off";
}

std::string Boolean::describe() {
    return "on or off";
}

// --- Numbers -------------------------------------------------------------------------------------

ParsedValue<std::int64_t> Integer::read(std::string_view text) const {
    const auto value = digits_of(text);
    if (!value || *value < least || *value > most) return ValueError{describe()};
    return *value;
}

std::string Integer::write(std::int64_t value) {
    return std::to_string(value);
}

std::string Integer::describe() const {
    std::string text = "a whole number, " + range_text(write(least), write(most));
    if (!unit.empty()) text += " " + std::string{unit};
    return text;
}

ParsedValue<std::int64_t> Thousandths::read(std::string_view text) const {
    const auto point = text.find('.');
    const auto fraction = point == std::string_view::npos ? "0" : text.substr(point + 1);
    const auto whole_part = digits_of(text.substr(0, point));
    const auto fraction_part = digits_of(fraction);
    if (!whole_part || *whole_part > most || !fraction_part || fraction.size() > 3)
        return ValueError{describe()};
    auto thousandths = *fraction_part;
    for (auto digits = fraction.size(); digits < 3; ++digits) thousandths *= 10;
    const auto value = *whole_part * 1'000 + thousandths;
    if (value < least || value > most) return ValueError{describe()};
    return value;
}

std::string Thousandths::write(std::int64_t value) {
    auto fraction = std::to_string(1'000 + value % 1'000).substr(1);
    while (fraction.ends_with('0')) fraction.pop_back();
    const auto whole = std::to_string(value / 1'000);
    return fraction.empty() ? whole : whole + "." + fraction;
}

std::string Thousandths::describe() const {
    return "a number, " + range_text(write(least), write(most)) +
           ", with up to 3 digits behind the point";
}

ParsedValue<Duration> Span::read(std::string_view text) const {
    if (may_be_infinite && text == "infinity") return Duration::max();
    const auto value = time_of(text);
    if (!value || *value < least || *value > most || value->count() % step.count() != 0)
        return ValueError{describe()};
    return *value;
}

std::string Span::write(Duration value) {
    if (value == Duration::max()) return "infinity";
    return value == Duration::zero() ? "0" : written(value.count(), time_units);
}

std::string Span::describe() const {
    auto text = "a time, " + range_text(write(least), write(most)) +
                (may_be_infinite ? " or infinity" : "") + ", with a unit (";
    for (auto unit = time_units.rbegin(); unit != time_units.rend(); ++unit) {
        if (unit->size < step.count()) continue;
        if (!text.ends_with('(')) text += ", ";
        text += unit->name;
    }
    return text + ")";
}

ParsedValue<std::int64_t> Size::read(std::string_view text) const {
    const auto value = bytes_of(text);
    if (!value || *value < least || *value > most) return ValueError{describe()};
    return *value;
}

std::string Size::write(std::int64_t value) {
    return value == 0 ? "0" : written(value, size_units);
}

std::string Size::describe() const {
    return "a size, " + range_text(write(least), write(most)) +
           ", in bytes or with a unit (KB, MB, GB)";
}

// --- Rates ---------------------------------------------------------------------------------------

ParsedValue<RateLimit::Value> RateLimit::read(std::string_view text) {
    if (text == "none") return Value{};
    const ValueError error{RateLimit{}.describe()};
    const auto parts = pair_of(text);
    if (!parts) return error;
    const auto first = bytes_of(parts->first);
    const auto second = bytes_of(parts->second);
    access::Rate rate;
    if (first && second) {
        rate = {.per_second = *first, .burst = *second};
    } else if (const auto time = time_of(parts->second);
               first && time && *time > Duration::zero()) {
        if (*first > access::Rate::most) return error;
        rate = {.per_second = *first * second_us / time->count(), .burst = *first};
    } else {
        return error;
    }
    if (rate.per_second < 1 || rate.per_second > rate.burst || rate.burst > access::Rate::most)
        return error;
    return Value{rate};
}

std::string RateLimit::write(const Value& value) {
    if (!value) return "none";
    return std::to_string(value->per_second) + "," + std::to_string(value->burst);
}

std::string RateLimit::describe() const {
    const std::string counted = unit.empty() ? "" : " " + std::string{unit};
    return "RATE,BURST per second with 0 < RATE ≤ BURST" + counted + ", as in 1024,4096; or none";
}

// --- Texts ---------------------------------------------------------------------------------------

ParsedValue<std::string> Text::read(std::string_view text) const {
    if (text.empty()) return ValueError{describe()};
    return std::string{text};
}

std::string ListenAddress::to_text() const {
    const auto text = address.to_text();
    return (address.is_v4() ? text : "[" + text + "]") + ":" + std::to_string(port);
}

ParsedValue<ListenAddress> Address::read(std::string_view text) {
    const ValueError error{describe()};
    const auto colon = text.rfind(':');
    const auto port = digits_of(colon == text.npos ? text : text.substr(colon + 1));
    if (!port || *port > 65'535) return error;
    ListenAddress value{.address = access::PeerAddress::from_v4({}),
                        .port = static_cast<std::uint16_t>(*port)};
    if (colon == text.npos) return value;
    auto host = text.substr(0, colon);
    const bool has_brackets = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
    if (has_brackets) host = host.substr(1, host.size() - 2);
    const auto address = access::PeerAddress::from_text(host);
    const bool is_v6_notation = host.find(':') != host.npos;
    if (!address || is_v6_notation != has_brackets) return error;
    value.address = *address;
    return value;
}

std::string Address::describe() {
    return "ADDRESS:PORT, as in 127.0.0.1:1883 or [::1]:1883, or a port for all interfaces";
}

ParsedValue<Threshold::Value> Threshold::read(std::string_view text) {
    const auto parts = pair_of(text);
    const auto count = parts ? digits_of(parts->first) : std::nullopt;
    const auto time = parts ? time_of(parts->second) : std::nullopt;
    if (!count || *count < 1 || *count > 1'000'000 || !time || *time <= Duration::zero())
        return ValueError{describe()};
    return Value{.changes_max = static_cast<std::uint32_t>(*count), .window = *time};
}

std::string Threshold::write(const Value& value) {
    return std::to_string(value.changes_max) + ", " + Span::write(value.window);
}

std::string Threshold::describe() {
    return "COUNT, TIME, as in 10, 1m";
}

ParsedValue<Priorities::Value> Priorities::read(std::string_view text) {
    Value value;
    if (text == "none") return value;
    const bool is_understood = every_item(text, [&](std::string_view item) {
        const auto equals = item.rfind('=');
        if (equals == item.npos) return false;
        const auto topic = trimmed(item.substr(0, equals));
        const auto priority = digits_of(trimmed(item.substr(equals + 1)));
        return wire::is_topic_name(topic) && priority && *priority >= 1 && *priority <= 255 &&
               value.emplace(topic, static_cast<std::uint8_t>(*priority)).second;
    });
    if (!is_understood) return ValueError{describe()};
    return value;
}

std::string Priorities::write(const Value& value) {
    std::string text;
    for (const auto& [topic, priority] : value) {
        if (!text.empty()) text += ",";
        text += topic + "=" + std::to_string(priority);
    }
    return text.empty() ? "none" : text;
}

std::string Priorities::describe() {
    return "different topics with priorities from 1 to 255, as in topic/1=10,topic/2=8; or none";
}

ParsedValue<WordList::Value> WordList::read(std::string_view text) const {
    Value value;
    const bool is_understood = every_item(text, [&](std::string_view item) {
        const bool is_known = words.empty() || std::ranges::find(words, item) != words.end();
        if (item.empty() || !is_known || std::ranges::find(value, item) != value.end())
            return false;
        value.emplace_back(item);
        return true;
    });
    if (!is_understood) return ValueError{describe()};
    return value;
}

std::string WordList::write(const Value& value) {
    std::string text;
    for (const auto& item : value) text += (text.empty() ? "" : ",") + item;
    return text;
}

std::string WordList::describe() const {
    std::string text{what};
    for (const auto word : words) text += (word == words.front() ? ": " : ", ") + std::string{word};
    return text;
}

}  // namespace touchstone::settings
