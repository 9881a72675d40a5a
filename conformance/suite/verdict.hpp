// How a case ended, and what it leaves for the report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/bytes.hpp"
#include "broker/base/instant.hpp"

namespace touchstone::conformance {

/// The values have the order and the meaning of reports/results.proto.
enum class Verdict : std::uint8_t {
    pass,
    non_strict,      // a SHOULD was not followed, or conforming but unusual
    info,            // a choice that the standard leaves open
    fail,            // a MUST or MUST NOT was broken
    not_applicable,  // the broker does not have what the case needs
    inconclusive,    // set-up or network prevented a judgement
    flaky,           // repetitions disagreed
    crash,           // the broker was gone afterwards
};

/// "pass", "non-strict", "not applicable", …
[[nodiscard]] const char* text_of(Verdict verdict);

/// fail or crash.
[[nodiscard]] constexpr bool is_failure(Verdict verdict) {
    return verdict == Verdict::fail || verdict == Verdict::crash;
}

/// One line of the ladder: a packet, or something that happened to a connection.
struct TraceStep {
    enum class Kind : std::uint8_t { packet, opened, closed, waited, noted };
    Kind kind = Kind::noted;
    Instant at{};
    std::string from{};
    std::string to{};  // empty for waited and noted
    Buffer bytes{};
    std::uint32_t bytes_left_out = 0;  // of a packet too long to be kept
    std::string text{};
    bool deviates = false;
    std::string note{};
};

struct CaseOutcome {
    Verdict verdict = Verdict::pass;
    std::optional<Verdict> close_verdict{};  // nothing: no close was to be judged
    std::string reason{};                    // one line, when it is not a plain pass
    std::string expected{};
    std::string seen{};
    std::vector<std::string> broken_statements{};  // found by the monitor, beside the case's own
    std::vector<TraceStep> trace{};
    std::vector<std::string> actors{};
    Instant started{};
    Instant ended{};
    bool was_unreachable = false;  // a Network Connection could not be opened
};

}  // namespace touchstone::conformance
