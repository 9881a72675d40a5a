// The world's part that makes a cluster of its nodes, cuts it, and looks at what they agree about.

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/wire/topics.hpp"
#include "simulator/world_host.hpp"

namespace touchstone::simulator {

namespace {

std::string text_of(cluster::HealingState state) {
    switch (state) {
        case cluster::HealingState::healthy: return "healthy";
        case cluster::HealingState::member_down: return "a member is down";
        case cluster::HealingState::partitioned: return "partitioned";
        case cluster::HealingState::stopped: return "stopped";
        case cluster::HealingState::paused: return "paused";
    }
    UNREACHABLE();
}

std::string row(const std::string& what, const std::string& node) {
    return what + " @" + node;
}

}  // namespace

void World::make_cluster(const cluster::ModelRules& rules, unsigned node_count,
                         const MeshOptions& mesh,
                         const std::vector<cluster::NodeIndex>& replicants) {
    CHECK(nodes_.empty());
    CHECK(node_count >= 1);
    rules_ = rules;
    node_count_ = node_count;
    replicants_ = replicants;
    mesh_ = std::make_unique<Mesh>(engine_, mesh);
    trace_.cluster = {.model = std::string{rules.name},
                      .has_registry = rules.has_registry,
                      .shares_retained = rules.shares_retained,
                      .floods = rules.floods,
                      .needs_all_members = rules.needs_all_members,
                      .minority_refuses = rules.minority_refuses,
                      .may_register = rules.may_register,
                      .kept_messages_max = rules.kept_messages_max,
                      .keeps_log = rules.keeps_log,
                      .reports_doubles = rules.reports_doubles,
                      .has_leader = rules.is_one_broker || rules.agrees_on_owners,
                      .voters = rules.voters_max,
                      .notices_within = mesh.detects_high,
                      .converges_within = rules.converges_within + mesh.detects_high};
}

void World::place_in_cluster(NodeOptions& options, std::size_t entity, Actor actor) {
    options.cluster = ClusterPlace{.mesh = mesh_.get(),
                                   .rules = &rules_,
                                   .self = cluster::NodeIndex{static_cast<std::uint32_t>(entity)},
                                   .node_count = node_count_,
                                   .replicants = replicants_};
    if (std::ranges::find(replicants_, options.cluster->self) != replicants_.end())
        trace_.cluster.replicants.push_back(actor);
    options.on_serving = [this, actor](bool is_serving) {
        trace_.add({now(),
                    is_serving ? TraceEntry::Kind::node_started : TraceEntry::Kind::node_stopped,
                    Direction::to_broker, actor, ConnectionNumber{}, begins_anew});
    };
    options.on_alarm = [this, actor](const std::string& text) {
        trace_.add({now(), TraceEntry::Kind::alarmed, Direction::to_broker, actor,
                    ConnectionNumber{}, static_cast<std::uint32_t>(trace_.alarms.size())});
        trace_.alarms.push_back({now(), actor, text});
    };
}

std::unique_ptr<Replica> World::make_replica(const NodeOptions& options, std::size_t entity) {
    return std::make_unique<Replica>(
        engine_, links_, entity,
        Replica::Options{.mesh = mesh_.get(),
                         .self = cluster::NodeIndex{static_cast<std::uint32_t>(entity)},
                         .node_count = node_count_,
                         .shard_count = options.shard_count,
                         .keeps_connections = rules_.keeps_connections,
                         .defects = options.defects,
                         .on_core = [this](bool is_up) { note_broker(is_up); }});
}

void World::begin_replicas(const NodeOptions& options) {
    auto broker = traced_node(options);
    broker.actor = trace_.add_actor("the broker");
    broker.durable_within = 2 * (Replica::commit_time + options.peer_delay_high);
    trace_.nodes.push_back(broker);
    trace_.cluster.one_broker = broker.actor;
    std::vector<Replica*> all;
    for (const auto& placed : nodes_) all.push_back(placed.replica.get());
    for (auto* const one : all) one->set_all(all);
    for (auto* const one : all) one->start();
    mesh_->begin();
}

void World::note_broker(bool is_up) {
    trace_.add({now(), is_up ? TraceEntry::Kind::node_started : TraceEntry::Kind::node_crashed,
                Direction::to_broker, *trace_.cluster.one_broker, ConnectionNumber{}, 0});
}

void World::add_failover(ClientIndex client, NodeIndex node, const LinkModel& link) {
    host(client).add_failover(add_link(link, node));
}

void World::go_to(ClientIndex client, std::size_t place) {
    host(client).go_to(place);
}

void World::note_reach(NodeIndex from, NodeIndex to, bool is_cut) {
    if (mesh_ == nullptr) return;
    trace_.reach.push_back({now(), nodes_[from.raw()].actor, nodes_[to.raw()].actor, is_cut});
}

void World::set_parted(const Fault& fault, bool on) {
    for (const auto& [from, to] : fault.ways) {
        on ? mesh_->cut(from, to) : mesh_->mend(from, to);
        note_reach(NodeIndex{from.raw()}, NodeIndex{to.raw()}, on);
    }
    for (const auto& placed : nodes_)
        if (placed.replica) placed.replica->review_ways();
}

World::FaultNumber World::begin_partition(const std::vector<NodeIndex>& side,
                                          const std::vector<NodeIndex>& others, bool is_one_way) {
    CHECK(mesh_ != nullptr);
    Fault fault{.kind = Fault::Kind::partition, .subject = side.front().raw()};
    const auto names = [&](const std::vector<NodeIndex>& nodes) {
        std::string text;
        for (const auto node : nodes) {
            if (!text.empty()) text += ", ";
            text += trace_.name_of(nodes_[node.raw()].actor);
        }
        return text;
    };
    for (const auto one : side) {
        for (const auto other : others) {
            const cluster::NodeIndex from{one.raw()};
            const cluster::NodeIndex to{other.raw()};
            fault.ways.emplace_back(from, to);
            if (!is_one_way) fault.ways.emplace_back(to, from);
        }
    }
    return begin(fault, is_one_way ? "cut one way" : "partition", names(side),
                 (is_one_way ? "to " : "from ") + names(others));
}

void World::note_own(const Node& node, TracedMember& traced) const {
    const auto& name = trace_.name_of(traced.node);
    std::set<std::string> filters;
    for (const auto& [client_id, texts] : node.subscriptions()) {
        traced.own_sessions.push_back(row(client_id, name));
        filters.insert(texts.begin(), texts.end());
    }
    for (const auto& filter : filters) traced.own_routes.push_back(row(filter, name));
    std::set<std::string> topics;
    for (const auto& message : trace_.messages)
        if (message.retain) topics.insert(message.topic);
    for (const auto& topic : topics)
        if (const auto message = node.retained(0, topic))
            traced.own_retained.push_back(topic + " = " + label_of(as_text(message->payload())));
}

void World::note_replica(const PlacedNode& placed) {
    const auto& replica = *placed.replica;
    TracedMember traced{.node = placed.actor,
                        .is_up = replica.is_up(),
                        .is_serving = replica.is_serving(),
                        .health = "down",
                        .running = {},
                        .routes = {},
                        .sessions = {},
                        .retained = {},
                        .own_routes = {},
                        .own_sessions = {},
                        .own_retained = {},
                        .records = {}};
    if (traced.is_up) {
        traced.health = traced.is_serving ? "healthy" : "without a leader";
        traced.records = fmt::format("{:016x}", replica.digest());
        for (const auto index : replica.running())
            traced.running.push_back(nodes_[index.raw()].actor);
    }
    if (const auto* const broker = replica.broker()) note_own(*broker, traced);
    trace_.agreement.members.push_back(std::move(traced));
}

void World::note_agreement() {
    auto& agreement = trace_.agreement;
    agreement = {.at = now(), .entry = trace_.entries.size(), .members = {}};
    for (const auto& placed : nodes_) {
        if (placed.replica) {
            note_replica(placed);
            continue;
        }
        const auto& node = *placed.node;
        TracedMember traced{.node = placed.actor,
                            .is_up = node.is_up(),
                            .is_serving = node.is_serving(),
                            .health = "down",
                            .running = {},
                            .routes = {},
                            .sessions = {},
                            .retained = {},
                            .own_routes = {},
                            .own_sessions = {},
                            .own_retained = {},
                            .records = {}};
        if (const auto* const member = node.member()) {
            const auto name_of = [&](cluster::NodeIndex index) -> const std::string& {
                return trace_.name_of(nodes_[index.raw()].actor);
            };
            const auto health = member->health();
            traced.health = text_of(health.state);
            for (const auto index : health.running)
                traced.running.push_back(nodes_[index.raw()].actor);
            member->routes().for_each([&](const cluster::RouteKey& key, const auto& nodes) {
                const auto text = key.share_name.empty()
                                      ? key.filter
                                      : wire::shared_text(key.share_name, key.filter);
                for (const auto& [index, route] : nodes)
                    traced.routes.push_back(row(text, name_of(index)));
            });
            for (const auto& [client_id, nodes] : member->sessions())
                for (const auto& [index, stamp] : nodes)
                    traced.sessions.push_back(row(client_id, name_of(index)));
            for (const auto& [topic, written] : member->retained()) {
                if (written.message->payload().empty()) continue;
                traced.retained.push_back(topic + " = " +
                                          label_of(as_text(written.message->payload())));
            }
            traced.dropped_publications = member->dropped_publications();
            traced.kept_messages_most = member->kept_messages_most();
            traced.fed_replicants = health.agents.size();
        }
        note_own(node, traced);
        std::ranges::sort(traced.routes);
        agreement.members.push_back(std::move(traced));
    }
}

}  // namespace touchstone::simulator
