// Broken brokers over real sockets: the target `tcp` lets a case see what it sees on `sim`.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "conformance/suite/runner.hpp"
#include "conformance/targets/managed.hpp"
#include "conformance/targets/network.hpp"
#include "conformance/tests/mutants/server.hpp"
#include "conformance/tests/mutants/trial.hpp"

namespace touchstone::conformance {
namespace {

constexpr std::string_view mutants_program = MUTANTS_PROGRAM;

/// The mutant of that name as a process of its own, reached over TCP.
std::unique_ptr<TargetSource> start(std::string_view name, std::string& problem) {
    ManagedBroker broker{.url = "{port}",
                         .commands = {.run = "exec '" + std::string{mutants_program} + "' serve " +
                                             std::string{name} + " {port}"}};
    broker.make_source = [](const std::string& port, std::string& why) {
        return make_network_source(
            {.host = "127.0.0.1", .port = static_cast<std::uint16_t>(std::stoul(port))}, why);
    };
    return make_managed_source(broker, problem);
}

/// One of each kind: what the broker sends is changed, or what it is sent, or the broker itself is
/// broken; answers that come twice or are wrong, or not at all; delivery, order, flows, Sessions,
/// Will Messages, and how a connection is closed. Few wait in vain, as that takes its time here.
const std::vector<std::string> chosen{"connack_reserved_flag",   "session_present_always_0",
                                      "PUBACK_dropped",          "SUBACK_wrong_id",
                                      "PINGRESP_twice",          "publish_order_reversed",
                                      "qos_not_lowered",         "dup_flag_missing",
                                      "qos2_publish_duplicates", "will_twice",
                                      "retained_never_replaced", "maximum_packet_size_ignored",
                                      "no_close_after_refusal",  "packet_after_disconnect"};

TEST(MutantsOverTcp, are_killed_by_the_cases_that_name_what_they_break) {
    std::string problem;
    const auto sound = start("none", problem);
    ASSERT_NE(sound, nullptr) << problem;
    // What the suite takes it for: some mutants would not get beyond the probe.
    const auto found = probe(*sound, {.seed = trial_seed});
    ASSERT_EQ(found.problem, "");
    const auto judge = [&found](TargetSource& source, const CaseEntry& entry) {
        return run_case_once(source, entry, found.surroundings, trial_seed).verdict;
    };
    for (const auto& name : chosen) {
        const auto& mutant = mutant_named(name);
        const auto source = start(name, problem);
        ASSERT_NE(source, nullptr) << problem;
        for (const auto* const entry : cases_naming(mutant.breaks.front())) {
            EXPECT_EQ(judge(*sound, *entry), Verdict::pass) << entry->id;
            EXPECT_TRUE(is_caught(judge(*source, *entry))) << name << ": " << entry->id;
        }
    }
}

TEST(MutantsOverTcp, are_asked_for_by_name) {
    EXPECT_THROW((void)mutant_named("nobody"), std::invalid_argument);
    EXPECT_THROW((void)mutant_named("text_is_taken"), std::invalid_argument);
}

}  // namespace
}  // namespace touchstone::conformance
