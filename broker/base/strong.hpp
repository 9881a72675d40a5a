// Strong: an id that cannot be mistaken for another one.
#pragma once

#include <compare>

namespace touchstone {

template <class Tag, class T>
class Strong {
public:
    constexpr Strong() = default;
    explicit constexpr Strong(T raw) : raw_{raw} {}

    [[nodiscard]] constexpr T raw() const { return raw_; }
    friend constexpr auto operator<=>(Strong, Strong) = default;

private:
    T raw_{};
};

/// One shard of a node: 0 … number of shards - 1.
using ShardIndex = Strong<struct ShardTag, unsigned>;

}  // namespace touchstone
