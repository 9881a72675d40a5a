#include "broker/timers.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace touchstone {

namespace {

using namespace std::chrono_literals;

Instant at(std::int64_t seconds) { return Instant{std::chrono::seconds{seconds}}; }

std::vector<std::uint32_t> taken(Timers& timers) {
    std::vector<std::uint32_t> slots;
    while (timers.has_due(at(1'000'000))) slots.push_back(timers.take().reminder.slot);
    return slots;
}

TEST(timers, are_due_in_order_of_time_and_then_of_adding) {
    Timers timers;
    timers.add(at(2), {Reminder::What::session, 1, 0});
    timers.add(at(1), {Reminder::What::session, 2, 0});
    timers.add(at(2), {Reminder::What::session, 3, 0});
    EXPECT_EQ(timers.next(), at(1));
    EXPECT_FALSE(timers.has_due(at(0)));
    EXPECT_EQ(taken(timers), (std::vector<std::uint32_t>{2, 1, 3}));
    EXPECT_EQ(timers.next(), never);
}

TEST(timers, that_are_forgotten_leave_the_others_in_order) {
    Timers timers;
    for (std::uint32_t slot = 0; slot < 100; ++slot)
        timers.add(at(slot % 7), {Reminder::What::session, slot, 0});
    auto all = timers;
    auto expected = taken(all);
    std::erase_if(expected, [](std::uint32_t slot) { return slot % 3 == 0; });
    timers.forget([](const Timer& timer) { return timer.reminder.slot % 3 == 0; });
    EXPECT_EQ(taken(timers), expected);
}

TEST(timers, that_come_and_lose_their_meaning_take_no_more_and_more_memory) {
    Timers timers;
    constexpr std::uint32_t living = 3'000;
    std::size_t most = 0;
    for (std::uint32_t slot = 0; slot < 1'000'000; ++slot) {
        timers.add(at(100'000), {Reminder::What::keep_alive, slot, 0});
        if (timers.is_crowded())
            timers.forget([&](const Timer& timer) { return timer.reminder.slot + living <= slot; });
        most = std::max(most, timers.size());
    }
    EXPECT_LE(most, 2 * living);
}

}  // namespace

}  // namespace touchstone
