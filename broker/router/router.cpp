#include "broker/router/router.hpp"

#include <algorithm>

namespace touchstone {

std::optional<FilterName> FilterName::parse(std::string_view text, bool shared) {
    if (shared && wire::is_shared(text)) {
        const auto parts = wire::split_shared(text);
        if (!parts) return std::nullopt;
        return FilterName{text, parts->share_name, parts->filter};
    }
    if (!wire::is_topic_filter(text)) return std::nullopt;
    return FilterName{text, {}, text};
}

Router::Router(const Options& options)
    : options_{options},
      local_{options.hash_seed, options.dollar_rule_ignored},
      remote_{options.hash_seed, options.dollar_rule_ignored} {
    CHECK(options.shard_count <= shard_count_max);
}

SubscriberList* Router::list_of(Local& local, const FilterName& name) {
    if (name.share_name.empty()) return local.direct.get();
    for (const auto& group : local.groups)
        if (group->text() == name.text) return group.get();
    return nullptr;
}

Router::Subscribed Router::subscribe(SubscriberBase& who, const FilterName& name,
                                     wire::SubscriptionOptions options, std::uint32_t identifier) {
    auto& local = local_.add(name.filter);
    auto* list = list_of(local, name);
    if (list == nullptr) {
        auto made = std::make_unique<SubscriberList>(std::string{name.text});
        list = made.get();
        if (name.share_name.empty())
            local.direct = std::move(made);
        else
            local.groups.push_back(std::move(made));
    }
    if (auto* known = list->find(who)) {
        known->options = options;
        known->identifier = identifier;
        return Subscribed::replaced;
    }
    list->join(who, options, identifier);
    ++subscription_count_;
    return Subscribed::new_subscription;
}

bool Router::unsubscribe(SubscriberBase& who, const FilterName& name) {
    auto* const local = local_.find(name.filter);
    if (local == nullptr) return false;
    auto* const list = list_of(*local, name);
    if (list == nullptr) return false;
    const auto* const member = list->find(who);
    if (member == nullptr) return false;
    list->leave(*member);
    --subscription_count_;
    if (!list->members().empty()) return true;

    // `name` may be a view of the list's own text: find the filter before the text goes.
    const bool shared = !name.share_name.empty();
    if (shared ? !local->direct && local->groups.size() == 1 : local->groups.empty()) {
        local_.remove(name.filter);
        return true;
    }
    if (!shared) {
        local->direct.reset();
        return true;
    }
    std::erase_if(local->groups, [list](const auto& group) { return group.get() == list; });
    return true;
}

bool Router::has(const FilterName& name) {
    auto* const local = local_.find(name.filter);
    return local != nullptr && list_of(*local, name) != nullptr;
}

void Router::add_receiver(const Subscriber& subscriber, Receivers& receivers) {
    auto& who = *subscriber.who;
    if (who.match_serial != match_serial_) {
        who.match_serial = match_serial_;
        who.match_position = static_cast<std::uint32_t>(receivers.list.size());
        receivers.list.push_back({&who, subscriber.options.qos,
                                  subscriber.options.retain_as_published, false,
                                  subscriber.identifier});
        return;
    }
    auto& receiver = receivers.list[who.match_position];
    receiver.qos = std::max(receiver.qos, subscriber.options.qos);
    receiver.retain_as_published |= subscriber.options.retain_as_published;
    if (subscriber.identifier == 0) return;
    if (receiver.identifier == 0) {
        receiver.identifier = subscriber.identifier;
        return;
    }
    receiver.has_more_identifiers = true;
    receivers.more_identifiers.emplace_back(who.match_position, subscriber.identifier);
}

void Router::match(std::string_view topic, const SubscriberBase* publisher,
                   Receivers& receivers) {
    ++match_serial_;
    local_.match(topic, [&](Local& local) {
        if (!local.direct) return;
        for (const auto& subscriber : local.direct->members()) {
            // No Local goes by Client Identifier, that is by session [MQTT-3.8.3-3].
            if (subscriber.options.no_local && subscriber.who == publisher) continue;
            add_receiver(subscriber, receivers);
        }
    });
}

void Router::match_groups(std::string_view topic, std::vector<SubscriberList*>& groups) {
    local_.match(topic, [&](Local& local) {
        for (const auto& group : local.groups) groups.push_back(group.get());
    });
}

SubscriberList* Router::find_group(const FilterName& name) {
    auto* const local = local_.find(name.filter);
    return local == nullptr ? nullptr : list_of(*local, name);
}

std::uint64_t Router::shards_of_group(const FilterName& name) {
    const auto* const remote = remote_.find(name.filter);
    if (remote == nullptr) return 0;
    for (const auto& group : remote->groups)
        if (group.share_name == name.share_name)
            return group.shards & ~(std::uint64_t{1} << options_.self.raw());
    return 0;
}

void Router::add_route(ShardIndex shard, std::string_view filter, std::string_view share_name) {
    auto& remote = remote_.add(filter);
    const auto bit = std::uint64_t{1} << shard.raw();
    if (share_name.empty()) {
        remote.shards |= bit;
        return;
    }
    for (auto& group : remote.groups) {
        if (group.share_name != share_name) continue;
        group.shards |= bit;
        return;
    }
    remote.groups.push_back({std::string{share_name},
                             "$share/" + std::string{share_name} + "/" + std::string{filter}, bit,
                             0});
}

void Router::remove_route(ShardIndex shard, std::string_view filter, std::string_view share_name) {
    auto* const remote = remote_.find(filter);
    CHECK(remote != nullptr);
    const auto bit = std::uint64_t{1} << shard.raw();
    if (share_name.empty()) {
        remote->shards &= ~bit;
    } else {
        for (auto& group : remote->groups)
            if (group.share_name == share_name) group.shards &= ~bit;
        std::erase_if(remote->groups, [](const auto& group) { return group.shards == 0; });
    }
    if (remote->shards == 0 && remote->groups.empty()) remote_.remove(filter);
}

std::uint64_t Router::match_routes(std::string_view topic, std::vector<GroupRoute*>& groups) {
    std::uint64_t shards = 0;
    remote_.match(topic, [&](Remote& remote) {
        shards |= remote.shards;
        for (auto& group : remote.groups) groups.push_back(&group);
    });
    return shards & ~(std::uint64_t{1} << options_.self.raw());
}

}  // namespace touchstone
