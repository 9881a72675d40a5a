// The engine: virtual time, the event list, the seed and the digest of one run. Knows nothing of
// MQTT; whoever takes part registers a handler and schedules events for it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "broker/base/instant.hpp"
#include "simulator/digest.hpp"
#include "simulator/event_list.hpp"
#include "simulator/random.hpp"

namespace touchstone::simulator {

class EventHandler {
public:
    /// Engine::now() is the event's instant.
    virtual void on_event(const Event& event) = 0;

protected:
    ~EventHandler() = default;
};

/// Where virtual time begins: not at 0, so that an instant that was never set shows.
inline constexpr Instant run_begin{std::chrono::seconds{1}};

class Engine {
public:
    explicit Engine(std::uint64_t seed) : seed_{seed} {}
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    /// The number to put into Event::owner. `handler` outlives the engine's last step.
    std::uint16_t add_handler(EventHandler& handler);

    [[nodiscard]] Instant now() const { return now_; }
    [[nodiscard]] std::uint64_t seed() const { return seed_; }
    [[nodiscard]] RandomStream stream(Domain domain, std::uint64_t entity, Purpose purpose) const {
        return {seed_, domain, entity, purpose};
    }

    /// `at` is not in the past.
    void schedule(Instant at, const Event& event);
    void schedule_in(Duration delay, const Event& event) { schedule(now_ + delay, event); }

    /// Executes the next event if it is due by `until`; false (and nothing done) if not.
    bool step(Instant until);
    /// When the next event is due; nothing when none is.
    [[nodiscard]] std::optional<Instant> next_event_at() const { return events_.next_at(); }
    /// Executes everything due by `until`, which is not in the past, and moves time there.
    void run_until(Instant until);

    /// What was decided and moved since the beginning: every event, and what handlers add.
    [[nodiscard]] Digest& digest() { return digest_; }
    [[nodiscard]] const Digest& digest() const { return digest_; }
    [[nodiscard]] std::uint64_t executed_events() const { return executed_events_; }

private:
    std::uint64_t seed_;
    Instant now_ = run_begin;
    EventList events_;
    std::vector<EventHandler*> handlers_;
    Digest digest_;
    std::uint64_t executed_events_ = 0;
};

}  // namespace touchstone::simulator
