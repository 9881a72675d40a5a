// SubscriberList: the sessions subscribed to one Topic Filter, or to one Shared Subscription of it.
// Sessions and lists know each other's places, so joining and leaving cost the same for ten
// subscribers and for a million.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/base/check.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone {

class SubscriberList;

/// What a session remembers of each of its subscriptions.
struct SubscriptionRecord {
    SubscriberList* list = nullptr;
    std::uint32_t position = 0;  // in the list
};

/// Whoever can subscribe: a session. Held by pointer in the lists; leaves all of them before it goes.
struct SubscriberBase {
    std::vector<SubscriptionRecord> subscriptions;
    // For one pass of matching (router.cpp): where this subscriber stands in the list of receivers.
    std::uint64_t match_serial = 0;
    std::uint32_t match_position = 0;
};

struct Subscriber {
    SubscriberBase* who = nullptr;
    std::uint32_t record = 0;          // place in who->subscriptions
    std::uint32_t identifier = 0;      // Subscription Identifier; 0: none (§3.8.2.1.2)
    wire::SubscriptionOptions options;
};

class SubscriberList {
public:
    /// The subscription's text as the client wrote it, `$share/…` included.
    explicit SubscriberList(std::string text) : text_{std::move(text)} {}

    /// The place of `who`; null when it is not subscribed.
    [[nodiscard]] Subscriber* find(SubscriberBase& who) {
        if (who.subscriptions.size() < members_.size()) {
            for (const auto& record : who.subscriptions)
                if (record.list == this) return &members_[record.position];
            return nullptr;
        }
        for (auto& member : members_)
            if (member.who == &who) return &member;
        return nullptr;
    }

    /// `who` is not subscribed yet.
    void join(SubscriberBase& who, wire::SubscriptionOptions options, std::uint32_t identifier) {
        const auto record = static_cast<std::uint32_t>(who.subscriptions.size());
        who.subscriptions.push_back({this, static_cast<std::uint32_t>(members_.size())});
        members_.push_back({&who, record, identifier, options});
    }

    /// `member` is one of members(). Its place and its session's record are taken by the last ones.
    void leave(const Subscriber& member) {
        auto& who = *member.who;
        const auto record = member.record;
        const auto position = who.subscriptions[record].position;
        CHECK(who.subscriptions[record].list == this);

        members_[position] = members_.back();
        members_.pop_back();
        if (position < members_.size()) {
            const auto& moved = members_[position];
            moved.who->subscriptions[moved.record].position = position;
        }
        who.subscriptions[record] = who.subscriptions.back();
        who.subscriptions.pop_back();
        if (record < who.subscriptions.size()) {
            const auto& moved = who.subscriptions[record];
            moved.list->members_[moved.position].record = record;
        }
    }

    [[nodiscard]] const std::vector<Subscriber>& members() const { return members_; }
    [[nodiscard]] const std::string& text() const { return text_; }

    std::uint32_t turn = 0;  // of a Shared Subscription: whose turn it is next

private:
    std::string text_;
    std::vector<Subscriber> members_;
};

}  // namespace touchstone
