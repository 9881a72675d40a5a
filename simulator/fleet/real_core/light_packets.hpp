// What light clients send: Control Packets of MQTT 5.0, and the topics behind a fleet's fan-outs.
//
// A message to all of a class goes to "to/CLASS/all", which each of the class has subscribed; one
// to k of them, drawn for each message, goes to "to/CLASS/k", for which there are k Shared
// Subscriptions with all of the class in each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/bytes.hpp"
#include "broker/wire/packets.hpp"
#include "simulator/fleet/model.hpp"

namespace touchstone::simulator::fleet {

class LightPackets {
public:
    explicit LightPackets(const FleetModel& model);

    /// A message cannot go to more than so many that are drawn: each needs a Shared Subscription.
    static constexpr std::uint32_t receivers_max = 16;
    /// In one SUBSCRIBE.
    static constexpr std::uint32_t subscriptions_max = 1'000;
    /// In front of every payload: when it was sent. Shorter ones become so long.
    static constexpr std::uint32_t payload_bytes_min = sizeof(Time);

    [[nodiscard]] static std::string client_id(std::uint32_t device);

    // Each appends a packet to `to`.
    void put_connect(Buffer& to, std::size_t number, std::uint32_t device) const;
    /// False: devices of the class subscribe to nothing.
    bool put_subscribe(Buffer& to, std::size_t number, std::uint32_t device) const;
    /// `packet_id`: 0 for QoS 0.
    void put_publish(Buffer& to, std::size_t number, std::uint16_t packet_id,
                     std::uint32_t payload_bytes, Time sent_at) const;
    static void put_pingreq(Buffer& to);
    static void put_acknowledgement(Buffer& to, wire::PacketType type, wire::PacketId packet_id);
    static void put_disconnect(Buffer& to);

    /// When the message was sent; nothing for one that does not say, as a Will Message.
    [[nodiscard]] static std::optional<Time> sent_at(Bytes payload);

    [[nodiscard]] static std::string retained_topic(std::size_t number, std::uint32_t message);

private:
    const FleetModel& model_;
    std::vector<std::string> topics_;                // by class: what its devices publish to
    std::vector<std::string> will_topics_;           // by class; empty: none
    std::vector<std::vector<std::string>> filters_;  // by class: what its devices receive by
    mutable Buffer payload_;
};

}  // namespace touchstone::simulator::fleet
