// A shard of the real core under a fleet: its ports, and the queue of what it has to do. What is
// done is the core's; how long it takes is the cost model's, so the shard's bytes leave when a
// server that costs so much would have sent them.
//
// Leaves to others: the clients, and how bytes travel (core_fleet.hpp).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "broker/broker.hpp"
#include "simulator/fleet/draws.hpp"
#include "simulator/fleet/model.hpp"
#include "simulator/random.hpp"

namespace touchstone::simulator::fleet {

/// A Network Connection of the run. Numbers are used again; `serial` tells their users apart.
struct ConnectionRef {
    std::uint32_t number = 0;
    std::uint32_t serial = 0;
    friend bool operator==(const ConnectionRef&, const ConnectionRef&) = default;
};

/// Where a connection is; by its number.
struct Connection {
    std::uint32_t device = 0;
    std::uint32_t serial = 0;
    std::uint32_t slot = no_slot;  // its ConnectionId, at its shard
    std::uint32_t shard = 0;
    Time to_broker_until = 0;  // what was sent last arrives then: TCP keeps the order
    Time to_client_until = 0;
    std::uint64_t unread_bytes = 0;  // of what the broker has sent, where the client reads slowly
    bool is_lost = false;            // nothing that is sent arrives any more, and nobody is told
    bool is_at_broker = false;
    bool is_left = false;  // by its client
    bool is_full = false;  // its shard has bytes for it that had no room
    static constexpr std::uint32_t no_slot = 0xFFFF'FFFF;
};

/// Something that waits for a shard.
struct Work {
    enum class Kind : std::uint8_t {
        open,      // a connection, with its first bytes
        bytes,     // of a connection
        gone,      // the connection, by the client's doing
        resume,    // the core takes the connection's bytes again
        writable,  // the connection has room again
        peer,      // a message of another shard
        tick,
    };
    Kind kind = Kind::tick;
    ConnectionRef connection{};
    Time arrived = 0;
    Time extra = 0;               // work besides what the bytes mean: the handshake of TLS
    ShardIndex from{};            // peer
    PeerMessage* peer = nullptr;  // its owner is the caller, or Waiting
};

/// What shards ask of the run that they are part of.
class CoreHost {
public:
    CoreHost() = default;
    CoreHost(const CoreHost&) = delete;
    CoreHost& operator=(const CoreHost&) = delete;

    /// Calls on_free, or on_tick, of the shard then.
    virtual void wake_when_free(std::uint32_t shard, Time at) = 0;
    virtual void wake_for_tick(std::uint32_t shard, Time at) = 0;
    /// Bytes to the client, which may take a part of them: returns how many.
    virtual std::size_t send(ConnectionRef connection, Bytes bytes, Time at) = 0;
    /// The broker has ended the connection, behind what it has sent.
    virtual void end(ConnectionRef connection, Bytes unsent, Time at) = 0;
    /// `shard` counts all shards of the run.
    virtual void move(ConnectionRef connection, std::uint32_t shard, Bytes bytes, Time at) = 0;
    virtual void send_peer(std::uint32_t from, std::uint32_t shard, PeerMessage message,
                           Time at) = 0;
    virtual void note_wait(Time wait) = 0;
    /// The core has no such connection any more, by the client's doing.
    virtual void forget(ConnectionRef connection) = 0;
    /// Null: it is gone, and its number may be another's.
    [[nodiscard]] virtual Connection* find(ConnectionRef connection) = 0;
    /// The client that a connection belongs to is one of this shard.
    [[nodiscard]] virtual bool is_owned(ConnectionRef connection, std::uint32_t shard) = 0;

protected:
    ~CoreHost() = default;
};

class CoreShard final : private Network, private Peers, private Random {
public:
    struct Options {
        std::uint32_t number = 0;  // among all shards of the run
        unsigned index = 0;        // among those of its node
        unsigned node = 0;
        std::uint64_t seed = 0;
    };
    /// All references outlive the shard.
    CoreShard(const CostModel& cost, const std::shared_ptr<const access::NodeRules>& rules,
              const Options& options, CoreHost& host);

    /// Something has come at `now`: it is done at once, or waits for what is before it.
    void take(Work work, Bytes bytes, Time now);
    void on_free(Time now);
    /// Called too early, or when there is nothing due any more, it does nothing.
    void on_tick(Time now);
    /// The server is busy for so long, with something that is not the core's.
    void spend(Time work, Time now);
    /// A message of the server's own, in no time.
    void publish(const MessageFields& fields, Time now);
    /// The process ends, with all it knows, and begins anew at `up_at`.
    void stop(Time now, Time up_at);
    void start();

    [[nodiscard]] bool is_up() const { return broker_ != nullptr; }
    /// How long what comes now would wait, by what is known of the work before it.
    [[nodiscard]] Time wait(Time now) const;
    [[nodiscard]] Time busy() const { return busy_; }
    /// Of all its lives.
    [[nodiscard]] Counters counters() const;
    [[nodiscard]] const Broker* broker() const { return broker_.get(); }
    [[nodiscard]] std::uint64_t packets_taken() const { return packets_taken_; }

private:
    struct Waiting {
        Work work;
        Buffer bytes;
        std::unique_ptr<PeerMessage> peer;
        Time mean = 0;  // what it will take, as far as its bytes tell
    };
    /// What the core has sent within an input.
    struct Output {
        ConnectionRef connection;
        std::size_t begin = 0;  // in output_bytes_
        std::size_t end = 0;
        Time leaves = 0;
        bool is_end = false;
    };
    struct Moving {
        ConnectionRef connection;
        unsigned owner = 0;
    };

    void serve(const Work& work, Bytes bytes, Time now);
    void take_bytes(ConnectionId id, ConnectionRef connection, Bytes bytes, Instant instant);
    void put_out(Instant instant);
    void push_held(ConnectionId id, ConnectionRef connection, Instant instant);
    void arm_tick(Time now);
    void charge(Time mean);
    struct Packets {
        Time mean = 0;  // what they take
        std::uint64_t count = 0;
    };
    [[nodiscard]] Packets packets_in(Bytes bytes, bool is_from_client) const;
    void charge_taken(Bytes bytes);
    [[nodiscard]] ConnectionId enter(ConnectionRef connection);
    void leave(ConnectionId id);
    [[nodiscard]] std::optional<ConnectionId> find(ConnectionRef connection);
    void wait_in_line(Waiting waiting, Time now);

    // Network
    void send(ConnectionId id, Bytes bytes) override;
    void send(ConnectionId id, Bytes head, const MessageRef& message) override;
    void close(ConnectionId id) override;
    void abort(ConnectionId id) override { close(id); }
    void move(ConnectionId id, ShardIndex owner, access::Origin origin) override;
    void resume(ConnectionId id) override;
    // Peers
    void send(ShardIndex to, PeerMessage message) override;
    // Random
    std::uint64_t next() override { return random_.next(); }

    void add_output(ConnectionId id, Bytes head, Bytes rest);

    const CostModel& cost_;
    const std::shared_ptr<const access::NodeRules>& rules_;
    Options options_;
    CoreHost& host_;
    RandomStream random_;
    Draws work_draws_;
    std::unique_ptr<Broker> broker_;
    Counters counters_before_;  // of the lives before this one

    std::vector<std::optional<ConnectionRef>> slots_;  // by ConnectionId
    std::vector<std::uint32_t> free_slots_;
    std::map<std::uint32_t, Buffer> unconsumed_;  // by number of connection, few
    std::map<std::uint32_t, Buffer> held_;        // sent, and no room for them yet

    std::deque<Waiting> queue_;
    Time queued_work_ = 0;
    Time free_at_ = 0;
    Time leaves_ = 0;  // what is sent now
    Time busy_ = 0;
    std::optional<Time> tick_at_;
    bool is_woken_when_free_ = false;
    std::uint64_t packets_taken_ = 0;

    std::vector<Output> outputs_;
    std::size_t outputs_put_ = 0;  // the first that is not handed out yet
    Buffer output_bytes_;
    std::vector<Moving> moving_;
};

}  // namespace touchstone::simulator::fleet
