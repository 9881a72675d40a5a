#include "load/schedule.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone::load {

namespace {

/// The first of the instants offset + k * period (k >= 0) that is later than `after`.
Nanos next_of(Nanos offset, Nanos period, Nanos after) {
    if (after < offset) return offset;
    return offset + ((after - offset) / period + 1) * period;
}

Nanos next_of_bursts(const Publishing& publishing, Nanos phase, Nanos after) {
    Nanos next = no_time;
    for (std::uint32_t i = 0; i < publishing.burst_count; ++i) {
        // Messages of one instant would be one message.
        const auto offset = phase + i * std::max(publishing.burst_spacing, Nanos{1});
        next = std::min(next, next_of(offset, publishing.every, after));
    }
    return next;
}

}  // namespace

Nanos next_publication(const Publishing& publishing, std::uint64_t seed, std::uint32_t client,
                       Nanos after) {
    using enum Publishing::Process;
    CHECK(publishing.every > 0);
    Draws phases{seed, Purpose::phases, client};
    switch (publishing.process) {
        case periodic:
            return next_of(
                static_cast<Nanos>(phases.below(static_cast<std::uint64_t>(publishing.every))),
                publishing.every, after);
        case bursts:
            return next_of_bursts(
                publishing,
                static_cast<Nanos>(phases.below(static_cast<std::uint64_t>(publishing.every))),
                after);
        case aligned:
            return next_of(static_cast<Nanos>(phases.below(
                               static_cast<std::uint64_t>(publishing.clock_error) + 1)),
                           publishing.every, after);
        case poisson: {
            Draws draws{seed ^ static_cast<std::uint64_t>(after), Purpose::arrivals, client};
            const auto gap = draws.exponential(static_cast<double>(publishing.every));
            return after + std::max(Nanos{1}, static_cast<Nanos>(gap));
        }
        case silent:
        case stream:
        case closed_loop: UNREACHABLE();
    }
    UNREACHABLE();
}

std::uint32_t draw_size(const Publishing& publishing, Draws& draws) {
    if (publishing.sizes.empty()) {
        const auto spread = publishing.size_max - publishing.size_min;
        if (spread == 0) return publishing.size_min;
        return publishing.size_min + static_cast<std::uint32_t>(draws.below(spread + 1ULL));
    }
    std::uint64_t sum = 0;
    for (const auto& size : publishing.sizes) sum += size.second;
    auto drawn = draws.below(sum);
    for (const auto& [bytes, weight] : publishing.sizes) {
        if (drawn < weight) return bytes;
        drawn -= weight;
    }
    UNREACHABLE();
}

Nanos backoff(const Reconnecting& reconnecting, unsigned attempts, Draws& draws) {
    using enum Reconnecting::Policy;
    if (reconnecting.policy == never) return no_time;
    if (reconnecting.policy == fixed) return reconnecting.base;
    const auto doublings = std::min(attempts > 0 ? attempts - 1 : 0, 30U);
    const auto cap = std::max(reconnecting.cap, reconnecting.base);
    const auto wait = reconnecting.base > cap >> doublings ? cap : reconnecting.base << doublings;
    if (reconnecting.policy == exponential) return wait;
    return static_cast<Nanos>(draws.below(static_cast<std::uint64_t>(wait) + 1));
}

}  // namespace touchstone::load
