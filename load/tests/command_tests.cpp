// `touchstone load` from outside: exit codes, the result directory, the last line.

#include "load/command/command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "broker/asio/tests/folder.hpp"
#include "broker/asio/tests/running_node.hpp"

namespace touchstone::load {
namespace {

using asio_driver::RunningNode;
using testing::HasSubstr;
using testing::StartsWith;

struct Captured {
    int exit_code = 0;
    std::string out;
    std::string err;
};

Captured load(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "load");
    std::vector<char*> raw;
    for (auto& one : arguments) raw.push_back(one.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Captured result;
    result.exit_code = load_command(static_cast<int>(raw.size()), raw.data());
    std::fflush(stdout);
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    return result;
}

std::string url_of(const RunningNode& node) {
    return "mqtt://127.0.0.1:" + std::to_string(node.port());
}

std::string content(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

/// A short run; `more` follows.
std::vector<std::string> pubsub(const RunningNode& node, const std::vector<std::string>& more) {
    std::vector<std::string> arguments{
        "pubsub", "--target",  url_of(node), "--publishers", "5",   "--subscribers",
        "5",      "--rate",    "1000",       "--measure",    "0.3", "--warm-up",
        "0",      "--threads", "1",          "--seed",       "7"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

TEST(LoadCommand, explains_itself) {
    EXPECT_EQ(load({"--help"}).exit_code, 0);
    EXPECT_THAT(load({"--help"}).out, HasSubstr("Examples:"));
    for (const auto* const name : {"connect", "hold", "pubsub", "find-limit", "fleet"}) {
        const auto help = load({name, "--help"});
        EXPECT_EQ(help.exit_code, 0) << name;
        EXPECT_THAT(help.out, HasSubstr("Examples:")) << name;
        EXPECT_THAT(help.out, HasSubstr("--target")) << name;
    }
}

TEST(LoadCommand, names_what_is_wrong_with_the_arguments) {
    EXPECT_EQ(load({}).exit_code, 2);
    const auto unknown = load({"pubsubb"});
    EXPECT_EQ(unknown.exit_code, 2);
    EXPECT_THAT(unknown.err, HasSubstr("did you mean 'pubsub'"));
    for (const std::vector<std::string>& wrong :
         {std::vector<std::string>{"pubsub"},
          {"pubsub", "--target", "here"},
          {"pubsub", "--target", "mqtt://127.0.0.1", "--shape", "star"},
          {"pubsub", "--target", "mqtt://127.0.0.1", "--size", "9-1"},
          {"pubsub", "--target", "mqtt://127.0.0.1", "--expect", "p99"},
          {"pubsub", "--target", "mqtt://127.0.0.1", "--version", "6"},
          {"pubsub", "--target", "mqtt://127.0.0.1", "--rate", "0"},
          {"hold", "--target", "mqtt://127.0.0.1", "--connections", "5", "--sample", "10"},
          {"find-limit", "--target", "mqtt://127.0.0.1", "--p99", "soon"}}) {
        const auto result = load(wrong);
        EXPECT_EQ(result.exit_code, 2) << result.err;
        EXPECT_THAT(result.err, StartsWith("touchstone load: "));
    }
}

TEST(LoadCommand, an_unreachable_target_has_an_exit_code_of_its_own) {
    std::uint16_t port = 0;
    {
        RunningNode node{1};
        port = node.port();
    }
    const auto result = load({"connect", "--target", "mqtt://127.0.0.1:" + std::to_string(port),
                              "--connections", "3", "--no-report"});
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_THAT(result.err, HasSubstr("cannot be reached"));
}

TEST(LoadCommand, leaves_a_result_directory_and_a_last_line) {
    RunningNode node{1};
    const asio_driver::Folder folder;
    const auto out = (folder / "results").string();
    const auto result = load(pubsub(node, {"--out", out, "--expect", "loss=0", "--qos", "1",
                                           "--metrics-file", (folder / "metrics").string()}));
    EXPECT_THAT(result.out, StartsWith("seed=7\n"));
    EXPECT_THAT(result.out, HasSubstr("holds:    loss=0: 0"));
    EXPECT_THAT(result.out, HasSubstr("again: touchstone load pubsub --target"));
    for (const auto* const name :
         {"run.json", "run.pb", "report.html", "junit.xml", "repro.txt", "latency.hlog"}) {
        EXPECT_TRUE(std::filesystem::exists(folder / "results" / name)) << name;
    }
    EXPECT_THAT(content(folder / "results" / "run.json"), HasSubstr("\"load_report\""));
    EXPECT_THAT(content(folder / "results" / "latency.hlog"), HasSubstr("Tag=delivery,"));
    EXPECT_THAT(content(folder / "metrics"), HasSubstr("touchstone_load_clients 10"));
}

TEST(LoadCommand, prints_one_document_for_programs) {
    RunningNode node{1};
    const auto result = load(pubsub(node, {"--no-report", "--json"}));
    EXPECT_THAT(result.out, StartsWith("{\"kind\":\"load\""));
    EXPECT_THAT(result.err, HasSubstr("load pairs"));
}

TEST(LoadCommand, an_expectation_that_fails_is_no_success) {
    RunningNode node{1};
    const auto result = load(pubsub(node, {"--no-report", "--expect", "connected=11"}));
    // On a machine that is very busy the generator may be the limit instead.
    EXPECT_TRUE(result.exit_code == 1 || result.exit_code == 6) << result.out;
    EXPECT_THAT(result.out, HasSubstr("fails:    connected=11: 10"));
}

TEST(LoadCommand, holds_connections_and_sends_through_a_sample) {
    RunningNode node{1};
    const auto result =
        load({"hold",     "--target",      url_of(node), "--connections",     "40", "--for",
              "0.3",      "--ping-every",  "0.1",        "--sample",          "10", "--sample-for",
              "0.3",      "--sample-rate", "500",        "--threads",         "1",  "--no-report",
              "--expect", "connected=40",  "--expect",   "lost_connections=0"});
    EXPECT_THAT(result.out, HasSubstr("holds:    connected=40"));
    EXPECT_THAT(result.out, HasSubstr("pings_answered"));
    EXPECT_THAT(result.out, HasSubstr("received_once"));
}

TEST(LoadCommand, finds_a_limit_and_shows_its_steps) {
    RunningNode node{1};
    const asio_driver::Folder folder;
    const auto out = (folder / "results").string();
    const auto result =
        load({"find-limit", "--target",  url_of(node), "--publishers", "4",    "--subscribers",
              "4",          "--rate",    "2000",       "--rate-max",   "2000", "--measure",
              "0.6",        "--warm-up", "0",          "--p99",        "10s",  "--threads",
              "1",          "--out",     out});
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("2000/s, attempt 2"));
    EXPECT_THAT(result.out,
                HasSubstr("The highest rate with p99 below 10 s and nothing lost: 2000"));
    EXPECT_THAT(content(folder / "results" / "run.json"), HasSubstr("\"limit_per_s\""));
}

/// Twelve devices that report to one of three consoles, for a second.
std::string small_fleet(const asio_driver::Folder& folder) {
    const auto path = folder / "small.fleet";
    std::ofstream{path} << R"(
description: "Twelve devices, three consoles"
seed: 3
duration_s: 1
classes {
  name: "devices" count: 12 keep_alive_s: 60
  publish { process: periodic every_ms: 100 payload_bytes: 32 qos: 1 }
  fan_out { to: "consoles" receivers: 1 }
  link { kind: lte }
}
classes { name: "consoles" count: 3 keep_alive_s: 60 subscriptions: 1 link { kind: ethernet } }
)";
    return path.string();
}

TEST(LoadCommand, runs_a_fleet_beside_its_virtual_run) {
    RunningNode node{1};
    const asio_driver::Folder folder;
    const auto out = (folder / "results").string();
    const auto result = load(
        {"fleet", small_fleet(folder), "--target", url_of(node), "--threads", "1", "--out", out});
    EXPECT_THAT(result.out, HasSubstr("simulated\n"));
    EXPECT_THAT(result.out, HasSubstr("real\n"));
    EXPECT_THAT(result.out, HasSubstr("Links (latency"));
    EXPECT_EQ(result.out.find("simulated, "), std::string::npos) << "they agree";
    const auto json = content(folder / "results" / "run.json");
    EXPECT_THAT(json, HasSubstr("\"variant\": \"real\""));
    EXPECT_THAT(json, HasSubstr("\"variant\": \"simulated\""));
}

TEST(LoadCommand, names_what_is_wrong_with_a_fleet) {
    EXPECT_EQ(load({"fleet", "missing.fleet", "--target", "mqtt://127.0.0.1"}).exit_code, 2);
    const asio_driver::Folder folder;
    const auto result = load(
        {"fleet", small_fleet(folder), "--target", "mqtt://127.0.0.1", "--variant", "none such"});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("--variant"));
}

}  // namespace
}  // namespace touchstone::load
