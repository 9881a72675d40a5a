// Thousands of short random runs: Raft keeps its promises in all of them, and each of the checks
// finds a Raft, or a driver, that does not.
#include <gtest/gtest.h>

#include "broker/cluster/tests/raft_network.hpp"

namespace touchstone::cluster {
namespace {

using std::chrono::milliseconds;

constexpr Duration faulty = milliseconds{1500};
/// Less than seven of the longest election timeouts.
constexpr Duration healed = milliseconds{2000};

NetworkOptions drawn(std::uint64_t seed) {
    SeededRandom random{seed};
    NetworkOptions options{.seed = seed};
    options.nodes = static_cast<unsigned>(1 + random.below(5));
    options.loss_percent = random.below(20);
    if (random.chance(50)) options.disk_delay_high = Duration::zero();
    options.raft.entries_per_message_max = 1 + random.below(4);
    options.raft.entries_in_flight_max = 1 + random.below(20);
    options.raft.asks_before_vote = random.chance(70);
    options.raft.checks_quorum = random.chance(70);
    return options;
}

NetworkOptions with_changing_members(std::uint64_t seed) {
    auto options = drawn(seed);
    options.founders = options.nodes;
    options.nodes = 5;
    options.changes_members = true;
    return options;
}

/// So many seeds are one test: all of them take long under sanitizers.
constexpr std::uint64_t seeds_per_test = 100;

template <class Make>
void expect_unbroken(std::uint64_t first, Make make) {
    std::size_t committed = 0;
    for (std::uint64_t seed = first; seed < first + seeds_per_test; ++seed) {
        RaftNetwork network{make(seed)};
        const auto broken = network.run(faulty, healed);
        ASSERT_FALSE(broken) << "seed=" << seed << ": " << broken->how;
        committed += network.committed_count();
    }
    constexpr std::size_t committed_min = 7'000;
    EXPECT_GT(committed, committed_min) << "runs in which little happens say little";
}

/// The first seed whose run breaks `promise`; 0 when none up to `seeds` does.
template <class Change>
std::uint64_t breaks(Promise promise, std::uint64_t seeds, Change change) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        NetworkOptions options{.seed = seed};
        change(options);
        const auto broken = RaftNetwork{options}.run(faulty, healed);
        if (broken && broken->promise == promise) {
            ::testing::Test::RecordProperty("seed", std::to_string(seed));
            return seed;
        }
    }
    return 0;
}

class raft_runs_of : public testing::TestWithParam<std::uint64_t> {};

TEST_P(raft_runs_of, fixed_members_keep_every_promise) {
    expect_unbroken(GetParam(), drawn);
}
INSTANTIATE_TEST_SUITE_P(seeds_from, raft_runs_of,
                         testing::Range(std::uint64_t{1}, std::uint64_t{1'501}, seeds_per_test));

class raft_runs_with : public testing::TestWithParam<std::uint64_t> {};

TEST_P(raft_runs_with, members_that_come_and_go_keep_every_promise) {
    expect_unbroken(GetParam(), with_changing_members);
}
INSTANTIATE_TEST_SUITE_P(seeds_from, raft_runs_with,
                         testing::Range(std::uint64_t{1}, std::uint64_t{701}, seeds_per_test));

/// Terms in which several stand for election, in nodes that come back at once.
void crowd_elections(NetworkOptions& options) {
    options.raft.asks_before_vote = false;
    options.raft.election_timeout_high = options.raft.election_timeout_low + milliseconds{10};
    options.disk_delay_high = Duration::zero();
    options.fault_gap_high = milliseconds{20};
    options.down_high = milliseconds{5};
}

TEST(raft_runs, show_two_leaders_when_votes_are_not_saved) {
    EXPECT_NE(breaks(Promise::election_safety, 2000,
                     [](NetworkOptions& options) {
                         crowd_elections(options);
                         options.mistakes.votes_are_not_saved = true;
                         // Else who begins anew votes for nobody until the term is decided.
                         options.raft.checks_quorum = false;
                     }),
              0U);
}

TEST(raft_runs, show_a_leader_without_committed_entries_when_votes_are_blind) {
    EXPECT_NE(breaks(Promise::leader_completeness, 200,
                     [](NetworkOptions& options) { options.raft.defects.votes_blindly = true; }),
              0U);
}

TEST(raft_runs, show_logs_and_states_that_differ_when_entries_are_taken_blindly) {
    const auto blindly = [](NetworkOptions& options) {
        options.raft.defects.appends_blindly = true;
    };
    EXPECT_NE(breaks(Promise::log_matching, 200, blindly), 0U);
    EXPECT_NE(breaks(Promise::state_machine_safety, 200, blindly), 0U);
}

TEST(raft_runs, show_lost_entries_when_the_driver_does_not_wait_for_the_disk) {
    EXPECT_NE(breaks(Promise::leader_completeness, 2000,
                     [](NetworkOptions& options) {
                         options.mistakes.does_not_wait_for_disk = true;
                         options.disk_delay_high = milliseconds{40};
                     }),
              0U);
}

TEST(raft_runs, show_old_values_when_reads_ask_nobody) {
    EXPECT_NE(breaks(Promise::fresh_reads, 200,
                     [](NetworkOptions& options) { options.mistakes.reads_without_asking = true; }),
              0U);
}

TEST(raft_runs, show_a_minority_at_work_when_it_takes_itself_for_the_group) {
    EXPECT_NE(breaks(Promise::minority_is_idle, 200,
                     [](NetworkOptions& options) {
                         options.nodes = 5;
                         options.mistakes.first_two_are_a_group_of_their_own = true;
                     }),
              0U);
}

TEST(raft_runs, show_raft_boot_needs_leader_as_a_group_that_stands_still) {
    EXPECT_NE(
        breaks(Promise::progress, 200,
               [](NetworkOptions& options) { options.raft.defects.boot_needs_leader = true; }),
        0U);
}

TEST(raft_runs, show_raft_zombie_member_as_one_that_counts_itself_in) {
    EXPECT_NE(breaks(Promise::removed_knows, 200,
                     [](NetworkOptions& options) {
                         options.nodes = 5;
                         options.changes_members = true;
                         options.raft.defects.zombie_member = true;
                     }),
              0U);
}

}  // namespace
}  // namespace touchstone::cluster
