// Mesh: the network between the nodes of a cluster in virtual time. A connection between two nodes
// behaves as TCP does: what is sent arrives in order, waits while the way is cut, and is lost when
// one of the ends gives the other up, which it does when it has heard nothing for as long as its
// failure detector takes. Each direction of each way can be cut for itself.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "broker/cluster/node_messages.hpp"
#include "simulator/engine.hpp"

namespace touchstone::simulator {

struct MeshOptions {
    /// Of a message, uniform.
    Duration delay_low = std::chrono::microseconds{200};
    Duration delay_high = std::chrono::milliseconds{2};
    /// From the last that was heard of a node until it is called down, uniform.
    Duration detects_low = std::chrono::seconds{1};
    Duration detects_high = std::chrono::seconds{2};
    /// From the moment at which two nodes could reach each other again until they do, uniform.
    Duration connects_low = std::chrono::milliseconds{50};
    Duration connects_high = std::chrono::milliseconds{500};
};

/// One node, as the mesh knows it.
class MeshEnd {
public:
    virtual void on_peer_up(cluster::NodeIndex peer) = 0;
    virtual void on_peer_down(cluster::NodeIndex peer) = 0;
    virtual void on_message(cluster::NodeIndex from, cluster::NodeMessage message) = 0;

protected:
    ~MeshEnd() = default;
};

class Mesh final : private EventHandler {
public:
    /// The engine outlives the mesh.
    Mesh(Engine& engine, const MeshOptions& options) : engine_{engine}, options_{options} {
        owner_ = engine.add_handler(*this);
    }
    Mesh(const Mesh&) = delete;
    Mesh& operator=(const Mesh&) = delete;

    /// `end` outlives the mesh. All are added before begin().
    cluster::NodeIndex add(MeshEnd& end);
    /// All nodes run, and see each other.
    void begin();

    // What a node does. Without effect for nodes that it does not see.

    void send(cluster::NodeIndex from, cluster::NodeIndex to, cluster::NodeMessage message);

    // What happens to nodes. A process that goes closes its connections, unless its machine goes.

    void on_down(cluster::NodeIndex node, bool is_silent);
    void on_up(cluster::NodeIndex node);
    /// Nobody hears of it meanwhile.
    void on_paused(cluster::NodeIndex node, bool is_paused);

    // What happens to ways: each cut is ended by a mend of its own.

    void cut(cluster::NodeIndex from, cluster::NodeIndex to);
    void mend(cluster::NodeIndex from, cluster::NodeIndex to);

    [[nodiscard]] bool is_cut(cluster::NodeIndex from, cluster::NodeIndex to) const {
        return ways_[from.raw() * nodes_.size() + to.raw()].cuts > 0;
    }
    [[nodiscard]] std::size_t size() const { return nodes_.size(); }
    /// Messages sent so far.
    [[nodiscard]] std::uint64_t messages() const { return messages_; }

private:
    enum EventKind : std::uint16_t { arrival, verdict, closing, connection };
    struct PlacedNode {
        MeshEnd* end = nullptr;
        bool is_up = true;
        bool is_silent = false;  // it went with its machine: nobody was told
        unsigned pauses = 0;
    };
    /// From one node to another one.
    struct Way {
        unsigned cuts = 0;
        bool is_seen_up = false;    // by the node that it leads to: the other one
        std::uint32_t silence = 0;  // tells verdicts apart; odd: nothing is heard
        std::deque<cluster::NodeMessage> underway;
        std::size_t waiting = 0;  // of these, that came to a cut
        Instant last_due = run_begin;
        RandomStream delays;
        RandomStream detections;
    };
    /// Between two nodes.
    struct Pair {
        bool is_open = false;
        std::uint32_t incarnation = 0;  // of the connection
        std::uint32_t attempt = 0;
        RandomStream connects;
    };

    void on_event(const Event& event) override;
    [[nodiscard]] Way& way(std::uint32_t from, std::uint32_t to) {
        return ways_[from * nodes_.size() + to];
    }
    [[nodiscard]] Pair& pair(std::uint32_t a, std::uint32_t b) {
        return pairs_[a < b ? a * nodes_.size() + b : b * nodes_.size() + a];
    }
    [[nodiscard]] bool is_heard(std::uint32_t from, std::uint32_t to);
    /// Looks again at what has changed for that direction.
    void review(std::uint32_t from, std::uint32_t to);
    void review_all(std::uint32_t node);
    void try_to_connect(std::uint32_t a, std::uint32_t b);
    void open(std::uint32_t a, std::uint32_t b);
    /// `node` gives the other one up, or is told that it has been given up.
    void close(std::uint32_t node, std::uint32_t other);
    void tell_closed(std::uint32_t from, std::uint32_t to);
    void note_down(std::uint32_t node, std::uint32_t other);
    void schedule_arrival(std::uint32_t from, std::uint32_t to);
    void deliver(std::uint32_t from, std::uint32_t to);

    Engine& engine_;
    MeshOptions options_;
    std::uint16_t owner_ = 0;
    std::vector<PlacedNode> nodes_;
    std::vector<Way> ways_;    // by (from, to)
    std::vector<Pair> pairs_;  // by (lower, higher)
    std::uint64_t messages_ = 0;
};

}  // namespace touchstone::simulator
