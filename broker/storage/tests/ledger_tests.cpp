#include "broker/storage/ledger.hpp"

#include <gtest/gtest.h>

#include "broker/storage/tests/memory_storage.hpp"

namespace touchstone::storage {
namespace {

class ledger_over_memory : public testing::Test {
protected:
    static MessageRef message() { return Message::make({.topic = "t", .payload = as_bytes("x")}); }
    void complete(StorageOutcome outcome = StorageOutcome::stored) {
        ledger.on_outcome(storage.complete(outcome), outcome);
        ledger.end_turn();
    }

    MemoryStorage storage;
    Ledger ledger{storage, Duration{}};
};

TEST_F(ledger_over_memory, a_turn_that_wrote_nothing_ends_no_batch) {
    ledger.end_turn();
    EXPECT_FALSE(storage.under_way.has_value());
}

TEST_F(ledger_over_memory, what_is_written_during_a_commit_goes_with_the_next_one) {
    ledger.put(MarkRecord{1, 1});
    ledger.end_turn();
    EXPECT_EQ(storage.under_way, BatchNumber{1});
    ledger.put(MarkRecord{2, 1});
    ledger.end_turn();
    ledger.put(MarkRecord{3, 1});
    ledger.end_turn();
    EXPECT_EQ(storage.under_way, BatchNumber{1});
    complete();
    EXPECT_EQ(ledger.stored_batch(), BatchNumber{1});
    EXPECT_EQ(storage.keys('p'), "p/01");
    EXPECT_EQ(storage.under_way, BatchNumber{2});
    complete();
    EXPECT_EQ(storage.keys('p'), "p/01 p/02 p/03");
    EXPECT_FALSE(storage.under_way.has_value());
}

TEST_F(ledger_over_memory, a_batch_that_somebody_waits_for_is_ended_although_it_is_empty) {
    EXPECT_EQ(ledger.awaited_batch(), BatchNumber{1});
    ledger.end_turn();
    EXPECT_EQ(storage.under_way, BatchNumber{1});
}

TEST_F(ledger_over_memory, what_was_refused_is_stored_by_a_later_batch) {
    ledger.put(MarkRecord{1, 1});
    ledger.end_turn();
    complete(StorageOutcome::full);
    EXPECT_TRUE(ledger.is_refused());
    ledger.put(MarkRecord{2, 1});
    ledger.end_turn();
    EXPECT_FALSE(storage.under_way.has_value());  // not with every turn
    ledger.try_again();
    complete();
    EXPECT_FALSE(ledger.is_refused());
    EXPECT_EQ(ledger.stored_batch(), BatchNumber{2});
    EXPECT_EQ(storage.keys('p'), "p/01 p/02");
}

TEST_F(ledger_over_memory, the_last_number_is_stored_with_what_has_it) {
    const auto number = ledger.next_number();
    ledger.put(MarkRecord{1, number});
    ledger.end_turn();
    complete();
    const auto record = decode("n", storage.records.at("n"), Duration{});
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(std::get<CounterRecord>(*record).last, number);
}

TEST_F(ledger_over_memory, a_message_is_stored_until_its_last_share_is_gone) {
    auto share = ledger.keep(message());
    {
        const auto other = share;
        share = {};
        ledger.end_turn();
        complete();
        EXPECT_EQ(storage.keys('m'), "m/0000000000000001");
    }
    ledger.end_turn();
    complete();
    EXPECT_EQ(storage.keys('m'), "");
}

TEST_F(ledger_over_memory, a_delivery_is_stored_until_it_is_dropped) {
    {
        DeliveryEntry entry{ledger, 7, ledger.keep(message())};
        entry.write({.qos = QoS::at_least_once});
        ledger.end_turn();
        complete();
        EXPECT_EQ(storage.keys('d'), "d/0000000000000007/0000000000000002");
        // A release needs the message no more, and the place in the order stays.
        entry.write({.state = DeliveryRecord::State::in_flight, .packet_id = 1});
        entry.write({.state = DeliveryRecord::State::released, .packet_id = 1});
        ledger.end_turn();
        complete();
        EXPECT_EQ(storage.keys('m'), "");
        const auto key = storage.keys('d');
        const auto record = decode(key, storage.records.at(key), Duration{});
        ASSERT_TRUE(record.has_value());
        EXPECT_EQ(std::get<DeliveryRecord>(*record).started, Number{3});
    }
    ledger.end_turn();
    complete();
    EXPECT_EQ(storage.keys('d'), "");
}

TEST_F(ledger_over_memory, what_a_process_drops_at_its_end_stays_stored) {
    {
        DeliveryEntry entry{ledger, 7, ledger.keep(message())};
        entry.write({.qos = QoS::at_least_once});
        ledger.end_turn();
        complete();
        ledger.close();
    }
    EXPECT_TRUE(storage.open.empty());
    EXPECT_EQ(storage.keys('m'), "m/0000000000000001");
}

}  // namespace
}  // namespace touchstone::storage
