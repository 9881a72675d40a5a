// What happens at random.

#include <fmt/format.h>

#include <algorithm>

#include "broker/wire/topics.hpp"
#include "simulator/scenario_judge.hpp"
#include "simulator/workload.hpp"

namespace touchstone::simulator {

namespace {

bool is_of_disks(int disturbance) {
    return disturbance >= scenario::slow_disk && disturbance <= scenario::tear_batch;
}

}  // namespace

void ScenarioJudge::judge_workload() {
    const auto& workload = scenario_.workload();
    const auto place = root_.in("workload");
    for (int i = 0; i < workload.clients_size(); ++i) {
        const auto& name = workload.clients(i);
        check_client(place, "clients", name, i);
        if (std::ranges::find(crowds_, name) != crowds_.end()) {
            complain(place, "clients",
                     fmt::format("'{}' has a `count`; a workload takes single clients", name), i);
        }
    }
    for (int i = 0; i < workload.publishers_size(); ++i) {
        const auto& name = workload.publishers(i);
        check_client(place, "publishers", name, i);
        if (std::ranges::find(workload.clients(), name) == workload.clients().end()) {
            complain(place, "publishers", fmt::format("'{}' is not among `clients`", name), i);
        }
    }
    if (workload.clients_size() == 0) complain(place, "clients", "is missing; at least one");
    if (workload.only_end()) return;
    if (workload.topics_size() == 0) complain(place, "topics", "is missing; at least one");
    if (workload.filters_size() == 0) complain(place, "filters", "is missing; at least one");
    for (int i = 0; i < workload.topics_size(); ++i) {
        for (const auto& publisher : publishers_of(workload)) {
            const auto topic = topic_of(workload.topics(i), publisher);
            if (wire::is_topic_name(topic)) continue;
            complain(place, "topics", fmt::format("'{}' is no Topic Name", topic), i);
            break;
        }
    }
    for (int i = 0; i < workload.filters_size(); ++i) {
        if (wire::is_topic_filter(workload.filters(i))) continue;
        complain(place, "filters", fmt::format("'{}' is no Topic Filter", workload.filters(i)), i);
    }
    if (workload.publish_every_ms_low() == 0) {
        complain(place, "publish_every_ms_low", "is missing; at least 1");
    }
    check_order(place, "publish_every_ms_low", workload.publish_every_ms_low(),
                "publish_every_ms_high", workload.publish_every_ms_high());
    if (workload.disturbances_size() > 0) {
        if (workload.disturb_every_ms_low() == 0) {
            complain(place, "disturb_every_ms_low", "is missing; at least 1");
        }
        check_order(place, "disturb_every_ms_low", workload.disturb_every_ms_low(),
                    "disturb_every_ms_high", workload.disturb_every_ms_high());
        check_order(place, "disturb_for_ms_low", workload.disturb_for_ms_low(),
                    "disturb_for_ms_high", workload.disturb_for_ms_high());
    }
    for (int i = 0; i < workload.disturbances_size(); ++i) {
        const auto one = workload.disturbances(i);
        if (!is_of_disks(one) || has_disk("")) continue;
        complain(place, "disturbances",
                 fmt::format("{} takes a disk, which the first node has not; add `storage {{}}` "
                             "to it",
                             scenario::Disturbance_Name(one)),
                 i);
    }
    for (int i = 0; i < workload.disturbances_size(); ++i) {
        const auto one = static_cast<scenario::Disturbance>(workload.disturbances(i));
        if (!is_of_nodes(one) || scenario_.has_cluster()) continue;
        complain(place, "disturbances",
                 fmt::format("{} takes a cluster; add `cluster {{ model: \"…\" }}`",
                             scenario::Disturbance_Name(one)),
                 i);
    }
    check_order(place, "nodes_every_ms_low", workload.nodes_every_ms_low(), "nodes_every_ms_high",
                workload.nodes_every_ms_high());
    check_order(place, "nodes_for_ms_low", workload.nodes_for_ms_low(), "nodes_for_ms_high",
                workload.nodes_for_ms_high());
    if (workload.nodes_every_ms_low() == 0 && workload.nodes_every_ms_high() > 0) {
        complain(place, "nodes_every_ms_low", "is missing; at least 1");
    }
    check_range(place, "retain_per_mille", 0, 1'000);
    check_range(place, "delete_per_mille", 0, 1'000);
    check_range(place, "expire_per_mille", 0, 1'000);
    check_order(place, "expiry_s_low", workload.expiry_s_low(), "expiry_s_high",
                workload.expiry_s_high());
    judge_disturbances(place, workload);
}

void ScenarioJudge::judge_disturbances(const Place& place, const scenario::Workload& workload) {
    for (int i = 0; i < workload.visitors_size(); ++i) {
        const auto& name = workload.visitors(i);
        check_client(place, "visitors", name, i);
        if (std::ranges::find(workload.clients(), name) == workload.clients().end()) continue;
        complain(place, "visitors",
                 fmt::format("'{}' is among `clients`; a visitor has no part in the rest", name),
                 i);
    }
    for (int i = 0; i < workload.access_rules_size(); ++i) {
        check_access_rules(place, "access_rules", workload.access_rules(i));
    }
    for (int i = 0; i < workload.disturbances_size(); ++i) {
        const auto one = static_cast<scenario::Disturbance>(workload.disturbances(i));
        const bool takes_visitor =
            one == scenario::visit || one == scenario::wrong_acknowledgement ||
            one == scenario::overrun || one == scenario::trickle ||
            one == scenario::spoilt_connect || one == scenario::silent_visit ||
            one == scenario::overlong_length || one == scenario::visit_with_will;
        if (takes_visitor && workload.visitors_size() == 0) {
            complain(place, "disturbances",
                     fmt::format("{} is what `visitors` do; name at least one there",
                                 scenario::Disturbance_Name(one)),
                     i);
        }
        if (one == scenario::change_access_rules && workload.access_rules_size() == 0) {
            complain(place, "disturbances",
                     "change_access_rules chooses from `access_rules`; give at least one there", i);
        }
    }
}

}  // namespace touchstone::simulator
