// Time of the event path: bytes of a Control Packet in, effects out, without sockets. Not a test:
// run it on an idle machine, release build: cmake -B build/bench -DCMAKE_BUILD_TYPE=Release
// -DTOUCHSTONE_BENCH=ON
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "broker/base/check.hpp"
#include "broker/broker.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone {
namespace {

constexpr std::string_view topic = "building/7/floor/3/room/12/temperature";
constexpr std::string_view payload = "sixteen bytes...";
// The connection that publishes; receivers follow.
constexpr ConnectionId publisher{0};

/// Where effects end: it keeps what was sent in this turn, and says that it was written when the
/// turn is over.
class NullDriver final : public Network, public Peers, public Random {
public:
    void open(ConnectionId connection) {
        if (connection.raw() >= sent_.size()) sent_.resize(connection.raw() + 1);
        broker_.on_open(connection, now_);
    }
    void close_by_peer(ConnectionId connection) { broker_.on_close(connection, now_); }

    void receive(ConnectionId connection, Bytes bytes) {
        const auto intake = broker_.on_bytes(connection, bytes, now_);
        CHECK(intake.consumed_bytes == bytes.size());
    }

    /// What was sent to a connection since end_turn.
    [[nodiscard]] Bytes sent(ConnectionId connection) const { return sent_[connection.raw()]; }

    void end_turn() {
        for (const auto connection : touched_) {
            auto& bytes = sent_[connection.raw()];
            broker_.on_written(connection, bytes.size(), now_);
            bytes.clear();
        }
        touched_.clear();
        now_ += Duration{1};
    }

    void send(ConnectionId connection, Bytes bytes) override {
        auto& buffer = sent_[connection.raw()];
        if (buffer.empty()) touched_.push_back(connection);
        append(buffer, bytes);
    }
    void send(ConnectionId connection, Bytes head, const MessageRef& message) override {
        send(connection, head);
        send(connection, message->payload());
    }
    void close(ConnectionId /*connection*/) override { UNREACHABLE(); }
    void abort(ConnectionId /*connection*/) override { UNREACHABLE(); }
    void move(ConnectionId /*connection*/, ShardIndex /*owner*/,
              access::Origin /*origin*/) override {
        UNREACHABLE();
    }
    void resume(ConnectionId /*connection*/) override { UNREACHABLE(); }
    void send(ShardIndex /*to*/, PeerMessage /*message*/) override { UNREACHABLE(); }
    std::uint64_t next() override { return ++draws_; }

private:
    Settings settings_;
    Instant now_{std::chrono::seconds{1}};
    std::uint64_t draws_ = 0;
    std::vector<Buffer> sent_;  // by connection
    std::vector<ConnectionId> touched_;
    Broker broker_{settings_, Broker::Options{.self = ShardIndex{0}}, *this, *this, *this};
};

wire::PacketId packet_id(std::uint16_t raw) {
    return wire::PacketId::from_wire(raw).value();
}

Buffer connect_of(std::string_view client_id, ProtocolVersion version) {
    Buffer bytes;
    wire::encode(bytes,
                 wire::Connect{.version = version, .keep_alive_s = 60, .client_id = client_id});
    return bytes;
}

Buffer subscribe_of(std::string_view filter, QoS qos, ProtocolVersion version) {
    std::string entry{'\0', static_cast<char>(filter.size())};
    entry += filter;
    entry += static_cast<char>(qos);
    Buffer bytes;
    wire::encode(bytes,
                 wire::Subscribe{.packet_id = packet_id(1),
                                 .entries = as_bytes(entry),
                                 .entry_count = 1,
                                 .version = version},
                 version);
    return bytes;
}

Buffer publish_of(QoS qos, ProtocolVersion version) {
    wire::Publish packet{.qos = qos, .topic = topic, .payload = as_bytes(payload)};
    if (qos != QoS::at_most_once) packet.packet_id = packet_id(1);
    Buffer bytes;
    wire::encode(bytes, packet, version);
    return bytes;
}

Buffer ack_of(wire::PacketType type, wire::PacketId id, ProtocolVersion version) {
    Buffer bytes;
    wire::encode(bytes, type, wire::Ack{.packet_id = id}, version);
    return bytes;
}

/// Clients' answers are encoded once, as that is no work of the broker's. Behind a Fixed Header of
/// 2 bytes stands the Packet Identifier; of a PUBLISH, the Topic Name and then it.
Bytes with_packet_id(Buffer& ack, Bytes id) {
    ack[2] = id[0];
    ack[3] = id[1];
    return ack;
}

Bytes packet_id_of_publish(Bytes bytes) {
    return bytes.subspan(2 + 2 + topic.size(), 2);
}

void connect_client(NullDriver& driver, ConnectionId connection, std::string_view client_id,
                    ProtocolVersion version) {
    driver.open(connection);
    driver.receive(connection, connect_of(client_id, version));
    CHECK(!driver.sent(connection).empty());
    driver.end_turn();
}

/// One publisher, and `receiver_count` clients that subscribe to what it publishes.
void set_up(NullDriver& driver, unsigned receiver_count, QoS qos, ProtocolVersion version) {
    connect_client(driver, publisher, "publisher", version);
    for (unsigned number = 1; number <= receiver_count; ++number) {
        const ConnectionId receiver{number};
        connect_client(driver, receiver, "receiver" + std::to_string(number), version);
        driver.receive(receiver, subscribe_of(topic, qos, version));
        driver.end_turn();
    }
}

ProtocolVersion version_of(const benchmark::State& state) {
    return static_cast<ProtocolVersion>(state.range(0));
}

/// CONNECT, CONNACK, and the connection is lost: with Clean Session, so the session ends with it.
void connect(benchmark::State& state) {
    NullDriver driver;
    const auto bytes = connect_of("client", version_of(state));
    for (auto _ : state) {
        driver.open(publisher);
        driver.receive(publisher, bytes);
        driver.end_turn();
        driver.close_by_peer(publisher);
    }
    state.SetItemsProcessed(state.iterations());
}

void ping(benchmark::State& state) {
    NullDriver driver;
    connect_client(driver, publisher, "client", version_of(state));
    Buffer bytes;
    wire::encode_pingreq(bytes);
    for (auto _ : state) {
        driver.receive(publisher, bytes);
        driver.end_turn();
    }
    state.SetItemsProcessed(state.iterations());
}

/// From PUBLISH to the last acknowledgement, to each of the receivers.
void publish(benchmark::State& state) {
    const auto version = version_of(state);
    const auto qos = static_cast<QoS>(state.range(1));
    const auto receiver_count = static_cast<unsigned>(state.range(2));
    NullDriver driver;
    set_up(driver, receiver_count, qos, version);
    const auto bytes = publish_of(qos, version);
    const auto pubrel = ack_of(wire::PacketType::pubrel, packet_id(1), version);
    const auto first_answer =
        qos == QoS::at_least_once ? wire::PacketType::puback : wire::PacketType::pubrec;
    auto answer = ack_of(first_answer, packet_id(1), version);
    auto completion = ack_of(wire::PacketType::pubcomp, packet_id(1), version);
    for (auto _ : state) {
        driver.receive(publisher, bytes);
        if (qos != QoS::at_most_once) {
            for (unsigned number = 1; number <= receiver_count; ++number) {
                const ConnectionId receiver{number};
                const auto id = packet_id_of_publish(driver.sent(receiver));
                driver.receive(receiver, with_packet_id(answer, id));
                if (qos == QoS::exactly_once) {
                    driver.receive(receiver, with_packet_id(completion, id));
                }
            }
            if (qos == QoS::exactly_once) driver.receive(publisher, pubrel);
        }
        driver.end_turn();
    }
    state.SetItemsProcessed(state.iterations() * receiver_count);
}

BENCHMARK(connect)->ArgName("version")->Arg(4)->Arg(5);
BENCHMARK(ping)->ArgName("version")->Arg(4);
BENCHMARK(publish)
    ->ArgNames({"version", "qos", "receivers"})
    ->ArgsProduct({{4, 5}, {0, 1, 2}, {1}})
    ->ArgsProduct({{4}, {0, 1}, {10, 1'000}});

}  // namespace
}  // namespace touchstone

BENCHMARK_MAIN();
