// What is on a disk after a crash: of a sound one, and of each that is none.

#include "simulator/disk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace touchstone::simulator {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using Kind = DiskFault::Kind;

struct Answer {
    BatchNumber number;
    StorageOutcome outcome;
    Duration after;
    friend bool operator==(const Answer&, const Answer&) = default;
};

/// One shard whose disk syncs in 2 ms.
class DiskTest : public testing::Test {
protected:
    explicit DiskTest(std::uint64_t seed = 1) : engine{seed} {}

    /// A batch that puts each of the keys.
    void commit(const std::vector<std::string>& keys) {
        for (const auto& key : keys) disk.put(0, key, as_bytes(key));
        disk.commit(0, ++last_number);
    }
    /// … and is called stored, or refused.
    void store(const std::vector<std::string>& keys) {
        commit(keys);
        pass(milliseconds{2});
    }
    void pass(Duration span) { engine.run_until(engine.now() + span); }
    [[nodiscard]] std::vector<std::string> keys() const {
        std::vector<std::string> all;
        for (const auto& [key, value] : disk.records(0)) all.push_back(key);
        return all;
    }

    Engine engine;
    std::vector<Answer> answers;
    BatchNumber last_number = 0;
    Disk disk{engine,
              0,
              1,
              {milliseconds{2}, milliseconds{2}},
              [this](unsigned, BatchNumber number, StorageOutcome outcome) {
                  answers.push_back({number, outcome, engine.now() - run_begin});
              },
              [this](unsigned, ReadNumber number, const ReadAnswer& answer) {
                  std::string text = std::to_string(number) + ":";
                  for (const auto& value : answer.values)
                      text.append(" ").append(value ? as_text(*value) : "?");
                  found.push_back(text);
              }};
    std::vector<std::string> found;  // by reads
};

TEST_F(DiskTest, finds_what_it_has_called_stored_even_if_it_lied) {
    store({"a", "b"});
    disk.begin(1, {.kind = Kind::lost});
    disk.erase(0, "a");
    store({"c"});
    disk.read(0, 1, {"a", "b", "c", "d"});
    pass(milliseconds{1});
    EXPECT_THAT(found, IsEmpty());
    pass(milliseconds{1});
    EXPECT_THAT(found, ElementsAre("1: ? b c ?"));
}

TEST_F(DiskTest, a_failing_one_finds_nothing_and_a_crash_ends_what_was_asked) {
    store({"a"});
    disk.begin(1, {.kind = Kind::failing});
    disk.read(0, 1, {"a"});
    pass(milliseconds{2});
    EXPECT_THAT(found, ElementsAre("1:"));
    disk.read(0, 2, {"a"});
    disk.crash();
    pass(milliseconds{10});
    EXPECT_THAT(found, ElementsAre("1:"));
}

TEST_F(DiskTest, a_sound_one_has_what_it_called_stored_and_nothing_else) {
    store({"a", "b"});
    disk.erase(0, "a");
    commit({"c"});
    pass(milliseconds{1});
    disk.put(0, "d", as_bytes("d"));
    const auto loss = disk.crash();
    EXPECT_THAT(keys(), ElementsAre("a", "b"));
    EXPECT_THAT(answers, ElementsAre(Answer{1, StorageOutcome::stored, milliseconds{2}}));
    EXPECT_EQ(loss.unsynced_since, run_begin + milliseconds{2});
    EXPECT_EQ(loss.broken_since, never);
    EXPECT_EQ(loss.lie, std::nullopt);
    pass(milliseconds{10});
    EXPECT_EQ(answers.size(), 1U) << "who was to be told is gone";
}

TEST_F(DiskTest, without_anything_unsynced_nothing_is_lost) {
    store({"a"});
    EXPECT_EQ(disk.crash().unsynced_since, never);
}

TEST_F(DiskTest, a_slow_one_takes_its_time_until_it_is_sound_again) {
    disk.begin(1,
               {.kind = Kind::slow, .sync_low = milliseconds{50}, .sync_high = milliseconds{50}});
    commit({"a"});
    pass(milliseconds{49});
    EXPECT_THAT(answers, IsEmpty());
    disk.end(1);
    pass(milliseconds{1});
    store({"b"});
    EXPECT_THAT(answers, ElementsAre(Answer{1, StorageOutcome::stored, milliseconds{50}},
                                     Answer{2, StorageOutcome::stored, milliseconds{52}}));
}

TEST_F(DiskTest, what_was_refused_is_stored_in_front_of_what_came_after_it) {
    for (const auto& [kind, outcome] : {std::pair{Kind::full, StorageOutcome::full},
                                        std::pair{Kind::failing, StorageOutcome::failed}}) {
        answers.clear();
        disk.begin(1, {.kind = kind});
        commit({"a"});
        disk.erase(0, "a");
        disk.put(0, "b", as_bytes("b"));
        pass(milliseconds{2});
        ASSERT_EQ(answers.size(), 1U);
        EXPECT_EQ(answers.front().outcome, outcome);
        EXPECT_THAT(disk.records(0), IsEmpty());
        disk.end(1);
        store({"c"});
        ASSERT_EQ(answers.size(), 2U);
        EXPECT_EQ(answers.back().outcome, StorageOutcome::stored);
        EXPECT_THAT(keys(), ElementsAre("b", "c")) << "erased after it was put";
        for (const auto* const key : {"b", "c"}) disk.set_aside(0, key);
    }
}

TEST_F(DiskTest, what_was_refused_is_lost_with_its_process) {
    disk.begin(1, {.kind = Kind::full});
    pass(milliseconds{5});
    store({"a"});
    disk.put(0, "b", as_bytes("b"));
    EXPECT_EQ(disk.crash().unsynced_since, run_begin + milliseconds{5});
    disk.end(1);
    store({"c"});
    EXPECT_THAT(keys(), ElementsAre("c"));
}

TEST_F(DiskTest, a_lie_takes_the_last_batches_that_were_called_stored) {
    store({"a"});
    disk.begin(1, {.kind = Kind::lost, .batches = 2});
    store({"b"});
    store({"c"});
    store({"d"});
    commit({"e"});
    EXPECT_THAT(answers, testing::SizeIs(4));
    const auto loss = disk.crash();
    EXPECT_THAT(keys(), ElementsAre("a", "b"));
    EXPECT_EQ(loss.lie, Kind::lost);
    EXPECT_EQ(loss.broken_since, run_begin + milliseconds{4}) << "c was written then";
    EXPECT_EQ(loss.unsynced_since, run_begin + milliseconds{8});
}

TEST_F(DiskTest, what_was_called_stored_is_there_when_the_lie_is_over_or_the_process_stops) {
    for (const bool is_over : {false, true}) {
        disk.begin(1, {.kind = Kind::lost, .batches = 5});
        store({is_over ? "b" : "a"});
        if (is_over)
            disk.end(1);
        else
            disk.finish();
        const auto loss = disk.crash();
        EXPECT_EQ(loss.broken_since, never);
        disk.end(1);
    }
    EXPECT_THAT(keys(), ElementsAre("a", "b"));
}

TEST_F(DiskTest, a_late_batch_is_there_without_the_one_before_it) {
    disk.begin(1, {.kind = Kind::late});
    store({"a"});
    store({"b"});
    commit({"c"});
    const auto loss = disk.crash();
    EXPECT_THAT(keys(), ElementsAre("a", "c")) << "nobody was told that c is stored";
    EXPECT_EQ(loss.lie, Kind::late);
    EXPECT_EQ(loss.broken_since, run_begin + milliseconds{2});
    store({"d"});
    store({"e"});
    disk.crash();
    EXPECT_THAT(keys(), ElementsAre("a", "c", "e"));
}

TEST_F(DiskTest, a_late_batch_with_none_before_it_breaks_nothing) {
    disk.begin(1, {.kind = Kind::late});
    commit({"a"});
    const auto loss = disk.crash();
    EXPECT_THAT(keys(), ElementsAre("a"));
    EXPECT_EQ(loss.broken_since, never);
    EXPECT_EQ(loss.unsynced_since, run_begin);
}

class TornDisk : public DiskTest, public testing::WithParamInterface<bool> {};

// A torn batch has its first changes, never a later one without those before it.
TEST_P(TornDisk, has_the_first_changes_of_the_last_batch) {
    const bool was_called_stored = GetParam();
    std::set<std::size_t> counts;
    constexpr unsigned times = 100;
    for (unsigned i = 0; i < times; ++i) {
        for (const auto& key : keys()) disk.set_aside(0, key);
        disk.begin(1, {.kind = Kind::torn});
        store({"before"});
        // In the order of writing, which is not the one of the keys.
        commit({"z", "y", "x", "w"});
        if (was_called_stored) pass(milliseconds{2});
        const auto loss = disk.crash();
        EXPECT_EQ(loss.lie, Kind::torn);
        disk.end(1);
        auto left = keys();
        ASSERT_EQ(left.front(), "before");
        left.erase(left.begin());
        counts.insert(left.size());
        const std::vector<std::string> order{"z", "y", "x", "w"};
        std::vector<std::string> first{order.begin(),
                                       order.begin() + static_cast<std::ptrdiff_t>(left.size())};
        EXPECT_THAT(left, testing::UnorderedElementsAreArray(first));
    }
    EXPECT_EQ(counts, (std::set<std::size_t>{0, 1, 2, 3})) << "never all of them";
}

INSTANTIATE_TEST_SUITE_P(called_stored_or_not, TornDisk, testing::Bool());

}  // namespace
}  // namespace touchstone::simulator
