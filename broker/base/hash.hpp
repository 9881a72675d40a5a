// A hash of bytes that is the same in every build and on every run. Seeded where keys come from
// peers, so that nobody can choose keys that collide.
#pragma once

#include <cstdint>
#include <cstring>

#include "broker/base/bytes.hpp"

namespace touchstone {

[[nodiscard]] inline std::uint64_t hash_of(std::string_view text, std::uint64_t seed) {
    constexpr std::uint64_t odd_1 = 0x9E37'79B9'7F4A'7C15;
    constexpr std::uint64_t odd_2 = 0xD6E8'FEB8'6659'FD93;
    std::uint64_t hash = seed ^ (text.size() * odd_1);
    const auto mix = [&hash](std::uint64_t word) {
        hash = (hash ^ word) * odd_1;
        hash ^= hash >> 29U;
    };
    const char* at = text.data();
    auto left = text.size();
    for (; left >= 8; left -= 8, at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, 8);
        mix(word);
    }
    if (left != 0) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, left);
        mix(word);
    }
    hash = (hash ^ (hash >> 32U)) * odd_2;
    return hash ^ (hash >> 29U);
}

}  // namespace touchstone
