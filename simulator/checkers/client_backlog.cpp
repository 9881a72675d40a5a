#include "simulator/checkers/client_backlog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;
using wire::PropertyId;

namespace {

struct Present {  // a client's present connection
    ConnectionNumber number;
    std::optional<std::size_t> connack_entry;  // taken by the client, accepted
    Instant last_moved_at;
};

struct Owed {
    std::uint32_t message = no_message;
    bool was_before_crash = false;
};

/// The clients at the end of the trace: connections, flows, and what each has not sent.
class Clients {
public:
    Clients(const Trace& trace, const History& history) : trace_{trace}, history_{history} {
        was_sent_.resize(trace.messages.size());
        for (std::size_t index = 0; index < trace.entries.size(); ++index) step(index);
    }

    [[nodiscard]] const std::map<Actor, Present>& present() const { return present_; }
    [[nodiscard]] std::uint64_t in_flight(Actor client) {
        const auto& flows = tracker_.unfinished(client.raw());
        return static_cast<std::uint64_t>(
            std::ranges::count(flows, present_.at(client).number, &Flow::connection));
    }
    /// Never sent, or sent on an earlier connection only and not finished.
    [[nodiscard]] std::vector<Owed> owed(Actor client) {
        std::vector<Owed> found;
        const auto number = present_.at(client).number;
        for (const auto& flow : tracker_.unfinished(client.raw())) {
            if (flow.connection == number || flow.is_released || flow.message == no_message)
                continue;
            found.push_back({flow.message, was_before_crash(client, flow.message)});
        }
        for (const auto& [message, entry] : published_[client]) {
            if (was_sent_[message] || !is_sendable(number, message)) continue;
            found.push_back({message, was_before_crash(client, message)});
        }
        return found;
    }

private:
    void step(std::size_t index) {
        using Kind = TraceEntry::Kind;
        const auto& entry = trace_.entries[index];
        if (entry.kind == Kind::opening) present_[entry.actor] = {entry.connection, {}, entry.at};
        if (entry.kind == Kind::crashed) last_crash_[entry.actor] = index;
        if (entry.kind == Kind::published && entry.index != no_message &&
            trace_.messages[entry.index].qos != QoS::at_most_once) {
            published_[entry.actor].emplace(entry.index, index);
        }
        const auto seen = tracker_.step(trace_, history_, entry);
        if (seen.packet != nullptr) present_[entry.actor].last_moved_at = entry.at;
        const auto* sent = sent_by_client(trace_, entry);
        const bool is_publish = sent != nullptr && sent->type == PacketType::publish;
        if (is_publish && sent->message != no_message) was_sent_[sent->message] = true;
        const auto* taken = taken_by_client(trace_, entry);
        if (taken != nullptr && taken->type == PacketType::connack && !is_failure(taken->reason)) {
            present_[entry.actor].connack_entry = index;
            present_[entry.actor].last_moved_at = entry.at;
            connacks_[taken->connection] = taken;
        }
    }

    [[nodiscard]] bool was_before_crash(Actor client, std::uint32_t message) const {
        const auto crash = last_crash_.find(client);
        const auto all = published_.find(client);
        if (crash == last_crash_.end() || all == published_.end()) return false;
        const auto published = all->second.find(message);
        return published != all->second.end() && published->second < crash->second;
    }

    /// A server may take no message that large or of that QoS: then there is nobody to give it to.
    [[nodiscard]] bool is_sendable(ConnectionNumber number, std::uint32_t message) const {
        const auto& what = trace_.messages[message];
        const auto connack = wire::decode_connack(trace_.frame_of(*connacks_.at(number)),
                                                  history_.of(number).version);
        const auto& properties = connack.value().properties;
        const auto qos_max = properties.integer(PropertyId::maximum_qos).value_or(2);
        const auto size_max = properties.integer(PropertyId::maximum_packet_size)
                                  .value_or(wire::packet_size_bytes_max);
        // Fixed header, length of the topic, Packet Identifier, an expiry and a Topic Alias.
        constexpr std::size_t header_size_bytes = 18;
        return static_cast<std::uint32_t>(what.qos) <= qos_max &&
               what.payload.size() + what.topic.size() + header_size_bytes <= size_max;
    }

    const Trace& trace_;
    const History& history_;
    FlowTracker tracker_{Direction::to_broker};
    std::map<Actor, Present> present_;
    std::map<Actor, std::size_t> last_crash_;                          // → entry
    std::map<Actor, std::map<std::uint32_t, std::size_t>> published_;  // → message → entry
    std::map<ConnectionNumber, const TracedPacket*> connacks_;
    std::vector<bool> was_sent_;
};

void check(const Trace& trace, const History& history, bool is_before_crash, Failures& failures) {
    const auto settled =
        std::ranges::find(trace.entries, TraceEntry::Kind::settle_began, &TraceEntry::kind);
    if (!trace.end.known || settled == trace.entries.end()) return;
    const Instant end = history.end_of_run(trace);
    Clients clients{trace, history};
    for (const auto& [client, present] : clients.present()) {
        const auto& connection = history.of(present.number);
        const bool is_there = present.connack_entry && connection.end_entry == no_entry &&
                              connection.client_end_entry == no_entry;
        if (!is_there) continue;
        const auto& settings = settings_of(trace.clients, client);
        if (is_before_crash && !settings.has_durable_store) continue;
        const auto window =
            std::min<std::uint64_t>(connection.client_window, settings.packet_id_max);
        if (clients.in_flight(client) >= window) continue;
        if (end - std::max(settled->at, present.last_moved_at) < progress_time) continue;
        auto owed = clients.owed(client);
        std::erase_if(owed,
                      [&](const Owed& one) { return one.was_before_crash != is_before_crash; });
        if (owed.empty()) continue;
        failures.push_back(
            {no_entry,
             fmt::format("'{}' does not send {} messages of its application, among them {}, {}",
                         trace.name_of(client), owed.size(), label_of(trace, owed.front().message),
                         is_before_crash ? "published before it crashed"
                                         : "although its window has room and nothing moves")});
    }
}

}  // namespace

void check_client_backlog(const Trace& trace, const History& history, Failures& failures) {
    check(trace, history, false, failures);
}

void check_client_store(const Trace& trace, const History& history, Failures& failures) {
    check(trace, history, true, failures);
}

}  // namespace touchstone::simulator
