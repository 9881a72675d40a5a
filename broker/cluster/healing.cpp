#include "broker/cluster/healing.hpp"

#include "broker/base/check.hpp"
#include "broker/cluster/healing_emqx4.hpp"
#include "broker/cluster/healing_emqx4_original.hpp"
#include "broker/cluster/healing_mria.hpp"
#include "broker/cluster/healing_rabbit.hpp"
#include "broker/cluster/healing_replicant.hpp"

namespace touchstone::cluster {
namespace {

/// What parted stays apart, and an operator is told.
class NoHealing final : public DatabaseMember {
public:
    using DatabaseMember::DatabaseMember;

private:
    void on_partition(NodeIndex peer, Instant) override {
        port().alarm("partitioned from node " + std::to_string(peer.raw()) +
                     "; an operator has to start one of the two again");
    }
};

}  // namespace

HealingDefects emqx4_original_defects() {
    return {.heal_needs_all_nodes = true, .heal_two_phase_rpc = true};
}

std::unique_ptr<Healing> make_healing(const HealingOptions& options, HealingPort& port) {
    CHECK(options.nodes.size() <= views_max);
    CHECK(contains(options.nodes, options.self));
    CHECK(options.replicants.empty() || options.policy == HealingPolicy::mria);
    if (contains(options.replicants, options.self))
        return std::make_unique<ReplicantHealing>(options, port);
    switch (options.policy) {
        case HealingPolicy::none:
        case HealingPolicy::rabbit_ignore: return std::make_unique<NoHealing>(options, port);
        case HealingPolicy::emqx4_original:
            return std::make_unique<Emqx4OriginalHealing>(options, port);
        case HealingPolicy::emqx4: return std::make_unique<Emqx4Healing>(options, port);
        case HealingPolicy::mria: return std::make_unique<MriaHealing>(options, port);
        case HealingPolicy::rabbit_pause_minority:
            return std::make_unique<RabbitPauseMinority>(options, port);
        case HealingPolicy::rabbit_autoheal: return std::make_unique<RabbitAutoheal>(options, port);
    }
    UNREACHABLE();
}

}  // namespace touchstone::cluster
