// Any broker, over TCP.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "conformance/targets/target.hpp"

namespace touchstone::conformance {

/// `host` is a name or an address; it is resolved at each open().
[[nodiscard]] std::unique_ptr<TargetSource> make_tcp_source(std::string host, std::uint16_t port);

}  // namespace touchstone::conformance
