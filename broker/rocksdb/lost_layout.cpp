#include "broker/rocksdb/lost_layout.hpp"

#include <algorithm>
#include <array>
#include <variant>

#include "broker/broker.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::rocksdb_driver {

namespace {

/// Which numbers of shards the records that were seen allow.
class Candidates {
public:
    Candidates() { is_possible_.fill(true); }

    void see(unsigned shard, const storage::Record& record) {
        has_records_ = true;
        need(shard);
        if (const auto* const one = std::get_if<storage::SessionRecord>(&record))
            need_owner(one->client_id, shard);
        else if (const auto* const retained = std::get_if<storage::RetainedRecord>(&record))
            need_owner(retained->message->topic(), shard);
        else if (const auto* const forward = std::get_if<storage::ForwardRecord>(&record))
            need(forward->to);
        else if (const auto* const mark = std::get_if<storage::MarkRecord>(&record))
            need(mark->from);
    }
    [[nodiscard]] bool has_records() const { return has_records_; }
    [[nodiscard]] std::optional<unsigned> fewest() const {
        const auto found = std::find(is_possible_.begin(), is_possible_.end(), true);
        if (found == is_possible_.end()) return std::nullopt;
        return static_cast<unsigned>(found - is_possible_.begin()) + 1;
    }

private:
    /// There is a shard of that number.
    void need(unsigned shard) {
        for (unsigned count = 1; count <= shard && count <= shard_count_max; ++count)
            is_possible_[count - 1] = false;
    }
    void need_owner(std::string_view name, unsigned shard) {
        for (unsigned count = 1; count <= shard_count_max; ++count)
            if (is_possible_[count - 1] && owner_of(name, count).raw() != shard)
                is_possible_[count - 1] = false;
    }

    bool has_records_ = false;
    std::array<bool, shard_count_max> is_possible_{};  // by number of shards, from 1
};

}  // namespace

std::optional<Layout> layout_of_records(Database& database) {
    std::optional<Layout> layout;
    for (const unsigned generation : {1U, 2U}) {
        Candidates candidates;
        for (unsigned shard = 0; shard < shard_count_max; ++shard) {
            const auto why =
                database.read(generation, shard, [&](std::string_view key, Bytes value) {
                    // One that cannot be read says nothing; what becomes of it is decided later.
                    if (const auto record = storage::decode(key, value, Duration{}))
                        candidates.see(shard, *record);
                });
            if (!why.empty()) return std::nullopt;
        }
        if (!candidates.has_records()) continue;
        const auto shard_count = candidates.fewest();
        if (layout || !shard_count) return std::nullopt;
        layout = Layout{.shard_count = *shard_count, .generation = generation};
    }
    return layout.value_or(Layout{.shard_count = 1});  // whatever it was, there is nothing to find
}

}  // namespace touchstone::rocksdb_driver
