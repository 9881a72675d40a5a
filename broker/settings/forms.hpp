// Forms: how the values of settings are written, read and described. A form reads a text into a
// value, writes a value as a text that reads the same again, and says what it expects.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/access/address_access.hpp"
#include "broker/access/auto_subscribe.hpp"
#include "broker/access/flapping.hpp"
#include "broker/access/mountpoint.hpp"
#include "broker/access/parsed.hpp"
#include "broker/access/peer_address.hpp"
#include "broker/access/token_bucket.hpp"
#include "broker/base/instant.hpp"

namespace touchstone::settings {

using access::ParsedValue;
using access::ValueError;

/// on, off, true, false.
struct Boolean {
    using Value = bool;
    static ParsedValue<bool> read(std::string_view text);
    static std::string write(bool value);
    static std::string describe();
};

struct Integer {
    using Value = std::int64_t;
    std::int64_t least = 0;
    std::int64_t most = 0;
    std::string_view unit;  // "messages"; may be empty

    [[nodiscard]] ParsedValue<std::int64_t> read(std::string_view text) const;
    [[nodiscard]] static std::string write(std::int64_t value);
    [[nodiscard]] std::string describe() const;
};

/// "0.75", as thousandths.
struct Thousandths {
    using Value = std::int64_t;
    std::int64_t least = 0;
    std::int64_t most = 0;

    [[nodiscard]] ParsedValue<std::int64_t> read(std::string_view text) const;
    [[nodiscard]] static std::string write(std::int64_t value);
    [[nodiscard]] std::string describe() const;
};

/// "100ms", "15s", "5m", "2h", "1d"; 0 needs no unit.
struct Span {
    using Value = Duration;
    Duration least{};
    Duration most{};
    Duration step = std::chrono::milliseconds{1};  // values are multiples of it
    bool may_be_infinite = false;                  // the word infinity, read as Duration::max()

    [[nodiscard]] ParsedValue<Duration> read(std::string_view text) const;
    [[nodiscard]] static std::string write(Duration value);
    [[nodiscard]] std::string describe() const;
};

/// "64KB", "1MB", "2GB", or bytes; K is 1024.
struct Size {
    using Value = std::int64_t;
    std::int64_t least = 0;
    std::int64_t most = 0;

    [[nodiscard]] ParsedValue<std::int64_t> read(std::string_view text) const;
    [[nodiscard]] static std::string write(std::int64_t value);
    [[nodiscard]] std::string describe() const;
};

/// "RATE,BURST" per second with 0 < RATE ≤ BURST, also "BURST,TIME" (100KB,10s); none.
struct RateLimit {
    using Value = std::optional<access::Rate>;
    std::string_view unit;  // "bytes"

    [[nodiscard]] static ParsedValue<Value> read(std::string_view text);
    [[nodiscard]] static std::string write(const Value& value);
    [[nodiscard]] std::string describe() const;
};

/// One of a few words.
template <class Enum>
struct Choice {
    using Value = Enum;
    /// The first word of a value is how it is written; others mean the same.
    std::vector<std::pair<std::string_view, Enum>> words;

    [[nodiscard]] ParsedValue<Enum> read(std::string_view text) const {
        for (const auto& [word, value] : words)
            if (word == text) return value;
        return ValueError{describe()};
    }
    [[nodiscard]] std::string write(Enum value) const {
        for (const auto& [word, one] : words)
            if (one == value) return std::string{word};
        return {};
    }
    [[nodiscard]] std::string describe() const {
        std::string text;
        for (const auto& [word, value] : words)
            text += (text.empty() ? "one of " : ", ") + std::string{word};
        return text;
    }
};

/// Any text of one line.
struct Text {
    using Value = std::string;
    std::string_view what;  // "a path"

    [[nodiscard]] ParsedValue<std::string> read(std::string_view text) const;
    [[nodiscard]] static std::string write(const std::string& value) { return value; }
    [[nodiscard]] std::string describe() const { return std::string{what}; }
};

/// Where to listen. An address of all zeros means every interface of its family.
struct ListenAddress {
    access::PeerAddress address;
    std::uint16_t port = 0;  // 0: any free one

    [[nodiscard]] std::string to_text() const;
    friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

/// "127.0.0.1:1883", "[::1]:1883", or a port alone, which is 0.0.0.0:PORT.
struct Address {
    using Value = ListenAddress;
    static ParsedValue<ListenAddress> read(std::string_view text);
    static std::string write(const ListenAddress& value) { return value.to_text(); }
    static std::string describe();
};

/// "10, 1m": more than so many changes in so much time.
struct Threshold {
    using Value = access::FlappingThreshold;
    static ParsedValue<Value> read(std::string_view text);
    static std::string write(const Value& value);
    static std::string describe();
};

/// "topic/1=10,topic/2=8"; none.
struct Priorities {
    using Value = std::map<std::string, std::uint8_t, std::less<>>;
    static ParsedValue<Value> read(std::string_view text);
    static std::string write(const Value& value);
    static std::string describe();
};

/// Items with commas between them, each one of a few words, none twice.
struct WordList {
    using Value = std::vector<std::string>;
    std::vector<std::string_view> words;  // empty: any
    std::string_view what;

    [[nodiscard]] ParsedValue<Value> read(std::string_view text) const;
    [[nodiscard]] static std::string write(const Value& value);
    [[nodiscard]] std::string describe() const;
};

/// Values with a type of their own that reads itself.
struct AccessEntry {
    using Value = access::AddressAccess::Entry;
    static ParsedValue<Value> read(std::string_view text) { return Value::from_text(text); }
    static std::string write(const Value& value) { return value.to_text(); }
    static std::string describe() { return "allow or deny, and an address, a range or all"; }
};

struct Prefix {
    using Value = access::MountpointTemplate;
    static ParsedValue<Value> read(std::string_view text) { return Value::from_text(text); }
    static std::string write(const Value& value) { return value.text(); }
    static std::string describe() { return "a topic prefix, may hold %c and %u"; }
};

struct Topic {
    using Value = access::TopicTemplate;
    static ParsedValue<Value> read(std::string_view text) { return Value::from_text(text); }
    static std::string write(const Value& value) { return value.text(); }
    static std::string describe() { return "a Topic Filter, may hold %c and %u as whole levels"; }
};

/// `text` without blanks at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

}  // namespace touchstone::settings
