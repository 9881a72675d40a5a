#include "simulator/swarm.hpp"

#include <algorithm>

#include "simulator/draws.hpp"

namespace touchstone::simulator {

namespace {

scenario::Link draw_link(RandomStream& stream) {
    scenario::Link link;
    link.set_delay_us(pick(stream, std::to_array<std::uint32_t>({0, 200, 30'000})));
    const bool is_uneven = stream.chance(500);
    if (is_uneven) {
        link.set_delay_us_high(link.delay_us() +
                               pick(stream, std::to_array<std::uint32_t>({1'000, 50'000})));
    }
    link.set_bandwidth_bytes_per_s(pick(stream, std::to_array<std::uint64_t>({0, 0, 20'000})));
    link.set_buffer_bytes(pick(stream, std::to_array<std::uint32_t>({65'536, 1'000, 100})));
    return link;
}

}  // namespace

std::int32_t draw_drift_ppm(RandomStream& stream) {
    return pick(stream, std::to_array<std::int32_t>({0, 0, 0, 100, -100, 100'000, -100'000}));
}

scenario::Link draw_narrow_link(RandomStream& stream) {
    auto link = draw_link(stream);
    link.set_bandwidth_bytes_per_s(pick(stream, std::to_array<std::uint64_t>({200, 2'000})));
    return link;
}

void choose_disturbances(scenario::Workload& workload, RandomStream stream) {
    const auto all = workload.disturbances();
    if (all.empty()) return;
    workload.clear_disturbances();
    for (const auto one : all) {
        if (stream.chance(500)) workload.add_disturbances(static_cast<scenario::Disturbance>(one));
    }
    if (!workload.disturbances().empty()) return;
    workload.add_disturbances(static_cast<scenario::Disturbance>(draw_one(stream, all)));
}

void swarm_node(scenario::Node& node, RandomStream stream) {
    auto& settings = *node.mutable_settings();
    settings.set_connect_timeout_ms(
        pick(stream, std::to_array<std::uint32_t>({100, 1'000, 10'000})));
    settings.set_keep_alive_s_max(pick(stream, std::to_array<std::uint32_t>({0, 0, 2})));
    settings.set_topic_alias_max(pick(stream, std::to_array<std::uint32_t>({0, 1, 10})));
    node.set_timer_resolution_ms(pick(stream, std::to_array<std::uint32_t>({0, 1, 100, 1'000})));
    node.set_shard_delay_us_high(pick(stream, std::to_array<std::uint32_t>({5, 500, 50'000})));
    node.mutable_clock()->set_drift_ppm(draw_drift_ppm(stream));
    if (!node.has_storage()) return;
    auto& disk = *node.mutable_storage();
    disk.set_sync_ms_low(pick(stream, std::to_array<std::uint32_t>({0, 1, 20})));
    disk.set_sync_ms_high(disk.sync_ms_low() +
                          pick(stream, std::to_array<std::uint32_t>({0, 5, 200})));
}

void swarm_client(scenario::Client& client, RandomStream stream) {
    *client.mutable_link() = draw_link(stream);
    client.clear_paths();
    const bool has_other_path = stream.chance(500);
    if (has_other_path) *client.add_paths() = draw_link(stream);
    // So long that an answer can come, if only just.
    const auto timeout_ms = pick(stream, std::to_array<std::uint32_t>({100, 500, 2'000}));
    const bool is_quick = client.link().delay_us() + client.link().delay_us_high() < 10'000 &&
                          client.link().bandwidth_bytes_per_s() == 0;
    client.set_answer_timeout_ms(is_quick ? timeout_ms : 2'000);
    auto& reconnect = *client.mutable_reconnect();
    reconnect.set_delay_ms_low(pick(stream, std::to_array<std::uint32_t>({0, 100})));
    reconnect.set_delay_ms_high(pick(stream, std::to_array<std::uint32_t>({100, 500, 2'000})));
    client.set_topic_alias_max(client.version() == 5 && stream.chance(500) ? 3 : 0);
    client.set_store(stream.chance(250) ? scenario::memory : scenario::durable);
    client.mutable_clock()->set_drift_ppm(draw_drift_ppm(stream));
    const bool is_retrying = stream.chance(300);
    if (client.version() != 3 || !is_retrying) return;
    client.set_retry_interval_ms(pick(stream, std::to_array<std::uint32_t>({100, 1'000})));
    // As for a node: an acknowledgement that comes late must not end another flow.
    client.set_packet_id_max(65'535);
}

void shuffle_node(scenario::Node& node, RandomStream stream) {
    auto& settings = *node.mutable_settings();
    settings.set_inflight_max(pick(stream, std::to_array<std::uint32_t>({1, 2, 5, 32})));
    settings.set_receive_maximum(pick(stream, std::to_array<std::uint32_t>({1, 3, 100})));
    settings.set_packet_id_max(pick(stream, std::to_array<std::uint32_t>({3, 12, 65'535})));
    settings.set_queue_messages_max(pick(stream, std::to_array<std::uint32_t>({5, 1'000, 0})));
    settings.set_queue_qos_0_offline(stream.chance(300));
    settings.set_unwritten_bytes_max(pick(stream, std::to_array<std::uint32_t>({512, 256 * 1024})));
    const bool is_retrying = stream.chance(300);
    // A repetition that waits for a disk crosses the acknowledgement that comes meanwhile: nobody's
    // fault, and not to be told from one.
    if (!is_retrying || node.has_storage()) return;
    settings.set_retry_interval_ms(1'000);
    // A repeated PUBLISH is acknowledged repeatedly. Where its identifier is used again soon, the
    // late PUBACK ends another flow: a flaw of the protocol before v5, not of a broker.
    settings.set_packet_id_max(65'535);
}

void shuffle_client(scenario::Client& client, const scenario::Workload& workload,
                    RandomStream stream) {
    const bool is_v5 = stream.chance(600);
    client.set_version(is_v5 ? 5 : 3);
    client.set_clean_start(stream.chance(250));
    const auto expiry_s =
        pick(stream, std::to_array<std::uint32_t>({0, 2, 600, 0xFFFF'FFFF, 0xFFFF'FFFF}));
    client.set_session_expiry_s(is_v5 ? expiry_s : 0);
    const auto receive_maximum = pick(stream, std::to_array<std::uint32_t>({1, 2, 5, 65'535}));
    client.clear_receive_maximum();
    if (is_v5) client.set_receive_maximum(receive_maximum);
    client.set_keep_alive_s(pick(stream, std::to_array<std::uint32_t>({0, 2, 5, 30})));
    client.set_answer_timeout_ms(2'000);
    client.set_packet_id_max(pick(stream, std::to_array<std::uint32_t>({3, 12, 65'535})));
    client.set_inflight_max(pick(stream, std::to_array<std::uint32_t>({1, 2, 20})));
    client.mutable_acknowledgements()->set_delay_ms_high(
        pick(stream, std::to_array<std::uint32_t>({0, 0, 20, 400})));
    client.mutable_completions()->set_delay_ms_high(
        pick(stream, std::to_array<std::uint32_t>({0, 0, 20, 400})));
    client.set_queue_qos_0_offline(stream.chance(300));
    const bool has_will = stream.chance(500);
    if (!has_will) return;
    auto& will = *client.mutable_will();
    will.Clear();
    will.set_topic(draw_one(stream, workload.topics()));
    will.set_payload("will-" + client.name());
    will.set_qos(draw_qos(stream));
    const auto delay_s = pick(stream, std::to_array<std::uint32_t>({0, 0, 1, 5}));
    client.set_will_delay_s(is_v5 ? delay_s : 0);
}

void draw_limits(scenario::Scenario& scenario, const Engine& engine) {
    if (!scenario.has_workload()) return;
    auto& workload = *scenario.mutable_workload();
    if (workload.swarm()) {
        choose_disturbances(workload, engine.stream(Domain::workload, 0, Purpose::swarm));
    }
    for (int i = 0; workload.shuffle_nodes() && i < scenario.nodes_size(); ++i) {
        shuffle_node(*scenario.mutable_nodes(i),
                     engine.stream(Domain::node, static_cast<std::uint64_t>(i), Purpose::shape));
    }
    for (int i = 0; workload.swarm() && i < scenario.nodes_size(); ++i) {
        swarm_node(*scenario.mutable_nodes(i),
                   engine.stream(Domain::node, static_cast<std::uint64_t>(i), Purpose::swarm));
    }
    for (int i = 0; i < scenario.clients_size(); ++i) {
        auto& client = *scenario.mutable_clients(i);
        if (std::ranges::find(workload.clients(), client.name()) == workload.clients().end())
            continue;
        const auto entity = static_cast<std::uint64_t>(i);
        if (workload.shuffle_clients()) {
            shuffle_client(client, workload, engine.stream(Domain::client, entity, Purpose::shape));
        }
        if (workload.swarm()) {
            swarm_client(client, engine.stream(Domain::client, entity, Purpose::swarm));
        }
    }
    // What was drawn is written down; drawing it again would give something else.
    workload.clear_swarm();
    workload.clear_shuffle_nodes();
    workload.clear_shuffle_clients();
}

}  // namespace touchstone::simulator
