// FlappingDetector: clients that come and go too often, to be banned for a while.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "broker/base/instant.hpp"

namespace touchstone::access {

struct FlappingThreshold {
    std::uint32_t changes_max = 10;  // from 1
    Duration window = std::chrono::minutes{1};
    friend bool operator==(const FlappingThreshold&, const FlappingThreshold&) = default;
};

/// Counts each client's changes in a window that begins with its first one.
class FlappingDetector {
public:
    /// At most `clients_max` clients, from 1, are watched: beyond it the one whose window began
    /// first is forgotten.
    FlappingDetector(FlappingThreshold threshold, std::size_t clients_max)
        : threshold_{threshold},
          clients_max_{clients_max} {}

    /// The client has come or gone at `now`, which never goes back. True when that was one change
    /// more than the threshold; its count then begins anew.
    [[nodiscard]] bool on_change(std::string_view client_id, Instant now);

    [[nodiscard]] std::size_t watched_clients() const { return clients_.size(); }

private:
    struct Watch {
        std::uint64_t sequence = 0;  // the key in by_age_
        Instant begun_at{};
        std::uint32_t changes = 0;
    };
    using Clients = std::map<std::string, Watch, std::less<>>;

    void forget(Clients::iterator client);

    FlappingThreshold threshold_;
    std::size_t clients_max_;
    std::uint64_t next_sequence_ = 0;
    Clients clients_;
    std::map<std::uint64_t, Clients::iterator> by_age_;  // whose window began first is first
};

}  // namespace touchstone::access
