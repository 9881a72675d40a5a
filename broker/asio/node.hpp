// Node: the shards of one broker, their threads and their listeners. Usable in-process: the
// subcommand and the tests are its two users.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "broker/access/node_rules.hpp"
#include "broker/asio/endpoint.hpp"
#include "broker/asio/listeners.hpp"
#include "broker/asio/shard.hpp"
#include "broker/rocksdb/store.hpp"

namespace touchstone::asio_driver {

/// Where a node keeps what outlives its process.
struct StoreOptions {
    std::filesystem::path directory;
    rocksdb_driver::Durability durability = rocksdb_driver::Durability::sync;
    Duration sync_interval = std::chrono::seconds{1};
    rocksdb::Env* environment = nullptr;  // null: the system; else it outlives the Node
};

class Node {
public:
    struct Options {
        std::vector<ListenerOptions> listeners;
        /// Never null; holds every ListenerOptions::index.
        std::shared_ptr<const access::NodeRules> rules = access::open_rules({});
        unsigned shard_count = 1;  // 1 … shard_count_max
        settings::DescriptorTables descriptor_tables = settings::DescriptorTables::shared;
        /// How long clients may take to read what is owed to them when the node stops.
        Duration drain_time_max = std::chrono::seconds{5};
        DriverLimits limits;
        /// Where what crosses the border of the core is written down; nothing: nowhere.
        std::optional<RecordOptions> record = {};
        /// Nothing: all ends with the process.
        std::optional<StoreOptions> store = {};
        /// Asked about clients when the rules have credentials; outlives the Node. It delivers its
        /// answers with deliver().
        AuthenticationService* authentication = nullptr;
        /// Called once, in a thread of the node's own, when all its shards have ended.
        std::function<void()> on_stopped = [] {};
    };
    static constexpr unsigned shard_count_max = Broker::shard_count_max;

    /// Listens, and serves from start() on. Throws OperatorError, std::system_error.
    explicit Node(Options options);
    /// Stops without draining when it was not stopped before.
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    /// Throws OperatorError when a shard cannot have a table of descriptors of its own; the node
    /// can only be destroyed then.
    void start();
    [[nodiscard]] unsigned shard_count() const { return options_.shard_count; }

    // From any thread that uses the process's table of descriptors, so from all but the shards'.

    /// Where it listens, in the order of Options::listeners, with the real ports.
    [[nodiscard]] std::vector<Endpoint> endpoints() const;
    /// Other settings, certificates included, for the same listeners in the same order. New
    /// connections obey them; open ones keep what they began with, except for the send timeout, and
    /// nobody is cut off. Addresses and backlogs stay what they were. Throws OperatorError, and
    /// then nothing has changed.
    void reload(const std::vector<ListenerOptions>& listeners);
    /// Other rules for the core. Zones and listeners keep their places.
    void reload(std::shared_ptr<const access::NodeRules> rules);
    /// The answer to what that shard has asked.
    void deliver(unsigned shard, QuestionNumber number, AuthenticationAnswer answer);
    /// Messages of the server's own, for all clients.
    void publish(std::vector<ServerMessage> messages);
    /// Begins to stop; on_stopped tells the end. Calls after the first do nothing.
    void stop();
    /// What each shard has counted; nothing for one that does not answer within `wait_max`.
    [[nodiscard]] std::vector<std::optional<ShardFigures>>
    figures(std::chrono::milliseconds wait_max);
    /// Of the store; nothing without one.
    [[nodiscard]] std::optional<rocksdb_driver::StoreFigures> store_figures() const;

private:
    struct Start;
    /// What a store consists of, in the order in which it comes to be.
    struct Storing;

    void open_store();
    void stop_within(Duration drain_time_max);
    void run_shard(Shard& shard, Start& start);
    void await_end();
    [[nodiscard]] Shard::Plans plans_for(const std::vector<ListenerOptions>& listeners) const;

    const Options options_;
    const Duration wall_offset_;  // from the clock of this process to the time since 1970
    // The tickets of clients are good on every shard, and after a reload.
    const std::shared_ptr<transport::TlsResumption> resumption_;
    SharedNode shared_;
    std::vector<std::unique_ptr<RecordFile>> records_;  // by shard; none when nothing is recorded
    std::unique_ptr<Storing> storing_;                  // null: there is no store
    std::vector<std::unique_ptr<Shard>> shards_;
    std::atomic<std::size_t> running_{0};
    std::vector<std::thread> threads_;
    std::thread end_;  // waits for the others; they might not be able to tell anybody
};

/// Lets this process open as many descriptors as the system allows it without a privilege. Returns
/// that number.
std::size_t raise_open_files_limit();

}  // namespace touchstone::asio_driver
