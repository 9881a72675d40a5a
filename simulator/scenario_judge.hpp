// What is asked of a scenario that its schema cannot say. Each part of a scenario has its file:
// `scenario_judge` nodes, clients and names, `scenario_judge_steps` what happens at set instants,
// `scenario_judge_workload` what happens at random.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "simulator/scenario.pb.h"
#include "simulator/scenario_place.hpp"

namespace touchstone::simulator {

/// Says what is wrong, a line for each mistake.
class ScenarioJudge {
public:
    ScenarioJudge(const std::string& path, const scenario::Scenario& scenario,
                  const Place::Tree& tree, std::vector<std::string>& problems)
        : path_{path},
          scenario_{scenario},
          root_{&scenario, &tree, ""},
          problems_{problems} {}

    void judge();

private:
    void complain(const Place& place, const std::string& field, const std::string& what,
                  int index = 0);
    void check_range(const Place& place, const std::string& field, std::uint64_t low,
                     std::uint64_t high);
    void check_order(const Place& place, const std::string& low_field, std::uint64_t low,
                     const std::string& high_field, std::uint64_t high);
    void check_client(const Place& place, const std::string& field, const std::string& name,
                      int index = 0);
    void check_node(const Place& place, const std::string& name);
    void judge_catalogue();
    void check_access_rules(const Place& place, const std::string& field, const std::string& text);
    void judge_actors();
    void add_name(const Place& place, const std::string& name, std::vector<std::string>& list);
    void judge_client(int index);
    void judge_cluster();
    void check_return(const Place& place, bool is_for_good, std::uint32_t restart_after_ms);
    void judge_partition(const Place& place, const scenario::Partition& partition);
    void judge_link(const Place& place, const scenario::Link& link);
    void judge_change_path(const Place& place, const scenario::ChangePath& change);
    void check_drift(const Place& place, std::int32_t drift_ppm);
    void judge_clock(const Place& place, const scenario::Clock& clock);
    void check_jump(const Place& place, const std::string& field, std::int64_t value_ms);
    [[nodiscard]] bool has_disk(const std::string& node) const;
    void judge_disk(const Place& place, const scenario::DiskFault& fault);
    void judge_set_clock(const Place& place, const scenario::SetClock& change);
    void judge_acknowledgements(const Place& place, const scenario::Acknowledgements& policy);
    void judge_publication(const Place& place, const scenario::Publication& publication,
                           bool may_be_empty);
    void judge_subscription(const Place& place, const scenario::Subscription& subscription);
    void judge_step(int index);
    void judge_workload();
    void judge_disturbances(const Place& place, const scenario::Workload& workload);
    void judge_proof(const Place& place, const scenario::Proof& proof);
    void judge_names();

    const std::string& path_;
    const scenario::Scenario& scenario_;
    Place root_;
    std::vector<std::string>& problems_;
    std::vector<std::string> nodes_;
    std::vector<std::string> clients_;
    std::vector<std::string> crowds_;              // clients with a count
    std::map<std::string, std::string> payloads_;  // → the field that has it
};

}  // namespace touchstone::simulator
