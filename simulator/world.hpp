// The world of a run: engine, links, nodes and simulated clients put together, with the trace of it
// all. Scenarios and tests drive it; time passes in run_until().
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "simulator/client.hpp"
#include "simulator/links.hpp"
#include "simulator/mesh.hpp"
#include "simulator/node.hpp"
#include "simulator/outside.hpp"
#include "simulator/replica.hpp"

namespace touchstone::simulator {

using NodeIndex = Strong<struct NodeIndexTag, std::uint32_t>;
using ClientIndex = Strong<struct ClientIndexTag, std::uint32_t>;

/// Which directions a fault concerns.
enum class Directions : std::uint8_t { both, to_broker, to_client };

/// Queue and window of a session and what its client received, at one instant.
struct StateRecord {
    Instant at;
    ClientIndex client;
    std::vector<std::string> queue;     // labels, next to be sent first
    std::vector<std::string> inflight;  // labels, oldest first
    std::vector<std::string> received;  // labels, in order, with repetitions
    std::string caption;
    std::size_t after_entry = 0;        // entries of the trace before it
    std::size_t received_left_out = 0;  // received before those in `received`
    bool is_node_seen = true;           // false: nobody could look for queue and window

    /// `[4,3 || 2,1] -> [1,2]`: queue and window newest left, then what was received. Without a
    /// look into the node `[? || ?] -> [1,2]`.
    [[nodiscard]] std::string text() const;
};

/// What the options promise; its actor is not known yet.
[[nodiscard]] TracedNode traced_node(const NodeOptions& options);

class World {
public:
    explicit World(std::uint64_t seed);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // Setting up. Nodes first: a client has a link to one.

    NodeIndex add_node(std::string name, const NodeOptions& options);
    /// A broker that is not ours: it cannot be stopped, asked or told, and it keeps the time. The
    /// only node of its world. `promises` is what is known of it, its actor apart.
    NodeIndex add_outside_node(std::string name, TracedNode promises, Outside& outside);
    ClientIndex add_client(std::string name, ClientOptions options, NodeIndex node,
                           const LinkModel& link);
    /// All nodes, which are added after this, are a cluster of the model, which is known. If they
    /// are one broker together, they have the same options. They take clients from the moment on at
    /// which the last of `node_count` is there.
    void make_cluster(const cluster::ModelRules& rules, unsigned node_count,
                      const MeshOptions& mesh,
                      const std::vector<cluster::NodeIndex>& replicants = {});
    /// Another node that the client goes to when it loses its connection, or gets none; after the
    /// last one it begins with its own again.
    void add_failover(ClientIndex client, NodeIndex node, const LinkModel& link);
    /// The client's next connection goes to its own node, 0, or to that of its failovers.
    void go_to(ClientIndex client, std::size_t place);
    /// The two are the ends of a bridge: what one receives the other publishes, with its QoS and
    /// RETAIN. What the bridge has brought to a node itself does not go back from there.
    void add_bridge(ClientIndex one, ClientIndex other);
    /// Another way from the client to its node; the first that is added is path 1, the link path 0.
    void add_path(ClientIndex client, const LinkModel& link);
    /// The client belongs to the pool of that name: each is told when another loses its connection.
    void add_to_pool(ClientIndex client, const std::string& pool);

    /// What is told the time by the clock: a node's processes, a client. Right ones when left out.
    void set_clock(NodeIndex node, const Clock& clock);
    void set_clock(ClientIndex client, const Clock& clock);

    // Time.

    [[nodiscard]] Instant now() const { return engine_.now(); }
    void run_until(Instant until);

    // Clients: what their applications do now.

    void connect(ClientIndex client);
    void disconnect(ClientIndex client, ReasonCode reason = ReasonCode::success,
                    std::optional<std::uint32_t> session_expiry_s = std::nullopt);
    void vanish(ClientIndex client);
    void forget(ClientIndex client);
    /// An empty payload means what it means to the standard; others are unique in a run.
    void publish(ClientIndex client, Publication publication);
    void subscribe(ClientIndex client, const std::vector<Wish>& wishes);
    void unsubscribe(ClientIndex client, const std::vector<std::string>& filters);
    void set_acknowledgements(ClientIndex client, const AckPolicy& policy);
    void set_completions(ClientIndex client, const AckPolicy& policy);
    void acknowledge(ClientIndex client, std::uint64_t count);
    void send_raw(ClientIndex client, Bytes bytes);
    /// The same bytes the other way: as if its server had sent them.
    void send_raw_to(ClientIndex client, Bytes bytes);
    /// While off nobody takes the client's messages.
    void set_listening(ClientIndex client, bool on);
    /// While off the client takes nothing off its connection.
    void set_reading(ClientIndex client, bool on);
    /// Changes take effect with the next CONNECT.
    [[nodiscard]] ClientOptions& options(ClientIndex client);

    /// The operator of the node replaces its access rules.
    void set_access_rules(NodeIndex node, const access::AccessRules& rules);

    // Faults now. Each begin_… is ended by the end_fault of its number.

    using FaultNumber = std::uint32_t;
    FaultNumber begin_stall(ClientIndex client, Directions directions);
    FaultNumber begin_drop(ClientIndex client, Directions directions);
    /// Resets the client's connections and refuses new ones until it is ended.
    FaultNumber begin_cut(ClientIndex client);
    /// Instantaneous: ended at once.
    void half_open(ClientIndex client, Directions directions);
    /// The client's connections go along that path from now on. What goes along the one before
    /// stays there and goes silent, and nobody is told. Faults begun earlier stay with the path
    /// they hit.
    void change_path(ClientIndex client, std::size_t path);
    /// The path in use is as the model says, for present connections too.
    FaultNumber begin_set_link(ClientIndex client, const LinkModel& link);
    FaultNumber begin_slow_reading(ClientIndex client);
    /// When so many more bytes have been sent in that direction, its connection is reset.
    void reset_after(ClientIndex client, Direction direction, std::uint64_t size_bytes);
    /// The clock runs at another rate from now on, and its wall clock shows so much more.
    void change_clock(NodeIndex node, std::optional<Drift> drift, Duration jump);
    void change_clock(ClientIndex client, Drift drift);
    /// The client's process is gone until the fault is ended, which connects it.
    FaultNumber begin_client_crash(ClientIndex client);
    /// The node is down until the fault is ended.
    FaultNumber begin_crash(NodeIndex node, bool is_silent);
    FaultNumber begin_stop(NodeIndex node);
    /// Nothing of the node's process runs until the fault is ended; if `sleeps` the whole machine
    /// does not, and its clock stands still.
    FaultNumber begin_pause(NodeIndex node, bool sleeps);
    /// What one of the first nodes sends to one of the others is not delivered until the fault is
    /// ended, nor, unless `is_one_way`, what goes the other way. They are of a cluster.
    FaultNumber begin_partition(const std::vector<NodeIndex>& side,
                                const std::vector<NodeIndex>& others, bool is_one_way);
    /// The node has a disk.
    FaultNumber begin_disk_fault(NodeIndex node, const DiskFault& fault);
    void end_fault(FaultNumber fault);
    /// The settling does not end it.
    void make_lasting(FaultNumber fault) { faults_[fault].is_lasting = true; }
    /// Ends what is still on and notes that from here on nothing is disturbed.
    void settle();

    // Questions.

    [[nodiscard]] Engine& engine() { return engine_; }
    [[nodiscard]] const Engine& engine() const { return engine_; }
    [[nodiscard]] const Trace& trace() const { return trace_; }
    [[nodiscard]] std::size_t node_count() const { return nodes_.size(); }
    [[nodiscard]] std::size_t client_count() const { return hosts_.size(); }
    [[nodiscard]] bool is_up(NodeIndex node) const { return is_up(nodes_[node.raw()]); }
    [[nodiscard]] Node& node(NodeIndex node) { return *nodes_[node.raw()].node; }
    [[nodiscard]] const Client& client(ClientIndex client) const;
    [[nodiscard]] const std::string& name_of(ClientIndex client) const;
    [[nodiscard]] const std::string& name_of(NodeIndex node) const {
        return trace_.name_of(nodes_[node.raw()].actor);
    }
    /// Labels of what the client's application received, in order, with repetitions.
    [[nodiscard]] const std::vector<std::string>& received(ClientIndex client) const;
    /// With the last `received_max` of the messages that the client received.
    [[nodiscard]] StateRecord state(ClientIndex client, std::string caption,
                                    std::size_t received_max = ~std::size_t{0}) const;
    /// Writes what the members of the cluster have now into the trace.
    void note_agreement();
    /// Writes what the nodes say at the end into the trace.
    void finish();

private:
    class Host;
    struct PlacedNode {
        std::unique_ptr<Node> node;  // null: it is outside
        Actor actor;
        /// Whose broker the node is while it leads; null: the node is a broker of its own.
        std::unique_ptr<Replica> replica{};
        Acceptor* acceptor = nullptr;
        unsigned pauses = 0;  // that are on
        unsigned sleeps = 0;
    };
    struct Fault {
        enum class Kind : std::uint8_t {
            stall,
            drop,
            cut,
            slow_reading,
            other_model,
            client_down,
            down,
            paused,
            asleep,
            disk,
            partition
        };
        Kind kind{};
        std::uint32_t subject = 0;  // client or node
        Directions directions = Directions::both;
        LinkIndex link{};        // that a fault of a link is about
        FaultNumber number = 0;  // of a disk
        std::vector<std::pair<cluster::NodeIndex, cluster::NodeIndex>> ways{};  // that are cut
        bool is_on = true;
        bool is_lasting = false;
    };

    [[nodiscard]] Host& host(ClientIndex client) { return *hosts_[client.raw()]; }
    void note_rules(const PlacedNode& placed, const access::NodeRules& rules);
    [[nodiscard]] static bool is_about_node(const Fault& fault);
    [[nodiscard]] Fault link_fault(Fault::Kind kind, ClientIndex client, Directions directions);
    LinkIndex add_link(const LinkModel& link, NodeIndex node);
    void restore_link(LinkIndex link);
    /// The node's process has gone, and with it what held it up.
    void end_pauses(NodeIndex node);
    void set_paused(const Fault& fault, bool on);
    /// The node ends by a fault of its own.
    void on_death(PlacedNode& placed);
    void on_loss(const PlacedNode& placed, const DiskLoss& loss);
    /// What comes while a process is paused it takes when it goes on, or never: its beginning is
    /// that of the pause.
    [[nodiscard]] Instant untaken_since(const PlacedNode& placed, Instant unsynced_since) const;
    FaultNumber begin(const Fault& fault, std::string kind, std::string where, std::string note);
    void set_on(const Fault& fault, bool on);
    void note(TraceEntry::Kind kind, Actor client);
    /// A fault of the client's link that is ended at once.
    void note_fault(ClientIndex client, std::string kind, std::string note);
    void note_fault(Actor actor, Direction direction, std::string kind, std::string note);
    void tell_pool(const Host& lost);
    void note_reach(NodeIndex from, NodeIndex to, bool is_cut);
    void set_parted(const Fault& fault, bool on);
    void place_in_cluster(NodeOptions& options, std::size_t entity, Actor actor);
    // Of nodes that are one broker together.
    std::unique_ptr<Replica> make_replica(const NodeOptions& options, std::size_t entity);
    void begin_replicas(const NodeOptions& options);
    void note_replica(const PlacedNode& placed);
    /// What the sessions of the node really have.
    void note_own(const Node& node, TracedMember& traced) const;
    /// The broker's process is gone, or there is one.
    void note_broker(bool is_up);

    // A node's process, or its part of the broker.
    [[nodiscard]] static bool is_up(const PlacedNode& placed) {
        return placed.replica ? placed.replica->is_up() : placed.node->is_up();
    }
    /// As whom the trace knows the process that serves clients.
    [[nodiscard]] Actor broker_of(const PlacedNode& placed) const {
        return trace_.cluster.one_broker.value_or(placed.actor);
    }

    Engine engine_;
    Trace trace_;
    Links links_;
    Outside* outside_ = nullptr;  // null: all is virtual
    std::unique_ptr<Mesh> mesh_;  // null: the nodes know nothing of each other
    cluster::ModelRules rules_;   // of the cluster
    std::vector<cluster::NodeIndex> replicants_;
    unsigned node_count_ = 0;             // of the cluster
    std::vector<LinkModel> link_models_;  // by LinkIndex, as they are without a fault
    std::vector<PlacedNode> nodes_;
    std::vector<std::unique_ptr<Host>> hosts_;
    std::vector<Fault> faults_;  // in step with Trace::faults
    std::map<std::string, std::vector<Host*>> pools_;
};

}  // namespace touchstone::simulator
