// A world of one node and clients with links of 1 ms, and questions about its trace.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "simulator/world.hpp"

namespace touchstone::simulator {

class WorldTest : public testing::Test {
protected:
    explicit WorldTest(const NodeOptions& options = {}) : node{world.add_node("broker", options)} {}

    ClientIndex add_client(const std::string& name, ClientOptions options) {
        options.client_id = name;
        return world.add_client(name, std::move(options), node, {});
    }
    void run_for(Duration span) { world.run_until(world.now() + span); }

    struct Arrival {
        Instant at;
        const TracedPacket* packet;
    };
    /// What has arrived of that type at the end that `direction` names.
    std::vector<Arrival> arrivals(wire::PacketType type, Direction direction) {
        std::vector<Arrival> found;
        for (const auto& entry : world.trace().entries) {
            if (entry.kind != TraceEntry::Kind::arrived || entry.type != type) continue;
            const auto& packet = world.trace().packets[entry.index];
            if (packet.direction == direction) found.push_back({entry.at, &packet});
        }
        return found;
    }
    std::optional<Instant> closed_by_broker() {
        const auto& entries = world.trace().entries;
        const auto found = std::ranges::find_if(entries, [](const TraceEntry& entry) {
            return entry.direction == Direction::to_broker &&
                   (entry.kind == TraceEntry::Kind::closed ||
                    entry.kind == TraceEntry::Kind::aborted);
        });
        if (found == entries.end()) return std::nullopt;
        return found->at;
    }

    World world{1};
    NodeIndex node;
};

}  // namespace touchstone::simulator
