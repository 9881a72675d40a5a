#include "broker/base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace touchstone::detail {

void check_failed(const char* file, int line, const char* condition) {
    std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, condition);
    std::abort();
}

}  // namespace touchstone::detail
