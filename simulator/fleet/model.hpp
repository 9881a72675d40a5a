// What a fleet is made of, as the engine takes it: classes of devices, what they do, the links they
// have, what the broker's work costs, what goes wrong when. Times are nanoseconds. description.hpp
// makes it from a file and has checked it; numbers here are trusted.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "simulator/fleet/bucket_list.hpp"

namespace touchstone::simulator::fleet {

/// Between a device and the broker. TCP keeps the order and repeats what is lost, so a loss is a
/// delay here.
struct Link {
    Time latency_min = 0;                    // one way
    Time latency_spread = 0;                 // up to so much more, uniform
    std::uint64_t picoseconds_per_byte = 0;  // both ways; 0: no limit
    std::uint64_t loss = 0;                  // of a packet, in parts of 2^32
    Time retransmit_after = 0;               // what a loss adds
    Time nat_timeout = 0;                    // a packet after longer silence finds no way; 0: never
    Time gap_min = 0;  // between the ends of two sendings: a duty cycle of the band
};

enum class PublishProcess : std::uint8_t { none, periodic, poisson, bursts };

struct Publishing {
    PublishProcess process = PublishProcess::none;
    Time every = 0;         // period, or mean interval
    Time phase_spread = 0;  // periods begin within so much of a multiple of `every`
    std::uint32_t burst_count = 1;
    Time burst_spacing = 0;
    unsigned qos = 0;
    std::uint32_t payload_min = 0;
    std::uint32_t payload_max = 0;  // uniform between; bytes
    /// Instead: sizes, and the sum of their weights up to and with each. The mean is that of
    /// payload_min and payload_max.
    std::vector<std::pair<std::uint32_t, std::uint32_t>> payload_sizes;

    [[nodiscard]] std::uint32_t payload_mean() const {
        return payload_min + (payload_max - payload_min) / 2;
    }
};

/// Who gets what a device publishes.
struct FanOut {
    int to_class = -1;            // none
    std::uint32_t receivers = 0;  // drawn anew for each message; 0: all of the class
};

enum class ReconnectPolicy : std::uint8_t { fixed, exponential, full_jitter };

struct Reconnecting {
    ReconnectPolicy policy = ReconnectPolicy::fixed;
    Time base = 0;
    Time cap = 0;
};

enum class Tls : std::uint8_t { none, full, resumed };

struct DeviceClass {
    std::string name;
    std::uint32_t first = 0;  // index of its first device
    std::uint32_t count = 0;
    Time ramp_start = 0;
    Time ramp_every = 0;  // between the starts of two devices; 0: all at once
    Time keep_alive = 0;
    Time ping_every = 0;  // after the last packet
    Publishing publishing;
    FanOut fan_out;
    bool has_will = false;
    FanOut will_to;
    std::uint32_t subscriptions = 0;   // made anew with each connection
    std::uint32_t retained = 0;        // messages that these match
    std::uint32_t retained_bytes = 0;  // of each
    Time awake = 0;                    // duty cycle of the device: connected so long,
    Time asleep = 0;                   // then gone so long; 0: always awake
    Link link;
    Time read_every = 0;  // between two messages that it takes; 0: as they come
    Reconnecting reconnecting;
    Tls tls = Tls::none;
    Time connect_patience = 0;  // from its start to CONNACK
    Time answer_patience = 0;   // from a packet to its answer
};

enum class Variation : std::uint8_t { constant, exponential, two_kinds };

/// CPU time of the broker.
struct CostModel {
    std::uint32_t nodes = 1;
    std::uint32_t servers = 1;  // of each node: shards
    bool any_server = false;    // of its node takes a packet; else the device's own
    Variation variation = Variation::constant;
    /// two_kinds: so much of 2^32 takes so many thousandths of the mean; the others make up for it.
    std::uint64_t slow_share = 0;
    std::uint32_t slow_per_mille = 1'000;
    Time connect = 0;
    Time tls_full = 0;
    Time tls_resumed = 0;
    Time ping = 0;
    std::array<Time, 3> publish{};  // by QoS, with its acknowledgements
    std::array<Time, 3> deliver{};
    std::uint64_t picoseconds_per_byte = 0;
    Time subscribe = 0;  // each
    Time disconnect = 0;
    Time forward = 0;  // to another node
    Time refuse = 0;
    /// A node's connects beyond so many a second are refused; 0: none.
    std::uint32_t connects_per_second_max = 0;
    /// Connects that would wait longer find the backlog full; 0: there is always room.
    Time connect_wait_max = 0;
    std::uint64_t bytes_per_connection = 0;
};

/// What waits for a receiver, and how much of it may.
struct QueueLimits {
    std::uint32_t inflight = 32;           // QoS 1 and 2, not acknowledged yet
    std::uint32_t queue_messages = 1'000;  // of a session, beyond those
    std::uint64_t queue_bytes = 64 * 1024 * 1024;
    std::uint64_t node_queue_bytes = 0;          // of all sessions of a node; 0: no limit
    std::uint64_t unwritten_bytes = 256 * 1024;  // handed to a connection and not yet written
    std::uint64_t socket_bytes = 128 * 1024;     // written and not yet read, both kernels' buffers
};

/// A node's process ends, and another one begins.
struct Crash {
    Time at = 0;
    Time down = 0;
    int node = -1;  // all
};

/// Devices of a class have no way to the broker for a while, and nobody is told.
struct Cut {
    Time at = 0;
    Time duration = 0;
    int device_class = 0;
    std::uint64_t share = 0;  // of 2^32
};

/// Nodes of a cluster do not hear of each other: what is published on one side does not get to the
/// other. What the cluster makes of it otherwise is in FleetModel::crashes.
struct Partition {
    Time at = 0;
    Time duration = 0;
    std::vector<bool> is_apart;  // by node: on the smaller side
};

enum class Tier : std::uint8_t { t0, t2, t3 };

struct FleetModel {
    std::uint64_t seed = 1;
    Time duration = 0;
    Time sample_every = 0;
    Tier tier = Tier::t2;
    std::vector<DeviceClass> classes;  // at most 255
    CostModel cost;
    QueueLimits limits;
    std::vector<Crash> crashes;
    std::vector<Cut> cuts;
    std::vector<Partition> partitions;

    [[nodiscard]] std::uint32_t devices() const {
        std::uint32_t sum = 0;
        for (const auto& one : classes) sum += one.count;
        return sum;
    }
};

}  // namespace touchstone::simulator::fleet
