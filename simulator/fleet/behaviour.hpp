// What a device does and how long its packets travel: the same in every tier. Functions of the
// class, the device and the time; what is drawn comes from the draws that are handed in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "simulator/fleet/draws.hpp"
#include "simulator/fleet/model.hpp"

namespace touchstone::simulator::fleet {

// With the headers of TCP and IP.
inline constexpr std::uint32_t control_packet_bytes = 60;
inline constexpr std::uint32_t handshake_bytes_tls = 4'000;
inline constexpr std::uint32_t publish_bytes = 80;  // without the payload
inline constexpr std::uint32_t reset_bytes = 40;
/// Between two servers of a node; a message takes that long at least.
inline constexpr Time between_servers = 1'000;
/// Devices start in batches of this length.
inline constexpr Time start_batch = 10'000'000;
inline constexpr std::uint8_t attempts_max = 63;

/// What a packet of so many bytes takes.
inline Time one_way(const Link& link, std::uint32_t bytes, Draws& draws) {
    Time time = link.latency_min + bytes * link.picoseconds_per_byte / 1'000;
    if (link.latency_spread > 0) time += draws.below(link.latency_spread);
    if (link.loss > 0) {
        // Twice as long each time; after the sixth nobody would wait any more.
        Time more = link.retransmit_after;
        for (int i = 0; i < 6 && draws.chance(link.loss); ++i, more *= 2) time += more;
    }
    return time;
}

/// The node that a balancer draws for a device that connects; -1: none is up.
inline int node_for(const std::vector<std::uint32_t>& nodes_up, std::uint32_t device, Time at,
                    const DrawFamily& phases) {
    if (nodes_up.empty()) return -1;
    if (nodes_up.size() == 1) return static_cast<int>(nodes_up.front());
    auto draws = phases.of(device, at);
    return static_cast<int>(nodes_up[draws.below(nodes_up.size())]);
}

/// The connections that a node has taken in the second that runs.
struct ConnectRate {
    Time second = 0;
    std::uint32_t count = 0;

    /// Whether it takes another one; `per_second_max` 0: as many as come.
    [[nodiscard]] bool takes_another(std::uint32_t per_second_max, Time at) {
        if (per_second_max == 0) return true;
        constexpr Time one_second = 1'000'000'000;
        if (at / one_second != second) *this = {.second = at / one_second};
        return count++ < per_second_max;
    }
};

/// From the start of connecting to the arrival of CONNECT at the broker.
inline Time connect_delay(const DeviceClass& one, Draws& draws) {
    // Round trips before CONNECT: TCP's, TLS 1.3's.
    const unsigned round_trips = one.tls == Tls::none ? 1 : 2;
    const std::uint32_t bytes = one.tls == Tls::none ? control_packet_bytes : handshake_bytes_tls;
    return round_trips * (2 * one.link.latency_min + one.link.latency_spread) +
           one_way(one.link, bytes, draws);
}

/// How long a device waits before it connects again, after so many attempts without success.
inline Time retry_delay(const Reconnecting& how, unsigned attempts, Draws& draws) {
    Time delay = how.base;
    if (how.policy != ReconnectPolicy::fixed) {
        // A base is at most an hour, below 2^42 ns.
        delay = std::min(how.cap, how.base << std::min(attempts, 20U));
    }
    if (how.policy == ReconnectPolicy::full_jitter) delay = draws.below(delay + 1);
    return delay;
}

/// The first of phase, phase + every, phase + 2 every, … that is after `after`.
inline Time next_in_period(Time phase, Time every, Time after) {
    if (after < phase) return phase;
    return phase + ((after - phase) / every + 1) * every;
}

/// Of a class that publishes. What a Poisson process will do does not depend on what it did, so
/// there a fresh draw is as good as one that is kept. `phases` says where a device's period begins.
inline Time next_publication(const Publishing& how, std::uint32_t device, Time after, Draws& draws,
                             const DrawFamily& phases) {
    if (how.process == PublishProcess::poisson) return after + 1 + draws.exponential(how.every);
    const Time phase = phases.of(device, 0).below(how.phase_spread);
    if (how.process == PublishProcess::bursts && after >= phase) {
        const Time burst = phase + (after - phase) / how.every * how.every;
        const Time next = next_in_period(burst, how.burst_spacing, after);
        if (next < burst + how.burst_count * how.burst_spacing) return next;
    }
    return next_in_period(phase, how.every, after);
}

inline std::uint32_t payload_of(const Publishing& how, Draws& draws) {
    if (!how.payload_sizes.empty()) {
        const auto draw = draws.below(how.payload_sizes.back().second);
        return std::ranges::upper_bound(how.payload_sizes, draw, {},
                                        &std::pair<std::uint32_t, std::uint32_t>::second)
            ->first;
    }
    if (how.payload_max == how.payload_min) return how.payload_min;
    return how.payload_min +
           static_cast<std::uint32_t>(draws.below(how.payload_max - how.payload_min + 1));
}

/// What a connected device sends next, unless something comes in between.
struct Action {
    enum class Kind : std::uint8_t {
        ping,
        publish,
        disconnect,
        /// A packet that a NAT has forgotten the connection of: nobody gets it.
        lost,
    };
    Kind kind = Kind::ping;
    Time at = 0;
};

/// After it sent something at `sent`.
inline Action next_action(const DeviceClass& one, std::uint32_t device, Time sent, Draws& draws,
                          const DrawFamily& phases) {
    Action next{.at = sent + one.ping_every};
    if (one.publishing.process != PublishProcess::none) {
        Time publication = next_publication(one.publishing, device, sent, draws, phases);
        publication = std::max(publication, sent + one.link.gap_min);
        if (publication <= next.at) next = {Action::Kind::publish, publication};
    }
    if (one.asleep > 0) {
        const Time cycle = one.awake + one.asleep;
        const Time phase = phases.of(device, 1).below(cycle);
        const Time sleeps_at = (sent + phase) / cycle * cycle + one.awake;
        // What woke up late, after its own cycle, has a whole one.
        const Time end = sleeps_at > sent + phase ? sleeps_at - phase : sent + one.awake;
        if (end <= next.at) next = {Action::Kind::disconnect, end};
    }
    if (one.link.nat_timeout > 0 && next.at - sent > one.link.nat_timeout &&
        next.kind != Action::Kind::disconnect) {
        next.kind = Action::Kind::lost;
    }
    return next;
}

}  // namespace touchstone::simulator::fleet
