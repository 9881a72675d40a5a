#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/util/delimited_message_util.h>

#include <istream>
#include <ostream>
#include <utility>
#include <variant>

#include "broker/rocksdb/dump.pb.h"
#include "broker/rocksdb/dump_format.hpp"
#include "broker/rocksdb/store_error.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::rocksdb_driver {

namespace {

// --- What a record says --------------------------------------------------------------------------

void describe(dump::Content& content, const Message& message) {
    content.set_topic(std::string{message.topic()});
    content.set_payload(std::string{as_text(message.payload())});
    content.set_qos(static_cast<std::uint32_t>(message.qos()));
}

struct Describer {
    dump::Record& item;

    void operator()(const storage::CounterRecord& one) const {
        item.mutable_counter()->set_last(one.last);
    }
    void operator()(const storage::MessageRecord& one) const {
        auto& said = *item.mutable_message();
        said.set_number(one.number);
        describe(*said.mutable_content(), *one.message);
    }
    void operator()(const storage::RetainedRecord& one) const {
        describe(*item.mutable_retained()->mutable_content(), *one.message);
    }
    void operator()(const storage::SessionRecord& one) const {
        auto& said = *item.mutable_session();
        said.set_client_id(one.client_id);
        said.set_number(one.number);
        said.set_is_durable(one.is_durable);
        said.set_session_expiry_s(one.session_expiry_s);
        said.set_was_connected(one.is_connected);
        said.set_has_will(one.will.has_value());
    }
    void operator()(const storage::SubscriptionRecord& one) const {
        auto& said = *item.mutable_subscription();
        said.set_session(one.session);
        said.set_filter(one.text);
        said.set_qos(static_cast<std::uint32_t>(one.options.qos));
    }
    void operator()(const storage::DeliveryRecord& one) const {
        auto& said = *item.mutable_delivery();
        said.set_session(one.session);
        said.set_sequence(one.sequence);
        said.set_state(static_cast<dump::Delivery::State>(one.state));
        said.set_packet_id(one.packet_id);
        said.set_message(one.message);
    }
    void operator()(const storage::ReceivedRecord& one) const {
        auto& said = *item.mutable_received();
        said.set_session(one.session);
        said.set_packet_id(one.packet_id);
    }
    void operator()(const storage::ForwardRecord& one) const {
        auto& said = *item.mutable_forward();
        said.set_number(one.number);
        said.set_message(one.message);
        said.set_to(one.to);
    }
    void operator()(const storage::MarkRecord& one) const {
        auto& said = *item.mutable_mark();
        said.set_from(one.from);
        said.set_number(one.number);
    }
};

// --- Items ---------------------------------------------------------------------------------------

class ProtobufWriter final : public DumpWriter {
public:
    explicit ProtobufWriter(std::ostream& to) : to_{to} {}
    void write(const DumpHead& head) override {
        dump::Item item;
        item.mutable_head()->set_format(head.format);
        item.mutable_head()->set_shards(head.shard_count);
        put(item);
    }
    void write(unsigned shard, std::string_view key, Bytes value) override {
        dump::Item item;
        auto& record = *item.mutable_record();
        record.set_shard(shard);
        record.set_key(std::string{key});
        record.set_value(std::string{as_text(value)});
        if (const auto known = storage::decode(key, value, no_offset))
            std::visit(Describer{record}, *known);
        put(item);
    }

private:
    void put(const dump::Item& item) {
        // Whoever has the stream asks it whether all could be written.
        google::protobuf::util::SerializeDelimitedToOstream(item, &to_);
    }

    std::ostream& to_;
};

class ProtobufReader final : public DumpReader {
public:
    explicit ProtobufReader(std::istream& from) : input_{&from} {}
    DumpHead head() override {
        const auto item = take();
        if (!item || !item->has_head()) wrong_at(place(), "is no head");
        return {.format = item->head().format(), .shard_count = item->head().shards()};
    }
    std::optional<DumpedRecord> next() override {
        auto item = take();
        if (!item) return std::nullopt;
        if (!item->has_record()) wrong_at(place(), "is no record");
        auto& record = *item->mutable_record();
        return DumpedRecord{.shard = record.shard(),
                            .key = std::move(*record.mutable_key()),
                            .value = std::move(*record.mutable_value())};
    }
    std::string place() const override { return "item " + std::to_string(number_); }

private:
    std::optional<dump::Item> take() {
        ++number_;
        dump::Item item;
        bool is_end = false;
        if (google::protobuf::util::ParseDelimitedFromZeroCopyStream(&item, &input_, &is_end))
            return item;
        if (!is_end) wrong_at(place(), "is cut off, or no item of dump.proto");
        return std::nullopt;
    }

    google::protobuf::io::IstreamInputStream input_;
    std::uint64_t number_ = 0;
};

}  // namespace

std::unique_ptr<DumpWriter> make_protobuf_writer(std::ostream& to) {
    return std::make_unique<ProtobufWriter>(to);
}

std::unique_ptr<DumpReader> make_protobuf_reader(std::istream& from) {
    return std::make_unique<ProtobufReader>(from);
}

}  // namespace touchstone::rocksdb_driver
