#include "load/tables.hpp"

#include <gtest/gtest.h>

namespace touchstone::load {
namespace {

TEST(Tables, few_clients_share_the_table_of_the_process) {
    const auto plan = plan_tables(1'000, 2, 20'000);
    EXPECT_EQ(plan.threads, 2U);
    EXPECT_FALSE(plan.has_own_tables);
    EXPECT_EQ(plan_tables(1, 8, 20'000).threads, 1U) << "no thread without a client";
}

TEST(Tables, more_clients_than_open_files_need_more_threads) {
    const auto plan = plan_tables(1'000'000, 2, 20'000);
    EXPECT_TRUE(plan.has_own_tables);
    EXPECT_EQ(plan.threads, 51U);
    EXPECT_LE(1'000'000 / plan.threads + 1 + spare_descriptors, 20'000U);
}

}  // namespace
}  // namespace touchstone::load
