// Names inside of packets that a scenario gives as bytes.

#include "broker/wire/packets.hpp"
#include "simulator/live/live_scenario.hpp"

namespace touchstone::simulator::live {

namespace {

/// Nothing when the packet has no names, or is not what it should be.
std::optional<Buffer> renamed(std::string_view prefix, const wire::Frame& frame,
                              ProtocolVersion& version) {
    Buffer bytes;
    if (frame.type == wire::PacketType::connect) {
        auto connect = wire::decode_connect(frame);
        if (!connect) return std::nullopt;
        version = connect.value().version;
        const auto client_id = std::string{prefix} + "-" + std::string{connect.value().client_id};
        if (!connect.value().client_id.empty()) connect.value().client_id = client_id;
        std::string topic;
        if (auto& will = connect.value().will) {
            topic = with_prefix(prefix, std::string{will->topic});
            will->topic = topic;
        }
        wire::encode(bytes, connect.value());
        return bytes;
    }
    if (frame.type == wire::PacketType::publish) {
        auto publish = wire::decode_publish(frame, version);
        if (!publish) return std::nullopt;
        const auto topic = with_prefix(prefix, std::string{publish.value().topic});
        publish.value().topic = topic;
        wire::encode(bytes, publish.value(), version);
        return bytes;
    }
    if (frame.type == wire::PacketType::subscribe) {
        auto subscribe = wire::decode_subscribe(frame, version);
        if (!subscribe) return std::nullopt;
        Buffer entries;
        subscribe.value().for_each([&](const wire::Subscription& one) {
            const auto filter = with_prefix(prefix, std::string{one.filter});
            wire::put_subscription(entries, {.filter = filter, .options = one.options}, version);
        });
        subscribe.value().entries = entries;
        wire::encode(bytes, subscribe.value(), version);
        return bytes;
    }
    return std::nullopt;
}

}  // namespace

Buffer packets_with_prefix(std::string_view prefix, Bytes bytes, ProtocolVersion& version) {
    Buffer all;
    while (true) {
        const Bytes before = bytes;
        const auto frame = wire::take_frame(bytes, wire::packet_size_bytes_max, version);
        if (!frame || !frame.value()) {
            append(all, before);
            return all;
        }
        const auto changed = renamed(prefix, *frame.value(), version);
        append(all, changed ? Bytes{*changed} : before.first(before.size() - bytes.size()));
    }
}

}  // namespace touchstone::simulator::live
