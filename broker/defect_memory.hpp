// What a shard has to remember for its defect switches (defects.hpp). Made when it is first needed,
// so that without them there is none.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/instant.hpp"
#include "broker/base/message.hpp"
#include "broker/ports/peers.hpp"
#include "broker/ports/storage.hpp"

namespace touchstone {

struct DefectMemory {
    /// A QoS 2 message that goes on at PUBREL, as some brokers do it.
    struct Held {
        MessageRef message;
        std::uint32_t connection_generation = 0;  // of the connection that it came on
    };
    std::map<std::pair<std::string, std::uint16_t>, Held> held;  // client, Packet Identifier
    std::map<std::string, std::size_t, std::less<>> gaps;        // client: messages that waited
    std::map<std::string, Instant, std::less<>> taken_over_at;   // client
    std::map<std::string, Instant, std::less<>> gone_at;         // client
    std::map<std::string, Instant, std::less<>> left_at;         // Shared Subscription
    std::map<std::pair<std::string, std::uint16_t>, unsigned> duplicates;
    /// A message that a client has acknowledged.
    struct Acknowledged {
        MessageRef message;
        QoS qos = QoS::at_least_once;
        Instant at;
    };
    std::map<std::string, std::vector<Acknowledged>, std::less<>> acknowledged;  // client
    bool has_crashed = false;
    std::uint64_t leaked_bytes = 0;
    BatchNumber last_let_out = 0;        // before it was stored
    std::size_t unwritten_retained = 0;  // that wait for their writer
    std::set<std::string, std::less<>> deleted_topics;
    std::set<std::string, std::less<>> mirrored_topics;
    std::string last_mirrored_topic;
    RetainVersion last_mirrored_version;
};

}  // namespace touchstone
