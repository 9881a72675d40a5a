#include <gtest/gtest.h>

#include "broker/access/access_memory.hpp"

namespace touchstone::access {
namespace {

using std::chrono::seconds;

constexpr Instant start{};

TEST(access_memory, recalls_a_verdict_for_its_life) {
    AccessMemory memory{{.entries_max = 2, .life = seconds{60}}};
    EXPECT_EQ(memory.recall(Action::publish, "a", start), std::nullopt);
    memory.remember(Action::publish, "a", true, start);
    EXPECT_EQ(memory.recall(Action::publish, "a", start + seconds{59}), true);
    EXPECT_EQ(memory.recall(Action::subscribe, "a", start), std::nullopt);
    EXPECT_EQ(memory.recall(Action::publish, "a", start + seconds{60}), std::nullopt);
    EXPECT_EQ(memory.size(), 0U);
}

TEST(access_memory, forgets_what_was_recalled_longest_ago) {
    AccessMemory memory{{.entries_max = 2, .life = seconds{60}}};
    memory.remember(Action::publish, "a", true, start);
    memory.remember(Action::publish, "b", false, start);
    EXPECT_EQ(memory.recall(Action::publish, "a", start), true);
    memory.remember(Action::publish, "c", true, start);
    EXPECT_EQ(memory.size(), 2U);
    EXPECT_EQ(memory.recall(Action::publish, "b", start), std::nullopt);
    EXPECT_EQ(memory.recall(Action::publish, "a", start), true);
    EXPECT_EQ(memory.recall(Action::publish, "c", start), true);
}

}  // namespace
}  // namespace touchstone::access
