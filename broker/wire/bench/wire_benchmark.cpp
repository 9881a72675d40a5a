// Time of the packets that a busy broker sees most. Not a test: run it on an idle machine, release
// build: cmake -B build/bench -DCMAKE_BUILD_TYPE=Release -DTOUCHSTONE_BENCH=ON
#include <benchmark/benchmark.h>

#include <string>

#include "broker/base/check.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone::wire {
namespace {

constexpr std::string_view topic = "building/7/floor/3/room/12/temperature";

PacketId packet_id() {
    return PacketId::from_wire(4'711).value();
}

Publish publish_of(QoS qos, std::string_view payload) {
    Publish packet{.qos = qos, .topic = topic, .payload = as_bytes(payload)};
    if (qos != QoS::at_most_once) packet.packet_id = packet_id();
    return packet;
}

ProtocolVersion version_of(const benchmark::State& state) {
    return static_cast<ProtocolVersion>(state.range(0));
}

Frame frame_of(Bytes bytes, ProtocolVersion version) {
    const auto frame = take_frame(bytes, packet_size_bytes_max, version);
    CHECK(frame.value().has_value());
    return *frame.value();
}

void decode_publish(benchmark::State& state) {
    const auto version = version_of(state);
    const std::string payload(static_cast<std::size_t>(state.range(2)), 'p');
    Buffer bytes;
    encode(bytes, publish_of(static_cast<QoS>(state.range(1)), payload), version);
    for (auto _ : state) {
        benchmark::DoNotOptimize(bytes.data());
        auto packet = wire::decode_publish(frame_of(bytes, version), version, Sender::client);
        CHECK(packet.has_value());
        benchmark::DoNotOptimize(packet);
    }
}

void decode_publish_with_properties(benchmark::State& state) {
    PropertiesWriter properties;
    properties.put_integer(PropertyId::message_expiry_interval, 60)
        .put_text(PropertyId::content_type, "application/json")
        .put_pair(PropertyId::user_property, "trace", "0af7651916cd43dd");
    auto publish = publish_of(QoS::at_least_once, "{\"celsius\": 21.5}");
    publish.properties = properties.view();
    Buffer bytes;
    encode(bytes, publish, ProtocolVersion::v5);
    for (auto _ : state) {
        benchmark::DoNotOptimize(bytes.data());
        auto packet = wire::decode_publish(frame_of(bytes, ProtocolVersion::v5),
                                           ProtocolVersion::v5, Sender::client);
        CHECK(packet.has_value());
        benchmark::DoNotOptimize(packet);
    }
}

void encode_publish(benchmark::State& state) {
    const auto version = version_of(state);
    const std::string payload(static_cast<std::size_t>(state.range(2)), 'p');
    const auto packet = publish_of(static_cast<QoS>(state.range(1)), payload);
    Buffer bytes;
    for (auto _ : state) {
        bytes.clear();
        encode(bytes, packet, version);
        benchmark::DoNotOptimize(bytes.data());
    }
}

void encode_publish_head(benchmark::State& state) {
    const std::string payload(1'000'000, 'p');
    const auto packet = publish_of(QoS::at_least_once, payload);
    Buffer bytes;
    for (auto _ : state) {
        bytes.clear();
        encode_head(bytes, packet, ProtocolVersion::v5);
        benchmark::DoNotOptimize(bytes.data());
    }
}

void decode_puback(benchmark::State& state) {
    const auto version = version_of(state);
    Buffer bytes;
    encode(bytes, PacketType::puback, Ack{.packet_id = packet_id()}, version);
    for (auto _ : state) {
        benchmark::DoNotOptimize(bytes.data());
        auto packet = decode_ack(frame_of(bytes, version), version, Sender::client);
        CHECK(packet.has_value());
        benchmark::DoNotOptimize(packet);
    }
}

void encode_puback(benchmark::State& state) {
    const auto version = version_of(state);
    const Ack packet{.packet_id = packet_id()};
    Buffer bytes;
    for (auto _ : state) {
        bytes.clear();
        encode(bytes, PacketType::puback, packet, version);
        benchmark::DoNotOptimize(bytes.data());
    }
}

BENCHMARK(decode_publish)
    ->ArgNames({"version", "qos", "payload"})
    ->ArgsProduct({{4, 5}, {0, 1}, {64}});
BENCHMARK(decode_publish_with_properties);
BENCHMARK(encode_publish)
    ->ArgNames({"version", "qos", "payload"})
    ->ArgsProduct({{4, 5}, {0, 1}, {64}})
    ->Args({5, 1, 16'384});
BENCHMARK(encode_publish_head);
BENCHMARK(decode_puback)->ArgName("version")->Arg(4)->Arg(5);
BENCHMARK(encode_puback)->ArgName("version")->Arg(4)->Arg(5);

}  // namespace
}  // namespace touchstone::wire

BENCHMARK_MAIN();
