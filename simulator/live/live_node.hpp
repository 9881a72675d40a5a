// LiveNode: stands where a Node stands, at the far end of the world's links, and copies what
// arrives there to a broker's sockets, and what these bring back into the links. So the links, with
// all their faults, are a proxy between simulated clients and a real broker. Keeps the engine's
// time in step with the real one.
//
// What has arrived here counts as taken by the broker. Therefore nothing that was taken is ever
// thrown away by a reset: the broker reads it all and then finds the end of the connection,
// whichever way the client's end was lost; to MQTT both are a Network Connection that closed
// without DISCONNECT.
//
// Sockets have no common order, and checkers ask for one: of a takeover, that the older connection
// ends before the newer one is accepted and before its Will Message is there. A broker that does
// all of it within one turn of its loop may be seen doing it the other way round. So while a
// CONNECT is not answered and an older connection of its Client Identifier is there, only those two
// are heard, for a short time.
#pragma once

#include <poll.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulator/live/socket.hpp"
#include "simulator/outside.hpp"

namespace touchstone::simulator::live {

class LiveNode final : public Outside, private Acceptor {
public:
    explicit LiveNode(const Address& address) : address_{address} {}

    // Outside
    Acceptor& begin(Engine& engine, Links& links) override;
    void run_until(Instant until) override;

    /// Closes every connection to the broker. Time does not go on afterwards.
    void close_all() { connections_.clear(); }

    /// How long behind its instant an event was carried out, at most: what this machine was too
    /// busy for.
    [[nodiscard]] Duration lateness_max() const { return lateness_max_; }
    /// Connections that nobody took at the other end, or that the system had no socket for.
    [[nodiscard]] unsigned failed_connections() const { return failed_connections_; }

private:
    using Clock = std::chrono::steady_clock;

    struct Connection {
        Socket socket;
        Buffer output;
        /// Of the client, until a whole CONNECT or anything else has come.
        Buffer head{};
        bool is_head_known = false;
        std::string client_id{};
        /// The broker's first bytes, while an older connection of this client is there.
        Buffer held{};
        bool is_answered = false;
        Instant release_at = never;  // of a takeover: when nobody waits for it any more
        /// The client's end is over: what it sent is written, and what comes back is for nobody.
        bool is_ending = false;
        bool has_ended_output = false;
        Instant give_up_at = never;
    };
    using Connections = std::map<ConnectionNumber, Connection>;

    // Acceptor
    [[nodiscard]] bool accepts() override { return true; }
    void on_opened(ConnectionNumber number) override;
    void on_bytes_ready(ConnectionNumber number) override;
    void on_written(ConnectionNumber, std::size_t) override {}  // the next look finds the room
    void on_ended(ConnectionNumber number, Ending ending) override;

    [[nodiscard]] Instant real_now() const;
    void catch_up(Instant until);
    void wait(Instant until);
    /// Looks, for at most so long, which sockets have something. Adds to what is set already.
    void look(int timeout_ms);
    void serve_ready();
    void serve(ConnectionNumber number, short events);
    /// False: the connection is gone.
    [[nodiscard]] bool write(ConnectionNumber number, Connection& connection);
    [[nodiscard]] bool read(ConnectionNumber number, Connection& connection);
    void learn_client_id(Connection& connection, Bytes bytes);
    /// Whether an older connection of the same Client Identifier is there.
    [[nodiscard]] bool has_rival(ConnectionNumber number, const Connection& connection) const;
    /// The Client Identifier that is being taken over; empty: none is.
    [[nodiscard]] std::string_view client_id_in_takeover() const;
    void release_held();
    void end_output_when_written(Connection& connection);
    void lose(ConnectionNumber number, Socket::Outcome why);
    void give_up_overdue();
    [[nodiscard]] Instant next_deadline() const;

    Address address_;
    Engine* engine_ = nullptr;
    Links* links_ = nullptr;
    std::optional<Clock::time_point> began_at_;
    Connections connections_;
    std::vector<pollfd> polled_;
    std::vector<ConnectionNumber> polled_numbers_;  // in step with polled_
    Duration lateness_max_ = Duration::zero();
    unsigned failed_connections_ = 0;
};

}  // namespace touchstone::simulator::live
