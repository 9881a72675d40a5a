// What the access rules of a run say, for the checkers that have to know.
#pragma once

#include <string_view>

#include "simulator/checkers/history.hpp"

namespace touchstone::simulator {

/// Whether the rules of the node that are in force at that entry deny it to the client of the
/// connection.
[[nodiscard]] bool is_denied(const Trace& trace, const ConnectionHistory& who, std::size_t entry,
                             access::Action action, std::string_view topic);

/// Whether they do from one entry on to another, whatever was changed between the two.
[[nodiscard]] bool is_denied_throughout(const Trace& trace, const ConnectionHistory& who,
                                        std::size_t from, std::size_t to, access::Action action,
                                        std::string_view topic);

}  // namespace touchstone::simulator
