#include "broker/router/slab_arena.hpp"

#include <cstring>
#include <new>

#include "broker/base/check.hpp"

namespace touchstone {
namespace {

// So that an object of a power of two bytes never lies across two cache lines.
constexpr std::align_val_t slab_alignment{64};

}  // namespace

SlabArena::SlabArena() : slabs_(1, nullptr), states_(1) {}

SlabArena::~SlabArena() {
    for (auto* const slab : slabs_)
        if (slab != nullptr) ::operator delete(slab, slab_alignment);
}

SlabArena::Ref SlabArena::allocate(std::size_t size_bytes) {
    CHECK(size_bytes <= object_bytes_max);
    const auto units = static_cast<std::uint16_t>((size_bytes + unit_bytes - 1) / unit_bytes);
    auto number = with_room_[units];
    if (number == 0) number = make_slab(units);

    auto& slab = states_[number];
    auto unit = slab.first_untouched;
    if (slab.first_released != no_unit) {
        unit = slab.first_released;
        std::memcpy(&slab.first_released, slabs_[number] + unit * unit_bytes,
                    sizeof slab.first_released);
    } else {
        slab.first_untouched = static_cast<std::uint16_t>(slab.first_untouched + units);
    }
    ++slab.object_count;
    if (!slab.has_room()) unlink(number);
    return number << slab_bits | unit;
}

void SlabArena::release(Ref object) {
    const auto number = object >> slab_bits;
    auto& slab = states_[number];
    CHECK(slab.object_count != 0);
    const bool was_full = !slab.has_room();
    if (--slab.object_count == 0) {
        if (!was_full) unlink(number);
        ::operator delete(slabs_[number], slab_alignment);
        slabs_[number] = nullptr;
        free_numbers_.push_back(number);
        --slab_count_;
        return;
    }
    std::memcpy(at(object), &slab.first_released, sizeof slab.first_released);
    slab.first_released = static_cast<std::uint16_t>(object & slab_mask);
    if (was_full) link(number);
}

std::uint32_t SlabArena::make_slab(std::uint16_t object_units) {
    auto number = static_cast<std::uint32_t>(slabs_.size());
    if (free_numbers_.empty()) {
        CHECK(number < slab_count_max);
        slabs_.push_back(nullptr);
        states_.emplace_back();
    } else {
        number = free_numbers_.back();
        free_numbers_.pop_back();
    }
    // Not initialized: what is not used takes no memory from the machine.
    slabs_[number] = static_cast<std::byte*>(::operator new(slab_bytes, slab_alignment));
    states_[number] = {.object_units = object_units};
    ++slab_count_;
    link(number);
    return number;
}

void SlabArena::link(std::uint32_t slab) {
    auto& state = states_[slab];
    auto& first = with_room_[state.object_units];
    state.previous = 0;
    state.next = first;
    if (first != 0) states_[first].previous = slab;
    first = slab;
}

void SlabArena::unlink(std::uint32_t slab) {
    const auto& state = states_[slab];
    if (state.next != 0) states_[state.next].previous = state.previous;
    if (state.previous != 0)
        states_[state.previous].next = state.next;
    else
        with_room_[state.object_units] = state.next;
}

}  // namespace touchstone
