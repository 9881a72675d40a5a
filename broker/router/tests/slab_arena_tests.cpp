#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <map>
#include <vector>

#include "broker/router/slab_arena.hpp"

namespace touchstone {
namespace {

RC_GTEST_PROP(slab_arena, objects_keep_what_is_in_them_while_others_come_and_go, ()) {
    SlabArena arena;
    std::map<SlabArena::Ref, std::pair<std::size_t, int>> model;  // size and content
    for (int i = 0; i < 300; ++i) {
        if (!model.empty() && *rc::gen::inRange(0, 5) < 2) {
            const auto gone =
                std::next(model.begin(), *rc::gen::inRange(0, static_cast<int>(model.size())));
            arena.release(gone->first);
            model.erase(gone);
            continue;
        }
        const auto size_bytes = *rc::gen::element<std::size_t>(1, 8, 9, 24, 32, 511, 512);
        const auto object = arena.allocate(size_bytes);
        RC_ASSERT(object != 0U && object < 1U << 31U && !model.contains(object));
        RC_ASSERT(reinterpret_cast<std::uintptr_t>(arena.at(object)) % SlabArena::unit_bytes == 0U);
        std::memset(arena.at(object), i & 0xFF, size_bytes);
        model[object] = {size_bytes, i & 0xFF};
    }
    for (const auto& [object, what] : model)
        for (std::size_t i = 0; i < what.first; ++i)
            RC_ASSERT(static_cast<int>(arena.at(object)[i]) == what.second);
    for (const auto& [object, what] : model) arena.release(object);
    RC_ASSERT(arena.reserved_bytes() == 0U);
}

TEST(slab_arena, an_empty_slab_is_there_for_objects_of_other_sizes) {
    SlabArena arena;
    std::vector<SlabArena::Ref> objects;
    std::size_t bytes_of_first_round = 0;
    for (const std::size_t size_bytes : {32, 40, 48, 32, 512}) {
        while (objects.size() * size_bytes < 1'000'000)
            objects.push_back(arena.allocate(size_bytes));
        if (bytes_of_first_round == 0) bytes_of_first_round = arena.reserved_bytes();
        EXPECT_LE(arena.reserved_bytes(), bytes_of_first_round + 65'536);
        for (const auto object : objects) arena.release(object);
        objects.clear();
        EXPECT_EQ(arena.reserved_bytes(), 0U);
    }
}

}  // namespace
}  // namespace touchstone
