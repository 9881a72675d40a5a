#include <algorithm>

#include "simulator/fleet/fleet.hpp"

namespace touchstone::simulator::fleet {

namespace {

constexpr std::uint32_t reset_bytes = 40;

}  // namespace

/// The broker's process is gone: its system resets all connections.
void Fleet::on_crash(const TimedEvent& event) {
    const auto& crash = model_.crashes[event.subject];
    const Time up_at = event.at + crash.down;
    for (std::uint32_t node = 0; node < model_.cost.nodes; ++node) {
        if (crash.node >= 0 && crash.node != static_cast<int>(node)) continue;
        if (!nodes_[node].is_up) continue;
        nodes_[node].is_up = false;
        std::erase(nodes_up_, node);
        servers_.lose_work(node, event.at, up_at);
        put(up_at, Kind::node_up, node, 0, 0);
        for (std::size_t i = 0; i < model_.classes.size(); ++i) {
            const auto& one = model_.classes[i];
            if (model_.tier == Tier::t3 && is_steady(one)) continue;
            for (std::uint32_t device = one.first; device < one.first + one.count; ++device) {
                const auto& state = devices_[device];
                if (state.phase != Phase::connected || state.node != node) continue;
                cut_connection(static_cast<int>(i), device, event.at);
            }
        }
        leave_cohorts(node, event.at);
    }
}

/// The device hears of it, and makes up its mind when to come back.
void Fleet::cut_connection(int device_class, std::uint32_t device, Time at) {
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    auto draws = device_draws_.of(device, at);
    ++outcome_.classes[static_cast<std::size_t>(device_class)].cut_off;
    set_away(device_class, device);
    ++devices_[device].generation;
    retry(device_class, device, at + one_way(one.link, reset_bytes, draws), draws);
}

/// When the device has a way to the broker again; `at`, when it has one.
Time Fleet::cut_until(int device_class, std::uint32_t device, Time at) const {
    for (const auto& cut : cuts_[static_cast<std::size_t>(device_class)]) {
        if (at < cut.at || at >= cut.at + cut.duration) continue;
        if (cut_draws_.of(device, cut.at).chance(cut.share)) return cut.at + cut.duration;
    }
    return at;
}

void Fleet::on_sample(Time now) {
    Sample sample{.at = now, .connected = outcome_.connected};
    const auto all = outcome_.all();
    sample.since = all.minus(counts_before_);
    counts_before_ = all;
    sample.longest_wait = servers_.longest_wait(now);
    const auto& busy = servers_.busy();
    const auto length = static_cast<double>(now - sampled_at_);
    for (std::size_t i = 0; i < busy.size(); ++i) {
        // A crash takes work back that was counted before.
        const Time done = busy[i] > busy_before_[i] ? busy[i] - busy_before_[i] : 0;
        const double share = static_cast<double>(done) / length;
        sample.busy += share / static_cast<double>(busy.size());
        sample.busiest = std::max(sample.busiest, share);
        sample.service_sum += done;
    }
    busy_before_ = busy;
    const auto& wait = outcome_.latencies.wait;
    sample.waits = wait.count() - waits_before_;
    sample.wait_sum = wait.sum() - wait_sum_before_;
    waits_before_ = wait.count();
    wait_sum_before_ = wait.sum();
    sampled_at_ = now;
    outcome_.samples.push_back(sample);
}

}  // namespace touchstone::simulator::fleet
