// How dumped records are written down: as lines of JSON, or as Protobuf. What is dumped, and what
// is made of it, is decided in dump.cpp.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/base/bytes.hpp"
#include "broker/base/instant.hpp"
#include "broker/rocksdb/dump.hpp"

namespace touchstone::rocksdb_driver {

/// What is stored counts from 1970, and so is it shown.
inline constexpr Duration no_offset{};

struct DumpHead {
    unsigned format = 0;
    unsigned shard_count = 0;
};

struct DumpedRecord {
    unsigned shard = 0;
    std::string key;
    std::string value;
};

class DumpWriter {
public:
    DumpWriter() = default;
    DumpWriter(const DumpWriter&) = delete;
    DumpWriter& operator=(const DumpWriter&) = delete;
    virtual ~DumpWriter() = default;
    /// First, and once.
    virtual void write(const DumpHead& head) = 0;
    virtual void write(unsigned shard, std::string_view key, Bytes value) = 0;
};

class DumpReader {
public:
    DumpReader() = default;
    DumpReader(const DumpReader&) = delete;
    DumpReader& operator=(const DumpReader&) = delete;
    virtual ~DumpReader() = default;
    /// First, and once. Throws StoreError.
    virtual DumpHead head() = 0;
    /// Nothing at the end. Throws StoreError.
    virtual std::optional<DumpedRecord> next() = 0;
    /// Where what was read last stands: "line 7".
    [[nodiscard]] virtual std::string place() const = 0;
};

/// Throws StoreError: what stands at that place is wrong.
[[noreturn]] void wrong_at(const std::string& place, const std::string& why);

// The streams outlive what is made on them.

[[nodiscard]] std::unique_ptr<DumpWriter> make_json_writer(std::ostream& to);
[[nodiscard]] std::unique_ptr<DumpReader> make_json_reader(std::istream& from);
[[nodiscard]] std::unique_ptr<DumpWriter> make_protobuf_writer(std::ostream& to);
[[nodiscard]] std::unique_ptr<DumpReader> make_protobuf_reader(std::istream& from);

/// As it is when it is printable, else "base64:…".
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace touchstone::rocksdb_driver
