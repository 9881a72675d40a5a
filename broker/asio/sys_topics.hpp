// The server's own topics: what the node says about itself under `$SYS`. They are published under
// `$SYS/brokers/{node}/…` and, because clients know that spelling as well, `$SYS/broker/{node}/…`.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/counters.hpp"
#include "broker/ports/events.hpp"

namespace touchstone::asio_driver {

struct ServerMessage {
    std::string topic;
    std::string payload;
    QoS qos = QoS::at_most_once;
    bool retain = false;
};

class SysTopics {
public:
    explicit SysTopics(std::string node_name) : node_name_{std::move(node_name)} {}

    /// What is published every `broker.sys_interval`: figures of all shards together, each with its
    /// highest value so far, and what does not change.
    [[nodiscard]] std::vector<ServerMessage> figures(const Counters& counters,
                                                     const Gauges& gauges);
    /// What is published every `broker.sys_heartbeat`. `local_time`: seconds since 1970 of the
    /// local clock.
    [[nodiscard]] std::vector<ServerMessage> heartbeat(std::chrono::seconds uptime,
                                                       std::chrono::local_seconds local_time) const;

    /// Nothing when the Client Identifier cannot be in a Topic Name: it has a wildcard character, or
    /// is too long. `at_ms`: milliseconds since 1970-01-01T00:00:00Z.
    [[nodiscard]] static std::vector<ServerMessage> connected(std::string_view node_name,
                                                              const ClientEvent& client,
                                                              std::int64_t at_ms);
    [[nodiscard]] static std::vector<ServerMessage> disconnected(std::string_view node_name,
                                                                 const ClientEvent& client,
                                                                 DisconnectReason reason,
                                                                 std::int64_t at_ms);

private:
    void put_stat(std::vector<ServerMessage>& messages, std::string_view name,
                  std::uint64_t value);

    std::string node_name_;
    std::map<std::string, std::uint64_t, std::less<>> highest_;
};

/// "3 days, 4 hours, 5 minutes, 6 seconds".
[[nodiscard]] std::string uptime_text(std::chrono::seconds uptime);

}  // namespace touchstone::asio_driver
