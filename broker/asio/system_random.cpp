#include "broker/asio/system_random.hpp"

#include <sys/random.h>

#include "broker/base/check.hpp"

namespace touchstone::asio_driver {

std::uint64_t SystemRandom::next() {
    if (left_ == 0) {
        // Up to 256 bytes getrandom() neither fails nor falls short.
        CHECK(getrandom(drawn_.data(), sizeof drawn_, 0) == sizeof drawn_);
        left_ = drawn_.size();
    }
    return drawn_[--left_];
}

}  // namespace touchstone::asio_driver
