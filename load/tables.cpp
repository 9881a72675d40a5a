#include "load/tables.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone::load {

std::uint64_t open_files_max() {
    rlimit limit{};
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    // More costs nobody anything, so what is allowed is taken.
    if (limit.rlim_cur < limit.rlim_max) {
        const rlimit raised{limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return limit.rlim_max;
    }
    return limit.rlim_cur;
}

bool leave_shared_table() {
#ifdef __SANITIZE_THREAD__
    return true;  // ThreadSanitizer takes a number for the same descriptor in all threads.
#else
    if (unshare(CLONE_FILES) == 0) return true;
    // Sandboxes of containers forbid unshare() because of all else that it can do; this does the
    // same to descriptors.
    constexpr unsigned nobody = ~0U;
    return close_range(nobody, nobody, CLOSE_RANGE_UNSHARE) == 0;
#endif
}

TablePlan plan_tables(std::uint64_t clients, unsigned threads, std::uint64_t files_max) {
    const auto room =
        files_max > 2 * spare_descriptors ? files_max - spare_descriptors : files_max / 2;
    const auto wanted = static_cast<unsigned>(std::clamp<std::uint64_t>(clients, 1, threads));
    if (clients <= room) return {.threads = wanted, .has_own_tables = false};
    const auto needed = static_cast<unsigned>((clients + room - 1) / room);
    return {.threads = std::max(wanted, needed), .has_own_tables = true};
}

}  // namespace touchstone::load
