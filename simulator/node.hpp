// A broker process in virtual time: N shards of the real core, each a Broker with its ports, and
// the channels between them. Plays the part that broker/asio plays in the real world. Which shard
// takes a connection and how long a message between shards travels is drawn from the seed, so every
// interleaving of shards is some seed's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/broker.hpp"
#include "broker/cluster/member.hpp"
#include "simulator/clock.hpp"
#include "simulator/disk.hpp"
#include "simulator/links.hpp"
#include "simulator/mesh.hpp"

namespace touchstone::simulator {

/// Who knows the clients of a node, in place of the lists that a driver would look at.
class Authority {
public:
    Authority() = default;
    Authority(const Authority&) = delete;
    Authority& operator=(const Authority&) = delete;
    virtual ~Authority() = default;
    /// Decided by the arguments and by what was asked under this number before.
    [[nodiscard]] virtual AuthenticationAnswer answer(unsigned shard, QuestionNumber number,
                                                      const AuthenticationQuestion& question) = 0;
    virtual void forget(unsigned shard, QuestionNumber number) = 0;
};

/// A node's place in a cluster.
struct ClusterPlace {
    Mesh* mesh = nullptr;  // outlives the node
    const cluster::ModelRules* rules = nullptr;
    cluster::NodeIndex self;
    unsigned node_count = 1;
    std::vector<cluster::NodeIndex> replicants{};
    /// From the end of its database to its new start, where the model starts one again.
    Duration restart_time = std::chrono::seconds{1};
};

struct NodeOptions {
    Settings settings;
    /// All that an operator sets; null: access::open_rules(settings). Otherwise `settings` is not
    /// looked at.
    std::shared_ptr<const access::NodeRules> rules{};
    /// There when the rules name credentials or an Authentication Method.
    std::shared_ptr<Authority> authority{};
    /// From a question to its answer.
    Duration authentication_delay = std::chrono::milliseconds{1};
    unsigned shard_count = 1;  // 1 or more
    Defects defects;
    /// Whether what happens to clients is published below $SYS/brokers/NODE/clients/.
    bool publishes_presence = false;
    /// Called, when there, as the process ends by a fault of its own, before it is gone.
    std::function<void()> on_death{};
    /// Called, when there, as a crash has taken what was written.
    std::function<void(const DiskLoss&)> on_loss{};
    /// Delay of a message between two shards, uniform; messages of one pair keep their order.
    Duration peer_delay_low = std::chrono::microseconds{5};
    Duration peer_delay_high = std::chrono::microseconds{500};
    /// The driver's timer: a tick comes at the next multiple of this, as from a coarse clock; 0: at
    /// the very instant.
    Duration timer_resolution = Duration::zero();
    /// From one accepted connection to the next; so many may come early, those behind are refused,
    /// as by an operating system whose backlog is full. Zero: all are accepted at once.
    Duration accept_interval = Duration::zero();
    unsigned accept_backlog = 5;
    /// Without it a crash takes all that the node knows.
    std::optional<DiskOptions> storage{};
    /// In place of a disk of its own; outlives the node. Null: none.
    RecordStore* store = nullptr;
    /// Nothing: the node stands alone.
    std::optional<ClusterPlace> cluster{};
    /// Called, when there, before the cluster makes this node disconnect all clients and take no
    /// more, and as it takes them again.
    std::function<void(bool is_serving)> on_serving{};
    /// Called, when there, with what an operator is told.
    std::function<void(const std::string&)> on_alarm{};
};

class Node final : public Acceptor, public MeshEnd, private EventHandler {
public:
    /// `entity` tells the nodes of a run apart in random streams. All references outlive the Node.
    Node(Engine& engine, Links& links, std::uint64_t entity, NodeOptions options);
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    /// Brings the process up, with what its disk holds; without a disk with an empty memory. It is
    /// down.
    void start();
    /// The process is gone at once, with its memory and what its disk has not synced. Its
    /// connections are reset by the operating system; when `is_silent` the machine went with it,
    /// and nobody tells the clients.
    void crash(bool is_silent);
    /// Stops in an orderly way (Broker::on_stop on every shard), then the process is gone.
    void stop();
    [[nodiscard]] bool is_up() const { return !shards_.empty(); }
    /// What its processes read from now on is `clock`, which outlives the Node, or its rate has
    /// changed. At first it is a clock that is right. What it shows now does not change.
    void on_clock_changed(const Clock& clock);
    /// Nothing of the process runs until go_on(); its connections stay, and the operating system
    /// accepts new ones. Then everything that came meanwhile is looked at, in order, and what fell
    /// due after it, as a driver does. It is up and runs.
    void pause();
    /// Without effect when it runs, which it does after a crash.
    void go_on();
    /// What a store that is not its own disk has to say (Broker::on_stored). It is up.
    void on_stored(unsigned shard, BatchNumber number, StorageOutcome outcome);
    void on_read(unsigned shard, ReadNumber number, const ReadAnswer& answer);
    /// The operator's settings have changed; every shard obeys the new ones.
    void reload(std::shared_ptr<const access::NodeRules> rules);

    [[nodiscard]] const NodeOptions& options() const { return options_; }
    /// Nothing when the node is down or has no such session.
    [[nodiscard]] std::optional<SessionView> session(std::string_view client_id) const;
    /// Of all shards, sorted.
    [[nodiscard]] std::vector<std::string> client_ids() const;
    [[nodiscard]] MessageRef retained(unsigned shard, std::string_view topic) const;
    /// Of all shards together; zeros when the node is down.
    [[nodiscard]] Counters counters() const;
    /// The same with all earlier processes of the node.
    [[nodiscard]] Counters counters_ever() const;
    [[nodiscard]] Gauges gauges() const;
    /// Null: it is down, or stands alone.
    [[nodiscard]] const cluster::Member* member() const;
    /// Whether it takes clients; a node of a cluster may not, although it is up.
    [[nodiscard]] bool is_serving() const { return is_up() && is_serving_; }
    /// What its shards are subscribed to.
    [[nodiscard]] std::map<std::string, std::vector<std::string>> subscriptions() const;
    /// The nodes of the cluster are there: begin as one of them.
    void begin_cluster();
    /// The most bytes for which the core wanted room on one connection, since the beginning.
    [[nodiscard]] std::size_t wanted_bytes_max() const { return wanted_bytes_max_; }
    /// The most bytes that waited for one connection to take them, since the beginning.
    [[nodiscard]] std::size_t unwritten_bytes_max() const { return unwritten_bytes_max_; }
    /// Null without storage.
    [[nodiscard]] const Disk* disk() const { return disk_.get(); }
    [[nodiscard]] Disk* disk() { return disk_.get(); }
    /// Records that the last start could not use.
    [[nodiscard]] std::size_t unusable_records() const { return unusable_records_; }
    /// The same for all starts together.
    [[nodiscard]] std::size_t unusable_records_ever() const { return unusable_records_ever_; }
    /// Of messages between shards.
    [[nodiscard]] std::size_t peer_messages_underway() const;
    /// An Application Message between two shards.
    struct Underway {
        unsigned to = 0;
        std::string group;  // as PeerSharedPublication::group; empty: PeerPublication
        MessageRef message;
    };
    /// By pair of shards, and of a pair in the order of sending.
    [[nodiscard]] std::vector<Underway> publications_underway() const;

    // Acceptor
    [[nodiscard]] bool accepts() override;
    void on_opened(ConnectionNumber connection) override;
    void on_bytes_ready(ConnectionNumber connection) override;
    void on_written(ConnectionNumber connection, std::size_t size_bytes) override;
    void on_ended(ConnectionNumber connection, Ending ending) override;

    // MeshEnd
    void on_peer_up(cluster::NodeIndex peer) override;
    void on_peer_down(cluster::NodeIndex peer) override;
    void on_message(cluster::NodeIndex from, cluster::NodeMessage message) override;

private:
    enum EventKind : std::uint16_t { tick, peer, resume, authenticated, member_tick, restarted };
    class Shard;
    class Gateway;
    friend class Gateway;

    /// Where a connection is and what of its bytes the core has not consumed.
    struct Attachment {
        unsigned shard = 0;
        ConnectionId id;
        bool is_moving = false;   // between two shards
        bool is_stalled = false;  // the core takes nothing until Network::resume
        bool is_over = false;     // it ended while nobody could look, and no shard knows yet
        Buffer unconsumed;
    };

    struct Move {
        ConnectionNumber connection;
    };
    // Between a shard and the gateway, in order with their messages.
    struct Claiming {
        ClaimNumber number = 0;
        std::string client_id;
        bool clean_start = false;
    };
    struct Withdrawal {
        ClaimNumber number = 0;
    };
    struct Entry {
        std::string client_id;
    };
    struct Release {
        std::string client_id;
    };
    struct Claimed {
        ClaimNumber number = 0;
        ClaimAnswer answer;
    };
    struct Eviction {
        std::uint64_t number = 0;
        std::string client_id;
        SessionFate fate{};
    };
    struct Evicted {
        std::uint64_t number = 0;
        std::shared_ptr<const storage::SessionCopy> session;
    };
    struct Adoption {
        std::shared_ptr<const storage::SessionCopy> session;
    };
    using Item = std::variant<PeerMessage, Move, Claiming, Withdrawal, Entry, Release, Claimed,
                              Eviction, Evicted, Adoption>;

    /// Asked, and not answered yet. The delay is fixed, so answers come in the order of questions.
    struct Question {
        unsigned shard = 0;
        QuestionNumber number = 0;
        AuthenticationQuestion content;
        bool is_forgotten = false;
    };

    struct Channel {
        std::deque<Item> underway;
        Instant last_due = run_begin;
        RandomStream delays;
    };

    void on_event(const Event& event) override;
    /// Whether the process is paused; `input` is then handed in when it runs again.
    template <class Input>
    [[nodiscard]] bool is_put_off(Input input) {
        if (is_paused_) put_off_.emplace_back(std::move(input));
        return is_paused_;
    }
    void deliver(ConnectionNumber number);
    void on_resume(ConnectionNumber number);
    void answer_next_question();
    void attach(ConnectionNumber number, unsigned shard);
    void arrive(unsigned from, unsigned to, Item item);
    void put(unsigned from, unsigned to, Item item);
    /// What a driver does at the end of a turn: writes what was sent, and arms the timer.
    void finish_turn(unsigned shard);
    void arm_timer(unsigned shard);
    /// What the core is told as the time: what the steady clock shows since the machine began.
    [[nodiscard]] Instant core_now() const;
    /// From that to what the wall clock shows.
    [[nodiscard]] Duration wall_offset() const;
    void recover();
    /// Shards, and the gateway.
    [[nodiscard]] unsigned peer_count() const {
        return options_.shard_count + (options_.cluster ? 1 : 0);
    }
    [[nodiscard]] Channel& channel(unsigned from, unsigned to) {
        return channels_[from * peer_count() + to];
    }
    void make_shards();
    /// What they know is gone, and their connections are reset, unless `is_silent`.
    void drop_shards(bool is_silent);
    void arrive_at_gateway(unsigned from, Item item);
    void begin_anew();
    void disconnect_all();

    Engine& engine_;
    Links& links_;
    std::uint64_t entity_;
    NodeOptions options_;
    std::shared_ptr<const access::NodeRules> rules_;
    const Clock* clock_ = nullptr;  // null: right
    /// What the steady clock shows more than it would if it had begun with the machine.
    Duration uptime_lead_ = Duration::zero();
    std::uint16_t owner_;
    RandomStream accepts_;
    Instant next_accept_at_ = run_begin;
    std::size_t wanted_bytes_max_ = 0;
    std::size_t unwritten_bytes_max_ = 0;
    std::unique_ptr<Disk> disk_;
    RecordStore* store_ = nullptr;  // the disk, or what is there in its place; null: nothing
    std::size_t unusable_records_ = 0;
    std::size_t unusable_records_ever_ = 0;
    Counters counters_before_;  // of processes that are gone
    bool is_paused_ = false;
    std::vector<std::function<void()>> put_off_;  // while paused
    std::uint32_t incarnation_ = 0;               // tells events of an earlier process apart
    std::vector<std::unique_ptr<Shard>> shards_;  // empty: the process is down
    std::vector<Channel> channels_;
    std::deque<Question> questions_;
    std::map<ConnectionNumber, Attachment> attachments_;
    std::unique_ptr<Gateway> gateway_;  // null: the process is down, or stands alone
    cluster::AgreementDisk agreement_disk_;
    std::uint32_t gateways_ = 0;  // so many there have been
    bool is_serving_ = true;
    bool has_begun_ = false;  // in its cluster
};

}  // namespace touchstone::simulator
