#include "simulator/fleet/outcome.hpp"

#include <array>

namespace touchstone::simulator::fleet {

namespace {

constexpr std::array counters{
    &ClassCounts::attempts,         &ClassCounts::connects,        &ClassCounts::refused,
    &ClassCounts::connect_timeouts, &ClassCounts::answer_timeouts, &ClassCounts::nat_losses,
    &ClassCounts::cut_off,          &ClassCounts::pings,           &ClassCounts::published,
    &ClassCounts::delivered,        &ClassCounts::undelivered,     &ClassCounts::wills};
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

ClassCounts Outcome::all() const {
    ClassCounts sum;
    for (const auto& one : classes) sum.add(one);
    return sum;
}

}  // namespace touchstone::simulator::fleet
