// Tier T3: devices that do nothing but keep their connection are lists of numbers, four bytes each,
// one list for those of a class and node that ping within the same 17 ms of their period. An event
// stands for a whole list.
#pragma once

#include <cstdint>
#include <vector>

#include "simulator/fleet/model.hpp"

namespace touchstone::simulator::fleet {

class Cohorts {
public:
    static constexpr unsigned slot_shift = 24;
    static constexpr Time slot_length = Time{1} << slot_shift;

    struct Cohort {
        std::uint32_t device_class = 0;
        std::uint32_t node = 0;
        bool is_scheduled = false;
        Time next_at = 0;         // when it is scheduled for
        std::uint32_t fresh = 0;  // of the last members: they ping for the first time after that
        std::vector<std::uint32_t> members;
    };

    /// The cohort that pings at `next_ping`, and when its slot begins.
    struct Place {
        std::uint32_t index = 0;
        Time at = 0;
    };
    Place place(const FleetModel& model, std::uint32_t device_class, std::uint32_t node,
                Time next_ping) {
        const Time period = model.classes[device_class].ping_every;
        if (first_.empty()) make(model);
        const Time phase = next_ping % period;
        const auto slots = static_cast<std::uint32_t>((period >> slot_shift) + 1);
        const auto slot = static_cast<std::uint32_t>(phase >> slot_shift);
        return {first_[device_class] + node * slots + slot,
                next_ping - phase + (Time{slot} << slot_shift)};
    }
    Cohort& operator[](std::uint32_t index) { return all_[index]; }
    void add(std::uint32_t index, std::uint32_t device) {
        auto& members = all_[index].members;
        // An eighth more each time, not twice as much: the numbers are what the memory is for.
        if (members.size() == members.capacity()) {
            members.reserve(members.size() + members.size() / 8 + 4);
        }
        members.push_back(device);
        ++size_;
    }
    /// Takes all members out.
    std::vector<std::uint32_t> empty(std::uint32_t index) {
        auto members = std::move(all_[index].members);
        all_[index].members = {};
        all_[index].fresh = 0;
        size_ -= members.size();
        return members;
    }
    [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(all_.size()); }
    /// Devices in cohorts.
    [[nodiscard]] std::uint64_t size() const { return size_; }

private:
    void make(const FleetModel& model) {
        for (std::uint32_t i = 0; i < model.classes.size(); ++i) {
            first_.push_back(static_cast<std::uint32_t>(all_.size()));
            const auto slots = (model.classes[i].ping_every >> slot_shift) + 1;
            for (std::uint32_t node = 0; node < model.cost.nodes; ++node) {
                for (Time slot = 0; slot < slots; ++slot)
                    all_.push_back({.device_class = i, .node = node});
            }
        }
    }

    std::vector<std::uint32_t> first_;  // by class
    std::vector<Cohort> all_;
    std::uint64_t size_ = 0;
};

}  // namespace touchstone::simulator::fleet
