// What a disk's records are kept on, when that is not the memory of the run: a real store under a
// node in virtual time. The disk decides when a batch is stored, the medium what that comes to.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>

#include "broker/base/bytes.hpp"

namespace touchstone::simulator {

using Records = std::map<std::string, Buffer, std::less<>>;

/// What becomes of a key; nothing: it is erased.
struct RecordChange {
    std::string key;
    std::optional<Buffer> value;
};

class Medium {
public:
    Medium() = default;
    Medium(const Medium&) = delete;
    Medium& operator=(const Medium&) = delete;
    virtual ~Medium() = default;

    /// A batch is written, and not synced when this returns. One of a shard at a time.
    virtual void begin(unsigned shard, std::span<const RecordChange> changes) = 0;
    /// It is synced when this returns.
    virtual void finish(unsigned shard) = 0;
    /// What was not synced is gone, and the process that wrote it.
    virtual void cut_power() = 0;
    /// What the next process finds.
    [[nodiscard]] virtual Records records(unsigned shard) = 0;
    virtual void set_aside(unsigned shard, const std::string& key) = 0;
};

}  // namespace touchstone::simulator
