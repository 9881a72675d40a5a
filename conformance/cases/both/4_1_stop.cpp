// What happens when the broker is stopped and started again.
#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

CASE("v5/X5-15", "a Will that a shutdown concerns is published once at most",
     needs.stopping().session_expiry()) {
    auto watcher = peer("watcher").connect(kept_session()).subscribe("will", QoS::at_least_once);
    peer("client").connect({.will = Will{.qos = QoS::at_least_once}});
    stop_broker();
    const auto patience = now() + tolerances().close_before_asking();
    std::size_t before = 0;
    for (const auto& packet : watcher.wait_for_close(patience).others) {
        if (packet.type == PacketType::publish) ++before;
    }
    demand(!watcher.is_open(), "a close when the broker stops", "the connection stays open");
    start_broker();
    watcher.connect(kept_session()).acknowledging();
    if (!watcher.connack().session_present()) watcher.subscribe("will", QoS::at_least_once);
    std::size_t after = 0;
    for (const auto& packet : watcher.collect()) {
        if (packet.topic == full("will") && !packet.dup) ++after;
    }
    demand(before + after <= 1, "one Will Message at most", std::to_string(before + after));
    observed(before > 0  ? "published when the broker stops"
             : after > 0 ? "published when the broker has started again"
                         : "not published");
}

}  // namespace touchstone::conformance
