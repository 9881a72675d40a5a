// What cases say about a broken broker. Shared by the tests, where a mutant meets the cases that
// name what it breaks, and by ci/mutants, where it meets all.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/suite/case.hpp"
#include "conformance/suite/context.hpp"
#include "conformance/suite/verdict.hpp"
#include "conformance/tests/mutants/mutant.hpp"

namespace touchstone::conformance {

/// Every trial is drawn from it: the table in MUTANTS.md is the same on every machine.
inline constexpr std::uint64_t trial_seed = 20260101;

/// The cases that judge `id`: the case of this id, else all that have the statement `id` among
/// those that they judge. Empty: there is none.
[[nodiscard]] std::vector<const CaseEntry*> cases_naming(std::string_view id);

/// Worse than a conforming broker gets away with.
[[nodiscard]] constexpr bool is_caught(Verdict verdict) {
    return is_failure(verdict) || verdict == Verdict::non_strict;
}

/// A case that notices a mutant.
struct Witness {
    const CaseEntry* entry = nullptr;
    Verdict verdict = Verdict::fail;
    std::string reason{};  // one line
};

/// A broker in all its conditions, with what the suite takes it for.
class Trial {
public:
    explicit Trial(const Mutant& mutant);
    /// Of the reference broker as it is.
    Trial();

    /// Not applicable when a need of the case is not met.
    [[nodiscard]] CaseOutcome judge(const CaseEntry& entry);
    /// Who notices that `id` is broken: the cases that name it; if none of them does, the first one
    /// whose failure names it, as a rule that is watched in every case. Empty: nobody does.
    [[nodiscard]] std::vector<Witness> witnesses(const std::string& id);
    /// Whether clients of `version` can talk to it at all. One with which they cannot would be
    /// noticed by any case, whatever that looks at.
    [[nodiscard]] bool leads_conversations(ProtocolVersion version);

private:
    void probe_all(TargetSource& source);

    std::unique_ptr<TargetSource> source_;
    std::unique_ptr<TargetSource> reference_;
    std::map<TargetSource*, Surroundings> surroundings_of_{};
    std::map<Condition, Surroundings> surroundings_{};
};

}  // namespace touchstone::conformance
