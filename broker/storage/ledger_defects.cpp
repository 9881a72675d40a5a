// What a Ledger does wrong when a defect switch asks for it. Nothing here is used without one.

#include <utility>
#include <variant>

#include "broker/base/check.hpp"
#include "broker/storage/ledger.hpp"

namespace touchstone::storage {

void Ledger::note_growth(const Record& record) {
    has_grown_ |= std::holds_alternative<MessageRecord>(record) ||
                  std::holds_alternative<RetainedRecord>(record) ||
                  std::holds_alternative<SessionRecord>(record) ||
                  std::holds_alternative<SubscriptionRecord>(record);
}

std::optional<BatchNumber> Ledger::pass_over_batch() {
    if (has_grown_ || is_committing_ || is_refused_) return std::nullopt;
    committed_write_count_ = write_count_;
    if (!std::exchange(is_awaited_, false)) return std::nullopt;
    stored_batch_ = open_batch_++;
    return stored_batch_;
}

void Ledger::spoil_end(Number message) {
    if (is_closed_ || !defects_.has(Defect::snapshot_dangling_ref)) return;
    const auto found = references_.find(message);
    CHECK(found != references_.end());
    const bool is_last = found->second == 1;
    if (is_last) {
        freed_early_.erase(message);
    } else if (freed_early_.insert(message).second) {
        erase(key_of_message(message));
    }
}

bool Ledger::spoil_delivery(const DeliveryRecord& record) {
    has_dangled_ |= freed_early_.contains(record.message);
    if (!defects_.has(Defect::snapshot_without_inflight) ||
        record.state == DeliveryRecord::State::waiting) {
        return false;
    }
    // It was taken out of what is stored, the queue, when it was sent.
    erase(key_of_delivery(record.session, record.sequence));
    return true;
}

}  // namespace touchstone::storage
