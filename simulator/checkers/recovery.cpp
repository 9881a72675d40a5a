// recovery: when a node is up again, its clients are connected again in little more than the time
// that it needs to accept them all one after the other. Who was not connected when it went, or was
// told to leave since, is not waited for.

#include <fmt/format.h>

#include <map>
#include <set>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// The clients that connected to a node last and lost it when it went down.
struct Crowd {
    std::set<Actor> connected;
    std::set<Actor> missing;
    std::size_t size = 0;     // when the node went
    Instant back_at = never;  // the node
};

/// What one attempt may take, timeouts and pauses included, beside the accepting.
constexpr Duration slack = std::chrono::seconds{5};
/// Accepting is spread by chance, so the node is not busy all the time.
constexpr int factor = 2;

}  // namespace

Failures check_recovery(const Trace& trace, const History& history) {
    using Kind = TraceEntry::Kind;
    std::map<Actor, Crowd> crowds;  // by node
    Failures failures;
    const auto complain_late = [&](Actor node, Crowd& crowd, Instant now, std::size_t entry) {
        const auto& settings = settings_of(trace.nodes, node);
        const Duration allowed =
            settings.accept_interval * static_cast<int>(crowd.size) * factor + slack;
        if (settings.accept_interval == Duration::zero() || crowd.back_at == never ||
            crowd.missing.empty() || now - crowd.back_at <= allowed)
            return;
        failures.push_back(
            {entry, fmt::format("{} of {} clients of '{}' are not back {} ms after it "
                                "is",
                                crowd.missing.size(), crowd.size, trace.name_of(node),
                                allowed.count() / 1'000)});
        crowd.missing.clear();
    };
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (entry.kind == Kind::node_crashed || entry.kind == Kind::node_stopped) {
            auto& crowd = crowds[entry.actor];
            crowd.missing = std::exchange(crowd.connected, {});
            crowd.size = crowd.missing.size();
            crowd.back_at = never;
        }
        if (entry.kind == Kind::node_started) crowds[entry.actor].back_at = entry.at;
        if (entry.kind == Kind::commanded || entry.kind == Kind::crashed) {
            for (auto& [node, crowd] : crowds) {
                crowd.missing.erase(entry.actor);
                crowd.connected.erase(entry.actor);
            }
        }
        const auto* connack = taken_by_client(trace, entry);
        if (connack == nullptr || connack->type != wire::PacketType::connack) continue;
        const Actor node = history.of(connack->connection).node;
        auto& crowd = crowds[node];
        complain_late(node, crowd, entry.at, index);
        crowd.missing.erase(entry.actor);
        crowd.connected.insert(entry.actor);
    }
    for (auto& [node, crowd] : crowds) {
        complain_late(node, crowd, history.end_of_run(trace), no_entry);
    }
    return failures;
}

}  // namespace touchstone::simulator
