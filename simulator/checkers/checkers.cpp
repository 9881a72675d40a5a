#include "simulator/checkers/checkers.hpp"

#include <array>

namespace touchstone::simulator {

std::span<const Checker> all_checkers() {
    static constexpr auto checkers = std::to_array<Checker>({
        {"O1", "publisher order", check_publisher_order},
        {"O2", "resend order", check_resend_order},
        {"O3", "acknowledgement order", check_acknowledgement_order, true},
        {"O4", "application order", check_application_order},
        {"O5", "what the broker sends can be read", check_byte_order, true},
        {"W1", "window", check_window, true},
        {"W3", "progress", check_progress},
        {"P1", "Packet Identifiers are unique", check_packet_id_uniqueness},
        {"P2", "Packet Identifiers are stable", check_packet_id_stability},
        {"P3", "both directions have identifiers of their own", check_namespace_independence, true},
        {"Q1", "at least once", check_at_least_once},
        {"Q2", "exactly once", check_exactly_once},
        {"Q3", "duplicate before PUBREL", check_duplicate_before_release},
        {"Q4", "unseen duplicate", check_unseen_duplicate},
        {"Q5", "PUBREL is resumed", check_release_resume},
        {"S1", "single owner", check_single_owner, true},
        {"S2", "takeover continuity", check_takeover_continuity},
        {"S3", "Session Present is true", check_session_present},
        {"S4", "only the newest connection", check_connection_epoch},
        {"S5", "session end", check_session_end},
        {"L1", "will once", check_will_once},
        {"L2", "will ownership", check_will_ownership},
        {"R1", "retained messages converge", check_retained_convergence, true},
        {"R2", "retained messages keep order", check_retained_order},
        {"R3", "no unsolicited replay", check_unsolicited_replay},
        {"H1", "shared dispatch", check_shared_dispatch},
        {"B1", "bounds hold", check_bounds},
        {"K1", "Keep Alive", check_keep_alive, true},
        {"A1", "Topic Aliases belong to a connection", check_alias_scope, true},
        {"M1", "no bytes end a process", check_survival, true},
        {"M2", "no room before the limits", check_intake_room, true},
        {"N1", "access rules hold", check_access_rules},
        {"C1", "the members know all sessions", check_registry_convergence, true, false},
        {"C2", "the members know all routes", check_route_convergence, true, false},
        {"C3", "the members see each other", check_membership_convergence, true, false},
        {"C4", "what differs is not called healthy", check_silent_divergence, true, false},
        {"C6", "every member serves", check_heal_liveness, true, false},
        {"probe", "a cluster without faults delivers", check_probe, true, false},
        {"C5", "who may connect gets in", check_availability, true},
        {"D1", "only what matches", check_dollar_rule},
        {"limits", "what the server announced is kept", check_peer_limits, true},
        {"causes", "no connection is given up without a reason", check_connection_causes},
        {"recovery", "all clients are back in time", check_recovery},
        {"bridges", "a bridge brings a message once", check_bridge_once},
        {"conservation", "every message is accounted for", check_conservation, true},
        {"qos", "delivered at the lower QoS, no lower", check_delivery_qos},
        {"receive-maximum", "the server's Receive Maximum holds", check_receive_maximum, true},
        {"published", "what is sent was published", check_published, true},
        {"acknowledged", "what is acknowledged is not sent again", check_acknowledged},
        {"resume", "what is unacknowledged is sent again", check_resume},
        {"expiry", "what has expired is not sent", check_message_expiry},
        {"presence", "connections are told of in order", check_presence_order},
        {"reading", "what is well-formed is understood", check_reading},
        {"refusal", "who is refused is let go", check_refusal, true},
    });
    return checkers;
}

}  // namespace touchstone::simulator
