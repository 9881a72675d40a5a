#include "load/process.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <string>

namespace touchstone::load {

namespace {

Nanos time_of(clockid_t clock) {
    timespec time{};
    if (clock_gettime(clock, &time) != 0) return 0;
    return Nanos{time.tv_sec} * second + time.tv_nsec;
}

}  // namespace

std::optional<ProcessUse> use_of_process(int pid) {
    clockid_t clock{};
    if (clock_getcpuclockid(pid, &clock) != 0) return std::nullopt;
    std::ifstream file{"/proc/" + std::to_string(pid) + "/statm"};
    std::uint64_t size_pages = 0;
    std::uint64_t resident_pages = 0;
    if (!(file >> size_pages >> resident_pages)) return std::nullopt;
    return ProcessUse{.cpu_s = in_seconds(time_of(clock)),
                      .resident_bytes =
                          resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))};
}

ThreadClock clock_of_this_thread() {
    ThreadClock clock{.busy = time_of(CLOCK_THREAD_CPUTIME_ID)};
    std::ifstream file{"/proc/thread-self/schedstat"};
    std::uint64_t run = 0;
    std::uint64_t waited = 0;
    if (file >> run >> waited) clock.waited = static_cast<Nanos>(waited);
    return clock;
}

unsigned processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace touchstone::load
