// Nodes, clients, links, and the names of what else there is.

#include <fmt/format.h>

#include <algorithm>

#include "broker/access/access_rules.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/defect_choice.hpp"
#include "simulator/scenario_judge.hpp"
#include "simulator/set_up.hpp"
#include "simulator/sometimes.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {

namespace protobuf = google::protobuf;

void ScenarioJudge::judge() {
    if (scenario_.description().empty()) {
        complain(root_, "description", "is missing; say in one sentence what is shown");
    }
    if (scenario_.duration_ms() == 0) {
        complain(root_, "duration_ms", "is missing; at least 1");
    }
    if (scenario_.settle_ms() > scenario_.duration_ms()) {
        complain(root_, "settle_ms",
                 fmt::format("{} is more than duration_ms, {}", scenario_.settle_ms(),
                             scenario_.duration_ms()));
    }
    judge_catalogue();
    judge_actors();
    judge_cluster();
    for (int i = 0; i < scenario_.steps_size(); ++i) judge_step(i);
    if (scenario_.has_workload()) judge_workload();
    judge_names();
    for (int i = 0; i < scenario_.expectations_size(); ++i) {
        const auto place = root_.in("expectations", i);
        if (!scenario_.expectations(i).has_received()) {
            complain(place, "", "expects nothing; known: received");
            continue;
        }
        check_client(place.in("received"), "client", scenario_.expectations(i).received().client());
    }
}

void ScenarioJudge::complain(const Place& place, const std::string& field, const std::string& what,
                             int index) {
    int line = place.line_of(field, index);
    if (line < 0) line = 0;
    std::string name = place.name;
    if (!field.empty()) name += (name.empty() ? "" : ".") + field;
    problems_.push_back(fmt::format("{}:{}: {}: {}", path_, line + 1, name, what));
}

void ScenarioJudge::check_range(const Place& place, const std::string& field, std::uint64_t low,
                                std::uint64_t high) {
    if (!place.has(field)) return;
    const auto* descriptor = place.field(field);
    const auto* reflection = place.message->GetReflection();
    const std::uint64_t value = descriptor->cpp_type() == protobuf::FieldDescriptor::CPPTYPE_UINT64
                                    ? reflection->GetUInt64(*place.message, descriptor)
                                    : reflection->GetUInt32(*place.message, descriptor);
    if (value >= low && value <= high) return;
    complain(place, field, fmt::format("{} is not in {}..{}", value, low, high));
}

void ScenarioJudge::check_order(const Place& place, const std::string& low_field, std::uint64_t low,
                                const std::string& high_field, std::uint64_t high) {
    if (low <= high) return;
    complain(place, high_field, fmt::format("{} is less than {}, {}", high, low_field, low));
}

void ScenarioJudge::check_client(const Place& place, const std::string& field,
                                 const std::string& name, int index) {
    if (name.empty()) return complain(place, field, "is missing; name a client", index);
    if (std::ranges::find(clients_, name) != clients_.end()) return;
    complain(place, field, fmt::format("no client is called '{}'{}", name, remedy(name, clients_)),
             index);
}

void ScenarioJudge::check_node(const Place& place, const std::string& name) {
    if (name.empty() || std::ranges::find(nodes_, name) != nodes_.end()) return;
    complain(place, "node", fmt::format("no node is called '{}'{}", name, remedy(name, nodes_)));
}

void ScenarioJudge::judge_catalogue() {
    if (scenario_.catalogue().empty()) {
        if (!scenario_.story().empty()) {
            complain(root_, "story", "is for entries of the catalogue; name one, or use a comment");
        }
        return;
    }
    if (scenario_.story().empty()) {
        complain(root_, "story", "is missing; two sentences on what went wrong, for the index");
    }
    if (scenario_.references_size() == 0) {
        complain(root_, "references", "is missing; where the defect was published");
    }
    if (scenario_.proofs_size() == 0) {
        complain(root_, "proofs",
                 "is missing; name the defect switch and the invariant that it breaks");
    }
}

void ScenarioJudge::check_access_rules(const Place& place, const std::string& field,
                                       const std::string& text) {
    const auto rules = access::AccessRules::parse(text);
    if (rules) return;
    complain(place, field,
             fmt::format("rule line {}, column {}: {}", rules.error().line, rules.error().column,
                         rules.error().message));
}

void ScenarioJudge::judge_actors() {
    if (scenario_.nodes_size() == 0) {
        complain(root_, "nodes", "is missing; add `nodes { name: \"broker\" }`");
    }
    for (int i = 0; i < scenario_.nodes_size(); ++i) {
        const auto place = root_.in("nodes", i);
        add_name(place, scenario_.nodes(i).name().empty() ? "broker" : scenario_.nodes(i).name(),
                 nodes_);
        check_range(place, "shards", 0, 64);
        check_range(place, "accepts_per_s", 0, 1'000'000);
        const auto& node = scenario_.nodes(i);
        if (node.has_clock()) judge_clock(place.in("clock"), node.clock());
        if (node.has_shard_delay_us_low() || node.has_shard_delay_us_high()) {
            check_order(place, "shard_delay_us_low",
                        node.has_shard_delay_us_low() ? node.shard_delay_us_low() : 5,
                        "shard_delay_us_high",
                        node.has_shard_delay_us_high() ? node.shard_delay_us_high() : 500);
        }
        if (node.has_storage()) {
            const auto& disk = node.storage();
            check_order(place.in("storage"), "sync_ms_low",
                        disk.has_sync_ms_low() ? disk.sync_ms_low() : 1, "sync_ms_high",
                        disk.has_sync_ms_high() ? disk.sync_ms_high() : 5);
        }
        if (!node.has_settings()) continue;
        const auto settings = place.in("settings");
        for (const auto* field : {"inflight_max", "receive_maximum", "packet_id_max"}) {
            check_range(settings, field, 1, 65'535);
        }
        check_range(settings, "keep_alive_s_max", 0, 65'535);
        if (node.settings().has_awaiting_release_max()) {
            check_range(settings, "awaiting_release_max", 1, 0xFFFF'FFFF);
        }
        check_access_rules(settings, "access_rules", node.settings().access_rules());
        check_range(settings, "topic_alias_max", 0, 65'535);
        check_range(settings, "packet_size_bytes_max", 64, 0xFFFF'FFFF);
    }
    for (int i = 0; i < scenario_.clients_size(); ++i) judge_client(i);
    for (int i = 0; i < scenario_.bridges_size(); ++i) {
        const auto place = root_.in("bridges", i);
        const auto& bridge = scenario_.bridges(i);
        check_client(place, "one", bridge.one());
        check_client(place, "other", bridge.other());
        if (bridge.one() == bridge.other()) {
            complain(place, "other", "is the same client; a bridge has two ends");
        }
    }
}

void ScenarioJudge::add_name(const Place& place, const std::string& name,
                             std::vector<std::string>& list) {
    if (name.empty()) return complain(place, "name", "is missing; every client has a name");
    const bool is_known = std::ranges::find(nodes_, name) != nodes_.end() ||
                          std::ranges::find(clients_, name) != clients_.end();
    if (is_known) complain(place, "name", fmt::format("'{}' is taken; names are unique", name));
    list.push_back(name);
}

void ScenarioJudge::judge_client(int index) {
    const auto& client = scenario_.clients(index);
    const auto place = root_.in("clients", index);
    add_name(place, client.name(), clients_);
    check_range(place, "count", 0, 10'000);
    if (client.count() > 1) crowds_.push_back(client.name());
    if (client.version() != 0 && client.version() != 3 && client.version() != 5) {
        complain(place, "version",
                 fmt::format("{} is neither 3 (MQTT 3.1.1) nor 5", client.version()));
    }
    check_range(place, "receive_maximum", 1, 65'535);
    check_range(place, "keep_alive_s", 0, 65'535);
    check_range(place, "packet_id_max", 1, 65'535);
    check_range(place, "inflight_max", 1, 65'535);
    check_range(place, "answer_timeout_ms", 1, 0xFFFF'FFFF);
    check_range(place, "topic_alias_max", 0, 65'535);
    if (client.version() != 3 && client.retry_interval_ms() != 0) {
        complain(place, "retry_interval_ms", "is MQTT 3.1.1 only; use version: 3");
    }
    if (client.version() == 3) {
        for (const auto* field :
             {"session_expiry_s", "receive_maximum", "will_delay_s", "topic_alias_max"}) {
            if (place.has(field)) complain(place, field, "is MQTT 5.0 only; use version: 5");
        }
    }
    if (client.has_will()) judge_publication(place.in("will"), client.will(), false);
    if (client.has_acknowledgements()) {
        judge_acknowledgements(place.in("acknowledgements"), client.acknowledgements());
    }
    if (client.has_completions()) {
        judge_acknowledgements(place.in("completions"), client.completions());
    }
    if (client.has_reconnect()) {
        const auto& reconnect = client.reconnect();
        check_order(place.in("reconnect"), "delay_ms_low",
                    reconnect.has_delay_ms_low() ? reconnect.delay_ms_low() : 100, "delay_ms_high",
                    reconnect.has_delay_ms_high() ? reconnect.delay_ms_high() : 500);
    }
    if (client.has_link()) judge_link(place.in("link"), client.link());
    for (int i = 0; i < client.paths_size(); ++i) {
        judge_link(place.in("paths", i), client.paths(i));
    }
    check_node(place, client.node());
    for (int i = 0; i < client.failover_nodes_size(); ++i) {
        const auto& node = client.failover_nodes(i);
        if (std::ranges::find(nodes_, node) != nodes_.end()) continue;
        complain(place, "failover_nodes",
                 fmt::format("no node is called '{}'{}", node, remedy(node, nodes_)), i);
    }
    if (client.has_clock()) {
        judge_clock(place.in("clock"), client.clock());
        if (client.clock().offset_ms() != 0) {
            complain(place.in("clock"), "offset_ms", "is for nodes; a client reads no wall clock");
        }
    }
    for (int i = 0; i < client.subscriptions_size(); ++i) {
        judge_subscription(place.in("subscriptions", i), client.subscriptions(i));
    }
}

void ScenarioJudge::judge_link(const Place& place, const scenario::Link& link) {
    check_range(place, "buffer_bytes", 1, 0xFFFF'FFFF);
    if (!link.has_delay_us_high()) return;
    check_order(place, "delay_us", link.has_delay_us() ? link.delay_us() : 1'000, "delay_us_high",
                link.delay_us_high());
}

void ScenarioJudge::check_drift(const Place& place, std::int32_t drift_ppm) {
    if (Drift{drift_ppm} >= drift_min && Drift{drift_ppm} <= drift_max) return;
    complain(place, "drift_ppm",
             fmt::format("{} is not in {}..{}", drift_ppm, drift_min.ppm, drift_max.ppm));
}

void ScenarioJudge::judge_clock(const Place& place, const scenario::Clock& clock) {
    check_drift(place, clock.drift_ppm());
    check_jump(place, "offset_ms", clock.offset_ms());
}

bool ScenarioJudge::has_disk(const std::string& node) const {
    const auto is_it = [&](const scenario::Node& one) {
        return node.empty() || (one.name().empty() ? "broker" : one.name()) == node;
    };
    const auto found = std::ranges::find_if(scenario_.nodes(), is_it);
    return found == scenario_.nodes().end() || found->has_storage();
}

void ScenarioJudge::judge_proof(const Place& place, const scenario::Proof& proof) {
    if (const auto problem = problem_of_defect(proof.defect())) {
        return complain(place, "defect", *problem);
    }
    if (proof.client_size() > 0 && !is_defect_of_clients(proof.defect())) {
        complain(place, "client",
                 fmt::format("'{}' is a defect of nodes; leave `client` out", proof.defect()));
    }
    for (int i = 0; i < proof.client_size(); ++i) {
        check_client(place, "client", proof.client(i), i);
    }
}

void ScenarioJudge::judge_names() {
    // Those that are asked of what the scenario has: a cluster, or nodes that stand alone.
    std::vector<std::string> invariants;
    for (const auto& checker : all_checkers())
        if (is_judged_by(checker, judged_as(scenario_))) invariants.emplace_back(checker.id);
    const std::string judged = scenario_.has_cluster() ? "invariant of clusters" : "invariant";
    const auto check = [&](const Place& place, const std::string& field, const std::string& name,
                           const std::vector<std::string>& known, std::string_view kind,
                           int index) {
        if (std::ranges::find(known, name) != known.end()) return;
        complain(place, field, fmt::format("'{}' is no {}{}", name, kind, remedy(name, known)),
                 index);
    };
    for (int i = 0; i < scenario_.invariants_size(); ++i) {
        check(root_, "invariants", scenario_.invariants(i), invariants, judged, i);
    }
    std::vector<std::string> conditions;
    for (const auto& one : sometimes_conditions) conditions.emplace_back(one.name);
    for (int i = 0; i < scenario_.sometimes_size(); ++i) {
        check(root_, "sometimes", scenario_.sometimes(i), conditions, "condition", i);
    }
    for (int i = 0; i < scenario_.defects_size(); ++i) {
        const auto& text = scenario_.defects(i);
        if (const auto problem = problem_of_defect(text)) {
            complain(root_, "defects", *problem, i);
            continue;
        }
        for (const auto& name : choose_defect(scenario_, text).clients) {
            check_client(root_, "defects", name, i);
        }
    }
    for (int i = 0; i < scenario_.proofs_size(); ++i) {
        const auto& proof = scenario_.proofs(i);
        const auto place = root_.in("proofs", i);
        judge_proof(place, proof);
        check(place, "invariant", proof.invariant(), invariants, judged, 0);
        for (int k = 0; k < proof.also_size(); ++k) {
            check(place, "also", proof.also(k), invariants, judged, k);
        }
    }
}

}  // namespace touchstone::simulator
