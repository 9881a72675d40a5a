// How far two names are apart, for "did you mean".
#pragma once

#include <cstddef>
#include <string_view>

namespace touchstone {

/// The fewest characters to insert, remove, replace or swap with their neighbour, none of them twice
/// (optimal string alignment), to get from `a` to `b`. Takes time and memory of a.size() * b.size()
/// and b.size().
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace touchstone
