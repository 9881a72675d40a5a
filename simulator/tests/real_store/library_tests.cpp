// The persistence entries of the library (PQ) against the real store: the node in virtual time
// writes to a RocksDB in a directory, through the Store that a broker is deployed with. A batch is
// in its log and not synced while the simulated disk is busy with it; a crash of the node is a
// power cut, which takes what was not synced, and the next process reads the directory.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/rocksdb/tests/power_cut_store.hpp"
#include "simulator/library.hpp"
#include "simulator/run.hpp"
#include "simulator/scenario.hpp"

namespace touchstone::simulator {
namespace {

/// Entries that are not run here, and why.
const std::map<std::string, std::string> not_on_a_store{
    {"PQ-06", "its nodes have each other's records, and no disk"},
    {"PQ-12", "its cluster keeps Retained Messages in the memory of the others, and copies them"},
};
/// Entries in which nothing lasts: that they have a store changes nothing.
const std::set<std::string> stores_nothing{
    "PQ-10",  // about a connection's unwritten bytes
    "PQ-11",  // about messages that are refused
};

struct Use {
    unsigned stored = 0;  // batches that were called stored
    unsigned cuts = 0;
};

class RealStore final : public Medium {
public:
    RealStore(unsigned shard_count, rocksdb_driver::Durability durability, Use& use)
        : store_{shard_count, durability},
          use_{use} {}
    void begin(unsigned shard, std::span<const RecordChange> changes) override {
        for (const auto& [key, value] : changes) {
            if (value)
                store_.batch(shard).put(key, *value);
            else
                store_.batch(shard).erase(key);
        }
        store_.begin(shard);
    }
    void finish(unsigned shard) override {
        store_.finish(shard);
        ++use_.stored;
    }
    void cut_power() override {
        store_.cut_power();
        ++use_.cuts;
    }
    Records records(unsigned shard) override { return store_.records(shard); }
    void set_aside(unsigned shard, const std::string& key) override {
        store_.set_aside(shard, key);
    }

private:
    rocksdb_driver::PowerCutStore store_;
    Use& use_;
};

/// Those whose entry begins with PQ-.
std::vector<std::string> entries() {
    std::vector<std::string> ids;
    const auto loaded = load_catalogue("scenarios/catalogue.pbtxt");
    for (const auto& entry : loaded.catalogue.entries())
        if (entry.id().starts_with("PQ-") && !not_on_a_store.contains(entry.id()))
            ids.push_back(entry.id());
    return ids;
}

TEST(entries_that_are_not_run, are_of_clusters) {
    for (const auto& [id, why] : not_on_a_store) {
        const auto loaded =
            load_scenario("scenarios/persistence/pq-" + id.substr(3) + ".textproto");
        EXPECT_TRUE(loaded.scenario.has_cluster()) << id << ": " << why;
    }
}

/// The entry's scenario; a node that had no disk has one.
scenario::Scenario on_disk(const std::string& id) {
    std::string path = "scenarios/persistence/pq-" + id.substr(3) + ".textproto";
    auto loaded = load_scenario(path);
    EXPECT_TRUE(loaded.problems.empty()) << loaded.problems.front();
    for (auto& node : *loaded.scenario.mutable_nodes()) node.mutable_storage();
    return std::move(loaded.scenario);
}

bool has_crash(const scenario::Scenario& scenario) {
    for (const auto& step : scenario.steps())
        if (step.has_crash() || step.has_stop()) return true;
    return false;
}

Outcome run(const scenario::Scenario& scenario, std::vector<std::string> defects, Use& use,
            rocksdb_driver::Durability durability = rocksdb_driver::Durability::sync) {
    RunOptions options{.defects = std::move(defects)};
    options.make_medium = [&](unsigned shard_count) {
        return std::make_unique<RealStore>(shard_count, durability, use);
    };
    return run_scenario(scenario, options);
}

std::string explain(const Outcome& outcome) {
    std::string text;
    for (const auto& one : outcome.invariants)
        for (const auto& failure : one.failures)
            text += std::string{one.checker->id} + ": " + failure.explanation + "\n";
    for (const auto& one : outcome.disappointments)
        text += one.what + ": expected " + one.expected + ", got " + one.seen + "\n";
    return text;
}

class OnRealStore : public testing::TestWithParam<std::string> {};

TEST_P(OnRealStore, passes_without_its_defect_and_breaks_what_it_names_with_it) {
    const auto scenario = on_disk(GetParam());
    Use use;
    {
        const auto clean = run(scenario, {}, use);
        EXPECT_TRUE(clean.has_passed()) << explain(clean);
    }
    EXPECT_EQ(use.stored == 0, stores_nothing.contains(GetParam()));
    if (has_crash(scenario)) {
        EXPECT_GT(use.cuts, 0U);
    }
    for (const auto& proof : scenario.proofs()) {
        std::vector<std::string> defects;
        for (const auto& client : proof.client()) defects.push_back(proof.defect() + "@" + client);
        if (defects.empty()) defects.push_back(proof.defect());
        std::set<std::string> expected{proof.also().begin(), proof.also().end()};
        expected.insert(proof.invariant());
        const auto outcome = run(scenario, defects, use);
        EXPECT_EQ(broken_invariants(outcome), expected) << proof.defect() << "\n"
                                                        << explain(outcome);
    }
}

// What the simulated disk has in memory and what the real one has on disk make the same run.
TEST_P(OnRealStore, runs_as_on_the_simulated_disk) {
    const auto scenario = on_disk(GetParam());
    Use use;
    EXPECT_EQ(run(scenario, {}, use).digest(), run_scenario(scenario, {}).digest());
}

// The mistake is the store's: it calls stored what the system has and the disk has not.
TEST(a_store_that_does_not_sync, is_found_out) {
    Use use;
    const auto outcome = run(on_disk("PQ-05"), {}, use, rocksdb_driver::Durability::none);
    EXPECT_GT(use.stored, 0U);
    EXPECT_TRUE(broken_invariants(outcome).contains("S3")) << explain(outcome);
}

INSTANTIATE_TEST_SUITE_P(Entries, OnRealStore, testing::ValuesIn(entries()),
                         [](const auto& parameter) {
                             auto name = parameter.param;
                             name[2] = '_';
                             return name;
                         });

}  // namespace
}  // namespace touchstone::simulator
