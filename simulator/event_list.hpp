// The event list: what is to happen, ordered by (instant, sequence number). Events of one instant
// come out in the order they went in. The only structure that knows how pending events are kept, so
// that fleets of millions can get another one behind the same four functions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "broker/base/instant.hpp"

namespace touchstone::simulator {

/// Small and trivially copyable: what happens, to whom. The owner gives the numbers their meaning.
struct Event {
    std::uint16_t owner = 0;    // who handles it (Engine::add_handler)
    std::uint16_t kind = 0;     // the owner's
    std::uint32_t subject = 0;  // the owner's: usually an index
    std::uint64_t detail = 0;   // the owner's: usually a generation, to recognize what is outdated
};

class EventList {
public:
    struct Pending {
        Instant at;
        std::uint64_t sequence = 0;
        Event event;
    };

    void put(Instant at, const Event& event);
    /// When the next one is due; nothing when the list is empty.
    [[nodiscard]] std::optional<Instant> next_at() const;
    /// Takes the next one off. The list is not empty.
    Pending take();
    [[nodiscard]] std::size_t size() const { return heap_.size(); }

private:
    std::vector<Pending> heap_;
    std::uint64_t sequence_ = 0;
};

}  // namespace touchstone::simulator
