#include "broker/cluster/model.hpp"

#include <algorithm>
#include <array>

namespace touchstone::cluster {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto database_assumptions = std::to_array<std::string_view>({
    "rows of the routes and sessions of a node go when the node is called down, on every node that "
    "sees it",
    "of two writes of a Retained Message the later one by the clock of its node holds",
    "a session moves in one piece: its new node announces its routes first, and takes what comes "
    "for "
    "them meanwhile",
    "a client that is locked by another claim is refused with Server busy",
});
template <std::size_t Size, std::size_t MoreSize>
constexpr auto joined(const std::array<std::string_view, Size>& some,
                      const std::array<std::string_view, MoreSize>& more) {
    std::array<std::string_view, Size + MoreSize> all{};
    std::copy(more.begin(), more.end(), std::copy(some.begin(), some.end(), all.begin()));
    return all;
}
constexpr auto mria_assumptions =
    joined(database_assumptions,
           std::to_array<std::string_view>({
               "rows of a replicant stay until it says otherwise",
               "a replicant that gets another core says again which clients it has; of two "
               "sessions of one "
               "client that meet so, the newer stays",
               "a replicant that reaches no core lets nobody in, and serves those that it has",
           }));
constexpr auto rabbit_assumptions = std::to_array<std::string_view>({
    "a session's queue moves with its client",
    "who resumes a session whose node is down is refused with Server busy",
    "RETAIN is not kept between nodes, as Retained Messages are local",
});
constexpr auto agreed_assumptions = std::to_array<std::string_view>({
    "a session's queue moves with its client",
    "who is not agreed upon within 5 s is refused with Server unavailable",
    "a node that has begun anew gives up the clients it had before",
    "Retained Messages are local, or the later one by its node's clock holds",
});
constexpr auto vernemq_assumptions = std::to_array<std::string_view>({
    "who may not publish while a member is down gets a failure (MQTT 5.0) or is disconnected",
    "of two sessions of a client the older one by its node's clock becomes part of the newer one",
    "1,000 messages are kept for a member until it has confirmed them, and sent again when it is "
    "back",
    "a failure detector takes 3 to 6 s; nodes compare their tables every 5 s if something has "
    "changed",
});
constexpr auto forward_assumptions = std::to_array<std::string_view>({
    "every node has its own Shared Subscriptions: each gets a copy",
    "Retained Messages are those published at the node or flooded to it",
});
constexpr auto hivemq_assumptions = std::to_array<std::string_view>({
    "a session is at one node; its copies on other nodes are not modelled",
    "of two sessions of a client the older one by its node's clock becomes part of the newer one: "
    "subscriptions and queued messages of both, and its connection is closed",
    "of two Retained Messages the later one by its node's clock holds",
    "a failure detector takes 3 to 5 s",
    "nodes compare their tables every 5 s if something has changed",
});

constexpr auto strict_assumptions = std::to_array<std::string_view>({
    "one log for all clients, not one for each range of Client Identifiers",
    "the node that leads runs the broker; to the others a client's connection is a part of its way "
    "there, which takes no time of its own",
    "a new leader begins with the records of the log, as a broker does after a crash: all clients "
    "connect again, and what was not acknowledged is open",
    "elections take 1 to 2 s without a leader; a lease of 0.8 s bounds how long the old one goes "
    "on, and clocks of nodes run alike but for a tenth",
    "a node's part of the log is on its disk at once, and outlives every crash",
});
constexpr auto nats_assumptions = std::to_array<std::string_view>({
    "one Raft group stands for the streams of all sessions and messages, with a replica on every "
    "node",
    "a publication of QoS 0 goes the same way; that it flows among the clients of a minority is "
    "not modelled",
    "a server that does not reach the leader keeps its connections, and they are silent; it closes "
    "them when it knows of a leader again",
    "messages are not sent again on a connection after 30 s, as consumers with AckWait would",
    "Retained Messages are agreed upon; the cache of each server is not modelled",
});
constexpr auto emqx_ds_assumptions = std::to_array<std::string_view>({
    "what is modelled is the durable side, as one shard with a replica on every node; sessions in "
    "memory, the registry and the Retained Messages are as those of emqx5",
    "an acknowledgement waits for the append; the inspected source does not wait (switch "
    "ack_before_commit)",
    "Retained Messages are agreed upon here; there they are in Mria",
    "shared groups are those of the broker, without leaders of their own",
    "a node that does not reach the leader keeps its connections, and they are silent",
});
constexpr auto bifromq_assumptions = std::to_array<std::string_view>({
    "what is modelled are gossip, the dictionary and the live connections; the ranges of the "
    "stores "
    "are not: a session is at one node, and not on replicas of an inbox range",
    "of two connections of a client the older one by its node's clock is kicked when the views "
    "merge, and its session becomes part of the newer one",
    "of two Retained Messages the later one by its node's clock holds",
    "a failure detector takes 3 to 5 s; nodes announce anew when links return and every 5 s if "
    "something has changed",
});
constexpr auto federation_assumptions = std::to_array<std::string_view>({
    "1,000 events are kept for a peer, and counted beyond; a peer is not expelled for that",
    "events keep their order: the document says that after a split it is lost",
    "a client has one session, which follows it (the mended behaviour: switch "
    "federation_double_route)",
    "a failure detector takes 3 to 5 s",
});
constexpr auto ideal_assumptions = std::to_array<std::string_view>({
    "every publication goes to every node, which keeps it until all have it, without a limit",
    "each row of a table belongs to one node since it began; a session has the generation after "
    "all that its node knows of, and the highest is the newest, the higher node of two",
    "the older of two sessions becomes part of the newer one, or ends if that was begun clean "
    "since",
    "messages come again where a session has moved or was united",
    "a Will is published where its client was, and comes to the other side when links are back",
    "sessions are in memory: with a node that crashes go its sessions and what it alone has",
    "every node has its own Shared Subscriptions: each gets a copy",
    "of two Retained Messages the later one by its node's clock holds",
});
/// `base` with what `change` does to it.
template <class Change>
constexpr ModelRules changed(ModelRules base, Change change) {
    change(base);
    return base;
}

/// Erlang's distribution and a database that every node has a copy of: what EMQX and RabbitMQ stand
/// on.
constexpr ModelRules database{.has_database = true,
                              .detects_low = seconds{45},
                              .detects_high = seconds{75},
                              .converges_within = seconds{70}};

constexpr auto emqx4 = changed(database, [](ModelRules& rules) {
    rules.name = "emqx4";
    rules.description = "EMQX 4: a full mesh with copies of all tables; ekka heals by starting the "
                        "losers again";
    rules.locks_clients = true;
    rules.healing = HealingPolicy::emqx4;
    rules.assumptions = database_assumptions;
});
constexpr auto emqx4_original = changed(emqx4, [](ModelRules& rules) {
    rules.name = "emqx4_original";
    rules.description = "EMQX 4 with ekka before 0.8.1.14: one attempt to heal, two sides at most";
    rules.healing = HealingPolicy::emqx4_original;
});
constexpr auto emqx5 = changed(emqx4, [](ModelRules& rules) {
    rules.name = "emqx5";
    rules.description =
        "EMQX 5: Mria keeps the largest clique; cores, and replicants if a scenario "
        "has some";
    rules.healing = HealingPolicy::mria;
    rules.assumptions = mria_assumptions;
});

constexpr auto rabbit37 = changed(database, [](ModelRules& rules) {
    rules.name = "rabbit37";
    rules.description = "RabbitMQ to 3.7: Client Identifiers of each node for itself";
    rules.has_registry = false;
    rules.healing = HealingPolicy::rabbit_autoheal;
    rules.shares_retained = false;
    rules.assumptions = rabbit_assumptions;
});
constexpr auto rabbit38 = changed(rabbit37, [](ModelRules& rules) {
    rules.name = "rabbit38";
    rules.description = "RabbitMQ 3.8 to 3.11: most of the nodes agree upon who has a client";
    rules.has_registry = true;
    rules.agrees_on_owners = true;
    rules.minority_refuses = true;
    rules.assumptions = agreed_assumptions;
});
constexpr auto rabbit312 = changed(rabbit37, [](ModelRules& rules) {
    rules.name = "rabbit312";
    rules.description =
        "RabbitMQ from 3.12 with classic queues: a CONNECT tells every node that it "
        "sees to close others";
    rules.has_registry = true;
    rules.asks_everybody = true;
    rules.refuses_if_owner_is_away = true;
});
constexpr auto rabbit312_pause_minority = changed(rabbit312, [](ModelRules& rules) {
    rules.name = "rabbit312_pause_minority";
    rules.description = "the same, and a node that does not see most of the others pauses";
    rules.minority_refuses = true;
    rules.healing = HealingPolicy::rabbit_pause_minority;
});
constexpr auto rabbit312_ignore = changed(rabbit312, [](ModelRules& rules) {
    rules.name = "rabbit312_ignore";
    rules.description = "the same, and an operator has to heal";
    rules.healing = HealingPolicy::rabbit_ignore;
});

/// Tables that are united when links return.
constexpr ModelRules united{.keeps_newest = true,
                            .merges_sessions = true,
                            .compares_every = seconds{5},
                            .detects_low = seconds{3},
                            .detects_high = seconds{5},
                            .converges_within = seconds{15}};

constexpr auto vernemq = changed(united, [](ModelRules& rules) {
    rules.name = "vernemq";
    rules.description = "VerneMQ: while a member is down nobody may register, publish or subscribe";
    rules.needs_all_members = true;
    rules.keeps_rows = true;
    rules.kept_messages_max = 1'000;
    rules.detects_high = seconds{6};
    rules.assumptions = vernemq_assumptions;
});
constexpr auto vernemq_allow_all = changed(vernemq, [](ModelRules& rules) {
    rules.name = "vernemq_allow_all";
    rules.description = "the same with all four switches on: both sides serve";
    rules.may_register = true;
    rules.may_publish = true;
    rules.may_subscribe = true;
});
constexpr auto hivemq = changed(united, [](ModelRules& rules) {
    rules.name = "hivemq";
    rules.description = "HiveMQ: no master; what the sides of a partition have is united";
    rules.assumptions = hivemq_assumptions;
});
constexpr auto rmqtt_raft = changed(united, [](ModelRules& rules) {
    rules.name = "rmqtt_raft";
    rules.description = "RMQTT with Raft: most of the nodes agree upon who has a client";
    rules.agrees_on_owners = true;
    rules.minority_refuses = true;
    rules.keeps_newest = false;
    rules.merges_sessions = false;
    rules.assumptions = agreed_assumptions;
});
constexpr auto ideal_ap = changed(united, [](ModelRules& rules) {
    rules.name = "ideal_ap";
    rules.description = "A reference: both sides of a partition serve, and nothing acknowledged is "
                        "lost when they are united";
    rules.counts_generations = true;
    rules.reports_doubles = true;
    rules.keeps_rows = true;
    rules.floods = true;
    rules.keeps_log = true;
    rules.assumptions = ideal_assumptions;
});
constexpr ModelRules forward_only{
    .name = "forward_only",
    .description = "Publications are flooded; clients, sessions and Shared Subscriptions are each "
                   "node's own",
    .has_registry = false,
    .floods = true,
    .shares_retained = false,
    .detects_low = seconds{3},
    .detects_high = seconds{5},
    .converges_within = seconds{5},
    .assumptions = forward_assumptions};

constexpr ModelRules strict_cp{
    .name = "strict_cp",
    .description = "A reference: one broker on an agreed log; who does not reach most of the nodes "
                   "refuses",
    .is_one_broker = true,
    .minority_refuses = true,
    .detects_low = seconds{1},
    .detects_high = seconds{2},
    .converges_within = seconds{8},
    .assumptions = strict_assumptions};

constexpr auto nats = changed(strict_cp, [](ModelRules& rules) {
    rules.name = "nats";
    rules.description = "NATS: sessions and messages are streams that most of the nodes agree upon";
    rules.keeps_connections = true;
    rules.assumptions = nats_assumptions;
});
constexpr auto emqx_ds = changed(strict_cp, [](ModelRules& rules) {
    rules.name = "emqx_ds";
    rules.description = "EMQX with durable storage: sessions and messages are shards that most of "
                        "their replicas agree upon";
    rules.keeps_connections = true;
    rules.assumptions = emqx_ds_assumptions;
});
constexpr auto bifromq = changed(united, [](ModelRules& rules) {
    rules.name = "bifromq";
    rules.description = "BifroMQ: gossip, and a dictionary of clients that is announced anew when "
                        "the views merge";
    rules.assumptions = bifromq_assumptions;
});
constexpr auto federation = changed(united, [](ModelRules& rules) {
    rules.name = "federation";
    rules.description = "Federated nodes: subscriptions and messages go to each peer through a "
                        "bounded queue";
    rules.keeps_rows = true;
    rules.kept_messages_max = 1'000;
    rules.assumptions = federation_assumptions;
});

constexpr std::array models{emqx4,
                            emqx4_original,
                            emqx5,
                            rabbit37,
                            rabbit38,
                            rabbit312,
                            rabbit312_pause_minority,
                            rabbit312_ignore,
                            vernemq,
                            vernemq_allow_all,
                            rmqtt_raft,
                            hivemq,
                            forward_only,
                            strict_cp,
                            ideal_ap,
                            nats,
                            emqx_ds,
                            bifromq,
                            federation};

constexpr auto ways_to_heal = std::to_array<NamedHealing>({
    {HealingPolicy::none, "off", "nobody heals: an operator has to start nodes again"},
    {HealingPolicy::emqx4_original, "emqx4_original",
     "ekka's autoheal as it was: one attempt, two sides at most"},
    {HealingPolicy::emqx4, "emqx4",
     "ekka's autoheal as it became: who was parted from the leader's side, or saw both, reboots"},
    {HealingPolicy::mria, "mria",
     "the largest group in which all see each other stays, the others reboot"},
    {HealingPolicy::rabbit_ignore, "rabbit_ignore", "nobody heals, as RabbitMQ does it"},
    {HealingPolicy::rabbit_pause_minority, "rabbit_pause_minority",
     "who does not see most of the nodes pauses, and reboots when it does"},
    {HealingPolicy::rabbit_autoheal, "rabbit_autoheal",
     "the side with the most clients stays, the others reboot"},
});

}  // namespace

std::span<const ModelRules> all_models() {
    return models;
}

const ModelRules* find_model(std::string_view name) {
    const auto* const found = std::ranges::find(models, name, &ModelRules::name);
    return found == models.end() ? nullptr : found;
}

std::span<const NamedHealing> all_healing() {
    return ways_to_heal;
}

const NamedHealing* find_healing(std::string_view name) {
    const auto* const found = std::ranges::find(ways_to_heal, name, &NamedHealing::name);
    return found == ways_to_heal.end() ? nullptr : found;
}

void heal_by(ModelRules& rules, HealingPolicy policy) {
    const auto is_pause = [](HealingPolicy one) {
        return one == HealingPolicy::rabbit_pause_minority;
    };
    // A minority refuses because it pauses, or for reasons of its own.
    if (is_pause(policy) != is_pause(rules.healing) && !rules.agrees_on_owners)
        rules.minority_refuses = is_pause(policy);
    rules.healing = policy;
}

HealingDefects healing_defects(const Defects& defects, HealingPolicy policy) {
    HealingDefects result;
    if (policy == HealingPolicy::emqx4_original) result = emqx4_original_defects();
    const auto turn_on = [&](bool& one, Defect defect) { one = one || defects.has(defect); };
    turn_on(result.heal_disabled, Defect::heal_disabled);
    turn_on(result.heal_two_sides_only, Defect::heal_two_sides_only);
    turn_on(result.heal_single_shot, Defect::heal_single_shot);
    turn_on(result.heal_needs_all_nodes, Defect::heal_needs_all_nodes);
    turn_on(result.heal_two_phase_rpc, Defect::heal_two_phase_rpc);
    turn_on(result.heal_reconnect_no_wipe, Defect::heal_reconnect_no_wipe);
    turn_on(result.heal_wrong_electorate, Defect::heal_wrong_electorate);
    turn_on(result.replicant_needs_one_core_view, Defect::replicant_needs_one_core_view);
    turn_on(result.replica_magnet, Defect::replica_magnet);
    turn_on(result.autocluster_two_seeds, Defect::autocluster_two_seeds);
    turn_on(result.heal_asymmetric_unsupported, Defect::heal_asymmetric_unsupported);
    turn_on(result.pause_minority_missed, Defect::pause_minority_missed);
    return result;
}

}  // namespace touchstone::cluster
