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

/// A broker in all its conditions, with what the suite takes it for.
class Judged {
public:
    explicit Judged(const Mutant& mutant) : source_{make_mutant_source(mutant)} {
        // Most hide behind the CONNACK of the reference broker.
        const bool shows_itself = mutant.announces_limits || mutant.frames.has_value();
        probe_all(shows_itself ? *source_ : *reference_);
    }
    Judged() : source_{make_sim_source({})} { probe_all(*source_); }

    CaseOutcome run(const CaseEntry& entry) {
        std::string problem;
        auto* const place = source_->in(entry.requested.condition, problem);
        return run_case_once(*place, entry, surroundings_.at(entry.requested.condition), seed);
    }
    /// What the case says about the broker when its needs are met.
    Verdict judge(const CaseEntry& entry) {
        const auto& surroundings = surroundings_.at(entry.requested.condition);
        if (unmet_need(entry.requested, surroundings.capabilities, entry.version) ||
            unmet_need(entry.requested, surroundings.declaration)) {
            return Verdict::not_applicable;
        }
        return run(entry).verdict;
    }

private:
    void probe_all(TargetSource& source) {
        for (const auto condition : {Condition::usual, Condition::guarded, Condition::reduced}) {
            std::string problem;
            auto* const place = source.in(condition, problem);
            auto found = surroundings_of_.find(place);
            if (found == surroundings_of_.end()) {
                found = surroundings_of_.emplace(place, surroundings_of(*place)).first;
            }
            surroundings_[condition] = found->second;
        }
    }

    std::unique_ptr<TargetSource> source_;
    std::unique_ptr<TargetSource> reference_ = make_sim_source({});
    std::map<TargetSource*, Surroundings> surroundings_of_{};
    std::map<Condition, Surroundings> surroundings_{};
};

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
    Judged judged{mutant};
    for (const auto& id : mutant.killed_by) {
        const auto outcome = judged.run(case_named(id));
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
    Judged judged{mutant};
    for (const auto& id : mutant.killed_by) survivors.erase(&case_named(id));
    for (const auto* plain : {"v5/X5-31", "v3.1.1/MQTT-7.0.0-2"}) {
        const auto version = case_named(plain).version;
        if (judged.judge(case_named(plain)) != Verdict::pass) continue;
        std::erase_if(survivors, [&](const CaseEntry* entry) {
            return entry->version == version && is_caught(judged.judge(*entry));
        });
    }
}

TEST(Mutants, begin_with_a_web_socket_that_is_as_it_should_be) {
    const Mutant sound{.name = "sound", .frames = FrameDefect::none};
    Judged judged{sound};
    Judged plain;
    std::size_t count = 0;
    for (const auto& entry : all_cases()) {
        if (!entry.requested.has_frames) continue;
        ++count;
        EXPECT_EQ(judged.judge(entry), Verdict::pass) << entry.id;
        EXPECT_EQ(plain.judge(entry), Verdict::not_applicable);
    }
    EXPECT_EQ(count, 24U);
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
