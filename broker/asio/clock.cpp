#include "broker/asio/clock.hpp"

#include <chrono>

namespace touchstone::asio_driver {

Instant read_clock() {
    const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
    return Instant{std::chrono::floor<Duration>(since_boot)};
}

}  // namespace touchstone::asio_driver
