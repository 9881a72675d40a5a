#include "simulator/event_list.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone::simulator {

namespace {

/// For a heap whose front is the earliest.
constexpr auto is_later = [](const EventList::Pending& a, const EventList::Pending& b) {
    if (a.at != b.at) return a.at > b.at;
    return a.sequence > b.sequence;
};

}  // namespace

void EventList::put(Instant at, const Event& event) {
    heap_.push_back({at, sequence_++, event});
    std::ranges::push_heap(heap_, is_later);
}

std::optional<Instant> EventList::next_at() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().at;
}

EventList::Pending EventList::take() {
    CHECK(!heap_.empty());
    std::ranges::pop_heap(heap_, is_later);
    const Pending next = heap_.back();
    heap_.pop_back();
    return next;
}

}  // namespace touchstone::simulator
