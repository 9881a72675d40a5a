// CHECK: what must hold or the program is wrong. On in every build. What a peer sent never reaches
// a CHECK; that is a Result (result.hpp).
#pragma once

namespace touchstone::detail {

/// Prints `file:line: CHECK failed: condition` to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace touchstone::detail

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) [[unlikely]]                                                             \
            ::touchstone::detail::check_failed(__FILE__, __LINE__, #condition);               \
    } while (false)

#define UNREACHABLE() ::touchstone::detail::check_failed(__FILE__, __LINE__, "unreachable")
