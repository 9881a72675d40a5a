// Parsed: what a text of an operator says, or where it says something else.
#pragma once

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/policy/terminate.hpp>
#include <boost/outcome/try.hpp>
#include <cstdint>
#include <string>

namespace touchstone::access {

struct SyntaxError {
    std::uint32_t line = 1;    // from 1
    std::uint32_t column = 1;  // from 1, in characters
    std::string message;       // what was expected, what was found, what to write

    friend bool operator==(const SyntaxError&, const SyntaxError&) = default;
};

template <class T>
using Parsed =
    boost::outcome_v2::basic_result<T, SyntaxError, boost::outcome_v2::policy::terminate>;

/// A single value is wrong, whose place and name the caller knows.
struct ValueError {
    std::string expected;  // behind "expected": what would be right, with an example
};

template <class T>
using ParsedValue =
    boost::outcome_v2::basic_result<T, ValueError, boost::outcome_v2::policy::terminate>;

}  // namespace touchstone::access
