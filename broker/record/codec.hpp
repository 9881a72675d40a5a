// How values of the core's border are written down and read again: integers little-endian and as
// wide as their type, lengths as four bytes, structures field by field. Nothing can be forgotten: a
// structure is named here with all its fields, by a structured binding, an alternative of a variant
// is a structure that is named here, an enumeration that is read has its last value here. Else it
// does not compile.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "broker/access/node_rules.hpp"
#include "broker/base/check.hpp"
#include "broker/broker.hpp"

namespace touchstone::record {

template <class T, class U>
concept Like = std::same_as<std::remove_const_t<T>, U>;

/// All fields of a structure, in their order. A structured binding has to name each, or it does not
/// compile.
#define TOUCHSTONE_FIELDS(Type, ...)                                                               \
    template <class All>                                                                           \
    void fields(All& all, Like<Type> auto& of) {                                                   \
        auto& [__VA_ARGS__] = of;                                                                  \
        all(__VA_ARGS__);                                                                          \
    }
TOUCHSTONE_FIELDS(Settings, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x)
TOUCHSTONE_FIELDS(access::AccessCache, entries_max, life)
TOUCHSTONE_FIELDS(access::QueuePriorities, by_topic, is_other_highest)
TOUCHSTONE_FIELDS(access::Rate, per_second, burst)
TOUCHSTONE_FIELDS(access::FlappingThreshold, changes_max, window)
TOUCHSTONE_FIELDS(access::ZonePolicy, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
TOUCHSTONE_FIELDS(access::Zone, name, settings, policy)
TOUCHSTONE_FIELDS(access::NodeLimits, a, b, c, d, e, f, g)
TOUCHSTONE_FIELDS(access::NodePolicy, a, b, c, d, e, f, g, h)
TOUCHSTONE_FIELDS(access::ListenerRules, name, zone, mountpoint, port)
TOUCHSTONE_FIELDS(access::NodeRules, policy, zones, listeners, access_rules, bans, has_credentials,
                  method)
TOUCHSTONE_FIELDS(access::AccessRules::Level, kind, variable, literal)
TOUCHSTONE_FIELDS(access::AccessRules::Filter, text, levels)
TOUCHSTONE_FIELDS(access::AccessRules::Who, kind, name, range, parts)
TOUCHSTONE_FIELDS(access::AccessRules::Rule, verdict, line, who, publish, subscribe, all_topics,
                  filters)
TOUCHSTONE_FIELDS(access::Ban, until, reason)
TOUCHSTONE_FIELDS(wire::SubscriptionOptions, qos, no_local, retain_as_published, retain_handling)
TOUCHSTONE_FIELDS(access::Origin, listener, address, certificate_user_name, is_over_limit)
TOUCHSTONE_FIELDS(RetainVersion, at_us, shard)
TOUCHSTONE_FIELDS(PeerReceipt, number, is_stored)
TOUCHSTONE_FIELDS(PeerPublication, message, version, receipt)
TOUCHSTONE_FIELDS(PeerSharedPublication, message, group, tried, busy, receipt)
TOUCHSTONE_FIELDS(PeerStored, receipt, refusal)
TOUCHSTONE_FIELDS(PeerRetained, message, version)
TOUCHSTONE_FIELDS(PeerRecovered, last_taken)
TOUCHSTONE_FIELDS(PeerReadiness, publish, subscribe)
TOUCHSTONE_FIELDS(PeerAddRoute, filter, share_name, sequence)
TOUCHSTONE_FIELDS(PeerRouteAdded, sequence)
TOUCHSTONE_FIELDS(PeerRemoveRoute, filter, share_name)
TOUCHSTONE_FIELDS(PeerGroupSize, filter, share_name, members, has_durable)
TOUCHSTONE_FIELDS(PlainCredentials, client_id, user_name, password, allow_anonymous)
TOUCHSTONE_FIELDS(ExchangeStep, method, data, is_first)
TOUCHSTONE_FIELDS(AuthenticationAnswer, verdict, reason, data, user_name)
TOUCHSTONE_FIELDS(ReadAnswer, values)
TOUCHSTONE_FIELDS(Intake, consumed_bytes, next, wanted_bytes)
TOUCHSTONE_FIELDS(ClientEvent, client_id, user_name, address, listener_port, version, keep_alive_s,
                  clean_start, session_expiry_s, qos)
#undef TOUCHSTONE_FIELDS
/// Without the defect switches: a broker that is recorded has none on.
template <class All>
void fields(All& all, Like<Broker::Options> auto& of) {
    auto& [self, shard_count, node, defects, wall_offset] = of;
    CHECK(node == 0);  // members of clusters are not recorded
    static_cast<void>(defects);
    all(self, shard_count, wall_offset);
}

/// Whether the value is one of its enumeration, whose values begin at 0 and have no gap.
#define TOUCHSTONE_LAST(last_value)                                                                \
    [[nodiscard]] constexpr bool is_known(decltype(last_value) value) {                            \
        return value <= last_value;                                                                \
    }
TOUCHSTONE_LAST(QoS::exactly_once)
TOUCHSTONE_LAST(access::DenyAction::disconnect)
TOUCHSTONE_LAST(access::Verdict::no_match)
TOUCHSTONE_LAST(access::SharedStrategy::local)
TOUCHSTONE_LAST(access::BanKind::address)
TOUCHSTONE_LAST(access::Variable::user_name)
TOUCHSTONE_LAST(access::AccessRules::Level::Kind::variable)
TOUCHSTONE_LAST(access::AccessRules::Who::Kind::any_of)
TOUCHSTONE_LAST(AuthenticationAnswer::Verdict::continues)
TOUCHSTONE_LAST(StorageOutcome::failed)
TOUCHSTONE_LAST(Intake::Next::gone)
#undef TOUCHSTONE_LAST
[[nodiscard]] constexpr bool is_known(DisconnectReason value) {
    return static_cast<std::size_t>(value) < disconnect_reason_count;
}
[[nodiscard]] constexpr bool is_known(ProtocolVersion value) {
    return value >= ProtocolVersion::v3_1 && value <= ProtocolVersion::v5;
}
[[nodiscard]] inline bool is_known(ReasonCode value) {
    return is_reason_code(static_cast<std::uint8_t>(value));
}

template <class T>
concept IsStrong = requires(const T& value) {
    T{value.raw()};
};
template <class T>
concept IsNumber = std::integral<T> || std::is_enum_v<T>;

/// Writes behind what is in `to`, which outlives it.
class Encoder {
public:
    explicit Encoder(Buffer& to) : to_{to} {}

    template <class... Values>
    void operator()(const Values&... values) {
        (put(values), ...);
    }

private:
    void put(IsNumber auto value) {
        auto bits = static_cast<std::uint64_t>(value);
        for (std::size_t i = 0; i < sizeof value; ++i, bits >>= 8U) {
            to_.push_back(static_cast<std::byte>(bits & 0xFFU));
        }
    }
    template <class Rep, class Period>
    void put(std::chrono::duration<Rep, Period> value) {
        put(value.count());
    }
    void put(Instant value) { put(value.time_since_epoch()); }
    void put(IsStrong auto value) { put(value.raw()); }
    void put_size(std::size_t size) { put(static_cast<std::uint32_t>(size)); }
    void put(Bytes bytes) {
        put_size(bytes.size());
        append(to_, bytes);
    }
    void put(const Buffer& bytes) { put(Bytes{bytes}); }
    void put(std::string_view text) { put(as_bytes(text)); }
    void put(const std::string& text) { put(as_bytes(text)); }
    template <class T>
    void put(const std::optional<T>& value) {
        put(value.has_value());
        if (value) put(*value);
    }
    template <class T>
    void put(const std::vector<T>& all) {
        put_size(all.size());
        for (const auto& one : all) put(one);
    }
    template <class... Rest>
    void put(const std::map<Rest...>& all) {
        put_size(all.size());
        for (const auto& [key, value] : all) (*this)(key, value);
    }
    template <class... Alternatives>
    void put(const std::variant<Alternatives...>& value) {
        put(static_cast<std::uint8_t>(value.index()));
        std::visit([this](const auto& one) { this->put(one); }, value);
    }
    void put(const MessageRef& message) {
        put(static_cast<bool>(message));
        if (!message) return;
        (*this)(message->topic(), message->payload(), message->properties(), message->qos(),
                message->retain(), message->expires_at(), message->publisher());
    }
    void put(const access::PeerAddress& address) {
        for (const auto byte : address.bytes()) put(byte);
    }
    void put(const access::AddressRange& range) { put(range.to_text()); }
    void put(const access::MountpointTemplate& mountpoint) { put(mountpoint.text()); }
    void put(const access::AccessRules& rules) { put(rules.rules()); }
    void put(const access::BanList& bans) {
        put_size(bans.size());
        bans.for_each([this](access::BanKind kind, std::string_view who, const access::Ban& ban) {
            (*this)(kind, who, ban);
        });
    }
    void put(const access::AutoSubscribe& subscriptions) {
        put_size(subscriptions.entries().size());
        for (const auto& [filter, options] : subscriptions.entries()) {
            (*this)(filter.text(), options);
        }
    }
    template <class T>
    requires requires(Encoder& all, const T& of) { fields(all, of); }
    void put(const T& of) { fields(*this, of); }

    Buffer& to_;
};

/// Reads off the front of bytes that outlive it. What does not fit makes it fail; everything read
/// afterwards is empty.
class Decoder {
public:
    explicit Decoder(Bytes from) : from_{from} {}

    template <class... Values>
    void operator()(Values&... values) {
        (take(values), ...);
    }
    [[nodiscard]] bool has_failed() const { return has_failed_; }
    /// Whether everything was read, and all of it made sense.
    [[nodiscard]] bool is_done() const { return !has_failed_ && from_.empty(); }

private:
    /// Nested as deep as rules of an operator ever are; a file could say otherwise.
    static constexpr unsigned depth_max = 64;

    void fail() {
        has_failed_ = true;
        from_ = {};
    }
    Bytes take_bytes(std::size_t size) {
        if (size > from_.size()) {
            fail();
            return {};
        }
        const Bytes taken = from_.first(size);
        from_ = from_.subspan(size);
        return taken;
    }
    template <IsNumber T>
    void take(T& value) {
        std::uint64_t bits = 0;
        unsigned shift = 0;
        for (const auto byte : take_bytes(sizeof value)) {
            bits |= std::to_integer<std::uint64_t>(byte) << shift;
            shift += 8;
        }
        if constexpr (std::is_same_v<T, bool>) {
            if (bits > 1) return fail();
        } else if constexpr (std::is_enum_v<T>) {
            if (!is_known(static_cast<T>(bits))) return fail();
        }
        value = static_cast<T>(bits);
    }
    template <class Rep, class Period>
    void take(std::chrono::duration<Rep, Period>& value) {
        Rep count{};
        take(count);
        value = std::chrono::duration<Rep, Period>{count};
    }
    void take(Instant& value) {
        Duration since{};
        take(since);
        value = Instant{since};
    }
    template <IsStrong T>
    void take(T& value) {
        auto raw = value.raw();
        take(raw);
        value = T{raw};
    }
    /// Of things that take a byte each at least.
    std::size_t take_size() {
        std::uint32_t size = 0;
        take(size);
        if (size > from_.size()) {
            fail();
            return 0;
        }
        return size;
    }
    void take(Bytes& bytes) { bytes = take_bytes(take_size()); }
    void take(Buffer& buffer) {
        const Bytes bytes = take_bytes(take_size());
        buffer.assign(bytes.begin(), bytes.end());
    }
    void take(std::string& text) { text = as_text(take_bytes(take_size())); }
    void take(std::string_view& text) { text = as_text(take_bytes(take_size())); }
    template <class T>
    void take(std::optional<T>& value) {
        bool has_value = false;
        take(has_value);
        value.reset();
        if (!has_value || has_failed_) return;
        if constexpr (std::default_initializable<T>) {
            take(value.emplace());
        } else {
            std::string text;
            take(text);
            value = T::from_text(text);
            if (!value) fail();
        }
    }
    template <class T>
    void take(std::vector<T>& all) {
        all.clear();
        for (auto left = take_size(); left > 0 && !has_failed_; --left) take(all.emplace_back());
    }
    template <class Key, class... Rest>
    void take(std::map<Key, Rest...>& all) {
        all.clear();
        for (auto left = take_size(); left > 0 && !has_failed_; --left) {
            Key key{};
            take(key);
            take(all[std::move(key)]);
        }
    }
    template <class... Alternatives>
    void take(std::variant<Alternatives...>& value) {
        std::uint8_t index = 0;
        take(index);
        std::uint8_t at = 0;
        const auto take_if = [&]<class T>(std::type_identity<T>) {
            if (at++ == index) take(value.template emplace<T>());
        };
        (take_if(std::type_identity<Alternatives>{}), ...);
        if (index >= sizeof...(Alternatives)) fail();
    }
    void take(MessageRef& message) {
        bool is_there = false;
        take(is_there);
        message = {};
        if (!is_there || has_failed_) return;
        std::string topic;
        MessageFields made;
        (*this)(topic, made.payload, made.properties, made.qos, made.retain, made.expires_at,
                made.publisher);
        made.topic = topic;
        if (has_failed_ || topic.size() > std::numeric_limits<std::uint16_t>::max()) return fail();
        message = Message::make(made);
    }
    void take(access::PeerAddress& address) {
        access::PeerAddress::Bytes bytes{};
        for (auto& byte : bytes) take(byte);
        address = access::PeerAddress::from_v6(bytes);
    }
    void take(access::MountpointTemplate& mountpoint) {
        std::string text;
        take(text);
        auto parsed = access::MountpointTemplate::from_text(text);
        if (!parsed) return fail();
        mountpoint = std::move(parsed).value();
    }
    void take(access::AccessRules& rules) {
        std::vector<access::AccessRules::Rule> all;
        take(all);
        rules = access::AccessRules::of(std::move(all));
    }
    void take(access::BanList& bans) {
        for (auto left = take_size(); left > 0 && !has_failed_; --left) {
            access::BanKind kind{};
            std::string who;
            access::Ban ban;
            (*this)(kind, who, ban);
            if (!bans.ban(kind, who, std::move(ban))) fail();
        }
    }
    void take(access::AutoSubscribe& subscriptions) {
        for (auto left = take_size(); left > 0 && !has_failed_; --left) {
            std::string filter;
            wire::SubscriptionOptions options;
            (*this)(filter, options);
            auto parsed = access::TopicTemplate::from_text(filter);
            if (!parsed) return fail();
            subscriptions.add(std::move(parsed).value(), options);
        }
    }
    template <class T>
    requires requires(Decoder& all, T& of) { fields(all, of); }
    void take(T& of) {
        if (depth_ == depth_max) return fail();
        ++depth_;
        fields(*this, of);
        --depth_;
    }

    Bytes from_;
    bool has_failed_ = false;
    unsigned depth_ = 0;
};

}  // namespace touchstone::record
