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
#include <queue>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "broker/asio/authentication_service.hpp"
#include "broker/asio/connection.hpp"
#include "broker/asio/descriptor_table.hpp"
#include "broker/asio/figures.hpp"
#include "broker/asio/listeners.hpp"
#include "broker/asio/mailbox.hpp"
#include "broker/asio/output.hpp"
#include "broker/asio/readiness.hpp"
#include "broker/asio/record_file.hpp"
#include "broker/asio/sys_topics.hpp"
#include "broker/asio/system_random.hpp"
#include "broker/broker.hpp"
#include "broker/rocksdb/store.hpp"

namespace touchstone::asio_driver {

/// Passed in, so that a test can make them tiny.
struct DriverLimits {
    /// Most bytes read from one connection before others get their turn.
    std::size_t read_bytes_max = 64 * 1024;
    /// New output of all connections of a shard, in bytes of memory, that is written before the
    /// turn ends: a piece of input can become as many pieces of output as there are subscribers.
    std::size_t new_output_bytes_max = 8 * 1024 * 1024;
    /// What another shard may be behind with taking, in bytes of memory, before this one reads from
    /// no connection until half of it is left.
    std::size_t letter_bytes_max = 1024 * 1024;
    /// How long the end of a connection may take: writing what is owed, and the peer's answer.
    Duration ending_time_max = std::chrono::seconds{5};

    // With tables of descriptors of the shards' own.

    /// How long a connection waits for a place in the table of the shard it moves to. Many that
    /// move at once may find a place only when others have moved on; a table that is full stays so.
    Duration place_wait_max = std::chrono::milliseconds{100};
    /// How long it waits until the system takes its descriptor.
    Duration passage_wait_max = std::chrono::seconds{5};
    /// How many move at once.
    std::size_t moves_per_message_max = DescriptorPassage::per_message_max;
    /// What may be on its way to a shard; nothing: as the system is set up.
    std::optional<int> passage_buffer_bytes = {};
};

class Shard final : Network, Peers, Authentication, Events {
public:
    struct Options {
        ShardIndex self;
        unsigned shard_count = 1;
        DriverLimits limits;
        AuthenticationService* authentication = nullptr;  // null: the rules know no credentials
        RecordFile* record = nullptr;                     // null: nothing is recorded
        rocksdb_driver::Store* store = nullptr;           // null: all ends with the process
        Duration wall_offset{};                           // Broker::Options::wall_offset
    };

    using Plans = std::vector<std::shared_ptr<const ListenerPlan>>;

    /// `plans` are those of the listeners of `node`, which outlives the Shard. Throws
    /// std::system_error.
    Shard(SharedNode& node, Plans plans, std::shared_ptr<const access::NodeRules> rules,
          Options options);
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    /// Makes it known to all shards of the node, itself included; before run().
    void meet(std::span<const std::unique_ptr<Shard>> shards);

    /// Becomes what was stored. Before run(), and while the thread has the process's table of
    /// descriptors.
    void recover();
    /// When the node has tables for its shards: gives the calling thread, which is the one that
    /// will run(), its own. Errors: OperatorError.
    void take_own_table();
    /// Works until stop() has been carried out. To be called in the shard's own thread, whose
    /// table of descriptors, if it has one of its own, is empty afterwards.
    void run();

    // From any thread.

    /// Runs `task` in the shard's thread. It is dropped when run() has ended.
    void post(std::function<void()> task);
    /// Accepts no more, tells the clients, writes what is owed for at most `drain_time_max`, and
    /// ends run().
    void stop(Duration drain_time_max);

    // In the shard's thread.

    [[nodiscard]] ShardFigures figures() const;
    /// For connections from now on.
    void on_plans(Plans plans);
    void on_rules(std::shared_ptr<const access::NodeRules> rules);
    void on_authenticated(QuestionNumber number, AuthenticationAnswer answer);
    void on_stored(BatchNumber number, StorageOutcome outcome);
    void on_read(ReadNumber number, const ReadAnswer& answer);
    /// Messages of the server's own.
    void publish(const std::vector<ServerMessage>& messages);

private:
    struct MovedConnection {
        Descriptor socket;
        access::Origin origin;
        std::uint16_t listener = 0;
        std::unique_ptr<Layers> layers;
        Buffer bytes;
    };
    /// A connection that is to go into another table of descriptors.
    struct Departure {
        MovedConnection connection;
        Instant since;
    };
    using Letter = std::variant<PeerMessage, MovedConnection>;
    using Letterbox = Mailbox<Letter>;

    /// Something is to happen at `at`, if it still matters then.
    struct Deadline {
        enum class What : std::uint8_t {
            ending,   // a connection the core is done with must be gone
            step,     // a step of a preparation must be over
            sending,  // output must have moved
            reading,  // a connection may be read again
        };
        Instant at;
        ConnectionId connection;
        std::uint32_t generation;
        What what;
        PreparationStep step = PreparationStep::proxy_header;  // of What::step

        friend bool operator>(const Deadline& a, const Deadline& b) { return a.at > b.at; }
    };
    /// Output of a connection that its peer did not take, or not at first.
    struct Stuck {
        Instant moved_at;
        bool is_blocked;
    };
    /// A listener as this shard sees it.
    struct Door {
        bool is_watched = false;
        std::optional<Instant> watch_again_at;
    };
    static constexpr std::size_t pieces_per_write_max = 64;
    enum class Written : std::uint8_t { all, some, broken };
    struct Progress {
        std::size_t written_bytes = 0;  // of the core's output
        bool has_moved = false;         // bytes of any kind
    };

    // Effects.
    void send(ConnectionId id, Bytes bytes) override;
    void send(ConnectionId id, Bytes head, const MessageRef& message) override;
    void close(ConnectionId id) override;
    void abort(ConnectionId id) override;
    void move(ConnectionId id, ShardIndex owner, access::Origin origin) override;
    void resume(ConnectionId id) override;
    void send(ShardIndex to, PeerMessage message) override;
    void ask(QuestionNumber number, AuthenticationQuestion question) override;
    void forget(QuestionNumber number) override;
    void on_connected(const ClientEvent& client) override;
    void on_disconnected(const ClientEvent& client, DisconnectReason reason) override;

    // A turn, in this order.
    void turn();
    [[nodiscard]] Duration time_to_wait();
    [[nodiscard]] Instant next_deadline() const;
    void run_tasks();
    void take_letters();
    void send_letter(ShardIndex to, Letter letter);
    [[nodiscard]] static std::size_t size_bytes_of(const Letter& letter);
    [[nodiscard]] bool is_held_up() const { return waits_for_room_ && !stop_at_; }
    void look_for_room();
    void look_at_unread();
    void on_event(const epoll_event& event);
    void write_gathered();
    void end_closed();
    void meet_deadlines();
    void hand_out_letters();
    void publish_events();

    // Listeners (shard_accept.cpp).
    void accept_from(std::uint16_t listener, unsigned others_left);
    void accept_for_another(std::uint16_t listener, unsigned others_left);
    void pass_on(std::uint16_t listener, unsigned others_left);
    void pause_accepting(int error);
    void pause(std::uint16_t listener, Instant until);
    void watch(std::uint16_t listener);
    void watch_again();
    void close_doors();
    [[nodiscard]] bool admit(std::uint16_t listener, access::Origin& origin);
    void leave(std::uint16_t listener);
    /// False: it is gone.
    [[nodiscard]] bool on_accepted(Descriptor socket, std::uint16_t listener,
                                   access::PeerAddress address);
    void adopt(MovedConnection moved);
    [[nodiscard]] bool take_place();
    void give_place_back();
    void let_go();

    // Connections between tables of descriptors (shard_move.cpp).
    void send_away(MovedConnection moved, ShardIndex to);
    void send_departures();
    bool send_some(ShardIndex to);
    std::size_t take_places(ShardIndex to, std::size_t count_max);
    [[nodiscard]] bool waits_for(ShardIndex to, Duration time_max);
    void end_departures();
    void end_move(MovedConnection& moved);
    [[nodiscard]] Descriptor arrived_from(ShardIndex from);
    /// Null when the connection could not be watched; it is gone then.
    Connection* add(Descriptor socket, std::uint16_t listener, std::unique_ptr<Layers> layers,
                    ConnectionId& id);

    // What comes before the first byte of MQTT (shard_prepare.cpp). Each step tells whether there
    // is something to go on with now.
    void prepare(ConnectionId id, Connection& connection);
    bool take_proxy_header(ConnectionId id, Connection& connection);
    bool shake_hands(ConnectionId id, Connection& connection);
    bool take_upgrade(ConnectionId id, Connection& connection);
    bool write_answer(ConnectionId id, Connection& connection);
    void begin_step(ConnectionId id, Connection& connection, PreparationStep step);
    void begin_next_step(ConnectionId id, Connection& connection);
    void open(ConnectionId id, Connection& connection);
    void refuse(ConnectionId id, Connection& connection, Refusal reason);
    void give_up_step(ConnectionId id, Connection& connection);

    // Bytes on their way through layers (shard_layers.cpp).
    enum class ReadOutcome : std::uint8_t { full, drained, ended, failed };
    ReadOutcome read_some(ConnectionId id, Connection& connection, std::span<std::byte> room,
                          std::size_t& size_bytes);
    void receive_through_layers(ConnectionId id, Connection& connection);
    void on_layer_bytes(ConnectionId id, Connection& connection, std::span<std::byte> bytes);
    void end_web(ConnectionId id, Connection& connection);
    void slow_down(ConnectionId id, Connection& connection, std::size_t size_bytes);
    Written write_through_layers(Connection& connection, Progress& progress);
    std::span<iovec> pieces_to_write(Connection& connection, std::span<iovec> room);
    Written write_tls(transport::TlsSession& tls, std::span<const iovec> pieces,
                      std::size_t& size_bytes);

    // Input.
    void on_readable(ConnectionId id, Connection& connection);
    void receive(ConnectionId id, Connection& connection);
    void look_again(ConnectionId id, Connection& connection);
    void deliver_kept(ConnectionId id, Connection& connection);
    void on_received(ConnectionId id, Connection& connection, Bytes bytes);
    [[nodiscard]] std::size_t unwritten_bytes_max(const Connection& connection) const;
    [[nodiscard]] bool is_owed_too_much(const Connection& connection) const;
    void clog(ConnectionId id, Connection& connection);
    void unclog(ConnectionId id, Connection& connection);
    void excuse(ConnectionId id, const Connection& connection);
    void excuse_unread();
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
    void drop_written(Connection& connection, std::size_t size_bytes, Progress& progress);
    void block(ConnectionId id, Connection& connection);
    Written write_some(Connection& connection, Progress& progress);
    static Written write_socket(int socket, std::span<iovec> pieces, std::size_t& size_bytes);
    void watch_progress(ConnectionId id, const Connection& connection, bool has_moved);
    void on_send_deadline(const Deadline& deadline, Connection& connection);

    // Endings.
    void end(ConnectionId id, Connection& connection);
    void linger(ConnectionId id, Connection& connection);
    void destroy(ConnectionId id, Connection& connection);
    void drain(ConnectionId id, Connection& connection);
    void drop_when_overdue(ConnectionId id, const Connection& connection);
    void add_deadline(Duration after, Deadline::What what, ConnectionId id,
                      const Connection& connection);
    void on_stop(Duration drain_time_max);
    [[nodiscard]] bool is_finished() const;

    void wake();

    const Options options_;
    SharedNode& node_;
    Plans plans_;  // by listener
    std::shared_ptr<const access::NodeRules> rules_;
    std::vector<Door> doors_;  // by listener
    Readiness readiness_;
    SystemRandom random_;
    OutputPool pool_;
    ConnectionTable connections_;
    rocksdb_driver::Store::Port* const storage_;  // null: all ends with the process
    record::RecordedBroker broker_;

    Instant now_;
    std::vector<std::byte> input_;
    std::vector<ConnectionId> gathered_;
    std::vector<ConnectionId> being_written_;
    std::vector<ConnectionId> unread_;  // may have more to read, or were resumed
    std::vector<ConnectionId> being_read_;
    std::vector<ConnectionId> closed_;
    // Where the connection goes whose input is being handled, when it is moved.
    access::Origin moving_origin_;
    ShardIndex moving_to_;
    std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
    std::unordered_map<std::uint32_t, Stuck> stuck_;  // by number; each has a deadline
    std::unordered_set<std::uint32_t> clogged_;       // by number; may hold some that were
    Instant excused_at_{};                            // when excuse_unread() last did something
    std::vector<std::byte> record_;                   // pieces of output that become one record
    bool is_output_large_ = false;
    bool waits_for_room_ = false;                      // another shard is behind: nobody is read
    std::size_t used_bytes_to_write_at_ = UINT64_MAX;  // set by the first write_gathered()
    bool is_pause_logged_ = false;
    Instant watch_again_at_ = never;     // the earliest of doors_
    std::optional<Instant> stop_at_;     // when stopping: nothing is waited for any longer
    std::vector<ServerMessage> events_;  // to be published before the turn ends
    DriverFigures figures_;

    // Only with a table of descriptors of its own.
    ShardTable* const table_;                            // null: it shares that of the process
    std::vector<std::deque<Departure>> departures_;      // by shard
    std::vector<std::deque<Descriptor>> arrivals_from_;  // by shard; their letters are on their way
    Instant depart_again_at_ = never;
    std::size_t kept_descriptors_ = 0;  // that are not of connections

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
