// Shared Subscriptions (§4.8.2): which shard, and there which member, gets a message.
#include <algorithm>
#include <bit>

#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {

ShardIndex Broker::Core::shard_for(const Publication& publication, GroupRoute& group) {
    using enum access::SharedStrategy;
    switch (rules_->policy.shared_strategy) {
        case round_robin: return group.shard_of(group.turn++);
        case sticky: return group.shard_of(group.turn);
        case hash_client_id: return group.shard_of(publication.fields().publisher);
        case hash_topic: return group.shard_of(hash_of(publication.fields().topic, 0));
        case local:  // the shards of one node are all the same node
        case random: return group.shard_of(random_.next());
    }
    UNREACHABLE();
}

std::uint32_t Broker::Core::turn_for(const Publication& publication,
                                     const SharedSubscription& group) {
    using enum access::SharedStrategy;
    const auto count = group.members().size();
    // Other bits than those that have chosen the shard.
    const auto by = [&](std::uint64_t hash) {
        return static_cast<std::uint32_t>(std::rotl(hash, 32) % count);
    };
    switch (rules_->policy.shared_strategy) {
        case round_robin:
        case sticky: return group.turn;
        case hash_client_id: return by(publication.fields().publisher);
        case hash_topic: return by(hash_of(publication.fields().topic, 0));
        case local:
        case random: return by(random_.next());
    }
    UNREACHABLE();
}

void Broker::Core::tell_group_size(const FilterName& name) {
    const auto* const group = router_.find_group(name);
    if (group == nullptr) return;  // the route is withdrawn as well
    const auto members = static_cast<std::uint32_t>(group->members().size());
    const bool has_durable = group->durable_count != 0;
    router_.set_group_size(options_.self, name.filter, name.share_name, members, has_durable);
    for_each_peer([&](ShardIndex peer) {
        peers_.send(peer, PeerGroupSize{std::string{name.filter}, std::string{name.share_name},
                                        members, has_durable});
    });
}

void Broker::Core::publish_to_group(Publication& publication, const FilterName& name,
                                    GroupSearch so_far, Forwarding forwarding) {
    const auto self = std::uint64_t{1} << options_.self.raw();
    auto* const group = router_.find_group(name);
    const auto has_member = [group](auto is_wanted) {
        return group != nullptr &&
               std::ranges::any_of(group->members(), [&](const Subscriber& member) {
                   return is_wanted(static_cast<const Client&>(*member.who).session);
               });
    };
    const bool has_ready = has_member([](const Session& one) { return one.is_ready(); });
    const bool has_busy = has_ready || has_member([](const Session& one) {
                              return one.is_connected() && one.has_room();
                          });
    auto shards = router_.shards_of_group(name);
    // What another node has sent here does not go back there.
    const auto other_nodes = std::uint64_t{1} << options_.shard_count;
    if (registry_ != nullptr && (so_far.tried & other_nodes) != 0) shards &= ~other_nodes;
    // A shard without a member that can take it at once passes it on, to each shard at most once.
    // When all have been asked, it goes to where somebody is connected and busy, if that is not
    // here; else somebody keeps it who is away.
    const auto others = has_ready ? 0 : shards & ~so_far.tried & ~self;
    const auto busy = has_busy ? 0 : so_far.busy & shards & ~self;
    if (others == 0 && busy == 0 && group != nullptr) {
        deliver_to_member(publication, name, *group);
        return;
    }
    // A shard that has lost its last member says so before it passes a message on, so this ends.
    const auto next = others != 0 ? others : busy != 0 ? busy : shards;
    if (next == 0) {
        counters_.add(Counter::dropped_no_member);  // the last member has left in the meantime
        return;
    }
    const ShardIndex to{static_cast<unsigned>(std::countr_zero(next))};
    PeerSharedPublication onward{publication.message(), std::string{name.text},
                                 so_far.tried | self};
    // Whoever it ends with after the round keeps it: what was seen busy may be so no more.
    if (others != 0) onward.busy = so_far.busy | (has_busy ? self : 0);
    forward(to, std::move(onward), publication, forwarding);
}

void Broker::Core::deliver_to_member(Publication& publication, const FilterName& name,
                                     SharedSubscription& group) {
    const auto session_of = [](const SubscriberBase& who) -> const Session& {
        return static_cast<const Client&>(who).session;
    };
    group.turn = turn_for(publication, group);
    // Rather one that gets it now than one that is busy; rather that one than one that is away;
    // rather any than one whose queue would lose another message for it.
    const auto* member = Router::next_member(group, [&](const SubscriberBase& who) {
        return session_of(who).is_ready() || options_.defects.has(Defect::share_picks_offline);
    });
    if (member == nullptr)
        member = Router::next_member(group, [&](const SubscriberBase& who) {
            return session_of(who).is_connected() && session_of(who).has_room();
        });
    if (member == nullptr)
        member = Router::next_member(
            group, [&](const SubscriberBase& who) { return session_of(who).has_room(); });
    if (member == nullptr)
        member = Router::next_member(group, [](const SubscriberBase&) { return true; });
    if (rules_->policy.shared_strategy == access::SharedStrategy::sticky) --group.turn;
    deliver(static_cast<Client&>(*member->who), publication,
            {.qos = member->qos,
             .retain = publication.fields().retain && member->retain_as_published,
             .identifier = member->identifier,
             .group = name.text,
             .is_of_lasting_group = ledger_ && router_.outlives_process(name)});
}

void Broker::Core::redistribute(std::vector<Delivery> deliveries) {
    for (auto& delivery : deliveries) {
        if (delivery.message->expires_at() <= context_.now) {
            // Nobody else is begun to be sent it [MQTT-3.3.2-5].
            counters_.add(Counter::dropped_expired);
            continue;
        }
        const auto group = std::move(delivery.extras->group);
        Publication publication{std::move(delivery.message)};
        publication.set_kept(delivery.extras->entry.message());
        counters_.add(Counter::messages_redistributed);
        publish_to_group(publication, *FilterName::parse(group, true), {},
                         ledger_ ? Forwarding::stored_first : Forwarding::at_once);
    }
}

}  // namespace touchstone
