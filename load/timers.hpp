// What a thread has to do at an instant, for which client: a heap.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "load/time.hpp"

namespace touchstone::load {

enum class Due : std::uint8_t { start, patience, ping, publish, sleep };

struct Timer {
    Nanos at = 0;
    std::uint32_t client = 0;  // of the thread's
    Due what = Due::start;
    std::uint8_t connection = 0;  // of the client; a timer of an earlier one means nothing

    friend bool operator>(const Timer& one, const Timer& other) { return one.at > other.at; }
};

class Timers {
public:
    void put(const Timer& timer) { heap_.push(timer); }
    [[nodiscard]] Nanos next() const { return heap_.empty() ? no_time : heap_.top().at; }
    Timer take() {
        const auto timer = heap_.top();
        heap_.pop();
        return timer;
    }

private:
    std::priority_queue<Timer, std::vector<Timer>, std::greater<>> heap_;
};

}  // namespace touchstone::load
