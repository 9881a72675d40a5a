// Defect switches: bugs that were published elsewhere, built in on purpose and off. The simulator
// and the tests turn one on to prove that a checker or a case catches it; a deployed broker has no
// way to. Each is asked for where the rule stands that it breaks, in one line; what it then does is
// in `…_defects.cpp` beside it.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>

namespace touchstone {

// name, what the broker does wrong; by name
#define TOUCHSTONE_DEFECTS(X)                                                                      \
    X(dollar_matched, "wildcards match topics that begin with $")                                  \
    X(dup_flag_missing, "DUP stays 0 on a resend")                                                 \
    X(keep_alive_ignored, "silent clients are never disconnected")                                 \
    X(live_bypasses_backlog, "a new message overtakes the session's queue")                        \
    X(new_before_retransmit, "after a resume queued messages go before the resends")               \
    X(no_takeover, "a second connection of a client leaves the first alone")                       \
    X(pid_fresh_on_redelivery, "a resend gets a new Packet Identifier")                            \
    X(pid_no_in_use_check, "Packet Identifiers are given out while in use")                        \
    X(puback_missing, "QoS 1 publications are never acknowledged")                                 \
    X(qos2_publish_duplicates, "a duplicate of an unreleased QoS 2 message goes on again")         \
    X(qos2_pubrel_not_resumed, "an owed PUBREL is not resent")                                     \
    X(qos_not_lowered, "delivered with the QoS of the publication")                                \
    X(redeliver_unordered, "resends go in another order than the first transmission")              \
    X(retain_flag_lost, "Retained Messages for a new subscription with RETAIN 0")                  \
    X(retain_on_resume, "Retained Messages are sent again without a SUBSCRIBE")                    \
    X(session_present_lies, "CONNACK says Session Present without a session")                      \
    X(will_never_published, "Will Messages are lost")                                              \
    X(will_on_normal_disconnect, "DISCONNECT does not drop the Will Message")                      \
    X(will_twice, "a Will Message is published twice")                                             \
    X(window_not_enforced, "more in flight than the peer's Receive Maximum")

enum class Defect : std::uint8_t {
#define TOUCHSTONE_DEFECT(name, story) name,
    TOUCHSTONE_DEFECTS(TOUCHSTONE_DEFECT)
#undef TOUCHSTONE_DEFECT
};

/// One switch with its name, for command lines and reports.
struct DefectSwitch {
    Defect defect;
    std::string_view name;
    std::string_view story;
};

inline constexpr auto defect_switches = std::to_array<DefectSwitch>({
#define TOUCHSTONE_DEFECT(name, story) {Defect::name, #name, story},
    TOUCHSTONE_DEFECTS(TOUCHSTONE_DEFECT)
#undef TOUCHSTONE_DEFECT
});

/// The switches that are on: none at first.
class Defects {
public:
    [[nodiscard]] bool has(Defect defect) const {
        return is_on_[static_cast<std::size_t>(defect)];
    }
    void turn_on(Defect defect) { is_on_[static_cast<std::size_t>(defect)] = true; }

private:
    std::bitset<defect_switches.size()> is_on_;
};

/// Turns the switch called `name` on. False when there is none.
[[nodiscard]] inline bool turn_on(Defects& defects, std::string_view name) {
    for (const auto& one : defect_switches) {
        if (one.name != name) continue;
        defects.turn_on(one.defect);
        return true;
    }
    return false;
}

}  // namespace touchstone
