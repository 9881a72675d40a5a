// The file that says how the records are laid out is lost or damaged: the records tell.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <string>

#include "broker/broker.hpp"
#include "broker/rocksdb/lost_layout.hpp"
#include "broker/rocksdb/store_error.hpp"
#include "broker/rocksdb/tests/store_rig.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::rocksdb_driver {
namespace {

void put(Database& database, unsigned generation, unsigned shard, const storage::Record& record) {
    const auto key = storage::key_of(record);
    const auto value = storage::encode(key, record, Duration{});
    const KeyPrefix prefix{generation, shard};
    const auto text = as_text(value);
    const auto status = database.db().Put({}, std::string{prefix.text()} + key,
                                          rocksdb::Slice{text.data(), text.size()});
    ASSERT_TRUE(status.ok());
}

void put_session(Database& database, unsigned generation, unsigned shard_count, int number) {
    const auto client_id = "client-" + std::to_string(number);
    put(database, generation, owner_of(client_id, shard_count).raw(),
        storage::SessionRecord{.client_id = client_id,
                               .number = static_cast<storage::Number>(number),
                               .is_durable = true});
}

/// A directory with so many sessions, dealt out to so many shards.
void fill(const TestDirectory& in, unsigned generation, unsigned shard_count, int sessions) {
    DataDirectory directory{in.data()};
    directory.set_layout({.shard_count = shard_count, .generation = generation});
    Database database{directory};
    for (int number = 1; number <= sessions; ++number)
        put_session(database, generation, shard_count, number);
}

/// What is found out; the database is closed again.
Layout recovered(const TestDirectory& in) {
    DataDirectory directory{in.data()};
    EXPECT_FALSE(directory.lost_layout().empty());
    EXPECT_FALSE(directory.is_new());
    const Database database{directory};
    EXPECT_EQ(database.damage().size(), 1U);  // an operator is told
    EXPECT_TRUE(directory.lost_layout().empty());
    return directory.layout();
}

TEST(a_lost_layout, is_found_out_from_the_records) {
    for (const unsigned shard_count : {1U, 2U, 3U, 8U}) {
        for (const unsigned generation : {1U, 2U}) {
            const TestDirectory directory;
            fill(directory, generation, shard_count, 40);
            std::filesystem::remove(directory.data() / "layout");
            const Layout expected{.shard_count = shard_count, .generation = generation};
            EXPECT_EQ(recovered(directory), expected);
            // And is there again for the next one.
            EXPECT_EQ(DataDirectory{directory.data()}.layout(), expected);
        }
    }
}

TEST(a_lost_layout, that_is_damaged_is_set_aside) {
    for (const std::string text : {"", "something else\n", "touchstone data\nformat x\n",
                                   "touchstone data\nformat 1\nshards 99\ngeneration 1\n",
                                   "touchstone data\nformat 1\nshards 2\n"}) {
        const TestDirectory directory;
        fill(directory, 1, 2, 40);
        write_file(directory.data() / "layout", text);
        EXPECT_EQ(recovered(directory), (Layout{.shard_count = 2}));
        EXPECT_EQ(read_file(directory.data() / "layout-1.bad"), text);
    }
}

// Three shards and one session at the first: a number is found with which it is where it belongs.
TEST(a_lost_layout, of_few_records_is_one_that_fits_them) {
    for (int number = 1; number < 20; ++number) {
        const TestDirectory directory;
        const auto client_id = "client-" + std::to_string(number);
        {
            DataDirectory opened{directory.data()};
            opened.set_layout({.shard_count = 3});
            Database database{opened};
            put_session(database, 1, 3, number);
        }
        std::filesystem::remove(directory.data() / "layout");
        const auto layout = recovered(directory);
        EXPECT_LE(layout.shard_count, 3U);
        EXPECT_EQ(owner_of(client_id, layout.shard_count), owner_of(client_id, 3));
    }
}

TEST(a_lost_layout, has_the_shards_that_messages_are_on_their_way_to) {
    const TestDirectory directory;
    {
        DataDirectory opened{directory.data()};
        opened.set_layout({.shard_count = 6});
        Database database{opened};
        put(database, 1, 0, storage::ForwardRecord{.number = 1, .message = 2, .to = 5});
    }
    std::filesystem::remove(directory.data() / "layout");
    EXPECT_EQ(recovered(directory).shard_count, 6U);
}

TEST(a_lost_layout, of_two_generations_is_for_the_operator_to_say) {
    const TestDirectory directory;
    fill(directory, 1, 2, 40);
    {
        DataDirectory opened{directory.data()};
        Database database{opened};
        put_session(database, 2, 3, 1);
    }
    std::filesystem::remove(directory.data() / "layout");
    DataDirectory opened{directory.data()};
    try {
        const Database database{opened};
        FAIL();
    } catch (const StoreError& error) {
        EXPECT_NE(std::string_view{error.what()}.find("write one with the lines"),
                  std::string_view::npos)
            << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(directory.data() / "layout"));
}

TEST(a_lost_layout, is_not_looked_for_by_who_only_looks) {
    const TestDirectory directory;
    fill(directory, 1, 2, 4);
    std::filesystem::remove(directory.data() / "layout");
    DataDirectory opened{directory.data(), DataDirectory::Missing::refuse};
    EXPECT_THROW((Database{opened, nullptr, Database::Damage::refuse}), DamageError);
    EXPECT_FALSE(std::filesystem::exists(directory.data() / "layout"));
}

}  // namespace
}  // namespace touchstone::rocksdb_driver
