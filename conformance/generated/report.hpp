// From what scripts came to, to results.proto.
#pragma once

#include <string>

#include "conformance/generated/player.hpp"
#include "conformance/generated/script.hpp"
#include "reports/results.pb.h"

namespace touchstone::conformance::generated {

/// What stands for one script, or for a block of scripts without a divergence.
struct ScriptCase {
    std::string id;  // "generated/seed-7"
    std::string title{};
    std::string reproduce{};
    bool is_flaky = false;
    std::uint64_t duration_us = 0;  // 0 in virtual time
};

/// Adds a case: fail for a divergence, crash when the broker is gone, else as `played` says.
void add_script_case(results::Run& run, const ScriptCase& script, const Played& played);

/// The ladder of `played`, one line per step, without the PINGREQs between the steps; at most
/// `lines_max` around the deviation.
[[nodiscard]] std::string ladder_text(const Played& played, std::size_t lines_max);

/// "v5/MQTT-4.6.0-5 out of order: message m2 …".
[[nodiscard]] std::string to_text(const Divergence& divergence);

}  // namespace touchstone::conformance::generated
