// The reference broker in virtual time: hours pass in milliseconds, and a seed decides the run.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "broker/base/defects.hpp"
#include "broker/base/settings.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance {

struct SimOptions {
    unsigned shards = 1;
    Settings settings{};
    Defects defects{};  // for tests, which show that a case catches them; the command has no way to
};

namespace detail {
/// The files of targets/setups, by name.
extern const std::map<std::string, std::string, std::less<>> setup_files;
}  // namespace detail

/// Each case gets a node of its own, so what one leaves behind cannot disturb another.
[[nodiscard]] std::unique_ptr<TargetSource> make_sim_source(const SimOptions& options);

}  // namespace touchstone::conformance
