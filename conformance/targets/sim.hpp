// The reference broker in virtual time: hours pass in milliseconds, and a seed decides the run.
#pragma once

#include <memory>

#include "broker/base/defects.hpp"
#include "broker/base/settings.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance {

struct SimOptions {
    unsigned shards = 1;
    Settings settings{};
    Defects defects{};  // for tests, which show that a case catches them; the command has no way to
};

/// Each case gets a node of its own, so what one leaves behind cannot disturb another.
[[nodiscard]] std::unique_ptr<TargetSource> make_sim_source(const SimOptions& options);

}  // namespace touchstone::conformance
