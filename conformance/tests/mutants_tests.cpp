// Cases can fail: each is run on broken brokers.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "conformance/suite/runner.hpp"
#include "conformance/tests/mutants.hpp"

namespace touchstone::conformance {
namespace {

constexpr std::uint64_t seed = 20260101;

const CaseEntry& case_named(const std::string& id) {
    const auto& cases = all_cases();
    const auto found = std::ranges::find(cases, id, &CaseEntry::id);
    if (found == cases.end()) throw std::logic_error{"no case " + id};
    return *found;
}

Surroundings surroundings_of(TargetSource& source) {
    return probe(source, {.seed = seed}).surroundings;
}

/// What the suite takes the mutant for: most hide behind the CONNACK of the reference broker.
Surroundings surroundings_of(const Mutant& mutant) {
    const bool shows_itself = mutant.announces_limits || mutant.frames.has_value();
    const auto source = shows_itself ? make_mutant_source(mutant) : make_sim_source({});
    return surroundings_of(*source);
}

/// What the case says about the broker when its needs are met.
Verdict judge(TargetSource& source, const CaseEntry& entry, const Surroundings& surroundings) {
    if (unmet_need(entry.requested, surroundings.capabilities, entry.version)) {
        return Verdict::not_applicable;
    }
    return run_case_once(source, entry, surroundings, seed).verdict;
}

/// Worse than a conforming broker gets away with.
bool is_caught(Verdict verdict) {
    return is_failure(verdict) || verdict == Verdict::non_strict;
}

std::vector<std::string> names_of_mutants() {
    std::vector<std::string> names;
    for (const auto& mutant : all_mutants()) names.push_back(mutant.name);
    return names;
}

class MutantTest : public testing::TestWithParam<std::string> {};

TEST_P(MutantTest, is_killed_by_the_cases_that_name_it) {
    const auto& mutant = *std::ranges::find(all_mutants(), GetParam(), &Mutant::name);
    const auto surroundings = surroundings_of(mutant);
    const auto source = make_mutant_source(mutant);
    for (const auto& id : mutant.killed_by) {
        const auto outcome = run_case_once(*source, case_named(id), surroundings, seed);
        EXPECT_TRUE(is_caught(outcome.verdict))
            << id << " says " << text_of(outcome.verdict) << " to a broker where " << mutant.story;
    }
}

INSTANTIATE_TEST_SUITE_P(Mutants, MutantTest, testing::ValuesIn(names_of_mutants()),
                         [](const auto& one) { return one.param; });

/// Takes out of `survivors` the cases that catch `mutant`. One that cannot lead a plain
/// conversation would be noticed by any case, whatever that looks at: it counts only for those that
/// it names.
void strike_killers(const Mutant& mutant, std::set<const CaseEntry*>& survivors) {
    const auto surroundings = surroundings_of(mutant);
    const auto source = make_mutant_source(mutant);
    for (const auto& id : mutant.killed_by) survivors.erase(&case_named(id));
    for (const auto* plain : {"v5/X5-31", "v3.1.1/MQTT-7.0.0-2"}) {
        const auto version = case_named(plain).version;
        if (judge(*source, case_named(plain), surroundings) != Verdict::pass) continue;
        std::erase_if(survivors, [&](const CaseEntry* entry) {
            return entry->version == version && is_caught(judge(*source, *entry, surroundings));
        });
    }
}

TEST(Mutants, begin_with_a_web_socket_that_is_as_it_should_be) {
    const Mutant sound{.name = "sound", .frames = FrameDefect::none};
    const auto source = make_mutant_source(sound);
    const auto surroundings = surroundings_of(sound);
    const auto plain = make_sim_source({});
    std::size_t judged = 0;
    for (const auto& entry : all_cases()) {
        if (!entry.requested.has_frames) continue;
        ++judged;
        EXPECT_EQ(judge(*source, entry, surroundings), Verdict::pass) << entry.id;
        EXPECT_EQ(judge(*plain, entry, surroundings_of(*plain)), Verdict::not_applicable);
    }
    EXPECT_EQ(judged, 24U);
}

/// Cases that only note a choice of the broker.
const std::set<std::string> observations{"v5/X5-13"};

TEST(Mutants, every_case_catches_one) {
    std::set<const CaseEntry*> survivors;
    for (const auto& entry : all_cases()) survivors.insert(&entry);
    for (const auto& mutant : all_mutants()) strike_killers(mutant, survivors);
    for (const auto& entry : all_cases()) {
        EXPECT_EQ(survivors.contains(&entry), observations.contains(entry.id))
            << entry.id << ": " << entry.demand;
    }
}

}  // namespace
}  // namespace touchstone::conformance
