// The world's part that breaks things: faults of links, clients and nodes, begun and ended.

#include <algorithm>
#include <array>
#include <utility>

#include "broker/base/check.hpp"
#include "simulator/world_host.hpp"

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

std::string text_of(DiskFault::Kind kind) {
    switch (kind) {
        case DiskFault::Kind::slow: return "slow";
        case DiskFault::Kind::full: return "full";
        case DiskFault::Kind::failing: return "failing";
        case DiskFault::Kind::lost: return "lost";
        case DiskFault::Kind::torn: return "torn";
        case DiskFault::Kind::late: return "late";
    }
    UNREACHABLE();
}

/// What a fault's name does not say.
std::string remark_on(const DiskFault& fault) {
    switch (fault.kind) {
        case DiskFault::Kind::slow:
            return std::to_string(fault.sync_low.count() / 1'000) + " to " +
                   std::to_string(fault.sync_high.count() / 1'000) + " ms";
        case DiskFault::Kind::lost: return std::to_string(fault.batches) + " batches of each shard";
        case DiskFault::Kind::full:
        case DiskFault::Kind::failing:
        case DiskFault::Kind::torn:
        case DiskFault::Kind::late: return {};
    }
    UNREACHABLE();
}

}  // namespace

World::FaultNumber World::begin_stall(ClientIndex client, Directions directions) {
    return begin(link_fault(Fault::Kind::stall, client, directions), "stall", name_of(client),
                 text_of(directions));
}

World::FaultNumber World::begin_drop(ClientIndex client, Directions directions) {
    return begin(link_fault(Fault::Kind::drop, client, directions), "drop", name_of(client),
                 text_of(directions));
}

World::FaultNumber World::begin_cut(ClientIndex client) {
    const auto number =
        begin(link_fault(Fault::Kind::cut, client, Directions::both), "cut", name_of(client), "");
    links_.cut(host(client).link());
    return number;
}

void World::note_fault(ClientIndex client, std::string kind, std::string note) {
    note_fault(host(client).actor(), Direction::to_client, std::move(kind), std::move(note));
}

void World::note_fault(Actor actor, Direction direction, std::string kind, std::string note) {
    const auto number = static_cast<FaultNumber>(trace_.faults.size());
    trace_.faults.push_back(
        {std::move(kind), trace_.name_of(actor), std::move(note), now(), now()});
    faults_.push_back({.is_on = false});
    trace_.add(
        {now(), TraceEntry::Kind::fault_began, direction, actor, ConnectionNumber{}, number});
}

void World::change_clock(NodeIndex node, std::optional<Drift> drift, Duration jump) {
    auto& placed = nodes_[node.raw()];
    auto& clock = trace_.clocks[placed.actor];
    std::string note;
    if (drift) {
        clock.set_drift(now(), *drift);
        note = std::to_string(drift->ppm) + " ppm";
    }
    if (jump != Duration::zero()) {
        clock.jump(now(), jump);
        note += (note.empty() ? "" : ", ") + std::string{"wall clock set by "} +
                std::to_string(jump.count() / 1'000) + " ms";
    }
    note_fault(placed.actor, Direction::to_broker, "set_clock", std::move(note));
    placed.node->on_clock_changed(clock);
}

void World::change_clock(ClientIndex client, Drift drift) {
    auto& one = host(client);
    auto& clock = trace_.clocks[one.actor()];
    clock.set_drift(now(), drift);
    note_fault(client, "set_clock", std::to_string(drift.ppm) + " ppm");
    one.on_clock_changed(clock);
}

void World::half_open(ClientIndex client, Directions directions) {
    note_fault(client, "half_open", text_of(directions));
    for (const auto direction : both_directions) {
        if (concerns(directions, direction)) links_.black_hole(host(client).link(), direction);
    }
}

void World::change_path(ClientIndex client, std::size_t path) {
    auto& one = host(client);
    note_fault(client, "change_path", "to path " + std::to_string(path));
    for (const auto direction : both_directions) links_.black_hole(one.link(), direction);
    one.use_path(path);
}

World::FaultNumber World::begin_set_link(ClientIndex client, const LinkModel& link) {
    const auto number = begin(link_fault(Fault::Kind::other_model, client, Directions::both),
                              "set_link", name_of(client), "");
    links_.set_model(host(client).link(), link);
    return number;
}

void World::restore_link(LinkIndex link) {
    const auto holds_it = [&](const Fault& fault) {
        return fault.is_on && fault.kind == Fault::Kind::other_model && fault.link == link;
    };
    if (std::ranges::any_of(faults_, holds_it)) return;  // the last one of several restores it
    links_.set_model(link, link_models_[link.raw()]);
}

void World::reset_after(ClientIndex client, Direction direction, std::uint64_t size_bytes) {
    note_fault(client, "reset_after",
               std::to_string(size_bytes) + " bytes " +
                   text_of(direction == Direction::to_broker ? Directions::to_broker
                                                             : Directions::to_client));
    links_.reset_after(host(client).link(), direction, size_bytes);
}

World::FaultNumber World::begin_client_crash(ClientIndex client) {
    const auto number = begin({.kind = Fault::Kind::client_down, .subject = client.raw()}, "crash",
                              name_of(client), "");
    note(TraceEntry::Kind::crashed, host(client).actor());
    host(client).act([](Client& one, Instant now) { one.crash(now); });
    return number;
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
    if (!is_up(placed)) return number;  // it is down already
    note_reach(node, node, true);
    placed.replica ? placed.replica->end(is_silent) : placed.node->crash(is_silent);
    end_pauses(node);
    return number;
}

World::FaultNumber World::begin_pause(NodeIndex node, bool sleeps) {
    const auto& placed = nodes_[node.raw()];
    const auto kind = sleeps ? Fault::Kind::asleep : Fault::Kind::paused;
    const bool can_pause = is_up(placed);
    const auto number = begin({.kind = kind, .subject = node.raw(), .is_on = can_pause}, "pause",
                              trace_.name_of(placed.actor), sleeps ? "the machine sleeps" : "");
    // Without a process there is nothing to pause.
    if (!can_pause) trace_.faults[number].ended_at = now();
    return number;
}

void World::end_pauses(NodeIndex node) {
    for (FaultNumber number = 0; number < faults_.size(); ++number) {
        const auto& fault = faults_[number];
        const bool is_pause =
            fault.kind == Fault::Kind::paused || fault.kind == Fault::Kind::asleep;
        if (is_pause && fault.subject == node.raw()) end_fault(number);
    }
}

void World::set_paused(const Fault& fault, bool on) {
    auto& placed = nodes_[fault.subject];
    if (fault.kind == Fault::Kind::asleep) {
        auto& clock = trace_.clocks[placed.actor];
        if (on && placed.sleeps++ == 0) clock.sleep(now());
        if (!on && --placed.sleeps == 0) clock.wake(now());
        placed.node->on_clock_changed(clock);
    }
    if (on && placed.pauses++ == 0) placed.replica ? placed.replica->pause() : placed.node->pause();
    if (!on && --placed.pauses == 0)
        placed.replica ? placed.replica->go_on() : placed.node->go_on();
}

void World::on_death(PlacedNode& placed) {
    for (const auto kind : {TraceEntry::Kind::died, TraceEntry::Kind::node_crashed}) {
        trace_.add({now(), kind, Direction::to_broker, broker_of(placed), ConnectionNumber{}, 0});
    }
}

Instant World::untaken_since(const PlacedNode& placed, Instant unsynced_since) const {
    const Duration within = settings_of(trace_.nodes, broker_of(placed)).durable_within;
    for (auto fault = trace_.faults.rbegin(); fault != trace_.faults.rend(); ++fault) {
        if (fault->kind != "pause" || fault->where != trace_.name_of(placed.actor)) continue;
        if (unsynced_since - within <= fault->ended_at)
            unsynced_since = std::min(unsynced_since, fault->began_at);
    }
    return unsynced_since;
}

void World::on_loss(const PlacedNode& placed, const DiskLoss& loss) {
    const auto unsynced_since = std::min(now(), loss.unsynced_since);
    trace_.losses.push_back({.node = broker_of(placed),
                             .at = now(),
                             .unsynced_since = untaken_since(placed, unsynced_since),
                             .broken_since = loss.broken_since,
                             .how = loss.lie ? text_of(*loss.lie) : ""});
}

World::FaultNumber World::begin_disk_fault(NodeIndex node, const DiskFault& fault) {
    auto& placed = nodes_[node.raw()];
    const auto number = static_cast<FaultNumber>(faults_.size());
    placed.node->disk()->begin(number, fault);
    return begin({.kind = Fault::Kind::disk, .subject = node.raw(), .number = number},
                 "disk_" + text_of(fault.kind), trace_.name_of(placed.actor), remark_on(fault));
}

World::FaultNumber World::begin_stop(NodeIndex node) {
    auto& placed = nodes_[node.raw()];
    end_pauses(node);  // it has to run in order to stop
    const auto number = begin({.kind = Fault::Kind::down, .subject = node.raw()}, "stop",
                              trace_.name_of(placed.actor), "");
    trace_.add({now(), TraceEntry::Kind::node_stopped, Direction::to_broker, placed.actor,
                ConnectionNumber{}, number});
    if (!is_up(placed)) return number;  // it is down already
    note_reach(node, node, true);
    placed.replica ? placed.replica->end(false) : placed.node->stop();
    return number;
}

void World::end_fault(FaultNumber number) {
    auto& fault = faults_[number];
    if (!fault.is_on) return;
    fault.is_on = false;
    trace_.faults[number].ended_at = now();
    const bool is_node = is_about_node(fault);
    const Actor actor = is_node ? nodes_[fault.subject].actor : hosts_[fault.subject]->actor();
    trace_.add({now(), TraceEntry::Kind::fault_ended,
                is_node ? Direction::to_broker : Direction::to_client, actor, ConnectionNumber{},
                number});
    set_on(fault, false);
}

void World::settle() {
    for (FaultNumber number = 0; number < faults_.size(); ++number)
        if (!faults_[number].is_lasting) end_fault(number);
    trace_.add({now(), TraceEntry::Kind::settle_began, Direction::to_broker, Actor{},
                ConnectionNumber{}, 0});
}

bool World::is_about_node(const Fault& fault) {
    switch (fault.kind) {
        case Fault::Kind::down:
        case Fault::Kind::paused:
        case Fault::Kind::asleep:
        case Fault::Kind::partition:
        case Fault::Kind::disk: return true;
        case Fault::Kind::stall:
        case Fault::Kind::drop:
        case Fault::Kind::cut:
        case Fault::Kind::slow_reading:
        case Fault::Kind::other_model:
        case Fault::Kind::client_down: return false;
    }
    UNREACHABLE();
}

World::Fault World::link_fault(Fault::Kind kind, ClientIndex client, Directions directions) {
    return {.kind = kind,
            .subject = client.raw(),
            .directions = directions,
            .link = host(client).link()};
}

World::FaultNumber World::begin(const Fault& fault, std::string kind, std::string where,
                                std::string note) {
    const auto number = static_cast<FaultNumber>(faults_.size());
    const bool is_node = is_about_node(fault);
    const Actor actor = is_node ? nodes_[fault.subject].actor : hosts_[fault.subject]->actor();
    faults_.push_back(fault);
    trace_.faults.push_back({std::move(kind), std::move(where), std::move(note), now(), never});
    trace_.add({now(), TraceEntry::Kind::fault_began,
                is_node ? Direction::to_broker : Direction::to_client, actor, ConnectionNumber{},
                number});
    if (fault.is_on) set_on(fault, true);
    return number;
}

void World::set_on(const Fault& fault, bool on) {
    switch (fault.kind) {
        case Fault::Kind::stall:
        case Fault::Kind::drop:
            for (const auto direction : both_directions) {
                if (!concerns(fault.directions, direction)) continue;
                if (fault.kind == Fault::Kind::stall) {
                    links_.set_stalled(fault.link, direction, on);
                } else {
                    links_.set_dropping(fault.link, direction, on);
                }
            }
            return;
        case Fault::Kind::cut: return links_.set_refusing(fault.link, on);
        case Fault::Kind::slow_reading: return hosts_[fault.subject]->set_reading(!on);
        case Fault::Kind::client_down:
            if (!on) connect(ClientIndex{fault.subject});  // begin_client_crash ends it itself
            return;
        case Fault::Kind::other_model:
            if (!on) restore_link(fault.link);  // begin_set_link changes it itself
            return;
        case Fault::Kind::paused:
        case Fault::Kind::asleep: return set_paused(fault, on);
        case Fault::Kind::partition: return set_parted(fault, on);
        case Fault::Kind::disk:
            // begin_disk_fault begins it itself.
            if (!on) nodes_[fault.subject].node->disk()->end(fault.number);
            return;
        case Fault::Kind::down: {
            if (on) return;  // begin_crash and begin_stop bring it down themselves
            auto& placed = nodes_[fault.subject];
            if (is_up(placed)) return;
            trace_.add({now(), TraceEntry::Kind::node_started, Direction::to_broker, placed.actor,
                        ConnectionNumber{}, 0});
            note_reach(NodeIndex{fault.subject}, NodeIndex{fault.subject}, false);
            return placed.replica ? placed.replica->start() : placed.node->start();
        }
    }
    UNREACHABLE();
}

}  // namespace touchstone::simulator
