// The first bytes of a message's payload: who sent it, its number, and when it was due. Read by the
// same process on the same machine, so times are those of its clock.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "broker/base/bytes.hpp"
#include "load/time.hpp"

namespace touchstone::load {

struct Stamp {
    Nanos due = 0;
    std::uint32_t publisher = 0;  // over all groups
    std::uint32_t number = 0;     // of this publisher's messages, from 0
};

inline constexpr std::size_t stamp_bytes = 16;

/// `to` has stamp_bytes at least.
inline void write_stamp(std::span<std::byte> to, const Stamp& stamp) {
    std::memcpy(to.data(), &stamp.due, 8);
    std::memcpy(to.data() + 8, &stamp.publisher, 4);
    std::memcpy(to.data() + 12, &stamp.number, 4);
}

/// Nothing when it is too short for one.
inline std::optional<Stamp> read_stamp(Bytes payload) {
    if (payload.size() < stamp_bytes) return std::nullopt;
    Stamp stamp;
    std::memcpy(&stamp.due, payload.data(), 8);
    std::memcpy(&stamp.publisher, payload.data() + 8, 4);
    std::memcpy(&stamp.number, payload.data() + 12, 4);
    return stamp;
}

}  // namespace touchstone::load
