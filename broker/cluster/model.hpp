// Models of clusters: what the nodes of published brokers do for each other, as rules that a Member
// follows. Each says what it assumes where the documents are silent.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "broker/base/defects.hpp"
#include "broker/base/instant.hpp"
#include "broker/cluster/healing.hpp"

namespace touchstone::cluster {

struct ModelRules {
    std::string_view name;
    std::string_view description;  // one line

    /// Whoever leads a group that most of the nodes belong to runs one broker, with the agreed
    /// records as its storage (ReplicatedStore); the others pass their clients on to it. What
    /// follows means nothing then, but for minority_refuses and the times.
    bool is_one_broker = false;
    /// Of one broker: a node that does not reach the leader leaves its clients' connections as they
    /// are until it knows of another one.
    bool keeps_connections = false;

    // Who has the session of a client.
    bool has_registry = true;       // otherwise every node lets in whomever it does not know
    bool agrees_on_owners = false;  // most of the nodes agree upon who has a client (Raft)
    /// Of those: only the first so many nodes vote, the others learn what was agreed. 0: all vote.
    std::size_t voters_max = 0;
    bool locks_clients = false;   // a CONNECT locks its client at most of the nodes that are up
    bool asks_everybody = false;  // not only the node that the table names
    bool refuses_if_owner_is_away =
        false;                  // who resumes is refused while its session's node is down
    bool keeps_newest = false;  // of two that appear at once or when links return, the older goes
    bool merges_sessions = false;  // … and becomes part of the newer one
    /// Of several sessions the one of the highest generation is the newest, whatever clocks say;
    /// what has ended is remembered by its generation.
    bool counts_generations = false;
    bool reports_doubles = false;  // an operator is told of each client that two nodes had

    bool minority_refuses = false;  // a node that reaches half of all nodes or fewer lets nobody in

    // While not all members are reached: what clients may do nevertheless.
    bool needs_all_members = false;  // nothing, but for
    bool may_register = false;
    bool may_publish = false;
    bool may_subscribe = false;  // and unsubscribe

    // The tables: routes, sessions, Retained Messages.
    bool has_database = false;  // those who parted need `healing` to write to each other again
    HealingPolicy healing = HealingPolicy::none;
    bool keeps_rows = false;  // those of a node that is down; else they go with it
    bool floods = false;      // publications go to every node, whatever is subscribed there
    bool shares_retained =
        true;  // every node has all Retained Messages; else those published there

    /// Nodes without a database compare their tables that often, and when links return; never: they
    /// do not.
    Duration compares_every = Duration::max();

    /// Publications of QoS 1 and 2 are kept until all nodes have them (MessageLog), and sessions
    /// until their new node has them. Takes floods.
    bool keeps_log = false;
    /// Publications that are kept for another node until it has confirmed them; they are sent
    /// again when it is back. 0: none is, and what does not arrive is lost.
    std::size_t kept_messages_max = 0;

    // The failure detector: from the last that was heard to the verdict, uniform.
    Duration detects_low{};
    Duration detects_high{};
    /// After the last fault, until everything that the model promises holds again. Without the time
    /// that its failure detector takes.
    Duration converges_within{};

    // What a scenario says of its nodes, whatever their model.
    std::optional<Duration> autoclean;  // HealingOptions::autoclean
    bool discovers = false;             // the nodes begin as HealingStart::discovering
    bool locks_most_of_all = false;     // of `locks_clients`: most of all nodes, up or not

    std::span<const std::string_view> assumptions;
};

/// All that there are, in the order of cluster-models.
[[nodiscard]] std::span<const ModelRules> all_models();
/// Null when there is none of that name.
[[nodiscard]] const ModelRules* find_model(std::string_view name);
/// A way to heal, as scenarios and reports call it.
struct NamedHealing {
    HealingPolicy policy = HealingPolicy::none;
    std::string_view name;
    std::string_view description;  // one line
};
[[nodiscard]] std::span<const NamedHealing> all_healing();
/// Null when there is none of that name.
[[nodiscard]] const NamedHealing* find_healing(std::string_view name);
/// Has the nodes heal in that way, instead of what the model has.
void heal_by(ModelRules& rules, HealingPolicy policy);

/// The defect switches that concern healing, as its own.
[[nodiscard]] HealingDefects healing_defects(const Defects& defects, HealingPolicy policy);

}  // namespace touchstone::cluster
