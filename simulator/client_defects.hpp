// Defect switches of a simulated client: published bugs of client libraries and bridges, built in
// on purpose and off. Each is named as in the catalogue of published defects
// (scenarios/catalogue.pbtxt); a name that nodes have as well (broker/base/defects.hpp) is the same
// mistake on the other side.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>

namespace touchstone::simulator {

// name, what the client does wrong; by name
#define TOUCHSTONE_CLIENT_DEFECTS(X)                                                               \
    X(ack_in_order_only, "an acknowledgement that is not for the oldest message is ignored")       \
    X(acks_from_workers, "acknowledgements leave as parallel workers finish")                      \
    X(alias_only_stored, "what is kept for a repetition has the Topic Alias and no Topic Name")    \
    X(alias_survives_reconnect, "Topic Aliases of the last connection are used on the next")       \
    X(bridge_echo_retained, "a bridge sends back the Retained Messages it has brought itself")     \
    X(client_ack_before_handover,                                                                  \
      "messages are acknowledged and dropped before the application listens")                      \
    X(client_queue_lifo, "what was published while away is sent from the wrong end")               \
    X(client_resend_concurrent, "repetitions and new messages are sent by turns after a resume")   \
    X(client_store_after_connect_only, "what is published while away is not written to the store") \
    X(client_store_double_enqueue, "what is to be repeated is queued as new beside that")          \
    X(inflight_counter_leak, "what was in flight when a connection was lost counts for ever")      \
    X(limits_at_enqueue,                                                                           \
      "a message is judged by the limits at its publishing, not at its sending")                   \
    X(live_bypasses_backlog, "a new message overtakes those that wait")                            \
    X(new_before_retransmit, "after a resume new messages go before the repetitions")              \
    X(no_pingresp_timeout, "a PINGRESP that does not come is not missed")                          \
    X(pid_collision_stash_stuck,                                                                   \
      "a message that waits for its identifier waits for ever when the session is lost")           \
    X(pid_directions_conflated,                                                                    \
      "a PUBLISH is taken for the answer to a SUBSCRIBE with its identifier")                      \
    X(pid_no_in_use_check, "Packet Identifiers are given out while in use")                        \
    X(pid_subs_share_unchecked, "SUBSCRIBE takes the next identifier, in use or not")              \
    X(prop_len_unchecked, "the length of CONNACK's properties is believed")                        \
    X(qos2_client_no_dedupe, "a repeated QoS 2 message reaches the application again")             \
    X(qos2_go_back_n,                                                                              \
      "the retry timer repeats the PUBLISH and all later ones, however far they got")              \
    X(qos2_loop_on_downgrade, "a QoS 2 message is kept and sent again to a server without QoS 2")  \
    X(qos2_republish_after_pubrec,                                                                 \
      "after a resume the PUBLISH is repeated although PUBREC had come")                           \
    X(qos2_rx_not_in_session, "which QoS 2 messages were received goes with the connection")       \
    X(reconnect_no_jitter, "every attempt to reconnect comes after the same pause")                \
    X(reconnect_siblings,                                                                          \
      "one client of a pool that lost its connection makes all others reconnect")                  \
    X(recvmax_not_renegotiated, "the server's Receive Maximum is ignored")                         \
    X(topic_len_underflow, "the length of a PUBLISH's topic is believed")

enum class ClientDefect : std::uint8_t {
#define TOUCHSTONE_DEFECT(name, story) name,
    TOUCHSTONE_CLIENT_DEFECTS(TOUCHSTONE_DEFECT)
#undef TOUCHSTONE_DEFECT
};

/// One switch with its name, for command lines and reports.
struct ClientDefectSwitch {
    ClientDefect defect;
    std::string_view name;
    std::string_view story;
};

inline constexpr auto client_defect_switches = std::to_array<ClientDefectSwitch>({
#define TOUCHSTONE_DEFECT(name, story) {ClientDefect::name, #name, story},
    TOUCHSTONE_CLIENT_DEFECTS(TOUCHSTONE_DEFECT)
#undef TOUCHSTONE_DEFECT
});

/// The switches that are on: none at first.
class ClientDefects {
public:
    [[nodiscard]] bool has(ClientDefect defect) const {
        return is_on_[static_cast<std::size_t>(defect)];
    }
    void turn_on(ClientDefect defect) { is_on_.set(static_cast<std::size_t>(defect)); }

private:
    std::bitset<client_defect_switches.size()> is_on_;
};

/// Turns the switch called `name` on. False when there is none.
[[nodiscard]] inline bool turn_on(ClientDefects& defects, std::string_view name) {
    for (const auto& one : client_defect_switches) {
        if (one.name != name) continue;
        defects.turn_on(one.defect);
        return true;
    }
    return false;
}

}  // namespace touchstone::simulator
