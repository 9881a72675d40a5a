// One case while it runs: its clients, the packets that went by, what is to be cleaned up, and how
// it ends. The cases see it through Peer and CaseBody.
#pragma once

#include <atomic>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/suite/monitor.hpp"
#include "conformance/suite/needs.hpp"
#include "conformance/suite/peer.hpp"
#include "conformance/suite/tolerances.hpp"
#include "conformance/suite/verdict.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance {

/// Thrown by an expectation; ends the case.
struct CaseEnded {
    Verdict verdict = Verdict::fail;
    std::string reason;
    std::string expected;
    std::string seen;
};

/// Thrown when the user interrupts the run.
struct Interrupted {};

/// One client of a case.
struct Actor {
    Context* context = nullptr;
    std::string name;
    std::string own_client_id;

    std::unique_ptr<Connection> connection{};
    bool has_ended = true;  // no Network Connection, or the broker has ended it
    Arrival ending = Arrival::closed;
    Buffer stream{};             // bytes that are not a whole packet yet
    std::deque<Packet> inbox{};  // received and not asked for
    std::deque<Packet> flows{};  // received QoS 1 and 2 PUBLISHes whose flow is not complete
    std::size_t flows_max = 0;   // so many of them at once in this case, on any connection
    Monitor monitor{};

    ProtocolVersion version = ProtocolVersion::v5;
    std::string client_id{};
    std::optional<Packet> connack{};
    bool tolerates_any_connack = false;  // RefusalAnswer::any_version
    std::uint16_t next_packet_id = 1;
    bool is_acknowledging = false;
    bool has_published = false;
    bool has_marker_subscription = false;
};

/// How what a client sends at once goes to the network. Where a Control Packet is cut must not
/// matter to a broker (v5 §4.2: a stream of bytes; over WebSocket [MQTT-6.0.0-2]).
struct Split {
    std::size_t first_bytes = 0;  // a piece of so many bytes, then the rest; 0: no such cut
    std::size_t piece_bytes = 0;  // then pieces of so many bytes; 0: one
};

/// What a run shares among its cases.
struct Surroundings {
    Capabilities capabilities{};
    Tolerances tolerances{};
    Declaration declaration{};
    Split split{};
    bool is_shared_broker = true;  // other cases use it at the same time: leave nothing behind
    const std::atomic<bool>* is_interrupted = nullptr;
};

class Context {
public:
    /// `token` is the case's own word: letters and digits, at most 12. All references have to stay
    /// valid while the case runs.
    Context(Target& target, const Surroundings& surroundings, ProtocolVersion version,
            std::string token);
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context();

    /// Runs `body` to its end, cleans up, and tells how it went.
    [[nodiscard]] CaseOutcome run(const std::function<void(Context&)>& body);

    // For Peer and CaseBody.
    [[nodiscard]] Actor& actor(std::string_view name);
    [[nodiscard]] std::vector<Actor*> actors();
    [[nodiscard]] std::string full(const Topic& topic) const;
    [[nodiscard]] std::string marker_topic(const Actor& actor) const;
    [[nodiscard]] const std::string& token() const { return token_; }
    [[nodiscard]] ProtocolVersion version() const { return version_; }
    [[nodiscard]] const Surroundings& surroundings() const { return surroundings_; }
    [[nodiscard]] const Tolerances& tolerances() const { return surroundings_.tolerances; }
    [[nodiscard]] Instant now() { return target_.now(); }
    [[nodiscard]] const Declaration& declaration() const { return surroundings_.declaration; }

    /// Stops the broker, or starts it again. A mishap ends the case as inconclusive.
    void stop_broker();
    void start_broker();

    /// Opens a Network Connection for `actor`, ending one that it has.
    void open(Actor& actor);
    void close(Actor& actor, Ending ending);
    /// Records and sends. A connection that is gone swallows the bytes; the next wait tells.
    void send(Actor& actor, Bytes bytes);
    /// The same as WebSocket messages. Ends the case as not applicable on other transports.
    void send(Actor& actor, const std::vector<WebSocketMessage>& messages);
    /// Begins a WebSocket that offers `subprotocols`, and ends it.
    WebSocketHandshake shake_hands(const std::vector<std::string>& subprotocols);
    /// Receives until a packet is in the inbox (true), or `deadline`, or the end of the connection.
    bool receive(Actor& actor, Instant deadline);
    /// Receives what has arrived already, without waiting.
    void receive_what_is_there(Actor& actor);
    /// Takes the first packet that `is_wanted` out of the inbox, receiving until `deadline`.
    std::optional<Packet> take(Actor& actor, const std::function<bool(const Packet&)>& is_wanted,
                               Instant deadline);
    void wait_until(Instant instant, std::string_view what_for);

    void note(std::string_view text);
    [[noreturn]] void end(Verdict verdict, std::string reason, std::string expected = {},
                          std::string seen = {});
    /// A fail at `packet`, or at the end of the record.
    [[noreturn]] void fail(std::string expected, std::string seen, const Packet* packet = nullptr);
    void downgrade(Verdict verdict, std::string reason);
    void judge_close(Verdict verdict, std::string reason);

private:
    void record_sent(Actor& actor, Bytes bytes);
    void send_in_pieces(Connection& connection, Bytes bytes);
    void on_end(Actor& actor, Arrival arrival);
    [[noreturn]] void fail_for_text_frame();
    bool take_packet_from_stream(Actor& actor);
    void on_packet(Actor& actor, Packet packet);
    void acknowledge_at_once(Actor& actor, const Packet& packet);
    [[nodiscard]] bool is_foreign(const Packet& packet) const;
    void record(TraceStep step);
    void mark_deviation(std::size_t step, std::string_view note);
    void remember_for_cleaning(const Packet& sent);
    void clean_up();
    void end_connections();
    void end_sessions();
    void clear_retained();
    void throw_if_interrupted() const;
    [[nodiscard]] ConnectFields with_credentials(ConnectFields fields) const;

    Target& target_;
    const Surroundings& surroundings_;
    ProtocolVersion version_;
    std::string token_;
    CaseOutcome outcome_{};
    std::deque<Actor> actors_{};
    std::map<std::string, ProtocolVersion> kept_sessions_{};  // by Client Identifier
    std::map<std::string, ProtocolVersion> retained_topics_{};
    bool is_recording_ = true;
};

}  // namespace touchstone::conformance
