// The probe of a cluster (checkers/probe.cpp judges it): clients of its own, which do nothing
// before begin().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "simulator/world.hpp"

namespace touchstone::simulator {

class ClusterProbe final : private EventHandler {
public:
    /// Adds the clients: one to each of `nodes`, and one that has all of them. `world` outlives it.
    ClusterProbe(World& world, const std::vector<NodeIndex>& nodes, const std::string& id_prefix);
    ClusterProbe(const ClusterProbe&) = delete;
    ClusterProbe& operator=(const ClusterProbe&) = delete;

    void begin();
    /// From begin() to the last answer, on links like those of the probe.
    [[nodiscard]] static Duration lasts(std::size_t node_count);

private:
    enum EventKind : std::uint16_t { publish, arrive, leave };
    void on_event(const Event& event) override;
    /// A node that is gone for good is not asked.
    [[nodiscard]] bool is_there(std::size_t place) const;

    World& world_;
    std::uint16_t owner_;
    std::vector<NodeIndex> nodes_;
    std::vector<ClientIndex> clients_;  // by node
    ClientIndex roaming_;
};

}  // namespace touchstone::simulator
