// Shard: drives one Broker in one thread. It waits for readiness, reads the clock once, reads what
// has arrived in large pieces, hands it to the core, and at the end of the turn writes what the
// core has sent, once per connection. Decides nothing that MQTT has a say in.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "broker/asio/connection.hpp"
#include "broker/asio/endpoint.hpp"
#include "broker/asio/mailbox.hpp"
#include "broker/asio/output.hpp"
#include "broker/asio/readiness.hpp"
#include "broker/asio/system_random.hpp"
#include "broker/broker.hpp"

namespace touchstone::asio_driver {

/// Passed in, so that a test can make them tiny.
struct DriverLimits {
    /// Most bytes read from one connection before others get their turn.
    std::size_t read_bytes_max = 64 * 1024;
    /// New output of all connections of a shard, in bytes of memory, that is written before the
    /// turn ends: a piece of input can become as many pieces of output as there are subscribers.
    std::size_t new_output_bytes_max = 8 * 1024 * 1024;
    /// How long the end of a connection may take: writing what is owed, and the peer's answer.
    Duration ending_time_max = std::chrono::seconds{5};
};

/// What the driver itself counts.
struct DriverFigures {
    std::uint64_t turns = 0;
    std::uint64_t accepted = 0;
    std::uint64_t accept_pauses = 0;      // descriptors or memory had run out
    std::uint64_t moved_here = 0;         // connections from the shard that accepted them
    std::uint64_t peer_messages = 0;      // taken from other shards
    std::uint64_t sockets = 0;            // now open, those being closed included
    std::uint64_t output_bytes = 0;       // memory that now holds unwritten output
    std::uint64_t output_bytes_most = 0;  // ever
    double cpu_s = 0;                     // of the shard's thread
};

struct ShardFigures {
    Counters counters;
    Gauges gauges;
    DriverFigures driver;
};

class Shard final : Network, Peers {
public:
    struct Options {
        ShardIndex self;
        unsigned shard_count = 1;
        DriverLimits limits;
    };

    /// `settings` and `listeners` outlive the Shard. Throws std::system_error.
    Shard(const Settings& settings, std::span<const Listener> listeners, Options options);
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    /// Makes it known to all shards of the node, itself included; before run().
    void meet(std::span<const std::unique_ptr<Shard>> shards);

    /// Works until stop() has been carried out. To be called in the shard's own thread.
    void run();

    // From any thread.

    /// Runs `task` in the shard's thread. It is dropped when run() has ended.
    void post(std::function<void()> task);
    /// Accepts no more, tells the clients, writes what is owed for at most `drain_time_max`, and
    /// ends run().
    void stop(Duration drain_time_max);

    // In the shard's thread.

    [[nodiscard]] ShardFigures figures() const;

private:
    struct MovedConnection {
        Descriptor socket;
        access::Origin origin;
        Buffer bytes;
    };
    using Letter = std::variant<PeerMessage, MovedConnection>;
    using Letterbox = Mailbox<Letter>;

    /// A connection the core is done with and that must be gone at `at`.
    struct Overdue {
        Instant at;
        ConnectionId connection;
        std::uint32_t generation;
    };
    enum class Written : std::uint8_t { all, some, broken };

    // Effects.
    void send(ConnectionId id, Bytes bytes) override;
    void send(ConnectionId id, Bytes head, const MessageRef& message) override;
    void close(ConnectionId id) override;
    void abort(ConnectionId id) override;
    void move(ConnectionId id, ShardIndex owner, access::Origin origin) override;
    void resume(ConnectionId id) override;
    void send(ShardIndex to, PeerMessage message) override;

    // A turn, in this order.
    void turn();
    [[nodiscard]] Duration time_to_wait();
    [[nodiscard]] Instant next_deadline() const;
    void run_tasks();
    void take_letters();
    void look_at_unread();
    void on_event(const epoll_event& event);
    void write_gathered();
    void end_closed();
    void drop_overdue();
    void hand_out_letters();

    // Input.
    void accept_from(const Listener& listener);
    void pause_accepting(int error);
    void watch_listeners();
    void adopt(Descriptor socket, access::Origin origin, Bytes first_bytes);
    void on_readable(ConnectionId id, Connection& connection);
    void receive(ConnectionId id, Connection& connection);
    void look_again(ConnectionId id, Connection& connection);
    void deliver_kept(ConnectionId id, Connection& connection);
    void on_received(ConnectionId id, Connection& connection, Bytes bytes);
    /// Hands over in slices, writing what has become too much in between.
    Intake hand_slices_to_core(ConnectionId id, const Connection& connection, Bytes bytes);
    /// `source` holds `bytes` when they were kept before, and else is null.
    void hand_to_core(ConnectionId id, Connection& connection, Bytes bytes,
                      std::unique_ptr<KeptInput> source);
    void on_gone(ConnectionId id, Connection& connection, Bytes rest);
    /// `error`: what reading failed with, 0 when the peer ended its direction in order.
    void tell_core_of_end(ConnectionId id, const Connection& connection, int error);
    void on_end_of_input(ConnectionId id, Connection& connection);
    void discard_input(ConnectionId id, Connection& connection);

    // Output.
    void gather(ConnectionId id, Connection& connection, std::size_t size_bytes);
    void write(ConnectionId id, Connection& connection);
    void block(ConnectionId id, Connection& connection);
    Written write_some(Connection& connection, std::size_t& written_bytes);

    // Endings.
    void end(ConnectionId id, Connection& connection);
    void linger(ConnectionId id, Connection& connection);
    void destroy(ConnectionId id, Connection& connection);
    void drop_when_overdue(ConnectionId id, const Connection& connection);
    void on_stop(Duration drain_time_max);
    [[nodiscard]] bool is_finished() const;

    void wake();

    const Options options_;
    const std::span<const Listener> listeners_;
    Readiness readiness_;
    SystemRandom random_;
    OutputPool pool_;
    ConnectionTable connections_;
    Broker broker_;

    Instant now_;
    std::vector<std::byte> input_;
    std::vector<ConnectionId> gathered_;
    std::vector<ConnectionId> being_written_;
    std::vector<ConnectionId> unread_;  // may have more to read, or were resumed
    std::vector<ConnectionId> being_read_;
    std::vector<ConnectionId> closed_;
    access::Origin moving_origin_;  // of the connection whose input is being handled
    std::deque<Overdue> overdue_;  // all get the same time, so the oldest is first
    bool is_output_large_ = false;
    std::size_t used_bytes_to_write_at_ = UINT64_MAX;  // set by the first write_gathered()
    bool is_accepting_ = false;
    bool is_pause_logged_ = false;
    std::optional<Instant> accept_again_at_;
    std::optional<Instant> stop_at_;  // when stopping: nothing is waited for any longer
    DriverFigures figures_;

    std::vector<std::unique_ptr<Letterbox>> letters_from_;  // by shard; none from itself
    std::vector<Shard*> shards_;

    // Touched by other threads.
    static constexpr std::size_t cache_line_bytes = 64;
    alignas(cache_line_bytes) std::atomic<bool> is_asleep_{false};
    std::atomic<bool> has_tasks_{false};
    std::mutex tasks_mutex_;
    std::vector<std::function<void()>> tasks_;
};

}  // namespace touchstone::asio_driver
