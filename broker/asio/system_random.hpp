// SystemRandom: the operating system's random bits for the core.
#pragma once

#include <array>
#include <cstdint>

#include "broker/ports/random.hpp"

namespace touchstone::asio_driver {

/// Draws many numbers per system call. One thread.
class SystemRandom final : public Random {
public:
    std::uint64_t next() override;

private:
    std::array<std::uint64_t, 32> drawn_{};
    std::size_t left_ = 0;
};

}  // namespace touchstone::asio_driver
