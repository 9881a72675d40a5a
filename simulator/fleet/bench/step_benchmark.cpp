// bench_step: what one step of tier T2 costs, everything included, and how many bytes a device
// takes: an idle fleet with a Keep Alive of 60 s, once it is connected. Prints a line per size.
//
//   bench_step [DEVICES...]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "simulator/fleet/fleet.hpp"

namespace touchstone::simulator::fleet {
namespace {

constexpr Time second = 1'000'000'000;

double cpu_seconds() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

void measure(std::uint32_t devices, Tier tier) {
    DeviceClass idle;
    idle.name = "idle";
    idle.count = devices;
    idle.ramp_every = 60 * second / devices;
    idle.keep_alive = 60 * second;
    idle.ping_every = 60 * second;
    idle.link = {.latency_min = 10'000'000, .latency_spread = 40'000'000};
    idle.reconnecting = {
        .policy = ReconnectPolicy::full_jitter, .base = second, .cap = 60 * second};
    idle.connect_patience = 30 * second;
    idle.answer_patience = 30 * second;
    FleetModel model;
    model.duration = std::max<Time>(240, 20'000'000 / devices) * second;
    model.sample_every = second;
    model.tier = tier;
    model.classes = {idle};
    model.cost.nodes = 20;
    model.cost.servers = 16;
    model.cost.connect = 20'000;
    model.cost.ping = 1'500;
    const auto before = resident_bytes().now;
    Fleet fleet{model};
    // The first two minutes connect everybody.
    const Time settled = 120 * second;
    double begin = 0;
    std::size_t resident = 0;
    const auto outcome = fleet.run([&](Time now, std::uint64_t) {
        if (now == settled) {
            begin = cpu_seconds();
            resident = resident_bytes().now - before;
        }
        return true;
    });
    const double spent = cpu_seconds() - begin;
    std::uint64_t steps = 0;
    for (const auto& sample : outcome.samples) {
        if (sample.at > settled) steps += sample.since.pings;
    }
    const double virtual_s = static_cast<double>(model.duration - settled) * 1e-9;
    fmt::print("{} {:>11} devices: {:6.1f} ns of CPU per ping, {:5.1f} bytes per device, "
               "{:6.1f} times real time, {} connected, digest {:016x}\n",
               tier == Tier::t2 ? "T2" : "T3", devices, spent * 1e9 / static_cast<double>(steps),
               static_cast<double>(resident) / devices, virtual_s / spent, outcome.connected,
               outcome.digest);
    std::fflush(stdout);
}

}  // namespace
}  // namespace touchstone::simulator::fleet

int main(int argument_count, char** arguments) {
    using namespace touchstone::simulator::fleet;
    std::vector<std::uint32_t> sizes;
    for (int i = 1; i < argument_count; ++i) {
        sizes.push_back(static_cast<std::uint32_t>(std::strtoul(arguments[i], nullptr, 10)));
    }
    if (sizes.empty()) sizes = {10'000, 1'000'000, 10'000'000};
    for (const auto size : sizes) {
        if (size == 0 || size > 200'000'000) {
            fmt::print(stderr, "bench_step: give numbers of devices from 1 to 200000000\n");
            return 2;
        }
        measure(size, Tier::t2);
        measure(size, Tier::t3);
    }
    return 0;
}
