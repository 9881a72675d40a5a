// The packets of a case or scenario as lines of text, for terminals, JUnit and logs. The HTML page
// draws its own.
#pragma once

#include <cstddef>
#include <string>

#include "reports/results.pb.h"

namespace touchstone::reports {

/// One line per step, each ended by a line break, control characters shown as `\x1B`:
///     12.345 ms  publisher -> broker     PUBLISH id=1 q1 t='a'
///   * 14.000 ms  broker -> publisher     DISCONNECT 0x82       <- a PUBACK was due
/// At most `line_count_max` lines (>= 2): steps are left out before the first deviating one, or at
/// the end if none does.
[[nodiscard]] std::string
text_ladder(const google::protobuf::RepeatedPtrField<results::Step>& trace,
            std::size_t line_count_max);

/// What a terminal shows of a case that is no pass: id, demand, reason, expected, seen, the
/// packets, the command. At most 15 lines, each ended by a line break.
[[nodiscard]] std::string failure_text(const results::CaseResult& result);

/// The same for a scenario: path, seed, invariants that do not hold, what was received, the
/// command.
[[nodiscard]] std::string failure_text(const results::ScenarioResult& result);

}  // namespace touchstone::reports
