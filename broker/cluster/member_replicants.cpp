// Nodes that are fed by a core (Mria): a replicant has copies of all tables and no vote. It sends
// its writes to its core, which passes them on to the other cores and to all that it feeds; what
// cores write gets to it the same way. Locks, sessions and publications go from node to node.
// Its Retained Messages are those of the core whose tables it copied last, and what was published
// since. Assumed: rows of a replicant stay until it says otherwise, as nobody but its core knows
// how it is; who gets another core copies its tables and announces its own rows again; and of two
// sessions of a client that meet so, the newer stays.

#include <algorithm>
#include <map>
#include <utility>

#include "broker/cluster/healing_views.hpp"
#include "broker/cluster/member.hpp"

namespace touchstone::cluster {

namespace {

/// What a node has published has come to all that it reaches by then.
constexpr Duration publication_time = std::chrono::seconds{1};

}  // namespace

bool Member::is_replicant(NodeIndex node) const {
    return contains(options_.replicants, node);
}

bool Member::is_up(NodeIndex peer) const {
    const bool concerns_replicants = is_replicant(peer) || is_replicant(options_.self);
    return concerns_replicants ? linked_.contains(peer) : running_.contains(peer);
}

bool Member::has_database() const {
    return !is_replicant(options_.self) || healing_->health().upstream.has_value();
}

bool Member::feeds_this(NodeIndex core) const {
    return is_replicant(options_.self) && healing_->health().upstream == core;
}

std::vector<NodeIndex> Member::fed_nodes() const {
    if (options_.replicants.empty()) return {running_.begin(), running_.end()};
    const auto health = healing_->health();
    if (health.upstream) return {*health.upstream};
    if (is_replicant(options_.self)) return {};
    auto nodes = health.agents;
    nodes.insert(nodes.end(), running_.begin(), running_.end());
    return nodes;
}

std::set<NodeIndex> Member::retaining_nodes() const {
    if (options_.replicants.empty()) return running_;
    std::set<NodeIndex> nodes;
    for (const auto node : linked_)
        if (is_up(node)) nodes.insert(node);
    return nodes;
}

void Member::announce_own(Instant now) {
    if (is_replicant(options_.self)) {
        judge_doubles(now);
        if (has(Defect::heal_loser_state_dropped)) return;
    }
    for (const auto node : fed_nodes()) port_.send(node, own_tables());
}

template <class Message>
void Member::relay(NodeIndex from, NodeIndex origin, const Message& message) {
    if (options_.replicants.empty() || is_replicant(options_.self)) return;
    for (const auto agent : healing_->health().agents)
        if (agent != from && agent != origin) port_.send(agent, message);
    if (!is_replicant(from)) return;
    for (const auto core : running_) port_.send(core, message);
}

void Member::take_write(NodeIndex from, NodeIndex origin, const TableWrite& write, Instant now) {
    if (is_replicant(options_.self) && !feeds_this(from)) return;  // of the core before
    if (!has_tables_) {
        // They come behind the tables that are on their way.
        kept_writes_.emplace_back(from, RelayedWrite{origin, write});
        return;
    }
    apply(origin, write, now);
    relay(from, origin, RelayedWrite{origin, write});
}

void Member::take_own(NodeIndex from, NodeIndex origin, const Tables& tables, Instant now) {
    if (is_replicant(options_.self) && !feeds_this(from)) return;
    if (!has_tables_) {
        kept_writes_.emplace_back(from, RelayedTables{origin, tables});
        return;
    }
    take(origin, tables, now);
    relay(from, origin, RelayedTables{origin, tables});
}

void Member::note_epoch(NodeIndex from, const Tables& tables) {
    const auto said = tables.epochs.find(from);
    if (said == tables.epochs.end()) return;
    auto& known = epochs_[from];
    if (known == said->second) return;
    known = said->second;
    written_.erase(from);
}

void Member::take_retained(const std::vector<RetainedWritten>& rows, Instant now) {
    if (!is_replicant(options_.self)) {
        for (const auto& row : rows) learn(row, now);
        return;
    }
    // The shards keep what has the highest version, and the core may have an older one, or none: it
    // gets a version above theirs.
    const auto put = [&](const MessageRef& message, RetainVersion version) {
        const auto found = retained_.find(message->topic());
        if (found != retained_.end() && version < found->second.version)
            version.at_us = found->second.version.at_us + 1;
        learn({message, version}, now);
    };
    // What has come a moment ago may still be on its way to the core.
    std::erase_if(retained_at_,
                  [&](const auto& one) { return one.second + publication_time < now; });
    const auto recent = std::exchange(retained_at_, {});
    std::map<std::string_view, MessageRef> gone;
    for (const auto& [topic, row] : retained_)
        if (!row.message->payload().empty() && !recent.contains(topic))
            gone.emplace(topic, Message::make({.topic = topic, .payload = {}, .retain = true}));
    for (const auto& row : rows) {
        gone.erase(row.message->topic());
        if (recent.contains(std::string{row.message->topic()}))
            learn(row, now);
        else
            put(row.message, row.version);
    }
    for (const auto& [topic, removal] : gone) put(removal, {});
}

void Member::judge_doubles(Instant now) {
    std::vector<std::pair<std::string, NodeIndex>> doubles;
    for (const auto& [client_id, nodes] : sessions_) {
        if (!nodes.contains(options_.self)) continue;
        for (const auto& [node, stamp] : nodes)
            if (node != options_.self) doubles.emplace_back(client_id, node);
    }
    for (const auto& [client_id, node] : doubles) judge_double(client_id, node, now);
}

}  // namespace touchstone::cluster
