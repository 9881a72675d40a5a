#include "simulator/engine.hpp"

#include "broker/base/check.hpp"

namespace touchstone::simulator {

std::uint16_t Engine::add_handler(EventHandler& handler) {
    CHECK(handlers_.size() < 0xFFFF);
    handlers_.push_back(&handler);
    return static_cast<std::uint16_t>(handlers_.size() - 1);
}

void Engine::schedule(Instant at, const Event& event) {
    CHECK(at >= now_);
    CHECK(event.owner < handlers_.size());
    events_.put(at, event);
}

bool Engine::step(Instant until) {
    const auto next_at = events_.next_at();
    if (!next_at || *next_at > until) return false;
    const EventList::Pending next = events_.take();
    now_ = next.at;
    ++executed_events_;
    digest_.add(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
    digest_.add(std::uint64_t{next.event.owner} << 48U | std::uint64_t{next.event.kind} << 32U |
                next.event.subject);
    digest_.add(next.event.detail);
    handlers_[next.event.owner]->on_event(next.event);
    return true;
}

void Engine::run_until(Instant until) {
    CHECK(until >= now_);
    while (step(until)) {
    }
    now_ = until;
}

}  // namespace touchstone::simulator
