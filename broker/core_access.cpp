#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {
namespace {

/// Clients whose comings and goings a zone watches at once.
constexpr std::size_t flapping_clients_max = 100'000;

}  // namespace

access::Client Broker::Core::as_asker(const Client& client) {
    access::Client who{.client_id = client.session.client_id(), .address = client.address};
    if (client.identity && client.identity->user_name) who.user_name = *client.identity->user_name;
    return who;
}

bool Broker::Core::is_allowed(Client& client, access::Action action, std::string_view topic) {
    const auto& policy = client.session.zone().policy;
    if (!policy.has_access_rules || !rules_->access_rules.may_deny(action, policy.without_match))
        return true;
    if (policy.access_cache) {
        auto& memory = client.made_identity().access_memory;
        if (!memory) memory.emplace(*policy.access_cache);
        if (const auto known = memory->recall(action, topic, context_.now)) return *known;
    }
    const auto ruling = rules_->access_rules.decide(as_asker(client), action, topic);
    const auto verdict =
        ruling.verdict == access::Verdict::no_match ? policy.without_match : ruling.verdict;
    const bool is_allowed =
        verdict == access::Verdict::allow || (options_.defects.has(Defect::client_id_pattern_acl) &&
                                              wire::has_wildcard(client.session.client_id()));
    if (policy.access_cache)
        client.identity->access_memory->remember(action, topic, is_allowed, context_.now);
    return is_allowed;
}

const access::Ban* Broker::Core::ban_of(const access::Client& who, const access::Zone& zone) {
    if (!zone.policy.has_bans) return nullptr;
    if (const auto* const ban = rules_->bans.find(who, context_.now)) return ban;
    return own_bans_.find(who, context_.now);
}

bool Broker::Core::note_change(std::string_view client_id, const access::Zone& zone) {
    const auto& policy = zone.policy;
    if (!policy.flapping) return false;
    auto found = flapping_.find(zone.name);
    if (found == flapping_.end())
        found = flapping_
                    .emplace(zone.name,
                             access::FlappingDetector{*policy.flapping, flapping_clients_max})
                    .first;
    if (!found->second.on_change(client_id, context_.now)) return false;
    const access::Ban ban{.until = context_.now + policy.flapping_ban, .reason = "flapping"};
    if (!own_bans_.ban_client_id(client_id, ban)) {
        own_bans_.expire(context_.now);
        // Full of bans that hold: this one client goes without.
        if (!own_bans_.ban_client_id(client_id, ban)) return false;
    }
    counters_.add(Counter::clients_banned);
    return policy.has_bans;
}

bool Broker::Core::is_paused(ConnectionId id, Client& client) {
    const auto& limit = client.session.zone().policy.publish_limit;
    if (!limit) return false;
    auto& identity = client.made_identity();
    if (identity.paused_until > context_.now) {
        counters_.add(Counter::publish_pauses);
        add_timer(identity.paused_until,
                  {Reminder::What::resume, id.raw(), connections_[id.raw()].generation});
        return true;
    }
    if (!identity.publish_bucket) identity.publish_bucket.emplace(*limit, context_.now);
    identity.paused_until = context_.now + identity.publish_bucket->take(1, context_.now);
    return false;
}

std::uint64_t Broker::Core::share_of(std::uint64_t node_limit) const {
    if (node_limit == access::NodeLimits::unlimited) return node_limit;
    return (node_limit + options_.shard_count - 1) / options_.shard_count;
}

void Broker::Core::evict() {
    while (context_.queues.size_bytes() > queued_bytes_max_) {
        const auto* const longest = context_.queues.longest();
        CHECK(longest != nullptr);
        slots_[longest->owner]->session.evict_oldest(context_);
    }
}

bool Broker::Core::is_event_wanted(std::string_view client_id, std::string_view what) {
    if (router_.subscription_count() == 0 && peer_count_ == 1) return false;
    // Published under both prefixes that clients know; see README of broker/asio.
    for (const std::string_view prefix : {"$SYS/brokers/", "$SYS/broker/"}) {
        event_topic_.assign(prefix);
        event_topic_.append(rules_->policy.node_name).append("/clients/");
        event_topic_.append(client_id).append("/").append(what);
        event_receivers_.clear();
        router_.match(event_topic_, nullptr, event_receivers_);
        if (!event_receivers_.list.empty()) return true;
        groups_.clear();
        router_.match_groups(event_topic_, groups_);
        if (!groups_.empty()) return true;
        event_groups_.clear();
        if (peer_count_ > 1 &&
            (router_.match_routes(event_topic_, event_groups_) != 0 || !event_groups_.empty()))
            return true;
    }
    return false;
}

std::optional<FilterName> Broker::Core::mounted(const access::Mountpoint* mountpoint,
                                                const FilterName& name) {
    if (mountpoint == nullptr || mountpoint->prefix().empty()) return name;
    auto text = mountpoint->mount_filter(name.text);
    if (!text) return std::nullopt;
    return FilterName::parse(mounted_.emplace_back(std::move(text.value())),
                             !name.share_name.empty());
}

void Broker::Core::auto_subscribe(Client& client) {
    const auto& wanted = rules_->policy.auto_subscribe;
    if (wanted.is_empty()) return;
    const auto outcome = wanted.for_client(as_asker(client), client.session.terms().version);
    for (const auto& [filter, options] : outcome.subscriptions) {
        mounted_.clear();
        const auto plain = FilterName::parse(filter, client.session.is_v5());
        const auto name = plain ? mounted(client.mountpoint(), *plain) : std::nullopt;
        if (!name || !has_room_for(client, *name)) continue;
        subscribe(client, *name, options, 0);
        if (options.retain_handling != 2 && name->share_name.empty())
            send_retained(client, *name, options, 0);
    }
}

}  // namespace touchstone
