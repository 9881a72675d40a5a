#include "ci/bench.d/measure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>

namespace touchstone::bench {

namespace {

std::int64_t read_clock(clockid_t clock) {
    timespec time{};
    if (clock_gettime(clock, &time) != 0) throw std::runtime_error{"clock_gettime failed"};
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::uint64_t resident_bytes_of(pid_t process) {
    std::ifstream status{fmt::format("/proc/{}/status", process)};
    std::string word;
    std::uint64_t size_kib = 0;
    while (status >> word) {
        if (word == "VmRSS:" && status >> size_kib) return size_kib * 1024;
    }
    throw std::runtime_error{
        fmt::format("process {} has no resident memory: has it ended?", process)};
}

std::vector<std::int64_t> thread_cpu_ns_of(pid_t process) {
    std::map<int, std::int64_t> by_thread;
    for (const auto& entry :
         std::filesystem::directory_iterator{fmt::format("/proc/{}/task", process)}) {
        std::ifstream file{entry.path() / "schedstat"};
        std::int64_t cpu_ns = 0;
        if (file >> cpu_ns) by_thread[std::stoi(entry.path().filename())] = cpu_ns;
    }
    std::vector<std::int64_t> times;
    for (const auto& [thread, cpu_ns] : by_thread) times.push_back(cpu_ns);
    return times;
}

}  // namespace

std::int64_t now_ns() {
    return read_clock(CLOCK_MONOTONIC);
}

std::int64_t own_cpu_ns() {
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

std::size_t Histogram::bucket_of(std::uint64_t value_ns) {
    if (value_ns < (1U << bits)) return static_cast<std::size_t>(value_ns);
    const auto exponent = static_cast<unsigned>(std::bit_width(value_ns)) - 1 - bits;
    // The bit at the front is implied by the exponent.
    return ((std::size_t{exponent} + 1) << bits) + static_cast<std::size_t>(value_ns >> exponent) -
           (1U << bits);
}

std::uint64_t Histogram::middle_of(std::size_t bucket) {
    if (bucket < (1U << bits)) return bucket;
    const auto exponent = (bucket >> bits) - 1;
    const auto lowest = (std::uint64_t{1U << bits} + (bucket & ((1U << bits) - 1))) << exponent;
    return lowest + ((std::uint64_t{1} << exponent) >> 1U);
}

void Histogram::add(std::uint64_t value_ns) {
    ++buckets_[bucket_of(value_ns)];
    ++count_;
    greatest_ns_ = std::max(greatest_ns_, value_ns);
}

std::uint64_t Histogram::quantile_ns(double share) const {
    if (count_ == 0) return 0;
    const auto wanted =
        std::min(static_cast<std::uint64_t>(share * static_cast<double>(count_)), count_ - 1);
    std::uint64_t below = 0;
    for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
        below += buckets_[bucket];
        if (below > wanted) return std::min(middle_of(bucket), greatest_ns_);
    }
    return greatest_ns_;
}

ProcessUsage ProcessUsage::of(pid_t process) {
    clockid_t clock{};
    if (clock_getcpuclockid(process, &clock) != 0) {
        throw std::runtime_error{fmt::format("there is no process {}", process)};
    }
    return {.at_ns = now_ns(),
            .cpu_ns = read_clock(clock),
            .resident_bytes = resident_bytes_of(process),
            .thread_cpu_ns = thread_cpu_ns_of(process)};
}

}  // namespace touchstone::bench
