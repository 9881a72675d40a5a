#include "broker/storage/records.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace touchstone::storage {
namespace {

constexpr Duration offset = std::chrono::hours{1'000};

/// Any bytes but NUL, as texts of MQTT are.
rc::Gen<std::string> any_text() {
    return rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
}
rc::Gen<QoS> any_qos() {
    return rc::gen::element(QoS::at_most_once, QoS::at_least_once, QoS::exactly_once);
}
Buffer any_bytes() {
    Buffer bytes;
    for (const auto byte : *rc::gen::arbitrary<std::vector<std::uint8_t>>())
        bytes.push_back(std::byte{byte});
    return bytes;
}
Instant any_instant() {
    if (*rc::gen::arbitrary<bool>()) return never;
    return Instant{Duration{*rc::gen::inRange<std::int64_t>(0, 1'000'000'000'000'000)}};
}
Number any_number() {
    return *rc::gen::inRange<Number>(1, ~Number{0});
}

MessageRef any_message() {
    const auto topic = *any_text();
    const auto payload = any_bytes();
    const auto properties = any_bytes();
    return Message::make({.topic = topic,
                          .payload = payload,
                          .properties = properties,
                          .qos = *any_qos(),
                          .retain = *rc::gen::arbitrary<bool>(),
                          .expires_at = any_instant(),
                          .publisher = *rc::gen::arbitrary<std::uint64_t>()});
}

StoredWill any_will() {
    StoredWill will{.topic = *any_text(),
                    .payload = any_bytes(),
                    .properties = any_bytes(),
                    .qos = *any_qos(),
                    .retain = *rc::gen::arbitrary<bool>(),
                    .delay_s = *rc::gen::arbitrary<std::uint32_t>(),
                    .message_expiry_s = std::nullopt};
    if (*rc::gen::arbitrary<bool>()) will.message_expiry_s = *rc::gen::arbitrary<std::uint32_t>();
    return will;
}

SessionRecord any_session() {
    SessionRecord session;
    session.client_id = *any_text();
    session.number = any_number();
    session.is_durable = *rc::gen::arbitrary<bool>();
    session.version =
        *rc::gen::element(ProtocolVersion::v3_1, ProtocolVersion::v3_1_1, ProtocolVersion::v5);
    session.session_expiry_s = *rc::gen::arbitrary<std::uint32_t>();
    session.listener = *rc::gen::arbitrary<std::uint16_t>();
    session.address =
        access::PeerAddress::from_v4({192, 0, 2, *rc::gen::arbitrary<std::uint8_t>()});
    if (*rc::gen::arbitrary<bool>()) session.user_name = *any_text();
    session.is_connected = *rc::gen::arbitrary<bool>();
    session.ends_at = any_instant();
    session.will_due_at = any_instant();
    if (*rc::gen::arbitrary<bool>()) session.will = any_will();
    return session;
}

DeliveryRecord any_delivery() {
    using State = DeliveryRecord::State;
    DeliveryRecord delivery;
    delivery.session = any_number();
    delivery.sequence = any_number();
    delivery.state = *rc::gen::element(State::waiting, State::in_flight, State::released);
    if (delivery.state != State::waiting) {
        delivery.packet_id = *rc::gen::inRange<std::uint16_t>(1, 65'535);
        delivery.started = any_number();
    }
    if (delivery.state != State::released) delivery.message = any_number();
    delivery.qos = *rc::gen::element(QoS::at_least_once, QoS::exactly_once);
    delivery.retain = *rc::gen::arbitrary<bool>();
    delivery.snapshot = *rc::gen::arbitrary<bool>();
    delivery.identifiers = *rc::gen::arbitrary<std::vector<std::uint32_t>>();
    delivery.group = *any_text();
    return delivery;
}

Record any_record() {
    switch (*rc::gen::inRange(0, 9)) {
        case 0: return CounterRecord{any_number()};
        case 1: return MessageRecord{any_number(), any_message()};
        case 2:
            return RetainedRecord{{*rc::gen::inRange<std::int64_t>(0, 1'000'000'000), 3},
                                  any_message()};
        case 3: return any_session();
        case 4:
            return SubscriptionRecord{.session = any_number(),
                                      .text = *any_text(),
                                      .is_shared = *rc::gen::arbitrary<bool>(),
                                      .options = {.qos = *any_qos(),
                                                  .no_local = *rc::gen::arbitrary<bool>(),
                                                  .retain_handling = 2},
                                      .identifier = *rc::gen::arbitrary<std::uint32_t>()};
        case 5: return any_delivery();
        case 6: return ReceivedRecord{any_number(), *rc::gen::inRange<std::uint16_t>(1, 65'535)};
        case 7:
            return ForwardRecord{.number = any_number(),
                                 .message = any_number(),
                                 .to = *rc::gen::inRange<std::uint32_t>(0, 64),
                                 .group = *any_text(),
                                 .tried = any_number(),
                                 .version = {7, 1}};
        default: return MarkRecord{*rc::gen::inRange<std::uint32_t>(0, 64), any_number()};
    }
}

/// The same bytes again mean the same record; what is in it is looked at where it can be compared.
RC_GTEST_PROP(records, decode_is_the_inverse_of_encode, ()) {
    const auto record = any_record();
    const auto key = key_of(record);
    const auto value = encode(key, record, offset);
    const auto again = decode(key, value, offset);
    RC_ASSERT(again.has_value());
    RC_ASSERT(again->index() == record.index());
    RC_ASSERT(encode(key, *again, offset) == value);
    std::visit(
        [&](const auto& one) {
            using Kind = std::decay_t<decltype(one)>;
            if constexpr (requires { one == one; }) RC_ASSERT(std::get<Kind>(*again) == one);
        },
        record);
}

RC_GTEST_PROP(records, a_message_keeps_all_its_parts, ()) {
    const MessageRecord record{any_number(), any_message()};
    const auto key = key_of(record);
    const auto again = decode(key, encode(key, record, offset), offset);
    RC_ASSERT(again.has_value());
    const auto& message = *std::get<MessageRecord>(*again).message;
    const auto& was = *record.message;
    RC_ASSERT(message.topic() == was.topic());
    RC_ASSERT(as_text(message.payload()) == as_text(was.payload()));
    RC_ASSERT(as_text(message.properties()) == as_text(was.properties()));
    RC_ASSERT(message.qos() == was.qos());
    RC_ASSERT(message.retain() == was.retain());
    RC_ASSERT(message.expires_at() == was.expires_at());
    RC_ASSERT(message.publisher() == was.publisher());
}

RC_GTEST_PROP(records, no_part_of_a_record_is_one, ()) {
    const auto record = any_record();
    const auto key = key_of(record);
    const auto value = encode(key, record, offset);
    const auto size = *rc::gen::inRange<std::size_t>(0, value.size());
    RC_ASSERT(!decode(key, Bytes{value}.first(size), offset).has_value());
}

RC_GTEST_PROP(records, a_flipped_bit_is_noticed, ()) {
    const auto record = any_record();
    const auto key = key_of(record);
    auto value = encode(key, record, offset);
    const auto at = *rc::gen::inRange<std::size_t>(0, value.size());
    value[at] ^= std::byte{1} << *rc::gen::inRange(0, 8);
    RC_ASSERT(!decode(key, value, offset).has_value());
}

RC_GTEST_PROP(records, a_value_under_the_key_of_another_is_noticed, ()) {
    const auto one = any_record();
    const auto other = any_record();
    RC_PRE(key_of(one) != key_of(other));
    RC_ASSERT(!decode(key_of(other), encode(key_of(one), one, offset), offset).has_value());
}

TEST(records, have_a_pinned_form) {
    // What is stored today must be read tomorrow: a change here needs another format_version.
    const Record record = ReceivedRecord{0x2A, 0x0107};
    EXPECT_EQ(key_of(record), "i/000000000000002a/0107");
    const Buffer expected{
        std::byte{0x01},                                                     // format version
        std::byte{0},    std::byte{0},    std::byte{0},    std::byte{0},     // session, high
        std::byte{0},    std::byte{0},    std::byte{0},    std::byte{0x2A},  // session, low
        std::byte{0x01}, std::byte{0x07},                                    // Packet Identifier
        std::byte{0x80}, std::byte{0x95}, std::byte{0xD5}, std::byte{0xB2},  // check sum
    };
    EXPECT_EQ(encode(key_of(record), record, offset), expected);
}

TEST(records, of_a_later_version_are_not_read) {
    const Record record = CounterRecord{5};
    auto value = encode("n", record, offset);
    value.front() = std::byte{format_version + 1};
    EXPECT_FALSE(decode("n", value, offset).has_value());
}

TEST(records, instants_are_those_of_the_wall) {
    SessionRecord session;
    session.client_id = "c";
    session.ends_at = Instant{std::chrono::seconds{100}};
    const auto key = key_of(session);
    const auto value = encode(key, session, std::chrono::seconds{1'000});
    // The next process began 1,050 s after the first one, by the wall.
    const auto again = decode(key, value, std::chrono::seconds{2'050});
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(std::get<SessionRecord>(*again).ends_at, Instant{std::chrono::seconds{-950}});
    EXPECT_EQ(std::get<SessionRecord>(*again).will_due_at, never);
}

}  // namespace
}  // namespace touchstone::storage
