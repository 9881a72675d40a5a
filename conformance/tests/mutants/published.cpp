// Broken brokers: bugs that were published elsewhere and are built into the core as switches
// (broker/base/defects.hpp), as far as a case notices them. Many of the others take several shards
// or other clients: they are the simulator's.
#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

void add_published(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Defect defect, std::vector<std::string> breaks) {
        const auto& known = defect_switches[static_cast<std::size_t>(defect)];
        mutants.push_back({.name = std::string{known.name},
                           .story = std::string{known.story},
                           .breaks = std::move(breaks),
                           .options = with_defect(defect)});
    };
    using enum Defect;
    add(ack_type_confusion, {"v5/MQTT-4.3.3-3:puback", "v3.1.1/MQTT-4.3.3-1:puback"});
    add(congested_tail_reorder, {"v5/MQTT-4.2.0-1", "v3.1.1/MQTT-7.1.1-1"});
    add(drop_inflight_on_disconnect, {"v5/MQTT-4.3.2-3", "v5/MQTT-4.3.3-3", "v3.1.1/MQTT-4.4.0-1"});
    add(halfopen_first_loss, {"v5/MQTT-4.3.2-3", "v3.1.1/MQTT-4.3.2-1"});
    add(index_add_before_remove, {"v5/MQTT-3.1.4-3", "v3.1.1/MQTT-3.1.4-2"});
    add(live_bypasses_backlog, {"v5/MQTT-4.6.0-5", "v3.1.1/MQTT-4.6.0-5"});
    add(offline_queue_batch_reversed, {"v5/MQTT-4.6.0-5:queued", "v3.1.1/MQTT-4.6.0-6:queued"});
    add(pid_alloc_restart_on_resume, {"v5/MQTT-4.6.0-5:queued", "v3.1.1/MQTT-4.6.0-6:queued"});
    add(qos2_drop_unseen_dup, {"v5/MQTT-4.3.3-12", "v3.1.1/MQTT-4.3.3-2:new"});
    add(qos2_dup_limit, {"v5/MQTT-4.3.3-8", "v3.1.1/MQTT-4.3.3-2"});
    add(qos2_dup_rejected, {"v5/MQTT-4.3.3-10"});
    add(qos2_rx_not_in_session, {"v5/MQTT-4.3.3-10", "v3.1.1/MQTT-4.3.3-2"});
    add(quota_inc_on_unknown_ack, {"v5/MQTT-4.9.0-2:unknown"});
    add(recvmax_overrun_unchecked, {"v5/MQTT-3.3.4-7", "v5/X5-23"});
    add(recvmax_overwritten_on_takeover, {"v5/X5-22"});
    add(reject_keeps_state, {"v5/MQTT-3.2.2-7", "v3.1.1/MQTT-3.2.2-5"});
    add(resend_only_by_timer, {"v5/MQTT-4.3.2-3", "v3.1.1/MQTT-4.4.0-1"});
    add(retain_async_single_writer, {"v5/MQTT-3.3.1-5", "v3.1.1/MQTT-3.3.1-5"});
    add(sei_ignored, {"v5/X5-03"});
    add(share_ack_on_write, {"v5/MQTT-4.8.2-4"});
    add(will_delay_not_capped, {"v5/MQTT-3.1.2-8:session-end"});
    add(will_skipped_on_takeover, {"v3.1.1/MQTT-3.1.4-2:will", "v5/MQTT-3.1.4-3:will"});
}

}  // namespace touchstone::conformance::mutants
