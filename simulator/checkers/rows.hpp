// Rows of the tables of a cluster's members, and what one has and another one has not.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

namespace touchstone::simulator {

using Rows = std::vector<std::string>;

/// What of `all` is not in `others`, the first few; both are sorted.
inline std::string missing_in(const Rows& all, const Rows& others) {
    constexpr std::size_t shown_max = 3;
    Rows missing;
    std::ranges::set_difference(all, others, std::back_inserter(missing));
    const auto count = missing.size();
    if (count > shown_max) missing.resize(shown_max);
    return fmt::format("{}{}", fmt::join(missing, ", "),
                       count > shown_max ? fmt::format(" and {} more", count - shown_max) : "");
}

}  // namespace touchstone::simulator
