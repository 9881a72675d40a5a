#include "simulator/mutation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "broker/base/check.hpp"
#include "simulator/shrink.hpp"

namespace touchstone::simulator {

namespace {

using scenario::Scenario;
using scenario::Step;

template <class All>
const auto& one_of(const All& all, RandomStream& draws) {
    return all[draws.below(all.size())];
}

class Mutator {
public:
    Mutator(Scenario schedule, const Scenario& other, const MutationContext& context,
            RandomStream& draws)
        : schedule_{std::move(schedule)},
          other_{other},
          context_{context},
          draws_{draws} {}

    Scenario mutate() {
        // Delays and how shards interleave are drawn anew as often as not, and so are limits: a
        // schedule that was only ever run with one window says little.
        const bool is_reseeded = draws_.chance(500);
        if (is_reseeded) schedule_.set_seed(draws_.next());
        const bool takes_limits = draws_.chance(500);
        if (takes_limits) take_limits();
        const auto changes = 1 + draws_.below(4);
        for (std::uint64_t i = 0; i < changes; ++i) change();
        auto& steps = *schedule_.mutable_steps();
        std::stable_sort(steps.begin(), steps.end(),
                         [](const Step& a, const Step& b) { return a.at_ms() < b.at_ms(); });
        return std::move(schedule_);
    }

private:
    void change() {
        switch (draws_.below(10)) {
            case 0: return shift();
            case 1: return repeat();
            case 2: return remove_one();
            case 3: return remove_span();
            case 4: return swap();
            case 5: return move_to_another();
            case 6: return stretch();
            case 7: return splice();
            case 8: return insert_at(draw_time(), one_of(context_.clients, draws_));
            case 9: return insert_at_moment();
            default: UNREACHABLE();
        }
    }

    /// Of a fault, or nothing when there is none.
    Step* any_fault() {
        std::vector<int> faults;
        for (int i = 0; i < schedule_.steps_size(); ++i) {
            if (is_fault(schedule_.steps(i))) faults.push_back(i);
        }
        return faults.empty() ? nullptr : schedule_.mutable_steps(one_of(faults, draws_));
    }

    std::uint32_t draw_time() {
        return static_cast<std::uint32_t>(draws_.below(std::max(1U, context_.until_ms)));
    }

    /// Milliseconds: often few, seldom many.
    std::uint32_t draw_distance() {
        constexpr std::array<std::uint32_t, 6> scales{1, 5, 25, 125, 625, 3'000};
        const auto scale = one_of(scales, draws_);
        return 1 + static_cast<std::uint32_t>(draws_.below(scale));
    }

    std::uint32_t near(std::uint32_t at_ms) {
        const auto distance = draw_distance();
        const bool is_later = draws_.chance(500);
        const auto moved = is_later ? at_ms + distance : at_ms - std::min(at_ms, distance);
        return std::min(moved, std::max(1U, context_.until_ms) - 1);
    }

    void shift() {
        if (auto* const step = any_fault()) step->set_at_ms(near(step->at_ms()));
    }

    void repeat() {
        if (schedule_.steps().empty()) return;
        const auto place = draws_.below(static_cast<std::uint64_t>(schedule_.steps_size()));
        Step again = schedule_.steps(static_cast<int>(place));
        // The payload of a Will is not to be had twice, and no payload deletes.
        if (again.connect().has_will()) return;
        int number = 0;
        for (int i = 0; again.has_publish() && i < again.publish().messages_size(); ++i) {
            auto& message = *again.mutable_publish()->mutable_messages(i);
            if (message.payload().empty()) continue;
            message.set_payload(fmt::format("{}+{}.{}.{}", message.payload(), context_.number,
                                            schedule_.steps_size(), number++));
        }
        const bool is_near = draws_.chance(700);
        again.set_at_ms(is_near ? near(again.at_ms()) : draw_time());
        *schedule_.add_steps() = std::move(again);
    }

    void remove_one() {
        if (schedule_.steps().empty()) return;
        const auto place = draws_.below(static_cast<std::uint64_t>(schedule_.steps_size()));
        schedule_.mutable_steps()->DeleteSubrange(static_cast<int>(place), 1);
    }

    template <class Predicate>
    void remove_steps(Predicate is_meant) {
        auto& steps = *schedule_.mutable_steps();
        steps.erase(std::remove_if(steps.begin(), steps.end(), is_meant), steps.end());
    }

    /// What happens in up to a second.
    void remove_span() {
        const auto from = draw_time();
        const auto to = from + draw_distance() / 3;
        remove_steps([&](const Step& step) { return step.at_ms() >= from && step.at_ms() < to; });
    }

    void swap() {
        auto* const one = any_fault();
        auto* const other = any_fault();
        if (one == nullptr) return;
        const auto at_ms = one->at_ms();
        one->set_at_ms(other->at_ms());
        other->set_at_ms(at_ms);
    }

    void move_to_another() {
        auto* const step = any_fault();
        if (step == nullptr || client_of(*step).empty()) return;
        set_client(*step, one_of(context_.clients, draws_));
    }

    void stretch() {
        auto* const step = any_fault();
        if (step == nullptr) return;
        auto& what = what_of(*step);
        for (const char* const name : {"for_ms", "restart_after_ms", "bytes"}) {
            const auto* const field = what.GetDescriptor()->FindFieldByName(name);
            if (field == nullptr) continue;
            const auto before = what.GetReflection()->GetUInt32(what, field);
            const bool is_longer = draws_.chance(500);
            what.GetReflection()->SetUInt32(
                &what, field, is_longer ? std::min(before * 3, context_.until_ms) : 1 + before / 3);
        }
    }

    /// The faults of another schedule, from an instant on.
    void splice() {
        const auto from = draw_time();
        remove_steps([&](const Step& step) { return step.at_ms() >= from && is_fault(step); });
        for (const auto& step : other_.steps()) {
            if (step.at_ms() < from || !is_fault(step) || step.connect().has_will()) continue;
            *schedule_.add_steps() = step;
        }
    }

    /// Windows, versions, delays: what the other's clients and nodes are like. They are the same
    /// ones.
    void take_limits() {
        *schedule_.mutable_nodes() = other_.nodes();
        *schedule_.mutable_clients() = other_.clients();
    }

    void insert_at_moment() {
        if (context_.moments.empty()) return;
        const auto& moment = one_of(context_.moments, draws_);
        const auto delay_ms = static_cast<std::uint32_t>(draws_.below(2));
        insert_at(moment.at_ms + delay_ms, moment.client);
    }

    /// A fault that one of the two schedules has elsewhere.
    void insert_at(std::uint32_t at_ms, const std::string& client) {
        const bool is_of_other = draws_.chance(500);
        const auto& from = is_of_other ? other_ : schedule_;
        std::vector<int> faults;
        for (int i = 0; i < from.steps_size(); ++i) {
            if (is_fault(from.steps(i)) && !from.steps(i).connect().has_will()) faults.push_back(i);
        }
        if (faults.empty() || at_ms >= context_.until_ms) return;
        Step fault = from.steps(one_of(faults, draws_));
        fault.set_at_ms(at_ms);
        if (!client_of(fault).empty()) set_client(fault, client);
        *schedule_.add_steps() = std::move(fault);
    }

    Scenario schedule_;
    const Scenario& other_;
    const MutationContext& context_;
    RandomStream& draws_;
};

}  // namespace

Scenario mutated(const Scenario& schedule, const Scenario& other, const MutationContext& context,
                 RandomStream& draws) {
    return Mutator{schedule, other, context, draws}.mutate();
}

}  // namespace touchstone::simulator
