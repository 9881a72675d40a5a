// SlabArena: memory for very many small objects of different sizes, named by 32-bit references. A
// slab holds objects of one size; one that is empty goes back to the allocator, so memory follows
// use whatever sizes come and go. It knows nothing of what it holds: no constructors, no
// destructors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace touchstone {

class SlabArena {
public:
    /// Names an object until it is released; never 0, and the highest bit is clear.
    using Ref = std::uint32_t;
    static constexpr std::size_t unit_bytes = 8;  // of sizes and of alignment
    static constexpr std::size_t object_bytes_max = 512;

    SlabArena();
    SlabArena(const SlabArena&) = delete;
    SlabArena& operator=(const SlabArena&) = delete;
    ~SlabArena();

    /// Uninitialized memory for `size_bytes`, at most object_bytes_max. 16 GiB in all is like
    /// running out of memory.
    Ref allocate(std::size_t size_bytes);
    void release(Ref object);

    /// Where the object is; it does not move.
    [[nodiscard]] std::byte* at(Ref object) const {
        return slabs_.data()[object >> slab_bits] + (object & slab_mask) * unit_bytes;
    }

    /// What the slabs take, used or not.
    [[nodiscard]] std::size_t reserved_bytes() const { return slab_count_ * slab_bytes; }

private:
    static constexpr unsigned slab_bits = 13;
    static constexpr std::uint32_t slab_units = 1U << slab_bits;
    static constexpr std::uint32_t slab_mask = slab_units - 1;
    static constexpr std::size_t slab_bytes = slab_units * unit_bytes;
    static constexpr std::uint32_t slab_count_max = 1U << (31U - slab_bits);
    static constexpr std::uint16_t no_unit = 0xFFFF;

    struct Slab {
        std::uint16_t object_units = 0;
        std::uint16_t object_count = 0;
        std::uint16_t first_released = no_unit;  // a list through the released objects
        std::uint16_t first_untouched = 0;
        // Among the slabs of this size that have room; 0: none.
        std::uint32_t next = 0;
        std::uint32_t previous = 0;
        [[nodiscard]] bool has_room() const {
            return first_released != no_unit || first_untouched + object_units <= slab_units;
        }
    };

    std::uint32_t make_slab(std::uint16_t object_units);
    void link(std::uint32_t slab);
    void unlink(std::uint32_t slab);

    // By slab number; 0 is none. Apart from each other, as look-ups need the addresses only.
    std::vector<std::byte*> slabs_;
    std::vector<Slab> states_;
    std::vector<std::uint32_t> free_numbers_;
    std::array<std::uint32_t, object_bytes_max / unit_bytes + 1> with_room_{};  // by object_units
    std::size_t slab_count_ = 0;
};

}  // namespace touchstone
