#include "planner/models/demand.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace touchstone::planner {

namespace {

namespace fleet = simulator::fleet;

constexpr double ns = 1e9;  // in a second

double seconds(fleet::Time time) {
    return static_cast<double>(time) / ns;
}

/// Share of its time that a device is connected.
double presence(const fleet::DeviceClass& one) {
    if (one.awake == 0 || one.asleep == 0) return 1;
    return seconds(one.awake) / seconds(one.awake + one.asleep);
}

/// A second, of a device that is connected.
double publications(const fleet::DeviceClass& one) {
    switch (one.publishing.process) {
        case fleet::PublishProcess::none: return 0;
        case fleet::PublishProcess::periodic:
        case fleet::PublishProcess::poisson: return 1 / seconds(one.publishing.every);
        case fleet::PublishProcess::bursts:
            return one.publishing.burst_count / seconds(one.publishing.every);
    }
    return 0;
}

/// A second, of a device that is connected: it pings after `ping_every` without a packet of its
/// own.
double pings(const fleet::DeviceClass& one) {
    if (one.ping_every == 0) return 0;
    const double silence = seconds(one.ping_every);
    const double every = seconds(one.publishing.every);
    switch (one.publishing.process) {
        case fleet::PublishProcess::none: return 1 / silence;
        // So many whole silences fit into a gap.
        case fleet::PublishProcess::periodic: return std::floor(every / silence) / every;
        // The gap is geometric in silences: its mean whole number of them is 1 / (e^(silence/every)
        // - 1).
        case fleet::PublishProcess::poisson: return 1 / std::expm1(silence / every) / every;
        case fleet::PublishProcess::bursts: {
            const double length =
                seconds(one.publishing.burst_spacing) * (one.publishing.burst_count - 1);
            return std::floor(std::max(0.0, every - length) / silence) / every;
        }
    }
    return 0;
}

}  // namespace

OperationRates Demand::rates() const {
    OperationRates rates{};
    for (const auto& stream : streams) {
        const double copies = stream.messages_per_s * stream.receivers;
        rates[static_cast<std::size_t>(Operation::publish_0) + stream.qos] += stream.messages_per_s;
        rates[static_cast<std::size_t>(Operation::deliver_0) + stream.qos] += copies;
        at(rates, Operation::byte_in) += stream.messages_per_s * stream.payload_bytes;
        at(rates, Operation::byte_out) += copies * stream.payload_bytes;
    }
    at(rates, Operation::deliver_0) += retained_per_s;
    at(rates, Operation::byte_out) += retained_bytes_per_s;
    at(rates, Operation::ping) = pings_per_s;
    add_uncached(rates, connections);
    return rates;
}

Demand Demand::scaled(double factor) const {
    Demand more = *this;
    more.connections *= factor;
    for (auto& stream : more.streams) {
        stream.messages_per_s *= factor;
        stream.sources *= factor;
        stream.sinks *= factor;
    }
    for (auto& burst : more.bursts) burst.messages *= factor;
    for (auto& arrival : more.arrivals) arrival.clients *= factor;
    more.pings_per_s *= factor;
    more.connects_per_s *= factor;
    more.handshakes_per_s *= factor;
    more.subscribes_per_s *= factor;
    more.retained_per_s *= factor;
    more.retained_bytes_per_s *= factor;
    for (auto& holding : more.holdings) holding *= factor;
    at(more.holdings, Holding::process) = at(holdings, Holding::process);
    return more;
}

Demand demand_of(const fleet::FleetModel& model) {
    Demand demand;
    at(demand.holdings, Holding::process) = 1;
    for (const auto& one : model.classes) {
        const double present = one.count * presence(one);
        demand.connections += present;
        demand.pings_per_s += present * pings(one);
        at(demand.holdings, Holding::subscription) += present * one.subscriptions;
        // Retained Messages of a class are the same for all of its devices.
        at(demand.holdings, Holding::retained) += one.retained;
        at(demand.holdings, Holding::retained_byte) +=
            double{1} * one.retained * one.retained_bytes;
        double cycles = 0;
        if (one.awake > 0 && one.asleep > 0) {
            cycles = one.count / seconds(one.awake + one.asleep);
            demand.connects_per_s += cycles;
            demand.subscribes_per_s += cycles * one.subscriptions;
            if (one.tls == fleet::Tls::full) demand.handshakes_per_s += cycles;
        }
        if (one.tls == fleet::Tls::resumed) {
            demand.assumptions.push_back(fmt::format(
                "{}: a resumed TLS handshake counts as none; only full ones are measured",
                one.name));
        }
        const double each = publications(one);
        if (each > 0) {
            Stream stream{.name = one.name,
                          .qos = one.publishing.qos,
                          .messages_per_s = present * each,
                          .payload_bytes = double{1} * one.publishing.payload_mean(),
                          .sources = present};
            if (one.fan_out.to_class >= 0) {
                const auto& to = model.classes[static_cast<std::size_t>(one.fan_out.to_class)];
                stream.receivers = one.fan_out.receivers > 0 ? one.fan_out.receivers * presence(to)
                                                             : to.count * presence(to);
                stream.sinks = to.count * presence(to);
            }
            const auto& how = one.publishing;
            // Phases that are all within a small part of the period: aligned.
            if (how.process == fleet::PublishProcess::periodic &&
                how.phase_spread < how.every / 2) {
                demand.bursts.push_back({.name = one.name,
                                         .messages = present,
                                         .within_s = seconds(how.phase_spread),
                                         .every_s = seconds(how.every),
                                         .stream = demand.streams.size()});
            }
            demand.streams.push_back(stream);
        }
        demand.retained_per_s += cycles * one.retained;
        demand.retained_bytes_per_s += cycles * one.retained * one.retained_bytes;
        demand.arrivals.push_back(
            {.name = one.name,
             .clients = double{1} * one.count,
             .per_s = one.ramp_every > 0 ? 1 / seconds(one.ramp_every) : 0,
             .subscriptions = double{1} * one.subscriptions,
             .retained = double{1} * one.retained,
             .retained_bytes = double{1} * one.retained_bytes,
             .has_tls = one.tls == fleet::Tls::full,
             .patience_s = seconds(one.connect_patience),
             .backoff_cap_s = seconds(one.reconnecting.policy == fleet::ReconnectPolicy::fixed
                                          ? one.reconnecting.base
                                          : std::max(one.reconnecting.base, one.reconnecting.cap)),
             .has_jitter = one.reconnecting.policy == fleet::ReconnectPolicy::full_jitter});
    }
    at(demand.holdings, Holding::connection) = demand.connections;
    return demand;
}

NetworkUse network_of(const Demand& demand) {
    constexpr double publish_header = 30;  // fixed header, a topic of 25 bytes, Packet Identifier
    constexpr double packet_header = 66;   // TCP with timestamps, IPv4, Ethernet
    constexpr double acknowledgement = 4 + packet_header;
    constexpr double connect = 3 * packet_header + 60;  // handshake and CONNECT
    NetworkUse use;
    for (const auto& stream : demand.streams) {
        const double size = stream.payload_bytes + publish_header + packet_header;
        const double copies = stream.messages_per_s * stream.receivers;
        use.in += stream.messages_per_s * size;
        use.out += copies * size;
        // Of QoS 1 one packet goes back, of QoS 2 two, and one more follows.
        const double back = stream.qos == 0 ? 0 : stream.qos == 1 ? 1 : 2;
        const double forth = stream.qos == 2 ? 1 : 0;
        use.out +=
            stream.messages_per_s * back * acknowledgement + copies * forth * acknowledgement;
        use.in += stream.messages_per_s * forth * acknowledgement + copies * back * acknowledgement;
    }
    use.out +=
        demand.retained_bytes_per_s + demand.retained_per_s * (publish_header + packet_header);
    use.in += demand.pings_per_s * (2 + packet_header) + demand.connects_per_s * connect;
    use.out += demand.pings_per_s * (2 + packet_header) + demand.connects_per_s * connect;
    return use;
}

}  // namespace touchstone::planner
