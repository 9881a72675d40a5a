// Random streams of a run. Counter-based: the n-th draw of a stream is a function of (seed, domain,
// entity, purpose, n), so a new draw in one stream leaves all others alone. Integers only, our own
// distributions: the same on every compiler, library and machine.
//
// Never two draws in one full expression: compilers order them differently.
#pragma once

#include <cstdint>
#include <span>

#include "broker/base/check.hpp"
#include "broker/base/instant.hpp"

namespace touchstone::simulator {

/// What a stream belongs to. The numbers are part of what a seed means: append, never renumber.
enum class Domain : std::uint32_t {
    link = 1,
    node = 2,
    shard_pair = 3,
    client = 4,
    workload = 5,
    fleet = 6,
    node_pair = 7
};

/// What a stream is drawn for. As above.
enum class Purpose : std::uint32_t {
    delay_to_broker = 1,
    delay_to_client = 2,
    accept = 3,      // which shard takes a new connection
    core = 4,        // the core's own Random port
    peer_delay = 5,  // between two shards
    reconnect = 6,
    acknowledge = 7,
    publish = 8,
    disturb = 9,
    shape = 10,      // what a random workload consists of
    sync = 11,       // how long a disk takes
    swarm = 12,      // what may happen in a run at all
    tear = 13,       // how much of a batch a crash leaves
    device = 14,     // what a device of a fleet does at an instant
    phase = 15,      // of a device in its period, for good
    choose = 16,     // a receiver, a node
    cut_off = 17,    // whether a cut hits a device
    detection = 18,  // how long a node takes to call another one down
    disturb_nodes = 19,
};

class RandomStream {
public:
    RandomStream(std::uint64_t seed, Domain domain, std::uint64_t entity, Purpose purpose);

    /// 64 uniformly distributed bits.
    std::uint64_t next();
    /// Uniform in [0, bound). `bound` is at least 1.
    std::uint64_t below(std::uint64_t bound);
    /// Uniform in [low, high], low <= high.
    Duration between(Duration low, Duration high);
    /// True in `per_mille` of 1,000 cases.
    bool chance(std::uint32_t per_mille) { return below(1'000) < per_mille; }
    /// Exponentially distributed with that mean (0 or more), cut at 16 times the mean. From a table
    /// of integers, exact to about one part in 10,000.
    Duration exponential(Duration mean);
    /// One of `choices`, which is not empty.
    template <class T>
    const T& pick(std::span<const T> choices) {
        return choices[static_cast<std::size_t>(below(choices.size()))];
    }

private:
    std::uint64_t key_;
    std::uint64_t count_ = 0;
};

}  // namespace touchstone::simulator
