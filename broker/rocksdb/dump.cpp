#include "broker/rocksdb/dump.hpp"

#include <rocksdb/db.h>

#include <array>
#include <istream>
#include <map>
#include <optional>
#include <ostream>
#include <utility>
#include <variant>

#include "broker/rocksdb/dump_format.hpp"
#include "broker/rocksdb/offline_node.hpp"
#include "broker/rocksdb/store_error.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::rocksdb_driver {

namespace {

constexpr std::size_t batch_bytes_max = 4 << 20;

/// In the order of storage::Record.
constexpr std::array<std::string_view, std::variant_size_v<storage::Record>> kinds{
    "counter",  "message",  "retained", "session", "subscription",
    "delivery", "received", "forward",  "mark"};

/// Only for what draws nothing.
class NoRandom final : public Random {
public:
    std::uint64_t next() override { return ++last_; }

private:
    std::uint64_t last_ = 0;
};

}  // namespace

void wrong_at(const std::string& place, const std::string& why) {
    throw StoreError{"import: " + place + ": " + why +
                     "; give what `touchstone ctl store export` has written"};
}

std::uint64_t export_records(Database& database, DumpFormat format, std::ostream& to) {
    const auto writer =
        format == DumpFormat::json ? make_json_writer(to) : make_protobuf_writer(to);
    const auto layout = database.directory().layout();
    writer->write({.format = data_format, .shard_count = layout.shard_count});
    std::uint64_t count = 0;
    for (unsigned shard = 0; shard < layout.shard_count; ++shard) {
        const auto why =
            database.read(layout.generation, shard, [&](std::string_view key, Bytes value) {
                writer->write(shard, key, value);
                ++count;
            });
        if (!why.empty()) throw StoreError{"export: " + why};
    }
    return count;
}

std::uint64_t import_records(const std::filesystem::path& path, std::istream& from) {
    // Of Protobuf the first byte is the length of the head, 4 to 8; JSON begins otherwise.
    constexpr int head_bytes_max = 8;
    const int first = from.peek();
    const bool is_protobuf = first > 0 && first <= head_bytes_max;
    const auto reader = is_protobuf ? make_protobuf_reader(from) : make_json_reader(from);
    const auto head = reader->head();
    if (head.format == 0 || head.format > data_format)
        wrong_at(reader->place(), "is of format " + std::to_string(head.format) +
                                      ", this version reads up to " + std::to_string(data_format));
    if (head.shard_count == 0 || head.shard_count > shard_count_max)
        wrong_at(reader->place(), "\"shards\" is not 1 to " + std::to_string(shard_count_max));

    DataDirectory directory{path};
    if (!directory.is_new())
        throw StoreError{"import: " + path.string() + " has data; give a directory that has none"};
    directory.set_layout({.shard_count = head.shard_count});
    Database database{directory};
    rocksdb::WriteBatch batch;
    const auto flush = [&] {
        rocksdb::WriteOptions synced;
        synced.sync = true;
        const auto status = database.db().Write(synced, &batch);
        if (!status.ok()) throw StoreError{"import: " + status.ToString()};
        batch.Clear();
    };
    std::uint64_t count = 0;
    while (const auto record = reader->next()) {
        if (record->shard >= head.shard_count)
            wrong_at(reader->place(), "has a shard that is not there");
        if (!storage::decode(record->key, as_bytes(record->value), no_offset))
            wrong_at(reader->place(), "has no record: it was damaged, or was changed");
        const KeyPrefix prefix{directory.layout().generation, record->shard};
        batch.Put(std::string{prefix.text()} + record->key, record->value);
        ++count;
        if (batch.GetDataSize() > batch_bytes_max) flush();
    }
    if (batch.Count() != 0) flush();
    return count;
}

Verdict verify_records(Database& database) {
    const auto layout = database.directory().layout();
    NoRandom random;
    OfflineNode node{{.shard_count = layout.shard_count,
                      .rules = access::open_rules({}),
                      .random = random,
                      .now = Instant{std::chrono::seconds{1}},
                      .wall_offset = no_offset}};
    Verdict verdict;
    std::map<std::string_view, std::uint64_t> counts;
    for (unsigned shard = 0; shard < layout.shard_count; ++shard) {
        const auto why =
            database.read(layout.generation, shard, [&](std::string_view key, Bytes value) {
                ++verdict.records;
                const auto record = storage::decode(key, value, no_offset);
                ++counts[record ? kinds[record->index()] : "damaged"];
                node.records(shard).emplace(key, Buffer{value.begin(), value.end()});
            });
        if (!why.empty()) throw StoreError{"verify: " + why};
    }
    const auto useless = node.recover();
    for (unsigned shard = 0; shard < layout.shard_count; ++shard)
        for (const auto& key : useless[shard])
            verdict.bad.push_back("shard " + std::to_string(shard) + ": " + shown(key));
    for (const auto& [kind, count] : counts)
        verdict.kinds.push_back(std::string{kind} + " " + std::to_string(count));
    return verdict;
}

}  // namespace touchstone::rocksdb_driver
