// Points of a run's curves: what has happened since the one before.
#pragma once

#include <algorithm>
#include <vector>

#include "simulator/fleet/outcome.hpp"

namespace touchstone::simulator::fleet {

class Sampler {
public:
    explicit Sampler(std::size_t servers) : busy_before_(servers) {}

    /// `busy`: CPU time of each server's work since the start.
    void take(Time now, Time longest_wait, const std::vector<Time>& busy, Outcome& outcome) {
        Sample sample{.at = now, .connected = outcome.connected};
        const auto all = outcome.all();
        sample.since = all.minus(counts_before_);
        counts_before_ = all;
        sample.longest_wait = longest_wait;
        const auto length = static_cast<double>(now - at_);
        for (std::size_t i = 0; i < busy.size(); ++i) {
            // A crash takes work back that was counted before.
            const Time done = busy[i] > busy_before_[i] ? busy[i] - busy_before_[i] : 0;
            const double share = static_cast<double>(done) / length;
            sample.busy += share / static_cast<double>(busy.size());
            sample.busiest = std::max(sample.busiest, share);
            sample.service_sum += done;
        }
        busy_before_ = busy;
        const auto& wait = outcome.latencies.wait;
        sample.waits = wait.count() - waits_before_;
        sample.wait_sum = wait.sum() - wait_sum_before_;
        waits_before_ = wait.count();
        wait_sum_before_ = wait.sum();
        at_ = now;
        outcome.samples.push_back(sample);
    }
    /// Of the last one.
    [[nodiscard]] Time at() const { return at_; }

private:
    std::vector<Time> busy_before_;
    ClassCounts counts_before_;
    std::uint64_t waits_before_ = 0;
    std::uint64_t wait_sum_before_ = 0;
    Time at_ = 0;
};

}  // namespace touchstone::simulator::fleet
