// Packets as the standard prints them: what is read from them, and that they are written so.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>

#include "broker/wire/tests/decoding.hpp"
#include "broker/wire/tests/sample_packets.hpp"

namespace touchstone::wire {
namespace {

using std::string_view_literals::operator""sv;

constexpr auto v3_1 = ProtocolVersion::v3_1;
constexpr auto v3_1_1 = ProtocolVersion::v3_1_1;
constexpr auto v5 = ProtocolVersion::v5;

Buffer sample(std::string_view name) {
    for (auto& packet : sample_packets()) {
        if (packet.name == name) return packet.bytes;
    }
    ADD_FAILURE() << "no sample " << name;
    return {};
}

PacketId packet_id(std::uint16_t raw) {
    return PacketId::from_wire(raw).value();
}

TEST(every_sample, is_encoded_again_as_it_was) {
    for (const auto& packet : sample_packets()) {
        const auto decoded_packet = decode_bytes(packet.bytes, packet.version);
        ASSERT_TRUE(decoded_packet.has_value()) << packet.name;
        EXPECT_EQ(encoded(decoded_packet.value(), packet.version), packet.bytes) << packet.name;
    }
}

TEST(every_sample, is_a_packet_of_its_version) {
    // The same bytes by another version's rules are other fields or an error, never a crash.
    for (const auto& packet : sample_packets()) {
        for (const auto version : all_versions) {
            Bytes input = packet.bytes;
            const auto frame = take_frame(input, packet_size_bytes_max, version);
            if (frame.has_value()) (void)decode_any(*frame.value(), version, Sender::anyone);
        }
    }
}

/// What wire_fuzz reads: a byte for version and sender (anyone), then the packet.
Buffer seed_of(const SamplePacket& packet) {
    const int version = static_cast<int>(packet.version) - static_cast<int>(v3_1);
    return bytes_of(6 + version, packet.bytes);
}

// With TOUCHSTONE_WRITE_CORPUS=1 the files are written instead of compared.
TEST(every_sample, is_a_seed_in_the_corpus_of_the_fuzzer) {
    const char* write = std::getenv("TOUCHSTONE_WRITE_CORPUS");
    for (const auto& packet : sample_packets()) {
        const auto path = "broker/wire/fuzz/corpus/" + packet.name;
        const auto seed = seed_of(packet);
        if (write != nullptr && write == "1"sv) {
            std::ofstream{path, std::ios::binary} << as_text(seed);
        }
        std::ifstream file{path, std::ios::binary};
        const std::string content{std::istreambuf_iterator<char>{file}, {}};
        EXPECT_EQ(content, as_text(seed))
            << path << " differs: run this test with TOUCHSTONE_WRITE_CORPUS=1";
    }
}

TEST(connect, has_its_fields_in_their_order) {
    const auto bytes = sample("v5_connect_full");
    const auto packet = decoded<Connect>(bytes, v5);
    EXPECT_EQ(packet.version, v5);
    EXPECT_TRUE(packet.clean_start);
    EXPECT_EQ(packet.keep_alive_s, 65'535);
    EXPECT_EQ(packet.client_id, "client");
    EXPECT_EQ(packet.user_name, "user");
    EXPECT_EQ(as_text(packet.password.value()), "\x00secret"sv);
    EXPECT_EQ(packet.properties.integer(PropertyId::session_expiry_interval), 120U);
    EXPECT_EQ(packet.properties.integer(PropertyId::receive_maximum), 20U);
    EXPECT_EQ(packet.properties.integer(PropertyId::maximum_packet_size), 65'536U);
    EXPECT_EQ(packet.properties.integer(PropertyId::topic_alias_maximum), 10U);
    EXPECT_EQ(packet.properties.integer(PropertyId::request_response_information), 1U);
    EXPECT_EQ(packet.properties.integer(PropertyId::request_problem_information), 0U);
    EXPECT_EQ(packet.properties.text(PropertyId::authentication_method), "method");

    ASSERT_TRUE(packet.will.has_value());
    EXPECT_EQ(packet.will->qos, QoS::at_least_once);
    EXPECT_TRUE(packet.will->retain);
    EXPECT_EQ(packet.will->topic, "will/topic");
    EXPECT_EQ(as_text(packet.will->payload), "gone");
    EXPECT_EQ(packet.will->properties.integer(PropertyId::will_delay_interval), 5U);
    EXPECT_EQ(packet.will->properties.text(PropertyId::response_topic), "r/1");
}

TEST(connect, without_flags_has_neither_will_nor_credentials) {
    const auto bytes = sample("v5_connect");
    const auto packet = decoded<Connect>(bytes, v5);
    EXPECT_TRUE(packet.clean_start);
    EXPECT_EQ(packet.keep_alive_s, 60);
    EXPECT_FALSE(packet.will.has_value());
    EXPECT_FALSE(packet.user_name.has_value());
    EXPECT_FALSE(packet.password.has_value());
    EXPECT_TRUE(packet.properties.empty());
}

TEST(connect, of_versions_3_has_no_properties) {
    for (const auto version : {v3_1, v3_1_1}) {
        const auto bytes = sample(version == v3_1 ? "v3_1_connect_full" : "v3_1_1_connect_full");
        const auto packet = decoded<Connect>(bytes, version);
        EXPECT_EQ(packet.version, version);
        EXPECT_FALSE(packet.clean_start);
        EXPECT_EQ(packet.will->qos, QoS::exactly_once);
        EXPECT_TRUE(packet.will->retain);
        EXPECT_EQ(as_text(packet.will->payload), "gone");
        EXPECT_EQ(packet.user_name, "user");
        EXPECT_EQ(as_text(packet.password.value()), "secret");
        EXPECT_TRUE(packet.properties.empty());
    }
}

TEST(connect, of_3_1_may_lack_the_strings_that_its_flags_announce) {
    const auto neither = packet_of(0x10, Prefixed{"MQIsdp"}, 0x03, 0xC2, 0, 60, Prefixed{"c"});
    auto packet = decoded<Connect>(neither, v3_1);
    EXPECT_FALSE(packet.user_name.has_value());
    EXPECT_FALSE(packet.password.has_value());
    const auto user_name_alone =
        packet_of(0x10, Prefixed{"MQIsdp"}, 0x03, 0xC2, 0, 60, Prefixed{"c"}, Prefixed{"u"});
    packet = decoded<Connect>(user_name_alone, v3_1);
    EXPECT_EQ(packet.user_name, "u");
    EXPECT_FALSE(packet.password.has_value());
}

TEST(connect, of_3_1_ignores_reserved_bits_and_will_bits_without_a_will) {
    // DUP, QoS and RETAIN in the Fixed Header; Will Retain, Will QoS 3 and the reserved bit
    const auto bytes = packet_of(0x1F, Prefixed{"MQIsdp"}, 0x03, 0x3B, 0, 60, Prefixed{"c"});
    const auto packet = decoded<Connect>(bytes, v3_1);
    EXPECT_TRUE(packet.clean_start);
    EXPECT_FALSE(packet.will.has_value());
}

TEST(connack, shows_session_present_from_3_1_1_on) {
    const auto present = bytes_of(0x20, 0x02, 0x01, 0x00);
    EXPECT_TRUE(decoded<Connack>(present, v3_1_1).session_present);
    EXPECT_FALSE(decoded<Connack>(present, v3_1).session_present) << "the byte is reserved";
    EXPECT_EQ(verdict_on(bytes_of(0x20, 0x02, 0xFF, 0x00), v3_1), ReasonCode::success);
    EXPECT_EQ(encoded(Connack{.session_present = true}, v3_1), bytes_of(0x20, 0x02, 0x00, 0x00));
    EXPECT_EQ(encoded(Connack{.session_present = true}, v3_1_1), present);
    EXPECT_EQ(encoded(Connack{.session_present = true}, v5),
              bytes_of(0x20, 0x03, 0x01, 0x00, 0x00));

    const auto full = sample("v5_connack_full");
    const auto packet = decoded<Connack>(full, v5);
    EXPECT_EQ(packet.reason, ReasonCode::success);
    EXPECT_EQ(packet.properties.text(PropertyId::assigned_client_identifier), "assigned");
    EXPECT_EQ(packet.properties.integer(PropertyId::server_keep_alive), 30U);
}

TEST(connack, says_before_version_5_what_comes_closest) {
    const Connack refusal{.reason = ReasonCode::banned};
    EXPECT_EQ(encoded(refusal, v3_1_1), bytes_of(0x20, 0x02, 0x00, 0x05));
    EXPECT_EQ(encoded(refusal, v5), bytes_of(0x20, 0x03, 0x00, 0x8A, 0x00));
}

TEST(publish, has_its_flags_topic_packet_identifier_properties_and_payload) {
    const auto bytes = sample("v5_publish_qos_1_retain");
    const auto packet = decoded<Publish>(bytes, v5);
    EXPECT_FALSE(packet.dup);
    EXPECT_EQ(packet.qos, QoS::at_least_once);
    EXPECT_TRUE(packet.retain);
    EXPECT_EQ(packet.topic, "a/b");
    EXPECT_EQ(packet.packet_id, packet_id(10));
    EXPECT_EQ(packet.properties.integer(PropertyId::topic_alias), 5U);
    EXPECT_EQ(as_text(packet.payload), "payload");
    EXPECT_EQ(packet.payload.data(), bytes.data() + bytes.size() - 7) << "a view, not a copy";

    const auto resent_bytes = sample("v5_publish_qos_2_dup");
    const auto resent = decoded<Publish>(resent_bytes, v5);
    EXPECT_TRUE(resent.dup);
    EXPECT_EQ(resent.qos, QoS::exactly_once);
    EXPECT_EQ(resent.packet_id, packet_id(65'535));
    EXPECT_TRUE(resent.payload.empty());
}

TEST(publish, of_qos_0_has_no_packet_identifier) {
    const auto bytes = packet_of(0x30, Prefixed{"a/b"}, 0x00, 0x0A, 0xFF);
    const auto packet = decoded<Publish>(bytes, v3_1_1);
    EXPECT_FALSE(packet.packet_id.has_value());
    EXPECT_EQ(as_text(packet.payload), "\x00\x0A\xFF"sv);
}

TEST(publish, of_3_1_ignores_dup_at_qos_0) {
    const auto bytes = packet_of(0x38, Prefixed{"a"});
    EXPECT_FALSE(decoded<Publish>(bytes, v3_1).dup);
}

TEST(publish, may_leave_the_topic_out_with_an_alias) {
    const auto bytes = sample("v5_publish_alias_alone");
    const auto packet = decoded<Publish>(bytes, v5);
    EXPECT_EQ(packet.topic, "");
    EXPECT_EQ(packet.properties.integer(PropertyId::topic_alias), 1U);
}

TEST(publish, keeps_a_topic_of_65_535_bytes_and_a_byte_order_mark) {
    for (const auto& topic : {std::string(65'535, 't'), std::string{"\xEF\xBB\xBFtopic"}}) {
        const auto bytes = packet_of(0x30, Prefixed{topic}, 0x00);
        EXPECT_EQ(decoded<Publish>(bytes, v5).topic, topic);  // [MQTT-1.5.4-3]
    }
}

TEST(publish, is_sent_without_properties_before_version_5) {
    PropertiesWriter properties;
    properties.put_text(PropertyId::content_type, "text/plain");
    const Publish packet{
        .topic = "a", .properties = properties.view(), .payload = as_bytes("payload")};
    EXPECT_EQ(encoded(packet, v3_1_1), packet_of(0x30, Prefixed{"a"}, "payload"));
}

TEST(publish, has_a_head_that_counts_a_payload_sent_from_where_it_lies) {
    for (const std::size_t size : {0, 1, 200, 20'000}) {
        const std::string payload(size, 'p');
        for (const auto version : all_versions) {
            const Publish packet{.qos = QoS::at_least_once,
                                 .topic = "a/b",
                                 .packet_id = packet_id(7),
                                 .payload = as_bytes(payload)};
            Buffer head = bytes_of("before");
            encode_head(head, packet, version);
            EXPECT_EQ(bytes_of(head, payload), bytes_of("before", encoded(packet, version)));
        }
    }
}

TEST(encode, appends_to_what_is_there) {
    Buffer buffer;
    encode_pingreq(buffer);
    encode(buffer, PacketType::puback, Ack{.packet_id = packet_id(1)}, v5);
    encode(buffer, Publish{.topic = "t", .payload = as_bytes("p")}, v3_1_1);
    encode_pingresp(buffer);
    EXPECT_EQ(buffer, bytes_of(0xC0, 0x00,                        // PINGREQ
                               0x40, 0x02, 0x00, 0x01,            // PUBACK
                               0x30, 0x04, 0x00, 0x01, 't', 'p',  // PUBLISH
                               0xD0, 0x00));                      // PINGRESP
}

TEST(ack, takes_and_sends_the_short_forms) {
    struct Row {
        Buffer bytes;
        ReasonCode reason;
        bool has_properties;
        bool is_shortest;
    };
    for (const int first : {0x40, 0x50, 0x62, 0x70}) {
        const auto failure =
            first < 0x60 ? ReasonCode::unspecified_error : ReasonCode::packet_identifier_not_found;
        const auto raw = static_cast<int>(failure);
        const Row rows[] = {
            {bytes_of(first, 0x02, 0x00, 0x05), ReasonCode::success, false, true},
            {bytes_of(first, 0x03, 0x00, 0x05, 0x00), ReasonCode::success, false, false},
            {bytes_of(first, 0x04, 0x00, 0x05, 0x00, 0x00), ReasonCode::success, false, false},
            {bytes_of(first, 0x03, 0x00, 0x05, raw), failure, false, true},
            {bytes_of(first, 0x04, 0x00, 0x05, raw, 0x00), failure, false, false},
            {packet_of(first, 0x00, 0x05, 0x00, properties_of(0x1F, Prefixed{""})),
             ReasonCode::success, true, true},
        };
        for (const auto& row : rows) {
            const auto packet = decoded<TypedAck>(row.bytes, v5);
            EXPECT_EQ(packet.ack.packet_id, packet_id(5));
            EXPECT_EQ(packet.ack.reason, row.reason);
            EXPECT_EQ(packet.ack.properties.empty(), !row.has_properties);
            EXPECT_EQ(encoded(packet, v5) == row.bytes, row.is_shortest);
        }
    }
}

TEST(ack, is_a_packet_identifier_before_version_5) {
    const TypedAck refusal{PacketType::puback,
                           {.packet_id = packet_id(9), .reason = ReasonCode::not_authorized}};
    EXPECT_EQ(encoded(refusal, v3_1_1), bytes_of(0x40, 0x02, 0x00, 0x09));
}

TEST(subscribe, is_a_list_of_filters_with_options) {
    const auto bytes = sample("v5_subscribe");
    const auto packet = decoded<Subscribe>(bytes, v5);
    EXPECT_EQ(packet.packet_id, packet_id(10));
    EXPECT_EQ(packet.properties.integer(PropertyId::subscription_identifier), 16'383U);
    EXPECT_EQ(packet.entry_count, 2U);
    std::vector<Subscription> subscriptions;
    Buffer entries;
    packet.for_each([&](const Subscription& subscription) {
        subscriptions.push_back(subscription);
        put_subscription(entries, subscription, v5);
    });
    EXPECT_EQ(
        subscriptions,
        (std::vector<Subscription>{
            {"a/+", {.qos = QoS::at_least_once}},
            {"$share/g/b/#",
             {.qos = QoS::exactly_once, .retain_as_published = true, .retain_handling = 2}}}));
    EXPECT_EQ(as_text(entries), as_text(packet.entries));
}

TEST(subscribe, knows_every_option_that_is_not_reserved) {
    for (int raw = 0; raw < 256; ++raw) {
        const auto bytes = packet_of(0x82, 0, 1, 0x00, Prefixed{"f"}, raw);
        const bool is_reserved = (raw & 0xC0) != 0;
        const bool is_forbidden = (raw & 0x03) == 3 || (raw & 0x30) == 0x30;
        EXPECT_EQ(verdict_on(bytes, v5), is_reserved    ? ReasonCode::malformed_packet
                                         : is_forbidden ? ReasonCode::protocol_error
                                                        : ReasonCode::success)
            << raw;
        const auto v3_bytes = packet_of(0x82, 0, 1, Prefixed{"f"}, raw);
        EXPECT_EQ(verdict_on(v3_bytes, v3_1_1),
                  raw > 2 ? ReasonCode::malformed_packet : ReasonCode::success);
        EXPECT_EQ(verdict_on(v3_bytes, v3_1),
                  (raw & 0x03) == 3 ? ReasonCode::malformed_packet : ReasonCode::success);
        if (is_reserved || is_forbidden) continue;
        decoded<Subscribe>(bytes, v5).for_each([raw](const Subscription& subscription) {
            const auto& options = subscription.options;
            EXPECT_EQ(static_cast<int>(options.qos), raw & 0x03);
            EXPECT_EQ(options.no_local, (raw & 0x04) != 0);
            EXPECT_EQ(options.retain_as_published, (raw & 0x08) != 0);
            EXPECT_EQ(options.retain_handling, raw >> 4);
        });
    }
}

TEST(subscribe, of_versions_3_has_no_options_but_the_qos) {
    Buffer entries;
    put_subscription(entries,
                     {"f",
                      {.qos = QoS::exactly_once,
                       .no_local = true,
                       .retain_as_published = true,
                       .retain_handling = 2}},
                     v3_1_1);
    EXPECT_EQ(entries, bytes_of(Prefixed{"f"}, 0x02));
    const auto reserved_bits = packet_of(0x82, 0, 1, Prefixed{"f"}, 0xFD);
    decoded<Subscribe>(reserved_bits, v3_1).for_each([](const Subscription& subscription) {
        EXPECT_EQ(subscription.options, SubscriptionOptions{.qos = QoS::at_least_once});
    });
}

TEST(unsubscribe, is_a_list_of_filters) {
    for (const auto version : all_versions) {
        const auto bytes = sample(version == v5       ? "v5_unsubscribe"
                                  : version == v3_1_1 ? "v3_1_1_unsubscribe"
                                                      : "v3_1_unsubscribe");
        const auto packet = decoded<Unsubscribe>(bytes, version);
        EXPECT_EQ(packet.packet_id, packet_id(11));
        EXPECT_EQ(packet.entry_count, 2U);
        std::vector<std::string_view> filters;
        packet.for_each([&filters](std::string_view filter) { filters.push_back(filter); });
        EXPECT_EQ(filters, (std::vector<std::string_view>{"a/+", "#"}));
    }
}

TEST(subscribe_ack, has_a_code_for_each_entry) {
    const auto suback_bytes = sample("v5_suback");
    const auto suback = decoded<TypedSubscribeAck>(suback_bytes, v5);
    EXPECT_EQ(as_text(suback.ack.reasons), "\x00\x01\x02\x8F"sv);
    const auto unsuback_bytes = sample("v5_unsuback");
    const auto unsuback = decoded<TypedSubscribeAck>(unsuback_bytes, v5);
    EXPECT_EQ(as_text(unsuback.ack.reasons), "\x00\x11"sv);
    EXPECT_EQ(encoded(unsuback, v3_1_1), bytes_of(0xB0, 0x02, 0x00, 0x0B)) << "none before v5";
}

TEST(disconnect, takes_and_sends_the_short_forms) {
    const auto nothing = bytes_of(0xE0, 0x00);
    EXPECT_EQ(decoded<Disconnect>(nothing, v5).reason, ReasonCode::success);
    const auto long_form = bytes_of(0xE0, 0x02, 0x00, 0x00);
    EXPECT_EQ(encoded(decoded<Disconnect>(long_form, v5), v5), nothing);
    const auto with_will = bytes_of(0xE0, 0x01, 0x04);
    EXPECT_EQ(decoded<Disconnect>(with_will, v5).reason, ReasonCode::disconnect_with_will_message);
    EXPECT_EQ(encoded(Disconnect{.reason = ReasonCode::server_busy}, v3_1_1), nothing);
}

TEST(packet_type, has_the_name_of_the_standard) {
    EXPECT_EQ(name_of(PacketType::connect), "CONNECT");
    EXPECT_EQ(name_of(PacketType::unsuback), "UNSUBACK");
    EXPECT_EQ(name_of(PacketType::auth), "AUTH");
}

// Each wrong in one thing, as a comment says; the rest of the packet is right.
struct WrongPacket {
    std::vector<ProtocolVersion> versions;
    Sender sender;
    Buffer bytes;
    ReasonCode expected;
    std::string_view what;
};

std::vector<WrongPacket> wrong_packets() {
    using enum ReasonCode;
    constexpr auto anyone = Sender::anyone;
    const auto mqtt_5 = bytes_of(Prefixed{"MQTT"}, 5);
    const auto mqtt_4 = bytes_of(Prefixed{"MQTT"}, 4);
    const auto mqisdp = bytes_of(Prefixed{"MQIsdp"}, 3);
    const std::vector since_3_1_1 = {v3_1_1, v5};
    const std::vector all(std::begin(all_versions), std::end(all_versions));
    std::vector<WrongPacket> rows = {
        // --- CONNECT -------------------------------------------------------------------------
        {{v5},
         anyone,
         packet_of(0x10, Prefixed{"MQTx"}, 5, 0x02, 0, 0, 0, Prefixed{"c"}),
         unsupported_protocol_version,
         "another Protocol Name"},
        {{v5},
         anyone,
         packet_of(0x10, Prefixed{"mqtt"}, 5, 0x02, 0, 0, 0, Prefixed{"c"}),
         unsupported_protocol_version,
         "Protocol Name in small letters"},
        {{v5},
         anyone,
         packet_of(0x10, Prefixed{""}, 5),
         unsupported_protocol_version,
         "empty Protocol Name"},
        {{v5},
         anyone,
         packet_of(0x10, Prefixed{"\xFF"}, 5),
         unsupported_protocol_version,
         "Protocol Name that is not UTF-8"},
        {{v5},
         anyone,
         packet_of(0x10, Prefixed{"MQTT"}, 6),
         unsupported_protocol_version,
         "Protocol Version 6"},
        {{v5},
         anyone,
         packet_of(0x10, Prefixed{"MQTT"}, 3),
         unsupported_protocol_version,
         "MQTT with the version of MQIsdp"},
        {{v5},
         anyone,
         packet_of(0x10, Prefixed{"MQIsdp"}, 4),
         unsupported_protocol_version,
         "MQIsdp with the version of MQTT"},
        {{v5}, anyone, packet_of(0x10, Prefixed{"MQTT"}), malformed_packet, "no version"},
        {{v5}, anyone, packet_of(0x10, 0x00), malformed_packet, "no Protocol Name"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x03, 0, 0, 0, Prefixed{"c"}),
         malformed_packet,
         "reserved Connect Flag"},
        {{v3_1_1},
         anyone,
         packet_of(0x10, mqtt_4, 0x03, 0, 0, Prefixed{"c"}),
         malformed_packet,
         "reserved Connect Flag"},
        {{v5},
         anyone,
         packet_of(0x11, mqtt_5, 0x02, 0, 0, 0, Prefixed{"c"}),
         malformed_packet,
         "flags of the Fixed Header"},
        {{v3_1_1},
         anyone,
         packet_of(0x12, mqtt_4, 0x02, 0, 0, Prefixed{"c"}),
         malformed_packet,
         "flags of the Fixed Header"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x0A, 0, 0, 0, Prefixed{"c"}),
         malformed_packet,
         "Will QoS without Will Flag"},
        {{v3_1_1},
         anyone,
         packet_of(0x10, mqtt_4, 0x12, 0, 0, Prefixed{"c"}),
         malformed_packet,
         "Will QoS without Will Flag"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x22, 0, 0, 0, Prefixed{"c"}),
         malformed_packet,
         "Will Retain without Will Flag"},
        {{v3_1_1},
         anyone,
         packet_of(0x10, mqtt_4, 0x22, 0, 0, Prefixed{"c"}),
         malformed_packet,
         "Will Retain without Will Flag"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x1E, 0, 0, 0, Prefixed{"c"}, 0, Prefixed{"w"}, Prefixed{""}),
         malformed_packet,
         "Will QoS 3"},
        {{v3_1_1},
         anyone,
         packet_of(0x10, mqtt_4, 0x1E, 0, 0, Prefixed{"c"}, Prefixed{"w"}, Prefixed{""}),
         malformed_packet,
         "Will QoS 3"},
        {{v3_1},
         anyone,
         packet_of(0x10, mqisdp, 0x1E, 0, 0, Prefixed{"c"}, Prefixed{"w"}, Prefixed{""}),
         malformed_packet,
         "Will QoS 3"},
        {{v3_1_1},
         anyone,
         packet_of(0x10, mqtt_4, 0x42, 0, 0, Prefixed{"c"}, Prefixed{"p"}),
         malformed_packet,
         "Password without User Name"},
        {{v3_1},
         anyone,
         packet_of(0x10, mqisdp, 0x42, 0, 0, Prefixed{"c"}, Prefixed{"p"}),
         malformed_packet,
         "Password without User Name"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x02, 0, 0, 0),
         malformed_packet,
         "no Client Identifier"},
        {{v3_1_1},
         anyone,
         packet_of(0x10, mqtt_4, 0x02, 0, 0),
         malformed_packet,
         "no Client Identifier"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x02, 0, 0, 0, Prefixed{"\xC0\xAF"}),
         malformed_packet,
         "Client Identifier that is not UTF-8"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x06, 0, 0, 0, Prefixed{"c"}),
         malformed_packet,
         "Will Flag without a Will"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x06, 0, 0, 0, Prefixed{"c"}, 0, Prefixed{"w"}),
         malformed_packet,
         "Will Flag without a Will Payload"},
        {{v3_1},
         anyone,
         packet_of(0x10, mqisdp, 0x06, 0, 0, Prefixed{"c"}),
         malformed_packet,
         "Will Flag without a Will"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x06, 0, 0, 0, Prefixed{"c"}, 0, Prefixed{"\xFF"}, Prefixed{""}),
         malformed_packet,
         "Will Topic that is not UTF-8"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x06, 0, 0, 0, Prefixed{"c"}, 0, Prefixed{"a/#"}, Prefixed{""}),
         protocol_error,
         "wildcard in the Will Topic"},
        {{v3_1_1},
         anyone,
         packet_of(0x10, mqtt_4, 0x06, 0, 0, Prefixed{"c"}, Prefixed{""}, Prefixed{""}),
         protocol_error,
         "empty Will Topic"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x80, 0, 0, 0, Prefixed{"c"}),
         malformed_packet,
         "User Name Flag without a User Name"},
        {{v3_1_1},
         anyone,
         packet_of(0x10, mqtt_4, 0xC2, 0, 0, Prefixed{"c"}, Prefixed{"u"}),
         malformed_packet,
         "Password Flag without a Password"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x80, 0, 0, 0, Prefixed{"c"}, Prefixed{"\xFF"}),
         malformed_packet,
         "User Name that is not UTF-8"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x02, 0, 0, 0, Prefixed{"c"}, Prefixed{"u"}),
         malformed_packet,
         "User Name without its flag"},
        {{v3_1_1},
         anyone,
         packet_of(0x10, mqtt_4, 0x82, 0, 0, Prefixed{"c"}, Prefixed{"u"}, Prefixed{"p"}),
         malformed_packet,
         "Password without its flag"},
        {{v3_1},
         anyone,
         packet_of(0x10, mqisdp, 0x02, 0, 0, Prefixed{"c"}, 0x00),
         malformed_packet,
         "a byte too many"},
        {{v5},
         anyone,
         packet_of(0x10, mqtt_5, 0x02, 0, 0, properties_of(0x16, Prefixed{"d"}), Prefixed{"c"}),
         protocol_error,
         "Authentication Data without Authentication Method"},
        // --- CONNACK -------------------------------------------------------------------------
        {{v5}, anyone, packet_of(0x20, 0x02, 0x00, 0x00), malformed_packet, "acknowledge flags"},
        {{v3_1_1}, anyone, packet_of(0x20, 0x80, 0x00), malformed_packet, "acknowledge flags"},
        {{v5},
         anyone,
         packet_of(0x20, 0x01, 0x80, 0x00),
         protocol_error,
         "Session Present with a refusal"},
        {{v3_1_1},
         anyone,
         packet_of(0x20, 0x01, 0x05),
         protocol_error,
         "Session Present with a refusal"},
        {{v5}, anyone, packet_of(0x20, 0x00, 0x00), malformed_packet, "no Property Length"},
        {all, anyone, packet_of(0x20, 0x00), malformed_packet, "no code"},
        {all, anyone, packet_of(0x20, 0x00, 0x00, 0x00, 0x00), malformed_packet, "a byte too many"},
        {since_3_1_1, anyone, packet_of(0x21, 0x00, 0x00, 0x00), malformed_packet, "flags"},
        // --- PUBLISH -------------------------------------------------------------------------
        {all, anyone, packet_of(0x36, Prefixed{"t"}, 0, 1, 0), malformed_packet, "QoS 3"},
        {since_3_1_1, anyone, packet_of(0x38, Prefixed{"t"}, 0), protocol_error, "DUP at QoS 0"},
        {all, anyone, packet_of(0x32, Prefixed{"t"}, 0, 0, 0), protocol_error,
         "Packet Identifier 0"},
        {all, anyone, packet_of(0x32, Prefixed{"t"}), malformed_packet, "no Packet Identifier"},
        {all, anyone, packet_of(0x34, Prefixed{"t"}, 0), malformed_packet,
         "half a Packet Identifier"},
        {{v5}, anyone, packet_of(0x30, Prefixed{"t"}), malformed_packet, "no Property Length"},
        {{v5},
         anyone,
         packet_of(0x30, Prefixed{""}, properties_of(0x01, 0x01)),
         protocol_error,
         "empty Topic Name without an alias"},
        {all, anyone, packet_of(0x30, Prefixed{""}, 0), protocol_error, "empty Topic Name"},
        {{v5},
         anyone,
         packet_of(0x30, Prefixed{""}, properties_of(0x23, 0, 0)),
         topic_alias_invalid,
         "Topic Alias 0"},
        {all, anyone, packet_of(0x30, Prefixed{"a/+"}, 0), protocol_error, "wildcard"},
        {all, anyone, packet_of(0x30, Prefixed{"a#"}, 0), protocol_error, "wildcard"},
        {all, anyone, packet_of(0x30, Prefixed{"\xED\xA0\x80"}, 0), malformed_packet,
         "Topic Name that is not UTF-8"},
        {all, anyone, packet_of(0x30, Prefixed{"a\x00"sv}, 0), malformed_packet,
         "U+0000 in the Topic Name"},
        {all, anyone, bytes_of(0x30, 0x06, 0xFF, 0xFF, "abcd"), malformed_packet,
         "Topic Name longer than the packet"},
        {all, anyone, bytes_of(0x30, 0x00), malformed_packet, "empty packet"},
        {all, anyone, bytes_of(0x30, 0x01, 0x00), malformed_packet, "half a length"},
        {{v5},
         Sender::client,
         packet_of(0x30, Prefixed{"t"}, properties_of(0x0B, 0x01)),
         protocol_error,
         "Subscription Identifier from a client"},
        // --- SUBSCRIBE and UNSUBSCRIBE -------------------------------------------------------
        {{v5}, anyone, packet_of(0x82, 0, 1, 0), protocol_error, "no entry"},
        {{v3_1, v3_1_1}, anyone, packet_of(0x82, 0, 1), protocol_error, "no entry"},
        {{v5}, anyone, packet_of(0x82, 0, 1, 0, Prefixed{""}, 0), protocol_error, "empty filter"},
        {{v3_1, v3_1_1},
         anyone,
         packet_of(0x82, 0, 1, Prefixed{""}, 0),
         protocol_error,
         "empty filter"},
        {{v5}, anyone, packet_of(0x82, 0, 1, 0, Prefixed{"f"}), malformed_packet, "no options"},
        {{v5},
         anyone,
         packet_of(0x82, 0, 1, 0, Prefixed{"f"}, 0, Prefixed{"g"}),
         malformed_packet,
         "no options for the second filter"},
        {{v5},
         anyone,
         packet_of(0x82, 0, 1, 0, Prefixed{"f"}, 0, 0x00),
         malformed_packet,
         "a byte too many"},
        {{v5},
         anyone,
         packet_of(0x82, 0, 1, 0, Prefixed{"\xFF"}, 0),
         malformed_packet,
         "filter that is not UTF-8"},
        {{v5},
         anyone,
         packet_of(0x82, 0, 1, 0, Prefixed{"$share/g/t"}, 0x04),
         protocol_error,
         "No Local on a Shared Subscription"},
        {all, anyone, packet_of(0x82, 0, 0, 0, Prefixed{"f"}, 0), protocol_error,
         "Packet Identifier 0"},
        {{v5},
         anyone,
         bytes_of(0x82, 0x05, 0, 1, 0, 0, 0),
         protocol_error,
         "empty filter and nothing else"},
        {{v5}, anyone, packet_of(0xA2, 0, 1, 0), protocol_error, "no filter"},
        {{v3_1, v3_1_1}, anyone, packet_of(0xA2, 0, 1), protocol_error, "no filter"},
        {{v5}, anyone, packet_of(0xA2, 0, 1, 0, Prefixed{""}), protocol_error, "empty filter"},
        {{v5},
         anyone,
         packet_of(0xA2, 0, 1, 0, Prefixed{"\xFF"}),
         malformed_packet,
         "filter that is not UTF-8"},
        {all, anyone, packet_of(0xA2, 0, 0, 0, Prefixed{"f"}), protocol_error,
         "Packet Identifier 0"},
        {{v5},
         anyone,
         packet_of(0xA2, 0, 1, 0, Prefixed{"f"}, 0x00),
         malformed_packet,
         "a byte too many"},
        // --- SUBACK and UNSUBACK -------------------------------------------------------------
        {{v5}, anyone, packet_of(0x90, 0, 1, 0), protocol_error, "no code"},
        {{v3_1, v3_1_1}, anyone, packet_of(0x90, 0, 1), protocol_error, "no code"},
        {{v5}, anyone, packet_of(0xB0, 0, 1, 0), protocol_error, "no code"},
        {{v5}, anyone, packet_of(0xB0, 0, 1), malformed_packet, "no Property Length"},
        {{v3_1, v3_1_1}, anyone, packet_of(0xB0, 0, 1, 0), malformed_packet, "a code"},
        {all, anyone, packet_of(0x90, 0, 0, 0, 0), protocol_error, "Packet Identifier 0"},
        {all, anyone, packet_of(0xB0, 0, 0, 0, 0), protocol_error, "Packet Identifier 0"},
        // --- PINGREQ, PINGRESP, DISCONNECT, AUTH ---------------------------------------------
        {all, anyone, packet_of(0xC0, 0), malformed_packet, "a byte too many"},
        {all, anyone, packet_of(0xD0, 0), malformed_packet, "a byte too many"},
        {{v3_1, v3_1_1}, anyone, packet_of(0xE0, 0), malformed_packet, "a byte too many"},
        {{v5}, anyone, packet_of(0xE0, 0, 0, 0), malformed_packet, "a byte too many"},
        {{v5},
         Sender::server,
         packet_of(0xE0, 0, properties_of(0x11, 0, 0, 0, 1)),
         protocol_error,
         "Session Expiry Interval from a server"},
        {{v5}, anyone, packet_of(0xF0), protocol_error, "no Authentication Method"},
        {{v5}, anyone, packet_of(0xF0, 0x18, 0), protocol_error, "no Authentication Method"},
        {{v5}, anyone, packet_of(0xF0, 0x18), malformed_packet, "no Property Length"},
        {{v5},
         Sender::client,
         packet_of(0xF0, 0x00, properties_of(0x15, Prefixed{"m"})),
         protocol_error,
         "Success from a client"},
        {{v5},
         anyone,
         packet_of(0xF0, 0x18, properties_of(0x15, Prefixed{"m"}), 0),
         malformed_packet,
         "a byte too many"},
    };
    // PUBACK, PUBREC, PUBREL, PUBCOMP
    for (const int first : {0x40, 0x50, 0x62, 0x70}) {
        rows.push_back(
            {all, anyone, packet_of(first, 0, 0), protocol_error, "Packet Identifier 0"});
        rows.push_back({all, anyone, packet_of(first), malformed_packet, "no Packet Identifier"});
        rows.push_back(
            {all, anyone, packet_of(first, 1), malformed_packet, "half a Packet Identifier"});
        rows.push_back({{v3_1, v3_1_1},
                        anyone,
                        packet_of(first, 0, 1, 0),
                        malformed_packet,
                        "a byte too many"});
        rows.push_back(
            {{v5}, anyone, packet_of(first, 0, 1, 0, 0, 0), malformed_packet, "a byte too many"});
    }
    return rows;
}

TEST(wrong_packets, are_refused_with_the_code_that_says_why) {
    for (const auto& row : wrong_packets()) {
        for (const auto version : row.versions) {
            EXPECT_EQ(verdict_on(row.bytes, version, row.sender), row.expected)
                << name_of(static_cast<PacketType>(static_cast<unsigned>(row.bytes[0]) >> 4U))
                << ", version " << static_cast<int>(version) << ": " << row.what;
        }
    }
}

TEST(fixed_header, flags_are_reserved_from_3_1_1_on_but_for_publish) {
    for (const auto& packet : sample_packets()) {
        const auto type = static_cast<unsigned>(packet.bytes[0]) >> 4U;
        if (type == static_cast<unsigned>(PacketType::publish)) continue;
        const auto right = static_cast<unsigned>(packet.bytes[0]) & 0x0FU;
        for (unsigned flags = 0; flags < 16; ++flags) {
            auto bytes = packet.bytes;
            bytes[0] = static_cast<std::byte>(type << 4U | flags);
            const bool is_right = packet.version == v3_1 || flags == right;
            EXPECT_EQ(verdict_on(bytes, packet.version),
                      is_right ? ReasonCode::success : ReasonCode::malformed_packet)
                << packet.name << " with flags " << flags;
        }
    }
}

TEST(publish, has_a_remaining_length_up_to_the_longest_there_is) {
    // Not touched, so it takes no memory.
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(variable_byte_integer_max);
    const auto of = [&](std::size_t payload_size) {
        return Publish{.topic = "t", .payload = Bytes{memory.get(), payload_size}};
    };
    EXPECT_TRUE(fits_remaining_length(of(variable_byte_integer_max - 3), ProtocolVersion::v3_1_1));
    EXPECT_FALSE(fits_remaining_length(of(variable_byte_integer_max - 2), ProtocolVersion::v3_1_1));
    EXPECT_TRUE(fits_remaining_length(of(variable_byte_integer_max - 4), ProtocolVersion::v5));
    EXPECT_FALSE(fits_remaining_length(of(variable_byte_integer_max - 3), ProtocolVersion::v5));
}

}  // namespace
}  // namespace touchstone::wire
