// What a run under load is made of: groups of clients, what they publish and receive, and how long.
// This is the input of run() in engine.hpp; command lines (command.hpp), fleets and the planner
// make one of these.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/mqtt.hpp"
#include "load/arrivals.hpp"
#include "load/time.hpp"

namespace touchstone::load {

/// mqtt://HOST[:PORT], mqtts://HOST[:PORT], ws://HOST[:PORT][/PATH] or wss://…; the host is an
/// address or a name.
struct Target {
    std::string url;
    std::string host;
    std::uint16_t port = 1883;
    bool has_tls = false;
    bool is_web = false;         // a WebSocket,
    std::string path = "/mqtt";  // that is asked for under this
    std::string ca_file;         // empty: the system's authorities
    bool takes_any_certificate = false;
    std::optional<std::string> user_name;
    std::string password;
};

/// To whom a message goes.
struct Audience {
    enum class Kind : std::uint8_t {
        nobody,
        own_topic,  // publisher i of its group on topic i modulo `topics`
        all_of,     // every client of `group`
        some_of,    // `receivers` clients of `group`, drawn for each message: so many messages are
                    // sent
    };
    Kind kind = Kind::nobody;
    std::uint32_t topics = 1;
    std::uint32_t group = 0;
    std::uint32_t receivers = 1;
};

struct Publishing {
    enum class Process : std::uint8_t {
        silent,
        stream,       // all clients of the group together: `rate_per_s`, `spacing`
        closed_loop,  // each client keeps `in_flight` messages on their way
        periodic,     // each client every `every`, with a phase of its own
        poisson,      // each client, at random, every `every` in the mean
        bursts,       // periodic, `burst_count` messages with `burst_spacing` between them
        aligned,      // each client at multiples of `every`, late by its own share of `clock_error`
    };
    Process process = Process::silent;
    double rate_per_s = 0;
    Spacing spacing = Spacing::poisson;
    std::uint32_t in_flight = 0;
    Nanos every = 0;
    Nanos clock_error = 0;
    std::uint32_t burst_count = 1;
    Nanos burst_spacing = 0;

    QoS qos = QoS::at_most_once;
    bool retain = false;
    /// Bytes of the Payload, uniform between the two; or by weight. Below stamp_bytes (payload.hpp)
    /// a message carries no number and no time: it is counted and no more.
    std::uint32_t size_min = 64;
    std::uint32_t size_max = 64;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> sizes;  // bytes, weight
    Audience audience;
};

/// What clients of a group receive. A client's subscriptions are all made again with each
/// connection, unless it finds its Session.
struct Subscribing {
    QoS qos = QoS::at_most_once;
    /// Topics of other groups' `own_topic`: client i subscribes to topic i modulo their number.
    std::vector<std::uint32_t> streams_of;
    /// Within a Shared Subscription: each message goes to one of the group.
    bool is_shared = false;
    bool takes_all_of = false;       // what is published with Audience::all_of this group
    bool takes_some_of = false;      // the same for some_of
    std::uint32_t idle_filters = 0;  // of each client, that nobody publishes to

    [[nodiscard]] bool is_any() const {
        return !streams_of.empty() || takes_all_of || takes_some_of || idle_filters > 0;
    }
};

/// When a client whose connection has ended, or did not come about, tries again.
struct Reconnecting {
    enum class Policy : std::uint8_t { never, fixed, exponential, full_jitter };
    Policy policy = Policy::never;
    Nanos base = second;
    Nanos cap = 60 * second;
};

struct Group {
    std::string name;
    std::uint32_t count = 0;
    Nanos ramp_start = 0;
    /// 0: as fast as the target takes them, with `connecting_max` of each thread under way.
    double ramp_per_s = 0;
    Spacing ramp_spacing = Spacing::constant;
    std::uint16_t keep_alive_s = 60;
    Nanos ping_every = 0;  // after the last packet that was sent; 0: at the Keep Alive
    bool is_persistent = false;
    Audience will;             // of its Will Message; all_of, some_of with one receiver, or nobody
    bool has_tls = false;      // in addition to a target that has
    bool resumes_tls = false;  // connections after a thread's first have a short handshake
    Publishing publishing;
    Subscribing subscribing;
    Reconnecting reconnecting;
    Nanos awake = 0;   // connected so long,
    Nanos asleep = 0;  // then away so long; 0: always there
    Nanos connect_patience = 10 * second;
    Nanos answer_patience = 20 * second;
};

struct Workload {
    std::string name = "load";
    Target target;
    ProtocolVersion version = ProtocolVersion::v5;
    std::uint64_t seed = 1;
    /// Everything this run subscribes to and publishes on begins with it.
    std::string topic_prefix = "touchstone/load";
    /// Makes Client Identifiers and topics the run's own.
    std::string run_id;
    std::vector<Group> groups;

    unsigned threads = 0;  // 0: one per processor, half of them for a target on this machine
    /// Threads look for something to do instead of sleeping: nobody waits for them to wake up, and
    /// a target on this machine does not pay for waking them. For processors of their own.
    bool is_always_awake = false;
    std::uint32_t connecting_max = 256;
    /// Addresses to connect from; empty: the system's choice, but 127.x.y.z in turn for a target
    /// there that gets more connections than one address has ports.
    std::vector<std::string> sources;
    /// Instead of the limit of open files of this process, in tests.
    std::optional<std::uint64_t> open_files_max;

    /// False: everybody connects and subscribes first, waits for `hold`, and then all begin to
    /// publish. True: each client publishes as soon as it is connected, and `measure` counts from
    /// the start.
    bool publishes_at_once = false;
    Nanos connect_timeout = 600 * second;  // for all
    Nanos hold = 0;
    /// Not measured: at least so long, and until the run is steady (steady.hpp), but at most
    /// `warm_up_max`.
    Nanos warm_up_min = second;
    Nanos warm_up_max = 10 * second;
    Nanos measure = 10 * second;
    Nanos drain_max = 10 * second;
    Nanos interval = second / 2;  // between two points of a curve

    std::optional<int> watched_pid;  // of the target's process, for its CPU time and memory

    [[nodiscard]] std::uint64_t clients() const {
        std::uint64_t sum = 0;
        for (const auto& group : groups) sum += group.count;
        return sum;
    }
};

/// What is wrong with it, in one line with the remedy; nothing when it can be run.
[[nodiscard]] std::optional<std::string> problem_of(const Workload& workload);

/// "name: value" for each choice that a reader of the report needs.
[[nodiscard]] std::vector<std::string> settings_of(const Workload& workload);

/// Errors: one line with the remedy, in `problem`.
[[nodiscard]] std::optional<Target> parse_target(std::string_view url, std::string& problem);

/// "127.0.0.2", "127.0.1.1-127.0.1.40" and commas between them. Errors: one line, in `problem`.
[[nodiscard]] std::optional<std::vector<std::string>> parse_sources(std::string_view text,
                                                                    std::string& problem);

}  // namespace touchstone::load
