#include "simulator/world.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"
#include "simulator/world_host.hpp"

namespace touchstone::simulator {

namespace {

/// `b,a` for {a, b}: the newest is left.
std::string newest_left(const std::vector<std::string>& oldest_first) {
    std::string text;
    for (auto one = oldest_first.rbegin(); one != oldest_first.rend(); ++one) {
        if (!text.empty()) text += ',';
        text += *one;
    }
    return text;
}

/// Everything that was given up, by any reason.
std::uint64_t dropped_messages(const Counters& counters) {
    return lost_messages(counters) + counters.of(Counter::dropped_offline_qos_0) +
           counters.of(Counter::dropped_session_ended);
}

}  // namespace

std::string StateRecord::text() const {
    const std::string left = is_node_seen ? newest_left(queue) : "?";
    const std::string right = is_node_seen ? newest_left(inflight) : "?";
    std::string text = "[" + left + (left.empty() ? "||" : " ||");
    if (!right.empty()) text += " " + right;
    text += received_left_out == 0 ? "] -> [" : "] -> […,";
    for (std::size_t i = 0; i < received.size(); ++i) {
        if (i > 0) text += ',';
        text += received[i];
    }
    return text + "]";
}

TracedNode traced_node(const NodeOptions& options) {
    const auto& settings = options.settings;
    return {.actor = {},
            .inflight_max = settings.inflight_max,
            .packet_id_max = settings.packet_id_max,
            .session_expiry_s_v3 = settings.session_expiry_s_v3,
            .session_expiry_s_max = settings.session_expiry_s_max,
            .keep_alive_s_max = settings.keep_alive_s_max,
            .queue_messages_max = settings.queue_messages_max,
            .packet_size_bytes_max = settings.packet_size_bytes_max,
            .unwritten_bytes_max = settings.unwritten_bytes_max,
            .has_user_name_as_client_id =
                options.rules != nullptr &&
                options.rules->zones.front().policy.user_name_as_client_id,
            .connect_timeout = settings.connect_timeout,
            .retry_interval = settings.retry_interval,
            .accept_interval = options.accept_interval,
            .has_storage = options.storage || options.store != nullptr,
            .durable_within = options.storage
                                  ? 2 * (options.storage->sync_high + options.peer_delay_high)
                                  : Duration{}};
}

World::World(std::uint64_t seed) : engine_{seed}, links_{engine_, &trace_} {}

World::~World() = default;

NodeIndex World::add_node(std::string name, const NodeOptions& options) {
    const auto entity = nodes_.size();
    const Actor actor = trace_.add_actor(std::move(name));
    trace_.nodes.push_back(traced_node(options));
    trace_.nodes.back().actor = actor;
    NodeOptions placed = options;
    placed.on_death = [this, entity] { on_death(nodes_[entity]); };
    placed.on_loss = [this, entity](const DiskLoss& loss) { on_loss(nodes_[entity], loss); };
    if (mesh_ != nullptr && rules_.is_one_broker) {
        auto replica = make_replica(options, entity);
        placed.store = replica.get();
        nodes_.push_back({.node = std::make_unique<Node>(engine_, links_, entity, placed),
                          .actor = actor,
                          .replica = std::move(replica)});
        auto& one = nodes_.back();
        one.replica->set_core(*one.node);
        one.acceptor = one.replica.get();
        mesh_->add(*one.replica);
        if (nodes_.size() == node_count_) begin_replicas(placed);
        return NodeIndex{static_cast<std::uint32_t>(entity)};
    }
    if (mesh_ != nullptr) place_in_cluster(placed, entity, actor);
    nodes_.push_back({std::make_unique<Node>(engine_, links_, entity, std::move(placed)), actor});
    nodes_.back().acceptor = nodes_.back().node.get();
    if (mesh_ != nullptr) mesh_->add(*nodes_.back().node);
    nodes_.back().node->start();
    if (options.rules != nullptr) note_rules(nodes_.back(), *options.rules);
    if (mesh_ != nullptr && nodes_.size() == node_count_) {
        for (const auto& one : nodes_) one.node->begin_cluster();
        mesh_->begin();
    }
    return NodeIndex{static_cast<std::uint32_t>(entity)};
}

NodeIndex World::add_outside_node(std::string name, TracedNode promises, Outside& outside) {
    CHECK(nodes_.empty());
    outside_ = &outside;
    promises.actor = trace_.add_actor(std::move(name));
    trace_.nodes.push_back(promises);
    nodes_.push_back(
        {.node = nullptr, .actor = promises.actor, .acceptor = &outside.begin(engine_, links_)});
    return NodeIndex{0};
}

void World::run_until(Instant until) {
    if (outside_ != nullptr) return outside_->run_until(until);
    engine_.run_until(until);
}

void World::note_rules(const PlacedNode& placed, const access::NodeRules& rules) {
    if (!rules.zones.front().policy.has_access_rules) return;
    trace_.access.push_back({.node = placed.actor,
                             .from_entry = trace_.entries.size(),
                             .rules = std::make_shared<access::AccessRules>(rules.access_rules)});
}

void World::set_access_rules(NodeIndex node, const access::AccessRules& rules) {
    auto& placed = nodes_[node.raw()];
    const auto& options = placed.node->options();
    auto next = std::make_shared<access::NodeRules>(
        options.rules != nullptr ? *options.rules : *access::open_rules(options.settings));
    next->zones.front().policy.has_access_rules = true;
    next->access_rules = rules;
    placed.node->reload(next);
    note_rules(placed, *next);
}

void World::set_clock(NodeIndex node, const Clock& clock) {
    auto& placed = nodes_[node.raw()];
    placed.node->on_clock_changed(
        trace_.clocks.insert_or_assign(placed.actor, clock).first->second);
}

void World::set_clock(ClientIndex client, const Clock& clock) {
    auto& one = host(client);
    one.on_clock_changed(trace_.clocks.insert_or_assign(one.actor(), clock).first->second);
}

ClientIndex World::add_client(std::string name, ClientOptions options, NodeIndex node,
                              const LinkModel& link) {
    const Actor actor = trace_.add_actor(name);
    const LinkIndex link_index = add_link(link, node);
    trace_.clients.push_back({.actor = actor,
                              .inflight_max = options.inflight_max,
                              .packet_id_max = options.packet_id_max,
                              .answer_timeout = options.ping_timeout,
                              .has_durable_store = options.store == Store::durable});
    hosts_.push_back(std::make_unique<Host>(*this, std::move(name), std::move(options), link_index,
                                            actor, node));
    return ClientIndex{static_cast<std::uint32_t>(hosts_.size() - 1)};
}

void World::add_bridge(ClientIndex one, ClientIndex other) {
    host(one).set_bridge(host(other));
    host(other).set_bridge(host(one));
}

void World::add_path(ClientIndex client, const LinkModel& link) {
    host(client).add_path(add_link(link, host(client).node()));
}

LinkIndex World::add_link(const LinkModel& link, NodeIndex node) {
    const auto& placed = nodes_[node.raw()];
    link_models_.push_back(link);
    const auto index = links_.add_link(link, *placed.acceptor, placed.actor);
    if (placed.replica) placed.replica->add_link(index);
    return index;
}

void World::add_to_pool(ClientIndex client, const std::string& pool) {
    host(client).set_pool(pool);
    pools_[pool].push_back(&host(client));
}

void World::tell_pool(const Host& lost) {
    const auto pool = pools_.find(lost.pool());
    if (pool == pools_.end()) return;
    for (auto* one : pool->second) {
        if (one == &lost) continue;
        one->act([](Client& client, Instant now) { client.on_sibling_lost(now); });
    }
}

void World::note(TraceEntry::Kind kind, Actor client) {
    trace_.add({now(), kind, Direction::to_client, client, ConnectionNumber{}, 0});
}

void World::connect(ClientIndex client) {
    note(TraceEntry::Kind::commanded, host(client).actor());
    host(client).act([](Client& one, Instant now) { one.connect(now); });
}

void World::disconnect(ClientIndex client, ReasonCode reason,
                       std::optional<std::uint32_t> session_expiry_s) {
    note(TraceEntry::Kind::commanded, host(client).actor());
    host(client).act(
        [&](Client& one, Instant now) { one.disconnect(now, reason, session_expiry_s); });
}

void World::vanish(ClientIndex client) {
    note(TraceEntry::Kind::commanded, host(client).actor());
    host(client).act([](Client& one, Instant now) { one.vanish(now); });
}

void World::forget(ClientIndex client) {
    host(client).act([](Client& one, Instant) { one.forget(); });
}

void World::publish(ClientIndex client, Publication publication) {
    auto& one = host(client);
    if (!one.client().has_process()) return;
    const auto index = trace_.add_message({.payload = publication.payload,
                                           .topic = publication.topic,
                                           .qos = publication.qos,
                                           .retain = publication.retain,
                                           .is_will = false,
                                           .publisher = one.actor(),
                                           .sequence = one.next_sequence()});
    trace_.add({now(), TraceEntry::Kind::published, Direction::to_client, one.actor(),
                ConnectionNumber{}, index});
    one.act([&](Client& it, Instant at) { it.publish(std::move(publication), at); });
}

void World::subscribe(ClientIndex client, const std::vector<Wish>& wishes) {
    host(client).act([&](Client& one, Instant now) { one.subscribe(wishes, now); });
}

void World::unsubscribe(ClientIndex client, const std::vector<std::string>& filters) {
    host(client).act([&](Client& one, Instant now) { one.unsubscribe(filters, now); });
}

void World::set_acknowledgements(ClientIndex client, const AckPolicy& policy) {
    host(client).act([&](Client& one, Instant now) { one.set_acknowledgements(policy, now); });
}

void World::set_completions(ClientIndex client, const AckPolicy& policy) {
    host(client).act([&](Client& one, Instant now) { one.set_completions(policy, now); });
}

void World::acknowledge(ClientIndex client, std::uint64_t count) {
    host(client).act([&](Client& one, Instant now) { one.acknowledge(count, now); });
}

void World::send_raw(ClientIndex client, Bytes bytes) {
    note(TraceEntry::Kind::scripted, host(client).actor());
    host(client).act([&](Client& one, Instant) { one.send_raw(bytes); });
}

void World::send_raw_to(ClientIndex client_index, Bytes bytes) {
    const auto number = client(client_index).connection();
    if (!number) return;
    trace_.connections[number->raw()].is_forged = true;
    links_.put(*number, Direction::to_client, bytes);
    links_.flush(*number, Direction::to_client);
}

void World::set_listening(ClientIndex client, bool on) {
    host(client).act([on](Client& one, Instant) { one.set_listening(on); });
}

void World::set_reading(ClientIndex client, bool on) {
    host(client).set_reading(on);
}

ClientOptions& World::options(ClientIndex client) {
    return host(client).client().options();
}

const Client& World::client(ClientIndex client) const {
    return hosts_[client.raw()]->client();
}

const std::string& World::name_of(ClientIndex client) const {
    return hosts_[client.raw()]->name();
}

const std::vector<std::string>& World::received(ClientIndex client) const {
    return hosts_[client.raw()]->received();
}

StateRecord World::state(ClientIndex client_index, std::string caption,
                         std::size_t received_max) const {
    const auto& all = received(client_index);
    const auto left_out = all.size() - std::min(all.size(), received_max);
    StateRecord record{.at = now(),
                       .client = client_index,
                       .queue = {},
                       .inflight = {},
                       .received = {all.begin() + static_cast<std::ptrdiff_t>(left_out), all.end()},
                       .caption = std::move(caption),
                       .after_entry = trace_.entries.size(),
                       .received_left_out = left_out,
                       .is_node_seen = outside_ == nullptr};
    const auto& client_id = client(client_index).client_id();
    for (const auto& placed : nodes_) {
        if (placed.node == nullptr) continue;
        const auto view = placed.node->session(client_id);
        if (!view) continue;
        for (const auto& message : view->queue) {
            record.queue.push_back(label_of(as_text(message->payload())));
        }
        for (const auto& one : view->inflight) {
            record.inflight.push_back(one.message ? label_of(as_text(one.message->payload()))
                                                  : "released");
        }
    }
    return record;
}

void World::finish() {
    auto& end = trace_.end;
    end.known = true;
    end.at = now();
    if (outside_ != nullptr) return infer_end(trace_);
    for (const auto& placed : nodes_) {
        const auto& node = *placed.node;
        end.dropped_messages += lost_messages(node.counters_ever());
        for (const auto& client_id : node.client_ids()) {
            const auto view = node.session(client_id);
            // Two sessions of one Client Identifier, as a broken broker may have, show only once.
            if (!view) continue;
            TracedSession session{.client_id = client_id,
                                  .queue = {},
                                  .inflight = {},
                                  .shard = owner_of(client_id, node.options().shard_count).raw()};
            for (const auto& message : view->queue) {
                session.queue.emplace_back(as_text(message->payload()));
            }
            for (const auto& one : view->inflight) {
                session.inflight.emplace_back(one.message ? as_text(one.message->payload()) : "");
            }
            end.sessions.push_back(std::move(session));
        }
        for (const auto& one : node.publications_underway()) {
            end.underway.push_back({.node = broker_of(placed),
                                    .shard = one.to,
                                    .group = one.group,
                                    .payload = std::string{as_text(one.message->payload())}});
        }
        const Gauges gauges = node.gauges();
        end.memory.push_back({.node = broker_of(placed),
                              .wanted_bytes_max = node.wanted_bytes_max(),
                              .intake_bytes = gauges.intake_bytes,
                              .unwritten_bytes_max = node.unwritten_bytes_max(),
                              .dropped_queue_full = node.counters().of(Counter::dropped_queue_full),
                              .unusable_records = node.unusable_records_ever(),
                              .paged_in = node.counters_ever().of(Counter::messages_paged_in)});
        if (!node.is_up()) continue;
        const Counters counters = node.counters();
        end.balances.push_back({.node = broker_of(placed),
                                .matched = counters.of(Counter::messages_matched),
                                .completed = counters.of(Counter::publish_sent_qos_0) +
                                             counters.of(Counter::messages_acknowledged) +
                                             counters.of(Counter::messages_redistributed) +
                                             counters.of(Counter::messages_handed_over),
                                .dropped = dropped_messages(counters),
                                .waiting = gauges.queued_messages,
                                .in_flight = gauges.inflight_messages});
        for (const auto& message : trace_.messages) {
            if (!message.retain || end.retained.contains(message.topic)) continue;
            auto& per_shard = end.retained[message.topic];
            for (unsigned shard = 0; shard < node.options().shard_count; ++shard) {
                const auto retained = node.retained(shard, message.topic);
                per_shard.emplace_back(retained ? as_text(retained->payload()) : "");
            }
        }
    }
}

}  // namespace touchstone::simulator
