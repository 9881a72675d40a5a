#include "broker/wire/frame.hpp"

namespace touchstone::wire {

namespace {

/// How far the Fixed Header at the front of an input can be read.
struct FixedHeader {
    enum class State { incomplete, complete, too_long } state = State::incomplete;
    std::size_t size_bytes = 0;
    std::uint32_t remaining_length = 0;
    bool is_shortest = true;
};

FixedHeader read_fixed_header(Bytes input) {
    constexpr std::size_t header_size_bytes_max = 5;
    FixedHeader header;
    for (std::size_t at = 1; at < input.size(); ++at) {
        if (at == header_size_bytes_max) {
            header.state = FixedHeader::State::too_long;
            return header;
        }
        const auto byte = std::to_integer<std::uint32_t>(input[at]);
        header.remaining_length |= (byte & 0x7FU) << (7 * (at - 1));
        if ((byte & 0x80U) != 0) {
            // The fourth byte is the last one (§1.5.5): wrong already, whatever follows.
            if (at + 1 < header_size_bytes_max) continue;
            header.state = FixedHeader::State::too_long;
            return header;
        }
        header.state = FixedHeader::State::complete;
        header.size_bytes = at + 1;
        header.is_shortest = at == 1 || byte != 0;
        return header;
    }
    return header;
}

}  // namespace

Result<std::optional<Frame>> take_frame(Bytes& input, std::uint32_t size_bytes_max,
                                        ProtocolVersion version) {
    if (input.empty()) return std::nullopt;
    const auto first = std::to_integer<unsigned>(input.front());
    const auto type = static_cast<PacketType>(first >> 4U);
    if (first >> 4U == 0) return ReasonCode::malformed_packet;  // §2.1.2: forbidden
    if (type == PacketType::auth && version != ProtocolVersion::v5) {
        return ReasonCode::malformed_packet;  // v3.1.1 §2.2.1: forbidden
    }

    const auto header = read_fixed_header(input);
    if (header.state == FixedHeader::State::too_long) return ReasonCode::malformed_packet;
    if (header.state == FixedHeader::State::incomplete) return std::nullopt;
    if (!header.is_shortest && version == ProtocolVersion::v5) {
        return ReasonCode::malformed_packet;  // v5 [MQTT-1.5.5-1]; v3.1.1 has no such rule
    }
    const auto size_bytes = header.size_bytes + header.remaining_length;
    if (size_bytes > size_bytes_max) return ReasonCode::packet_too_large;  // §3.1.2.11.4
    if (size_bytes > input.size()) return std::nullopt;

    const auto packet = input.first(size_bytes);
    input = input.subspan(size_bytes);
    return Result<std::optional<Frame>>{boost::outcome_v2::in_place_type<std::optional<Frame>>,
                                        std::in_place,
                                        Frame{.type = type,
                                              .flags = static_cast<std::uint8_t>(first & 0x0FU),
                                              .body = packet.subspan(header.size_bytes),
                                              .size_bytes = size_bytes,
                                              .packet = packet}};
}

std::optional<std::size_t> announced_size_bytes(Bytes input) {
    const auto header = read_fixed_header(input);
    if (header.state != FixedHeader::State::complete) return std::nullopt;
    return header.size_bytes + header.remaining_length;
}

}  // namespace touchstone::wire
