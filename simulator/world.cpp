#include "simulator/world.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::simulator {

namespace {

constexpr std::array both_directions{Direction::to_broker, Direction::to_client};

bool concerns(Directions directions, Direction direction) {
    switch (directions) {
        case Directions::both: return true;
        case Directions::to_broker: return direction == Direction::to_broker;
        case Directions::to_client: return direction == Direction::to_client;
    }
    UNREACHABLE();
}

std::string text_of(Directions directions) {
    switch (directions) {
        case Directions::both: return "both directions";
        case Directions::to_broker: return "to the broker";
        case Directions::to_client: return "to the client";
    }
    UNREACHABLE();
}

/// `b,a` for {a, b}: the newest is left.
std::string newest_left(const std::vector<std::string>& oldest_first) {
    std::string text;
    for (auto one = oldest_first.rbegin(); one != oldest_first.rend(); ++one) {
        if (!text.empty()) text += ',';
        text += *one;
    }
    return text;
}

/// Messages that a session was to get and did not, although it lasted.
std::uint64_t lost_messages(const Counters& counters) {
    return counters.of(Counter::dropped_queue_full) + counters.of(Counter::dropped_expired) +
           counters.of(Counter::dropped_too_large);
}

/// Everything that was given up, by any reason.
std::uint64_t dropped_messages(const Counters& counters) {
    return lost_messages(counters) + counters.of(Counter::dropped_offline_qos_0) +
           counters.of(Counter::dropped_session_ended);
}

}  // namespace

std::string StateRecord::text() const {
    const std::string left = newest_left(queue);
    const std::string right = newest_left(inflight);
    std::string text = "[" + left + (left.empty() ? "||" : " ||");
    if (!right.empty()) text += " " + right;
    text += "] -> [";
    for (std::size_t i = 0; i < received.size(); ++i) {
        if (i > 0) text += ',';
        text += received[i];
    }
    return text + "]";
}

/// A client's place in the world: its end of connections, its timer, its random streams.
class World::Host final : public ConnectionEnd, public ClientPort, private EventHandler {
public:
    Host(World& world, std::string name, ClientOptions options, LinkIndex link, Actor actor)
        : world_{world},
          name_{std::move(name)},
          link_{link},
          actor_{actor},
          owner_{world.engine_.add_handler(*this)},
          reconnects_{world.engine_.stream(Domain::client, actor.raw(), Purpose::reconnect)},
          acknowledges_{world.engine_.stream(Domain::client, actor.raw(), Purpose::acknowledge)},
          client_{std::move(options), *this} {}
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] LinkIndex link() const { return link_; }
    [[nodiscard]] Actor actor() const { return actor_; }
    [[nodiscard]] const std::vector<std::string>& received() const { return received_; }
    [[nodiscard]] Client& client() { return client_; }
    [[nodiscard]] const Client& client() const { return client_; }

    std::uint64_t next_sequence() { return ++sequence_; }

    /// Calls the client and arms its timer for what it then waits for.
    template <class Call>
    void act(Call call) {
        call(client_, world_.engine_.now());
        for (const auto number : std::exchange(unwritten_, {})) {
            world_.links_.flush(number, Direction::to_broker);
        }
        const auto next = client_.next_tick();
        if (!next) return;
        const Instant at = std::max(*next, world_.engine_.now());
        if (tick_at_ && *tick_at_ <= at) return;
        tick_at_ = at;
        world_.engine_.schedule(at, {owner_, 0, actor_.raw(), 0});
    }

    void set_reading(bool on) {
        if (on) {
            CHECK(not_reading_ > 0);
            if (--not_reading_ > 0) return;
            for (const auto number : std::exchange(unread_, {})) on_bytes_ready(number);
        } else {
            ++not_reading_;
        }
    }

    // ConnectionEnd
    void on_bytes_ready(ConnectionNumber number) override {
        if (not_reading_ > 0) {
            if (std::ranges::find(unread_, number) == unread_.end()) unread_.push_back(number);
            return;
        }
        arrivals_begin_ = world_.trace_.entries.size();
        const Buffer bytes = world_.links_.take(number, Direction::to_client);
        if (bytes.empty()) return;
        act([&](Client& client, Instant now) { client.on_bytes(number, bytes, now); });
    }
    void on_written(ConnectionNumber, std::size_t) override {}
    void on_ended(ConnectionNumber number, Ending) override {
        act([&](Client& client, Instant now) { client.on_ended(number, now); });
    }

    // ClientPort
    ConnectionNumber open() override { return world_.links_.open(link_, *this, actor_); }
    void send(ConnectionNumber number, Bytes bytes) override {
        world_.links_.put(number, Direction::to_broker, bytes);
        unwritten_.push_back(number);
    }
    void close(ConnectionNumber number) override {
        world_.links_.close(number, Direction::to_broker);
    }
    void abort(ConnectionNumber number) override {
        world_.links_.abort(number, Direction::to_broker);
    }
    void deliver(ConnectionNumber number, const wire::Publish& publish) override {
        received_.push_back(label_of(as_text(publish.payload)));
        world_.trace_.add({world_.engine_.now(), TraceEntry::Kind::delivered, Direction::to_client,
                           actor_, number, packet_of(publish)});
    }
    void register_will(const Publication& will) override {
        world_.trace_.add_message({.payload = will.payload,
                                   .topic = will.topic,
                                   .qos = will.qos,
                                   .retain = will.retain,
                                   .is_will = true,
                                   .publisher = actor_,
                                   .sequence = next_sequence()});
    }
    RandomStream& random(Purpose purpose) override {
        return purpose == Purpose::reconnect ? reconnects_ : acknowledges_;
    }

private:
    /// The packet of the trace that is being handled: among those that came with the last take, the
    /// first that was not handled before.
    [[nodiscard]] std::uint32_t packet_of(const wire::Publish& publish) {
        const auto& trace = world_.trace_;
        const auto packet_id = publish.packet_id ? publish.packet_id->raw() : 0;
        for (auto& index = arrivals_begin_;;) {
            CHECK(index < trace.entries.size());
            const auto& entry = trace.entries[index++];
            if (entry.kind != TraceEntry::Kind::arrived || entry.actor != actor_) continue;
            const auto& packet = trace.packets[entry.index];
            if (packet.direction == Direction::to_client && packet.topic == publish.topic &&
                packet.type == wire::PacketType::publish && packet.packet_id == packet_id) {
                return entry.index;
            }
        }
    }

    void on_event(const Event&) override {
        if (tick_at_ != world_.engine_.now()) return;
        tick_at_.reset();
        act([](Client& client, Instant now) { client.on_tick(now); });
    }

    World& world_;
    std::string name_;
    LinkIndex link_;
    Actor actor_;
    std::uint16_t owner_;
    RandomStream reconnects_;
    RandomStream acknowledges_;
    std::uint64_t sequence_ = 0;
    unsigned not_reading_ = 0;
    std::size_t arrivals_begin_ = 0;  // entries of the trace from here on: what is being handled
    std::vector<ConnectionNumber> unread_;
    std::vector<ConnectionNumber> unwritten_;
    std::vector<std::string> received_;
    std::optional<Instant> tick_at_;
    Client client_;
};

World::World(std::uint64_t seed) : engine_{seed}, links_{engine_, &trace_} {}

World::~World() = default;

NodeIndex World::add_node(std::string name, const NodeOptions& options) {
    const auto entity = nodes_.size();
    const Actor actor = trace_.add_actor(std::move(name));
    const auto& settings = options.settings;
    trace_.nodes.push_back({.actor = actor,
                            .inflight_max = settings.inflight_max,
                            .packet_id_max = settings.packet_id_max,
                            .session_expiry_s_v3 = settings.session_expiry_s_v3,
                            .session_expiry_s_max = settings.session_expiry_s_max,
                            .keep_alive_s_max = settings.keep_alive_s_max,
                            .queue_messages_max = settings.queue_messages_max,
                            .connect_timeout = settings.connect_timeout,
                            .retry_interval = settings.retry_interval});
    nodes_.push_back({std::make_unique<Node>(engine_, links_, entity, options), actor});
    nodes_.back().node->start();
    return NodeIndex{static_cast<std::uint32_t>(entity)};
}

ClientIndex World::add_client(std::string name, ClientOptions options, NodeIndex node,
                              const LinkModel& link) {
    const Actor actor = trace_.add_actor(name);
    auto& placed = nodes_[node.raw()];
    const LinkIndex link_index = links_.add_link(link, *placed.node, placed.actor);
    hosts_.push_back(
        std::make_unique<Host>(*this, std::move(name), std::move(options), link_index, actor));
    return ClientIndex{static_cast<std::uint32_t>(hosts_.size() - 1)};
}

void World::connect(ClientIndex client) {
    host(client).act([](Client& one, Instant now) { one.connect(now); });
}

void World::disconnect(ClientIndex client, ReasonCode reason,
                       std::optional<std::uint32_t> session_expiry_s) {
    host(client).act(
        [&](Client& one, Instant now) { one.disconnect(now, reason, session_expiry_s); });
}

void World::vanish(ClientIndex client) {
    host(client).act([](Client& one, Instant now) { one.vanish(now); });
}

void World::forget(ClientIndex client) {
    host(client).act([](Client& one, Instant) { one.forget(); });
}

void World::publish(ClientIndex client, Publication publication) {
    auto& one = host(client);
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
    host(client).act([&](Client& one, Instant) { one.send_raw(bytes); });
}

void World::set_reading(ClientIndex client, bool on) {
    host(client).set_reading(on);
}

ClientOptions& World::options(ClientIndex client) {
    return host(client).client().options();
}

World::FaultNumber World::begin_stall(ClientIndex client, Directions directions) {
    return begin({.kind = Fault::Kind::stall, .subject = client.raw(), .directions = directions},
                 "stall", name_of(client), text_of(directions));
}

World::FaultNumber World::begin_drop(ClientIndex client, Directions directions) {
    return begin({.kind = Fault::Kind::drop, .subject = client.raw(), .directions = directions},
                 "drop", name_of(client), text_of(directions));
}

World::FaultNumber World::begin_cut(ClientIndex client) {
    const auto number =
        begin({.kind = Fault::Kind::cut, .subject = client.raw()}, "cut", name_of(client), "");
    links_.cut(host(client).link());
    return number;
}

void World::half_open(ClientIndex client, Directions directions) {
    const auto number = static_cast<FaultNumber>(trace_.faults.size());
    trace_.faults.push_back({"half_open", name_of(client), text_of(directions), now(), now()});
    faults_.push_back({.subject = client.raw(), .directions = directions, .is_on = false});
    trace_.add({now(), TraceEntry::Kind::fault_began, Direction::to_client, host(client).actor(),
                ConnectionNumber{}, number});
    for (const auto direction : both_directions) {
        if (concerns(directions, direction)) links_.black_hole(host(client).link(), direction);
    }
}

World::FaultNumber World::begin_slow_reading(ClientIndex client) {
    return begin({.kind = Fault::Kind::slow_reading, .subject = client.raw()}, "stop_reading",
                 name_of(client), "");
}

World::FaultNumber World::begin_crash(NodeIndex node, bool is_silent) {
    auto& placed = nodes_[node.raw()];
    const auto number = begin({.kind = Fault::Kind::down, .subject = node.raw()}, "crash",
                              trace_.name_of(placed.actor), is_silent ? "silent" : "");
    trace_.add({now(), TraceEntry::Kind::node_crashed, Direction::to_broker, placed.actor,
                ConnectionNumber{}, number});
    if (!placed.node->is_up()) return number;  // it is down already
    placed.dropped_before_restart += lost_messages(placed.node->counters());
    placed.node->crash(is_silent);
    return number;
}

World::FaultNumber World::begin_stop(NodeIndex node) {
    auto& placed = nodes_[node.raw()];
    const auto number = begin({.kind = Fault::Kind::down, .subject = node.raw()}, "stop",
                              trace_.name_of(placed.actor), "");
    trace_.add({now(), TraceEntry::Kind::node_stopped, Direction::to_broker, placed.actor,
                ConnectionNumber{}, number});
    if (!placed.node->is_up()) return number;  // it is down already
    placed.dropped_before_restart += lost_messages(placed.node->counters());
    placed.node->stop();
    return number;
}

void World::end_fault(FaultNumber number) {
    auto& fault = faults_[number];
    if (!fault.is_on) return;
    fault.is_on = false;
    trace_.faults[number].ended_at = now();
    const bool is_node = fault.kind == Fault::Kind::down;
    const Actor actor = is_node ? nodes_[fault.subject].actor : hosts_[fault.subject]->actor();
    trace_.add({now(), TraceEntry::Kind::fault_ended,
                is_node ? Direction::to_broker : Direction::to_client, actor, ConnectionNumber{},
                number});
    set_on(fault, false);
}

void World::settle() {
    for (FaultNumber number = 0; number < faults_.size(); ++number) end_fault(number);
    trace_.add({now(), TraceEntry::Kind::settle_began, Direction::to_broker, Actor{},
                ConnectionNumber{}, 0});
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

StateRecord World::state(ClientIndex client_index, std::string caption) const {
    StateRecord record{.at = now(),
                       .client = client_index,
                       .queue = {},
                       .inflight = {},
                       .received = received(client_index),
                       .caption = std::move(caption),
                       .after_entry = trace_.entries.size()};
    const auto& client_id = client(client_index).client_id();
    for (const auto& placed : nodes_) {
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
    for (const auto& placed : nodes_) {
        const auto& node = *placed.node;
        end.dropped_messages += placed.dropped_before_restart + lost_messages(node.counters());
        for (const auto& client_id : node.client_ids()) {
            const auto view = node.session(client_id);
            // Two sessions of one Client Identifier, as a broken broker may have, show only once.
            if (!view) continue;
            TracedSession session{.client_id = client_id, .queue = {}, .inflight = {}};
            for (const auto& message : view->queue) {
                session.queue.emplace_back(as_text(message->payload()));
            }
            for (const auto& one : view->inflight) {
                session.inflight.emplace_back(one.message ? as_text(one.message->payload()) : "");
            }
            end.sessions.push_back(std::move(session));
        }
        if (!node.is_up()) continue;
        const Counters counters = node.counters();
        const Gauges gauges = node.gauges();
        end.balances.push_back({.node = placed.actor,
                                .matched = counters.of(Counter::messages_matched),
                                .completed = counters.of(Counter::publish_sent_qos_0) +
                                             counters.of(Counter::messages_acknowledged) +
                                             counters.of(Counter::messages_redistributed),
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

World::FaultNumber World::begin(const Fault& fault, std::string kind, std::string where,
                                std::string note) {
    const auto number = static_cast<FaultNumber>(faults_.size());
    const bool is_node = fault.kind == Fault::Kind::down;
    const Actor actor = is_node ? nodes_[fault.subject].actor : hosts_[fault.subject]->actor();
    faults_.push_back(fault);
    trace_.faults.push_back({std::move(kind), std::move(where), std::move(note), now(), never});
    trace_.add({now(), TraceEntry::Kind::fault_began,
                is_node ? Direction::to_broker : Direction::to_client, actor, ConnectionNumber{},
                number});
    set_on(fault, true);
    return number;
}

void World::set_on(const Fault& fault, bool on) {
    switch (fault.kind) {
        case Fault::Kind::stall:
        case Fault::Kind::drop:
            for (const auto direction : both_directions) {
                if (!concerns(fault.directions, direction)) continue;
                const LinkIndex link = hosts_[fault.subject]->link();
                if (fault.kind == Fault::Kind::stall) {
                    links_.set_stalled(link, direction, on);
                } else {
                    links_.set_dropping(link, direction, on);
                }
            }
            return;
        case Fault::Kind::cut: return links_.set_refusing(hosts_[fault.subject]->link(), on);
        case Fault::Kind::slow_reading: return hosts_[fault.subject]->set_reading(!on);
        case Fault::Kind::down: {
            if (on) return;  // begin_crash and begin_stop bring it down themselves
            auto& placed = nodes_[fault.subject];
            if (placed.node->is_up()) return;
            trace_.add({now(), TraceEntry::Kind::node_started, Direction::to_broker, placed.actor,
                        ConnectionNumber{}, 0});
            return placed.node->start();
        }
    }
    UNREACHABLE();
}

}  // namespace touchstone::simulator
