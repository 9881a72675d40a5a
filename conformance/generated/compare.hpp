// The same scripts on several brokers: where they differ, and whether the standard says who is
// wrong.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "conformance/generated/player.hpp"

namespace touchstone::conformance::generated {

/// What a broker sent to each client in a script, one line per packet, without what may differ
/// between any two runs: the run's own word, Packet Identifiers, PINGRESP. Lines that have no order
/// among themselves (answers and messages for one client) are kept in the order of arrival.
[[nodiscard]] std::vector<std::string> behaviour(const Played& played, const std::string& token);

/// The first line in which two behaviours differ, as "this | that"; empty when they are the same.
/// "-" stands for nothing.
[[nodiscard]] std::string first_difference(const std::vector<std::string>& one,
                                           const std::vector<std::string>& other);

/// `difference` without the names, numbers and payloads of its script: differences of one kind look
/// alike.
[[nodiscard]] std::string kind_of_difference(const std::string& difference);

}  // namespace touchstone::conformance::generated
