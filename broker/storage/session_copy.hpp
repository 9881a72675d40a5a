// SessionCopy: a session on its way from one node to another, as the records that it would be
// stored as. Their numbers mean something within the copy only.
#pragma once

#include <vector>

#include "broker/storage/records.hpp"

namespace touchstone::storage {

struct SessionCopy {
    SessionRecord session;
    std::vector<SubscriptionRecord> subscriptions;
    /// What is in flight in the order of its first transmission, then what waits. `message` is a
    /// place in `messages`, from 1; 0: released.
    std::vector<DeliveryRecord> deliveries;
    std::vector<MessageRef> messages;
    std::vector<ReceivedRecord> received;
};

}  // namespace touchstone::storage
