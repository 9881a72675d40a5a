// A node whose disks outlive it, for tests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/tests/broker_of_shards.hpp"

namespace touchstone {

inline constexpr auto lasting_s = std::uint32_t{3'600};

class broker_with_storage : public broker_of_shards {
protected:
    void SetUp() override { start(); }

    void start() {
        rig = std::make_unique<Rig>(Rig::Options{
            .shards = GetParam(), .rules = rules, .disks = &disks, .wall_offset = wall_offset});
    }
    /// The process is gone, and with it what was not stored; `down_for` later there is another one.
    void crash(Duration down_for = Duration::zero()) {
        const auto crashed_at = rig->now;
        rig.reset();
        for (auto& disk : disks) disk.lose_unsynced();
        // Its clock begins anew, the wall's goes on.
        wall_offset += crashed_at - Instant{std::chrono::seconds{1}} + down_for;
        start();
    }
    Peer& lasting(std::string_view id, ConnectWith with = {}) {
        with.session_expiry_s = lasting_s;
        with.clean_start = false;
        return connect(id, with);
    }
    /// Another Client Identifier of the same shard, or of another one.
    [[nodiscard]] std::string beside(std::string_view id, std::string name = "p") const {
        while (owner_of(name, GetParam()) != owner_of(id, GetParam())) name += 'x';
        return name;
    }
    [[nodiscard]] std::string elsewhere(std::string_view id) const {
        std::string name = "p";
        while (owner_of(name, GetParam()) == owner_of(id, GetParam())) name += 'x';
        return name;
    }
    [[nodiscard]] std::string keys(char letter) const {
        std::string all;
        for (const auto& disk : disks)
            if (const auto text = disk.keys(letter); !text.empty())
                all += (all.empty() ? "" : " ") + text;
        return all;
    }
    [[nodiscard]] std::uint64_t sum(Counter counter) {
        std::uint64_t total = 0;
        for (unsigned shard = 0; shard < GetParam(); ++shard)
            total += rig->broker(shard).counters().of(counter);
        return total;
    }

    std::shared_ptr<const access::NodeRules> rules;  // null: open ones
    std::vector<MemoryStorage> disks{GetParam()};
    Duration wall_offset = std::chrono::hours{1'000};
};

}  // namespace touchstone
