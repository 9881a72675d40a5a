#include "simulator/comparison/attempts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "simulator/probe_names.hpp"

namespace touchstone::simulator::comparison {

std::vector<Attempt> attempts_of(const Trace& trace) {
    std::vector<Attempt> attempts;
    for (const auto& connection : trace.connections) {
        attempts.push_back({.client = connection.client, .node = connection.node});
    }
    for (const auto& entry : trace.entries) {
        if (entry.connection.raw() >= attempts.size()) continue;
        auto& attempt = attempts[entry.connection.raw()];
        using Kind = TraceEntry::Kind;
        switch (entry.kind) {
            case Kind::opening: attempt.opened_at = entry.at; break;
            case Kind::arrived:
                if (entry.type != wire::PacketType::connack || attempt.answer) break;
                if (entry.direction != Direction::to_client) break;
                attempt.answer = trace.packets[entry.index].reason;
                attempt.answered_at = entry.at;
                attempt.session_present = trace.packets[entry.index].session_present;
                break;
            case Kind::closed:
            case Kind::aborted:
            case Kind::ended:
                if (attempt.ended_at != never) break;
                attempt.ended_at = entry.at;
                attempt.ended_by_node =
                    entry.kind != Kind::ended && entry.direction == Direction::to_broker;
                break;
            default: break;
        }
    }
    return attempts;
}

std::optional<Actor> find_client(const Trace& trace, std::string_view name) {
    for (std::uint32_t index = 0; index < trace.actors.size(); ++index) {
        if (trace.actors[index] == name) return Actor{index};
    }
    return std::nullopt;
}

Instant Passage::delivered_at(const std::vector<Actor>& receivers) const {
    for (const auto& [client, at] : deliveries) {
        if (std::ranges::find(receivers, client) != receivers.end()) return at;
    }
    return never;
}

std::vector<Passage> passages_of(const Trace& trace) {
    std::vector<Passage> passages(trace.messages.size());
    for (std::uint32_t index = 0; index < passages.size(); ++index) passages[index].message = index;
    std::map<std::pair<ConnectionNumber, std::uint16_t>, std::uint32_t> unanswered;
    const auto begins = [&](std::uint32_t message, Instant at) {
        auto& begun = passages[message].published_at;
        begun = begun == never ? at : begun;
    };
    for (const auto& entry : trace.entries) {
        using Kind = TraceEntry::Kind;
        if (entry.kind == Kind::published && entry.index < passages.size()) {
            begins(entry.index, entry.at);
        } else if (entry.kind == Kind::sent && entry.type == wire::PacketType::publish) {
            const auto& packet = trace.packets[entry.index];
            if (packet.direction != Direction::to_broker || packet.message == no_message) continue;
            begins(packet.message, entry.at);
            if (packet.packet_id != 0)
                unanswered[{packet.connection, packet.packet_id}] = packet.message;
        } else if (entry.kind == Kind::arrived && entry.direction == Direction::to_client &&
                   (entry.type == wire::PacketType::puback ||
                    entry.type == wire::PacketType::pubcomp)) {
            const auto& packet = trace.packets[entry.index];
            const auto found = unanswered.find({packet.connection, packet.packet_id});
            if (found == unanswered.end() || is_failure(packet.reason)) continue;
            auto& done = passages[found->second].acknowledged_at;
            done = done == never ? entry.at : done;
            unanswered.erase(found);
        } else if (entry.kind == Kind::delivered) {
            const auto message = trace.packets[entry.index].message;
            if (message == no_message) continue;
            const auto client = trace.client_of(trace.packets[entry.index].connection);
            passages[message].deliveries.emplace_back(client, entry.at);
        }
    }
    const auto attempts = attempts_of(trace);
    for (auto& passage : passages) {
        const auto& message = trace.messages[passage.message];
        if (!message.is_will) continue;
        for (const auto& attempt : attempts)
            if (attempt.client == message.publisher && attempt.ended_at != never)
                passage.published_at = std::min(passage.published_at, attempt.ended_at);
    }
    return passages;
}

std::string time_text(Duration duration) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    if (ms < 1'000) return fmt::format("{} ms", ms);
    if (ms % 1'000 < 100) return fmt::format("{} s", ms / 1'000);
    return fmt::format("{}.{} s", ms / 1'000, ms % 1'000 / 100);
}

bool is_probe(const Trace& trace, Actor client) {
    const auto& name = trace.name_of(client);
    return name.starts_with(probe_prefix) || name == roaming_probe;
}

}  // namespace touchstone::simulator::comparison
