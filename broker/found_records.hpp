// FoundRecords: what has been read from storage, until all of it is there and can be put together.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "broker/client.hpp"
#include "broker/storage/records.hpp"

namespace touchstone {

struct FoundRecords {
    storage::Number last_number = 0;
    std::map<storage::Number, MessageRef> messages;
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
        return found == messages.end() ? MessageRef{} : found->second;
    }
    void count(storage::Number number) { last_number = std::max(last_number, number); }
};

}  // namespace touchstone
