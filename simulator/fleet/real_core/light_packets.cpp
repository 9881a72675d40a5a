#include "simulator/fleet/real_core/light_packets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace touchstone::simulator::fleet {

namespace {

constexpr auto version = ProtocolVersion::v5;
constexpr Time second = 1'000'000'000;

std::string topic_of(const FanOut& to) {
    if (to.receivers == 0) return fmt::format("to/{}/all", to.to_class);
    return fmt::format("to/{}/{}", to.to_class, to.receivers);
}

wire::PacketId identifier(std::uint16_t raw) {
    return wire::PacketId::from_wire(raw).value();
}

}  // namespace

LightPackets::LightPackets(const FleetModel& model)
    : model_{model},
      will_topics_(model.classes.size()),
      filters_(model.classes.size()) {
    for (std::size_t i = 0; i < model.classes.size(); ++i) {
        const auto& one = model.classes[i];
        const bool is_heard = one.fan_out.to_class >= 0;
        topics_.push_back(is_heard ? topic_of(one.fan_out) : fmt::format("from/{}", i));
        if (one.has_will) will_topics_[i] = topic_of(one.will_to);
        for (const auto* const to : {&one.fan_out, &one.will_to}) {
            if (to->to_class < 0) continue;
            auto& filters = filters_[static_cast<std::size_t>(to->to_class)];
            const auto topic = topic_of(*to);
            if (to->receivers == 0) filters.push_back(topic);
            for (std::uint32_t k = 0; k < to->receivers; ++k)
                filters.push_back(fmt::format("$share/{}/{}", k, topic));
        }
    }
    for (std::size_t i = 0; i < filters_.size(); ++i) {
        if (model.classes[i].retained > 0) filters_[i].push_back(fmt::format("kept/{}/+", i));
        std::ranges::sort(filters_[i]);
        filters_[i].erase(std::unique(filters_[i].begin(), filters_[i].end()), filters_[i].end());
    }
}

std::string LightPackets::client_id(std::uint32_t device) {
    return fmt::format("d{}", device);
}

std::string LightPackets::retained_topic(std::size_t number, std::uint32_t message) {
    return fmt::format("kept/{}/{}", number, message);
}

void LightPackets::put_connect(Buffer& to, std::size_t number, std::uint32_t device) const {
    const auto& one = model_.classes[number];
    const auto id = client_id(device);
    wire::Connect packet{.version = version,
                         .clean_start = true,
                         .keep_alive_s = static_cast<std::uint16_t>(one.keep_alive / second),
                         .client_id = id};
    if (one.has_will) {
        payload_.assign(std::max(payload_bytes_min, one.publishing.payload_mean()), std::byte{0});
        packet.will = wire::Will{.qos = static_cast<QoS>(one.publishing.qos),
                                 .topic = will_topics_[number],
                                 .payload = payload_,
                                 .properties = {}};
    }
    wire::encode(to, packet);
}

bool LightPackets::put_subscribe(Buffer& to, std::size_t number, std::uint32_t device) const {
    const auto& one = model_.classes[number];
    Buffer entries;
    std::size_t count = 0;
    const auto add = [&](std::string_view filter) {
        wire::put_subscription(entries, {.filter = filter, .options = {.qos = QoS::exactly_once}},
                               version);
        ++count;
    };
    for (const auto& filter : filters_[number]) add(filter);
    // The others match nothing, and are there for the memory and the work of them.
    for (auto i = count; i < one.subscriptions; ++i) add(fmt::format("own/{}/{}", device, i));
    if (count == 0) return false;
    wire::encode(to,
                 wire::Subscribe{.packet_id = identifier(1),
                                 .properties = {},
                                 .entries = entries,
                                 .entry_count = count,
                                 .version = version},
                 version);
    return true;
}

void LightPackets::put_publish(Buffer& to, std::size_t number, std::uint16_t packet_id,
                               std::uint32_t payload_bytes, Time sent_at) const {
    payload_.assign(std::max(payload_bytes_min, payload_bytes), std::byte{0});
    for (std::size_t i = 0; i < sizeof(Time); ++i)
        payload_[i] = static_cast<std::byte>(sent_at >> (8U * i) & 0xFFU);
    wire::Publish packet{.qos = static_cast<QoS>(model_.classes[number].publishing.qos),
                         .topic = topics_[number],
                         .packet_id = std::nullopt,
                         .properties = {},
                         .payload = payload_};
    if (packet_id > 0) packet.packet_id = identifier(packet_id);
    wire::encode(to, packet, version);
}

void LightPackets::put_pingreq(Buffer& to) {
    wire::encode_pingreq(to);
}

void LightPackets::put_acknowledgement(Buffer& to, wire::PacketType type,
                                       wire::PacketId packet_id) {
    append(to, wire::short_ack(type, packet_id));
}

void LightPackets::put_disconnect(Buffer& to) {
    wire::encode(to, wire::Disconnect{}, version);
}

std::optional<Time> LightPackets::sent_at(Bytes payload) {
    if (payload.size() < sizeof(Time)) return std::nullopt;
    Time time = 0;
    for (std::size_t i = 0; i < sizeof(Time); ++i)
        time |= std::to_integer<Time>(payload[i]) << (8U * i);
    if (time == 0) return std::nullopt;
    return time;
}

}  // namespace touchstone::simulator::fleet
