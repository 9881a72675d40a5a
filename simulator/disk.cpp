#include "simulator/disk.hpp"

#include "broker/base/check.hpp"

namespace touchstone::simulator {

Disk::Disk(Engine& engine, std::uint64_t entity, unsigned shard_count, DiskOptions options,
           OnOutcome on_outcome)
    : engine_{engine},
      options_{options},
      on_outcome_{std::move(on_outcome)},
      owner_{engine.add_handler(*this)} {
    CHECK(options.sync_low <= options.sync_high);
    for (unsigned shard = 0; shard < shard_count; ++shard)
        shards_.push_back(
            {.stored = {},
             .open = {},
             .under_way = {},
             .number = std::nullopt,
             .syncs = engine.stream(Domain::node, entity << 16U | shard, Purpose::sync)});
}

void Disk::put(unsigned shard, std::string_view key, Bytes value) {
    shards_[shard].open.insert_or_assign(std::string{key}, Buffer{value.begin(), value.end()});
}

void Disk::erase(unsigned shard, std::string_view key) {
    shards_[shard].open.insert_or_assign(std::string{key}, std::nullopt);
}

void Disk::commit(unsigned shard, BatchNumber number) {
    auto& one = shards_[shard];
    CHECK(!one.number.has_value());
    one.number = number;
    one.under_way = std::exchange(one.open, {});
    ++one.commits;
    const Duration takes = one.syncs.between(options_.sync_low, options_.sync_high);
    engine_.schedule_in(takes, {owner_, 0, shard, one.commits});
}

void Disk::lose_unsynced() {
    for (auto& shard : shards_) {
        shard.open.clear();
        shard.under_way.clear();
        shard.number.reset();
    }
}

void Disk::finish() {
    for (bool is_busy = true; is_busy;) {
        is_busy = false;
        for (unsigned shard = 0; shard < shards_.size(); ++shard) {
            if (!shards_[shard].number) continue;
            is_busy = true;
            complete(shard);
        }
    }
}

void Disk::on_event(const Event& event) {
    const auto& shard = shards_[event.subject];
    // Of a process that is gone, or done before its time.
    if (!shard.number || event.detail != shard.commits) return;
    complete(event.subject);
}

void Disk::complete(unsigned shard) {
    auto& one = shards_[shard];
    for (auto& [key, value] : std::exchange(one.under_way, {})) {
        if (value)
            one.stored.insert_or_assign(key, std::move(*value));
        else
            one.stored.erase(key);
    }
    const auto number = *std::exchange(one.number, std::nullopt);
    on_outcome_(shard, number, StorageOutcome::stored);
}

}  // namespace touchstone::simulator
