// A cluster in virtual time for the tests of healing: nodes whose database writes to whoever they
// see running, links that can be cut one way, and failure detectors that take their time. What
// healing has to restore is visible in the rows that each node has.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/cluster/healing.hpp"

namespace touchstone::cluster {

/// Who wrote it and which one it is.
using Row = std::pair<NodeIndex, int>;

class HealingMesh;

class MeshNode final : public HealingPort {
public:
    MeshNode(HealingMesh& mesh, NodeIndex self) : mesh_{mesh}, self_{self} {}

    void send(NodeIndex to, HealingMessage message) override;
    void stop_serving() override;
    void resume_serving() override;
    void reboot(NodeIndex coordinator) override;
    void copy_tables(NodeIndex source) override;
    void forget(NodeIndex peer) override;
    void alarm(std::string text) override { alarms.push_back(std::move(text)); }
    std::uint64_t random() override;
    [[nodiscard]] std::uint64_t client_count() const override { return clients; }

    std::unique_ptr<Healing> healing;
    std::set<Row> rows;
    std::vector<std::string> alarms;
    std::uint64_t clients = 0;
    int reboots = 0;
    int stops = 0;
    bool is_serving = true;
    bool is_crashed = false;

private:
    friend class HealingMesh;
    void take_write(Row row);
    void finish_copy(std::set<Row> copied);
    void forget_rows_of(NodeIndex owner);

    HealingMesh& mesh_;
    NodeIndex self_;
    int incarnation_ = 0;    // of the process; what an earlier one began is void
    int copy_ = 0;           // the last one asked for
    std::set<Row> arrived_;  // while there is nothing to apply them to
};

struct MeshOptions {
    HealingOptions healing;  // for all; `self` and `nodes` are filled in
    std::uint32_t node_count = 3;
    std::uint64_t seed = 1;
    Duration detection_low = std::chrono::seconds{5};
    Duration detection_high = std::chrono::seconds{8};
    bool is_detector_symmetric = true;  // who calls a peer down closes the connection for both
    // Whether rows are like routes, which go with their node, or like Retained Messages, which
    // stay.
    bool are_rows_of_nodes = false;
    HealingStart start = HealingStart::formed;
    bool are_all_linked = true;
};

class HealingMesh {
public:
    explicit HealingMesh(MeshOptions options);

    MeshNode& node(std::uint32_t index) { return *nodes_[index]; }
    [[nodiscard]] std::uint32_t size() const { return options_.node_count; }
    [[nodiscard]] Instant now() const { return now_; }
    std::uint64_t draw() { return random_(); }
    /// Uniform, both ends included.
    Duration draw(Duration low, Duration high);

    void run_for(Duration duration);
    /// Returns whether `condition` came true, at which moment it stops.
    bool run_until(Duration at_most, const std::function<bool()>& condition);
    void at(Duration from_now, std::function<void()> action);

    /// What `from` sends waits, and `to` hears nothing of it.
    void cut(std::uint32_t from, std::uint32_t to);
    void restore(std::uint32_t from, std::uint32_t to);
    void cut_link(std::uint32_t a, std::uint32_t b);
    void restore_link(std::uint32_t a, std::uint32_t b);
    /// Cuts all links between the groups; nodes in none keep all links.
    void partition(const std::vector<std::vector<std::uint32_t>>& groups);
    void restore_all();
    void crash(std::uint32_t index);
    void restart(std::uint32_t index);
    /// Clients of the core write a row; nothing while it does not serve.
    void write(std::uint32_t index);
    /// Called before a message of healing is delivered.
    std::function<void(NodeIndex from, NodeIndex to, const HealingMessage&)> on_delivery;

    /// What is wrong with the nodes that have not crashed; empty: all serve, see each other, the
    /// same crashed ones, and have the same rows, and a write at each reaches all. Takes a second.
    std::string trouble();
    /// Runs until there is no trouble, for at most `at_most`; returns the last.
    std::string trouble_after(Duration at_most);

private:
    friend class MeshNode;
    using Payload = std::function<void(MeshNode& receiver)>;
    struct Line {  // one direction between two nodes
        bool is_cut = false;
        bool is_up = false;  // as the receiver sees the sender
        int cuts = 0;        // so far; a detector's timer belongs to one
        Instant busy_until{};
        std::vector<std::pair<int, Payload>> held;  // with the number of the connection
    };

    Line& line(NodeIndex from, NodeIndex to) { return lines_[{from, to}]; }
    int& connection(NodeIndex a, NodeIndex b) { return connections_[std::minmax(a, b)]; }
    void transmit(NodeIndex from, NodeIndex to, Payload payload);
    void arrive(NodeIndex from, NodeIndex to, int connection_number, Payload payload);
    void detect_later(NodeIndex observer, NodeIndex peer);
    void call_down(NodeIndex observer, NodeIndex peer);
    void settle_later(NodeIndex a, NodeIndex b);
    void settle(NodeIndex a, NodeIndex b);
    void call_up(NodeIndex observer, NodeIndex peer);
    void start(NodeIndex index, HealingStart how);
    [[nodiscard]] bool is_replicant(NodeIndex index) const;
    bool step(Instant limit);

    MeshOptions options_;
    std::mt19937_64 random_;
    Instant now_{};
    std::uint64_t sequence_ = 0;
    int rows_ = 0;
    std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> events_;
    std::map<std::pair<NodeIndex, NodeIndex>, Line> lines_;
    std::map<std::pair<NodeIndex, NodeIndex>, int> connections_;
    std::vector<std::unique_ptr<MeshNode>> nodes_;
};

}  // namespace touchstone::cluster
