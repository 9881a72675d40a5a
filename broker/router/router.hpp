// Router: who gets a message. The subscriptions of this shard's sessions, and which other shards
// have subscriptions that match. It knows sessions only as subscribers and sends nothing itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/strong.hpp"
#include "broker/router/filter_index.hpp"
#include "broker/router/subscriber_list.hpp"

namespace touchstone {

/// A Topic Filter and, for a Shared Subscription, its Share Name (§4.8.2); views of the client's
/// text.
struct FilterName {
    std::string_view text;        // as the client wrote it
    std::string_view share_name;  // empty: an ordinary subscription
    std::string_view filter;      // what topics are matched with

    /// Nothing when `text` is no valid Topic Filter. `shared`: `$share/…` has its meaning (v5).
    static std::optional<FilterName> parse(std::string_view text, bool shared);
};

/// One session that gets a message, once, whatever number of its subscriptions match (a choice that
/// v5 §3.3.4 leaves open).
struct Receiver {
    SubscriberBase* who = nullptr;
    QoS qos = QoS::at_most_once;  // the highest granted [MQTT-3.3.4-2]
    bool retain_as_published = false;
    bool has_more_identifiers = false;  // in Receivers::more_identifiers
    // Of the matching subscriptions [MQTT-3.3.4-3]: most have none or one.
    std::uint32_t identifier = 0;
};

/// The result of a match. Kept from one to the next, so that matching allocates nothing.
struct Receivers {
    std::vector<Receiver> list;
    /// (place in `list`, Subscription Identifier), for those with several.
    std::vector<std::pair<std::uint32_t, std::uint32_t>> more_identifiers;

    void clear() {
        list.clear();
        more_identifiers.clear();
    }
};

/// Which shards have members of a Shared Subscription, and whose turn it is.
struct GroupRoute {
    std::string share_name;
    std::string text;          // wire::shared_text()
    std::uint64_t shards = 0;  // bit n: shard n
    std::uint32_t turn = 0;
    std::vector<std::uint32_t> members;  // of each shard; those without one have 0
    std::uint64_t durable = 0;           // bit n: one of shard n outlives the process

    /// One of the shards, each as likely as its part of all members when `ticket` counts up or is
    /// random. There is one.
    [[nodiscard]] ShardIndex shard_of(std::uint64_t ticket) const;
};

class Router {
public:
    struct Options {
        ShardIndex self;
        unsigned shard_count = 1;  // at most shard_count_max
        std::uint64_t hash_seed = 0;
        bool dollar_matched = false;  // a defect switch (defects.hpp)
    };
    static constexpr unsigned shard_count_max = 64;  // bits of a word

    explicit Router(const Options& options);

    // Subscriptions of this shard's sessions.

    enum class Subscribed : std::uint8_t { new_subscription, replaced };
    /// Adds or replaces a subscription [MQTT-3.8.4-3].
    Subscribed subscribe(SubscriberBase& who, const FilterName& name,
                         wire::SubscriptionOptions options, std::uint32_t identifier);
    /// False when there was none.
    bool unsubscribe(SubscriberBase& who, const FilterName& name);
    /// Whether any session of this shard has this very subscription.
    [[nodiscard]] bool has(const FilterName& name) const { return find_list(name) != 0; }
    [[nodiscard]] bool is_subscribed(const SubscriberBase& who, const FilterName& name) const;
    [[nodiscard]] std::size_t subscription_count() const { return subscription_count_; }

    /// What a record of a session stands for: the subscription's text as the client wrote it, valid
    /// until the last session has left it, and whether `$share/…` in it has its meaning.
    [[nodiscard]] std::string_view text_of(SubscriptionRecord record) const;
    /// What was granted for it.
    struct Granted {
        wire::SubscriptionOptions options;
        std::uint32_t identifier = 0;
    };
    [[nodiscard]] Granted granted(SubscriptionRecord record) const;
    [[nodiscard]] static bool is_shared(SubscriptionRecord record) {
        return (record.list & shared_bit) != 0;
    }

    /// Fills `receivers` with the sessions whose ordinary subscriptions match `topic`.
    /// `publisher`: the subscriber that published it, or null; for No Local [MQTT-3.8.3-3].
    void match(std::string_view topic, const SubscriberBase* publisher, Receivers& receivers);

    // Other shards.

    void add_route(ShardIndex shard, std::string_view filter, std::string_view share_name);
    void remove_route(ShardIndex shard, std::string_view filter, std::string_view share_name);
    /// Ignored when the shard has no route.
    void set_group_size(ShardIndex shard, std::string_view filter, std::string_view share_name,
                        std::uint32_t members, bool has_durable);
    /// The other shards with ordinary subscriptions that match, as bits; appends the Shared
    /// Subscriptions that match, wherever their members are, to `groups`.
    std::uint64_t match_routes(std::string_view topic, std::vector<GroupRoute*>& groups);

    /// The Shared Subscriptions of this shard's sessions that match, for a node of one shard.
    void match_groups(std::string_view topic, std::vector<SharedSubscription*>& groups);

    /// The member of a Shared Subscription whose turn it is, the first from there on for which
    /// `is_wanted(SubscriberBase&)`. Null when there is none; the turn then stays.
    template <class IsWanted>
    static const Subscriber* next_member(SharedSubscription& group, IsWanted is_wanted) {
        const auto members = group.members();
        const auto count = static_cast<std::uint32_t>(members.size());
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto at = (group.turn + i) % count;
            if (!is_wanted(*members[at].who)) continue;
            group.turn = at + 1;
            return &members[at];
        }
        return nullptr;
    }
    /// The other shards that have members of that Shared Subscription, as bits.
    [[nodiscard]] std::uint64_t shards_of_group(const FilterName& name);
    /// Whether the Shared Subscription has a member, here or elsewhere, that outlives the process.
    [[nodiscard]] bool outlives_process(const FilterName& name);
    /// Null when this shard has no member of it, or `name` is no Shared Subscription.
    [[nodiscard]] SharedSubscription* find_group(const FilterName& name);

    /// Memory taken by filters and lists; the records of the sessions are theirs.
    [[nodiscard]] std::size_t reserved_bytes() const;

private:
    [[nodiscard]] GroupRoute* find_route(std::string_view filter, std::string_view share_name);

    /// A list: a filter in local_, or with shared_bit a place in shared_. 0: none.
    using ListNumber = std::uint32_t;
    static constexpr ListNumber shared_bit = 1U << 31U;

    using ListNumbers = std::vector<ListNumber>;
    struct Remote {
        std::uint64_t shards = 0;
        std::unique_ptr<std::vector<GroupRoute>> groups;  // null: none, as for most filters
    };

    [[nodiscard]] SubscriberList& list_of(ListNumber number) {
        return (number & shared_bit) != 0 ? shared_[number & ~shared_bit]->list : local_[number];
    }
    [[nodiscard]] const SubscriberList& list_of(ListNumber number) const {
        return (number & shared_bit) != 0 ? shared_[number & ~shared_bit]->list : local_[number];
    }
    [[nodiscard]] ListNumber find_list(const FilterName& name) const;
    ListNumber add_list(const FilterName& name);
    void remove_list(ListNumber number, const FilterName& name);
    /// The place of `who` in the list; nothing when it is not there.
    [[nodiscard]] std::optional<std::uint32_t> find_member(ListNumber number,
                                                           const SubscriberBase& who) const;
    void leave(ListNumber number, std::uint32_t position);
    void merge_receiver(const Subscriber& subscriber, Receivers& receivers) const;

    Options options_;
    FilterIndex<SubscriberList> local_;
    FilterIndex<ListNumbers> local_groups_;
    FilterIndex<Remote> remote_;
    std::vector<std::unique_ptr<SharedSubscription>> shared_;
    std::vector<ListNumber> free_shared_;
    std::size_t subscription_count_ = 0;
    std::uint64_t match_serial_ = 0;
};

}  // namespace touchstone
