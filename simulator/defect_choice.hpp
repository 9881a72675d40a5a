// Who gets a defect switch: what `--defect`, `defects` and `proofs` name, in one place.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulator/scenario.pb.h"

namespace touchstone::simulator {

/// A switch and who has it.
struct DefectChoice {
    std::string name;
    bool is_in_nodes = false;          // in every node
    bool is_in_all_clients = false;    // in every client
    std::vector<std::string> clients;  // in these
};

/// Names of all switches of nodes and clients, sorted, each once.
[[nodiscard]] std::vector<std::string> all_defect_names();
[[nodiscard]] bool is_defect_of_nodes(std::string_view name);
[[nodiscard]] bool is_defect_of_clients(std::string_view name);

/// What is wrong with `text`, NAME or NAME@CLIENT, for command lines and files; nothing when it is
/// a switch. Whether there is such a client is not asked.
[[nodiscard]] std::optional<std::string> problem_of_defect(std::string_view text);

/// NAME@CLIENT: that client has it; NAME@*: every client. NAME: those that the scenario's proof of
/// that name says; else every node, if nodes have such a switch; else every client. `text` has no
/// problem.
[[nodiscard]] DefectChoice choose_defect(const scenario::Scenario& scenario, std::string_view text);

/// What the proof says.
[[nodiscard]] DefectChoice choose_defect(const scenario::Proof& proof);

}  // namespace touchstone::simulator
