// A layout that was lost, found out again: which generation the records are of, and how many shards
// they were dealt out to, which decides at which of them a session is.
#pragma once

#include <optional>

#include "broker/rocksdb/database.hpp"

namespace touchstone::rocksdb_driver {

/// The fewest shards with which each session and each Retained Message is at the shard that owns
/// it. Nothing: there are records of two generations, of which one may not be complete, or no
/// number of shards fits.
[[nodiscard]] std::optional<Layout> layout_of_records(Database& database);

}  // namespace touchstone::rocksdb_driver
