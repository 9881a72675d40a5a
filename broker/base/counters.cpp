#include "broker/base/counters.hpp"

#include <algorithm>

namespace touchstone {

Gauges& Gauges::operator+=(const Gauges& other) {
    connections += other.connections;
    sessions += other.sessions;
    subscriptions += other.subscriptions;
    retained_messages = std::max(retained_messages, other.retained_messages);
    queued_messages += other.queued_messages;
    queued_bytes += other.queued_bytes;
    inflight_messages += other.inflight_messages;
    intake_bytes += other.intake_bytes;
    return *this;
}

std::uint64_t unaccounted_messages(const Counters& counters, const Gauges& gauges) {
    auto accounted = gauges.queued_messages + gauges.inflight_messages;
    for (const auto one :
         {Counter::publish_sent_qos_0, Counter::messages_acknowledged,
          Counter::messages_redistributed, Counter::dropped_queue_full, Counter::dropped_expired,
          Counter::dropped_too_large, Counter::dropped_offline_qos_0,
          Counter::dropped_session_ended, Counter::dropped_memory_full,
          Counter::dropped_unreadable})
        accounted += counters.of(one);
    const auto matched = counters.of(Counter::messages_matched);
    return matched > accounted ? matched - accounted : accounted - matched;
}

}  // namespace touchstone
