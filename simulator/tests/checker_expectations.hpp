// What tests of checkers ask: that a promise is kept in a trace made by hand, or broken in one
// place.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "simulator/tests/trace_builder.hpp"

namespace touchstone::simulator {

using Check = Failures (*)(const Trace&, const History&);

inline Failures failures_of(Check check, TraceBuilder& builder) {
    const Trace& trace = builder.finished();
    return check(trace, History{trace});
}

inline void expect_kept(Check check, TraceBuilder& builder) {
    for (const auto& failure : failures_of(check, builder)) ADD_FAILURE() << failure.explanation;
}

inline void expect_broken(Check check, TraceBuilder& builder, const std::string& part) {
    const auto failures = failures_of(check, builder);
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_THAT(failures.front().explanation, testing::HasSubstr(part));
}

inline void expect_kept_or_broken(bool is_kept, Check check, TraceBuilder& builder,
                                  const std::string& part) {
    if (is_kept) return expect_kept(check, builder);
    expect_broken(check, builder, part);
}

/// A publisher on connection 0 and a subscriber to "t" on connection 1.
struct Pair : TraceBuilder {
    ConnectionNumber publisher = connect("publisher");
    ConnectionNumber subscriber = connect("subscriber");
    Pair() { subscribe(subscriber, "t"); }
    void accept(std::string_view payload, std::uint16_t packet_id) {
        publish(publisher, "t", payload, {.packet_id = packet_id});
        to_client(publisher, wire::PacketType::puback, packet_id);
    }
    /// The subscriber's connection is lost; returns the one on which it resumes its session.
    ConnectionNumber resume() {
        lost_by_client(subscriber);
        return connect("subscriber", {.session_present = true});
    }
};

}  // namespace touchstone::simulator
