// Cases can fail: each mutant meets the cases that name what it breaks. That every case fails on
// one, and which, is ci/mutants's to find out: it needs all cases on all mutants.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "conformance/tests/mutants/changes.hpp"
#include "conformance/tests/mutants/trial.hpp"

namespace touchstone::conformance {
namespace {

std::vector<std::string> names_of_mutants() {
    std::vector<std::string> names;
    for (const auto& mutant : all_mutants()) names.push_back(mutant.name);
    return names;
}

class MutantTest : public testing::TestWithParam<std::string> {};

TEST_P(MutantTest, is_killed_by_the_cases_that_name_what_it_breaks) {
    const auto& mutant = *std::ranges::find(all_mutants(), GetParam(), &Mutant::name);
    Trial trial{mutant};
    EXPECT_FALSE(mutant.breaks.empty());
    for (const auto& id : mutant.breaks) {
        EXPECT_FALSE(trial.witnesses(id).empty()) << id << " is broken, as " << mutant.story;
    }
}

INSTANTIATE_TEST_SUITE_P(Mutants, MutantTest, testing::ValuesIn(names_of_mutants()),
                         [](const auto& one) { return one.param; });

TEST(Mutants, have_names_of_their_own) {
    std::set<std::string> names;
    for (const auto& name : names_of_mutants()) EXPECT_TRUE(names.insert(name).second) << name;
}

TEST(Mutants, break_what_a_reference_broker_does_not) {
    std::set<const CaseEntry*> named;
    for (const auto& mutant : all_mutants()) {
        if (mutant.frames.has_value()) continue;
        for (const auto& id : mutant.breaks) {
            for (const auto* const entry : cases_naming(id)) named.insert(entry);
        }
    }
    Trial trial;
    for (const auto* const entry : named) {
        if (entry->requested.has_frames) continue;
        EXPECT_FALSE(is_caught(trial.judge(*entry).verdict)) << entry->id;
    }
}

TEST(Mutants, give_out_packet_identifiers_twice_where_a_sound_broker_does_not) {
    Mutant few{.name = "few"};
    few.options.settings.packet_id_max = mutants::mutant_packet_ids;
    Trial trial{few};
    for (const auto* const id : {"v5/MQTT-2.2.1-4", "v3.1.1/MQTT-2.3.1-4"}) {
        EXPECT_EQ(trial.judge(*cases_naming(id).front()).verdict, Verdict::pass) << id;
    }
}

TEST(Mutants, begin_with_a_web_socket_that_is_as_it_should_be) {
    const Mutant sound{.name = "sound", .frames = FrameDefect::none};
    Trial trial{sound};
    Trial plain;
    std::size_t count = 0;
    for (const auto& entry : all_cases()) {
        if (!entry.requested.has_frames) continue;
        ++count;
        EXPECT_EQ(trial.judge(entry).verdict, Verdict::pass) << entry.id;
        EXPECT_EQ(plain.judge(entry).verdict, Verdict::not_applicable);
    }
    EXPECT_EQ(count, 24U);
}

}  // namespace
}  // namespace touchstone::conformance
