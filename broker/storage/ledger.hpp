// Ledger: how a shard writes what has to outlive it. It numbers what is kept, gathers what is
// written into batches, one of which is on its way to the medium at a time (so all that happens
// while the medium syncs is synced together), and knows which stored messages are still needed.
//
// A record of a delivery or of a message goes with the object that stands for it, wherever that is
// dropped, so nobody can forget to erase one.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "broker/base/defects.hpp"
#include "broker/ports/storage.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::storage {

class Ledger;

/// A share in the record of a message, which stays as long as somebody has one. Empty by default.
class MessageShare {
public:
    MessageShare() = default;
    MessageShare(const MessageShare& other);
    MessageShare(MessageShare&& other) noexcept
        : ledger_{std::exchange(other.ledger_, nullptr)},
          number_{std::exchange(other.number_, 0)} {}
    MessageShare& operator=(MessageShare other) noexcept {
        std::swap(ledger_, other.ledger_);
        std::swap(number_, other.number_);
        return *this;
    }
    ~MessageShare();

    [[nodiscard]] explicit operator bool() const { return ledger_ != nullptr; }
    [[nodiscard]] Number number() const { return number_; }

private:
    friend class Ledger;
    MessageShare(Ledger& ledger, Number number) : ledger_{&ledger}, number_{number} {}

    Ledger* ledger_ = nullptr;
    Number number_ = 0;
};

/// The record of a delivery of a durable session, or of a shared message. Empty by default.
class DeliveryEntry {
public:
    DeliveryEntry() = default;
    /// There is no record before the first write().
    DeliveryEntry(Ledger& ledger, Number session, MessageShare message);
    /// Of a record that was found at recovery.
    DeliveryEntry(Ledger& ledger, const DeliveryRecord& found, MessageShare message);
    DeliveryEntry(DeliveryEntry&& other) noexcept { swap(other); }
    DeliveryEntry& operator=(DeliveryEntry other) noexcept {
        swap(other);
        return *this;
    }
    ~DeliveryEntry();

    [[nodiscard]] explicit operator bool() const { return ledger_ != nullptr; }
    [[nodiscard]] const MessageShare& message() const { return message_; }
    [[nodiscard]] bool is_written() const { return is_written_; }
    /// Writes `record`, whose session, sequence, start and message are filled in here.
    void write(DeliveryRecord record);

private:
    void swap(DeliveryEntry& other) noexcept {
        std::swap(ledger_, other.ledger_);
        std::swap(session_, other.session_);
        std::swap(sequence_, other.sequence_);
        std::swap(started_, other.started_);
        std::swap(message_, other.message_);
        std::swap(is_written_, other.is_written_);
    }

    Ledger* ledger_ = nullptr;
    Number session_ = 0;
    Number sequence_ = 0;
    Number started_ = 0;
    MessageShare message_;
    bool is_written_ = false;
};

class Ledger {
public:
    /// `storage` outlives the Ledger; all shares and entries end before it.
    Ledger(Storage& storage, Duration wall_offset, const Defects& defects = {})
        : storage_{storage},
          wall_offset_{wall_offset},
          defects_{defects} {}
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;
    /// The process ends: what is dropped from now on stays stored.
    void close() { is_closed_ = true; }

    // --- Writing --------------------------------------------------------------------------------

    void put(const Record& record);
    void erase(std::string_view key);
    /// The message's record is written, with the first share in it.
    MessageShare keep(const MessageRef& message);
    Number next_number() { return ++last_number_; }

    /// How often something was written: whoever sees the same twice knows that nothing was.
    [[nodiscard]] std::uint64_t write_count() const { return write_count_; }
    /// The batch that what is written now belongs to. It will be ended, written to or not.
    BatchNumber awaited_batch() {
        is_awaited_ = true;
        return open_batch_;
    }

    // --- Batches --------------------------------------------------------------------------------

    /// An input has been dealt with: ends the open batch if there is something in it or somebody
    /// waits for it, no other one is on its way, and the last one was not refused.
    void end_turn();
    /// The answer to Storage::commit. Errors: none; a number that was not asked for is our own
    /// mistake.
    void on_outcome(BatchNumber number, StorageOutcome outcome);
    /// All batches up to this one are stored.
    [[nodiscard]] BatchNumber stored_batch() const { return stored_batch_; }
    /// The last batch was not stored, and no later one was: nothing new should be promised.
    [[nodiscard]] bool is_refused() const { return is_refused_; }
    /// After a refusal: tries again.
    void try_again();

    // --- Reading --------------------------------------------------------------------------------

    /// The records of messages with a number up to this one are stored, as long as somebody has a
    /// share in them.
    [[nodiscard]] Number stored_number() const { return stored_number_; }
    /// Asks for the records of these messages, at least one, with numbers up to stored_number().
    ReadNumber read(const std::vector<Number>& messages);
    /// The message of a record that was read; empty: it is none, or another one's.
    [[nodiscard]] MessageRef message_of(Number number, Bytes record) const;

    // --- Recovery -------------------------------------------------------------------------------

    [[nodiscard]] Duration wall_offset() const { return wall_offset_; }
    /// No number up to `last` is given out.
    void skip_numbers(Number last) { last_number_ = std::max(last_number_, last); }
    /// All that was found is stored, up to that number.
    void set_stored(Number last) { stored_number_ = last; }
    /// A share in a message whose record is there.
    MessageShare share_of(Number message);

    // --- Defects (defects.hpp, ledger_defects.cpp) -----------------------------------------------

    /// A reference was written to a message whose record is gone.
    [[nodiscard]] bool has_dangled() const { return has_dangled_; }
    /// The batch that is being synced.
    [[nodiscard]] std::optional<BatchNumber> batch_under_way() const {
        if (!is_committing_) return std::nullopt;
        return open_batch_ - 1;
    }
    /// If nothing was added since the last batch: the open one counts as stored, and what is in it
    /// waits for the next. Returns its number when somebody awaits it.
    std::optional<BatchNumber> pass_over_batch();

private:
    friend class MessageShare;
    friend class DeliveryEntry;
    void refer(Number message);
    void release(Number message);
    void commit();
    void note_growth(const Record& record);
    /// The delivery that had a share in the message ends.
    void spoil_end(Number message);
    /// Whether the delivery is not to be stored.
    [[nodiscard]] bool spoil_delivery(const DeliveryRecord& record);

    Storage& storage_;
    Duration wall_offset_;
    Defects defects_;
    bool is_closed_ = false;
    Number last_number_ = 0;
    Number stored_last_number_ = 0;  // as the batches so far say
    Number committed_number_ = 0;    // the last one of the batch that was ended last
    Number stored_number_ = 0;
    ReadNumber last_read_ = 0;
    std::uint64_t write_count_ = 0;
    std::uint64_t committed_write_count_ = 0;
    BatchNumber open_batch_ = 1;
    BatchNumber stored_batch_ = 0;
    bool is_awaited_ = false;  // the open batch
    bool is_committing_ = false;
    bool is_refused_ = false;
    boost::unordered_flat_map<Number, std::uint32_t> references_;  // of messages
    // Of defects.
    bool has_grown_ = false;        // since the last batch
    std::set<Number> freed_early_;  // messages that others refer to
    bool has_dangled_ = false;
};

}  // namespace touchstone::storage
