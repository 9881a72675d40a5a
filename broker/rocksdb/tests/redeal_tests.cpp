// Records that are dealt out to another number of shards: nothing is lost, and what belongs
// together stays together.
#include "broker/rocksdb/redeal.hpp"

#include <gtest/gtest.h>

#include <rocksdb/db.h>

#include <set>

#include "broker/broker.hpp"
#include "broker/rocksdb/tests/store_rig.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::rocksdb_driver {
namespace {

using storage::DeliveryRecord;
using storage::Number;

constexpr Duration wall_offset = std::chrono::hours{1'000};

class CountingRandom final : public Random {
public:
    std::uint64_t next() override { return ++last_; }

private:
    std::uint64_t last_ = 0;
};

/// A database of some shards whose records a test has written.
class redeal_of_records : public testing::Test {
protected:
    void begin(unsigned shard_count) {
        directory_.emplace(test_directory_.data());
        directory_->set_layout({.shard_count = shard_count});
        database_.emplace(*directory_);
        store_.emplace(*database_,
                       Store::Options{.shard_count = shard_count, .on_outcome = [](auto...) {}});
    }
    void put(unsigned shard, const storage::Record& record) {
        const auto key = storage::key_of(record);
        store_->port(shard).put(key, storage::encode(key, record, wall_offset));
    }
    /// A durable session without a connection, at the shard that owns it.
    void put_session(unsigned shard, const std::string& client_id, Number number) {
        put(shard, storage::SessionRecord{.client_id = client_id,
                                          .number = number,
                                          .is_durable = true,
                                          .session_expiry_s = 0xFFFF'FFFF});
    }
    void deal_to(unsigned shard_count) {
        if (store_) {
            for (unsigned shard = 0; shard < directory_->layout().shard_count; ++shard)
                store_->port(shard).commit(1);
            store_.reset();
        }
        CountingRandom random;
        redeal(*database_, {.shard_count = shard_count,
                            .rules = access::open_rules({}),
                            .random = random,
                            .now = Instant{std::chrono::seconds{1}},
                            .wall_offset = wall_offset});
    }
    template <class Record>
    std::vector<Record> all(unsigned shard) {
        std::vector<Record> found;
        database_->read(directory_->layout().generation, shard,
                        [&](std::string_view key, Bytes value) {
                            const auto record = storage::decode(key, value, wall_offset);
                            ASSERT_TRUE(record.has_value()) << key;
                            if (const auto* const one = std::get_if<Record>(&*record))
                                found.push_back(*one);
                        });
        return found;
    }
    [[nodiscard]] unsigned shard_count() const { return directory_->layout().shard_count; }
    /// Topics of what a client is owed, in the order in which it gets them.
    std::vector<std::string> owed_to(const std::string& client_id) {
        const auto shard = owner_of(client_id, shard_count()).raw();
        Number session = 0;
        for (const auto& one : all<storage::SessionRecord>(shard))
            if (one.client_id == client_id) session = one.number;
        EXPECT_NE(session, 0U) << client_id;
        std::vector<std::string> topics;
        for (const auto& delivery : all<DeliveryRecord>(shard)) {
            if (delivery.session != session) continue;
            for (const auto& message : all<storage::MessageRecord>(shard))
                if (message.number == delivery.message)
                    topics.emplace_back(message.message->topic());
        }
        return topics;
    }
    /// A Client Identifier that shard owns.
    static std::string owned_by(unsigned shard, unsigned shard_count, std::string name = "c") {
        while (owner_of(name, shard_count).raw() != shard) name += 'x';
        return name;
    }
    static MessageRef message(std::string_view topic, bool retain = false) {
        return Message::make({.topic = topic,
                              .payload = as_bytes("payload"),
                              .qos = QoS::at_least_once,
                              .retain = retain});
    }

    const TestDirectory test_directory_;
    std::optional<DataDirectory> directory_;
    std::optional<Database> database_;
    std::optional<Store> store_;
};

TEST_F(redeal_of_records, keeps_sessions_with_their_subscriptions_and_messages_in_order) {
    begin(2);
    std::vector<std::string> clients;
    for (unsigned shard = 0; shard < 2; ++shard) {
        // The same numbers in both shards.
        put(shard, storage::MessageRecord{.number = 20, .message = message("first")});
        put(shard, storage::MessageRecord{.number = 21, .message = message("second")});
        for (Number number = 1; number <= 8; ++number) {
            const auto client_id = owned_by(shard, 2, "client-" + std::to_string(number));
            clients.push_back(client_id);
            put_session(shard, client_id, number);
            put(shard, storage::SubscriptionRecord{.session = number,
                                                   .text = "a/+",
                                                   .options = {.qos = QoS::at_least_once}});
            put(shard, DeliveryRecord{.session = number, .sequence = 30 + number, .message = 20});
            put(shard, DeliveryRecord{.session = number, .sequence = 50 + number, .message = 21});
            put(shard, storage::ReceivedRecord{.session = number, .packet_id = 7});
        }
    }
    for (const unsigned shards : {3U, 1U, 5U, 2U}) {
        deal_to(shards);
        EXPECT_EQ(shard_count(), shards);
        std::size_t sessions = 0;
        std::size_t subscriptions = 0;
        std::size_t received = 0;
        for (unsigned shard = 0; shard < shards; ++shard) {
            sessions += all<storage::SessionRecord>(shard).size();
            subscriptions += all<storage::SubscriptionRecord>(shard).size();
            received += all<storage::ReceivedRecord>(shard).size();
        }
        EXPECT_EQ(sessions, 16U);
        EXPECT_EQ(subscriptions, 16U);
        EXPECT_EQ(received, 16U);
        for (const auto& client_id : clients)
            EXPECT_EQ(owed_to(client_id), (std::vector<std::string>{"first", "second"}));
    }
}

TEST_F(redeal_of_records, gives_a_retained_message_to_the_shard_that_owns_its_topic) {
    begin(1);
    for (int i = 0; i < 10; ++i)
        put(0, storage::RetainedRecord{{.at_us = 5}, message("topic/" + std::to_string(i), true)});
    deal_to(4);
    std::size_t count = 0;
    for (unsigned shard = 0; shard < 4; ++shard) {
        for (const auto& one : all<storage::RetainedRecord>(shard)) {
            EXPECT_EQ(owner_of(one.message->topic(), 4).raw(), shard);
            ++count;
        }
    }
    EXPECT_EQ(count, 10U);
}

TEST_F(redeal_of_records, hands_over_what_was_on_its_way_between_shards_once) {
    for (const bool was_taken : {false, true}) {
        store_.reset();
        database_.reset();
        directory_.reset();
        std::filesystem::remove_all(test_directory_.data());
        begin(2);
        const auto client_id = owned_by(1, 2);
        put_session(1, client_id, 1);
        put(1, storage::SubscriptionRecord{
                   .session = 1, .text = "a", .options = {.qos = QoS::exactly_once}});
        put(0, storage::MessageRecord{.number = 10, .message = message("a")});
        put(0, storage::ForwardRecord{.number = 11, .message = 10, .to = 1});
        if (was_taken) put(1, storage::MarkRecord{.from = 0, .number = 11});
        deal_to(3);
        EXPECT_EQ(owed_to(client_id).size(), was_taken ? 0U : 1U);
        for (unsigned shard = 0; shard < 3; ++shard)
            EXPECT_TRUE(all<storage::ForwardRecord>(shard).empty());
    }
}

TEST_F(redeal_of_records, uses_no_number_twice) {
    begin(3);
    for (unsigned shard = 0; shard < 3; ++shard) {
        put_session(shard, owned_by(shard, 3), 1);
        put(shard, storage::CounterRecord{1'000});
    }
    deal_to(1);
    const auto counters = all<storage::CounterRecord>(0);
    ASSERT_EQ(counters.size(), 1U);
    EXPECT_GE(counters[0].last, 3'000U);
    std::set<Number> numbers;
    for (const auto& session : all<storage::SessionRecord>(0)) numbers.insert(session.number);
    EXPECT_EQ(numbers.size(), 3U);
}

TEST_F(redeal_of_records, that_did_not_come_to_its_end_changes_nothing) {
    begin(2);
    put_session(0, owned_by(0, 2), 1);
    deal_to(2);
    const auto layout = directory_->layout();
    // As if the process had been killed before the layout was set.
    const KeyPrefix other{3 - layout.generation, 0};
    EXPECT_TRUE(database_->db().Put({}, std::string{other.text()} + "s/stray", "").ok());
    database_.reset();
    database_.emplace(*directory_);
    EXPECT_EQ(all<storage::SessionRecord>(0).size(), 1U);
    std::size_t strays = 0;
    database_->read(3 - layout.generation, 0, [&](auto...) { ++strays; });
    EXPECT_EQ(strays, 0U);
}

}  // namespace
}  // namespace touchstone::rocksdb_driver
