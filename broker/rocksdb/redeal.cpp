#include "broker/rocksdb/redeal.hpp"

#include <rocksdb/db.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/base/check.hpp"
#include "broker/broker.hpp"
#include "broker/rocksdb/offline_node.hpp"
#include "broker/rocksdb/store_error.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::rocksdb_driver {

namespace {

using storage::Number;

constexpr std::size_t batch_bytes_max = 4 << 20;

[[noreturn]] void fail(Database& database, const std::string& why) {
    throw StoreError{"data directory: " + database.directory().path().string() +
                     ": the records cannot be dealt out to another number of shards: " + why +
                     "; free some room on the disk, or start with --shards " +
                     std::to_string(database.directory().layout().shard_count)};
}

/// Numbers of a shard become numbers of all shards: behind those of the shards before it.
class Dealer {
public:
    Dealer(unsigned shard_count, Duration wall_offset)
        : wall_offset_{wall_offset},
          hands_(shard_count) {}

    void add(unsigned shard, const Records& records) {
        shard_ = shard;
        sessions_.clear();
        messages_.clear();
        wanted_.clear();
        Number highest = 0;
        std::vector<storage::Record> others;
        for (const auto& [key, value] : records) {
            auto record = storage::decode(key, value, wall_offset_);
            CHECK(record.has_value());  // the core has read it
            highest = std::max(highest, highest_in(*record));
            if (auto* const message = std::get_if<storage::MessageRecord>(&*record))
                messages_.emplace(message->number, std::move(message->message));
            else if (const auto* const session = std::get_if<storage::SessionRecord>(&*record))
                sessions_.emplace(session->number, owner(session->client_id));
            if (!std::holds_alternative<storage::MessageRecord>(*record))
                others.push_back(std::move(*record));
        }
        for (auto& record : others) std::visit([this](auto& one) { deal(one); }, record);
        for (const auto& [number, hand] : wanted_)
            put(hand, storage::MessageRecord{number + base_, messages_.at(number)});
        base_ += highest + 1;
    }
    std::vector<Records> take() {
        for (unsigned hand = 0; hand < hands_.size(); ++hand)
            put(hand, storage::CounterRecord{base_});
        return std::move(hands_);
    }
    [[nodiscard]] std::size_t left_over() const { return left_over_; }

private:
    static Number highest_in(const storage::Record& record) {
        if (const auto* const one = std::get_if<storage::CounterRecord>(&record)) return one->last;
        if (const auto* const one = std::get_if<storage::MessageRecord>(&record))
            return one->number;
        if (const auto* const one = std::get_if<storage::SessionRecord>(&record))
            return one->number;
        if (const auto* const one = std::get_if<storage::ForwardRecord>(&record))
            return one->number;
        if (const auto* const one = std::get_if<storage::DeliveryRecord>(&record))
            return std::max(one->sequence, one->started);
        return 0;
    }
    [[nodiscard]] unsigned owner(std::string_view name) const {
        return owner_of(name, static_cast<unsigned>(hands_.size())).raw();
    }
    void put(unsigned hand, const storage::Record& record) {
        auto key = storage::key_of(record);
        auto value = storage::encode(key, record, wall_offset_);
        hands_[hand].insert_or_assign(std::move(key), std::move(value));
    }

    void deal(storage::CounterRecord& /*record*/) {}
    void deal(storage::MessageRecord& /*record*/) {}
    void deal(storage::RetainedRecord& record) { put(owner(record.message->topic()), record); }
    void deal(storage::SessionRecord& record) {
        record.number += base_;
        put(owner(record.client_id), record);
    }
    void deal(storage::SubscriptionRecord& record) {
        const auto hand = sessions_.at(record.session);
        record.session += base_;
        put(hand, record);
    }
    void deal(storage::DeliveryRecord& record) {
        // What is for any member of a group may be with any shard.
        const bool is_shared = record.session == storage::no_session;
        const auto hand = is_shared ? shard_ % static_cast<unsigned>(hands_.size())
                                    : sessions_.at(record.session);
        if (record.message != 0) {
            wanted_.emplace(record.message, hand);
            record.message += base_;
        }
        if (!is_shared) record.session += base_;
        record.sequence += base_;
        if (record.started != 0) record.started += base_;
        put(hand, record);
    }
    void deal(storage::ReceivedRecord& record) {
        const auto hand = sessions_.at(record.session);
        record.session += base_;
        put(hand, record);
    }
    /// Was handed over, or nobody takes it.
    void deal(storage::ForwardRecord& /*record*/) { ++left_over_; }
    /// Who counts from a higher number needs none.
    void deal(storage::MarkRecord& /*record*/) {}

    Duration wall_offset_;
    std::vector<Records> hands_;
    Number base_ = 0;
    std::size_t left_over_ = 0;
    // Of the shard whose records are dealt.
    unsigned shard_ = 0;
    std::map<Number, unsigned> sessions_;  // who gets them
    std::map<Number, MessageRef> messages_;
    std::set<std::pair<Number, unsigned>> wanted_;  // messages, and who needs them
};

void write(Database& database, unsigned generation, const std::vector<Records>& hands) {
    rocksdb::WriteBatch batch;
    const auto flush = [&] {
        rocksdb::WriteOptions options;
        options.sync = true;
        const auto status = database.db().Write(options, &batch);
        if (!status.ok()) fail(database, status.ToString());
        batch.Clear();
    };
    for (unsigned shard = 0; shard < hands.size(); ++shard) {
        const KeyPrefix prefix{generation, shard};
        for (const auto& [key, value] : hands[shard]) {
            const auto text = as_text(value);
            batch.Put(std::string{prefix.text()} + key, rocksdb::Slice{text.data(), text.size()});
            if (batch.GetDataSize() > batch_bytes_max) flush();
        }
    }
    flush();
}

}  // namespace

void redeal(Database& database, const Redeal& how) {
    const auto from = database.directory().layout();
    OfflineNode node{{.shard_count = from.shard_count,
                      .rules = how.rules,
                      .random = how.random,
                      .now = how.now,
                      .wall_offset = how.wall_offset}};
    for (unsigned shard = 0; shard < from.shard_count; ++shard) {
        const auto why =
            database.read(from.generation, shard, [&](std::string_view key, Bytes value) {
                node.records(shard).emplace(key, Buffer{value.begin(), value.end()});
            });
        if (!why.empty()) fail(database, why);
    }
    const auto useless = node.recover();
    for (unsigned shard = 0; shard < from.shard_count; ++shard) {
        if (useless[shard].empty()) continue;
        spdlog::error("data directory: shard {}: {} records are of no use and are set aside", shard,
                      useless[shard].size());
        const auto why = database.set_aside(shard, useless[shard]);
        if (!why.empty()) fail(database, why);
    }
    Dealer dealer{how.shard_count, how.wall_offset};
    for (unsigned shard = 0; shard < from.shard_count; ++shard)
        dealer.add(shard, node.records(shard));
    if (dealer.left_over() != 0)
        fail(database,
             std::to_string(dealer.left_over()) + " messages between shards are left over");
    const auto hands = dealer.take();
    const Layout to{.shard_count = how.shard_count, .generation = 3 - from.generation};
    if (const auto why = database.remove(to.generation); !why.empty()) fail(database, why);
    write(database, to.generation, hands);
    database.directory().set_layout(to);
    // Who cannot does so at the next start.
    database.remove(from.generation);
    spdlog::info("data directory: {}: the records of {} shards were dealt out to {}",
                 database.directory().path().string(), from.shard_count, to.shard_count);
}

}  // namespace touchstone::rocksdb_driver
