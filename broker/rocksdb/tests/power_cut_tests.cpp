// What a power cut takes of the real store: the harness of the library's persistence entries.
#include <gtest/gtest.h>

#include "broker/rocksdb/tests/power_cut_store.hpp"

namespace touchstone::rocksdb_driver {
namespace {

void put(PowerCutStore& store, unsigned shard, const char* key) {
    store.batch(shard).put(key, as_bytes("value"));
}

TEST(power_cut, takes_a_batch_that_was_not_synced_and_leaves_those_before_it) {
    PowerCutStore store{1};
    for (const auto* const key : {"a", "b"}) {
        put(store, 0, key);
        store.begin(0);
        store.finish(0);
    }
    put(store, 0, "c");
    store.begin(0);
    put(store, 0, "d");  // and this one was not even ended
    store.cut_power();
    const auto left = store.records(0);
    EXPECT_EQ(left.size(), 2U);
    EXPECT_TRUE(left.contains("a") && left.contains("b"));
    // The next process goes on.
    put(store, 0, "e");
    store.begin(0);
    store.finish(0);
    store.cut_power();
    EXPECT_TRUE(store.records(0).contains("e"));
    EXPECT_EQ(store.cuts(), 2U);
}

TEST(power_cut, takes_what_a_store_without_syncs_has_called_stored) {
    PowerCutStore store{1, Durability::none};
    put(store, 0, "a");
    store.begin(0);
    store.finish(0);
    store.cut_power();
    EXPECT_TRUE(store.records(0).empty());
}

TEST(power_cut, of_two_shards_takes_what_neither_has_synced) {
    PowerCutStore store{2};
    put(store, 1, "a");
    store.begin(1);
    store.finish(1);
    for (const unsigned shard : {0U, 1U}) {
        put(store, shard, "b");
        store.begin(shard);
    }
    store.cut_power();
    EXPECT_TRUE(store.records(0).empty());
    EXPECT_EQ(store.records(1).size(), 1U);
}

}  // namespace
}  // namespace touchstone::rocksdb_driver
