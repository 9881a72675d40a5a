// What was measured of a broker on a machine: what operations cost, what memory things take, how
// fast a message passes when nothing is in its way. Files: calibration_file.hpp.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "planner/models/linear_fit.hpp"
#include "planner/models/quantile_curve.hpp"
#include "planner/models/scalability.hpp"

namespace touchstone::planner {

/// What a broker's processor time is spent on while messages flow. The order is that of the factors
/// of the fit, and of files.
enum class Operation : std::uint8_t {
    publish_0,  // a message taken, with its acknowledgements
    publish_1,
    publish_2,
    deliver_0,  // to each receiver
    deliver_1,
    deliver_2,
    byte_in,  // of payloads
    byte_out,
    ping,
    read,   // of a connection, however many packets it has
    write,  // to a connection
    look,   // at which connections have something
    wake,   // a server that had gone to sleep
    /// A packet of a connection that caches do not hold any more: for each tenfold of connections
    /// beyond cached_connections.
    uncached,
    far_uncached,  // the same beyond last_cached_connections
};
inline constexpr std::size_t operation_count = 15;
inline constexpr std::array<std::string_view, operation_count> operation_names{
    "publish_0", "publish_1", "publish_2", "deliver_0", "deliver_1",
    "deliver_2", "byte_in",   "byte_out",  "ping",      "read",
    "write",     "look",      "wake",      "uncached",  "far_uncached"};
/// Caches hold what belongs to so many: a processor's own ones, and the last one. Measured with
/// some tens, 1,000 and 4,000: the second step costs up to four times as much as the first one.
inline constexpr double cached_connections = 30;
inline constexpr double last_cached_connections = 1'000;

/// How often a second.
using OperationRates = std::array<double, operation_count>;
inline double& at(OperationRates& rates, Operation operation) {
    return rates[static_cast<std::size_t>(operation)];
}
inline double at(const OperationRates& rates, Operation operation) {
    return rates[static_cast<std::size_t>(operation)];
}

/// Packets that come in, each of which may find its server idle; and those that leave.
[[nodiscard]] double packets_in(const OperationRates& rates);
[[nodiscard]] double packets_out(const OperationRates& rates);

/// What takes memory.
enum class Holding : std::uint8_t {
    process,  // always 1
    connection,
    session,  // of a client that is away
    subscription,
    retained,
    retained_byte,
    queued,  // a message that waits for a client that is away
    queued_byte,
    queue,  // of a session for which messages wait, however many
};
inline constexpr std::size_t holding_count = 9;
inline constexpr std::array<std::string_view, holding_count> holding_names{
    "process",       "connection", "session",     "subscription", "retained",
    "retained_byte", "queued",     "queued_byte", "queue"};
using Holdings = std::array<double, holding_count>;
inline double& at(Holdings& holdings, Holding holding) {
    return holdings[static_cast<std::size_t>(holding)];
}
inline double at(const Holdings& holdings, Holding holding) {
    return holdings[static_cast<std::size_t>(holding)];
}

struct Machine {
    std::string processor;
    std::uint32_t processors = 0;
    std::string kernel;
    std::uint64_t memory_bytes = 0;
};

/// A measured error of a prediction: (predicted - measured) / measured.
struct PredictionError {
    std::string quantity;
    std::string workload;
    double predicted = 0;
    double measured = 0;
    std::string unit;
    bool was_disturbed = false;  // the machine kept the broker waiting
    /// Of what was measured several times: half of the range, as a share of the median. 0: once.
    double spread = 0;

    [[nodiscard]] double relative() const { return predicted / measured - 1; }
    /// Whether it may be within `goal` although it is not: measured again, it comes out so
    /// differently.
    [[nodiscard]] bool is_unsure(double goal) const {
        return was_disturbed || std::abs(relative()) - spread <= goal;
    }
};

/// Latency of messages of a QoS from a publisher to a subscriber, on an otherwise quiet broker.
struct BaseLatency {
    unsigned qos = 0;
    double rate_per_s = 0;
    std::uint64_t samples = 0;
    QuantileCurve seconds;
};

struct Calibration {
    std::string broker;  // "touchstone 0.1.0"
    std::string measured_at;
    Machine machine;
    std::uint32_t servers = 1;  // threads that do the work
    bool shares_queue = false;
    /// Most of the time that the broker's threads waited for a processor, in a measurement that
    /// counts, as a share of it.
    double disturbance_max = 0;

    LinearFit cpu;  // seconds for each operation
    /// A server that is woken is at work so much later: who comes until then wakes nobody.
    double wake_delay_s = 0;
    /// A client acknowledges a packet so long after it has left.
    double answer_s = 0;
    /// Of the machine while it was measured (measure/pace.hpp). 0: not known.
    double pace_s = 0;
    /// Takes all that a connection has, and writes to each once in a turn (event_loop.hpp).
    bool gathers = true;
    Figure connect_s;
    Figure disconnect_s;
    Figure subscribe_s;
    Figure tls_handshake_s;   // 0: not measured
    LinearFit memory;         // bytes for each holding
    Holdings memory_range{};  // most that was measured of each
    std::vector<BaseLatency> latencies;
    /// Waits are so much longer than those of the queue by itself: what the fit of latencies
    /// against load gave.
    Figure wait_factor{.value = 1};
    /// The same of what it saves to find a server awake.
    double awake_factor = 1;
    double payload_bytes = 64;              // of the messages whose latency was measured
    std::vector<ScalingPoint> scaling;      // messages a second by servers
    std::vector<ScalingPoint> concurrency;  // by messages under way
    std::vector<PredictionError> last_validation;
    std::string validated_at;
};

/// What caches do not hold of so many connections, for the packets that the rates have.
void add_uncached(OperationRates& rates, double connections);
/// The same of a packet, in seconds.
[[nodiscard]] double uncached_s(const Calibration& calibration, double connections);

/// CPU seconds that a second takes, of all servers together, at these rates, when each packet is
/// looked for, read and written by itself, and servers never sleep: more than it takes where they
/// have much to do at once. activity.hpp has the rest.
[[nodiscard]] Figure work_of(const Calibration& calibration, OperationRates rates);

/// What operations cost at a pace of the machine, as a share of what they cost at another; and the
/// same of what a message takes. 1 when one of them is not known. Of 88 measurements at 5.5 to 12.5
/// us (README.md): costs go with the pace to the power of 0.85, latency to that of 1.1.
[[nodiscard]] double cost_factor(double pace_s, double usual_s);
[[nodiscard]] double latency_factor(double pace_s, double usual_s);
/// As it would have come out had the machine had this pace. 0: as it is.
[[nodiscard]] Calibration at_pace(Calibration calibration, double pace_s);

[[nodiscard]] Figure memory_of(const Calibration& calibration, const Holdings& holdings);

}  // namespace touchstone::planner
