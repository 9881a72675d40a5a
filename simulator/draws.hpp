// What workloads and swarms draw: one of several, something in between.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "simulator/random.hpp"
#include "simulator/scenario.pb.h"

namespace touchstone::simulator {

template <class T, std::size_t count>
T pick(RandomStream& stream, const std::array<T, count>& choices) {
    return stream.pick(std::span<const T>{choices});
}

inline std::uint32_t draw_between(RandomStream& stream, std::uint32_t low, std::uint32_t high) {
    return low + static_cast<std::uint32_t>(stream.below(std::uint64_t{high} - low + 1));
}

inline scenario::QualityOfService draw_qos(RandomStream& stream) {
    return static_cast<scenario::QualityOfService>(stream.below(3));
}

/// One of `all`, which is not empty.
template <class Repeated>
const auto& draw_one(RandomStream& stream, const Repeated& all) {
    return all[static_cast<int>(stream.below(static_cast<std::uint64_t>(all.size())))];
}

}  // namespace touchstone::simulator
