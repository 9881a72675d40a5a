// Kill points: a crash at one of the writes of a run. A node writes batches; a crash can catch each
// of them in several ways, and what is left of it then differs. Which kill points a run has is
// found by watching it; one of them is then part of another run.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulator/world.hpp"

namespace touchstone::simulator {

/// How the crash catches a batch.
enum class KillWay : std::uint8_t {
    begun,      // as it is begun: nothing of it is there, and what left with it does not arrive
    unwritten,  // just before it is stored: nothing of it is there
    untold,     // it is there, and nobody was told
    told,       // it is there, and what waited for it has arrived
    // The disk lies:
    torn,   // just before it is stored: a part of it is there
    late,   // it is there; the one before it, which was called stored, is not
    taken,  // it was called stored, what waited for it has arrived, and it is not there
};
inline constexpr std::array all_kill_ways{KillWay::begun, KillWay::unwritten, KillWay::untold,
                                          KillWay::told,  KillWay::torn,      KillWay::late,
                                          KillWay::taken};

[[nodiscard]] std::string_view name_of(KillWay way);

/// One batch of a shard, counted from 1 over all processes of the node.
struct Write {
    NodeIndex node;
    unsigned shard = 0;
    std::uint32_t number = 0;
    friend bool operator==(const Write&, const Write&) = default;
};

struct KillPoint {
    Write write;
    KillWay way = KillWay::unwritten;
    Duration restart_after = std::chrono::milliseconds{500};
};

/// The writes of a world, seen by one who looks after every event.
class WriteWatch {
public:
    void after_event(World& world);

    struct Seen {
        Write write;
        Instant at;
    };
    /// In the order in which they were begun.
    [[nodiscard]] const std::vector<Seen>& writes() const { return writes_; }
    /// Batches that were begun and stored within one event, as in an orderly stop, which waits for
    /// the disk; no crash comes between.
    [[nodiscard]] std::uint64_t indivisible() const { return indivisible_; }

private:
    std::vector<std::vector<std::uint32_t>> ended_;  // by node and shard
    std::vector<Seen> writes_;
    std::uint64_t indivisible_ = 0;
};

/// Crashes the node at its kill point, once, and starts it again. Outlived by the world.
class Kill final : private EventHandler {
public:
    /// The node has a disk, or the kill never happens.
    Kill(World& world, const KillPoint& point);
    Kill(const Kill&) = delete;
    Kill& operator=(const Kill&) = delete;
    ~Kill() = default;

    void after_event();
    [[nodiscard]] bool has_happened() const { return state_ == State::happened; }

private:
    enum class State : std::uint8_t { waiting, aiming, happened, missed };
    enum EventKind : std::uint16_t { die, restart };

    void on_event(const Event& event) override;
    [[nodiscard]] std::optional<DiskFault> lie() const;
    /// The batch is stored, or is known not to be.
    [[nodiscard]] bool is_over() const;
    [[nodiscard]] bool is_after() const;
    void crash();

    World& world_;
    KillPoint point_;
    std::uint16_t owner_;
    State state_ = State::waiting;
    std::optional<World::FaultNumber> lying_;
    World::FaultNumber down_ = 0;
};

}  // namespace touchstone::simulator
