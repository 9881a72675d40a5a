// What the tests of live runs and of records share: scenarios, and running one on a node of this
// process.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/asio/tests/running_node.hpp"
#include "simulator/live/command.hpp"
#include "simulator/tests/captured.hpp"

namespace touchstone::simulator::live {

/// A subscriber whose link is cut while QoS 2 messages are under way, and comes back.
inline constexpr const char* cut_in_a_flow = R"(
description: "QoS 2 messages across a cut come once and in order"
seed: 7
duration_ms: 500
nodes { name: "broker" }
clients {
  name: "subscriber" clean_start: false session_expiry_s: 60
  reconnect { delay_ms_low: 20 delay_ms_high: 40 }
  subscriptions { filter: "t" qos: exactly_once }
}
clients { name: "publisher" }
steps { at_ms: 0 connect { client: "subscriber" } }
steps { at_ms: 0 connect { client: "publisher" } }
steps { at_ms: 60 stall { link: "subscriber" direction: to_broker for_ms: 40 } }
steps { at_ms: 70 publish { client: "publisher"
  messages { topic: "t" payload: "1" qos: exactly_once }
  messages { topic: "t" payload: "2" qos: exactly_once } } }
steps { at_ms: 90 cut { link: "subscriber" } }
steps { at_ms: 200 publish { client: "publisher" messages { topic: "t" payload: "3" qos: exactly_once } } }
steps { at_ms: 400 snapshot { client: "subscriber" caption: "all is there" expect: "[||] -> [1,2,3]" } }
expectations { received { client: "subscriber" payloads: ["1", "2", "3"] } }
proofs { defect: "qos2_client_no_dedupe" invariant: "Q2" client: "subscriber" }
)";

/// A Will Message that is retained, and a client that takes its own session over.
inline constexpr const char* will_and_takeover = R"(
description: "A client that is cut off leaves a Will; one that connects twice is there once"
seed: 8
duration_ms: 400
nodes { name: "broker" }
clients {
  name: "watcher" subscriptions { filter: "will/#" qos: at_least_once }
}
clients {
  name: "mortal" will { topic: "will/mortal" payload: "gone" qos: at_least_once retain: true }
  reconnect { enabled: false }
}
clients { name: "twin" clean_start: false version: 3 }
steps { at_ms: 0 connect { client: "watcher" } }
steps { at_ms: 0 connect { client: "mortal" } }
steps { at_ms: 10 connect { client: "twin" } }
steps { at_ms: 60 vanish { client: "mortal" } }
steps { at_ms: 80 half_open { link: "twin" } }
steps { at_ms: 100 connect { client: "twin" } }
expectations { received { client: "watcher" payloads: "gone" } }
)";

inline LoadedScenario loaded(const std::string& text, const std::string& replaced = "",
                             const std::string& by = "") {
    auto changed = text;
    if (!replaced.empty()) changed.replace(changed.find(replaced), replaced.size(), by);
    auto scenario = parse_scenario("given.textproto", changed);
    EXPECT_THAT(scenario.problems, testing::IsEmpty());
    return scenario;
}

inline std::string url_of(const asio_driver::RunningNode& node) {
    return "mqtt://127.0.0.1:" + std::to_string(node.port());
}

inline Captured run(const std::string& url, const LoadedScenario& scenario,
                    const std::vector<std::string>& defects = {}) {
    return captured([&] {
        return run_live({.url = url,
                         .seed = {},
                         .defects = defects,
                         .out = {},
                         .trace_of = "all",
                         .has_no_report = true,
                         .command = "the command"},
                        {scenario});
    });
}

}  // namespace touchstone::simulator::live
