#include "simulator/kill_point.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone::simulator {

namespace {

/// What a node sends has arrived after this, on a link that is not disturbed.
constexpr Duration told_within = std::chrono::milliseconds{10};

}  // namespace

std::string_view name_of(KillWay way) {
    switch (way) {
        case KillWay::begun: return "begun";
        case KillWay::unwritten: return "unwritten";
        case KillWay::untold: return "untold";
        case KillWay::told: return "told";
        case KillWay::torn: return "torn";
        case KillWay::late: return "late";
        case KillWay::taken: return "taken";
    }
    UNREACHABLE();
}

void WriteWatch::after_event(World& world) {
    ended_.resize(world.node_count());
    for (std::uint32_t node = 0; node < world.node_count(); ++node) {
        const NodeIndex index{node};
        const auto& one = world.node(index);
        if (one.disk() == nullptr) continue;
        ended_[node].resize(one.options().shard_count);
        for (unsigned shard = 0; shard < one.options().shard_count; ++shard) {
            auto& before = ended_[node][shard];
            const auto now = one.disk()->ended(shard);
            if (now == before) continue;
            const bool is_last_seen = one.is_up() && one.disk()->is_under_way(shard);
            indivisible_ += now - before - (is_last_seen ? 1 : 0);
            if (is_last_seen) writes_.push_back({{index, shard, now}, world.now()});
            before = now;
        }
    }
}

Kill::Kill(World& world, const KillPoint& point)
    : world_{world},
      point_{point},
      owner_{world.engine().add_handler(*this)} {
    CHECK(point.write.number != 0);
}

/// With which the crash leaves what the way says.
std::optional<DiskFault> Kill::lie() const {
    switch (point_.way) {
        case KillWay::begun:
        case KillWay::unwritten:
        case KillWay::told: return std::nullopt;
        // A disk that has nothing before it to lose: the batch is there, which is no lie.
        case KillWay::untold:
        case KillWay::late: return DiskFault{.kind = DiskFault::Kind::late};
        case KillWay::torn: return DiskFault{.kind = DiskFault::Kind::torn};
        // With all that came behind it.
        case KillWay::taken: return DiskFault{.kind = DiskFault::Kind::lost, .batches = 1'000};
    }
    UNREACHABLE();
}

void Kill::after_event() {
    if (state_ != State::waiting) return;
    auto& node = world_.node(point_.write.node);
    const auto [write_node, shard, number] = point_.write;
    if (node.disk() == nullptr || shard >= node.options().shard_count) return;
    const auto ended = node.disk()->ended(shard);
    const bool is_under_way = node.disk()->is_under_way(shard);
    // For the one before it to be called stored by a disk that lies, this begins with that one.
    const auto begins_with = point_.way == KillWay::late ? number - 1 : number;
    if (ended < begins_with) return;
    const bool begins_now = ended == begins_with && is_under_way;
    const bool is_too_late = !begins_now && !lying_ && point_.way != KillWay::told;
    if (!node.is_up() || is_too_late) {
        state_ = State::missed;
        return;
    }
    if (const auto fault = lie(); fault && !lying_)
        lying_ = world_.begin_disk_fault(write_node, *fault);
    if (ended < number || is_over() != is_after()) return;
    if (point_.way == KillWay::begun) return crash();
    state_ = State::aiming;
    auto& engine = world_.engine();
    const Instant last_moment = node.disk()->due_at(shard) - Duration{1};
    engine.schedule(is_after() ? world_.now() + told_within : std::max(world_.now(), last_moment),
                    {owner_, die, 0, 0});
}

bool Kill::is_over() const {
    const auto& disk = *world_.node(point_.write.node).disk();
    return disk.ended(point_.write.shard) > point_.write.number ||
           !disk.is_under_way(point_.write.shard);
}

bool Kill::is_after() const {
    return point_.way == KillWay::told || point_.way == KillWay::taken;
}

void Kill::crash() {
    state_ = State::happened;
    down_ = world_.begin_crash(point_.write.node, false);
    if (lying_) world_.end_fault(*lying_);
    world_.engine().schedule_in(point_.restart_after, {owner_, restart, 0, 0});
}

void Kill::on_event(const Event& event) {
    switch (static_cast<EventKind>(event.kind)) {
        case die:
            // It may have gone down by itself, and up again.
            if (world_.node(point_.write.node).is_up() && is_over() == is_after()) return crash();
            state_ = State::missed;
            if (lying_) world_.end_fault(*lying_);
            return;
        case restart: return world_.end_fault(down_);
    }
    UNREACHABLE();
}

}  // namespace touchstone::simulator
