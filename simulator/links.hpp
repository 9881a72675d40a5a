// Links: the paths between clients and nodes, the Network Connections over them, and what can go
// wrong with both. A connection behaves as TCP does for those who use it: bytes arrive in order or
// not at all, a sender gets stuck behind a receiver that does not read, an end may be the last to
// learn that the other one is gone.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/bytes.hpp"
#include "simulator/engine.hpp"
#include "simulator/trace.hpp"

namespace touchstone::simulator {

using LinkIndex = Strong<struct LinkTag, std::uint32_t>;

/// How long a piece of bytes travels. Pieces of one connection and direction never overtake.
struct DelayModel {
    enum class Kind : std::uint8_t { fixed, uniform, exponential };
    Kind kind = Kind::fixed;
    Duration low = std::chrono::milliseconds{1};  // fixed: the delay; exponential: the least
    Duration high = Duration::zero();             // uniform: the most; exponential: mean above low
};

struct LinkModel {
    DelayModel delay;
    /// Of each direction; 0: unlimited.
    std::uint64_t bandwidth_bytes_per_s = 0;
    /// What one direction of a connection holds between the two programs (the buffers of both
    /// operating systems and the wire). At least 1.
    std::size_t buffer_bytes = 64 * 1024;
};

enum class Ending : std::uint8_t {
    orderly,  // after everything the other end sent
    reset,    // at once; what was not taken is gone
};

/// One end of connections. Calls come from events, never from inside a call to Links.
class ConnectionEnd {
public:
    /// There are bytes to take().
    virtual void on_bytes_ready(ConnectionNumber connection) = 0;
    /// `size_bytes` of what was put() have entered the link.
    virtual void on_written(ConnectionNumber connection, std::size_t size_bytes) = 0;
    /// The connection is over. An orderly end comes after everything was taken.
    virtual void on_ended(ConnectionNumber connection, Ending ending) = 0;

protected:
    ~ConnectionEnd() = default;
};

class Acceptor : public ConnectionEnd {
public:
    /// A connection has come. False: it is refused, as nobody listens or there is no room.
    [[nodiscard]] virtual bool accepts() = 0;
    /// A connection has reached the node, which accepts it.
    virtual void on_opened(ConnectionNumber connection) = 0;

protected:
    ~Acceptor() = default;
};

class Links final : private EventHandler {
public:
    /// `trace` may be null: nothing is recorded then. Both outlive the Links.
    Links(Engine& engine, Trace* trace);
    Links(const Links&) = delete;
    Links& operator=(const Links&) = delete;

    LinkIndex add_link(const LinkModel& model, Acceptor& node, Actor node_actor);
    void set_model(LinkIndex link, const LinkModel& model);

    // For ends. `to` names the direction in which the bytes go, so the other end receives.

    ConnectionNumber open(LinkIndex link, ConnectionEnd& client, Actor client_actor);
    /// Puts bytes into the sender's buffer; they start at flush(). Without effect once this end is
    /// over.
    void put(ConnectionNumber connection, Direction to, Bytes bytes, Bytes behind = {});
    /// How many bytes that are put now could enter the link at once.
    [[nodiscard]] std::size_t room_bytes(ConnectionNumber connection, Direction to) const;
    /// What was put and has not entered the link.
    [[nodiscard]] std::size_t waiting_bytes(ConnectionNumber connection, Direction to) const {
        return pipe(connection, to).waiting.size();
    }
    /// Lets what was put enter the link as far as there is room. Returns the bytes that entered;
    /// for those that enter later on_written is called.
    std::size_t flush(ConnectionNumber connection, Direction to);
    /// Orderly end behind everything that was put. This end hears nothing more.
    void close(ConnectionNumber connection, Direction to);
    /// Reset. This end hears nothing more.
    void abort(ConnectionNumber connection, Direction to);
    /// The node's end learns that the connection is lost; the client's is not told.
    void lose(ConnectionNumber connection);
    /// What has arrived in direction `from`; frees its room in the link.
    Buffer take(ConnectionNumber connection, Direction from);
    /// While off, this end does not look: an orderly end is not noticed. On at first.
    void set_reading(ConnectionNumber connection, Direction from, bool on);
    [[nodiscard]] bool has_bytes(ConnectionNumber connection, Direction from) const;
    /// Whether the end that receives `direction` is over: closed, aborted, or told so.
    [[nodiscard]] bool is_over(ConnectionNumber connection, Direction direction) const;

    /// While on, the node's process does not learn that the connection has ended: it believes it to
    /// be there, and what it sends on it is lost. Then it learns.
    void set_unaware(ConnectionNumber connection, bool on);
    /// The same for all connections of the node; one is unaware as long as either says so.
    void set_unaware(const Acceptor& node, bool on);

    // Faults. Those with a switch are counted: two that overlap end with the later one.

    /// While on, nothing arrives in that direction; then all of it does, in order.
    void set_stalled(LinkIndex link, Direction direction, bool on);
    /// While on, what enters the link in that direction is lost. A connection that lost something
    /// stays silent in that direction for ever, since no byte arrives behind a gap.
    void set_dropping(LinkIndex link, Direction direction, bool on);
    /// While on, new connections are refused.
    void set_refusing(LinkIndex link, bool on);
    /// Every connection of the link is reset and both ends learn at once; bytes under way are lost.
    void cut(LinkIndex link);
    /// The connection of the link that sends the byte number `size_bytes` from now on in that
    /// direction is reset: the receiver takes all up to that byte, the sender learns at once.
    void reset_after(LinkIndex link, Direction direction, std::uint64_t size_bytes);
    /// Every present connection of the link goes silent in that direction; nobody is told.
    void black_hole(LinkIndex link, Direction direction);

private:
    enum EventKind : std::uint16_t { arrival, ended_at_broker, ended_at_client, wake };

    struct Piece {
        enum class Kind : std::uint8_t { open, bytes, fin, reset };
        Kind kind = Kind::bytes;
        Instant due;
        Buffer bytes;
    };

    /// One direction of a connection, with the state of the end that receives it.
    struct Pipe {
        Buffer waiting;            // put, and not yet in the link
        bool fin_waiting = false;  // close() was called behind `waiting`
        std::deque<Piece> underway;
        std::size_t held_bytes = 0;  // in the link: under way, lost in it, or ready
        Buffer ready;                // arrived, not taken
        bool fin_ready = false;
        bool is_read = true;  // set_reading
        bool black_holed = false;
        bool is_over = false;   // the receiving end closed, aborted or was told
        bool end_told = false;  // an ended_… event is scheduled
        bool is_unaware = false;
        std::optional<Ending> unheard;  // while unaware
        Instant line_free_at = run_begin;
        Instant last_due = run_begin;
        StreamRecorder recorder;
    };

    struct Connection {
        LinkIndex link;
        Actor client_actor;
        ConnectionEnd* client = nullptr;
        ProtocolVersion version = ProtocolVersion::v3_1_1;  // until CONNECT tells
        std::array<Pipe, 2> pipes;
    };

    struct Path {
        unsigned stalled = 0;
        unsigned dropping = 0;
        std::optional<std::uint64_t> bytes_to_reset;  // reset_after
        RandomStream delays;
    };

    struct Link {
        LinkModel model;
        Acceptor* node;
        Actor node_actor;
        unsigned refusing = 0;
        std::array<Path, 2> paths;
        std::vector<ConnectionNumber> live;  // in the order of opening
        bool is_unaware = false;
    };

    void on_event(const Event& event) override;
    void on_arrival(ConnectionNumber number, Direction direction);
    void tell_end(ConnectionNumber number, Direction direction, Ending ending);
    void end_now(ConnectionNumber number, Direction direction, Ending ending);
    void tell_unheard(ConnectionNumber number);
    void launch(ConnectionNumber number, Direction direction, Piece piece);
    void launch_to_reset(ConnectionNumber number, Direction direction, Piece piece,
                         std::uint64_t size_bytes);
    /// `end` is over: it takes nothing more and hears nothing more.
    void finish(ConnectionNumber number, Direction end);
    void record(ConnectionNumber number, TraceEntry::Kind kind, Direction end);

    [[nodiscard]] Pipe& pipe(ConnectionNumber number, Direction direction) {
        return connections_[number.raw()].pipes[static_cast<std::size_t>(direction)];
    }
    [[nodiscard]] const Pipe& pipe(ConnectionNumber number, Direction direction) const {
        return connections_[number.raw()].pipes[static_cast<std::size_t>(direction)];
    }
    [[nodiscard]] Link& link_of(ConnectionNumber number) {
        return links_[connections_[number.raw()].link.raw()];
    }
    [[nodiscard]] ConnectionEnd& end_of(ConnectionNumber number, Direction direction);

    Engine& engine_;
    Trace* trace_;
    std::uint16_t owner_;
    std::vector<Link> links_;
    std::deque<Connection> connections_;
};

}  // namespace touchstone::simulator
