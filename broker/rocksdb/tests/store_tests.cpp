// The store of a node on real files: what it calls stored is there for the next process, and what
// it cannot store is told, kept, and stored with what comes after it.
#include "broker/rocksdb/store.hpp"

#include <gtest/gtest.h>

#include <latch>

#include "broker/rocksdb/store_error.hpp"
#include "broker/rocksdb/tests/faulty_files.hpp"
#include "broker/rocksdb/tests/store_rig.hpp"

namespace touchstone::rocksdb_driver {
namespace {

using enum StorageOutcome;
using Records = StoreRig::Records;

TEST(store, has_what_was_stored_after_it_was_opened_again) {
    const TestDirectory directory;
    {
        StoreRig rig{directory};
        rig.put("a", "1").put("b", "2").put("a", "3").erase("b").put("c", "");
        EXPECT_EQ(rig.committed(), stored);
        rig.put("a", "other", 1);
        EXPECT_EQ(rig.committed(1), stored);
        rig.erase("c").put("lost", "with the process");  // nobody has ended this batch
    }
    StoreRig rig{directory};
    EXPECT_EQ(rig.records(0), (Records{{"a", "3"}, {"c", ""}}));
    EXPECT_EQ(rig.records(1), (Records{{"a", "other"}}));
    EXPECT_EQ(rig.store().figures().damaged_parts, 0U);
}

TEST(store, takes_keys_and_values_of_any_bytes) {
    const TestDirectory directory;
    std::string bytes;
    for (int value = 0; value < 256; ++value) bytes += static_cast<char>(value);
    const std::string key = bytes + std::string(65'000, '\xFF');
    {
        StoreRig rig{directory};
        EXPECT_EQ(rig.put(key, bytes, 1).committed(1), stored);
    }
    EXPECT_EQ(StoreRig{directory}.records(1), (Records{{key, bytes}}));
}

TEST(store, finds_what_was_stored_in_the_shard_that_stored_it) {
    const TestDirectory directory;
    StoreRig rig{directory};
    EXPECT_EQ(rig.put("a", "1").put("b", "2").committed(), stored);
    EXPECT_EQ(rig.put("a", "other", 1).committed(1), stored);
    EXPECT_EQ(rig.look_up({"b", "a", "c"}), (std::vector<std::string>{"2", "1", "?"}));
    EXPECT_EQ(rig.look_up({"a", "b"}, 1), (std::vector<std::string>{"other", "?"}));
}

TEST(store, finds_while_it_waits_for_the_disk) {
    const TestDirectory directory;
    const auto files = std::make_shared<FaultyFiles>();
    const auto environment = rocksdb::NewCompositeEnv(files);
    StoreRig rig{directory, {.environment = environment.get()}};
    EXPECT_EQ(rig.put("a", "1").committed(), stored);
    std::latch is_syncing{1};
    std::latch may_sync{1};
    files->before_sync = [&, calls = 0]() mutable {
        if (calls++ != 0) return;
        is_syncing.count_down();
        may_sync.wait();
    };
    rig.put("b", "2").commit();
    is_syncing.wait();
    EXPECT_EQ(rig.look_up({"a"}), std::vector<std::string>{"1"});
    may_sync.count_down();
    EXPECT_EQ(rig.outcome(), stored);
}

TEST(store, hands_over_messages_behind_what_refers_to_them) {
    const TestDirectory directory;
    StoreRig rig{directory};
    rig.put("m/1", "").put("n", "").put("d/1", "").put("m/2", "").put("s/a", "").put("mm", "");
    EXPECT_EQ(rig.committed(), stored);
    std::string order;
    EXPECT_EQ(rig.database().read(1, 0, [&](std::string_view key, Bytes) { order.append(key) += ' '; }), "");
    EXPECT_EQ(order, "d/1 mm n s/a m/1 m/2 ");
}

TEST(store, stores_an_empty_batch) {
    const TestDirectory directory;
    StoreRig rig{directory};
    EXPECT_EQ(rig.committed(), stored);
    EXPECT_EQ(rig.store().figures().syncs, 0U);
}

TEST(store, syncs_batches_of_several_shards_at_once) {
    const TestDirectory directory;
    const auto files = std::make_shared<FaultyFiles>();
    const auto environment = rocksdb::NewCompositeEnv(files);
    StoreRig rig{directory, {.shard_count = 4, .environment = environment.get()}};
    std::latch is_syncing{1};
    std::latch may_sync{1};
    files->before_sync = [&, calls = 0]() mutable {
        if (calls++ != 0) return;
        is_syncing.count_down();
        may_sync.wait();
    };
    rig.put("k", "v", 0).commit(0);
    is_syncing.wait();
    const auto syncs = files->syncs();
    for (unsigned shard = 1; shard < 4; ++shard) rig.put("k", "v", shard).commit(shard);
    may_sync.count_down();
    for (unsigned shard = 0; shard < 4; ++shard) EXPECT_EQ(rig.outcome(shard), stored);
    EXPECT_EQ(files->syncs() - syncs, 2U);
    EXPECT_EQ(rig.store().figures().syncs, 2U);
    EXPECT_EQ(rig.store().figures().batches, 4U);
}

TEST(store, says_stored_without_a_sync_when_it_was_told_to) {
    for (const auto durability : {Durability::interval, Durability::none}) {
        const TestDirectory directory;
        const auto files = std::make_shared<FaultyFiles>();
        const auto environment = rocksdb::NewCompositeEnv(files);
        {
            StoreRig rig{directory, {.durability = durability, .environment = environment.get()}};
            const auto syncs = files->syncs();
            EXPECT_EQ(rig.put("a", "1").committed(), stored);
            EXPECT_EQ(files->syncs(), syncs);
            rig.store().stop();
            // In order, it leaves nothing to chance but where it was told not to care.
            EXPECT_EQ(files->syncs() - syncs, durability == Durability::interval ? 1U : 0U);
        }
        EXPECT_EQ(StoreRig{directory}.records(), (Records{{"a", "1"}}));
    }
}

TEST(store, syncs_when_its_interval_is_over) {
    const TestDirectory directory;
    const auto files = std::make_shared<FaultyFiles>();
    const auto environment = rocksdb::NewCompositeEnv(files);
    StoreRig rig{directory,
                 {.durability = Durability::interval,
                  .sync_interval = std::chrono::milliseconds{1},
                  .environment = environment.get()}};
    std::latch has_synced{1};
    files->before_sync = [&, calls = 0]() mutable {
        if (calls++ == 0) has_synced.count_down();
    };
    EXPECT_EQ(rig.put("a", "1").committed(), stored);
    has_synced.wait();
}

TEST(store, keeps_what_a_full_disk_refused_and_stores_it_with_what_comes_next) {
    const TestDirectory directory;
    const auto files = std::make_shared<FaultyFiles>();
    const auto environment = rocksdb::NewCompositeEnv(files);
    {
        StoreRig rig{directory, {.environment = environment.get()}};
        EXPECT_EQ(rig.put("before", "1").committed(), stored);
        files->set(FaultyFiles::Fault::no_space);
        EXPECT_EQ(rig.put("a", "1").put("b", "1").committed(), full);
        EXPECT_EQ(rig.put("b", "2").erase("before").committed(), full);
        EXPECT_TRUE(rig.store().figures().is_refusing);
        files->set(FaultyFiles::Fault::none);
        // RocksDB may be about to go on by itself, and takes nothing meanwhile.
        auto outcome = rig.put("c", "3").committed();
        while (outcome != stored) outcome = rig.committed();
        EXPECT_FALSE(rig.store().figures().is_refusing);
        EXPECT_GE(rig.store().figures().batches_full, 2U);
        EXPECT_EQ(rig.put("x", "1", 1).committed(1), stored);
    }
    StoreRig rig{directory};
    EXPECT_EQ(rig.records(), (Records{{"a", "1"}, {"b", "2"}, {"c", "3"}}));
    EXPECT_EQ(rig.records(1), (Records{{"x", "1"}}));
}

TEST(store, does_not_call_stored_what_could_not_be_synced) {
    const TestDirectory directory;
    const auto files = std::make_shared<FaultyFiles>();
    const auto environment = rocksdb::NewCompositeEnv(files);
    {
        StoreRig rig{directory, {.environment = environment.get()}};
        files->set(FaultyFiles::Fault::no_sync);
        EXPECT_EQ(rig.put("a", "1").committed(), failed);
        EXPECT_EQ(rig.committed(), failed);
        files->set(FaultyFiles::Fault::none);
        auto outcome = rig.put("b", "2").committed();
        while (outcome != stored) outcome = rig.committed();
        EXPECT_GE(rig.store().figures().batches_failed, 2U);
    }
    EXPECT_EQ(StoreRig{directory}.records(), (Records{{"a", "1"}, {"b", "2"}}));
}

TEST(store, sets_records_aside_that_are_of_no_use) {
    const TestDirectory directory;
    {
        StoreRig rig{directory};
        EXPECT_EQ(rig.put("good", "1").put("bad", "2").put("stray", "3").committed(), stored);
    }
    {
        StoreRig rig{directory};
        rig.store().recover(0, [](std::string_view key, Bytes) { return key != "bad"; });
        rig.store().set_aside(0, {"stray"});
        EXPECT_EQ(rig.store().figures().bad_records, 2U);
        EXPECT_EQ(rig.records(), (Records{{"good", "1"}}));
    }
    StoreRig rig{directory};
    EXPECT_EQ(rig.records(), (Records{{"good", "1"}}));
    Records aside;
    rig.database().read(set_aside_mark, 0, [&](std::string_view key, Bytes value) {
        aside.emplace(key, std::string{as_text(value)});
    });
    EXPECT_EQ(aside, (Records{{"bad", "2"}, {"stray", "3"}}));
}

// --- Whose directory it is -----------------------------------------------------------------------

std::string refusal_of(const TestDirectory& directory) {
    try {
        const DataDirectory second{directory.data()};
    } catch (const StoreError& error) {
        return error.what();
    }
    return "";
}

TEST(data_directory, belongs_to_one_at_a_time) {
    const TestDirectory directory;
    {
        const DataDirectory first{directory.data()};
        EXPECT_NE(refusal_of(directory).find("is in use by another process"), std::string::npos);
    }
    EXPECT_EQ(refusal_of(directory), "");
}

TEST(data_directory, remembers_its_layout) {
    const TestDirectory directory;
    {
        DataDirectory first{directory.data()};
        EXPECT_EQ(first.layout(), Layout{});
        first.set_layout({.shard_count = 3, .generation = 2});
    }
    EXPECT_EQ(DataDirectory{directory.data()}.layout(),
              (Layout{.shard_count = 3, .generation = 2}));
}

TEST(data_directory, of_a_later_format_is_refused_with_what_to_do) {
    const TestDirectory directory;
    { DataDirectory{directory.data()}.set_layout({.shard_count = 1}); }
    write_file(directory.data() / "layout", "touchstone data\nformat 2\nshards 1\n");
    EXPECT_NE(refusal_of(directory).find("start that version, or restore"), std::string::npos);
    for (const char* text : {"", "something else\n", "touchstone data\nformat x\n",
                             "touchstone data\nformat 1\nshards 99\ngeneration 1\n"}) {
        write_file(directory.data() / "layout", text);
        EXPECT_NE(refusal_of(directory).find("restore"), std::string::npos) << text;
    }
}

TEST(data_directory, that_cannot_be_made_is_refused) {
    try {
        const DataDirectory impossible{"/proc/no/such/place"};
        FAIL();
    } catch (const StoreError& error) {
        EXPECT_NE(std::string_view{error.what()}.find("/proc/no/such/place"), std::string::npos);
    }
}

}  // namespace
}  // namespace touchstone::rocksdb_driver
