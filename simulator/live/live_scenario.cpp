#include "simulator/live/live_scenario.hpp"

#include <fmt/format.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/defect_choice.hpp"
#include "simulator/set_up.hpp"

namespace touchstone::simulator::live {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::size_t topic_size_bytes_max = 65'535;  // UTF-8 Encoded String, §1.5.4

/// The steps that clients and their links take. Whatever else there is concerns nodes.
constexpr auto steps_from_outside = std::to_array<std::string_view>({
    "connect",           "disconnect",         "vanish",       "subscribe", "unsubscribe",
    "publish",           "acknowledge",        "completions",  "raw",       "raw_to_client",
    "leave_application", "return_application", "stall",        "drop",      "cut",
    "half_open",         "stop_reading",       "crash_client", "snapshot",  "reset_after",
    "acknowledgements",
});

struct Unseen {
    std::string_view invariant;
    std::string_view why;
};
constexpr auto unseen_invariants = std::to_array<Unseen>({
    {"S5", "which sessions the node keeps at the end"},
    {"R1", "what its shards keep as Retained Messages"},
    {"B1", "what it keeps for a client"},
    {"M2", "how much room it makes for a packet"},
    {"N1", "the access rules are its operator's"},
    {"recovery", "it is not restarted"},
    {"presence", "its $SYS topics are its own"},
    {"conservation", "its counters"},
});

std::string text_of(const Message& message, const FieldDescriptor& field) {
    std::string value;
    google::protobuf::TextFormat::PrintFieldValueToString(message, &field, -1, &value);
    return fmt::format("{}: {}", field.name(), value);
}

std::vector<const FieldDescriptor*> fields_of(const Message& message) {
    std::vector<const FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    return fields;
}

/// Topics are in many places, and each of these is one of two messages, or a list of names.
void put_prefix(Message& message, std::string_view prefix) {
    if (auto* publication = dynamic_cast<scenario::Publication*>(&message)) {
        publication->set_topic(with_prefix(prefix, publication->topic()));
        return;
    }
    if (auto* subscription = dynamic_cast<scenario::Subscription*>(&message)) {
        subscription->set_filter(with_prefix(prefix, subscription->filter()));
        return;
    }
    const auto put_all = [&](auto& names) {
        for (auto& name : names) name = with_prefix(prefix, name);
    };
    if (auto* unsubscribe = dynamic_cast<scenario::Unsubscribe*>(&message)) {
        return put_all(*unsubscribe->mutable_filters());
    }
    if (auto* workload = dynamic_cast<scenario::Workload*>(&message)) {
        put_all(*workload->mutable_topics());
        return put_all(*workload->mutable_filters());
    }
    const auto* reflection = message.GetReflection();
    for (const auto* field : fields_of(message)) {
        if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
        if (!field->is_repeated()) {
            put_prefix(*reflection->MutableMessage(&message, field), prefix);
            continue;
        }
        for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
            put_prefix(*reflection->MutableRepeatedMessage(&message, field, i), prefix);
        }
    }
}

/// Bytes that clients send as they are have names, too, where they are packets.
void put_prefix_into_raw(scenario::Scenario& scenario, std::string_view prefix) {
    std::map<std::string, ProtocolVersion> versions;
    for (const auto& client : scenario.clients()) {
        versions[client.name()] =
            client.version() == 3 ? ProtocolVersion::v3_1_1 : ProtocolVersion::v5;
    }
    for (auto& step : *scenario.mutable_steps()) {
        if (!step.has_raw()) continue;
        auto& raw = *step.mutable_raw();
        std::string hex;
        for (const auto byte :
             packets_with_prefix(prefix, bytes_of_hex(raw.hex()), versions[raw.client()])) {
            hex += fmt::format("{:02X}", std::to_integer<unsigned>(byte));
        }
        raw.set_hex(hex);
    }
}

void look_at_nodes(LiveScenario& live) {
    const auto& scenario = live.scenario;
    if (scenario.nodes_size() > 1) {
        live.refusals.push_back(
            fmt::format("it has {} nodes, and --live is one", scenario.nodes_size()));
    }
    for (const auto& node : scenario.nodes()) {
        for (const auto* field : fields_of(node)) {
            if (field->name() == "name") continue;
            if (field->name() != "settings") {
                live.left_out.push_back(text_of(node, *field) + " of the node");
                continue;
            }
            for (const auto* setting : fields_of(node.settings())) {
                live.demands.push_back(text_of(node.settings(), *setting));
            }
        }
    }
}

void look_at_steps(LiveScenario& live) {
    int expecting_snapshots = 0;
    for (auto& step : *live.scenario.mutable_steps()) {
        const auto* reflection = step.GetReflection();
        const auto* what = reflection->GetOneofFieldDescriptor(
            step, step.GetDescriptor()->FindOneofByName("what"));
        if (std::ranges::find(steps_from_outside, what->name()) == steps_from_outside.end()) {
            live.refusals.push_back(
                fmt::format("its step `{}` at {} ms does something to the node itself",
                            what->name(), step.at_ms()));
        }
        if (!step.has_snapshot() || step.snapshot().expect().empty()) continue;
        step.mutable_snapshot()->clear_expect();
        ++expecting_snapshots;
    }
    if (expecting_snapshots == 0) return;
    live.left_out.push_back(fmt::format("`expect` of {} snapshot{}: queue and window of a session",
                                        expecting_snapshots, expecting_snapshots == 1 ? "" : "s"));
}

void look_at_workload(LiveScenario& live) {
    if (!live.scenario.has_workload()) return;
    auto& workload = *live.scenario.mutable_workload();
    if (workload.shuffle_nodes()) {
        workload.set_shuffle_nodes(false);
        live.left_out.push_back("limits drawn for the node");
    }
    if (workload.swarm()) {
        workload.set_swarm(false);
        live.left_out.push_back("what a swarm draws");
    }
    constexpr std::array of_nodes{
        scenario::crash_node,    scenario::stop_node,    scenario::pause_node,
        scenario::crash_machine, scenario::change_clock, scenario::change_access_rules,
        scenario::slow_disk,     scenario::full_disk,    scenario::failing_disk,
        scenario::lose_batches,  scenario::tear_batch};
    const auto is_of_node = [&](int one) {
        return std::ranges::find(of_nodes, static_cast<scenario::Disturbance>(one)) !=
               of_nodes.end();
    };
    auto& disturbances = *workload.mutable_disturbances();
    const auto kept = std::remove_if(disturbances.begin(), disturbances.end(), is_of_node);
    if (kept == disturbances.end()) return;
    disturbances.erase(kept, disturbances.end());
    live.left_out.push_back("crashes, pauses, disks, clocks and rules of the node");
    if (disturbances.empty()) workload.clear_disturbances();
}

void look_at_defects(LiveScenario& live, const std::vector<std::string>& defects) {
    std::vector<std::string> all{live.scenario.defects().begin(), live.scenario.defects().end()};
    all.insert(all.end(), defects.begin(), defects.end());
    for (const auto& text : all) {
        if (!choose_defect(live.scenario, text).is_in_nodes) continue;
        live.refusals.push_back(fmt::format("the defect {} is a switch of our own nodes; those of "
                                            "clients work, see `simulate --list`",
                                            text));
    }
}

void look_at_invariants(LiveScenario& live) {
    auto& wanted = *live.scenario.mutable_invariants();
    const bool has_all = wanted.empty();
    std::vector<std::string> judged;
    for (const auto& checker : all_checkers()) {
        if (!checker.judges_nodes) continue;
        if (!has_all && std::ranges::find(wanted, checker.id) == wanted.end()) continue;
        const auto unseen = std::ranges::find(unseen_invariants, checker.id, &Unseen::invariant);
        if (unseen == unseen_invariants.end()) {
            judged.emplace_back(checker.id);
        } else {
            live.left_out.push_back(
                fmt::format("invariant {} ({}): {}", checker.id, checker.title, unseen->why));
        }
    }
    if (judged.empty() && live.scenario.expectations().empty()) {
        live.refusals.emplace_back("nothing of what it asks can be seen from outside");
    }
    wanted.Clear();
    for (const auto& id : judged) wanted.Add(std::string{id});
}

}  // namespace

std::string with_prefix(std::string_view prefix, const std::string& name) {
    if (name.empty() || name.size() + prefix.size() + 1 > topic_size_bytes_max) return name;
    std::size_t at = 0;
    if (name.starts_with("$share/")) {
        const auto end_of_share_name = name.find('/', std::string_view{"$share/"}.size());
        if (end_of_share_name == std::string::npos) return name;
        at = end_of_share_name + 1;
    } else if (name.starts_with('$')) {
        return name;
    }
    return fmt::format("{}{}/{}", name.substr(0, at), prefix, name.substr(at));
}

LiveScenario make_live(const scenario::Scenario& scenario, const std::vector<std::string>& defects,
                       std::string_view prefix) {
    LiveScenario live{.scenario = scenario, .refusals = {}, .demands = {}, .left_out = {}};
    look_at_nodes(live);
    look_at_steps(live);
    look_at_workload(live);
    look_at_defects(live, defects);
    look_at_invariants(live);
    put_prefix(live.scenario, prefix);
    put_prefix_into_raw(live.scenario, prefix);
    return live;
}

TracedNode promises_of(const scenario::Scenario& scenario, bool is_configured) {
    if (is_configured) return traced_node(node_options(scenario.nodes(0)));
    TracedNode promises;
    promises.inflight_max = 65'535;
    promises.session_expiry_s_v3 = std::numeric_limits<std::uint32_t>::max();
    promises.session_expiry_s_max = std::numeric_limits<std::uint32_t>::max();
    promises.queue_messages_max = std::numeric_limits<std::uint32_t>::max();
    return promises;
}

}  // namespace touchstone::simulator::live
