// Ring against std::deque, with elements whose loss or double end a sanitizer sees.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include "broker/session/ring.hpp"

namespace touchstone {
namespace {

using Element = std::unique_ptr<int>;

std::vector<int> values(const Ring<Element>& ring) {
    std::vector<int> all;
    for (const auto& element : ring) all.push_back(*element);
    return all;
}

RC_GTEST_PROP(ring, holds_what_a_deque_holds, (const std::vector<std::uint8_t>& steps)) {
    Ring<Element> ring;
    std::deque<int> model;
    int next = 0;
    for (const auto step : steps) {
        const auto place = model.empty() ? 0 : step / 4 % model.size();
        const auto offset = static_cast<std::ptrdiff_t>(place);
        if (step % 4 == 0 && !model.empty()) {
            ring.pop_front();
            model.pop_front();
        } else if (step % 8 == 1 && !model.empty()) {
            const auto after = ring.erase(ring.begin() + offset);
            model.erase(model.begin() + offset);
            RC_ASSERT(after - ring.begin() == offset);
        } else if (step % 8 == 5) {
            ring.insert(ring.begin() + offset, std::make_unique<int>(next));
            model.insert(model.begin() + offset, next++);
        } else {
            ring.push_back(std::make_unique<int>(next));
            model.push_back(next++);
        }
        RC_ASSERT(ring.size() == model.size());
        RC_ASSERT(values(ring) == std::vector<int>(model.begin(), model.end()));
        if (!model.empty()) {
            RC_ASSERT(*ring.front() == model.front());
            RC_ASSERT(*ring.back() == model.back());
        }
    }
}

TEST(ring, can_be_searched_from_both_ends) {
    Ring<Element> ring;
    for (int i = 0; i < 10; ++i) ring.push_back(std::make_unique<int>(i));
    for (int i = 0; i < 5; ++i) ring.pop_front();
    for (int i = 10; i < 14; ++i) ring.push_back(std::make_unique<int>(i));
    const auto above = std::partition_point(ring.begin(), ring.end(),
                                            [](const Element& one) { return *one < 12; });
    EXPECT_EQ(**above, 12);
    EXPECT_EQ(above - ring.begin(), 7);
    EXPECT_EQ(ring.end() - above, 2);
    const auto odd = std::find_if(ring.rbegin(), ring.rend(),
                                  [](const Element& one) { return *one % 2 != 0; });
    EXPECT_EQ(**odd, 13);
}

TEST(ring, begins_anew_after_a_crowd_has_left) {
    Ring<Element> ring;
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 100; ++i) ring.push_back(std::make_unique<int>(i));
        for (int i = 0; i < 100; ++i) {
            EXPECT_EQ(*ring.front(), i);
            ring.pop_front();
        }
        EXPECT_TRUE(ring.empty());
    }
}

}  // namespace
}  // namespace touchstone
