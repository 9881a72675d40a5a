// What the nodes of a cluster tell each other to find out that they parted, and to come together
// again. A link delivers in order, or not at all once one of its ends has called the other down.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "broker/cluster/node_index.hpp"

namespace touchstone::cluster {

/// How one node sees the cluster at one moment.
struct NodeView {
    NodeIndex owner;
    bool is_serving = false;         // its database runs and it accepts clients
    std::vector<NodeIndex> running;  // ascending, the owner included; empty while it does not serve
    std::uint64_t client_count = 0;  // Network Connections at the owner
    std::uint64_t agent_count = 0;   // replicants that the owner feeds
};

// A round of healing: reports go to the leader, which collects views and names a coordinator; that
// one tells the victims to start again.
struct HealingReport {
    bool is_repetition = false;  // the reporter has said so before
};
struct HealingViewRequest {
    std::uint64_t round = 0;
};
struct HealingViewReply {
    std::uint64_t round = 0;
    NodeView view;
};
struct HealingPlan {
    std::uint64_t round = 0;
    std::vector<NodeIndex> victims;
};
struct HealingPlanDone {
    std::uint64_t round = 0;
    bool has_succeeded = false;
};
struct HealingShutdown {};  // the first of two calls, where there are two
struct HealingShutdownDone {};
struct HealingReboot {};  // stop, drop the tables, start again and copy those of the sender
struct HealingRebootRefused {};
struct HealingRejoined {};  // a victim to its coordinator: it serves again

// How a node without tables becomes part of the database again. An attempt is numbered by the
// joiner; answers to an earlier one are void.
struct HealingStopped {};  // the sender's database does not run
struct HealingJoin {};
struct HealingJoinRefused {};
struct HealingWelcome {
    std::vector<NodeIndex> running;  // as in NodeView
};
struct HealingAnnounce {  // the joiner to all that its coordinator sees running
    NodeIndex coordinator;
    std::uint64_t attempt = 0;
};
// The answer goes through the coordinator: links keep their order, so what the member wrote before
// it knew the joiner is in the tables that the joiner then copies. It names those that the member
// sees running: others may join at the same time.
struct HealingAdmitted {
    NodeIndex joiner;
    std::uint64_t attempt = 0;
    std::vector<NodeIndex> running;
};
struct HealingAnnounced {
    NodeIndex member;
    std::uint64_t attempt = 0;
    std::vector<NodeIndex> running;
};
struct HealingAttach {  // a replicant to a core: feed me, or no longer
    bool is_attached = false;
};

// Whether a node that is down for one is down for all.
struct HealingPartialCheck {
    NodeIndex suspect;
};
struct HealingProbe {
    NodeIndex asker;
};
struct HealingProbeReply {
    NodeIndex asker;
};
struct HealingPartialPartition {
    NodeIndex suspect;
};

using HealingMessage =
    std::variant<HealingReport, HealingViewRequest, HealingViewReply, HealingPlan, HealingPlanDone,
                 HealingShutdown, HealingShutdownDone, HealingReboot, HealingRebootRefused,
                 HealingRejoined, HealingStopped, HealingJoin, HealingJoinRefused, HealingWelcome,
                 HealingAnnounce, HealingAdmitted, HealingAnnounced, HealingAttach,
                 HealingPartialCheck, HealingProbe, HealingProbeReply, HealingPartialPartition>;

}  // namespace touchstone::cluster
