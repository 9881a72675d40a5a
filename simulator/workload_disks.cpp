// The disturbances of a workload that are its first node's disk's. A disk that lies is found out by
// a crash, so that comes with it.

#include "broker/base/check.hpp"
#include "simulator/draws.hpp"
#include "simulator/workload.hpp"

namespace touchstone::simulator {

void Workload::disturb_disk(scenario::Disturbance disturbance, std::uint32_t for_ms) {
    auto trouble = step_now();
    auto& disk = *trouble.mutable_disk();
    disk.set_for_ms(for_ms);
    const auto crash_meanwhile = [&] {
        take_step_(trouble);
        auto crash = step_now();
        constexpr std::uint32_t restart_after_ms_max = 1'000;
        crash.mutable_crash()->set_restart_after_ms(
            draw_between(disturbs_, 1, restart_after_ms_max));
        return take_later(draw_between(disturbs_, 0, for_ms - 1), std::move(crash));
    };
    switch (disturbance) {
        case scenario::slow_disk: {
            constexpr std::uint32_t sync_ms_max = 500;
            disk.set_sync_ms_high(draw_between(disturbs_, 1, sync_ms_max));
            return take_step_(trouble);
        }
        case scenario::full_disk: disk.set_trouble(scenario::full); return take_step_(trouble);
        case scenario::failing_disk:
            disk.set_trouble(scenario::failing);
            return take_step_(trouble);
        case scenario::lose_batches:
            disk.set_trouble(scenario::lost);
            disk.set_batches(draw_between(disturbs_, 1, 3));
            return crash_meanwhile();
        case scenario::tear_batch: {
            const bool is_late = disturbs_.chance(500);
            disk.set_trouble(is_late ? scenario::late : scenario::torn);
            return crash_meanwhile();
        }
        default: UNREACHABLE();  // the others are none of disks
    }
}

}  // namespace touchstone::simulator
