// What malformed and hostile input does when a defect switch asks for it. What would be undefined
// behaviour elsewhere is the end of the process here (crash), or memory that is counted.

#include <algorithm>

#include "broker/core.hpp"

namespace touchstone {

namespace {

using wire::PacketType;

std::size_t number_at(Bytes body, std::size_t at) {
    return std::to_integer<std::size_t>(body[at]) << 8U |
           std::to_integer<std::size_t>(body[at + 1]);
}

/// A PUBLISH of this frame: what its decoder refused.
struct BrokenPublish {
    std::size_t topic_bytes = 0;  // as it announces
    bool has_topic_length = false;
    bool is_longer_than_packet = false;
    bool ends_before_packet_id = false;
};

BrokenPublish look_at_publish(const wire::Frame& frame) {
    BrokenPublish seen;
    if (frame.body.size() < 2) return seen;
    seen.has_topic_length = true;
    seen.topic_bytes = number_at(frame.body, 0);
    seen.is_longer_than_packet = 2 + seen.topic_bytes > frame.body.size();
    const bool has_packet_id = (frame.flags & 0x06U) != 0;
    seen.ends_before_packet_id = has_packet_id && !seen.is_longer_than_packet &&
                                 2 + seen.topic_bytes + 2 > frame.body.size();
    return seen;
}

/// Whether the last Topic Filter of a SUBSCRIBE is not followed by its options. `version`: v5 has
/// Properties before the first one; only those of one byte's length are looked at.
bool ends_before_options(Bytes body, ProtocolVersion version) {
    std::size_t at = 2;
    if (version == ProtocolVersion::v5) {
        if (at >= body.size()) return false;
        at += 1 + std::to_integer<std::size_t>(body[at]);
    }
    while (at + 2 <= body.size()) {
        at += 2 + number_at(body, at);
        if (at >= body.size()) return at == body.size();
        ++at;
    }
    return false;
}

/// Whether the Properties of a v5 CONNECT are said to be longer than the packet.
bool has_endless_properties(Bytes body) {
    // Behind protocol name, version, flags and Keep Alive (§3.1.2).
    constexpr std::size_t properties_at = 10;
    if (body.size() <= properties_at) return false;
    const auto length = std::to_integer<std::size_t>(body[properties_at]);
    return properties_at + 1 + length > body.size();
}

}  // namespace

void Broker::Core::spoil_refused(const wire::Frame& frame) {
    const auto& defects = options_.defects;
    bool is_fatal = false;
    switch (frame.type) {
        case PacketType::publish: {
            const auto seen = look_at_publish(frame);
            is_fatal = (defects.has(Defect::zero_len_topic_crash) && seen.has_topic_length &&
                        seen.topic_bytes == 0) ||
                       (defects.has(Defect::topic_len_underflow) && seen.is_longer_than_packet) ||
                       (defects.has(Defect::pid_bytes_unchecked) && seen.ends_before_packet_id);
            break;
        }
        case PacketType::subscribe:
            is_fatal = defects.has(Defect::subopts_unchecked) &&
                       (ends_before_options(frame.body, ProtocolVersion::v5) ||
                        ends_before_options(frame.body, ProtocolVersion::v3_1_1));
            break;
        case PacketType::connect:
            is_fatal =
                defects.has(Defect::prop_len_unchecked) && has_endless_properties(frame.body);
            if (defects.has(Defect::leak_on_bad_property) && !wire::decode_connect(frame))
                defect_memory().leaked_bytes += frame.body.size();
            break;
        case PacketType::connack:
        case PacketType::suback:
        case PacketType::unsuback:
        case PacketType::pingresp: is_fatal = defects.has(Defect::server_only_packet_path); break;
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
        case PacketType::unsubscribe:
        case PacketType::pingreq:
        case PacketType::disconnect:
        case PacketType::auth: break;
    }
    if (is_fatal) crash();
}

bool Broker::Core::spoil_wait(ConnectionId id, Bytes beginning) {
    if (options_.defects.has(Defect::keepalive_by_bytes))
        open_connection(id).last_packet_at = context_.now;
    constexpr std::size_t four_byte_length_min = 2'097'152;  // §1.5.5
    if (!options_.defects.has(Defect::varint4_rejected) ||
        wire::announced_size_bytes(beginning).value_or(0) < four_byte_length_min)
        return false;
    fail(id, ReasonCode::malformed_packet);
    return true;
}

void Broker::Core::spoil_unsubscribe(const Client& client, const FilterName& name) {
    if (!options_.defects.has(Defect::sub_list_race) || client.session.outbox() == nullptr) return;
    const auto& flows = client.session.outbox()->flows();
    // A message on its way to the client still looks at the list that goes now.
    if (std::any_of(flows.begin(), flows.end(), [&](const Outbox::Flow& flow) {
            return flow.delivery.message && flow.delivery.message->topic() == name.filter;
        }))
        crash();
}

Broker::Core::Handled Broker::Core::refuse_and_stay(ConnectionId id) {
    ++open_connection(id).generation;  // nobody looks after it any more
    return Handled::stalled;
}

}  // namespace touchstone
