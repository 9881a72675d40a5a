// From a seed that fails to the few things that make it fail: what was random is written down as
// steps, then steps, clients and limits are taken away as long as the same promise is broken.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "simulator/run.hpp"
#include "simulator/scenario.pb.h"

namespace touchstone::simulator {

/// Whether the step disturbs: links, processes, who is connected, who acknowledges.
[[nodiscard]] bool is_fault(const scenario::Step& step);
/// The message of the step, whichever it is. One is set.
[[nodiscard]] google::protobuf::Message& what_of(scenario::Step& step);
/// Name of the client that the step is about; empty when it is about none.
[[nodiscard]] std::string client_of(scenario::Step step);
/// client_of() is not empty.
void set_client(scenario::Step& step, const std::string& client);

/// How much happens in a scenario.
struct ScenarioSize {
    std::size_t faults =
        0;  // steps that disturb: faults of links and nodes, clients that come and go
    std::size_t messages = 0;  // published by steps
    std::size_t others = 0;    // all other steps but snapshots
    std::size_t clients = 0;
    /// What has to be understood: steps, a publication for each message.
    [[nodiscard]] std::size_t events() const { return faults + messages + others; }
};
[[nodiscard]] ScenarioSize size_of(const scenario::Scenario& scenario);

/// What a failing run is known by. A run has the fingerprint when it breaks `invariant` and none
/// that is not among `also`.
struct Fingerprint {
    std::string invariant;          // the one that was broken first
    std::vector<std::string> also;  // all that were broken
};
/// Nothing when no invariant was broken.
[[nodiscard]] std::optional<Fingerprint> fingerprint_of(const Outcome& outcome);

/// The scenario with everything in it that the run of `outcome` took from outside or drew: seed,
/// shards, defects, limits, and what its workload did as steps. Without expectations, snapshots and
/// proofs, which speak of the whole. `outcome` is of a run of `scenario` with `options`.
[[nodiscard]] scenario::Scenario unroll(const scenario::Scenario& scenario,
                                        const RunOptions& options, const Outcome& outcome);

struct ShrinkOptions {
    std::uint64_t runs_max = 100'000;
    /// Asked before each run; true: enough.
    std::function<bool()> is_time_up;
};

struct Shrunk {
    scenario::Scenario scenario;
    Fingerprint fingerprint;
    ScenarioSize before;  // unrolled
    ScenarioSize after;
    std::uint64_t runs = 0;
    bool is_complete = true;  // nothing more can be taken away; false: the budget is used up
};

/// `scenario` breaks what `fingerprint` says by itself, as unroll() leaves it.
[[nodiscard]] Shrunk shrink(scenario::Scenario scenario, const Fingerprint& fingerprint,
                            const ShrinkOptions& options);

}  // namespace touchstone::simulator
