// Descriptors, and threads, to try tables of descriptors with.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>

#include <future>
#include <utility>

#include "broker/asio/descriptor.hpp"

namespace touchstone::asio_driver {

/// Runs `act` in a thread of its own; what it throws, or returns, comes from here.
template <class Act>
auto in_a_thread(Act act) {
    return std::async(std::launch::async, std::move(act)).get();
}

inline Descriptor some_descriptor() {
    return Descriptor{eventfd(0, EFD_CLOEXEC)};
}

}  // namespace touchstone::asio_driver
