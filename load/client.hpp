// One simulated client of a run. A client that only pings is 40 bytes; what it needs to talk comes
// with its first need.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "broker/base/bytes.hpp"
#include "load/ledger.hpp"
#include "load/time.hpp"
#include "load/tls.hpp"
#include "load/websocket.hpp"

namespace touchstone::load {

enum class State : std::uint8_t {
    away,
    connecting,
    shaking_hands,
    upgrading,  // to a WebSocket
    awaiting_connack,
    subscribing,
    ready,
};

[[nodiscard]] constexpr bool is_connected(State state) {
    return state == State::subscribing || state == State::ready;
}

/// A message that is due; its number is given when it is sent.
struct Waiting {
    Nanos due = 0;
    std::uint32_t receiver = 0;  // for Audience::some_of
};

/// A message at QoS 1 or 2 that is not acknowledged yet. Enough to send it again.
struct Unacknowledged {
    Nanos due = 0;
    std::uint32_t number = 0;
    std::uint32_t receiver = 0;
    std::uint32_t size = 0;
    std::uint16_t packet_id = 0;
    bool is_received = false;  // PUBREC came
};

struct Talk {
    Buffer input;   // the beginning of a packet
    Buffer output;  // what the socket did not take, or has not been offered yet
    std::size_t output_sent = 0;
    bool is_dirty = false;
    std::unique_ptr<TlsStream> tls;
    std::unique_ptr<WebSocket> web;  // what is in `output` then gets a frame before it is offered

    std::deque<Waiting> waiting;
    std::deque<Unacknowledged> unacknowledged;
    std::string topic;  // where it publishes, unless that is drawn for each message
    std::uint32_t next_number = 0;
    std::uint64_t credits = 0;  // deliveries, for a closed loop without acknowledgements
    std::uint32_t receive_maximum = 65'535;

    std::vector<SequenceLog> logs;  // by Plan::Line::log
    std::vector<std::uint32_t>
        last_of;  // of messages that go to one receiver: number + 1, by publisher
    std::vector<std::uint16_t> held_ids;   // QoS 2: received, and PUBREL has not come
    std::uint32_t subscriptions_open = 0;  // SUBACKs to come

    [[nodiscard]] std::size_t output_left() const {
        return output.size() - output_sent + (web ? web->output_left() : 0);
    }
};

struct Client {
    int socket = -1;
    std::uint32_t number = 0;  // in its group
    std::uint16_t group = 0;
    State state = State::away;
    std::uint8_t connection = 0;  // counts up, so that timers and events of an earlier one are told
    std::uint8_t attempts = 0;    // without success
    bool awaits_pong : 1 = false;
    bool has_given_up : 1 = false;
    std::uint16_t next_packet_id = 1;
    Nanos since = 0;  // when the connection was due, or the PINGREQ was sent
    Nanos last_sent = 0;
    std::unique_ptr<Talk> talk;
};
static_assert(sizeof(Client) == 40);

}  // namespace touchstone::load
