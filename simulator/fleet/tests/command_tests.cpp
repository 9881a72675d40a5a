// The subcommand from outside: exit codes, what is printed, what is left in the result directory.
#include "simulator/fleet/command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "reports/run_file.hpp"
#include "simulator/command.hpp"

namespace touchstone::simulator::fleet {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

struct Said {
    int exit_code = 0;
    std::string output;
    std::string errors;
};

Said simulate(std::vector<std::string> words) {
    words.insert(words.begin(), "simulate");
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Said said;
    said.exit_code = simulate_command(static_cast<int>(arguments.size()), arguments.data());
    said.output = testing::internal::GetCapturedStdout();
    said.errors = testing::internal::GetCapturedStderr();
    return said;
}

/// A folder with a fleet's file.
class Folder {
public:
    explicit Folder(const std::string& text)
        : path_{std::filesystem::path{testing::TempDir()} /
                testing::UnitTest::GetInstance()->current_test_info()->name()} {
        std::filesystem::create_directories(path_);
        std::ofstream{file()} << text;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string file() const { return (path_ / "small.fleet").string(); }
    [[nodiscard]] std::string out() const { return (path_ / "out").string(); }
    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream stream{path_ / "out" / name, std::ios::binary};
        return {std::istreambuf_iterator<char>{stream}, std::istreambuf_iterator<char>{}};
    }

private:
    std::filesystem::path path_;
};

const std::string small = R"(description: "small" seed: 7 duration_s: 300
broker { servers_per_node: 2 }
classes { name: "a" count: 500 keep_alive_s: 60 ramp_per_s: 100 link { kind: lte }
          reconnect { policy: full_jitter base_ms: 5000 } }
crashes { at_ms: 100000 down_ms: 2000 }
)";

TEST(FleetCommand, runs_a_fleet_and_leaves_a_report_with_its_tier_and_curves) {
    const Folder folder{small + "expect { connected_min: 500 }"};
    const auto said = simulate({folder.file(), "--tier", "T2", "--out", folder.out()});
    EXPECT_EQ(said.exit_code, 0);
    EXPECT_THAT(said.errors, IsEmpty());
    EXPECT_THAT(said.output, AllOf(testing::StartsWith("seed=7\n"), HasSubstr("tier T2"),
                                   HasSubstr("Rule: full jitter with a cap of at least"),
                                   HasSubstr("\nPASS simulation small | 1 pass | seed 7 | ")));
    EXPECT_THAT(folder.read("run.json"),
                AllOf(HasSubstr("\"fidelity\": \"T2\""), HasSubstr("\"connected\""),
                      HasSubstr("ping_p99"), HasSubstr("recovered_after_last_crash")));
    EXPECT_THAT(folder.read("report.html"), HasSubstr("\"curves\":[{\"name\":\"connected\""));
}

TEST(FleetCommand, tiers_and_seeds_decide_the_digest) {
    const Folder folder{small};
    const auto digest = [&](std::vector<std::string> more) {
        more.insert(more.begin(), {folder.file(), "--digest-only"});
        return simulate(more).output;
    };
    EXPECT_EQ(digest({}), digest({"--tier", "T2", "--seed", "7"}));
    EXPECT_NE(digest({}), digest({"--seed", "8"}));
    EXPECT_NE(digest({}), digest({"--tier", "T3"}));
    EXPECT_THAT(digest({}), AllOf(HasSubstr("digest="), EndsWith("small.fleet\n")));
}

TEST(FleetCommand, an_expectation_that_is_missed_is_exit_code_1_and_says_what_came) {
    const Folder folder{small + "expect { connected_max: 499 }"};
    const auto said = simulate({folder.file(), "--no-report"});
    EXPECT_EQ(said.exit_code, 1);
    EXPECT_THAT(said.output, AllOf(HasSubstr("connected: expected at most 499, got 500"),
                                   HasSubstr("FAIL simulation small | 1 fail")));
}

TEST(FleetCommand, variants_are_runs_side_by_side_and_can_be_chosen) {
    const Folder folder{small +
                        "variants { name: 'one' } variants { name: 'two' broker { nodes: 2 } }"};
    EXPECT_THAT(simulate({folder.file(), "--no-report"}).output, HasSubstr("| 2 pass |"));
    const auto one = simulate({folder.file(), "--no-report", "--variant", "two"});
    EXPECT_THAT(one.output, AllOf(HasSubstr("variant 'two'"), HasSubstr("| 1 pass |")));
    const auto wrong = simulate({folder.file(), "--variant", "three"});
    EXPECT_EQ(wrong.exit_code, 2);
    EXPECT_THAT(wrong.errors, HasSubstr("has one, two"));
}

TEST(FleetCommand, runs_in_several_tiers_and_says_how_far_they_agree) {
    const Folder folder{small};
    const auto said = simulate({folder.file(), "--tiers", "T0,T2,T3", "--out", folder.out()});
    EXPECT_EQ(said.exit_code, 0) << said.output;
    EXPECT_THAT(said.output, AllOf(HasSubstr("tier T0: every device"), HasSubstr("tier T3: "),
                                   HasSubstr("how far the tiers agree: within the bounds"),
                                   HasSubstr("| 3 pass |")));
    EXPECT_THAT(folder.read("run.json"),
                AllOf(HasSubstr("\"tier_agreements\""), HasSubstr("0.5 %, or 10")));
    EXPECT_THAT(folder.read("report.html"), HasSubstr("How far the tiers agree"));
}

TEST(FleetCommand, prints_json_and_nothing_else) {
    const Folder folder{small};
    const auto said = simulate({folder.file(), "--json", "--no-report"});
    EXPECT_EQ(said.exit_code, 0);
    EXPECT_THAT(said.output, AllOf(testing::StartsWith("{\""), EndsWith("}\n")));
    EXPECT_EQ(std::ranges::count(said.output, '\n'), 1);
}

TEST(FleetCommand, a_time_budget_that_is_used_up_is_exit_code_7_with_a_report) {
    const Folder folder{small};
    const auto said =
        simulate({folder.file(), "--time-budget", "0.000000001", "--out", folder.out()});
    EXPECT_EQ(said.exit_code, 7);
    EXPECT_THAT(said.output, HasSubstr("INCONCLUSIVE simulation small"));
    EXPECT_THAT(folder.read("run.json"), HasSubstr("the time budget is used up"));
}

TEST(FleetCommand, what_is_wrong_is_one_line_and_exit_code_2) {
    const Folder folder{small};
    for (const auto& [words, line] : std::vector<std::pair<std::vector<std::string>, std::string>>{
             {{folder.file(), "--tier", "T1"}, "--tier T1, the real core without bytes, is none"},
             {{folder.file(), "--tier", "T9"}, "--tier T9 is none; give T0, T2 or T3"},
             {{folder.file(), "--tiers", "T2,T2"}, "--tiers: T2 is there twice"},
             {{folder.file(), "--tiers", "T0"}, "--tiers: give two at least"},
             {{"million/ramp-100m", "--tier", "T0"},
              "--tier T0: scenarios/million/ramp-100m.fleet"},
             {{"--tier", "T2"}, "FLEET is required"},
             {{"no/such.fleet"}, "no/such.fleet: No such file"},
             {{folder.file(), "--variant", "x"}, "has no variants"},
             {{folder.file(), "--shards", "2"}, "--shards"}}) {
        const auto said = simulate(words);
        EXPECT_EQ(said.exit_code, 2) << line;
        EXPECT_THAT(said.errors, HasSubstr(line));
        EXPECT_EQ(std::ranges::count(said.errors, '\n'), 1) << said.errors;
    }
}

TEST(FleetCommand, a_million_connections_of_the_profile_end_as_it_expects) {
    const auto said = simulate({"million/xmeter-1m", "--tier", "T2", "--no-report"});
    EXPECT_EQ(said.exit_code, 0) << said.output;
}

}  // namespace
}  // namespace touchstone::simulator::fleet
