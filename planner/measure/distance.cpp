#include "planner/measure/distance.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "load/socket.hpp"
#include "planner/measure/windows.hpp"

namespace touchstone::planner {

namespace {

constexpr unsigned turns = 500;  // of a piece
constexpr unsigned pieces = 10;

bool moves_to(int processor) {
    cpu_set_t only{};
    CPU_SET(processor, &only);
    return sched_setaffinity(0, sizeof only, &only) == 0;
}

/// Odd: it is the other one's turn. Alone on its lines of memory.
struct alignas(128) Ball {
    std::atomic<unsigned> at{0};
};

/// False: it did not come in time.
bool awaits(const Ball& ball, unsigned value, load::Nanos until) {
    constexpr unsigned looks = 1'000;
    for (;;) {
        for (unsigned i = 0; i < looks; ++i) {
            if (ball.at.load(std::memory_order_acquire) == value) return true;
        }
        if (load::clock_now() > until) return false;
    }
}

}  // namespace

std::optional<double> distance_between(ProcessorPair processors, load::Nanos patience) {
    Ball ball;
    const auto until = load::clock_now() + patience;
    std::vector<double> took_s;
    const auto throws = [&] {
        if (!moves_to(processors.first)) return;
        for (unsigned piece = 0; piece < pieces; ++piece) {
            const auto begun = load::clock_now();
            for (unsigned i = 0; i < turns; ++i) {
                const auto turn = 2 * (piece * turns + i);
                ball.at.store(turn + 1, std::memory_order_release);
                if (!awaits(ball, turn + 2, until)) return;
            }
            took_s.push_back(load::in_seconds(load::clock_now() - begun) / turns);
        }
    };
    const auto answers = [&] {
        if (!moves_to(processors.second)) return;
        for (unsigned i = 0; i < pieces * turns; ++i) {
            if (!awaits(ball, 2 * i + 1, until)) return;
            ball.at.store(2 * i + 2, std::memory_order_release);
        }
    };
    // The caller keeps its own processors.
    std::thread one{throws};
    std::thread other{answers};
    one.join();
    other.join();
    if (took_s.size() < pieces) return std::nullopt;
    return median_of(std::move(took_s));
}

std::optional<double> distance_between(std::span<const ProcessorPair> pairs) {
    if (pairs.empty()) return std::nullopt;
    double sum = 0;
    for (const auto& pair : pairs) {
        const auto distance = distance_between(pair);
        if (!distance) return std::nullopt;
        sum += *distance;
    }
    return sum / static_cast<double>(pairs.size());
}

bool is_same_distance(double one_s, double other_s) {
    if (one_s <= 0 || other_s <= 0) return true;
    constexpr double factor_max = 1.33;
    return std::max(one_s, other_s) / std::min(one_s, other_s) <= factor_max;
}

double usual_distance(std::span<const double> distances_s) {
    double usual = 0;
    std::ptrdiff_t most = 0;
    for (const double one : distances_s) {
        if (one <= 0) continue;
        const auto same = std::ranges::count_if(
            distances_s, [one](double other) { return other > 0 && is_same_distance(one, other); });
        if (same <= most) continue;
        most = same;
        usual = one;
    }
    return usual;
}

}  // namespace touchstone::planner
