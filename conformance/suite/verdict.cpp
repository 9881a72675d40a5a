#include "conformance/suite/verdict.hpp"

namespace touchstone::conformance {

const char* text_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::pass: return "pass";
        case Verdict::non_strict: return "non-strict";
        case Verdict::info: return "info";
        case Verdict::fail: return "fail";
        case Verdict::not_applicable: return "not applicable";
        case Verdict::inconclusive: return "inconclusive";
        case Verdict::flaky: return "flaky";
        case Verdict::crash: return "crash";
    }
    return "?";
}

}  // namespace touchstone::conformance
