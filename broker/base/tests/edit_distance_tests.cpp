#include <gtest/gtest.h>

#include <string>

#include "broker/base/edit_distance.hpp"

namespace touchstone {
namespace {

TEST(edit_distance, counts_the_changes_from_one_to_the_other) {
    const struct {
        const char* a;
        const char* b;
        std::size_t changes;
    } cases[] = {{"", "", 0},
                 {"", "abc", 3},
                 {"qos", "qos", 0},
                 {"qos", "qso", 1},
                 {"qos", "qo", 1},
                 {"qos", "qoss", 1},
                 {"qos", "qas", 1},
                 {"abc", "ca", 3},  // no swap around what was inserted
                 {"kitten", "sitting", 3}};
    for (const auto& [a, b, changes] : cases) {
        EXPECT_EQ(edit_distance(a, b), changes) << a << ' ' << b;
        EXPECT_EQ(edit_distance(b, a), changes) << b << ' ' << a;
    }
}

}  // namespace
}  // namespace touchstone
