// ReplicantHealing: which core a replicant of Mria (EMQX 5) copies its tables from and sends its
// writes to. It has no vote in healing; its clients stay when it changes the core.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "broker/cluster/healing.hpp"
#include "broker/cluster/healing_views.hpp"

namespace touchstone::cluster {

class ReplicantHealing final : public Healing {
public:
    ReplicantHealing(const HealingOptions& options, HealingPort& port);

    void on_start(HealingStart how, Instant now) override;
    void on_peer_up(NodeIndex peer, Instant now) override;
    void on_peer_down(NodeIndex peer, Instant now) override;
    void on_message(NodeIndex from, const HealingMessage& message, Instant now) override;
    void on_rebooted(Instant now) override;
    void on_copied(Instant now) override;
    void on_tick(Instant now) override;
    [[nodiscard]] Instant next_tick() const override;
    /// Running: the group of cores that was chosen last; stopped: the other cores.
    [[nodiscard]] HealingHealth health() const override;

private:
    void lose(NodeIndex core, Instant now);
    void choose();
    [[nodiscard]] NodeIndex least_loaded(const NodeGroup& group);
    /// Whether its core has too much to do, and another one less.
    [[nodiscard]] bool wants_another();

    HealingOptions options_;
    HealingPort& port_;
    NodeGroup cores_;
    std::size_t rank_ = 0;  // among the replicants
    std::set<NodeIndex> linked_;
    std::optional<NodeIndex> upstream_;
    NodeGroup group_;
    bool has_alarmed_ = false;
    bool waits_for_tables_ = false;  // the first ones; it does not serve without any

    std::uint64_t round_ = 0;
    Instant poll_at_ = never;
    Instant asked_at_;
    std::set<NodeIndex> asked_;
    std::map<NodeIndex, NodeView> views_;
};

}  // namespace touchstone::cluster
