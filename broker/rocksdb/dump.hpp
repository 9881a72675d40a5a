// The records of a data directory as lines of JSON or as Protobuf (dump.proto), and back: to look
// at, to save, to move to another machine. A line has the record as it is stored, which is what
// counts when it is read again, and what it says, for people and scripts.
//
//   {"touchstone_data":1,"shards":2}
//   {"shard":0,"key":"s/dev-1","value":"AQAA…","kind":"session","client_id":"dev-1",…}
//
// A key that is not printable ASCII is "key_base64" instead.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "broker/rocksdb/database.hpp"

namespace touchstone::rocksdb_driver {

enum class DumpFormat : std::uint8_t { json, protobuf };

/// Returns how many records were written. Throws StoreError when not all could be read.
std::uint64_t export_records(Database& database, DumpFormat format, std::ostream& to);

/// Into a directory that has none, from either format. Returns how many were read. Throws
/// StoreError, with the place that is wrong; the directory is of no use then.
std::uint64_t import_records(const std::filesystem::path& directory, std::istream& from);

struct Verdict {
    std::vector<std::string> kinds;  // "12 sessions"
    std::uint64_t records = 0;
    std::vector<std::string> bad;  // "shard 0: d/…": damaged, or without what it refers to
};
/// Whether a node could use every record. Changes nothing.
Verdict verify_records(Database& database);

}  // namespace touchstone::rocksdb_driver
