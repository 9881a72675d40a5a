// A rolling digest of a run: two runs with the same digest did the same, for all practical
// purposes. Defined on values, not on memory, so that it does not depend on a machine's byte order.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "broker/base/bytes.hpp"

namespace touchstone::simulator {

class Digest {
public:
    void add(std::uint64_t word) {
        state_ = (state_ ^ word) * 0x9FB2'1C65'1E98'DF25U;
        state_ ^= state_ >> 32U;
    }

    /// The length counts too, so that adjacent pieces cannot flow into each other.
    void add(Bytes bytes) {
        add(static_cast<std::uint64_t>(bytes.size()));
        for (; bytes.size() > 8; bytes = bytes.subspan(8)) add(word_of(bytes.first<8>()));
        if (!bytes.empty()) add(word_of(bytes));
    }

    [[nodiscard]] std::uint64_t value() const { return state_; }

    /// 16 lower-case hexadecimal digits.
    [[nodiscard]] std::string text() const {
        constexpr std::string_view digits = "0123456789abcdef";
        std::string text(16, '0');
        for (unsigned i = 0; i < 16; ++i) text[i] = digits[(state_ >> (60U - 4U * i)) & 0xFU];
        return text;
    }

private:
    /// At most 8 bytes, the first one the lowest.
    [[nodiscard]] static std::uint64_t word_of(Bytes bytes) {
        std::uint64_t word = 0;
        unsigned shift = 0;
        for (const std::byte byte : bytes) {
            word |= static_cast<std::uint64_t>(byte) << shift;
            shift += 8;
        }
        return word;
    }

    std::uint64_t state_ = 0x2545'F491'4F6C'DD1DU;
};

}  // namespace touchstone::simulator
