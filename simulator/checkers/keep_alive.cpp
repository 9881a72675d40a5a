// K1: a client that is silent for one and a half times its Keep Alive is disconnected, and none is
// earlier (v5 [MQTT-3.1.2-22], v3.1.1 [MQTT-3.1.2-24]). A client that gets no PINGRESP within its
// time for answers gives the connection up (§3.1.2.10, §3.12.4). Each measures with its own clock.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// A driver's timer may be as coarse as this.
constexpr Duration tolerance = std::chrono::milliseconds{1'500};

/// Whether something else than silence explains that the broker closed the connection.
bool has_other_cause(const Trace& trace, const History& history, ConnectionNumber number) {
    const auto& connection = history.of(number);
    if (connection.has_malformed || connection.connect_count > 1 || connection.disconnect) {
        return true;
    }
    // Whichever CONNECT came first, the one that is accepted afterwards takes the session over.
    const auto took_over = [&](const ConnectionHistory& other) {
        const bool is_same_node = other.node == connection.node || !trace.cluster.model.empty();
        return &other != &connection && is_same_node && other.client_id == connection.client_id &&
               other.connect_entry < connection.end_entry &&
               other.connack_entry > connection.end_entry;
    };
    if (std::ranges::any_of(history.connections, took_over)) return true;
    // Before v5 that is all that a server can say to a PUBLISH that it does not take.
    if (trace.cluster.needs_all_members && connection.version != ProtocolVersion::v5) return true;
    // A v5 client is told why.
    for (const auto& packet : trace.packets) {
        if (packet.connection == number && packet.direction == Direction::to_client &&
            packet.type == wire::PacketType::disconnect) {
            return packet.reason != ReasonCode::keep_alive_timeout;
        }
    }
    return false;
}

void check_servers(const Trace& trace, const History& history, Failures& failures) {
    std::vector<std::optional<Instant>> last_heard(history.connections.size());
    const auto limit_of = [&](ConnectionNumber number) {
        return std::chrono::milliseconds{1'500} * history.of(number).keep_alive_s;
    };
    const auto complain_silence = [&](ConnectionNumber number, Instant until, std::size_t entry) {
        const Instant heard_at = *last_heard[number.raw()];
        // Nearly always; and what passes while a process runs is no more than passes.
        if (trace.clocks.empty() && until - heard_at <= limit_of(number)) return;
        const Actor node = history.of(number).node;
        const Duration silence = history.active(trace, node, heard_at, until);
        if (silence <= limit_of(number) + tolerance) return;
        failures.push_back(
            {entry, fmt::format("'{}' was silent for {} ms with Keep Alive {} s and "
                                "was not disconnected",
                                history.of(number).client_id, silence.count() / 1'000,
                                history.of(number).keep_alive_s)});
    };
    const auto is_watched = [&](ConnectionNumber number) {
        const auto& connection = history.of(number);
        return connection.is_accepted && connection.keep_alive_s != 0;
    };
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (taken_by_broker(trace, entry) != nullptr && is_watched(entry.connection)) {
            auto& heard_at = last_heard[entry.connection.raw()];
            if (heard_at) complain_silence(entry.connection, entry.at, index);
            heard_at = entry.at;
        }
    }
    for (std::uint32_t raw = 0; raw < last_heard.size(); ++raw) {
        if (!last_heard[raw]) continue;
        const ConnectionNumber number{raw};
        const Instant heard_at = *last_heard[raw];
        const auto& connection = history.of(number);
        const bool has_ended = connection.end_entry != no_entry;
        const Instant until =
            has_ended ? trace.entries[connection.end_entry].at : history.end_of_run(trace);
        complain_silence(number, until, connection.end_entry);
        if (connection.end != ConnectionHistory::End::by_broker) continue;
        const Duration silence = trace.elapsed(connection.node, heard_at, until);
        if (silence >= limit_of(number) || has_other_cause(trace, history, number) ||
            history.is_refusing(connection.node, until)) {
            continue;
        }
        failures.push_back(
            {connection.end_entry,
             fmt::format("'{}' was disconnected {} ms after its last packet, for nothing else than "
                         "silence, with Keep Alive {} s",
                         connection.client_id, silence.count() / 1'000, connection.keep_alive_s)});
    }
}

void check_clients(const Trace& trace, const History& history, Failures& failures) {
    std::map<ConnectionNumber, std::size_t> asked;  // connection → entry of the PINGREQ
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (entry.type != wire::PacketType::pingreq && entry.type != wire::PacketType::pingresp)
            continue;
        if (const auto* packet = sent_by_client(trace, entry)) {
            if (packet->type == wire::PacketType::pingreq) {
                asked.try_emplace(packet->connection, index);
            }
        } else if (const auto* answer = taken_by_client(trace, entry)) {
            if (answer->type == wire::PacketType::pingresp) asked.erase(answer->connection);
        }
    }
    for (const auto& [number, entry] : asked) {
        const Actor client = trace.client_of(number);
        const auto timeout = settings_of(trace.clients, client).answer_timeout;
        if (timeout == Duration::max()) continue;
        const Instant since = trace.entries[entry].at;
        const Instant until = trace.instant_after(client, since, timeout + tolerance);
        if (!history.client_stays(trace, number, since, until - since)) continue;
        failures.push_back({entry, fmt::format("'{}' got no PINGRESP within {} ms and kept the "
                                               "connection",
                                               trace.name_of(client), timeout.count() / 1'000)});
    }
}

}  // namespace

Failures check_keep_alive(const Trace& trace, const History& history) {
    Failures failures;
    check_servers(trace, history, failures);
    check_clients(trace, history, failures);
    return failures;
}

}  // namespace touchstone::simulator
