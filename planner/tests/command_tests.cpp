// `touchstone plan` from outside: exit codes, errors with remedies, the result directory.
#include "planner/command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "broker/asio/tests/folder.hpp"
#include "planner/tests/made_up.hpp"

namespace touchstone::planner {
namespace {

using asio_driver::Folder;
using testing::HasSubstr;
using testing::StartsWith;

struct Captured {
    int exit_code = 0;
    std::string out;
    std::string err;
};

Captured plan(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "plan");
    std::vector<char*> raw;
    for (auto& one : arguments) raw.push_back(one.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Captured result;
    result.exit_code = plan_command(static_cast<int>(raw.size()), raw.data());
    std::fflush(stdout);
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    return result;
}

std::string content(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

/// A fleet of sensors, so many messages a second.
constexpr std::string_view fleet = R"(
description: "sensors"
seed: 1
duration_s: 60
broker { nodes: 1 servers_per_node: 1 }
classes {
  name: "sensors" count: 1000 keep_alive_s: 60
  publish { process: poisson every_ms: 100 payload_bytes: 64 }
  fan_out { to: "consumers" receivers: 1 }
}
classes { name: "consumers" count: 10 keep_alive_s: 60 subscriptions: 1 }
)";

class Estimating : public testing::Test {
protected:
    Estimating() {
        EXPECT_FALSE(write_calibration((folder_ / "a.calibration").string(), made_up_file()));
        std::ofstream{folder_ / "sensors.fleet"} << fleet;
    }
    Captured estimate(const std::vector<std::string>& more) {
        std::vector<std::string> arguments{"estimate",
                                           "--calibration",
                                           (folder_ / "a.calibration").string(),
                                           "--workload",
                                           (folder_ / "sensors.fleet").string(),
                                           "--out",
                                           (folder_ / "out").string()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return plan(arguments);
    }
    Folder folder_;
};

TEST_F(Estimating, what_fits_is_a_pass_with_all_its_files) {
    const auto result = estimate({});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, StartsWith("seed=1\n"));
    EXPECT_THAT(result.out, HasSubstr("Fits on 1 node: servers busy 2"));
    EXPECT_THAT(result.out, HasSubstr("PASS plan estimate | 1 pass | seed 1"));
    EXPECT_THAT(result.out, HasSubstr("-20.0 %"));  // the error of the last validation
    for (const auto* const name : {"run.json", "report.html", "junit.xml", "repro.txt"}) {
        EXPECT_FALSE(content(folder_ / "out" / name).empty()) << name;
    }
    EXPECT_THAT(content(folder_ / "out" / "report.html"),
                HasSubstr("Latency against messages a second"));
}

TEST_F(Estimating, what_does_not_fit_fails_and_says_why) {
    const auto result = estimate({"--scale", "4"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.out, HasSubstr("Does not fit on 1 node, because its servers would be busy"));
    EXPECT_THAT(result.out, HasSubstr("FAIL plan estimate"));
}

TEST_F(Estimating, more_servers_than_were_measured_twice_over_are_refused_unless_forced) {
    const auto refused = estimate({"--servers", "3"});
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.err, HasSubstr("3 servers on a node, but 1 measured"));
    const auto forced = estimate({"--servers", "3", "--force"});
    EXPECT_EQ(forced.exit_code, 0);
    EXPECT_THAT(forced.out, HasSubstr("(forced)"));
}

TEST_F(Estimating, prices_make_offers) {
    std::ofstream{folder_ / "prices"}
        << "currency: 'EUR'\n"
           "nodes { name: 'small' processors: 1 memory_gb: 4 per_month: 10 }\n";
    const auto result = estimate({"--prices", (folder_ / "prices").string()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("Cheapest: 2 x small for 20.00 EUR a month"));
}

TEST_F(Estimating, json_is_one_document) {
    const auto result = estimate({"--json"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, StartsWith("{"));
    EXPECT_THAT(result.out, HasSubstr("\"what\":\"estimate\""));
}

TEST(PlanCommand, bad_input_gets_one_line_with_a_remedy) {
    EXPECT_EQ(plan({}).exit_code, 2);
    const auto unknown = plan({"estimat"});
    EXPECT_EQ(unknown.exit_code, 2);
    EXPECT_THAT(unknown.err, HasSubstr("did you mean 'estimate'?"));
    const auto missing = plan({"estimate", "--calibration", "/nonexistent", "--workload", "x"});
    EXPECT_EQ(missing.exit_code, 2);
    EXPECT_THAT(missing.err, HasSubstr("/nonexistent"));
    EXPECT_EQ(plan({"calibrate"}).exit_code, 2);
    EXPECT_EQ(plan({"calibrate", "--pid", "1", "--target", "http://x"}).exit_code, 2);
    EXPECT_EQ(plan({"--help"}).exit_code, 0);
    EXPECT_THAT(plan({"validate", "--help"}).out, HasSubstr("touchstone plan validate --target"));
}

}  // namespace
}  // namespace touchstone::planner
