#include "broker/storage/ledger.hpp"

#include "broker/base/check.hpp"

namespace touchstone::storage {

// --- Shares and entries --------------------------------------------------------------------------

MessageShare::MessageShare(const MessageShare& other)
    : ledger_{other.ledger_},
      number_{other.number_} {
    if (ledger_ != nullptr) ledger_->refer(number_);
}

MessageShare::~MessageShare() {
    if (ledger_ != nullptr) ledger_->release(number_);
}

DeliveryEntry::DeliveryEntry(Ledger& ledger, Number session, MessageShare message)
    : ledger_{&ledger},
      session_{session},
      sequence_{ledger.next_number()},
      message_{std::move(message)} {}

DeliveryEntry::DeliveryEntry(Ledger& ledger, const DeliveryRecord& found, MessageShare message)
    : ledger_{&ledger},
      session_{found.session},
      sequence_{found.sequence},
      started_{found.started},
      message_{std::move(message)},
      is_written_{true} {}

DeliveryEntry::~DeliveryEntry() {
    if (ledger_ == nullptr) return;
    if (ledger_->defects_.any() && message_) ledger_->spoil_end(message_.number());
    if (is_written_) ledger_->erase(key_of_delivery(session_, sequence_));
}

void DeliveryEntry::write(DeliveryRecord record) {
    if (record.state != DeliveryRecord::State::waiting && started_ == 0)
        started_ = ledger_->next_number();
    const bool is_released = record.state == DeliveryRecord::State::released;
    record.session = session_;
    record.sequence = sequence_;
    record.started = started_;
    record.message = is_released ? 0 : message_.number();
    const bool is_spoilt = ledger_->defects_.any() && ledger_->spoil_delivery(record);
    if (!is_spoilt) ledger_->put(record);
    is_written_ |= !is_spoilt;
    // Behind the record that referred to it: who finds but a part of a batch finds no flow of a
    // message that is gone.
    if (is_released) message_ = {};
}

// --- Writing -------------------------------------------------------------------------------------

void Ledger::put(const Record& record) {
    if (is_closed_) return;
    ++write_count_;
    if (defects_.any()) note_growth(record);
    const auto key = key_of(record);
    storage_.put(key, encode(key, record, wall_offset_));
}

void Ledger::erase(std::string_view key) {
    if (is_closed_) return;
    ++write_count_;
    storage_.erase(key);
}

MessageShare Ledger::keep(const MessageRef& message) {
    const auto number = next_number();
    put(MessageRecord{number, message});
    references_.emplace(number, 1);
    return MessageShare{*this, number};
}

MessageShare Ledger::share_of(Number message) {
    ++references_[message];
    return MessageShare{*this, message};
}

void Ledger::refer(Number message) {
    const auto found = references_.find(message);
    CHECK(found != references_.end());
    ++found->second;
}

void Ledger::release(Number message) {
    const auto found = references_.find(message);
    CHECK(found != references_.end());
    if (--found->second != 0) return;
    references_.erase(found);
    erase(key_of_message(message));
}

// --- Batches -------------------------------------------------------------------------------------

void Ledger::end_turn() {
    if (is_committing_ || is_refused_) return;
    if (is_awaited_ || committed_write_count_ != write_count_) commit();
}

void Ledger::try_again() {
    if (is_refused_ && !is_committing_) commit();
}

void Ledger::commit() {
    if (stored_last_number_ != last_number_) {
        // In the same batch as what has the numbers, so that none is ever given out again.
        put(CounterRecord{last_number_});
        stored_last_number_ = last_number_;
    }
    committed_number_ = last_number_;
    committed_write_count_ = write_count_;
    has_grown_ = false;
    is_awaited_ = false;
    is_committing_ = true;
    storage_.commit(open_batch_++);
}

void Ledger::on_outcome(BatchNumber number, StorageOutcome outcome) {
    CHECK(is_committing_);
    CHECK(number + 1 == open_batch_);
    is_committing_ = false;
    is_refused_ = outcome != StorageOutcome::stored;
    if (is_refused_) return;
    stored_batch_ = number;
    stored_number_ = committed_number_;
}

// --- Reading -------------------------------------------------------------------------------------

ReadNumber Ledger::read(const std::vector<Number>& messages) {
    CHECK(!messages.empty());
    std::vector<std::string> keys;
    keys.reserve(messages.size());
    for (const auto number : messages) {
        CHECK(number <= stored_number_);
        keys.push_back(key_of_message(number));
    }
    storage_.read(++last_read_, std::move(keys));
    return last_read_;
}

MessageRef Ledger::message_of(Number number, Bytes record) const {
    auto decoded = decode(key_of_message(number), record, wall_offset_);
    auto* const found = decoded ? std::get_if<MessageRecord>(&*decoded) : nullptr;
    return found == nullptr ? MessageRef{} : std::move(found->message);
}

}  // namespace touchstone::storage
