#include "broker/storage/records.hpp"

#include <array>
#include <limits>

#include "broker/base/hash.hpp"
#include "broker/wire/primitives.hpp"

namespace touchstone::storage {

namespace {

constexpr std::size_t check_sum_bytes = 4;
constexpr std::int64_t stored_never = std::numeric_limits<std::int64_t>::max();

/// Numbers in keys are hexadecimal, so that they sort, and can be read in a dump.
std::string hexadecimal(std::uint64_t value, std::size_t digits) {
    constexpr std::string_view alphabet = "0123456789abcdef";
    std::string text(digits, '0');
    for (auto digit = text.rbegin(); digit != text.rend(); ++digit, value >>= 4U)
        *digit = alphabet[value & 0xFU];
    return text;
}

std::uint32_t check_sum(std::string_view key, Bytes body) {
    return static_cast<std::uint32_t>(hash_of(as_text(body), hash_of(key, 0)));
}

class Writer {
public:
    Writer(Buffer& to, Duration wall_offset) : to_{to}, wall_offset_{wall_offset} {}

    void flag(bool value) { wire::put_u8(to_, value ? 1 : 0); }
    void u8(std::uint8_t value) { wire::put_u8(to_, value); }
    void u16(std::uint16_t value) { wire::put_u16(to_, value); }
    void u32(std::uint32_t value) { wire::put_u32(to_, value); }
    void u64(std::uint64_t value) {
        u32(static_cast<std::uint32_t>(value >> 32U));
        u32(static_cast<std::uint32_t>(value));
    }
    void bytes(Bytes value) {
        u32(static_cast<std::uint32_t>(value.size()));
        append(to_, value);
    }
    void text(std::string_view value) { bytes(as_bytes(value)); }
    void qos(QoS value) { u8(static_cast<std::uint8_t>(value)); }
    void instant(Instant value) {
        const auto wall_us =
            value == never ? stored_never : (value + wall_offset_).time_since_epoch().count();
        u64(static_cast<std::uint64_t>(wall_us));
    }

private:
    Buffer& to_;
    Duration wall_offset_;
};

/// Reads what Writer has written. After a field that is not there, or has a value that it cannot
/// have, all that follows is zero, and is_done() false.
class Reader {
public:
    Reader(Bytes from, Duration wall_offset) : rest_{from}, wall_offset_{wall_offset} {}

    bool flag() { return u8() != 0; }
    std::uint8_t u8() { return value_of(wire::take_u8(rest_)); }
    std::uint16_t u16() { return value_of(wire::take_u16(rest_)); }
    std::uint32_t u32() { return value_of(wire::take_u32(rest_)); }
    std::uint64_t u64() {
        const std::uint64_t high = u32();
        return high << 32U | u32();
    }
    Bytes bytes() {
        const auto size = u32();
        if (size > rest_.size()) {
            fail();
            return {};
        }
        const auto taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }
    Buffer buffer() {
        const auto taken = bytes();
        return {taken.begin(), taken.end()};
    }
    std::string text() { return std::string{as_text(bytes())}; }
    /// An enumeration whose last value is `last`.
    template <class Enumeration>
    Enumeration one_of(Enumeration last) {
        const auto value = u8();
        if (value > static_cast<std::uint8_t>(last)) fail();
        return value > static_cast<std::uint8_t>(last) ? Enumeration{}
                                                       : static_cast<Enumeration>(value);
    }
    QoS qos() { return one_of(QoS::exactly_once); }
    Instant instant() {
        const auto wall_us = static_cast<std::int64_t>(u64());
        return wall_us == stored_never ? never : Instant{Duration{wall_us}} - wall_offset_;
    }
    void require(bool condition) {
        if (!condition) fail();
    }
    [[nodiscard]] bool is_done() const { return is_good_ && rest_.empty(); }
    [[nodiscard]] std::size_t left_bytes() const { return rest_.size(); }

private:
    template <class T>
    T value_of(const Result<T>& result) {
        if (result) return result.value();
        fail();
        return {};
    }
    void fail() {
        is_good_ = false;
        rest_ = {};
    }

    Bytes rest_;
    Duration wall_offset_;
    bool is_good_ = true;
};

// --- Messages ------------------------------------------------------------------------------------

void put(Writer& to, const Message& message) {
    to.text(message.topic());
    to.bytes(message.payload());
    to.bytes(message.properties());
    to.qos(message.qos());
    to.flag(message.retain());
    to.instant(message.expires_at());
    to.u64(message.publisher());
}

MessageRef take_message(Reader& from) {
    const auto topic = from.text();
    const auto payload = from.bytes();
    const auto properties = from.bytes();
    from.require(topic.size() <= 65'535);
    const auto qos = from.qos();
    const bool retain = from.flag();
    const auto expires_at = from.instant();
    const auto publisher = from.u64();
    if (!from.is_done()) return {};
    return Message::make({.topic = topic,
                          .payload = payload,
                          .properties = properties,
                          .qos = qos,
                          .retain = retain,
                          .expires_at = expires_at,
                          .publisher = publisher});
}

// --- What each record consists of ----------------------------------------------------------------

void put(Writer& to, const CounterRecord& record) {
    to.u64(record.last);
}
void take(Reader& from, CounterRecord& record) {
    record.last = from.u64();
}

void put(Writer& to, const MessageRecord& record) {
    to.u64(record.number);
    put(to, *record.message);
}
void take(Reader& from, MessageRecord& record) {
    record.number = from.u64();
    record.message = take_message(from);
}

void put(Writer& to, const RetainVersion& version) {
    to.u64(static_cast<std::uint64_t>(version.at_us));
    to.u32(version.shard);
}
RetainVersion take_version(Reader& from) {
    const auto at_us = static_cast<std::int64_t>(from.u64());
    return {.at_us = at_us, .shard = from.u32()};
}

void put(Writer& to, const RetainedRecord& record) {
    put(to, record.version);
    put(to, *record.message);
}
void take(Reader& from, RetainedRecord& record) {
    record.version = take_version(from);
    record.message = take_message(from);
}

void put(Writer& to, const StoredWill& will) {
    to.text(will.topic);
    to.bytes(will.payload);
    to.bytes(will.properties);
    to.qos(will.qos);
    to.flag(will.retain);
    to.u32(will.delay_s);
    to.flag(will.message_expiry_s.has_value());
    to.u32(will.message_expiry_s.value_or(0));
}
StoredWill take_will(Reader& from) {
    StoredWill will;
    will.topic = from.text();
    will.payload = from.buffer();
    will.properties = from.buffer();
    will.qos = from.qos();
    will.retain = from.flag();
    will.delay_s = from.u32();
    const bool expires = from.flag();
    const auto expiry_s = from.u32();
    if (expires) will.message_expiry_s = expiry_s;
    return will;
}

void put(Writer& to, const SessionRecord& record) {
    to.text(record.client_id);
    to.u64(record.number);
    to.flag(record.is_durable);
    to.u8(static_cast<std::uint8_t>(record.version));
    to.u32(record.session_expiry_s);
    to.u16(record.listener);
    for (const auto byte : record.address.bytes()) to.u8(byte);
    to.flag(record.user_name.has_value());
    to.text(record.user_name.value_or(""));
    to.flag(record.is_connected);
    to.instant(record.ends_at);
    to.instant(record.will_due_at);
    to.flag(record.will.has_value());
    if (record.will) put(to, *record.will);
}
void take(Reader& from, SessionRecord& record) {
    record.client_id = from.text();
    record.number = from.u64();
    record.is_durable = from.flag();
    const auto version = from.u8();
    record.version = static_cast<ProtocolVersion>(version);
    from.require(record.version == ProtocolVersion::v3_1 ||
                 record.version == ProtocolVersion::v3_1_1 ||
                 record.version == ProtocolVersion::v5);
    record.session_expiry_s = from.u32();
    record.listener = from.u16();
    access::PeerAddress::Bytes address{};
    for (auto& byte : address) byte = from.u8();
    record.address = access::PeerAddress::from_v6(address);
    const bool has_user_name = from.flag();
    auto user_name = from.text();
    if (has_user_name) record.user_name = std::move(user_name);
    record.is_connected = from.flag();
    record.ends_at = from.instant();
    record.will_due_at = from.instant();
    if (from.flag()) record.will = take_will(from);
}

void put(Writer& to, const SubscriptionRecord& record) {
    to.u64(record.session);
    to.text(record.text);
    to.flag(record.is_shared);
    to.qos(record.options.qos);
    to.flag(record.options.no_local);
    to.flag(record.options.retain_as_published);
    to.u8(record.options.retain_handling);
    to.u32(record.identifier);
}
void take(Reader& from, SubscriptionRecord& record) {
    record.session = from.u64();
    record.text = from.text();
    record.is_shared = from.flag();
    record.options.qos = from.qos();
    record.options.no_local = from.flag();
    record.options.retain_as_published = from.flag();
    record.options.retain_handling = from.u8();
    record.identifier = from.u32();
}

void put(Writer& to, const DeliveryRecord& record) {
    to.u64(record.session);
    to.u64(record.sequence);
    to.u8(static_cast<std::uint8_t>(record.state));
    to.u16(record.packet_id);
    to.u64(record.started);
    to.u64(record.message);
    to.qos(record.qos);
    to.flag(record.retain);
    to.flag(record.snapshot);
    to.u32(static_cast<std::uint32_t>(record.identifiers.size()));
    for (const auto identifier : record.identifiers) to.u32(identifier);
    to.text(record.group);
}
void take(Reader& from, DeliveryRecord& record) {
    using State = DeliveryRecord::State;
    record.session = from.u64();
    record.sequence = from.u64();
    record.state = from.one_of(State::released);
    record.packet_id = from.u16();
    record.started = from.u64();
    record.message = from.u64();
    record.qos = from.qos();
    record.retain = from.flag();
    record.snapshot = from.flag();
    auto count = from.u32();
    from.require(count <= from.left_bytes() / sizeof(std::uint32_t));
    for (; from.left_bytes() != 0 && count != 0; --count) record.identifiers.push_back(from.u32());
    record.group = from.text();
    from.require((record.state == State::waiting) == (record.packet_id == 0));
    from.require(record.state == State::released || record.message != 0);
    from.require(record.qos != QoS::at_most_once);
}

void put(Writer& to, const ReceivedRecord& record) {
    to.u64(record.session);
    to.u16(record.packet_id);
}
void take(Reader& from, ReceivedRecord& record) {
    record.session = from.u64();
    record.packet_id = from.u16();
    from.require(record.packet_id != 0);
}

void put(Writer& to, const ForwardRecord& record) {
    to.u64(record.number);
    to.u64(record.message);
    to.u32(record.to);
    to.text(record.group);
    to.u64(record.tried);
    put(to, record.version);
}
void take(Reader& from, ForwardRecord& record) {
    record.number = from.u64();
    record.message = from.u64();
    record.to = from.u32();
    record.group = from.text();
    record.tried = from.u64();
    record.version = take_version(from);
}

void put(Writer& to, const MarkRecord& record) {
    to.u32(record.from);
    to.u64(record.number);
}
void take(Reader& from, MarkRecord& record) {
    record.from = from.u32();
    record.number = from.u64();
}

std::string key(const CounterRecord& /*record*/) {
    return key_of_counter();
}
std::string key(const MessageRecord& record) {
    return key_of_message(record.number);
}
std::string key(const RetainedRecord& record) {
    return key_of_retained(record.message->topic());
}
std::string key(const SessionRecord& record) {
    return key_of_session(record.client_id);
}
std::string key(const SubscriptionRecord& record) {
    return key_of_subscription(record.session, record.text);
}
std::string key(const DeliveryRecord& record) {
    return key_of_delivery(record.session, record.sequence);
}
std::string key(const ReceivedRecord& record) {
    return key_of_received(record.session, record.packet_id);
}
std::string key(const ForwardRecord& record) {
    return key_of_forward(record.number);
}
std::string key(const MarkRecord& record) {
    return key_of_mark(record.from);
}

template <class Kind>
std::optional<Record> taken(Reader from) {
    Kind record;
    take(from, record);
    if (!from.is_done()) return std::nullopt;
    return record;
}

}  // namespace

std::string key_of_counter() {
    return "n";
}
std::string key_of_message(Number number) {
    return "m/" + hexadecimal(number, 16);
}
std::string key_of_retained(std::string_view topic) {
    return "r/" + std::string{topic};
}
std::string key_of_session(std::string_view client_id) {
    return "s/" + std::string{client_id};
}
std::string key_of_subscription(Number session, std::string_view text) {
    return "f/" + hexadecimal(session, 16) + "/" + std::string{text};
}
std::string key_of_delivery(Number session, Number sequence) {
    return "d/" + hexadecimal(session, 16) + "/" + hexadecimal(sequence, 16);
}
std::string key_of_received(Number session, std::uint16_t packet_id) {
    return "i/" + hexadecimal(session, 16) + "/" + hexadecimal(packet_id, 4);
}
std::string key_of_forward(Number number) {
    return "o/" + hexadecimal(number, 16);
}
std::string key_of_mark(std::uint32_t from) {
    return "p/" + hexadecimal(from, 2);
}

std::string key_of(const Record& record) {
    return std::visit([](const auto& one) { return key(one); }, record);
}

Buffer encode(std::string_view key, const Record& record, Duration wall_offset) {
    Buffer value;
    Writer to{value, wall_offset};
    to.u8(format_version);
    std::visit([&](const auto& one) { put(to, one); }, record);
    to.u32(check_sum(key, value));
    return value;
}

std::optional<Record> decode(std::string_view key, Bytes value, Duration wall_offset) {
    if (key.empty() || value.size() < 1 + check_sum_bytes) return std::nullopt;
    const auto body = value.first(value.size() - check_sum_bytes);
    if (std::to_integer<std::uint8_t>(body.front()) != format_version) return std::nullopt;
    auto sum = value.last(check_sum_bytes);
    if (wire::take_u32(sum).value() != check_sum(key, body)) return std::nullopt;
    const Reader from{body.subspan(1), wall_offset};
    std::optional<Record> record;
    switch (key.front()) {
        case 'n': record = taken<CounterRecord>(from); break;
        case 'm': record = taken<MessageRecord>(from); break;
        case 'r': record = taken<RetainedRecord>(from); break;
        case 's': record = taken<SessionRecord>(from); break;
        case 'f': record = taken<SubscriptionRecord>(from); break;
        case 'd': record = taken<DeliveryRecord>(from); break;
        case 'i': record = taken<ReceivedRecord>(from); break;
        case 'o': record = taken<ForwardRecord>(from); break;
        case 'p': record = taken<MarkRecord>(from); break;
        default: return std::nullopt;
    }
    if (!record || key_of(*record) != key) return std::nullopt;
    return record;
}

}  // namespace touchstone::storage
