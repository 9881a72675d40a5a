#include "simulator/fleet/outcome.hpp"

#include <array>

namespace touchstone::simulator::fleet {

namespace {

constexpr std::array counters{&ClassCounts::attempts,        &ClassCounts::connects,
                              &ClassCounts::refused,         &ClassCounts::connect_timeouts,
                              &ClassCounts::answer_timeouts, &ClassCounts::nat_losses,
                              &ClassCounts::cut_off,         &ClassCounts::pings,
                              &ClassCounts::published,       &ClassCounts::delivered,
                              &ClassCounts::undelivered,     &ClassCounts::dropped,
                              &ClassCounts::wills,           &ClassCounts::closed_by_broker};
static_assert(sizeof(ClassCounts) == counters.size() * sizeof(std::uint64_t));

}  // namespace

void ClassCounts::add(const ClassCounts& other) {
    for (const auto counter : counters) this->*counter += other.*counter;
}

ClassCounts ClassCounts::minus(const ClassCounts& earlier) const {
    ClassCounts rest = *this;
    for (const auto counter : counters) rest.*counter -= earlier.*counter;
    return rest;
}

std::uint64_t dropped_by_limit(const Outcome& outcome) {
    if (!outcome.core) return outcome.all().dropped;
    std::uint64_t sum = 0;
    for (const auto& [reason, count] : outcome.core->drops)
        if (reason == "queue_full" || reason == "memory_full") sum += count;
    return sum;
}

ClassCounts Outcome::all() const {
    ClassCounts sum;
    for (const auto& one : classes) sum.add(one);
    return sum;
}

}  // namespace touchstone::simulator::fleet
