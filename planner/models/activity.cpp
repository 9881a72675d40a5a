#include "planner/models/activity.hpp"

#include <algorithm>

namespace touchstone::planner {

namespace {

/// Packets and copies in a run: some hundredths of a second, so that turns can grow long.
std::size_t events_of(const std::vector<PacketStream>& packets) {
    constexpr double span_s = 0.03;
    double per_s = 0;
    for (const auto& one : packets) per_s += one.per_s * (1 + one.receivers);
    return static_cast<std::size_t>(std::clamp(per_s * span_s, 12'000.0, 60'000.0));
}
constexpr std::uint64_t seed = 0x10'0BED;  // the same for all, so that predictions can be compared

double cost(const Calibration& calibration, Operation operation) {
    return calibration.cpu.coefficients[static_cast<std::size_t>(operation)];
}

/// Threads that take packets from one queue, one by one.
OperationRates one_by_one(const Calibration& calibration, OperationRates rates,
                          std::uint32_t servers) {
    const double work = work_of(calibration, rates).value / servers;
    at(rates, Operation::read) = at(rates, Operation::look) = packets_in(rates);
    at(rates, Operation::write) = packets_out(rates);
    const double arrivals = packets_in(rates) / servers;
    const double wake_s = cost(calibration, Operation::wake);
    // u = work + arrivals wake (1 - u); a server that cannot keep up never sleeps.
    const double busy = std::min(1.0, (work + arrivals * wake_s) / (1 + arrivals * wake_s));
    at(rates, Operation::wake) = servers * arrivals * (1 - busy);
    return rates;
}

}  // namespace

LoopCosts loop_costs_of(const Calibration& calibration) {
    return {.look_s = cost(calibration, Operation::look),
            .read_s = cost(calibration, Operation::read),
            .write_s = cost(calibration, Operation::write),
            .wake_s = cost(calibration, Operation::wake),
            .wake_delay_s = calibration.wake_delay_s,
            .answer_s = calibration.answer_s,
            .gathers = calibration.gathers};
}

std::vector<PacketStream> packets_of(const Calibration& calibration, const Demand& demand,
                                     std::uint32_t servers) {
    std::vector<PacketStream> all;
    const auto of_qos = [&](Operation first, unsigned qos) {
        return calibration.cpu.coefficients[static_cast<std::size_t>(first) + qos];
    };
    const double each_s = uncached_s(calibration, demand.connections);
    for (const auto& stream : demand.streams) {
        const double packets = 1U << stream.qos;  // of a message on a connection, both ways
        all.push_back({.per_s = stream.messages_per_s / servers,
                       .sources = stream.sources / servers,
                       .receivers = stream.receivers,
                       .sinks = stream.sinks / servers,
                       .has_own_sinks = stream.has_own_sinks,
                       .qos = stream.qos,
                       .take_s = of_qos(Operation::publish_0, stream.qos) +
                                 stream.payload_bytes * cost(calibration, Operation::byte_in) +
                                 packets * each_s,
                       .copy_s = of_qos(Operation::deliver_0, stream.qos) +
                                 stream.payload_bytes * cost(calibration, Operation::byte_out) +
                                 packets * each_s});
    }
    const auto add = [&](double per_s, PacketStream stream) {
        if (per_s <= 0) return;
        stream.per_s = per_s / servers;
        stream.sources = demand.connections / servers;
        all.push_back(stream);
    };
    const auto whole = [](double seconds) {
        return PacketStream{.take_s = seconds, .is_whole = true};
    };
    add(demand.pings_per_s,
        {.take_s = cost(calibration, Operation::ping) + 2 * each_s, .is_answered = true});
    add(demand.connects_per_s, whole(calibration.connect_s.value + calibration.disconnect_s.value));
    add(demand.handshakes_per_s, whole(calibration.tls_handshake_s.value));
    add(demand.subscribes_per_s, whole(calibration.subscribe_s.value));
    if (demand.retained_per_s > 0) {
        add(demand.retained_per_s,
            whole(cost(calibration, Operation::deliver_0) + cost(calibration, Operation::write) +
                  demand.retained_bytes_per_s / demand.retained_per_s *
                      cost(calibration, Operation::byte_out)));
    }
    return all;
}

Activity activity_of(const Calibration& calibration, const Demand& demand, std::uint32_t servers) {
    Activity activity{.rates = demand.rates()};
    const auto packets = packets_of(calibration, demand, servers);
    double per_s = 0;
    for (const auto& stream : packets) per_s += stream.per_s * servers;
    if (per_s <= 0) return activity;
    if (calibration.shares_queue) {
        activity.rates = one_by_one(calibration, activity.rates, servers);
        activity.keeps_up = work_of(calibration, activity.rates).value < servers;
        return activity;
    }
    const auto run = run_loop(packets, loop_costs_of(calibration), events_of(packets), seed);
    at(activity.rates, Operation::look) = run.looks * per_s;
    at(activity.rates, Operation::read) = run.reads * per_s;
    // A Retained Message is written with the answer to its subscription.
    at(activity.rates, Operation::write) = run.writes * per_s + demand.retained_per_s;
    at(activity.rates, Operation::wake) = run.wakes * per_s;
    activity.keeps_up = run.keeps_up;
    return activity;
}

Figure processor_time(const Calibration& calibration, const Demand& demand, std::uint32_t servers) {
    return calibration.cpu.mean_at(activity_of(calibration, demand, servers).rates);
}

double admissions_of(const Calibration& calibration, const Demand& demand) {
    return demand.connects_per_s * (calibration.connect_s.value + calibration.disconnect_s.value) +
           demand.handshakes_per_s * calibration.tls_handshake_s.value +
           demand.subscribes_per_s * calibration.subscribe_s.value;
}

}  // namespace touchstone::planner
