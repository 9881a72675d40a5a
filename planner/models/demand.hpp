// What a fleet asks of a broker in steady operation, and what it may ask at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/models/calibration.hpp"
#include "simulator/fleet/model.hpp"

namespace touchstone::planner {

/// Messages of a class of devices.
struct Stream {
    std::string name;
    unsigned qos = 0;
    double messages_per_s = 0;
    double payload_bytes = 0;
    double receivers = 0;        // of each message
    double sources = 1;          // devices that publish
    double sinks = 1;            // that receive, all messages together
    bool has_own_sinks = false;  // each source has receivers of its own
};

/// Messages that come in less time than the broker may need for them.
struct Burst {
    std::string name;
    double messages = 0;
    double within_s = 0;
    double every_s = 0;
    std::size_t stream = 0;
};

/// Clients that have to be let in: the ramp of the file, or everybody after a crash.
struct Arrival {
    std::string name;
    double clients = 0;
    double per_s = 0;  // of the ramp; 0: all at once
    double subscriptions = 0;
    double retained = 0;  // messages that each gets with its subscriptions
    double retained_bytes = 0;
    bool has_tls = false;
    double patience_s = 0;
    double backoff_cap_s = 0;
    bool has_jitter = false;
};

struct Demand {
    std::string name;
    double connections = 0;
    std::vector<Stream> streams;
    std::vector<Burst> bursts;
    std::vector<Arrival> arrivals;
    double pings_per_s = 0;
    double connects_per_s = 0;  // in steady operation: devices that sleep
    double handshakes_per_s = 0;
    double subscribes_per_s = 0;
    double retained_per_s = 0;  // Retained Messages that are sent to those who come
    double retained_bytes_per_s = 0;
    Holdings holdings{};  // of all nodes together, but one process
    std::vector<std::string> assumptions;

    /// Without `read`, `write`, `look` and `wake`, which depend on how busy servers are.
    [[nodiscard]] OperationRates rates() const;
    /// Every rate, and every holding but the process, so many times as many.
    [[nodiscard]] Demand scaled(double factor) const;
};

/// Of the whole fleet, when all are connected that are awake.
[[nodiscard]] Demand demand_of(const simulator::fleet::FleetModel& model);

/// Bytes a second on the wire, headers of MQTT, TCP, IP and Ethernet included: to the broker and
/// from it.
struct NetworkUse {
    double in = 0;
    double out = 0;
};
[[nodiscard]] NetworkUse network_of(const Demand& demand);

}  // namespace touchstone::planner
