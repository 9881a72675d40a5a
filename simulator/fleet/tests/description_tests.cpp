#include "simulator/fleet/description.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace touchstone::simulator::fleet {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

/// A file that is gone in the end.
class File {
public:
    explicit File(const std::string& text)
        : path_{std::filesystem::path{testing::TempDir()} /
                (std::string{testing::UnitTest::GetInstance()->current_test_info()->name()} +
                 ".fleet")} {
        std::ofstream{path_} << text;
    }
    ~File() { std::filesystem::remove(path_); }
    [[nodiscard]] LoadedFleet load() const { return load_fleet(path_.string()); }

private:
    std::filesystem::path path_;
};

constexpr Time ms = 1'000'000;
constexpr Time s = 1'000 * ms;

TEST(Description, fills_in_what_is_left_out) {
    const auto loaded =
        File{"duration_s: 60 classes { name: 'a' count: 10 keep_alive_s: 30 }"}.load();
    ASSERT_THAT(loaded.problems, IsEmpty());
    ASSERT_EQ(loaded.runs.size(), 1U);
    const auto& model = loaded.runs[0].model;
    EXPECT_EQ(model.duration, 60 * s);
    EXPECT_EQ(model.sample_every, 200 * ms);
    EXPECT_EQ(model.classes[0].ping_every, 30 * s);
    EXPECT_EQ(model.classes[0].connect_patience, 10 * s);
    EXPECT_EQ(model.classes[0].reconnecting.cap, 60 * s);
    EXPECT_EQ(model.cost.servers, 1U);
    EXPECT_EQ(model.cost.publish[2], 10'000U);
}

TEST(Description, numbers_devices_through_the_classes_and_finds_classes_by_name) {
    const auto loaded = File{R"(duration_s: 60
        classes { name: "a" count: 10 keep_alive_s: 30 fan_out { to: "b" receivers: 2 } }
        classes { name: "b" count: 5 keep_alive_s: 30 will { to: "a" } }
        cuts { at_ms: 1000 for_ms: 500 class: "b" share_per_mille: 250 })"}
                            .load();
    ASSERT_THAT(loaded.problems, IsEmpty());
    const auto& model = loaded.runs[0].model;
    EXPECT_EQ(model.classes[1].first, 10U);
    EXPECT_EQ(model.classes[0].fan_out.to_class, 1);
    EXPECT_EQ(model.classes[1].will_to.to_class, 0);
    EXPECT_EQ(model.cuts[0].device_class, 1);
    EXPECT_EQ(model.cuts[0].share, std::uint64_t{1} << 30U);
}

TEST(Description, says_file_line_field_and_remedy) {
    const auto loaded = File{R"(duration_s: 60
classes { name: "meters" count: 10
  keep_alive_s: 60
  ping_every_s: 91
  fan_out { to: "meter" }
}
crashes { at_ms: 5000
  node: 2 })"}
                            .load();
    EXPECT_THAT(
        loaded.problems,
        ElementsAre(AllOf(HasSubstr(".fleet:4: classes[0].ping_every_s: 91 is more"),
                          HasSubstr("give less")),
                    AllOf(HasSubstr(".fleet:5: classes[0].fan_out.to: there is no class 'meter'"),
                          EndsWith("did you mean 'meters'?")),
                    AllOf(HasSubstr(".fleet:8: crashes[0].node: 2; give 0 to 1"))));
}

TEST(Description, refuses_what_it_cannot_run) {
    const auto problem_of = [](const std::string& text) {
        const auto loaded = File{text}.load();
        return loaded.problems.empty() ? std::string{} : loaded.problems.front();
    };
    const std::string one = "duration_s: 60 classes { name: 'a' count: 10 keep_alive_s: 30 ";
    EXPECT_THAT(problem_of("duration_s: 60"), HasSubstr("classes: there is none; give"));
    EXPECT_THAT(problem_of("classes { name: 'a' count: 1 keep_alive_s: 1 }"),
                HasSubstr("duration_s: 0 s; give 1 to"));
    EXPECT_THAT(problem_of(one + "cuont: 3 }"), HasSubstr("cuont: no such field"));
    EXPECT_THAT(problem_of(one + "publish { process: often } }"), HasSubstr("'often' is none of"));
    EXPECT_THAT(problem_of(one + "publish { every_ms: 5 } }"), HasSubstr("give process: periodic"));
    EXPECT_THAT(problem_of(one + "publish { process: poisson } }"),
                HasSubstr("every_ms: 0; give 1"));
    EXPECT_THAT(problem_of(one + "publish { process: bursts every_ms: 100 burst_count: 20 "
                                 "burst_spacing_ms: 10 } }"),
                HasSubstr("take longer than every_ms"));
    EXPECT_THAT(problem_of(one + "publish { qos: 3 } }"), HasSubstr("publish.qos: 3; give 0 to 2"));
    EXPECT_THAT(problem_of(one + "reconnect { base_ms: 5000 cap_ms: 10 } }"),
                HasSubstr("cap_ms: 10 is below base_ms, 5000"));
    EXPECT_THAT(problem_of(one + "} classes { name: 'a' count: 1 keep_alive_s: 1 }"),
                HasSubstr("'a' is there twice"));
    EXPECT_THAT(problem_of(one + "} classes { name: 'b' count: 200000000 keep_alive_s: 1 }"),
                HasSubstr("200000010 devices; give at most"));
    EXPECT_THAT(problem_of(one + "ramp_per_s: 0.000000001 }"),
                HasSubstr("ramp_per_s: 1e-09 takes"));
    EXPECT_THAT(problem_of("sample_every_ms: 1 duration_s: 1000 classes { name: 'a' count: 1 "
                           "keep_alive_s: 9 }"),
                HasSubstr("sample_every_ms: 1 makes more than 100000 samples; give at least 11"));
    EXPECT_THAT(problem_of(one + "link { bits_per_s: 9 } }"),
                HasSubstr("bits_per_s: 9; give 1000"));
    EXPECT_THAT(problem_of(one + "} broker { publish_ns: 1 }"),
                HasSubstr("publish_ns: 1 values; give three"));
    EXPECT_THAT(problem_of(one + "} variants { name: 'v' classes { name: 'x' } }"),
                HasSubstr("variant 'v': there is no class 'x'"));
    EXPECT_THAT(load_fleet("no/such.fleet").problems,
                Contains(AllOf(HasSubstr("no/such.fleet"), HasSubstr("name a fleet's file"))));
}

TEST(Description, a_variant_changes_what_it_names_and_nothing_else) {
    const auto loaded = File{R"(duration_s: 60
        broker { publish_ns: [1, 2, 3] ping_ns: 5 }
        classes { name: "a" count: 10 keep_alive_s: 30 fan_out { to: "a" receivers: 3 }
                  reconnect { policy: full_jitter base_ms: 50 } }
        variants { name: "as it is" }
        variants { name: "other" classes { name: "a" count: 20 fan_out { receivers: 0 }
                   reconnect { cap_ms: 900 } } broker { publish_ns: [7, 8, 9] } })"}
                            .load();
    ASSERT_THAT(loaded.problems, IsEmpty());
    ASSERT_EQ(loaded.runs.size(), 2U);
    EXPECT_EQ(loaded.runs[0].model.classes[0].count, 10U);
    EXPECT_EQ(loaded.runs[0].model.cost.publish[0], 1U);
    const auto& other = loaded.runs[1].model;
    EXPECT_EQ(other.classes[0].count, 20U);
    EXPECT_EQ(other.classes[0].fan_out.receivers, 0U);
    EXPECT_EQ(other.classes[0].reconnecting.base, 50 * ms);
    EXPECT_EQ(other.classes[0].reconnecting.cap, 900 * ms);
    EXPECT_EQ(other.classes[0].reconnecting.policy, ReconnectPolicy::full_jitter);
    EXPECT_EQ(other.cost.publish[0], 7U);
    EXPECT_EQ(other.cost.ping, 5U);
}

TEST(Description, a_link_has_its_preset_but_for_what_the_file_says) {
    const auto loaded = File{R"(duration_s: 60
        classes { name: "a" count: 1 keep_alive_s: 30 link { kind: nb_iot latency_us: 5 } }
        classes { name: "b" count: 1 keep_alive_s: 30 link { kind: lorawan_uplink }
                  publish { process: periodic every_ms: 1000 payload_bytes: 51 } })"}
                            .load();
    ASSERT_THAT(loaded.problems, IsEmpty());
    const auto& classes = loaded.runs[0].model.classes;
    EXPECT_EQ(classes[0].link.latency_min, 5'000U);
    EXPECT_EQ(classes[0].link.nat_timeout, 1'200 * s);
    // 64 bytes at 5,470 bit/s take 93.6 ms, and then 99 times as long nothing may be sent.
    EXPECT_NEAR(static_cast<double>(classes[1].link.gap_min), 9.267e9, 1e7);
}

TEST(Description, payloads_can_be_sizes_by_weight) {
    const std::string begin =
        "duration_s: 60 classes { name: 'a' count: 1 keep_alive_s: 30 publish "
        "{ process: periodic every_ms: 9 ";
    const std::string sizes = "payload_sizes { bytes: 10 weight: 9 } payload_sizes { bytes: 110 ";
    const auto loaded = File{begin + sizes + "weight: 1 } } }"}.load();
    ASSERT_THAT(loaded.problems, IsEmpty());
    const auto& how = loaded.runs[0].model.classes[0].publishing;
    EXPECT_EQ(how.payload_mean(), 20U);
    EXPECT_THAT(how.payload_sizes, ElementsAre(testing::Pair(10, 9), testing::Pair(110, 10)));
    EXPECT_THAT(File{begin + sizes + "} } }"}.load().problems,
                ElementsAre(HasSubstr("publish.payload_sizes[1].weight: 0; give 1")));
    EXPECT_THAT(File{begin + sizes + "weight: 1 } payload_bytes: 5 } }"}.load().problems,
                ElementsAre(HasSubstr("there is payload_bytes, too")));
}

TEST(Description, a_rolling_restart_is_a_crash_of_each_node_in_turn) {
    const auto loaded = File{R"(duration_s: 600 broker { nodes: 3 }
        classes { name: "a" count: 1 keep_alive_s: 30 }
        rolling_restarts { at_ms: 1000 down_ms: 200 pause_ms: 300 })"}
                            .load();
    ASSERT_THAT(loaded.problems, IsEmpty());
    const auto& crashes = loaded.runs[0].model.crashes;
    ASSERT_EQ(crashes.size(), 3U);
    EXPECT_EQ(crashes[2].at, 2'000 * ms);
    EXPECT_EQ(crashes[2].node, 2);
}

TEST(Description, names_below_scenarios_need_no_ending) {
    EXPECT_TRUE(names_fleet("million/xmeter-1m"));
    EXPECT_TRUE(names_fleet("elsewhere/x.fleet"));
    EXPECT_FALSE(names_fleet("million"));
    EXPECT_FALSE(names_fleet("scenarios/session/takeover.textproto"));
}

TEST(Description, every_file_of_the_folder_can_be_run) {
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"scenarios/million"}) {
        if (entry.path().extension() != ".fleet") continue;
        ++files;
        const auto loaded = load_fleet(entry.path().string());
        EXPECT_THAT(loaded.problems, IsEmpty());
        EXPECT_FALSE(loaded.fleet.description().empty()) << entry.path();
        EXPECT_TRUE(loaded.fleet.has_expect() || !loaded.fleet.variants().empty()) << entry.path();
    }
    EXPECT_GE(files, 8);
}

TEST(Description, a_partition_is_who_hears_whom_and_what_nodes_do_about_it) {
    const auto loaded = File{R"(duration_s: 600 broker { nodes: 5 }
        classes { name: "a" count: 10 keep_alive_s: 30 }
        partitions { at_ms: 100000 for_ms: 60000 nodes: 2 }
        variants { name: "as it is" }
        variants {
          name: "more"
          partitions { at_ms: 200000 for_ms: 50000 nodes: 1 during: smaller_stops after: smaller_restarts }
        })"}
                            .load();
    ASSERT_THAT(loaded.problems, IsEmpty());
    ASSERT_EQ(loaded.runs.size(), 2U);
    EXPECT_THAT(loaded.runs[0].model.crashes, IsEmpty());
    ASSERT_EQ(loaded.runs[0].model.partitions.size(), 1U);
    EXPECT_THAT(loaded.runs[0].model.partitions[0].is_apart,
                ElementsAre(true, true, false, false, false));
    const auto& more = loaded.runs[1].model;
    ASSERT_EQ(more.partitions.size(), 2U);
    ASSERT_EQ(more.crashes.size(), 2U);
    EXPECT_EQ(more.crashes[0].at, 210 * s);
    EXPECT_EQ(more.crashes[0].down, 40 * s);
    EXPECT_EQ(more.crashes[1].at, 250 * s);
    EXPECT_EQ(more.crashes[1].down, 5 * s);
    EXPECT_EQ(more.crashes[1].node, 0);
}

TEST(Description, names_what_is_wrong_with_partitions_and_with_what_waits) {
    const auto wrong = [](const std::string& text) {
        return File{"duration_s: 60\nbroker { nodes: 4 }\n"
                    "classes { name: 'a' count: 1 keep_alive_s: 30 reads_per_s: 50 }\n" +
                    text}
            .load()
            .problems;
    };
    EXPECT_THAT(wrong(""), IsEmpty());
    EXPECT_THAT(
        wrong("partitions { at_ms: 1 for_ms: 1 nodes: 2 }"),
        Contains(HasSubstr("nodes: 2 of 4 are apart; give at least 1, and fewer than half")));
    EXPECT_THAT(wrong("partitions { at_ms: 1 nodes: 1 }"),
                Contains(HasSubstr("for_ms: 0; give 1")));
    const auto slow = File{"duration_s: 60 broker { inflight_max: 0 socket_bytes: 10 }\n"
                           "classes { name: 'a' count: 1 keep_alive_s: 30 reads_per_s: -1 }"}
                          .load()
                          .problems;
    EXPECT_THAT(slow, AllOf(Contains(HasSubstr("inflight_max: 0; give 1 to 65535")),
                            Contains(HasSubstr("socket_bytes: 10; give 1024")),
                            Contains(HasSubstr("reads_per_s: -1; give 0.000001"))));
}

}  // namespace
}  // namespace touchstone::simulator::fleet
