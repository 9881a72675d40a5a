// JUnit XML, in the form that GitLab and GitHub read.
#pragma once

#include <string>

#include "reports/results.pb.h"

namespace touchstone::reports {

/// One test suite per section of the standard (scenarios in one of their own), one test case per
/// result. A result is a <failure> when it did not end as expected, an <error> when the target
/// crashed, <skipped> with the reason when it is not applicable, inconclusive, flaky or a known
/// failure. Well-formed XML 1.0 in UTF-8 whatever the strings hold. `run` has been through
/// complete().
[[nodiscard]] std::string junit_xml(const results::Run& run);

}  // namespace touchstone::reports
