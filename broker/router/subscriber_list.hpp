// SubscriberList: the sessions subscribed to one Topic Filter, or to one Shared Subscription of it.
// Most lists have one member, which then is in the list itself: a subscription of its own filter
// takes no memory beyond the two ends, here and in its session.
#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/check.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone {

/// What a session remembers of each of its subscriptions. Sessions and lists know each other's
/// places, so joining and leaving cost the same for ten subscribers and for a million.
struct SubscriptionRecord {
    std::uint32_t list = 0;      // names it in the router
    std::uint32_t position = 0;  // in the list
};

/// Whoever can subscribe: a session. Held by pointer in the lists; leaves all of them before it
/// goes.
struct SubscriberBase {
    std::vector<SubscriptionRecord> subscriptions;
    // For one pass of matching (router.cpp): where this subscriber stands in the list of receivers.
    std::uint64_t match_serial = 0;
    std::uint32_t match_position = 0;
};

/// A member of a list. What Retain Handling says is over when it becomes one.
struct Subscriber {
    Subscriber() = default;
    Subscriber(SubscriberBase& subscriber, std::uint32_t record_position,
               wire::SubscriptionOptions options, std::uint32_t subscription_identifier)
        : who{&subscriber},
          record{record_position} {
        set(options, subscription_identifier);
    }
    void set(wire::SubscriptionOptions options, std::uint32_t subscription_identifier) {
        identifier = subscription_identifier & 0xFFF'FFFFU;
        qos = options.qos;
        no_local = options.no_local;
        retain_as_published = options.retain_as_published;
    }

    SubscriberBase* who = nullptr;
    std::uint32_t record = 0;           // place in who->subscriptions
    std::uint32_t identifier : 28 = 0;  // Subscription Identifier; 0: none (§3.8.2.1.2)
    QoS qos : 2 = QoS::at_most_once;
    bool no_local : 1 = false;
    bool retain_as_published : 1 = false;
};
static_assert(sizeof(Subscriber) == 16);

class SubscriberList {
public:
    SubscriberList() = default;
    SubscriberList(const SubscriberList&) = delete;
    SubscriberList& operator=(const SubscriberList&) = delete;
    ~SubscriberList() {
        if (is_block()) ::operator delete(block());
    }

    [[nodiscard]] std::span<const Subscriber> members() const {
        if (is_block()) return {block()->members(), block()->count};
        return {&only_, only_.who == nullptr ? 0U : 1U};
    }
    [[nodiscard]] Subscriber& operator[](std::uint32_t position) {
        return is_block() ? block()->members()[position] : only_;
    }

    /// Appends `member`.
    void push(const Subscriber& member) {
        if (only_.who == nullptr) {
            only_ = member;
            return;
        }
        const auto count = static_cast<std::uint32_t>(members().size());
        if (!is_block())
            resize(2);
        else if (count == block()->capacity)
            resize(count + (count + 1) / 2);
        block()->members()[count] = member;
        block()->count = count + 1;
    }

    /// Takes the last one out.
    void pop() {
        if (!is_block()) {
            CHECK(only_.who != nullptr);
            only_ = {};
            return;
        }
        const auto count = --block()->count;
        if (count == 1) {
            const auto last = block()->members()[0];
            ::operator delete(block());
            only_ = last;
        } else if (count * 3 < block()->capacity) {
            resize(count + count / 2);
        }
    }

    /// Memory beyond the list itself.
    [[nodiscard]] std::size_t reserved_bytes() const {
        return is_block() ? Block::bytes_of(block()->capacity) : 0;
    }

private:
    struct alignas(Subscriber) Block {
        std::uint32_t count;
        std::uint32_t capacity;
        [[nodiscard]] Subscriber* members() { return reinterpret_cast<Subscriber*>(this + 1); }
        static std::size_t bytes_of(std::uint32_t capacity) {
            return sizeof(Block) + capacity * sizeof(Subscriber);
        }
    };

    // Two members or more are in a block, whose address is where the one would have its pointer,
    // with the lowest bit set: no session has an odd address.
    [[nodiscard]] bool is_block() const {
        return (reinterpret_cast<std::uintptr_t>(only_.who) & 1U) != 0;
    }
    [[nodiscard]] Block* block() const {
        return reinterpret_cast<Block*>(reinterpret_cast<std::uintptr_t>(only_.who) - 1);
    }

    void resize(std::uint32_t capacity) {
        auto* const made = new (::operator new(Block::bytes_of(capacity))) Block{0, capacity};
        const auto from = members();
        std::copy(from.begin(), from.end(), made->members());
        made->count = static_cast<std::uint32_t>(from.size());
        if (is_block()) ::operator delete(block());
        only_ = {};
        only_.who = reinterpret_cast<SubscriberBase*>(reinterpret_cast<std::uintptr_t>(made) + 1);
    }

    Subscriber only_;
};

/// A Shared Subscription (§4.8.2): its members take turns.
struct SharedSubscription {
    explicit SharedSubscription(std::string as_written) : text{std::move(as_written)} {}

    [[nodiscard]] std::span<const Subscriber> members() const { return list.members(); }

    std::string text;  // wire::shared_text()
    SubscriberList list;
    std::uint32_t turn = 0;  // whose it is next
    std::uint32_t durable_count = 0;  // members whose session outlives the process; the owner counts
};

}  // namespace touchstone
