// Room for descriptors. A process may have so many open files and no more, but what the system
// counts are the entries of a table, and a thread can leave the one that it shares with its process
// (broker/asio/descriptor_table.hpp has the same for the broker). So N threads carry N times as
// many connections.
#pragma once

#include <cstdint>

namespace touchstone::load {

/// Descriptors that a thread needs besides its connections: what the process has open already, an
/// epoll, a wake-up each.
inline constexpr std::uint64_t spare_descriptors = 200;

/// The most descriptors that a table can have.
[[nodiscard]] std::uint64_t open_files_max();

/// Gives the calling thread a table of its own, with a copy of all that is open. False: the system
/// does not allow it.
[[nodiscard]] bool leave_shared_table();

struct TablePlan {
    unsigned threads = 1;
    bool has_own_tables = false;
};

/// How many threads `clients` need when `threads` are wanted.
[[nodiscard]] TablePlan plan_tables(std::uint64_t clients, unsigned threads,
                                    std::uint64_t files_max);

}  // namespace touchstone::load
