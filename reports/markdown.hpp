// What people read where a page is not at hand: annotations of GitHub, a summary in Markdown for a
// step of CI or a comment, a badge, and the conformance statement of a broker.
#pragma once

#include <string>

#include "reports/results.pb.h"

namespace touchstone::reports {

/// Workflow commands of GitHub Actions, one per line: an error for each result that is not as
/// expected, a notice for each known failure that is gone. At most 50, as GitHub shows no more.
[[nodiscard]] std::string github_annotations(const results::Run& run);

/// Verdict, figures per section of the standard, and each unexpected result with its command.
[[nodiscard]] std::string markdown_summary(const results::Run& run);

/// "MQTT conformance | 98 % of 402": an image (SVG) for a README. Green without a failure, orange
/// when all failures are known ones, red otherwise, grey when nothing was judged.
[[nodiscard]] std::string badge_svg(const results::Run& run);

/// What the broker supports and how each statement fared, in the manner of a Protocol
/// Implementation Conformance Statement (ISO/IEC 9646-7): Markdown. `run` has been through
/// complete().
[[nodiscard]] std::string conformance_statement(const results::Run& run);

}  // namespace touchstone::reports
