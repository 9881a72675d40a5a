#include <algorithm>

#include "simulator/fleet/fleet.hpp"

namespace touchstone::simulator::fleet {

/// Whether a connected device only pings, and nothing has to find it by its number.
bool Fleet::is_steady(const DeviceClass& one) const {
    const auto number = static_cast<std::size_t>(&one - model_.classes.data());
    const bool keeps_its_way = one.link.nat_timeout == 0 || one.link.nat_timeout >= one.ping_every;
    return one.publishing.process == PublishProcess::none && one.asleep == 0 && keeps_its_way &&
           !one.has_will && cuts_[number].empty() && connected_at_[number].empty();
}

void Fleet::join_cohort(int device_class, std::uint32_t device, std::uint32_t node,
                        Time next_ping) {
    const auto place =
        cohorts_.place(model_, static_cast<std::uint32_t>(device_class), node, next_ping);
    cohorts_.add(place.index, device);
    outcome_.cohorts_max = std::max(outcome_.cohorts_max, cohorts_.size());
    auto& cohort = cohorts_[place.index];
    if (cohort.is_scheduled) {
        if (cohort.next_at < place.at) ++cohort.fresh;
        return;
    }
    cohort.is_scheduled = true;
    cohort.next_at = std::max(place.at, list_.now());
    put(cohort.next_at, Kind::cohort, place.index, 0, 0);
}

/// The pings of a cohort come evenly over its slot. What they have to wait follows from the work
/// that is there already; that two of them meet is not seen.
void Fleet::on_cohort(const TimedEvent& event) {
    auto& cohort = cohorts_[event.subject];
    const auto& one = model_.classes[cohort.device_class];
    auto& counts = outcome_.classes[cohort.device_class];
    if (cohort.members.empty()) {
        cohort.is_scheduled = false;
        return;
    }
    const auto size = cohort.members.size() - std::exchange(cohort.fresh, 0);
    cohort.next_at = event.at + one.ping_every;
    put(cohort.next_at, Kind::cohort, event.subject, 0, 0);
    counts.pings += size;
    const Time round_trip = 2 * one.link.latency_min + one.link.latency_spread;
    Time longest = 0;
    const std::uint32_t servers = model_.cost.servers;
    for (std::uint32_t i = 0; i < servers; ++i) {
        const std::uint64_t pings = size / servers + (i < size % servers ? 1 : 0);
        if (pings == 0) continue;
        // What is left over goes to others each time.
        const std::uint32_t server = cohort.node * servers + (i + event.subject) % servers;
        const Time work = pings * model_.cost.ping;
        const Time waiting = servers_.spread_work(server, event.at, Cohorts::slot_length, work);
        constexpr std::uint64_t points = 4;
        for (std::uint64_t point = 0; point < points; ++point) {
            const std::uint64_t weight = pings / points + (point < pings % points ? 1 : 0);
            if (weight == 0) continue;
            const Time part = 2 * point + 1;
            const Time come = part * Cohorts::slot_length / (2 * points);
            const Time to_do = waiting + part * work / (2 * points);
            const Time wait = to_do > come ? to_do - come : 0;
            const Time latency = round_trip + wait + model_.cost.ping;
            outcome_.latencies.wait.add(wait, weight);
            outcome_.latencies.ping.add(latency, weight);
            longest = std::max(longest, latency);
        }
    }
    if (longest <= one.answer_patience) return;
    // Answers are late: all of the cohort give up, one after the other as they have asked.
    const auto members = cohorts_.empty(event.subject);
    for (std::size_t i = 0; i < members.size(); ++i) {
        const Time from =
            event.at + one.answer_patience + i * Cohorts::slot_length / members.size();
        auto draws = device_draws_.of(members[i], from);
        ++counts.answer_timeouts;
        devices_[members[i]].node = static_cast<std::uint8_t>(cohort.node);
        lose_connection(static_cast<int>(cohort.device_class), members[i], from);
        retry(static_cast<int>(cohort.device_class), members[i], from, draws);
    }
}

/// The connections of a node are gone.
void Fleet::leave_cohorts(std::uint32_t node, Time at) {
    for (std::uint32_t index = 0; index < cohorts_.count(); ++index) {
        if (cohorts_[index].node != node || cohorts_[index].members.empty()) continue;
        const auto device_class = static_cast<int>(cohorts_[index].device_class);
        for (const auto device : cohorts_.empty(index)) {
            devices_[device].node = static_cast<std::uint8_t>(node);
            cut_connection(device_class, device, at);
        }
    }
}

}  // namespace touchstone::simulator::fleet
