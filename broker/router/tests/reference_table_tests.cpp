#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <vector>

#include "broker/router/reference_table.hpp"

namespace touchstone {
namespace {

RC_GTEST_PROP(reference_table, holds_what_was_put_in_under_few_and_extreme_hashes, ()) {
    ReferenceTable table;
    std::map<std::uint32_t, std::uint32_t> model;  // reference to hash
    const auto hash =
        rc::gen::oneOf(rc::gen::element<std::uint32_t>(0, 1, 0xFFFF'FFFE, 0xFFFF'FFFF),
                       rc::gen::arbitrary<std::uint32_t>());
    const auto hashes = *rc::gen::scale(5, rc::gen::container<std::vector<std::uint32_t>>(hash));
    std::uint32_t last_ref = 0;
    for (const auto one : hashes) {
        table.insert(one, ++last_ref);
        model[last_ref] = one;
        if (*rc::gen::inRange(0, 3) == 0) {
            const auto gone =
                std::next(model.begin(), *rc::gen::inRange(0, static_cast<int>(model.size())));
            table.erase(gone->second, gone->first);
            model.erase(gone);
        }
        if (!model.empty() && *rc::gen::inRange(0, 5) == 0) {
            const auto changed = *model.begin();
            table.replace(changed.second, changed.first, ++last_ref);
            model.erase(changed.first);
            model[last_ref] = changed.second;
        }
    }
    RC_ASSERT(table.size() == model.size());
    for (const auto& [ref, its_hash] : model)
        RC_ASSERT(table.find(its_hash, [r = ref](auto found) { return found == r; }) == ref);
    std::map<std::uint32_t, std::uint32_t> walked;
    table.for_each([&](auto ref) { walked[ref] = model.at(ref); });
    RC_ASSERT(walked == model);
    RC_ASSERT(table.find(17, [&](auto ref) { return !model.contains(ref); }) == 0U);
    for (const auto& [ref, its_hash] : model) table.erase(its_hash, ref);
    RC_ASSERT(table.size() == 0U);
    RC_ASSERT(table.reserved_bytes() <= 8U * 200);
}

TEST(reference_table, takes_at_most_16_bytes_for_each_reference) {
    ReferenceTable table;
    std::uint32_t hash = 1;
    for (std::uint32_t ref = 1; ref <= 100'000; ++ref) {
        hash = hash * 1'664'525U + 1'013'904'223U;
        table.insert(hash, ref);
        if (ref >= 1'000) {
            ASSERT_LE(table.reserved_bytes(), ref * 16U);
        }
    }
}

}  // namespace
}  // namespace touchstone
