// Fleets for the tests, as a file would describe them.
#pragma once

#include <vector>

#include "simulator/fleet/model.hpp"

namespace touchstone::simulator::fleet {

inline constexpr Time us = 1'000;
inline constexpr Time ms = 1'000 * us;
inline constexpr Time s = 1'000 * ms;

inline DeviceClass idle(std::uint32_t count) {
    DeviceClass one;
    one.name = "idle";
    one.count = count;
    one.ramp_every = 1 * ms;
    one.keep_alive = one.ping_every = 60 * s;
    one.link = {.latency_min = 5 * ms, .latency_spread = 10 * ms};
    one.reconnecting = {.policy = ReconnectPolicy::full_jitter, .base = 1 * s, .cap = 60 * s};
    one.connect_patience = 10 * s;
    one.answer_patience = 20 * s;
    return one;
}

inline FleetModel fleet_of(std::vector<DeviceClass> classes, Time duration) {
    FleetModel model;
    model.duration = duration;
    model.sample_every = s;
    std::uint32_t first = 0;
    for (auto& one : classes) {
        one.first = first;
        first += one.count;
    }
    model.classes = std::move(classes);
    model.cost.connect = 50 * us;
    model.cost.ping = 2 * us;
    model.cost.publish = {4 * us, 6 * us, 10 * us};
    model.cost.deliver = {3 * us, 5 * us, 8 * us};
    model.cost.refuse = 1 * us;
    model.cost.disconnect = 1 * us;
    return model;
}

}  // namespace touchstone::simulator::fleet
