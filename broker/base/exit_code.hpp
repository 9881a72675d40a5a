// The exit codes of every subcommand: a stable contract with the scripts that call us.
#pragma once

namespace touchstone {

enum class ExitCode : int {
    as_expected = 0,
    expectation_failed = 1,   // a case, an invariant or a gate failed
    usage_error = 2,          // arguments, a file, a result directory, a port in use
    target_unreachable = 3,   // nothing answers at the target
    regression = 4,           // worse than the baseline
    unexpected_pass = 5,      // listed as failing in the baseline, and passed
    run_invalid = 6,          // the generator was the limit, or too few samples
    time_budget_used_up = 7,  // verdicts are missing because time ran out
    interrupted = 130,        // SIGINT; a partial report was written
};

[[nodiscard]] constexpr int to_int(ExitCode code) {
    return static_cast<int>(code);
}

}  // namespace touchstone
