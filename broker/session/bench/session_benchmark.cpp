// Time of one client's side of the protocol: a message on its way to a client until it is
// acknowledged, and one from a client. Not a test: run it on an idle machine, release build: cmake
// -B build/bench -DCMAKE_BUILD_TYPE=Release -DTOUCHSTONE_BENCH=ON
#include <benchmark/benchmark.h>

#include <string>

#include "broker/base/check.hpp"
#include "broker/session/session.hpp"

namespace touchstone {
namespace {

constexpr std::string_view topic = "building/7/floor/3/room/12/temperature";
constexpr std::string_view payload = "sixteen bytes...";

class NullNetwork final : public Network {
public:
    std::size_t unwritten_bytes = 0;

    void send(ConnectionId /*connection*/, Bytes bytes) override {
        unwritten_bytes += bytes.size();
    }
    void send(ConnectionId /*connection*/, Bytes head, const MessageRef& message) override {
        unwritten_bytes += head.size() + message->payload().size();
    }
    void close(ConnectionId /*connection*/) override { UNREACHABLE(); }
    void abort(ConnectionId /*connection*/) override { UNREACHABLE(); }
    void move(ConnectionId /*connection*/, ShardIndex /*owner*/,
              access::Origin /*origin*/) override {
        UNREACHABLE();
    }
    void resume(ConnectionId /*connection*/) override { UNREACHABLE(); }
};

/// A session with a connection that takes everything at once.
struct Client {
    explicit Client(ProtocolVersion version) {
        session.attach(ConnectionId{0}, {.version = version}, nullptr, nullptr);
    }
    void end_turn() {
        session.on_written(context, network.unwritten_bytes);
        network.unwritten_bytes = 0;
    }

    Defects defects;
    NullNetwork network;
    Counters counters;
    SessionContext context{.defects = defects, .network = network, .counters = counters};
    access::Zone zone;
    Session session{"client", zone};
};

ProtocolVersion version_of(const benchmark::State& state) {
    return static_cast<ProtocolVersion>(state.range(0));
}

MessageFields fields_of(QoS qos) {
    return {.topic = topic, .payload = as_bytes(payload), .qos = qos};
}

void complete_oldest(Client& client, QoS qos) {
    if (qos == QoS::at_most_once) return;
    const wire::Ack ack{.packet_id = client.session.outbox()->flows().front().packet_id};
    if (qos == QoS::at_least_once) return client.session.on_puback(client.context, ack);
    client.session.on_pubrec(client.context, ack);
    client.session.on_pubcomp(client.context, ack);
}

/// A message is sent at once, and acknowledged.
void deliver(benchmark::State& state) {
    const auto qos = static_cast<QoS>(state.range(1));
    Client client{version_of(state)};
    const auto fields = fields_of(qos);
    for (auto _ : state) {
        Publication publication{fields};
        client.session.deliver(client.context, publication, {.qos = qos});
        complete_oldest(client, qos);
        client.end_turn();
    }
    CHECK(client.session.outbox() == nullptr || client.session.outbox()->is_idle());
    state.SetItemsProcessed(state.iterations());
}

/// The window is full: each message goes through the queue, and each acknowledgement sends the
/// next.
void deliver_through_queue(benchmark::State& state) {
    Client client{version_of(state)};
    const auto fields = fields_of(QoS::at_least_once);
    const auto deliver_one = [&] {
        Publication publication{fields};
        client.session.deliver(client.context, publication, {.qos = QoS::at_least_once});
    };
    for (std::size_t count = 0; count < client.session.window() + 10; ++count) deliver_one();
    for (auto _ : state) {
        deliver_one();
        complete_oldest(client, QoS::at_least_once);
        client.end_turn();
    }
    CHECK(client.session.outbox()->waiting().size() == 10);
    state.SetItemsProcessed(state.iterations());
}

/// A message for a client that is away; the queue is full, so that the oldest makes room.
void queue_for_absent(benchmark::State& state) {
    Client client{version_of(state)};
    client.session.detach();
    const auto fields = fields_of(QoS::at_least_once);
    for (auto _ : state) {
        Publication publication{fields};
        client.session.deliver(client.context, publication, {.qos = QoS::at_least_once});
    }
    state.SetItemsProcessed(state.iterations());
}

/// The session's part of a PUBLISH from its client.
void accept(benchmark::State& state) {
    const auto qos = static_cast<QoS>(state.range(1));
    Client client{version_of(state)};
    const auto id = wire::PacketId::from_wire(1).value();
    for (auto _ : state) {
        wire::Publish packet{.qos = qos, .topic = topic, .payload = as_bytes(payload)};
        if (qos != QoS::at_most_once) packet.packet_id = id;
        const auto accepted = client.session.accept(packet);
        CHECK(accepted.has_value());
        if (qos == QoS::exactly_once) {
            const auto received = client.session.receive_qos_2(client.context, id);
            CHECK(received == Inbox::Received::is_new);
        }
        if (qos != QoS::at_most_once) {
            client.session.acknowledge(client.context, packet, ReasonCode::success);
        }
        if (qos == QoS::exactly_once) {
            client.session.on_pubrel(client.context, {.packet_id = id});
        }
        client.end_turn();
    }
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK(deliver)->ArgNames({"version", "qos"})->ArgsProduct({{4, 5}, {0, 1, 2}});
BENCHMARK(deliver_through_queue)->ArgName("version")->Arg(4)->Arg(5);
BENCHMARK(queue_for_absent)->ArgName("version")->Arg(4);
BENCHMARK(accept)->ArgNames({"version", "qos"})->ArgsProduct({{4, 5}, {0, 1, 2}});

}  // namespace
}  // namespace touchstone

BENCHMARK_MAIN();
