// Another number of shards: who owns a session, and who stores a Retained Message, depends on it,
// and each shard numbers what it stores. So all records are read, dealt out anew, and numbered
// anew.
#pragma once

#include <memory>

#include "broker/access/node_rules.hpp"
#include "broker/base/instant.hpp"
#include "broker/ports/random.hpp"
#include "broker/rocksdb/database.hpp"

namespace touchstone::rocksdb_driver {

struct Redeal {
    unsigned shard_count = 1;                        // from now on
    std::shared_ptr<const access::NodeRules> rules;  // that the node will have
    Random& random;
    Instant now{};
    Duration wall_offset{};  // Broker::Options::wall_offset
};

/// Whoever dies meanwhile has the records as they were, or as they are to be. Takes memory for all
/// of them. Throws StoreError, and then they are as they were.
void redeal(Database& database, const Redeal& how);

}  // namespace touchstone::rocksdb_driver
