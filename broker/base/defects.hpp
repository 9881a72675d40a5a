// Defect switches: bugs that were published elsewhere, built in on purpose and off. The simulator
// and the tests turn one on to prove that a checker or a case catches it; a deployed broker has no
// way to. Each is read on a path that does not matter for speed.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace touchstone {

struct Defects {
    bool redeliver_unordered = false;     // resends go in another order than the first transmission
    bool window_not_enforced = false;     // more in flight than the peer's Receive Maximum
    bool dup_flag_missing = false;        // DUP stays 0 on a resend
    bool puback_missing = false;          // QoS 1 publications are never acknowledged
    bool qos2_publish_duplicates = false; // a duplicate of an unreleased QoS 2 message goes on again
    bool pid_no_in_use_check = false;     // Packet Identifiers are given out while in use
    bool pid_fresh_on_redelivery = false; // a resend gets a new Packet Identifier
    bool new_before_retransmit = false;   // after a resume queued messages go before the resends
    bool qos2_pubrel_not_resumed = false; // an owed PUBREL is not resent
    bool no_takeover = false;             // a second connection of a client leaves the first alone
    bool will_never_published = false;    // Will Messages are lost
    bool will_on_normal_disconnect = false;  // DISCONNECT does not drop the Will Message
    bool will_twice = false;              // a Will Message is published twice
    bool retain_on_resume = false;        // Retained Messages are sent again without a SUBSCRIBE
    bool retain_flag_lost = false;        // Retained Messages for a new subscription with RETAIN 0
    bool session_present_lies = false;    // CONNACK says Session Present without a session
    bool dollar_rule_ignored = false;     // wildcards match topics that begin with $
    bool keep_alive_ignored = false;      // silent clients are never disconnected
    bool qos_not_lowered = false;         // delivered with the QoS of the publication
    bool live_bypasses_backlog = false;   // a new message overtakes the session's queue
};

/// One switch with its name, for command lines and reports.
struct DefectSwitch {
    std::string_view name;
    bool Defects::*member;
    std::string_view story;
};

/// All switches, by name.
inline constexpr auto defect_switches = std::to_array<DefectSwitch>({
    {"dollar_rule_ignored", &Defects::dollar_rule_ignored,
     "wildcards match topics that begin with $"},
    {"dup_flag_missing", &Defects::dup_flag_missing, "DUP stays 0 on a resend"},
    {"keep_alive_ignored", &Defects::keep_alive_ignored, "silent clients are never disconnected"},
    {"live_bypasses_backlog", &Defects::live_bypasses_backlog,
     "a new message overtakes the session's queue"},
    {"new_before_retransmit", &Defects::new_before_retransmit,
     "after a resume queued messages go before the resends"},
    {"no_takeover", &Defects::no_takeover,
     "a second connection of a client leaves the first alone"},
    {"pid_fresh_on_redelivery", &Defects::pid_fresh_on_redelivery,
     "a resend gets a new Packet Identifier"},
    {"pid_no_in_use_check", &Defects::pid_no_in_use_check,
     "Packet Identifiers are given out while in use"},
    {"puback_missing", &Defects::puback_missing, "QoS 1 publications are never acknowledged"},
    {"qos2_publish_duplicates", &Defects::qos2_publish_duplicates,
     "a duplicate of an unreleased QoS 2 message goes on again"},
    {"qos2_pubrel_not_resumed", &Defects::qos2_pubrel_not_resumed,
     "an owed PUBREL is not resent"},
    {"qos_not_lowered", &Defects::qos_not_lowered, "delivered with the QoS of the publication"},
    {"redeliver_unordered", &Defects::redeliver_unordered,
     "resends go in another order than the first transmission"},
    {"retain_flag_lost", &Defects::retain_flag_lost,
     "Retained Messages for a new subscription with RETAIN 0"},
    {"retain_on_resume", &Defects::retain_on_resume,
     "Retained Messages are sent again without a SUBSCRIBE"},
    {"session_present_lies", &Defects::session_present_lies,
     "CONNACK says Session Present without a session"},
    {"will_never_published", &Defects::will_never_published, "Will Messages are lost"},
    {"will_on_normal_disconnect", &Defects::will_on_normal_disconnect,
     "DISCONNECT does not drop the Will Message"},
    {"will_twice", &Defects::will_twice, "a Will Message is published twice"},
    {"window_not_enforced", &Defects::window_not_enforced,
     "more in flight than the peer's Receive Maximum"},
});

/// Turns the switch called `name` on. False when there is none.
[[nodiscard]] constexpr bool turn_on(Defects& defects, std::string_view name) {
    for (const auto& one : defect_switches) {
        if (one.name != name) continue;
        defects.*one.member = true;
        return true;
    }
    return false;
}

}  // namespace touchstone
