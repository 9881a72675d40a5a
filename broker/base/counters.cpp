#include "broker/base/counters.hpp"

namespace touchstone {

std::uint64_t unaccounted_messages(const Counters& counters, const Gauges& gauges) {
    auto accounted = gauges.queued_messages + gauges.inflight_messages;
    for (const auto one :
         {Counter::publish_sent_qos_0, Counter::messages_acknowledged,
          Counter::messages_redistributed, Counter::dropped_queue_full, Counter::dropped_expired,
          Counter::dropped_too_large, Counter::dropped_offline_qos_0,
          Counter::dropped_session_ended, Counter::dropped_memory_full})
        accounted += counters.of(one);
    const auto matched = counters.of(Counter::messages_matched);
    return matched > accounted ? matched - accounted : accounted - matched;
}

}  // namespace touchstone
