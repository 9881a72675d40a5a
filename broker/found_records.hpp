// FoundRecords: what has been read from storage, until all of it is there and can be put together.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "broker/client.hpp"
#include "broker/storage/records.hpp"

namespace touchstone {

struct FoundRecords {
    storage::Number last_number = 0;
    struct FoundMessage {
        MessageRef message;           // empty: it can be read when it is wanted
        std::size_t size_bytes = 0;
    };
    std::map<storage::Number, FoundMessage> messages;
    std::size_t message_bytes = 0;  // of those in memory
    /// Messages that only queues wait for, as far as is known: false for those that others want too.
    boost::unordered_flat_map<storage::Number, bool> is_only_queued;
    std::vector<storage::RetainedRecord> retained;
    std::vector<storage::SessionRecord> sessions;
    std::vector<storage::SubscriptionRecord> subscriptions;
    std::vector<storage::DeliveryRecord> deliveries;
    std::vector<storage::ReceivedRecord> received;
    std::vector<storage::ForwardRecord> forwards;
    std::map<storage::Number, Client*> clients;  // by the number of the session

    [[nodiscard]] Client* client_of(storage::Number session) const {
        const auto found = clients.find(session);
        return found == clients.end() ? nullptr : found->second;
    }
    [[nodiscard]] MessageRef message_of(storage::Number number) const {
        const auto found = messages.find(number);
        return found == messages.end() ? MessageRef{} : found->second.message;
    }
    /// The memory of a message that is there, and not in memory; 0: it is, or is not there.
    [[nodiscard]] std::size_t paged_bytes_of(storage::Number number) const {
        const auto found = messages.find(number);
        return found == messages.end() || found->second.message ? 0 : found->second.size_bytes;
    }
    void want(const storage::DeliveryRecord& delivery) {
        const bool is_queued = delivery.state == storage::DeliveryRecord::State::waiting &&
                               !delivery.snapshot && delivery.group.empty() &&
                               delivery.session != storage::no_session;
        want(delivery.message, is_queued);
    }
    void want(storage::Number message, bool is_queued) {
        const auto [known, is_new] = is_only_queued.emplace(message, is_queued);
        if (!is_new) known->second &= is_queued;
    }
    /// Keeps the message, or only its size when there is no room and it can be read later.
    void add(storage::MessageRecord found, std::size_t message_bytes_max) {
        count(found.number);
        FoundMessage one{std::move(found.message), 0};
        one.size_bytes = one.message->size_bytes();
        const auto known = is_only_queued.find(found.number);
        const bool is_paged = known != is_only_queued.end() && known->second &&
                              message_bytes + one.size_bytes > message_bytes_max;
        if (is_paged)
            one.message = {};
        else
            message_bytes += one.size_bytes;
        messages.emplace(found.number, std::move(one));
    }
    void count(storage::Number number) { last_number = std::max(last_number, number); }
};

}  // namespace touchstone
