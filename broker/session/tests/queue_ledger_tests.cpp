#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "broker/session/queue_ledger.hpp"

namespace touchstone {
namespace {

TEST(queue_ledger, names_one_of_the_longest_queues) {
    QueueLedger ledger;
    QueueAccount small{.owner = 1};
    QueueAccount large{.owner = 2};
    EXPECT_EQ(ledger.longest(), nullptr);
    ledger.change(small, 0, 100);
    ledger.change(large, 0, 1'000);
    EXPECT_EQ(ledger.size_bytes(), 1'100U);
    EXPECT_EQ(ledger.longest(), &large);
    ledger.change(large, 1'000, 50);
    EXPECT_EQ(ledger.longest(), &small);
    ledger.change(small, 100, 0);
    ledger.change(large, 50, 0);
    EXPECT_EQ(ledger.longest(), nullptr);
    EXPECT_EQ(ledger.size_bytes(), 0U);
}

RC_GTEST_PROP(queue_ledger, nobody_is_named_while_another_holds_twice_as_much, ()) {
    QueueLedger ledger;
    std::array<QueueAccount, 8> accounts;
    std::array<std::size_t, 8> sizes{};
    for (std::size_t i = 0; i < accounts.size(); ++i) accounts[i].owner = i;
    const auto steps = *rc::gen::container<std::vector<std::pair<std::size_t, std::size_t>>>(
        rc::gen::pair(rc::gen::inRange<std::size_t>(0, 8),
                      rc::gen::inRange<std::size_t>(0, 10'000)));
    for (const auto& [who, size] : steps) {
        ledger.change(accounts[who], sizes[who], size);
        sizes[who] = size;
        std::size_t sum = 0;
        for (const auto one : sizes) sum += one;
        RC_ASSERT(ledger.size_bytes() == sum);
        const auto most = *std::max_element(sizes.begin(), sizes.end());
        const auto* const longest = ledger.longest();
        RC_ASSERT((longest == nullptr) == (most == 0));
        if (longest != nullptr) RC_ASSERT(sizes[longest->owner] * 2 > most);
    }
}

}  // namespace
}  // namespace touchstone
