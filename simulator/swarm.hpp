// Swarm testing: what each run draws before it begins. Which limits and habits its clients and
// nodes have, which links, timeouts and clocks, and what may go wrong in it at all.
#pragma once

#include "simulator/engine.hpp"
#include "simulator/random.hpp"
#include "simulator/scenario.pb.h"

namespace touchstone::simulator {

/// Draws limits for a node: small ones are common, since that is where bugs show.
void shuffle_node(scenario::Node& node, RandomStream stream);
/// Draws version, session, window, Keep Alive, acknowledgements and a Will for a client.
void shuffle_client(scenario::Client& client, const scenario::Workload& workload,
                    RandomStream stream);

/// Leaves in the workload those disturbances that may happen in this run, at least one of them.
void choose_disturbances(scenario::Workload& workload, RandomStream stream);
/// Draws timeouts, timer and clock, beside what shuffle_node() draws.
void swarm_node(scenario::Node& node, RandomStream stream);
/// Draws links, timeouts, retries and clock, beside what shuffle_client() draws.
void swarm_client(scenario::Client& client, RandomStream stream);
/// What the scenario's workload leaves to the seed, drawn from the run's streams and written down
/// in its place, so that drawing again changes nothing.
void draw_limits(scenario::Scenario& scenario, const Engine& engine);
/// Parts per million: within what a bad oscillator does, right in almost half of all cases.
[[nodiscard]] std::int32_t draw_drift_ppm(RandomStream& stream);
/// A link that is slow and narrow.
[[nodiscard]] scenario::Link draw_narrow_link(RandomStream& stream);

}  // namespace touchstone::simulator
