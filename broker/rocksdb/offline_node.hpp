// OfflineNode: a node that has no clients and a disk that is its memory. It is there to become what
// was stored, and to hand over what is on its way from one shard to another.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/access/node_rules.hpp"
#include "broker/base/bytes.hpp"
#include "broker/base/instant.hpp"
#include "broker/ports/random.hpp"

namespace touchstone::rocksdb_driver {

using Records = std::map<std::string, Buffer, std::less<>>;

class OfflineNode {
public:
    struct Options {
        unsigned shard_count = 1;
        std::shared_ptr<const access::NodeRules> rules;
        Random& random;
        Instant now{};
        Duration wall_offset{};  // Broker::Options::wall_offset
    };

    explicit OfflineNode(const Options& options);
    ~OfflineNode();
    OfflineNode(const OfflineNode&) = delete;
    OfflineNode& operator=(const OfflineNode&) = delete;

    /// What a shard has stored: to be filled in before recover(), and read after it.
    [[nodiscard]] Records& records(unsigned shard);
    /// Once. Returns the keys of records that are of no use, by shard; they are gone.
    std::vector<std::vector<std::string>> recover();

private:
    struct Shard;

    Instant now_;
    std::deque<std::function<void()>> letters_;
    std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace touchstone::rocksdb_driver
