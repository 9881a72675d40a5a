// The limits of the reference broker when scripts are played on it: few enough that a script of
// thirty steps reaches every bound, so that wrap-around and exhaustion happen.
#pragma once

#include "broker/base/settings.hpp"

namespace touchstone::conformance::generated {

/// Lowers the limits in `settings`; the rest of it stays.
inline void set_small_limits(Settings& settings) {
    settings.packet_id_max = 5;
    settings.inflight_max = 3;
    settings.receive_maximum = 3;
    settings.topic_alias_max = 2;
    settings.topic_alias_max_outgoing = 1;
}

}  // namespace touchstone::conformance::generated
