// The way of messages: from a shard of this node to other nodes, and from those to shards.

#include <algorithm>

#include "broker/cluster/member.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone::cluster {

namespace {

/// Of several, by weight: the one whose part of the tickets this is.
template <class Weighted>
typename Weighted::key_type chosen_by(std::uint64_t ticket, const Weighted& weighted) {
    std::uint64_t sum = 0;
    for (const auto& [key, route] : weighted) sum += std::max(1U, route.members);
    ticket %= sum;
    for (const auto& [key, route] : weighted) {
        const std::uint64_t weight = std::max(1U, route.members);
        if (ticket < weight) return key;
        ticket -= weight;
    }
    return weighted.begin()->first;
}

MessageRef without_retain(const MessageRef& message) {
    return Message::make({.topic = message->topic(),
                          .payload = message->payload(),
                          .properties = message->properties(),
                          .qos = message->qos(),
                          .retain = false,
                          .expires_at = message->expires_at(),
                          .publisher = message->publisher()});
}

}  // namespace

void Member::publish(const PeerPublication& publication, Instant now) {
    const auto& message = publication.message;
    if (log_ && message->qos() != QoS::at_most_once) return publish_by_log(publication, now);
    const bool is_retained = message->retain();
    if (is_retained) note({message, publication.version}, now);
    std::set<NodeIndex> to;
    if (rules_.floods) to = running_;
    if (is_retained && rules_.shares_retained) to = retaining_nodes();
    if (rules_.floods)
        to.insert(linked_.begin(), linked_.end());
    else
        routes_.for_each_match(message->topic(),
                               [&](const RouteKey& key, const RouteTable::Nodes& nodes) {
                                   if (!key.share_name.empty()) return;
                                   for (const auto& [node, route] : nodes) to.insert(node);
                               });
    to.erase(options_.self);
    const bool is_local = !rules_.shares_retained && !rules_.floods;
    const auto sent = is_retained && is_local ? without_retain(message) : message;
    for (const auto node : to) forward(node, NodePublication{sent, publication.version});
    note_early(message);
}

void Member::publish(const PeerSharedPublication& publication) {
    const auto split = wire::split_shared(publication.group);
    if (!split) return;
    const RouteKey key{std::string{split->filter}, std::string{split->share_name}};
    RouteTable::Nodes others;
    if (const auto* const nodes = routes_.find(key))
        for (const auto& [node, route] : *nodes)
            if (is_up(node)) others.emplace(node, route);
    if (others.empty()) {
        ++dropped_publications_;
        return;
    }
    const auto to = chosen_by(turns_[key]++, others);
    forward(to, NodeSharedPublication{publication.message, publication.group});
}

template <class Publication>
void Member::forward(NodeIndex to, Publication publication) {
    if (rules_.kept_messages_max == 0) {
        if (is_up(to)) return port_.send(to, std::move(publication));
        ++dropped_publications_;
        return;
    }
    auto& kept = kept_messages_[to];
    if (kept.size() >= rules_.kept_messages_max && !has(Defect::unbounded_write_buffer)) {
        if (!has(Defect::forward_buffer_drop_after_ack)) ++dropped_publications_;
        return;
    }
    ++last_publication_.number;
    publication.number = last_publication_;
    kept.push_back({last_publication_.number, publication});
    kept_messages_most_ = std::max(kept_messages_most_, kept.size());
    if (is_up(to)) port_.send(to, std::move(publication));
}

bool Member::is_repetition(NodeIndex from, const PublicationNumber& number) {
    if (number.number == 0) return false;
    port_.send(from, PublicationsTaken{number});
    auto& last = taken_[from];
    if (last.epoch == number.epoch && number.number <= last.number) return true;
    last = number;
    return false;
}

void Member::on(NodeIndex from, const PublicationsTaken& taken, Instant) {
    if (taken.number.epoch != last_publication_.epoch) return;  // of this node before it began anew
    auto& kept = kept_messages_[from];
    while (!kept.empty() && kept.front().number <= taken.number.number) kept.pop_front();
}

void Member::send_kept(NodeIndex to, Instant now) {
    if (has(Defect::stale_target_buffer)) return publish_anew(to, now);
    for (const auto& one : kept_messages_[to]) port_.send(to, one.message);
}

void Member::on(NodeIndex from, NodePublication& publication, Instant now) {
    if (!has_tables_ && !is_serving())
        return;  // nobody is served, and what is retained is in the tables
    if (is_repetition(from, publication.number)) return;
    const auto& message = publication.message;
    if (message->retain()) note({message, publication.version}, now);
    deliver_here(message, publication.version);
    note_early(message);
}

void Member::deliver_here(const MessageRef& message, RetainVersion version) {
    std::set<ShardIndex> to;
    if (message->retain())
        for (unsigned shard = 0; shard < options_.shard_count; ++shard)
            to.insert(ShardIndex{shard});
    routes_.for_each_match(
        message->topic(), [&](const RouteKey& key, const RouteTable::Nodes& nodes) {
            if (!nodes.contains(options_.self)) return;
            if (!key.share_name.empty()) {
                // Who floods knows no members of other nodes: each node has a group of its own.
                if (rules_.floods)
                    deliver_to_group(message, key, wire::shared_text(key.share_name, key.filter));
                return;
            }
            for (const auto& [shard, route] : local_routes_.at(key)) to.insert(shard);
        });
    for (const auto shard : to) port_.tell(shard, PeerPublication{message, version});
}

void Member::on(NodeIndex from, NodeSharedPublication& publication, Instant) {
    if (is_repetition(from, publication.number)) return;
    const auto split = wire::split_shared(publication.group);
    if (!split) return;
    deliver_to_group(publication.message,
                     {std::string{split->filter}, std::string{split->share_name}},
                     publication.group);
}

void Member::deliver_to_group(const MessageRef& message, const RouteKey& key,
                              const std::string& group) {
    const auto found = local_routes_.find(key);
    if (found == local_routes_.end()) {
        ++dropped_publications_;  // its last member has left since
        return;
    }
    port_.tell(chosen_by(turns_[key]++, found->second), PeerSharedPublication{message, group});
}

void Member::note_early(const MessageRef& message) {
    for (auto& [number, claim] : claims_)
        if (claim.step == Claim::Step::moving && !claim.held.empty())
            claim.early.push_back(message);
    for (auto& [who, offered] : offered_) offered.seen.push_back(message);
}

}  // namespace touchstone::cluster
