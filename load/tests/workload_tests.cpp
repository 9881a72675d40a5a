#include "load/workload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "load/shapes.hpp"

namespace touchstone::load {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Workload, a_target_is_an_address_with_a_transport) {
    std::string problem;
    const auto plain = parse_target("mqtt://broker.example", problem);
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->host, "broker.example");
    EXPECT_EQ(plain->port, 1883);
    EXPECT_FALSE(plain->has_tls);
    const auto secure = parse_target("mqtts://[::1]:18883/", problem);
    ASSERT_TRUE(secure);
    EXPECT_EQ(secure->host, "::1");
    EXPECT_EQ(secure->port, 18'883);
    EXPECT_TRUE(secure->has_tls);
    EXPECT_EQ(parse_target("mqtts://h", problem)->port, 8'883);
    const auto web = parse_target("wss://[::1]:8084/a/b?c=1", problem);
    ASSERT_TRUE(web);
    EXPECT_EQ(web->host, "::1");
    EXPECT_EQ(web->port, 8'084);
    EXPECT_EQ(web->path, "/a/b?c=1");
    EXPECT_TRUE(web->has_tls);
    EXPECT_TRUE(web->is_web);
    EXPECT_EQ(parse_target("ws://h", problem)->port, 80);
    EXPECT_EQ(parse_target("ws://h", problem)->path, "/mqtt");
    EXPECT_FALSE(parse_target("mqtt://h", problem)->is_web);
}

TEST(Workload, a_wrong_target_is_told_with_a_remedy) {
    for (const auto* const url :
         {"localhost", "http://h", "mqtt://", "ws://", "ws://h/a b", "mqtt://h/a", "mqtt://h:0",
          "mqtt://h:99999", "mqtt://h:x", "mqtt://[::1", "mqtt://[::1]x", "mqtt://a@h"}) {
        std::string problem;
        EXPECT_FALSE(parse_target(url, problem)) << url;
        EXPECT_THAT(problem, HasSubstr("--target")) << url;
    }
}

TEST(Workload, sources_are_addresses_and_ranges) {
    std::string problem;
    EXPECT_THAT(*parse_sources("127.0.0.254-127.0.1.1,10.0.0.7", problem),
                ElementsAre("127.0.0.254", "127.0.0.255", "127.0.1.0", "127.0.1.1", "10.0.0.7"));
    EXPECT_TRUE(parse_sources("", problem)->empty());
    for (const auto* const wrong : {"here", "127.0.0.9-127.0.0.1", "0.0.0.0-255.255.255.255"}) {
        EXPECT_FALSE(parse_sources(wrong, problem)) << wrong;
        EXPECT_THAT(problem, HasSubstr("--source"));
    }
}

Workload pairs() {
    Workload workload{.run_id = "run"};
    ShapeOptions options;
    options.publishing.process = Publishing::Process::stream;
    options.publishing.rate_per_s = 10;
    workload.groups = groups_of(options);
    return workload;
}

TEST(Workload, that_can_be_run_has_no_problem) {
    EXPECT_FALSE(problem_of(pairs()));
    EXPECT_EQ(pairs().clients(), 200U);
}

TEST(Workload, what_is_wrong_is_told_with_the_group) {
    auto workload = pairs();
    workload.groups[0].publishing.rate_per_s = 0;
    EXPECT_THAT(problem_of(workload).value_or(""),
                HasSubstr("publishers: publishes with a rate of 0"));
    workload = pairs();
    workload.groups[1].count = 0;
    EXPECT_THAT(problem_of(workload).value_or(""), HasSubstr("subscribers: has no clients"));
    workload = pairs();
    workload.groups[0].publishing.process = Publishing::Process::closed_loop;
    workload.groups[0].publishing.in_flight = 5;
    workload.groups[0].publishing.size_min = workload.groups[0].publishing.size_max = 8;
    EXPECT_THAT(problem_of(workload).value_or(""), HasSubstr("QoS 1"));
    workload = pairs();
    workload.groups[0].publishing.audience = {.kind = Audience::Kind::all_of, .group = 9};
    EXPECT_TRUE(problem_of(workload));
    EXPECT_TRUE(problem_of(Workload{.run_id = "run"}));
}

}  // namespace
}  // namespace touchstone::load
