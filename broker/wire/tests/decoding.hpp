// What tests ask of a packet's bytes: is it taken, and what becomes of it.
#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "broker/wire/tests/any_packet.hpp"
#include "broker/wire/tests/bytes_of.hpp"

namespace touchstone::wire {

inline constexpr ProtocolVersion all_versions[] = {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1,
                                                   ProtocolVersion::v5};

/// The one packet in `bytes`, a view into them. Fails the test when more or less than that is
/// there.
inline Result<AnyPacket> decode_bytes(Bytes bytes, ProtocolVersion version,
                                      Sender sender = Sender::anyone) {
    auto input = bytes;
    BOOST_OUTCOME_TRY(const auto frame, take_frame(input, packet_size_bytes_max, version));
    EXPECT_TRUE(frame.has_value()) << "the packet's Remaining Length is too large";
    EXPECT_TRUE(input.empty()) << "the packet's Remaining Length is too small";
    if (!frame.has_value()) return ReasonCode::unspecified_error;
    return decode_any(*frame, version, sender);
}

/// success when `bytes` are taken, the error otherwise.
inline ReasonCode verdict_on(Bytes bytes, ProtocolVersion version, Sender sender = Sender::anyone) {
    const auto packet = decode_bytes(bytes, version, sender);
    return packet.has_value() ? ReasonCode::success : packet.error();
}

/// The packet of type `Packet` in `bytes`; fails the test when there is none.
template <class Packet>
Packet decoded(Bytes bytes, ProtocolVersion version, Sender sender = Sender::anyone) {
    const auto packet = decode_bytes(bytes, version, sender);
    if (!packet.has_value()) throw std::runtime_error{std::string{name_of(packet.error())}};
    return std::get<Packet>(packet.value());
}

}  // namespace touchstone::wire

namespace touchstone {

/// So that a failed EXPECT_EQ shows the code's name.
inline void PrintTo(ReasonCode code, std::ostream* to) {
    *to << name_of(code);
}

}  // namespace touchstone
