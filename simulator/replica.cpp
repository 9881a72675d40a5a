#include "simulator/replica.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::simulator {

using cluster::NodeIndex;

Replica::Replica(Engine& engine, Links& links, std::uint64_t entity, Options options)
    : engine_{engine},
      links_{links},
      options_{std::move(options)},
      owner_{engine.add_handler(*this)},
      random_{engine.stream(Domain::node, entity << 16U | 0xFFFFU, Purpose::core)},
      shards_(options_.shard_count) {}

void Replica::add_link(LinkIndex link) {
    ways_.push_back(link);
    for (const auto direction : {Direction::to_broker, Direction::to_client})
        if (is_stalled_[static_cast<std::size_t>(direction)])
            links_.set_stalled(link, direction, true);
}

// The process.

void Replica::start() {
    CHECK(!is_up());
    ++incarnation_;
    cluster::ReplicatedStore::Options options{
        .self = options_.self,
        .nodes = {},
        .shard_count = options_.shard_count,
        .defects = {.boot_needs_leader = has(Defect::raft_boot_needs_leader)}};
    for (std::uint32_t node = 0; node < options_.node_count; ++node)
        options.nodes.emplace_back(node);
    cluster::ReplicatedStore::Port& port = *this;
    store_ = std::make_unique<cluster::ReplicatedStore>(options, port, disk_);
    if (incarnation_ > 1) options_.mesh->on_up(options_.self);
    take([this] { store_->start(engine_.now()); });
}

void Replica::end(bool is_silent) {
    CHECK(is_up());
    drop_core(is_silent);
    store_.reset();
    is_paused_ = false;
    put_off_.clear();
    tick_at_.reset();
    linked_.clear();
    route_.reset();
    early_.clear();
    undialled_.clear();
    given_up_.reset();
    if (is_silent) {
        // Nobody tells the clients, and the leader has to find out.
        for (const auto way : ways_)
            for (const auto direction : {Direction::to_broker, Direction::to_client})
                links_.black_hole(way, direction);
    } else {
        reset_clients();
    }
    options_.mesh->on_down(options_.self, is_silent);
    for (auto* const one : all_) one->review_ways();
}

void Replica::pause() {
    CHECK(is_up() && !is_paused_);
    is_paused_ = true;
    if (core_->is_up()) core_->pause();
    options_.mesh->on_paused(options_.self, true);
    for (auto* const one : all_) one->review_ways();
}

void Replica::go_on() {
    if (!std::exchange(is_paused_, false)) return;
    options_.mesh->on_paused(options_.self, false);
    if (core_->is_up()) core_->go_on();
    for (const auto& input : std::exchange(put_off_, {})) input();
    tick_at_.reset();
    after_input();
    for (auto* const one : all_) one->review_ways();
}

template <class Input>
void Replica::take(Input input) {
    if (is_paused_) {
        put_off_.emplace_back(std::move(input));
        return;
    }
    input();
    after_input();
}

void Replica::after_input() {
    judge_core();
    for (auto stored = store_->take_stored(); !stored.empty(); stored = store_->take_stored()) {
        for (const auto& [shard, number] : stored) {
            // Of one that was before; or it knows already.
            if (!core_->is_up() || shards_[shard].under_way_since == never ||
                shards_[shard].number != number)
                continue;
            const auto begun_at = std::exchange(shards_[shard].under_way_since, never);
            if (begun_at + commit_time < engine_.now())
                slow_batches_.push_back({begun_at, engine_.now()});
            core_->on_stored(shard, number, StorageOutcome::stored);
        }
    }
    review_route();
    arm_timers();
}

void Replica::on_event(const Event& event) {
    if (event.detail != incarnation_ || !is_up()) return;
    switch (static_cast<EventKind>(event.kind)) {
        case tick:
            if (is_paused_ || tick_at_ != engine_.now()) return;
            tick_at_.reset();
            return take([this] { store_->on_tick(engine_.now()); });
        case lease_end:
            // Also of a process that is paused: nothing that it does later counts.
            if (!core_->is_up() || holds_lease()) return;
            if (has(Defect::confirm_in_minority)) {
                for (unsigned shard = 0; shard < shards_.size(); ++shard)
                    if (shards_[shard].under_way_since != never) answer_early(shard);
                return;
            }
            drop_core(options_.keeps_connections);
            for (auto* const one : all_) one->review_ways();
            return;
        case early_answers:
            if (is_paused_) {
                put_off_.emplace_back([this, event] { on_event(event); });
                return;
            }
            for (const auto& [shard, number] : std::exchange(early_, {}))
                if (core_->is_up()) core_->on_stored(shard, number, StorageOutcome::stored);
            return;
        case looked_up: return answer_readings();
    }
    UNREACHABLE();
}

void Replica::arm_timers() {
    const Instant next = std::max(store_->next_tick(), engine_.now());
    if (next != never && (!tick_at_ || next < *tick_at_)) {
        tick_at_ = next;
        engine_.schedule(next, {owner_, tick, 0, incarnation_});
    }
}

// The broker.

void Replica::judge_core() {
    const bool leads = holds_lease();
    // With a lease that has run out the clients may be those that the next leader gets.
    if (core_->is_up() && !leads && !has(Defect::confirm_in_minority))
        drop_core(options_.keeps_connections);
    if (!core_->is_up() && leads && store_->is_caught_up()) start_core();
    if (!core_->is_up() || !holds_lease() || store_->leads_until() == lease_armed_) return;
    lease_armed_ = store_->leads_until();
    engine_.schedule(lease_armed_, {owner_, lease_end, 0, incarnation_});
}

void Replica::start_core() {
    for (auto* const one : all_) {
        CHECK(!one->core_->is_up() || has(Defect::confirm_in_minority));
        one->drop_core(false);
    }
    static_cast<void>(store_->take_stored());  // of a broker that was here before
    options_.on_core(true);
    core_->start();
    for (auto* const one : all_) one->review_ways();
}

void Replica::drop_core(bool is_silent) {
    if (!core_->is_up()) return;
    options_.on_core(false);
    core_->crash(is_silent || is_paused_);
}

void Replica::put(unsigned shard, std::string_view key, Bytes value) {
    write(shard, {std::string{key}, Buffer{value.begin(), value.end()}});
}

void Replica::erase(unsigned shard, std::string_view key) {
    write(shard, {std::string{key}, std::nullopt});
}

void Replica::write(unsigned shard, cluster::RecordChange change) {
    auto& one = shards_[shard];
    if (one.open_since == never) one.open_since = engine_.now();
    one.open.push_back(std::move(change));
}

void Replica::commit(unsigned shard, BatchNumber number) {
    auto& one = shards_[shard];
    CHECK(one.under_way_since == never);
    one.number = number;
    one.under_way_since = std::min(engine_.now(), std::exchange(one.open_since, never));
    auto changes = std::exchange(one.open, {});
    const bool is_kept =
        store_->is_leader() && (holds_lease() || !has(Defect::confirm_in_minority));
    if (is_kept) store_->commit(shard, number, std::move(changes), engine_.now());
    if (!is_kept || has(Defect::ack_before_commit)) answer_early(shard);
}

void Replica::answer_early(unsigned shard) {
    shards_[shard].under_way_since = never;
    early_.push_back({shard, shards_[shard].number});
    engine_.schedule(engine_.now(), {owner_, early_answers, 0, incarnation_});
}

void Replica::read(unsigned shard, ReadNumber number, std::vector<std::string> keys) {
    readings_.push_back({shard, number, std::move(keys)});
    engine_.schedule_in(Duration::zero(), {owner_, looked_up, 0, incarnation_});
}

const Buffer* Replica::find(unsigned shard, std::string_view key) const {
    const auto& records = store_->records(shard);
    const auto found = records.find(key);
    return found == records.end() ? nullptr : &found->second;
}

void Replica::answer_readings() {
    for (; !readings_.empty(); readings_.pop_front()) {
        const auto reading = std::move(readings_.front());
        ReadAnswer answer;
        for (const auto& key : reading.keys) {
            const auto* const value = find(reading.shard, key);
            answer.values.push_back(value == nullptr ? std::nullopt : std::optional{*value});
        }
        if (core_->is_up()) core_->on_read(reading.shard, reading.number, answer);
    }
}

DiskLoss Replica::crash() {
    DiskLoss loss;
    readings_.clear();
    for (auto& shard : shards_) {
        loss.unsynced_since =
            std::min({loss.unsynced_since, shard.open_since, shard.under_way_since});
        shard = {};
    }
    early_.clear();
    // What is not stored may have come of a batch of another shard that had to wait, and that of
    // another one.
    for (int hops = 0; hops < 2; ++hops) {
        const auto since = loss.unsynced_since;
        for (const auto& batch : slow_batches_)
            if (since != never && batch.stored_at + commit_time >= since)
                loss.unsynced_since = std::min(loss.unsynced_since, batch.begun_at);
    }
    slow_batches_.clear();
    return loss;
}

// Its clients.

Node* Replica::broker() const {
    if (!is_up() || !route_ || route_ == given_up_) return nullptr;
    if (is_elsewhere() && !linked_.contains(*route_)) return nullptr;
    const auto& leader = of(*route_);
    if (has(Defect::stall_without_quorum) && !leader.reaches_all()) return nullptr;
    return leader.core_->is_serving() ? leader.core_ : nullptr;
}

bool Replica::accepts() {
    auto* const core = broker();
    if (core == nullptr && route_ && has(Defect::replica_not_ready_stall)) given_up_ = route_;
    return core != nullptr && core->accepts();
}

std::vector<NodeIndex> Replica::running() const {
    std::vector<NodeIndex> all{linked_.begin(), linked_.end()};
    all.push_back(options_.self);
    std::ranges::sort(all);
    return all;
}

void Replica::review_route() {
    auto next = store_->leader();
    if (!next) next = route_;  // the old one may be back
    if (next && *next != options_.self && !linked_.contains(*next)) next.reset();
    if (!next && options_.keeps_connections) next = route_;
    if (next == route_) return;
    reset_clients();
    route_ = next;
    given_up_.reset();
    review_ways();
}

void Replica::review_ways() {
    const bool is_away = is_elsewhere();
    set_way(Direction::to_broker,
            is_away && (is_paused_ || options_.mesh->is_cut(options_.self, *route_)));
    set_way(Direction::to_client,
            is_away && (is_paused_ || options_.mesh->is_cut(*route_, options_.self)));
    const bool is_unaware = route_ && of(*route_).is_paused_ && of(*route_).core_->is_up();
    if (std::exchange(is_unaware_, is_unaware) != is_unaware) links_.set_unaware(*this, is_unaware);
}

void Replica::set_way(Direction direction, bool is_stalled) {
    auto& known = is_stalled_[static_cast<std::size_t>(direction)];
    if (std::exchange(known, is_stalled) == is_stalled) return;
    for (const auto way : ways_) links_.set_stalled(way, direction, is_stalled);
}

void Replica::reset_clients() {
    for (const auto way : ways_) links_.cut(way);
}

void Replica::lose_clients_of(Replica& entrance) {
    for (const auto& [connection, node] : entrance.connections_)
        if (node == options_.self) links_.lose(connection);
}

void Replica::on_opened(ConnectionNumber connection) {
    connections_.insert_or_assign(connection, *route_);
    of(*route_).core_->on_opened(connection);
}

void Replica::on_bytes_ready(ConnectionNumber connection) {
    of(connections_.at(connection)).core_->on_bytes_ready(connection);
}

void Replica::on_written(ConnectionNumber connection, std::size_t size_bytes) {
    of(connections_.at(connection)).core_->on_written(connection, size_bytes);
}

void Replica::on_ended(ConnectionNumber connection, Ending ending) {
    const auto found = connections_.find(connection);
    if (found == connections_.end()) return;
    const auto node = found->second;
    connections_.erase(found);
    of(node).core_->on_ended(connection, ending);
}

// Other nodes.

void Replica::on_peer_up(NodeIndex peer) {
    take([this, peer] {
        if (undialled_.contains(peer)) return;
        linked_.insert(peer);
        store_->on_reachable(peer);
        // What was kept open has ended at the leader meanwhile.
        if (options_.keeps_connections && route_ == peer) reset_clients();
    });
}

void Replica::on_peer_down(NodeIndex peer) {
    take([this, peer] {
        linked_.erase(peer);
        if (store_->is_leader() && has(Defect::raft_no_redial)) undialled_.insert(peer);
        if (core_->is_up()) lose_clients_of(of(peer));
    });
}

void Replica::on_message(NodeIndex from, cluster::NodeMessage message) {
    take([this, from, message = std::move(message)] {
        if (undialled_.contains(from)) return;
        if (const auto* const raft = std::get_if<cluster::RaftMessage>(&message))
            store_->on_message(from, *raft, engine_.now());
    });
}

}  // namespace touchstone::simulator
