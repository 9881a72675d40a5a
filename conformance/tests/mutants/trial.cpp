#include "conformance/tests/mutants/trial.hpp"

#include <algorithm>

#include "conformance/suite/runner.hpp"
#include "conformance/targets/sim.hpp"

namespace touchstone::conformance {

std::vector<const CaseEntry*> cases_naming(std::string_view id) {
    std::vector<const CaseEntry*> named;
    for (const auto& entry : all_cases()) {
        if (entry.id == id) return {&entry};
        if (std::ranges::find(entry.statements, id) != entry.statements.end()) {
            named.push_back(&entry);
        }
    }
    return named;
}

Trial::Trial(const Mutant& mutant)
    : source_{make_mutant_source(mutant)},
      reference_{make_sim_source({})} {
    // Most hide behind the CONNACK of the reference broker.
    const bool shows_itself = mutant.announces_limits || mutant.frames.has_value();
    probe_all(shows_itself ? *source_ : *reference_);
}

Trial::Trial() : source_{make_sim_source({})} {
    probe_all(*source_);
}

CaseOutcome Trial::judge(const CaseEntry& entry) {
    const auto condition = entry.requested.condition;
    const auto& surroundings = surroundings_.at(condition);
    if (unmet_need(entry.requested, surroundings.capabilities, entry.version) ||
        unmet_need(entry.requested, surroundings.declaration)) {
        return {.verdict = Verdict::not_applicable};
    }
    std::string problem;
    return run_case_once(*source_->in(condition, problem), entry, surroundings, trial_seed);
}

std::vector<Witness> Trial::witnesses(const std::string& id) {
    std::vector<Witness> found;
    for (const auto* const entry : cases_naming(id)) {
        const auto outcome = judge(*entry);
        if (is_caught(outcome.verdict)) found.push_back({entry, outcome.verdict, outcome.reason});
    }
    if (!found.empty()) return found;
    for (const auto& entry : all_cases()) {
        const auto outcome = judge(entry);
        if (std::ranges::find(outcome.broken_statements, id) != outcome.broken_statements.end()) {
            return {{&entry, outcome.verdict, outcome.reason}};
        }
    }
    return {};
}

bool Trial::leads_conversations(ProtocolVersion version) {
    const auto* const plain = version == ProtocolVersion::v5 ? "v5/X5-31" : "v3.1.1/MQTT-7.0.0-2";
    return judge(*cases_naming(plain).front()).verdict == Verdict::pass;
}

void Trial::probe_all(TargetSource& source) {
    for (const auto condition : {Condition::usual, Condition::guarded, Condition::reduced}) {
        std::string problem;
        auto* const place = source.in(condition, problem);
        auto found = surroundings_of_.find(place);
        if (found == surroundings_of_.end()) {
            found =
                surroundings_of_.emplace(place, probe(*place, {.seed = trial_seed}).surroundings)
                    .first;
        }
        surroundings_[condition] = found->second;
    }
}

}  // namespace touchstone::conformance
