#include "simulator/coverage.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

// Bits of a pair, from the lowest: 10 for what happened, then the state.
constexpr unsigned event_bits = 10;
constexpr std::uint32_t packet_event = 0;        // + type, 4 bits; direction; DUP; QoS, 2 bits
constexpr std::uint32_t entry_event = 1U << 8U;  // + kind, 5 bits; end
constexpr std::uint32_t fault_event = 2U << 8U;  // + kind of fault, 7 bits; begins or ends

std::uint32_t event_of(const TracedPacket& packet) {
    return packet_event | static_cast<std::uint32_t>(packet.type) |
           static_cast<std::uint32_t>(packet.direction) << 4U |
           static_cast<std::uint32_t>(packet.dup) << 5U |
           static_cast<std::uint32_t>(packet.qos) << 6U;
}

std::uint32_t event_of(const TracedFault& fault, bool is_end) {
    std::uint32_t name = 0;
    for (const char c : fault.kind) name = name * 31 + static_cast<unsigned char>(c);
    return fault_event | name % 127 | static_cast<std::uint32_t>(is_end) << 7U;
}

class Observer {
public:
    Observer(const Trace& trace, const History& history) : trace_{trace}, history_{history} {}

    std::vector<MetPair> observe() {
        for (const auto& entry : trace_.entries) {
            // The state in which it happens is that before it.
            meet(entry);
            to_client_.step(trace_, history_, entry);
            to_broker_.step(trace_, history_, entry);
            follow(entry);
        }
        return std::move(met_);
    }

private:
    using Kind = TraceEntry::Kind;

    struct ClientState {
        bool has_connection = false;  // a CONNACK was sent on one that the broker still has
        std::uint32_t session = no_session;
        ConnectionNumber connection;
        std::uint32_t faults = 0;  // of its link or itself, going on
    };

    void meet(const TraceEntry& entry) {
        if (entry.kind == Kind::fault_began || entry.kind == Kind::fault_ended) {
            const auto event =
                event_of(trace_.faults[entry.index], entry.kind == Kind::fault_ended);
            // What befalls a node befalls all its clients.
            const bool is_of_node = std::ranges::find(trace_.nodes, entry.actor,
                                                      &TracedNode::actor) != trace_.nodes.end();
            if (!is_of_node) return meet(event, entry.at, entry.actor);
            for (const auto& [client, state] : clients_) meet(event, entry.at, client);
            return;
        }
        if (entry.kind == Kind::arrived) {
            const auto& packet = trace_.packets[entry.index];
            if (!packet.malformed) meet(event_of(packet), entry.at, entry.actor);
            return;
        }
        const bool is_of_client = entry.kind == Kind::closed || entry.kind == Kind::aborted ||
                                  entry.kind == Kind::ended || entry.kind == Kind::opened ||
                                  entry.kind == Kind::forgot || entry.kind == Kind::crashed;
        if (!is_of_client) return;
        meet(entry_event | static_cast<std::uint32_t>(entry.kind) |
                 static_cast<std::uint32_t>(entry.direction) << 5U,
             entry.at, entry.actor);
    }

    void meet(std::uint32_t event, Instant at, Actor client) {
        const auto pair = state_of(client) << event_bits | event;
        if (seen_.insert(pair).second) met_.push_back({pair, at, client});
    }

    std::uint32_t state_of(Actor client) {
        const auto& state = clients_[client];
        const auto& sent = to_broker_.unfinished(client.raw());
        std::uint32_t word = state.has_connection ? 1U : 0U;
        word |= bit(state.faults > 0, 1) | bit(has(sent, false), 2) | bit(has(sent, true), 3);
        if (state.session == no_session) return word;
        const auto& flows = to_client_.unfinished(state.session);
        const auto here = std::ranges::count(flows, state.connection, &Flow::connection);
        const bool is_full =
            here > 0 && static_cast<std::uint32_t>(here) >= history_.of(state.connection).window;
        return word | bit(has(flows, false), 4) | bit(has(flows, true), 5) | bit(is_full, 6);
    }

    static std::uint32_t bit(bool is_set, unsigned place) {
        return static_cast<std::uint32_t>(is_set) << place;
    }
    /// Whether a flow is unfinished for which PUBREC has come, or has not.
    static bool has(const std::vector<Flow>& flows, bool is_released) {
        return std::ranges::find(flows, is_released, &Flow::is_released) != flows.end();
    }

    void follow(const TraceEntry& entry) {
        if (entry.kind == Kind::fault_began || entry.kind == Kind::fault_ended) {
            auto& faults = clients_[entry.actor].faults;
            if (entry.kind == Kind::fault_began) ++faults;
            if (entry.kind == Kind::fault_ended && faults > 0) --faults;
            return;
        }
        const bool is_end =
            entry.kind == Kind::closed || entry.kind == Kind::aborted || entry.kind == Kind::ended;
        if (is_end && entry.direction == Direction::to_broker) {
            auto& state = clients_[entry.actor];
            if (state.connection == entry.connection) state.has_connection = false;
            return;
        }
        const auto* const sent = sent_by_broker(trace_, entry);
        if (sent == nullptr || sent->type != wire::PacketType::connack) return;
        if (!history_.of(entry.connection).is_accepted) return;
        auto& state = clients_[entry.actor];
        state.has_connection = true;
        state.connection = entry.connection;
        state.session = history_.of(entry.connection).session;
    }

    const Trace& trace_;
    const History& history_;
    FlowTracker to_client_{Direction::to_client};
    FlowTracker to_broker_{Direction::to_broker};
    std::map<Actor, ClientState> clients_;
    std::set<StatePair> seen_;
    std::vector<MetPair> met_;
};

}  // namespace

std::vector<MetPair> pairs_met(const Trace& trace, const History& history) {
    return Observer{trace, history}.observe();
}

}  // namespace touchstone::simulator
