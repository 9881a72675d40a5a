#include "planner/measure/process.hpp"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace touchstone::planner {

namespace {

constexpr double ns = 1e9;  // in a second

std::optional<std::string> text_of(const std::string& path) {
    std::ifstream file{path};
    if (!file) return std::nullopt;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

double seconds_of(clockid_t clock) {
    timespec time{};
    if (clock_gettime(clock, &time) != 0) return 0;
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / ns;
}

/// The value behind "name : value" of a file like /proc/cpuinfo.
std::string field_of(const std::string& path, const std::string& name) {
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
        const auto colon = line.find(':');
        if (!line.starts_with(name) || colon == std::string::npos) continue;
        const auto begin = line.find_first_not_of(" \t", colon + 1);
        return begin == std::string::npos ? "" : line.substr(begin);
    }
    return "";
}

}  // namespace

std::uint32_t ProcessReading::workers_since(const ProcessReading& earlier) const {
    std::vector<double> spent;
    for (const auto& thread : threads) {
        const auto before = std::ranges::find(earlier.threads, thread.id, &ThreadReading::id);
        spent.push_back(thread.cpu_s - (before == earlier.threads.end() ? 0 : before->cpu_s));
    }
    if (spent.empty()) return 1;
    const double most = *std::ranges::max_element(spent);
    const auto busy = std::ranges::count_if(spent, [&](double one) { return one * 3 >= most; });
    return most > 0 ? static_cast<std::uint32_t>(busy) : 1;
}

std::optional<ProcessReading> read_process(int pid) {
    clockid_t clock{};
    if (clock_getcpuclockid(pid, &clock) != 0) return std::nullopt;
    ProcessReading reading{.at_s = seconds_of(CLOCK_MONOTONIC), .cpu_s = seconds_of(clock)};
    std::error_code failed;
    const std::filesystem::path tasks = "/proc/" + std::to_string(pid) + "/task";
    for (const auto& task : std::filesystem::directory_iterator{tasks, failed}) {
        std::ifstream file{task.path() / "schedstat"};
        std::uint64_t ran_ns = 0;
        std::uint64_t waited_ns = 0;
        if (!(file >> ran_ns >> waited_ns)) continue;
        const auto name = task.path().filename().string();
        int id = 0;
        std::from_chars(name.data(), name.data() + name.size(), id);
        reading.threads.push_back({.id = id,
                                   .cpu_s = static_cast<double>(ran_ns) / ns,
                                   .waited_s = static_cast<double>(waited_ns) / ns});
        reading.waited_s += static_cast<double>(waited_ns) / ns;
        const auto sleeps = field_of(task.path() / "status", "voluntary_ctxt_switches");
        double count = 0;
        std::from_chars(sleeps.data(), sleeps.data() + sleeps.size(), count);
        reading.sleeps += count;
    }
    if (failed) return std::nullopt;
    return reading;
}

std::optional<std::uint64_t> smaps_bytes(const std::string& text, const std::string& name) {
    const auto found = text.find("\n" + name + ":");
    if (found == std::string::npos) return std::nullopt;
    const auto digits = text.find_first_of("0123456789", found + name.size() + 2);
    if (digits == std::string::npos) return std::nullopt;
    std::uint64_t kilobytes = 0;
    std::from_chars(text.data() + digits, text.data() + text.size(), kilobytes);
    return kilobytes * 1'024;
}

std::optional<MemoryReading> read_memory(int pid) {
    const auto text = text_of("/proc/" + std::to_string(pid) + "/smaps_rollup");
    if (!text) return std::nullopt;
    const auto dirty = smaps_bytes(*text, "Private_Dirty");
    const auto proportional = smaps_bytes(*text, "Pss");
    const auto resident = smaps_bytes(*text, "Rss");
    if (!dirty || !proportional || !resident) return std::nullopt;
    return MemoryReading{.private_bytes = *dirty + smaps_bytes(*text, "Swap").value_or(0),
                         .proportional_bytes = *proportional,
                         .resident_bytes = *resident};
}

Separation keep_off_processors_of(int pid) {
    constexpr auto advice =
        "the generator shares the processors of the broker: start the broker with `taskset -c 0 "
        "...`, and it will use the others";
    cpu_set_t theirs{};
    cpu_set_t ours{};
    if (sched_getaffinity(pid, sizeof theirs, &theirs) != 0 ||
        sched_getaffinity(0, sizeof ours, &ours) != 0) {
        return {.words = advice};
    }
    std::string list;
    std::vector<int> of_process;
    std::vector<int> of_caller;
    for (int i = 0; i < CPU_SETSIZE; ++i) {
        if (CPU_ISSET(i, &theirs)) {
            CPU_CLR(i, &ours);
            of_process.push_back(i);
        }
        if (!CPU_ISSET(i, &ours)) continue;
        of_caller.push_back(i);
        list += (list.empty() ? "" : ",") + std::to_string(i);
    }
    if (list.empty() || sched_setaffinity(0, sizeof ours, &ours) != 0) return {.words = advice};
    Separation separation{.is_separate = true,
                          .words = "the generator has processor " + list +
                                   ", which the broker does not use, and stays awake"};
    constexpr std::size_t pairs_max = 4;
    for (std::size_t i = 0; i < std::min(pairs_max, of_process.size()); ++i) {
        separation.pairs.emplace_back(of_process[i], of_caller[i % of_caller.size()]);
    }
    return separation;
}

std::string program_of(int pid) {
    std::error_code failed;
    const auto path =
        std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", failed);
    return failed ? "broker" : path.filename().string();
}

Machine this_machine() {
    Machine machine;
    machine.processor = field_of("/proc/cpuinfo", "model name");
    machine.processors = static_cast<std::uint32_t>(::sysconf(_SC_NPROCESSORS_ONLN));
    machine.memory_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    utsname name{};
    if (::uname(&name) == 0) machine.kernel = std::string{name.sysname} + " " + name.release;
    return machine;
}

}  // namespace touchstone::planner
