#include <boost/json/src.hpp>  // the library's only home here

#include <algorithm>
#include <array>
#include <istream>
#include <openssl/evp.h>
#include <ostream>
#include <utility>
#include <variant>

#include "broker/rocksdb/dump_format.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::rocksdb_driver {

namespace {

namespace json = boost::json;

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

json::object read_line(const std::string& place, const std::string& text) {
    json::error_code failed;
    auto value = json::parse(text, failed);
    if (failed || !value.is_object()) wrong_at(place, "is no object of JSON");
    return std::move(value.as_object());
}

unsigned count_in(const json::object& line, const char* name, const std::string& place) {
    const auto* const value = line.if_contains(name);
    if (value == nullptr || !value->is_int64() || value->as_int64() < 0 ||
        value->as_int64() > 0xFFFF)
        wrong_at(place, std::string{"\""} + name + "\" is missing or no number");
    return static_cast<unsigned>(value->as_int64());
}

std::optional<std::string> text_in(const json::object& line, const char* name) {
    const auto* const value = line.if_contains(name);
    if (value == nullptr || !value->is_string()) return std::nullopt;
    return std::string{std::string_view{value->as_string()}};
}

class JsonWriter final : public DumpWriter {
public:
    explicit JsonWriter(std::ostream& to) : to_{to} {}
    void write(const DumpHead& head) override {
        to_ << json::serialize(
                   json::object{{"touchstone_data", head.format}, {"shards", head.shard_count}})
            << '\n';
    }
    void write(unsigned shard, std::string_view key, Bytes value) override {
        to_ << json::serialize(line_of(shard, key, value)) << '\n';
    }

private:
    std::ostream& to_;
};

class JsonReader final : public DumpReader {
public:
    explicit JsonReader(std::istream& from) : from_{from} {}
    DumpHead head() override {
        next_line();
        const auto line = read_line(place(), text_);
        return {.format = count_in(line, "touchstone_data", place()),
                .shard_count = count_in(line, "shards", place())};
    }
    std::optional<DumpedRecord> next() override {
        if (!next_line()) return std::nullopt;
        const auto line = read_line(place(), text_);
        DumpedRecord record{.shard = count_in(line, "shard", place()), .key = {}, .value = {}};
        auto key = text_in(line, "key");
        if (const auto coded = text_in(line, "key_base64"); coded) key = from_base64(*coded);
        const auto coded = text_in(line, "value");
        auto value = coded ? from_base64(*coded) : std::nullopt;
        if (!key || !value) wrong_at(place(), "has no key, or no value");
        record.key = std::move(*key);
        record.value = std::move(*value);
        return record;
    }
    std::string place() const override { return "line " + std::to_string(number_); }

private:
    bool next_line() {
        ++number_;
        text_.clear();
        return static_cast<bool>(std::getline(from_, text_));
    }

    std::istream& from_;
    std::string text_;
    std::uint64_t number_ = 0;
};

}  // namespace

std::string shown(std::string_view text) {
    return is_printable(text) ? std::string{text} : "base64:" + to_base64(text);
}

std::unique_ptr<DumpWriter> make_json_writer(std::ostream& to) {
    return std::make_unique<JsonWriter>(to);
}

std::unique_ptr<DumpReader> make_json_reader(std::istream& from) {
    return std::make_unique<JsonReader>(from);
}

}  // namespace touchstone::rocksdb_driver
