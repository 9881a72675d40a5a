#include "broker/rocksdb/offline_node.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/broker.hpp"

namespace touchstone::rocksdb_driver {

struct OfflineNode::Shard final : Network, Peers, Storage {
    Shard(OfflineNode& its_node, unsigned its_index, const Options& options)
        : node{its_node},
          index{its_index},
          broker{std::make_unique<Broker>(
              options.rules,
              Broker::Options{.self = ShardIndex{its_index},
                              .shard_count = options.shard_count,
                              .defects = {},
                              .wall_offset = options.wall_offset},
              Broker::Ports{
                  .network = *this, .peers = *this, .random = options.random, .storage = this})} {}

    void send(ConnectionId /*id*/, Bytes /*bytes*/) override { UNREACHABLE(); }
    void send(ConnectionId /*id*/, Bytes /*head*/, const MessageRef& /*message*/) override {
        UNREACHABLE();
    }
    void close(ConnectionId /*id*/) override { UNREACHABLE(); }
    void abort(ConnectionId /*id*/) override { UNREACHABLE(); }
    void move(ConnectionId /*id*/, ShardIndex /*owner*/, access::Origin /*origin*/) override {
        UNREACHABLE();
    }
    void resume(ConnectionId /*id*/) override { UNREACHABLE(); }

    void send(ShardIndex to, PeerMessage message) override {
        node.letters_.emplace_back([this, to, message = std::move(message)] {
            node.shards_[to.raw()]->broker->on_peer(ShardIndex{index}, message, node.now_);
        });
    }
    void put(std::string_view key, Bytes value) override {
        records.insert_or_assign(std::string{key}, Buffer{value.begin(), value.end()});
    }
    void erase(std::string_view key) override {
        if (const auto known = records.find(key); known != records.end()) records.erase(known);
    }
    void commit(BatchNumber number) override {
        node.letters_.emplace_back(
            [this, number] { broker->on_stored(number, StorageOutcome::stored, node.now_); });
    }
    void read(ReadNumber /*number*/, std::vector<std::string> /*keys*/) override {
        UNREACHABLE();  // without clients nobody is sent anything
    }

    OfflineNode& node;
    unsigned index;
    Records records;
    std::unique_ptr<Broker> broker;
};

OfflineNode::OfflineNode(const Options& options) : now_{options.now} {
    for (unsigned index = 0; index < options.shard_count; ++index)
        shards_.push_back(std::make_unique<Shard>(*this, index, options));
}

OfflineNode::~OfflineNode() = default;

Records& OfflineNode::records(unsigned shard) {
    return shards_[shard]->records;
}

std::vector<std::vector<std::string>> OfflineNode::recover() {
    std::vector<std::vector<std::string>> useless;
    for (auto& shard : shards_) {
        auto& keys = useless.emplace_back();
        for (const auto& [key, value] : shard->records)
            if (!shard->broker->on_record(key, value)) keys.push_back(key);
        std::ranges::move(shard->broker->on_recovered(now_), std::back_inserter(keys));
        for (const auto& key : keys) shard->records.erase(key);
    }
    while (!letters_.empty()) {
        auto letter = std::move(letters_.front());
        letters_.pop_front();
        letter();
    }
    for (auto& shard : shards_) shard->broker.reset();
    return useless;
}

}  // namespace touchstone::rocksdb_driver
