// What concerns clusters.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "broker/cluster/model.hpp"
#include "simulator/probe.hpp"
#include "simulator/scenario_judge.hpp"
#include "simulator/set_up.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {

void ScenarioJudge::judge_cluster() {
    if (!scenario_.has_cluster()) return;
    const auto place = root_.in("cluster");
    const auto& cluster = scenario_.cluster();
    if (scenario_.nodes_size() < 2) {
        complain(root_, "cluster", "takes at least two nodes; add some, or leave it out");
    }
    constexpr int nodes_max = 64;
    if (scenario_.nodes_size() > nodes_max) {
        complain(root_, "nodes",
                 fmt::format("{} are more than {}, the most that a cluster has",
                             scenario_.nodes_size(), nodes_max));
    }
    for (int i = 0; i < scenario_.nodes_size(); ++i) {
        if (scenario_.nodes(i).has_storage()) {
            complain(root_.in("nodes", i), "storage",
                     "is not for nodes of a cluster: its models keep sessions in memory");
        }
        check_range(root_.in("nodes", i), "shards", 0, 63);
    }
    const auto* const rules = cluster::find_model(cluster.model());
    if (rules == nullptr) {
        std::vector<std::string> names;
        for (const auto& model : cluster::all_models()) names.emplace_back(model.name);
        return complain(place, "model",
                        cluster.model().empty() ? "is missing; `simulate --list` tells all"
                                                : fmt::format("'{}' is no model{}", cluster.model(),
                                                              remedy(cluster.model(), names)));
    }
    if (cluster.has_delay_us_high()) {
        check_order(place, "delay_us_low",
                    cluster.has_delay_us_low() ? cluster.delay_us_low() : 200, "delay_us_high",
                    cluster.delay_us_high());
    }
    if (cluster.has_detect_ms_high()) {
        check_order(place, "detect_ms_low",
                    cluster.has_detect_ms_low() ? cluster.detect_ms_low() : 0, "detect_ms_high",
                    cluster.detect_ms_high());
    }
    const auto takes = [&](bool is_said, const char* field, bool is_right, std::string_view what) {
        if (is_said && !is_right)
            complain(place, field, fmt::format("is for models {}; {} is none", what, rules->name));
    };
    takes(cluster.has_autoclean_ms(), "autoclean_ms", rules->has_database, "with a database");
    takes(cluster.discovers(), "discovers", rules->has_database, "with a database");
    takes(cluster.locks_most_of_all(), "locks_most_of_all", rules->locks_clients,
          "that lock clients");
    takes(cluster.has_kept_messages_max(), "kept_messages_max", rules->kept_messages_max > 0,
          "that keep publications for others");
    check_range(place, "kept_messages_max", 1, 1'000'000);
    takes(!cluster.healing().empty(), "healing", rules->has_database, "with a database");
    takes(cluster.has_allowed(), "allowed", rules->needs_all_members, "that need all members");
    if (!cluster.healing().empty() && cluster::find_healing(cluster.healing()) == nullptr) {
        std::vector<std::string> names;
        for (const auto& one : cluster::all_healing()) names.emplace_back(one.name);
        complain(place, "healing",
                 fmt::format("'{}' is no way to heal{}", cluster.healing(),
                             remedy(cluster.healing(), names)));
    }
    takes(cluster.replicants_size() > 0, "replicants",
          cluster_rules(cluster).healing == cluster::HealingPolicy::mria,
          "of cores and replicants (Mria)");
    for (int i = 0; i < cluster.replicants_size(); ++i) {
        const auto& name = cluster.replicants(i);
        if (std::ranges::find(nodes_, name) == nodes_.end())
            complain(place, "replicants",
                     fmt::format("no node is called '{}'{}", name, remedy(name, nodes_)), i);
    }
    if (cluster.replicants_size() >= scenario_.nodes_size())
        complain(place, "replicants", "are all nodes; leave at least one out, to be a core");
    if (scenario_.settle_ms() == 0) return;
    const auto needed = rules->converges_within + mesh_options(cluster, *rules).detects_high +
                        ClusterProbe::lasts(static_cast<std::size_t>(scenario_.nodes_size()));
    if (milliseconds(scenario_.settle_ms()) < needed) {
        complain(root_, "settle_ms",
                 fmt::format("{} is too short for {}, which takes {} to be in order again, the "
                             "probe included; 0: nobody looks",
                             scenario_.settle_ms(), rules->name,
                             std::chrono::ceil<std::chrono::milliseconds>(needed).count()));
    }
}

void ScenarioJudge::judge_partition(const Place& place, const scenario::Partition& partition) {
    if (!scenario_.has_cluster()) {
        complain(place, "", "takes a cluster; add `cluster { model: \"…\" }`");
    }
    if (partition.side_size() == 0) complain(place, "side", "is missing; name at least one node");
    const auto check = [&](const std::string& field, const auto& names) {
        for (int i = 0; i < names.size(); ++i) {
            if (std::ranges::find(nodes_, names.Get(i)) == nodes_.end())
                complain(place, field,
                         fmt::format("no node is called '{}'{}", names.Get(i),
                                     remedy(names.Get(i), nodes_)),
                         i);
        }
    };
    check("side", partition.side());
    check("from", partition.from());
    for (int i = 0; i < partition.from_size(); ++i) {
        if (std::ranges::find(partition.side(), partition.from(i)) != partition.side().end())
            complain(place, "from",
                     fmt::format("'{}' is on both sides; a node always reaches itself",
                                 partition.from(i)),
                     i);
    }
    if (partition.from_size() == 0 && partition.side_size() >= scenario_.nodes_size()) {
        complain(place, "side", "has all nodes; leave out those that they are to be cut off from");
    }
}

}  // namespace touchstone::simulator
