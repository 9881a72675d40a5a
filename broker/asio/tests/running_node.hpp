// RunningNode: a node for tests, with its threads, and what it says about its end.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "broker/asio/node.hpp"
#include "broker/asio/tests/raw_client.hpp"

namespace touchstone::asio_driver {

/// A shape of a node.
struct Shards {
    unsigned count = 1;
    settings::DescriptorTables tables = settings::DescriptorTables::shared;

    Shards(unsigned shard_count) : count{shard_count} {}
    static Shards with_own_tables(unsigned shard_count) {
        Shards shards{shard_count};
        shards.tables = settings::DescriptorTables::per_shard;
        return shards;
    }
    /// For the name of a test.
    [[nodiscard]] std::string to_text() const {
        const bool are_own = tables == settings::DescriptorTables::per_shard;
        return std::to_string(count) + (are_own ? "_with_own_tables" : "");
    }
};

/// The limit of open files while it lives. What is open above it stays open.
class OpenFilesLimit {
public:
    explicit OpenFilesLimit(std::size_t count) {
        if (getrlimit(RLIMIT_NOFILE, &before_) != 0) throw std::runtime_error{"getrlimit"};
        rlimit other = before_;
        other.rlim_cur = count;
        if (setrlimit(RLIMIT_NOFILE, &other) != 0) throw std::runtime_error{"setrlimit"};
    }
    ~OpenFilesLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
    OpenFilesLimit(const OpenFilesLimit&) = delete;
    OpenFilesLimit& operator=(const OpenFilesLimit&) = delete;

private:
    rlimit before_{};
};

/// A node on a free port, and what it says about its end.
class RunningNode {
public:
    explicit RunningNode(Shards shards, Settings settings = {},
                         Duration drain_time_max = std::chrono::seconds{30},
                         DriverLimits limits = {})
        : RunningNode{{.listeners = plain_listeners({Endpoint::from_text("127.0.0.1:0")}),
                       .rules = access::open_rules(settings),
                       .shard_count = shards.count,
                       .descriptor_tables = shards.tables,
                       .drain_time_max = drain_time_max,
                       .limits = limits}} {}
    explicit RunningNode(Node::Options options) : node_{with_end(std::move(options))} {
        node_.start();
    }

    /// Of the listener `place`.
    [[nodiscard]] std::uint16_t port(std::size_t place = 0) const {
        return node_.endpoints()[place].port;
    }
    Node& node() { return node_; }
    void stop() { node_.stop(); }
    void await_stopped() {
        std::unique_lock lock{mutex_};
        if (!has_stopped_.wait_for(lock, wait_max, [this] { return is_stopped_; })) {
            throw std::runtime_error{"the node has not stopped in time"};
        }
    }

    /// Of all shards, each of which has to answer.
    std::vector<ShardFigures> figures() {
        std::vector<ShardFigures> all;
        for (auto& one : node_.figures(wait_max)) all.push_back(one.value());
        return all;
    }
    template <class Member>
    std::uint64_t sum(Member member) {
        const auto all = figures();
        return std::accumulate(
            all.begin(), all.end(), std::uint64_t{0},
            [&](std::uint64_t so_far, const ShardFigures& one) { return so_far + member(one); });
    }
    /// Asks the shards again and again, which lets them work, until `is_reached` says so.
    template <class Predicate>
    void await(Predicate is_reached) {
        const auto deadline = std::chrono::steady_clock::now() + wait_max;
        while (!is_reached()) {
            if (std::chrono::steady_clock::now() > deadline) {
                throw std::runtime_error{"the node has not come to that state in time"};
            }
        }
    }

private:
    Node::Options with_end(Node::Options options) {
        options.on_stopped = [this] { on_stopped(); };
        return options;
    }
    void on_stopped() {
        const std::scoped_lock lock{mutex_};
        is_stopped_ = true;
        has_stopped_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable has_stopped_;
    bool is_stopped_ = false;
    Node node_;
};

}  // namespace touchstone::asio_driver
