#include "simulator/checkers/history.hpp"

#include <algorithm>

#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;
using wire::PropertyId;

namespace {

constexpr std::uint32_t expires_never = 0xFFFF'FFFF;

/// History::landmarks
bool is_landmark(const TraceEntry& entry) {
    using Kind = TraceEntry::Kind;
    if (entry.kind == Kind::published || entry.kind == Kind::delivered) return false;
    if (entry.kind != Kind::sent && entry.kind != Kind::arrived) return true;
    switch (entry.type) {
        case PacketType::publish:
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
        case PacketType::pingreq:
        case PacketType::pingresp: return false;
        case PacketType::connect:
        case PacketType::connack:
        case PacketType::subscribe:
        case PacketType::suback:
        case PacketType::unsubscribe:
        case PacketType::unsuback:
        case PacketType::disconnect:
        case PacketType::auth: return true;
    }
    return true;  // bytes that are no packet
}

}  // namespace

History::History(const Trace& trace) {
    for (const auto& one : trace.connections) {
        auto& connection = connections.emplace_back();
        connection.node = trace.cluster.one_broker.value_or(one.node);
        connection.entrance = one.node;
        connection.client = one.client;
        connection.is_durable = settings_of(trace.nodes, connection.node).has_storage;
    }
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        using Kind = TraceEntry::Kind;
        note_activity(entry);
        if (!is_landmark(entry)) continue;
        landmarks.push_back(index);
        switch (entry.kind) {
            case Kind::arrived: {
                const auto& packet = trace.packets[entry.index];
                if (packet.direction == Direction::to_broker) {
                    on_taken_by_broker(trace, index, packet, entry.index);
                }
                break;
            }
            case Kind::sent: {
                const auto& packet = trace.packets[entry.index];
                if (packet.direction == Direction::to_client) {
                    on_sent_by_broker(trace, index, packet);
                }
                break;
            }
            case Kind::closed:
            case Kind::aborted:
                if (entry.direction == Direction::to_broker) {
                    keep_unanswered(trace, entry.connection);
                    on_broker_end(index, entry.connection, ConnectionHistory::End::by_broker);
                } else {
                    on_client_end(index, entry.connection);
                }
                break;
            case Kind::ended:
                if (entry.direction == Direction::to_broker) {
                    keep_unanswered(trace, entry.connection);
                    on_broker_end(index, entry.connection, ConnectionHistory::End::by_peer);
                } else {
                    on_client_end(index, entry.connection);
                }
                break;
            case Kind::node_crashed:
            case Kind::node_stopped: on_node_down(trace, index, entry.actor); break;
            case Kind::node_started: on_node_up(trace, index, entry.actor); break;
            case Kind::opening: on_opening(index, entry.actor, entry.connection); break;
            case Kind::fault_began: on_fault(entry.actor, trace.faults[entry.index]); break;
            case Kind::opened:
            case Kind::published:
            case Kind::delivered:
            case Kind::fault_ended:
            case Kind::settle_began:
            case Kind::alarmed:
            case Kind::commanded:
            case Kind::forgot:
            case Kind::crashed:
            case Kind::died:
            case Kind::scripted: break;
        }
    }
    for (const auto direction : both_flow_directions)
        flows_[static_cast<std::size_t>(direction)] =
            std::make_shared<const FlowLog>(trace, *this, direction);
    accepted = accepted_messages(trace, *this);
    missing = missing_messages(trace, *this);
}

void History::on_taken_by_broker(const Trace& trace, std::size_t entry, const TracedPacket& packet,
                                 std::uint32_t index) {
    auto& connection = connections[packet.connection.raw()];
    if (packet.malformed) {
        connection.has_malformed = true;
        return;
    }
    switch (packet.type) {
        case PacketType::connect: return on_connect(trace, entry, packet);
        case PacketType::disconnect: {
            connection.disconnect = packet.reason;
            const auto disconnect =
                wire::decode_disconnect(trace.frame_of(packet), connection.version).value();
            if (const auto expiry_s =
                    disconnect.properties.integer(PropertyId::session_expiry_interval)) {
                connection.session_expiry_s = std::min(
                    *expiry_s, settings_of(trace.nodes, connection.node).session_expiry_s_max);
                connection.is_expiry_of_disconnect = true;
            }
            return;
        }
        case PacketType::subscribe:
            subscribes_[{packet.connection, packet.packet_id}] = {entry, index};
            return;
        case PacketType::unsubscribe: return on_unsubscribe(trace, entry, packet);
        case PacketType::connack:
        case PacketType::publish:
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
        case PacketType::suback:
        case PacketType::unsuback:
        case PacketType::pingreq:
        case PacketType::pingresp:
        case PacketType::auth: return;
    }
}

void History::on_sent_by_broker(const Trace& trace, std::size_t entry, const TracedPacket& packet) {
    if (packet.malformed) return;
    if (packet.type == PacketType::connack) on_connack(trace, entry, packet);
    if (packet.type == PacketType::suback) on_suback(trace, entry, packet);
    if (packet.type == PacketType::unsuback) on_unsuback(trace, packet);
}

void History::on_connect(const Trace& trace, std::size_t entry, const TracedPacket& packet) {
    auto& connection = connections[packet.connection.raw()];
    if (++connection.connect_count > 1) return;
    const auto connect = wire::decode_connect(trace.frame_of(packet)).value();
    const auto& node = settings_of(trace.nodes, connection.node);
    const bool is_v5 = connect.version == ProtocolVersion::v5;
    connection.connect_entry = entry;
    connection.version = connect.version;
    connection.client_id = connect.client_id;
    if (node.has_user_name_as_client_id && connect.user_name && !connect.user_name->empty()) {
        connection.client_id = *connect.user_name;
    }
    if (connect.user_name) connection.user_name = *connect.user_name;
    connection.clean_start = connect.clean_start;
    connection.keep_alive_s = connect.keep_alive_s;
    connection.window = node.inflight_max;
    connection.packet_id_max = node.packet_id_max;
    if (is_v5) {
        const auto expiry_s =
            connect.properties.integer(PropertyId::session_expiry_interval).value_or(0);
        connection.session_expiry_s = std::min(expiry_s, node.session_expiry_s_max);
        const std::uint32_t receive_maximum =
            connect.properties.integer(PropertyId::receive_maximum).value_or(65'535);
        connection.window = std::min<std::uint32_t>(connection.window, receive_maximum);
    } else {
        connection.session_expiry_s = connect.clean_start ? 0 : node.session_expiry_s_v3;
    }
    if (!connect.will) return;
    const auto delay_s =
        connect.will->properties.integer(PropertyId::will_delay_interval).value_or(0);
    connection.will = WillHistory{.message = trace.find_message(as_text(connect.will->payload)),
                                  .topic = std::string{connect.will->topic},
                                  .delay = std::chrono::seconds{delay_s}};
}

void History::on_connack(const Trace& trace, std::size_t entry, const TracedPacket& packet) {
    auto& connection = connections[packet.connection.raw()];
    connection.connack_entry = entry;
    if (is_failure(packet.reason)) return;
    connection.is_accepted = true;
    connection.session_present = packet.session_present;
    const auto connack = wire::decode_connack(trace.frame_of(packet), connection.version).value();
    connection.client_window = settings_of(trace.clients, connection.client).inflight_max;
    if (const auto maximum = connack.properties.integer(PropertyId::receive_maximum)) {
        connection.client_window = std::min(connection.client_window, *maximum);
    }
    if (const auto keep_alive_s = connack.properties.integer(PropertyId::server_keep_alive)) {
        connection.keep_alive_s = static_cast<std::uint16_t>(*keep_alive_s);
    }
    if (const auto id = connack.properties.text(PropertyId::assigned_client_identifier)) {
        connection.client_id = *id;
    }
    if (const auto expiry_s = connack.properties.integer(PropertyId::session_expiry_interval)) {
        connection.session_expiry_s = *expiry_s;
    }
    const auto [known, is_new] =
        current_session_.try_emplace({connection.node.raw(), connection.client_id}, no_session);
    const bool is_doubtful = packet.session_present && known->second != no_session &&
                             is_another(trace, packet.connection, sessions[known->second]);
    if (!packet.session_present || known->second == no_session || is_doubtful) {
        if (known->second != no_session) sessions[known->second].end_entry = entry;
        known->second = static_cast<std::uint32_t>(sessions.size());
        sessions.push_back({.client_id = connection.client_id,
                            .node = connection.node,
                            .begin_entry = entry,
                            .connections = {},
                            .subscriptions = {}});
        const auto broken = broken_since_.find(known->first);
        const bool is_broken = packet.session_present && broken != broken_since_.end();
        if (is_doubtful || is_broken)
            inherit(trace, sessions.back(), is_broken ? broken->second : Instant{});
    }
    connection.session = known->second;
    sessions[known->second].connections.push_back(packet.connection);
}

void History::on_broker_end(std::size_t entry, ConnectionNumber number,
                            ConnectionHistory::End end) {
    auto& connection = connections[number.raw()];
    if (connection.end != ConnectionHistory::End::none) return;
    connection.end_entry = entry;
    connection.end = end;
}

void History::on_client_end(std::size_t entry, ConnectionNumber number) {
    auto& connection = connections[number.raw()];
    if (connection.client_end_entry == no_entry) connection.client_end_entry = entry;
}

void History::on_opening(std::size_t entry, Actor client, ConnectionNumber number) {
    const auto [known, is_first] = newest_.try_emplace(client, number);
    if (is_first) return;
    on_client_end(entry, known->second);
    known->second = number;
}

void History::on_node_down(const Trace& trace, std::size_t entry, Actor node) {
    const bool has_storage = settings_of(trace.nodes, node).has_storage;
    const Instant at = trace.entries[entry].at;
    Instant broken_since = never;
    if (has_storage) {
        const auto loss = std::ranges::find_if(
            trace.losses, [&](const TracedLoss& one) { return one.node == node && one.at == at; });
        const bool is_known = loss != trace.losses.end();
        if (is_known && loss->broken_since != never) {
            broken_since = loss->broken_since - settings_of(trace.nodes, node).durable_within;
        }
        crashes_.push_back({node, at, is_known ? loss->unsynced_since : at, broken_since});
    }
    for (std::uint32_t number = 0; number < connections.size(); ++number) {
        if (connections[number].node != node) continue;
        // One that has not reached the node yet meets whatever is there then.
        if (connections[number].connect_entry == no_entry) continue;
        keep_unanswered(trace, ConnectionNumber{number});
        on_broker_end(entry, ConnectionNumber{number}, ConnectionHistory::End::with_process);
    }
    last_activity_.resize(sessions.size());
    for (auto& [key, session] : current_session_) {
        if (key.first != node.raw() || session == no_session) continue;
        const auto& last = of(sessions[session].connections.back());
        if (broken_since != never && last_activity_[session] >= broken_since) {
            broken_since_.try_emplace(key, broken_since);
        } else if (has_storage && last.session_expiry_s != 0) {
            continue;
        }
        sessions[session].end_entry = entry;
        session = no_session;
    }
}

void History::on_node_up(const Trace& trace, std::size_t entry, Actor node) {
    for (auto& connection : connections) {
        if (connection.node != node || !connection.is_durable) continue;
        if (connection.end_entry == no_entry) continue;
        // What the node noted when it was back the last time may be lost as well.
        if (connection.back_at != never && !may_be_lost(trace, node, connection.back_at)) continue;
        if (connection.end == ConnectionHistory::End::with_process ||
            may_be_lost(trace, node, trace.entries[connection.end_entry].at)) {
            connection.back_at = trace.entries[entry].at;
        }
    }
}

void History::note_activity(const TraceEntry& entry) {
    if (entry.connection.raw() >= connections.size()) return;
    const auto session = of(entry.connection).session;
    if (session == no_session) return;
    if (session >= last_activity_.size()) last_activity_.resize(sessions.size());
    last_activity_[session] = entry.at;
}

/// Whether the broker sends on that connection what only a session of before has: a message or a
/// PUBREL ahead of the first SUBSCRIBE.
bool goes_on_with_flows(const Trace& trace, ConnectionNumber number, std::size_t connack_entry) {
    for (auto index = connack_entry + 1; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (const auto* sent = sent_by_broker(trace, entry)) {
            const bool is_flow =
                sent->type == wire::PacketType::publish || sent->type == wire::PacketType::pubrel;
            if (sent->connection == number && is_flow) return true;
        }
        if (const auto* taken = taken_by_broker(trace, entry)) {
            const bool is_request = taken->type == wire::PacketType::subscribe;
            if (taken->connection == number && is_request) return false;
        }
    }
    return false;
}

bool History::is_another(const Trace& trace, ConnectionNumber number,
                         const SessionHistory& session) const {
    const auto& connection = of(number);
    const auto& last = of(session.connections.back());
    if (last.end_entry == no_entry || last.session_expiry_s == expires_never) return false;
    const auto over = this->over(trace, last, std::chrono::seconds{last.session_expiry_s});
    const Instant asked_at = trace.entries[connection.connect_entry].at;
    const bool has_answerless = std::ranges::any_of(connections, [&](const auto& other) {
        return other.is_unanswered() && other.node == connection.node &&
               other.client_id == connection.client_id && other.connect_entry > last.end_entry &&
               // The one that came first may be let in last, when a shard hands it over.
               other.connect_entry < connection.connack_entry;
    });
    if (!has_answerless || asked_at <= over.earliest) return false;
    return over.latest < asked_at || !goes_on_with_flows(trace, number, connection.connack_entry);
}

void History::on_fault(Actor actor, const TracedFault& fault) {
    if (fault.kind == "disk_full" || fault.kind == "disk_failing") {
        refusals_[actor].push_back({fault.began_at, fault.ended_at});
    }
    if (fault.kind != "pause") return;
    auto& pauses = pauses_[actor];
    const bool is_overlapping = !pauses.empty() && fault.began_at <= pauses.back().to;
    if (is_overlapping) {
        pauses.back().to = std::max(pauses.back().to, fault.ended_at);
    } else {
        pauses.push_back({fault.began_at, fault.ended_at});
    }
}

Duration History::active(const Trace& trace, Actor node, Instant from, Instant to) const {
    Duration span = trace.elapsed(node, from, to);
    const auto pauses = pauses_.find(node);
    if (pauses == pauses_.end()) return span;
    for (const auto& pause : pauses->second) {
        const Instant begin = std::max(from, pause.from);
        const Instant end = std::min(to, pause.to);
        if (begin < end) span -= trace.elapsed(node, begin, end);
    }
    return span;
}

Instant History::end_of_run(const Trace& trace) {
    if (trace.end.known) return trace.end.at;
    return trace.entries.empty() ? Instant{} : trace.entries.back().at;
}

bool History::lives_on(const Trace& trace, ConnectionNumber number, Instant since,
                       Duration span) const {
    const auto& connection = of(number);
    const Instant end = connection.end_entry == no_entry ? end_of_run(trace)
                                                         : trace.entries[connection.end_entry].at;
    return active(trace, connection.node, since, end) >= span;
}

bool History::client_stays(const Trace& trace, ConnectionNumber number, Instant since,
                           Duration span) const {
    const auto& connection = of(number);
    const Instant end = connection.client_end_entry == no_entry
                            ? end_of_run(trace)
                            : trace.entries[connection.client_end_entry].at;
    return end - since >= span;
}

std::optional<Instant> History::expiry_of(const Trace& trace, std::uint32_t session) const {
    const auto& last = of(sessions[session].connections.back());
    if (last.end_entry == no_entry || last.session_expiry_s == expires_never) return std::nullopt;
    const Instant at = trace.instant_after(last.node, trace.entries[last.end_entry].at,
                                           std::chrono::seconds{last.session_expiry_s});
    if (at > end_of_run(trace)) return std::nullopt;
    return at;
}

bool History::was_over(const Trace& trace, std::uint32_t session, Instant at) const {
    const ConnectionHistory* last = nullptr;
    for (const auto number : sessions[session].connections) {
        if (trace.entries[of(number).connect_entry].at <= at) last = &of(number);
    }
    if (last == nullptr || !last->is_durable || last->end_entry == no_entry) return false;
    if (last->session_expiry_s == expires_never) return false;
    return over(trace, *last, std::chrono::seconds{last->session_expiry_s}).earliest <= at;
}

History::Between History::over(const Trace& trace, const ConnectionHistory& connection,
                               Duration span) {
    const Instant end = trace.entries[connection.end_entry].at;
    const Instant earliest = trace.instant_after(connection.node, end, span);
    if (connection.back_at == never) {
        const bool is_down =
            connection.is_durable && connection.end == ConnectionHistory::End::with_process;
        return {earliest, is_down ? never : earliest};
    }
    return {earliest, trace.instant_after(connection.node, connection.back_at, span)};
}

bool History::may_be_lost(const Trace& trace, Actor node, Instant taken_at) const {
    const Duration within = settings_of(trace.nodes, node).durable_within;
    return std::ranges::any_of(crashes_, [&](const Crash& crash) {
        return crash.node == node && taken_at <= crash.at &&
               std::min(crash.unsynced_since - within, crash.broken_since) <= taken_at;
    });
}

bool History::has_broken() const {
    return std::ranges::any_of(crashes_,
                               [](const Crash& crash) { return crash.broken_since != never; });
}

bool History::is_broken(Actor node, Instant from, Instant to) const {
    return std::ranges::any_of(crashes_, [&](const Crash& crash) {
        return crash.node == node && from <= crash.at && crash.broken_since <= to;
    });
}

bool History::is_broken(const Trace& trace, const ConnectionHistory& connection) const {
    if (connection.connect_entry == no_entry) return false;
    const bool is_there = connection.end_entry == no_entry;
    return is_broken(connection.node, trace.entries[connection.connect_entry].at,
                     is_there ? end_of_run(trace) : trace.entries[connection.end_entry].at);
}

bool History::is_refusing(Actor node, Instant at) const {
    // The broker tries again every second, and the disk may be slow then.
    constexpr Duration after = std::chrono::seconds{2};
    const auto refusals = refusals_.find(node);
    return refusals != refusals_.end() &&
           std::ranges::any_of(refusals->second, [&](const Pause& one) {
               return one.from <= at && (one.to == never || at <= one.to + after);
           });
}

}  // namespace touchstone::simulator
