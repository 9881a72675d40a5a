#include "load/interval_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace touchstone::load {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(IntervalLog, says_when_it_began_and_has_a_line_for_each_interval_with_values) {
    IntervalLog log{1'700'000'000'250};
    Histogram histogram;
    histogram.add(2 * millisecond);
    log.add("delivery", second / 2, second / 2, histogram);
    log.add("connect", second / 2, second / 2, {});
    EXPECT_THAT(log.text(), HasSubstr("#[Histogram log format version 1.3]\n"));
    EXPECT_THAT(log.text(),
                HasSubstr("#[StartTime: 1700000000.250 (seconds since epoch), Tue Nov 14 "
                          "22:13:20 UTC 2023]\n"));
    EXPECT_THAT(log.text(), HasSubstr("\nTag=delivery,0.500,0.500,2.000,HISTFAAAA"));
    EXPECT_THAT(log.text(), Not(HasSubstr("Tag=connect")));
}

}  // namespace
}  // namespace touchstone::load
