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
      local_{options.hash_seed, options.dollar_matched},
      local_groups_{options.hash_seed, options.dollar_matched},
      remote_{options.hash_seed, options.dollar_matched} {
    CHECK(options.shard_count <= shard_count_max);
}

// --- Lists ---------------------------------------------------------------------------------------

Router::ListNumber Router::find_list(const FilterName& name) const {
    if (name.share_name.empty()) return local_.find(name.filter);
    const auto filter = local_groups_.find(name.filter);
    if (filter == 0) return 0;
    for (const auto number : local_groups_[filter])
        if (shared_[number & ~shared_bit]->text == name.text) return number;
    return 0;
}

Router::ListNumber Router::add_list(const FilterName& name) {
    if (const auto known = find_list(name); known != 0) return known;
    if (name.share_name.empty()) return local_.add(name.filter);

    auto place = static_cast<ListNumber>(shared_.size());
    if (free_shared_.empty()) {
        shared_.emplace_back();
    } else {
        place = free_shared_.back();
        free_shared_.pop_back();
    }
    shared_[place] = std::make_unique<SharedSubscription>(std::string{name.text});
    local_groups_[local_groups_.add(name.filter)].push_back(place | shared_bit);
    return place | shared_bit;
}

void Router::remove_list(ListNumber number, const FilterName& name) {
    if ((number & shared_bit) == 0) {
        local_.remove(number);
        return;
    }
    const auto filter = local_groups_.find(name.filter);
    auto& numbers = local_groups_[filter];
    std::erase(numbers, number);
    if (numbers.empty()) local_groups_.remove(filter);
    // Last, as `name` may be a view of this text.
    shared_[number & ~shared_bit].reset();
    free_shared_.push_back(number & ~shared_bit);
}

std::optional<std::uint32_t> Router::find_member(ListNumber number,
                                                 const SubscriberBase& who) const {
    const auto& list =
        (number & shared_bit) != 0 ? shared_[number & ~shared_bit]->list : local_[number];
    const auto members = list.members();
    if (who.subscriptions.size() < members.size()) {
        for (const auto& record : who.subscriptions)
            if (record.list == number) return record.position;
        return std::nullopt;
    }
    for (std::uint32_t position = 0; position < members.size(); ++position)
        if (members[position].who == &who) return position;
    return std::nullopt;
}

void Router::leave(ListNumber number, std::uint32_t position) {
    // The member's place and its session's record are taken by the last ones.
    auto& list = list_of(number);
    const auto member = list[position];
    auto& records = member.who->subscriptions;
    CHECK(records[member.record].list == number && records[member.record].position == position);

    const auto last = list.members().back();
    list[position] = last;
    last.who->subscriptions[last.record].position = position;
    list.pop();

    const auto moved = records.back();
    records[member.record] = moved;
    records.pop_back();
    if (member.record < records.size()) list_of(moved.list)[moved.position].record = member.record;
    // Far from full, so that coming and going does not move them each time.
    if (records.size() * 4 <= records.capacity() && records.capacity() > 16) {
        std::vector<SubscriptionRecord> fewer;
        fewer.reserve(records.size() * 2);
        fewer.assign(records.begin(), records.end());
        records = std::move(fewer);
    }
}

Router::Subscribed Router::subscribe(SubscriberBase& who, const FilterName& name,
                                     wire::SubscriptionOptions options, std::uint32_t identifier) {
    const auto number = add_list(name);
    auto& list = list_of(number);
    if (const auto known = find_member(number, who)) {
        list[*known].set(options, identifier);
        return Subscribed::replaced;
    }
    const auto record = static_cast<std::uint32_t>(who.subscriptions.size());
    who.subscriptions.push_back({number, static_cast<std::uint32_t>(list.members().size())});
    list.push({who, record, options, identifier});
    ++subscription_count_;
    return Subscribed::new_subscription;
}

bool Router::unsubscribe(SubscriberBase& who, const FilterName& name) {
    const auto number = find_list(name);
    if (number == 0) return false;
    const auto position = find_member(number, who);
    if (!position) return false;
    leave(number, *position);
    --subscription_count_;
    if (list_of(number).members().empty()) remove_list(number, name);
    return true;
}

bool Router::is_subscribed(const SubscriberBase& who, const FilterName& name) const {
    const auto number = find_list(name);
    return number != 0 && find_member(number, who).has_value();
}

std::string_view Router::text_of(SubscriptionRecord record) const {
    return is_shared(record) ? std::string_view{shared_[record.list & ~shared_bit]->text}
                             : local_.text(record.list);
}

Router::Granted Router::granted(SubscriptionRecord record) const {
    const auto& member = list_of(record.list).members()[record.position];
    return {.options = {.qos = member.qos,
                        .no_local = member.no_local,
                        .retain_as_published = member.retain_as_published},
            .identifier = member.identifier};
}

std::size_t Router::reserved_bytes() const {
    return local_.reserved_bytes() + local_groups_.reserved_bytes() + remote_.reserved_bytes();
}

// --- Matching ------------------------------------------------------------------------------------

void Router::merge_receiver(const Subscriber& subscriber, Receivers& receivers) const {
    auto& who = *subscriber.who;
    if (who.match_serial != match_serial_) {
        who.match_serial = match_serial_;
        who.match_position = static_cast<std::uint32_t>(receivers.list.size());
        receivers.list.push_back(
            {&who, subscriber.qos, subscriber.retain_as_published, false, subscriber.identifier});
        return;
    }
    auto& receiver = receivers.list[who.match_position];
    receiver.qos = std::max(receiver.qos, subscriber.qos);
    receiver.retain_as_published |= subscriber.retain_as_published;
    if (subscriber.identifier == 0) return;
    if (receiver.identifier == 0) {
        receiver.identifier = subscriber.identifier;
        return;
    }
    receiver.has_more_identifiers = true;
    receivers.more_identifiers.emplace_back(who.match_position, subscriber.identifier);
}

void Router::match(std::string_view topic, const SubscriberBase* publisher, Receivers& receivers) {
    receivers.clear();
    ++match_serial_;
    bool is_first = true;
    local_.match(topic, [&](const SubscriberList& list) {
        const auto members = list.members();
        if (receivers.list.empty()) {
            // A list names a session once: nothing to merge, and no session has to be touched.
            receivers.list.reserve(members.size());
            for (const auto& subscriber : members) {
                // No Local goes by Client Identifier, that is by session [MQTT-3.8.3-3].
                if (subscriber.no_local && subscriber.who == publisher) continue;
                receivers.list.push_back({subscriber.who, subscriber.qos,
                                          subscriber.retain_as_published, false,
                                          subscriber.identifier});
            }
            return;
        }
        if (is_first) {
            for (std::uint32_t position = 0; position < receivers.list.size(); ++position) {
                auto& who = *receivers.list[position].who;
                who.match_serial = match_serial_;
                who.match_position = position;
            }
            is_first = false;
        }
        for (const auto& subscriber : members) {
            if (subscriber.no_local && subscriber.who == publisher) continue;
            merge_receiver(subscriber, receivers);
        }
    });
}

void Router::match_groups(std::string_view topic, std::vector<SharedSubscription*>& groups) {
    local_groups_.match(topic, [&](const ListNumbers& numbers) {
        for (const auto number : numbers) groups.push_back(shared_[number & ~shared_bit].get());
    });
}

SharedSubscription* Router::find_group(const FilterName& name) {
    if (name.share_name.empty()) return nullptr;
    const auto number = find_list(name);
    return number == 0 ? nullptr : shared_[number & ~shared_bit].get();
}

// --- Other shards --------------------------------------------------------------------------------

ShardIndex GroupRoute::shard_of(std::uint64_t ticket) const {
    std::uint64_t all = 0;
    for (const auto count : members) all += count;
    CHECK(all != 0);
    auto rest = ticket % all;
    for (unsigned shard = 0;; ++shard) {
        if (rest < members[shard]) return ShardIndex{shard};
        rest -= members[shard];
    }
}

GroupRoute* Router::find_route(std::string_view filter, std::string_view share_name) {
    const auto known = remote_.find(filter);
    if (known == 0 || !remote_[known].groups) return nullptr;
    for (auto& group : *remote_[known].groups)
        if (group.share_name == share_name) return &group;
    return nullptr;
}

std::uint64_t Router::shards_of_group(const FilterName& name) {
    const auto* const group = find_route(name.filter, name.share_name);
    return group == nullptr ? 0 : group->shards & ~(std::uint64_t{1} << options_.self.raw());
}

void Router::set_group_size(ShardIndex shard, std::string_view filter, std::string_view share_name,
                            std::uint32_t members, bool has_durable) {
    auto* const group = find_route(filter, share_name);
    const auto bit = std::uint64_t{1} << shard.raw();
    if (group == nullptr || (group->shards & bit) == 0) return;
    group->members[shard.raw()] = members;
    group->durable = has_durable ? group->durable | bit : group->durable & ~bit;
}

bool Router::outlives_process(const FilterName& name) {
    const auto* const here = find_group(name);
    if (here != nullptr && here->durable_count != 0) return true;
    const auto* const route = find_route(name.filter, name.share_name);
    return route != nullptr && route->durable != 0;
}

void Router::add_route(ShardIndex shard, std::string_view filter, std::string_view share_name) {
    auto& remote = remote_[remote_.add(filter)];
    const auto bit = std::uint64_t{1} << shard.raw();
    if (share_name.empty()) {
        remote.shards |= bit;
        return;
    }
    if (!remote.groups) remote.groups = std::make_unique<std::vector<GroupRoute>>();
    auto* group = find_route(filter, share_name);
    if (group == nullptr) {
        group = &remote.groups->emplace_back();
        group->share_name = share_name;
        group->text = wire::shared_text(share_name, filter);
        group->members.resize(options_.shard_count, 0);
    }
    if ((group->shards & bit) == 0) group->members[shard.raw()] = 1;
    group->shards |= bit;
}

void Router::remove_route(ShardIndex shard, std::string_view filter, std::string_view share_name) {
    const auto known = remote_.find(filter);
    CHECK(known != 0);
    auto& remote = remote_[known];
    const auto bit = std::uint64_t{1} << shard.raw();
    if (share_name.empty()) {
        remote.shards &= ~bit;
    } else if (remote.groups) {
        if (auto* const group = find_route(filter, share_name)) {
            group->shards &= ~bit;
            group->durable &= ~bit;
            group->members[shard.raw()] = 0;
        }
        std::erase_if(*remote.groups, [](const auto& group) { return group.shards == 0; });
        if (remote.groups->empty()) remote.groups.reset();
    }
    if (remote.shards == 0 && !remote.groups) remote_.remove(known);
}

std::uint64_t Router::match_routes(std::string_view topic, std::vector<GroupRoute*>& groups) {
    std::uint64_t shards = 0;
    remote_.match(topic, [&](const Remote& remote) {
        shards |= remote.shards;
        if (!remote.groups) return;
        for (auto& group : *remote.groups) groups.push_back(&group);
    });
    return shards & ~(std::uint64_t{1} << options_.self.raw());
}

}  // namespace touchstone
