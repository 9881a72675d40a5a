#include "broker/rocksdb/dump.hpp"

#include <rocksdb/db.h>

#include <algorithm>
#include <array>
#include <boost/json/src.hpp>  // the library's only home here
#include <istream>
#include <map>
#include <openssl/evp.h>
#include <optional>
#include <ostream>
#include <utility>

#include "broker/rocksdb/offline_node.hpp"
#include "broker/rocksdb/store_error.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::rocksdb_driver {

namespace {

namespace json = boost::json;

constexpr std::size_t batch_bytes_max = 4 << 20;
/// What is stored counts from 1970, and so is it shown.
constexpr Duration no_offset{};

std::string to_base64(std::string_view bytes) {
    std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const auto size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                      reinterpret_cast<const unsigned char*>(bytes.data()),
                                      static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

/// Nothing when it is not Base64.
std::optional<std::string> from_base64(std::string_view text) {
    std::string bytes(text.size() / 4 * 3 + 1, '\0');
    const auto size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                      reinterpret_cast<const unsigned char*>(text.data()),
                                      static_cast<int>(text.size()));
    if (size < 0 || text.size() % 4 != 0) return std::nullopt;
    const auto padding = std::min<std::ptrdiff_t>(2, std::ranges::count(text, '='));
    bytes.resize(static_cast<std::size_t>(size - padding));
    return bytes;
}

bool is_printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

std::string shown(std::string_view text) {
    return is_printable(text) ? std::string{text} : "base64:" + to_base64(text);
}

// --- What a record says --------------------------------------------------------------------------

void describe(json::object& line, const Message& message) {
    line["topic"] = shown(message.topic());
    line["payload_bytes"] = message.payload().size();
    line["qos"] = static_cast<int>(message.qos());
}

struct Describer {
    json::object& line;

    std::string_view operator()(const storage::CounterRecord& one) const {
        line["last"] = one.last;
        return "counter";
    }
    std::string_view operator()(const storage::MessageRecord& one) const {
        line["number"] = one.number;
        describe(line, *one.message);
        return "message";
    }
    std::string_view operator()(const storage::RetainedRecord& one) const {
        describe(line, *one.message);
        return "retained";
    }
    std::string_view operator()(const storage::SessionRecord& one) const {
        line["client_id"] = shown(one.client_id);
        line["number"] = one.number;
        line["is_durable"] = one.is_durable;
        line["session_expiry_s"] = one.session_expiry_s;
        line["was_connected"] = one.is_connected;
        line["has_will"] = one.will.has_value();
        return "session";
    }
    std::string_view operator()(const storage::SubscriptionRecord& one) const {
        line["session"] = one.session;
        line["filter"] = shown(one.text);
        line["qos"] = static_cast<int>(one.options.qos);
        return "subscription";
    }
    std::string_view operator()(const storage::DeliveryRecord& one) const {
        constexpr auto names =
            std::to_array<std::string_view>({"waiting", "in_flight", "released"});
        line["session"] = one.session;
        line["sequence"] = one.sequence;
        line["state"] = names[static_cast<std::size_t>(one.state)];
        line["packet_id"] = one.packet_id;
        line["message"] = one.message;
        return "delivery";
    }
    std::string_view operator()(const storage::ReceivedRecord& one) const {
        line["session"] = one.session;
        line["packet_id"] = one.packet_id;
        return "received";
    }
    std::string_view operator()(const storage::ForwardRecord& one) const {
        line["number"] = one.number;
        line["message"] = one.message;
        line["to"] = one.to;
        return "forward";
    }
    std::string_view operator()(const storage::MarkRecord& one) const {
        line["from"] = one.from;
        line["number"] = one.number;
        return "mark";
    }
};

json::object line_of(unsigned shard, std::string_view key, Bytes value) {
    json::object line;
    line["shard"] = shard;
    if (is_printable(key))
        line["key"] = key;
    else
        line["key_base64"] = to_base64(key);
    line["value"] = to_base64(as_text(value));
    const auto record = storage::decode(key, value, no_offset);
    line["kind"] = record ? std::visit(Describer{line}, *record) : std::string_view{"damaged"};
    return line;
}

// --- Reading lines -------------------------------------------------------------------------------

[[noreturn]] void wrong_line(std::uint64_t number, const std::string& why) {
    throw StoreError{"import: line " + std::to_string(number) + ": " + why +
                     "; give what `touchstone ctl store export` has written"};
}

json::object read_line(std::uint64_t number, const std::string& text) {
    json::error_code failed;
    auto value = json::parse(text, failed);
    if (failed || !value.is_object()) wrong_line(number, "is no object of JSON");
    return std::move(value.as_object());
}

unsigned count_in(const json::object& line, const char* name, std::uint64_t number) {
    const auto* const value = line.if_contains(name);
    if (value == nullptr || !value->is_int64() || value->as_int64() < 0 ||
        value->as_int64() > 0xFFFF)
        wrong_line(number, std::string{"\""} + name + "\" is missing or no number");
    return static_cast<unsigned>(value->as_int64());
}

std::optional<std::string> text_in(const json::object& line, const char* name) {
    const auto* const value = line.if_contains(name);
    if (value == nullptr || !value->is_string()) return std::nullopt;
    return std::string{std::string_view{value->as_string()}};
}

/// Only for what draws nothing.
class NoRandom final : public Random {
public:
    std::uint64_t next() override { return ++last_; }

private:
    std::uint64_t last_ = 0;
};

}  // namespace

std::uint64_t export_records(Database& database, std::ostream& to) {
    const auto layout = database.directory().layout();
    to << json::serialize(
              json::object{{"touchstone_data", data_format}, {"shards", layout.shard_count}})
       << '\n';
    std::uint64_t count = 0;
    for (unsigned shard = 0; shard < layout.shard_count; ++shard) {
        const auto why =
            database.read(layout.generation, shard, [&](std::string_view key, Bytes value) {
                to << json::serialize(line_of(shard, key, value)) << '\n';
                ++count;
            });
        if (!why.empty()) throw StoreError{"export: " + why};
    }
    return count;
}

std::uint64_t import_records(const std::filesystem::path& path, std::istream& from) {
    std::string text;
    std::uint64_t number = 1;
    std::getline(from, text);
    const auto head = read_line(number, text);
    const auto format = count_in(head, "touchstone_data", number);
    if (format == 0 || format > data_format)
        wrong_line(number, "is of format " + std::to_string(format) +
                               ", this version reads up to " + std::to_string(data_format));
    const auto shard_count = count_in(head, "shards", number);
    if (shard_count == 0 || shard_count > 64) wrong_line(number, "\"shards\" is not 1 to 64");

    DataDirectory directory{path};
    if (directory.layout().shard_count != 0)
        throw StoreError{"import: " + path.string() + " has data; give a directory that has none"};
    directory.set_layout({.shard_count = shard_count});
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
    while (std::getline(from, text)) {
        const auto line = read_line(++number, text);
        const auto shard = count_in(line, "shard", number);
        auto key = text_in(line, "key");
        if (const auto coded = text_in(line, "key_base64"); coded) key = from_base64(*coded);
        const auto coded = text_in(line, "value");
        const auto value = coded ? from_base64(*coded) : std::nullopt;
        if (!key || !value) wrong_line(number, "has no key, or no value");
        if (shard >= shard_count) wrong_line(number, "has a shard that is not there");
        if (!storage::decode(*key, as_bytes(*value), no_offset))
            wrong_line(number, "has no record: it was damaged, or was changed");
        const KeyPrefix prefix{directory.layout().generation, shard};
        batch.Put(std::string{prefix.text()} + *key, *value);
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
    std::map<std::string, std::uint64_t> kinds;
    for (unsigned shard = 0; shard < layout.shard_count; ++shard) {
        const auto why =
            database.read(layout.generation, shard, [&](std::string_view key, Bytes value) {
                ++verdict.records;
                json::object line;
                const auto record = storage::decode(key, value, no_offset);
                ++kinds[record ? std::string{std::visit(Describer{line}, *record)} : "damaged"];
                node.records(shard).emplace(key, Buffer{value.begin(), value.end()});
            });
        if (!why.empty()) throw StoreError{"verify: " + why};
    }
    const auto useless = node.recover();
    for (unsigned shard = 0; shard < layout.shard_count; ++shard)
        for (const auto& key : useless[shard])
            verdict.bad.push_back("shard " + std::to_string(shard) + ": " + shown(key));
    for (const auto& [kind, count] : kinds)
        verdict.kinds.push_back(kind + " " + std::to_string(count));
    return verdict;
}

}  // namespace touchstone::rocksdb_driver
