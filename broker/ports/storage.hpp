// The port to what outlives a process: an ordered map from keys to records, one for each shard. The
// core writes batches; the driver makes each of them durable as a whole, in their order, and says
// when (Broker::on_stored). What the core keeps nowhere else, it reads (Broker::on_read). What the
// records mean is broker/storage's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/bytes.hpp"

namespace touchstone {

/// Counts the batches of a shard since its process began, from 1.
using BatchNumber = std::uint64_t;

/// What became of a batch.
enum class StorageOutcome : std::uint8_t {
    stored,  // it is synced: no crash and no power cut takes it away
    full,    // there is no room; nothing of it is stored
    failed,  // the medium could not; nothing of it is stored
};

/// Counts the reads of a shard since its process began, from 1.
using ReadNumber = std::uint64_t;

/// What a read has found.
struct ReadAnswer {
    /// In the order of the keys; nothing: there is no such record. None at all: the medium could
    /// not read.
    std::vector<std::optional<Buffer>> values;
};

/// Effects. A driver does not call back into the core from inside them.
class Storage {
public:
    /// The record under `key` is `value` from the open batch on. Both are copied before the call
    /// returns. Keys are at most 65,600 bytes, of any value.
    virtual void put(std::string_view key, Bytes value) = 0;
    /// There is no record under `key` from the open batch on. There need not have been one.
    virtual void erase(std::string_view key) = 0;
    /// Ends the open batch, which begins the next one. Answered by Broker::on_stored with the same
    /// number, in a later input; until then no other batch is ended. A batch that was not stored is
    /// open again, in front of what was written since: the next commit ends both.
    virtual void commit(BatchNumber number) = 0;
    /// Asks for the records under `keys`, at least one, each of a batch that has been stored.
    /// Answered by Broker::on_read with the same number, in a later input. A record that was erased
    /// since may be found or not.
    virtual void read(ReadNumber number, std::vector<std::string> keys) = 0;

protected:
    ~Storage() = default;
};

}  // namespace touchstone
