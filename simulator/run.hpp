// One execution of a scenario: sets up its world, lets happen what it says, judges what came of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulator/checkers/checkers.hpp"
#include "simulator/kill_point.hpp"
#include "simulator/scenario.pb.h"
#include "simulator/sometimes.hpp"
#include "simulator/world.hpp"

namespace touchstone::simulator {

struct RunOptions {
    std::optional<std::uint64_t> seed;    // else the scenario's
    std::optional<unsigned> shard_count;  // of every node; else the scenario's
    /// Switches that are on, beside the scenario's own: NAME or NAME@CLIENT, as choose_defect()
    /// reads them. All are known, and so are the clients.
    std::vector<std::string> defects;
    /// What plays the scenario's only node, in real time; null: a node of our own, in virtual time.
    /// Outlives the Outcome. Nothing of the scenario looks into a node then or does something to it
    /// (live_scenario.hpp).
    Outside* outside = nullptr;
    /// With `outside`: what is known of that node.
    TracedNode promises{};
    /// Put before every Client Identifier that is not empty.
    std::string client_id_prefix{};
    /// When to look at all sessions, after the steps of that instant.
    std::optional<Duration> look_at;
    /// With look_at: the run ends there, unfinished and judged by nobody.
    bool only_looks = false;
    /// Whether every change of a session is written down (Outcome::changes). Costs a look at every
    /// session after every event, and changes nothing of the run.
    bool watches_sessions = false;
    /// Asked every so many events; true ends the run there. None: it is run to its end.
    std::function<bool()> is_to_end{};
    /// Called after every event, to look at the world: it changes nothing of the run.
    std::function<void(World&)> after_event{};
    /// DiskOptions::make_medium of every node that has a disk.
    std::function<std::unique_ptr<Medium>(unsigned shard_count)> make_medium{};
    /// A crash besides those of the scenario; all of its parts are there.
    std::optional<KillPoint> kill{};
};

/// All sessions and clients at an instant, as nodes and clients have them.
struct LookedAt {
    struct Session {
        std::string node;
        SessionView view;
    };
    struct Client {
        std::string name;
        bool is_connected = false;
        std::size_t received = 0;    // messages, with repetitions
        std::size_t unfinished = 0;  // publications not acknowledged or not sent yet
        std::size_t withheld = 0;    // acknowledgements
    };
    Instant at;
    std::vector<Session> sessions;
    std::vector<Client> clients;
};

struct InvariantOutcome {
    const Checker* checker = nullptr;
    Failures failures;
};

/// One of the scenario's `sometimes`.
struct SometimesOutcome {
    const SometimesCondition* condition = nullptr;
    bool has_happened = false;
};

/// An expectation of the scenario, or the demand of a snapshot, that was not met.
struct Disappointment {
    std::string what;  // "received by 'subscriber'"
    std::string expected;
    std::string seen;
};

struct Outcome {
    std::uint64_t seed = 0;
    std::vector<std::string> defects;
    std::optional<unsigned> shard_count;  // RunOptions::shard_count
    std::unique_ptr<World> world;         // as it was left, with its trace
    std::vector<StateRecord> states;
    /// What events made of queue, window and received messages of the clients, in order; of
    /// `received` the last few. The first changes_max of them.
    std::vector<StateRecord> changes;
    static constexpr std::size_t changes_max = 4'000;
    bool was_ended = false;        // by is_to_end: the checkers judge what was, expectations nobody
    bool was_killed = false;       // RunOptions::kill came to pass
    std::optional<LookedAt> look;  // when it was asked for and the run came so far
    std::vector<InvariantOutcome> invariants;  // those that were checked, in the order of all
    std::vector<Disappointment> disappointments;
    std::vector<SometimesOutcome> sometimes;  // in the order of the scenario
    /// The scenario with the limits that were drawn for it, and what its workload did, in order.
    scenario::Scenario drawn;
    google::protobuf::RepeatedPtrField<scenario::Step> schedule;
    /// Whose received sequence the scenario is about: the first client with an expectation, else
    /// the first with a snapshot.
    std::optional<ClientIndex> protagonist;
    std::vector<std::string> expected_received;  // of the protagonist; empty when nothing exact is

    [[nodiscard]] bool has_passed() const;
    [[nodiscard]] std::string digest() const { return world->engine().digest().text(); }
};

/// `scenario` has no problems. Equal scenarios, options and builds of the core give equal outcomes.
[[nodiscard]] Outcome run_scenario(const scenario::Scenario& scenario, const RunOptions& options);

/// `[1, 2, 3]`.
[[nodiscard]] std::string sequence_text(const std::vector<std::string>& labels);

}  // namespace touchstone::simulator
