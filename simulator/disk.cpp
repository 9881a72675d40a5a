#include "simulator/disk.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone::simulator {

namespace {

bool is_lie(const DiskFault& fault) {
    switch (fault.kind) {
        case DiskFault::Kind::slow:
        case DiskFault::Kind::full:
        case DiskFault::Kind::failing: return false;
        case DiskFault::Kind::lost:
        case DiskFault::Kind::torn:
        case DiskFault::Kind::late: return true;
    }
    UNREACHABLE();
}

/// How far back a crash can reach.
std::size_t unflushed_max(const DiskFault& lie) {
    return lie.kind == DiskFault::Kind::late ? 2 : lie.batches;
}

}  // namespace

Disk::Disk(Engine& engine, std::uint64_t entity, unsigned shard_count, DiskOptions options,
           OnOutcome on_outcome, OnRead on_read)
    : engine_{engine},
      options_{options},
      on_outcome_{std::move(on_outcome)},
      on_read_{std::move(on_read)},
      owner_{engine.add_handler(*this)} {
    CHECK(options.sync_low <= options.sync_high);
    for (unsigned shard = 0; shard < shard_count; ++shard) {
        shards_.push_back(
            {.stored = {},
             .unflushed = {},
             .under_way = {},
             .open = {},
             .number = std::nullopt,
             .due_at = never,
             .commits = 0,
             .syncs = engine.stream(Domain::node, entity << 16U | shard, Purpose::sync),
             .tears = engine.stream(Domain::node, entity << 16U | shard, Purpose::tear)});
    }
    if (options_.make_medium) medium_ = options_.make_medium(shard_count);
}

void Disk::put(unsigned shard, std::string_view key, Bytes value) {
    write(shard, {std::string{key}, Buffer{value.begin(), value.end()}});
}

void Disk::erase(unsigned shard, std::string_view key) {
    write(shard, {std::string{key}, std::nullopt});
}

void Disk::set_aside(unsigned shard, const std::string& key) {
    shards_[shard].stored.erase(key);
    if (medium_) medium_->set_aside(shard, key);
}

void Disk::write(unsigned shard, Change change) {
    auto& open = shards_[shard].open;
    if (open.changes.empty()) open.begun_at = engine_.now();
    open.changes.push_back(std::move(change));
}

void Disk::commit(unsigned shard, BatchNumber number) {
    auto& one = shards_[shard];
    CHECK(!one.number.has_value());
    one.number = number;
    one.under_way = std::exchange(one.open, {});
    ++one.commits;
    if (medium_) medium_->begin(shard, one.under_way.changes);
    const auto* const slow = last_of(DiskFault::Kind::slow);
    const Duration low = slow == nullptr ? options_.sync_low : slow->sync_low;
    const Duration high = slow == nullptr ? options_.sync_high : slow->sync_high;
    const Duration takes = one.syncs.between(low, high);
    one.due_at = engine_.now() + takes;
    engine_.schedule(one.due_at, {owner_, synced, shard, one.commits});
}

void Disk::read(unsigned shard, ReadNumber number, std::vector<std::string> keys) {
    const auto* const slow = last_of(DiskFault::Kind::slow);
    readings_.emplace(++reading_count_, Reading{shard, number, std::move(keys)});
    engine_.schedule_in(slow == nullptr ? options_.sync_low : slow->sync_low,
                        {owner_, looked_up, 0, reading_count_});
}

const Buffer* Disk::find(unsigned shard, std::string_view key) const {
    const auto& one = shards_[shard];
    // The change that was written last counts.
    for (auto batch = one.unflushed.rbegin(); batch != one.unflushed.rend(); ++batch)
        for (auto change = batch->changes.rbegin(); change != batch->changes.rend(); ++change)
            if (change->key == key) return change->value ? &*change->value : nullptr;
    const auto found = one.stored.find(key);
    return found == one.stored.end() ? nullptr : &found->second;
}

void Disk::answer(const Reading& reading) {
    ReadAnswer outcome;
    if (last_of(DiskFault::Kind::failing) == nullptr) {
        for (const auto& key : reading.keys) {
            const auto* const value = find(reading.shard, key);
            outcome.values.push_back(value == nullptr ? std::nullopt : std::optional{*value});
        }
    }
    on_read_(reading.shard, reading.number, outcome);
}

void Disk::finish() {
    for (bool is_busy = true; is_busy;) {
        is_busy = false;
        for (unsigned shard = 0; shard < shards_.size(); ++shard) {
            if (!shards_[shard].number) continue;
            is_busy = true;
            complete(shard);
        }
    }
    // Who takes the time to stop takes the time to flush.
    for (auto& shard : shards_)
        while (!shard.unflushed.empty()) flush_oldest(shard);
}

void Disk::on_event(const Event& event) {
    if (event.kind == looked_up) {
        const auto reading = readings_.extract(event.detail);
        if (!reading.empty()) answer(reading.mapped());  // else of a process that is gone
        return;
    }
    const auto& shard = shards_[event.subject];
    // Of a process that is gone, or done before its time.
    if (!shard.number || event.detail != shard.commits) return;
    complete(event.subject);
}

void Disk::complete(unsigned shard) {
    auto& one = shards_[shard];
    const auto number = *std::exchange(one.number, std::nullopt);
    auto batch = std::exchange(one.under_way, {});
    const bool is_full = last_of(DiskFault::Kind::full) != nullptr;
    if (is_full || last_of(DiskFault::Kind::failing) != nullptr) {
        // Open again, in front of what was written since.
        std::ranges::move(one.open.changes, std::back_inserter(batch.changes));
        batch.begun_at = std::min(batch.begun_at, one.open.begun_at);
        one.open = std::move(batch);
        return on_outcome_(shard, number, is_full ? StorageOutcome::full : StorageOutcome::failed);
    }
    if (medium_) medium_->finish(shard);
    if (!batch.changes.empty()) one.unflushed.push_back(std::move(batch));
    const auto* const lie = this->lie();
    const std::size_t kept = lie == nullptr ? 0 : unflushed_max(*lie);
    while (one.unflushed.size() > kept) flush_oldest(one);
    on_outcome_(shard, number, StorageOutcome::stored);
}

void Disk::store(Shard& shard, Batch& batch, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        auto& [key, value] = batch.changes[i];
        if (value)
            shard.stored.insert_or_assign(key, std::move(*value));
        else
            shard.stored.erase(key);
    }
}

void Disk::flush_oldest(Shard& shard) {
    auto& oldest = shard.unflushed.front();
    store(shard, oldest, oldest.changes.size());
    shard.unflushed.erase(shard.unflushed.begin());
}

// --- Faults --------------------------------------------------------------------------------------

void Disk::begin(FaultNumber number, const DiskFault& fault) {
    CHECK(fault.sync_low <= fault.sync_high);
    CHECK(fault.batches != 0);
    CHECK(medium_ == nullptr || fault.kind == DiskFault::Kind::slow);
    faults_.emplace_back(number, fault);
}

void Disk::end(FaultNumber number) {
    std::erase_if(faults_, [number](const auto& one) { return one.first == number; });
    if (lie() != nullptr) return;
    for (auto& shard : shards_)
        while (!shard.unflushed.empty()) flush_oldest(shard);
}

const DiskFault* Disk::last_of(DiskFault::Kind kind) const {
    const auto found = std::find_if(faults_.rbegin(), faults_.rend(),
                                    [kind](const auto& one) { return one.second.kind == kind; });
    return found == faults_.rend() ? nullptr : &found->second;
}

const DiskFault* Disk::lie() const {
    const auto found = std::find_if(faults_.rbegin(), faults_.rend(),
                                    [](const auto& one) { return is_lie(one.second); });
    return found == faults_.rend() ? nullptr : &found->second;
}

DiskLoss Disk::crash() {
    DiskLoss loss;
    readings_.clear();
    for (auto& shard : shards_) {
        if (const auto* const lie = this->lie()) lose(shard, *lie, loss);
        while (!shard.unflushed.empty()) flush_oldest(shard);
        for (const auto* batch : {&shard.under_way, &shard.open})
            loss.unsynced_since = std::min(loss.unsynced_since, batch->begun_at);
        shard.under_way = {};
        shard.open = {};
        shard.number.reset();
    }
    if (!medium_) return loss;
    medium_->cut_power();
    for (unsigned shard = 0; shard < shards_.size(); ++shard)
        shards_[shard].stored = medium_->records(shard);
    return loss;
}

void Disk::lose(Shard& shard, const DiskFault& lie, DiskLoss& loss) {
    auto& called_stored = shard.unflushed;
    const auto note = [&](const Batch& batch) {
        loss.broken_since = std::min(loss.broken_since, batch.begun_at);
        loss.lie = lie.kind;
    };
    // The last one that the disk has got, whole, with nothing behind it.
    const auto take_last = [&]() -> std::optional<Batch> {
        if (!shard.under_way.changes.empty()) return std::exchange(shard.under_way, {});
        if (called_stored.empty()) return std::nullopt;
        auto last = std::move(called_stored.back());
        called_stored.pop_back();
        return last;
    };
    switch (lie.kind) {
        case DiskFault::Kind::lost:
            for (unsigned i = 0; i < lie.batches && !called_stored.empty(); ++i) {
                note(called_stored.back());
                called_stored.pop_back();
            }
            return;
        case DiskFault::Kind::torn: {
            auto last = take_last();
            if (!last) return;
            note(*last);
            while (!called_stored.empty()) flush_oldest(shard);
            const auto count = static_cast<std::size_t>(shard.tears.below(last->changes.size()));
            return store(shard, *last, count);
        }
        case DiskFault::Kind::late: {
            auto last = take_last();
            if (!last) return;
            if (called_stored.empty()) {
                // There is none before it: it is there, called stored or not.
                loss.unsynced_since = std::min(loss.unsynced_since, last->begun_at);
            } else {
                note(called_stored.back());
                note(*last);
                called_stored.pop_back();
            }
            while (!called_stored.empty()) flush_oldest(shard);
            return store(shard, *last, last->changes.size());
        }
        case DiskFault::Kind::slow:
        case DiskFault::Kind::full:
        case DiskFault::Kind::failing: break;
    }
    UNREACHABLE();
}

}  // namespace touchstone::simulator
