#include "simulator/defect_choice.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "broker/base/defects.hpp"
#include "simulator/client_defects.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {

namespace {

/// In place of a client's name.
constexpr std::string_view everybody = "*";

/// NAME@CLIENT in two; the client is empty where none is named.
std::pair<std::string_view, std::string_view> split(std::string_view text) {
    const auto at = text.find('@');
    if (at == std::string_view::npos) return {text, {}};
    return {text.substr(0, at), text.substr(at + 1)};
}

DefectChoice by_name(std::string_view name) {
    const bool is_in_nodes = is_defect_of_nodes(name);
    return {.name = std::string{name},
            .is_in_nodes = is_in_nodes,
            .is_in_all_clients = !is_in_nodes,
            .clients = {}};
}

}  // namespace

bool is_defect_of_nodes(std::string_view name) {
    return std::ranges::find(defect_switches, name, &DefectSwitch::name) != defect_switches.end();
}

bool is_defect_of_clients(std::string_view name) {
    return std::ranges::find(client_defect_switches, name, &ClientDefectSwitch::name) !=
           client_defect_switches.end();
}

std::vector<std::string> all_defect_names() {
    std::vector<std::string> names;
    for (const auto& one : defect_switches) names.emplace_back(one.name);
    for (const auto& one : client_defect_switches) names.emplace_back(one.name);
    std::ranges::sort(names);
    // Not std::ranges::unique: clang 14 does not compile what it returns.
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

std::optional<std::string> problem_of_defect(std::string_view text) {
    const auto [name, client] = split(text);
    const bool names_client = name.size() != text.size();
    const auto known = all_defect_names();
    if (std::ranges::find(known, name) == known.end()) {
        const auto nearest = nearest_name(name, known);
        return fmt::format("'{}' is no defect switch; {}", name,
                           nearest.empty() ? "`touchstone simulate --list` names all"
                                           : fmt::format("did you mean '{}'?", nearest));
    }
    if (names_client && client.empty()) {
        return fmt::format("'{}' names no client; write {}@CLIENT", text, name);
    }
    if (names_client && !is_defect_of_clients(name)) {
        return fmt::format("'{}' is a defect of nodes; leave '@{}' out", name, client);
    }
    return std::nullopt;
}

DefectChoice choose_defect(const scenario::Scenario& scenario, std::string_view text) {
    const auto [name, client] = split(text);
    if (client == everybody) {
        return {.name = std::string{name}, .is_in_all_clients = true, .clients = {}};
    }
    if (!client.empty()) {
        return {.name = std::string{name}, .clients = {std::string{client}}};
    }
    for (const auto& proof : scenario.proofs()) {
        if (proof.defect() == name) return choose_defect(proof);
    }
    return by_name(name);
}

DefectChoice choose_defect(const scenario::Proof& proof) {
    if (proof.client_size() == 0) return by_name(proof.defect());
    return {.name = proof.defect(), .clients = {proof.client().begin(), proof.client().end()}};
}

}  // namespace touchstone::simulator
