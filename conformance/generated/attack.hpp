// Hostile input: conversations of one client that are nearly right. A seed decides one; it knows
// the layout of every packet, so that what is wrong is wrong in one place and gets past the first
// check.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/base/bytes.hpp"
#include "broker/base/mqtt.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance::generated {

struct Attack {
    ProtocolVersion version = ProtocolVersion::v5;
    bool is_connect_right = false;  // what the broker answers can be read in `version`
    std::vector<Buffer> packets{};  // more or less
    std::size_t piece_bytes = 0;    // sent in pieces of so many bytes; 0: packet by packet
    Ending ending = Ending::abort;
    std::string story{};  // what was done to which packet, in a few words
};

/// `token` is the word under which the attack's topics and Client Identifiers lie.
[[nodiscard]] Attack make_attack(std::uint64_t seed, const std::string& token, bool has_v3_1_1,
                                 bool has_v5);

}  // namespace touchstone::conformance::generated
