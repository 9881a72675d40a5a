// The broker of a fleet: FIFO queues with servers, whose work costs what the model says. Packets
// come in the order of time, so a queue is the instant at which its server is free.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "simulator/fleet/draws.hpp"
#include "simulator/fleet/model.hpp"

namespace touchstone::simulator::fleet {

/// Work that takes `mean` on average, as the model varies it.
[[nodiscard]] Time varied(const CostModel& cost, Time mean, Draws& draws);

class Servers {
public:
    explicit Servers(const CostModel& cost);

    struct Service {
        Time start = 0;
        Time end = 0;
    };
    /// A packet at `at`, which is not before those of earlier calls, for a device of that node.
    Service serve(std::uint32_t node, std::uint32_t device, Time at, Time mean, Draws& draws) {
        const std::uint32_t server = server_of(node, device);
        return serve_at(server, at,
                        cost_.variation == Variation::constant ? mean : varied(cost_, mean, draws));
    }
    /// The same at a server, work exactly as long as said.
    Service serve_at(std::uint32_t server, Time at, Time work) {
        auto& free_at = free_at_[server];
        const Time start = std::max(at, free_at);
        free_at = start + work;
        busy_[server] += work;
        return {start, start + work};
    }
    /// Work that comes evenly over [at, at + length). Returns what was waiting before it.
    Time spread_work(std::uint32_t server, Time at, Time length, Time work) {
        auto& free_at = free_at_[server];
        const Time waiting = free_at > at ? free_at - at : 0;
        busy_[server] += work;
        // Where it fits in, nobody behind waits for it.
        if (waiting + work > length) free_at = at + waiting + work;
        return waiting;
    }
    /// How long a packet at `at` would wait.
    [[nodiscard]] Time wait(std::uint32_t node, std::uint32_t device, Time at) const {
        const Time free_at = free_at_[server_of(node, device)];
        return free_at > at ? free_at - at : 0;
    }
    [[nodiscard]] std::uint32_t server_of(std::uint32_t node, std::uint32_t device) const {
        const std::uint32_t first = node * cost_.servers;
        if (cost_.servers == 1) return first;
        if (cost_.any_server) return first + soonest(first);
        return first + static_cast<std::uint32_t>(
                           (std::uint64_t{device * 2'654'435'769U} * cost_.servers) >> 32U);
    }
    /// The server that a device is counted with, for good.
    [[nodiscard]] std::uint32_t home_of(std::uint32_t node, std::uint32_t device) const {
        return cost_.any_server ? node * cost_.servers : server_of(node, device);
    }
    /// The server for work that has come to `home`.
    [[nodiscard]] std::uint32_t server_for(std::uint32_t home) const {
        return cost_.any_server ? home + soonest(home) : home;
    }
    [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(busy_.size()); }
    [[nodiscard]] Time longest_wait(Time at) const;
    /// What a node had to do is gone; its servers work again from `up_at` on.
    void lose_work(std::uint32_t node, Time at, Time up_at);
    /// CPU time of each server's work, done or waiting.
    [[nodiscard]] const std::vector<Time>& busy() const { return busy_; }

private:
    [[nodiscard]] std::uint32_t soonest(std::uint32_t first) const;

    CostModel cost_;
    std::vector<Time> free_at_;
    std::vector<Time> busy_;
};

}  // namespace touchstone::simulator::fleet
