// Result: a value, or the Reason Code to answer with. A peer's mistake is a value, never an
// exception; reading the wrong side aborts.
#pragma once

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/policy/terminate.hpp>
#include <boost/outcome/try.hpp>

#include "broker/base/reason_code.hpp"

namespace touchstone {

template <class T>
using Result =
    boost::outcome_v2::basic_result<T, ReasonCode, boost::outcome_v2::policy::terminate>;

}  // namespace touchstone
