#include "simulator/fleet/draws.hpp"

#include <array>
#include <bit>

namespace touchstone::simulator::fleet {

namespace {

/// -ln u for u = draw / 2^64, in units of 2^-32: ln 2 by the place of the highest bit, and for the
/// rest a table of ln(1 + i / 256) with the line between its points; exact to 2e-6. The table comes
/// from ln(a b) = ln a + ln b and the series of artanh, in integers.
constexpr std::uint64_t ln2 = 2'977'044'472;  // 2^32 ln 2

constexpr std::uint64_t ln_one_plus(std::uint64_t part) {
    // ln(1 + x) = 2 artanh(x / (2 + x)), x = part / 256; in units of 2^-32.
    const std::uint64_t y = (part << 32U) / (512 + part);
    std::uint64_t power = y;
    std::uint64_t sum = 0;
    for (unsigned n = 1; power != 0; n += 2) {
        sum += power / n;
        power = ((power * y >> 32U) * y) >> 32U;
    }
    return 2 * sum;
}

constexpr auto ln_table = [] {
    std::array<std::uint64_t, 257> table{};
    for (std::uint64_t i = 0; i <= 256; ++i) table[i] = ln_one_plus(i);
    return table;
}();
static_assert(ln_table[256] <= ln2 && ln_table[256] + 32 > ln2);

constexpr std::uint64_t minus_ln(std::uint64_t draw) {
    draw |= 1U;
    const auto zeros = static_cast<unsigned>(std::countl_zero(draw));
    const std::uint64_t fraction = (draw << zeros) << 1U;  // behind the highest bit
    const auto index = static_cast<std::size_t>(fraction >> 56U);
    const std::uint64_t between = (fraction >> 32U) & 0xFF'FFFFU;  // 24 bits
    const std::uint64_t step = ln_table[index + 1] - ln_table[index];
    const std::uint64_t ln = ln_table[index] + (step * between >> 24U);
    return (zeros + 1) * ln2 - ln;
}

}  // namespace

Time Draws::exponential(Time mean) {
    constexpr std::uint64_t longest = std::uint64_t{16} << 32U;
    const std::uint64_t times = std::min(minus_ln(next()), longest);  // 4.32
    __extension__ using Wide = unsigned __int128;
    return static_cast<Time>((Wide{mean} * times) >> 32U);
}

}  // namespace touchstone::simulator::fleet
