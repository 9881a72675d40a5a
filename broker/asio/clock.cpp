#include "broker/asio/clock.hpp"

#include <chrono>

namespace touchstone::asio_driver {

Instant read_clock() {
    const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
    return Instant{std::chrono::floor<Duration>(since_boot)};
}

Instant read_wall_clock() {
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    return Instant{std::chrono::floor<Duration>(since_1970)};
}

std::int64_t unix_time_ms() {
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::floor<std::chrono::milliseconds>(since_1970).count();
}

}  // namespace touchstone::asio_driver
