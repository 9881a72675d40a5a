// The simulated client against a port that records what it does.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "simulator/client.hpp"

namespace touchstone::simulator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::PacketType;

/// Plays the server: keeps what the client sends as short words, hands in packets.
class ServerPort final : public ClientPort {
public:
    ConnectionNumber open() override { return ConnectionNumber{++opened}; }
    void send(ConnectionNumber, Bytes bytes) override {
        while (const auto frame =
                   wire::take_frame(bytes, wire::packet_size_bytes_max, version).value()) {
            sent.push_back(word(*frame));
        }
    }
    void close(ConnectionNumber) override { sent.emplace_back("close"); }
    void abort(ConnectionNumber) override { sent.emplace_back("abort"); }
    std::uint32_t receive(ConnectionNumber, const wire::Publish& publish) override {
        received.emplace_back(as_text(publish.payload));
        return static_cast<std::uint32_t>(received.size() - 1);
    }
    void deliver(std::uint32_t number) override { delivered.push_back(received[number]); }
    void forgot() override { ++losses_of_state; }
    void died() override { is_dead = true; }
    void register_will(const Publication& will) override { wills.push_back(will.payload); }
    RandomStream& random(Purpose) override { return stream; }

    std::vector<std::string> take_sent() { return std::exchange(sent, {}); }

    ProtocolVersion version = ProtocolVersion::v5;
    std::uint32_t opened = 0;
    std::vector<std::string> sent;
    std::vector<std::string> topics;
    std::vector<std::string> received;
    std::vector<std::string> delivered;
    unsigned losses_of_state = 0;
    bool is_dead = false;
    std::vector<std::string> wills;
    RandomStream stream{1, Domain::client, 0, Purpose::reconnect};

private:
    std::string word(const wire::Frame& frame) {
        switch (frame.type) {
            case PacketType::connect: return "CONNECT";
            case PacketType::publish: {
                const auto publish = wire::decode_publish(frame, version).value();
                topics.emplace_back(publish.topic);
                std::string text = publish.dup ? "DUP " : "PUBLISH ";
                if (publish.packet_id) text += std::to_string(publish.packet_id->raw()) + " ";
                return text + std::string{as_text(publish.payload)};
            }
            case PacketType::puback:
            case PacketType::pubrec:
            case PacketType::pubrel:
            case PacketType::pubcomp:
                return std::string{wire::name_of(frame.type)} + " " +
                       std::to_string(wire::decode_ack(frame, version).value().packet_id.raw());
            default: return std::string{wire::name_of(frame.type)};
        }
    }
};

class ClientTest : public testing::Test {
protected:
    using Words = std::vector<std::string>;

    Client& make(ClientOptions options) {
        port.version = options.version;
        client = std::make_unique<Client>(std::move(options), port);
        return *client;
    }
    void hand_in(const Buffer& bytes) {
        client->on_bytes(ConnectionNumber{port.opened}, bytes, now);
    }
    void connack(bool session_present, std::optional<std::uint16_t> receive_maximum = {}) {
        wire::PropertiesWriter properties;
        if (receive_maximum) {
            properties.put_integer(wire::PropertyId::receive_maximum, *receive_maximum);
        }
        Buffer bytes;
        wire::encode(bytes,
                     wire::Connack{.session_present = session_present,
                                   .reason = ReasonCode::success,
                                   .properties = properties.view()},
                     port.version);
        hand_in(bytes);
    }
    void answer(PacketType type, std::uint16_t packet_id) {
        Buffer bytes;
        wire::encode(bytes, type,
                     wire::Ack{.packet_id = wire::PacketId::from_wire(packet_id).value()},
                     port.version);
        hand_in(bytes);
    }
    void publish_to_client(QoS qos, std::uint16_t packet_id, std::string_view payload) {
        wire::Publish publish{.qos = qos, .topic = "t", .payload = as_bytes(payload)};
        if (packet_id != 0) publish.packet_id = wire::PacketId::from_wire(packet_id).value();
        Buffer bytes;
        wire::encode(bytes, publish, port.version);
        hand_in(bytes);
    }
    void lose_connection() { client->on_ended(ConnectionNumber{port.opened}, now); }
    void tick_after(Duration span) {
        now += span;
        client->on_tick(now);
    }
    static Publication message(std::string payload, QoS qos) {
        return {.topic = "t", .payload = std::move(payload), .qos = qos};
    }

    ServerPort port;
    std::unique_ptr<Client> client;
    Instant now = run_begin;
};

TEST_F(ClientTest, resends_in_order_with_dup_and_pubrel_where_pubrec_had_come) {
    auto& one = make({.client_id = "c", .clean_start = false, .session_expiry_s = 60});
    one.connect(now);
    connack(false);
    one.publish(message("a", QoS::at_least_once), now);
    one.publish(message("b", QoS::exactly_once), now);
    one.publish(message("c", QoS::exactly_once), now);
    answer(PacketType::pubrec, 2);
    EXPECT_EQ(port.take_sent(),
              (Words{"CONNECT", "PUBLISH 1 a", "PUBLISH 2 b", "PUBLISH 3 c", "PUBREL 2"}));
    lose_connection();
    one.publish(message("d", QoS::at_least_once), now);
    tick_after(seconds{1});
    connack(true);
    EXPECT_EQ(port.take_sent(),
              (Words{"CONNECT", "DUP 1 a", "PUBREL 2", "DUP 3 c", "PUBLISH 4 d"}));
    EXPECT_EQ(one.unfinished_publications(), 4U);
}

TEST_F(ClientTest, forgets_its_flows_when_the_server_has_no_session) {
    auto& one = make({.client_id = "c", .clean_start = false, .session_expiry_s = 60});
    one.connect(now);
    connack(false);
    one.publish(message("a", QoS::at_least_once), now);
    lose_connection();
    tick_after(seconds{1});
    connack(false);
    EXPECT_EQ(port.take_sent(), (Words{"CONNECT", "PUBLISH 1 a", "CONNECT"}));
    EXPECT_EQ(one.unfinished_publications(), 0U);
}

TEST_F(ClientTest, publishes_anew_when_told_to) {
    auto& one = make({.client_id = "c",
                      .clean_start = false,
                      .session_expiry_s = 60,
                      .republish_unacknowledged = true});
    one.connect(now);
    connack(false);
    one.publish(message("a", QoS::at_least_once), now);
    one.publish(message("b", QoS::at_least_once), now);
    lose_connection();
    tick_after(seconds{1});
    connack(false);
    EXPECT_EQ(port.take_sent(), (Words{"CONNECT", "PUBLISH 1 a", "PUBLISH 2 b", "CONNECT",
                                       "PUBLISH 1 a", "PUBLISH 2 b"}));
}

TEST_F(ClientTest, keeps_to_the_servers_receive_maximum) {
    auto& one = make({.client_id = "c"});
    one.connect(now);
    connack(false, 2);
    for (const auto* payload : {"a", "b", "c"}) {
        one.publish(message(payload, QoS::exactly_once), now);
    }
    EXPECT_EQ(port.take_sent(), (Words{"CONNECT", "PUBLISH 1 a", "PUBLISH 2 b"}));
    answer(PacketType::pubrec, 1);
    EXPECT_EQ(port.take_sent(), (Words{"PUBREL 1"}));
    answer(PacketType::pubcomp, 1);
    EXPECT_EQ(port.take_sent(), (Words{"PUBLISH 3 c"}));
}

TEST_F(ClientTest, steps_over_packet_identifiers_in_use) {
    auto& one = make({.client_id = "c", .packet_id_max = 2});
    one.connect(now);
    connack(false);
    one.publish(message("a", QoS::exactly_once), now);
    one.publish(message("b", QoS::at_least_once), now);
    one.publish(message("c", QoS::at_least_once), now);
    EXPECT_EQ(port.take_sent(), (Words{"CONNECT", "PUBLISH 1 a", "PUBLISH 2 b"}));
    answer(PacketType::puback, 2);
    EXPECT_EQ(port.take_sent(), (Words{"PUBLISH 2 c"}));
}

TEST_F(ClientTest, an_answer_of_the_wrong_kind_ends_nothing) {
    auto& one = make({.client_id = "c"});
    one.connect(now);
    connack(false);
    one.publish(message("a", QoS::exactly_once), now);
    answer(PacketType::puback, 1);
    answer(PacketType::pubcomp, 7);
    EXPECT_EQ(one.unfinished_publications(), 1U);
}

TEST_F(ClientTest, hands_a_repeated_qos_2_message_over_once_even_across_connections) {
    auto& one = make({.client_id = "c", .clean_start = false, .session_expiry_s = 60});
    one.connect(now);
    connack(false);
    publish_to_client(QoS::exactly_once, 5, "m");
    lose_connection();
    tick_after(seconds{1});
    connack(true);
    publish_to_client(QoS::exactly_once, 5, "m");
    answer(PacketType::pubrel, 5);
    publish_to_client(QoS::exactly_once, 5, "n");
    EXPECT_EQ(port.delivered, (Words{"m", "n"}));
    EXPECT_EQ(port.take_sent(),
              (Words{"CONNECT", "PUBREC 5", "CONNECT", "PUBREC 5", "PUBCOMP 5", "PUBREC 5"}));
}

TEST_F(ClientTest, acknowledges_as_its_policy_says_and_in_order) {
    auto& one = make(
        {.client_id = "c", .acknowledgements = {.per_message = milliseconds{10}, .only_first = 2}});
    one.connect(now);
    connack(false);
    port.take_sent();
    for (std::uint16_t id = 1; id <= 4; ++id) publish_to_client(QoS::at_least_once, id, "m");
    EXPECT_EQ(port.take_sent(), Words{});
    ASSERT_EQ(one.next_tick(), now + milliseconds{10});
    tick_after(milliseconds{10});
    EXPECT_EQ(port.take_sent(), Words{"PUBACK 1"});
    tick_after(milliseconds{30});
    EXPECT_EQ(port.take_sent(), Words{"PUBACK 2"});
    EXPECT_EQ(one.withheld_acknowledgements(), 2U);
    one.acknowledge(1, now);
    EXPECT_EQ(port.take_sent(), Words{"PUBACK 3"});
    one.set_acknowledgements({}, now);
    EXPECT_EQ(port.take_sent(), Words{"PUBACK 4"});
}

TEST_F(ClientTest, acknowledges_nothing_of_an_earlier_connection) {
    auto& one = make({.client_id = "c",
                      .clean_start = false,
                      .session_expiry_s = 60,
                      .acknowledgements = {.only_first = 0}});
    one.connect(now);
    connack(false);
    publish_to_client(QoS::at_least_once, 1, "m");
    lose_connection();
    tick_after(seconds{1});
    connack(true);
    one.set_acknowledgements({}, now);
    EXPECT_EQ(port.take_sent(), (Words{"CONNECT", "CONNECT"}));
}

TEST_F(ClientTest, pings_when_it_has_nothing_to_say_and_gives_up_without_an_answer) {
    auto& one = make({.client_id = "c", .keep_alive_s = 10, .ping_timeout = seconds{3}});
    one.connect(now);
    connack(false);
    port.take_sent();
    tick_after(seconds{10});
    EXPECT_EQ(port.take_sent(), Words{"PINGREQ"});
    Buffer pingresp;
    wire::encode_pingresp(pingresp);
    hand_in(pingresp);
    tick_after(seconds{10});
    EXPECT_EQ(port.take_sent(), Words{"PINGREQ"});
    tick_after(seconds{3});
    EXPECT_EQ(port.take_sent(), Words{"abort"});
    ASSERT_TRUE(one.next_tick().has_value());  // it will come back
}

TEST_F(ClientTest, stays_away_after_it_was_taken_over_and_after_disconnect) {
    auto& one = make({.client_id = "c"});
    one.connect(now);
    connack(false);
    Buffer disconnect;
    wire::encode(disconnect, wire::Disconnect{.reason = ReasonCode::session_taken_over},
                 port.version);
    hand_in(disconnect);
    lose_connection();
    EXPECT_EQ(one.next_tick(), std::nullopt);
    one.connect(now);
    connack(false);
    one.disconnect(now);
    EXPECT_EQ(one.next_tick(), std::nullopt);
    EXPECT_EQ(port.take_sent(), (Words{"CONNECT", "CONNECT", "DISCONNECT", "close"}));
}

TEST_F(ClientTest, gives_each_connection_a_will_of_its_own) {
    auto& one = make({.client_id = "c", .will = WillOptions{message("will", QoS::at_most_once)}});
    one.connect(now);
    one.connect(now);
    EXPECT_EQ(port.wills, (Words{"will", "will#2"}));
}

TEST_F(ClientTest, subscribes_again_when_its_session_is_gone) {
    auto& one = make({.client_id = "c"});
    one.subscribe({{.filter = "t"}}, now);
    one.connect(now);
    connack(false);
    EXPECT_EQ(port.take_sent(), (Words{"CONNECT", "SUBSCRIBE"}));
    one.unsubscribe({"t"}, now);
    EXPECT_EQ(port.take_sent(), Words{"UNSUBSCRIBE"});
    lose_connection();
    tick_after(seconds{1});
    connack(false);
    EXPECT_EQ(port.take_sent(), Words{"CONNECT"});
}

TEST_F(ClientTest, leaves_a_server_that_sends_no_packets) {
    make({.client_id = "c"}).connect(now);
    hand_in(Buffer(10, std::byte{0xFF}));
    EXPECT_EQ(port.take_sent(), (Words{"CONNECT", "abort"}));
}

TEST_F(ClientTest, a_crash_keeps_what_the_store_keeps) {
    for (const auto store : {Store::durable, Store::memory}) {
        auto& one =
            make({.client_id = "c", .clean_start = false, .session_expiry_s = 60, .store = store});
        one.publish(message("a", QoS::at_least_once), now);
        one.connect(now);
        connack(true);
        one.publish(message("b", QoS::at_least_once), now);
        one.crash(now);
        one.publish(message("lost", QoS::at_least_once), now);
        port.take_sent();
        one.connect(now);
        connack(true);
        const Words kept{"CONNECT", "DUP 1 a", "DUP 2 b"};
        EXPECT_EQ(port.take_sent(), store == Store::durable ? kept : Words{"CONNECT"});
    }
}

TEST_F(ClientTest, messages_wait_for_an_application_and_are_acknowledged) {
    auto& one = make({.client_id = "c"});
    one.connect(now);
    connack(false);
    one.set_listening(false);
    port.take_sent();
    publish_to_client(QoS::at_least_once, 1, "a");
    publish_to_client(QoS::exactly_once, 2, "b");
    EXPECT_EQ(port.take_sent(), (Words{"PUBACK 1", "PUBREC 2"}));
    EXPECT_TRUE(port.delivered.empty());
    one.set_listening(true);
    EXPECT_EQ(port.delivered, (Words{"a", "b"}));
}

TEST_F(ClientTest, pauses_double_with_failed_attempts_up_to_their_bound) {
    auto& one =
        make({.client_id = "c",
              .reconnect = {
                  .delay_low = seconds{1}, .delay_high = seconds{1}, .delay_max = seconds{3}}});
    one.connect(now);
    connack(false);
    for (const int pause_s : {1, 2, 3, 3}) {
        lose_connection();
        EXPECT_EQ(one.next_tick(), now + seconds{pause_s});
        tick_after(seconds{pause_s});
    }
    connack(false);
    lose_connection();
    EXPECT_EQ(one.next_tick(), now + seconds{1});
}

TEST_F(ClientTest, an_alias_replaces_the_topic_from_the_second_message_on) {
    auto& one = make({.client_id = "c", .topic_alias_max = 1});
    one.connect(now);
    wire::PropertiesWriter properties;
    properties.put_integer(wire::PropertyId::topic_alias_maximum, 9);
    Buffer bytes;
    wire::encode(bytes, wire::Connack{.properties = properties.view()}, port.version);
    hand_in(bytes);
    one.publish(message("a", QoS::at_least_once), now);
    one.publish(message("b", QoS::at_least_once), now);
    one.publish({.topic = "u", .payload = "c", .qos = QoS::at_least_once}, now);
    EXPECT_EQ(port.topics, (Words{"t", "", "u"}));
}

TEST_F(ClientTest, what_the_server_does_not_take_is_not_sent) {
    auto& one = make({.client_id = "c"});
    one.publish(message("two", QoS::exactly_once), now);
    one.publish(message(std::string(100, 'x'), QoS::at_least_once), now);
    one.publish(message("one", QoS::at_least_once), now);
    one.connect(now);
    wire::PropertiesWriter properties;
    properties.put_integer(wire::PropertyId::maximum_qos, 1);
    properties.put_integer(wire::PropertyId::maximum_packet_size, 64);
    Buffer bytes;
    wire::encode(bytes, wire::Connack{.properties = properties.view()}, port.version);
    hand_in(bytes);
    EXPECT_EQ(port.take_sent(), (Words{"CONNECT", "PUBLISH 1 one"}));
    EXPECT_EQ(one.unfinished_publications(), 1U);
}

TEST_F(ClientTest, a_retry_repeats_the_packet_that_is_owed) {
    auto& one = make({.client_id = "c",
                      .version = ProtocolVersion::v3_1_1,
                      .keep_alive_s = 0,
                      .retry_interval = seconds{1}});
    one.connect(now);
    connack(false);
    one.publish(message("a", QoS::exactly_once), now);
    one.publish(message("b", QoS::exactly_once), now);
    answer(PacketType::pubrec, 1);
    port.take_sent();
    EXPECT_EQ(one.next_tick(), now + seconds{1});
    tick_after(seconds{1});
    EXPECT_EQ(port.take_sent(), (Words{"PUBREL 1", "DUP 2 b"}));
}

TEST_F(ClientTest, gives_up_a_connection_on_which_nonsense_comes) {
    auto& one = make({.client_id = "c"});
    one.connect(now);
    connack(false);
    port.take_sent();
    // PUBLISH whose Topic Name is longer than the packet.
    hand_in({std::byte{0x30}, std::byte{0x03}, std::byte{0xFF}, std::byte{0xFF}, std::byte{'a'}});
    EXPECT_EQ(port.take_sent(), (Words{"abort"}));
    EXPECT_FALSE(port.is_dead);
    EXPECT_TRUE(one.has_process());
}

}  // namespace
}  // namespace touchstone::simulator
