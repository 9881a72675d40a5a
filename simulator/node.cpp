#include "simulator/node.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"
#include "simulator/node_gateway.hpp"
#include "simulator/node_shard.hpp"

namespace touchstone::simulator {

namespace {

template <class... Functions>
struct Overload : Functions... {
    using Functions::operator()...;
};
template <class... Functions>
Overload(Functions...) -> Overload<Functions...>;

std::uint64_t hash_of(std::string_view text) {
    Digest digest;
    digest.add(as_bytes(text));
    return digest.value();
}

void add_message(Digest& digest, const MessageRef& message) {
    digest.add(hash_of(message->topic()));
    digest.add(message->payload());
}

void add_peer_message(Digest& digest, const PeerMessage& message) {
    digest.add(message.index());
    std::visit(Overload{
                   [&](const PeerPublication& one) { add_message(digest, one.message); },
                   [&](const PeerSharedPublication& one) { add_message(digest, one.message); },
                   [&](const PeerAddRoute& one) { digest.add(hash_of(one.filter)); },
                   [&](const PeerRouteAdded& one) { digest.add(one.sequence); },
                   [&](const PeerRemoveRoute& one) { digest.add(hash_of(one.filter)); },
                   [&](const PeerGroupSize& one) {
                       digest.add(one.members);
                       digest.add(one.has_durable ? 1 : 0);
                   },
                   [&](const PeerStored& one) {
                       digest.add(one.receipt.number);
                       digest.add(static_cast<std::uint64_t>(one.refusal));
                   },
                   [&](const PeerRetained& one) { add_message(digest, one.message); },
                   [&](const PeerRecovered& one) { digest.add(one.last_taken); },
                   [&](const PeerReadiness& one) {
                       digest.add(static_cast<std::uint64_t>(one.publish));
                       digest.add(static_cast<std::uint64_t>(one.subscribe));
                   },
               },
               message);
}

/// When a run begins: not 1970, so that who mixes up the clocks is found out.
constexpr Duration run_begin_of_wall = std::chrono::hours{24 * 365};

/// The first multiple of `resolution` that is not before `at`.
Instant round_up(Instant at, Duration resolution) {
    if (resolution == Duration::zero()) return at;
    const auto remainder = at.time_since_epoch() % resolution;
    return remainder == Duration::zero() ? at : at + (resolution - remainder);
}

}  // namespace

Node::Node(Engine& engine, Links& links, std::uint64_t entity, NodeOptions options)
    : engine_{engine},
      links_{links},
      entity_{entity},
      options_{std::move(options)},
      rules_{options_.rules != nullptr ? options_.rules : access::open_rules(options_.settings)},
      owner_{engine.add_handler(*this)},
      accepts_{engine.stream(Domain::node, entity, Purpose::accept)} {
    CHECK(options_.shard_count >= 1);
    CHECK(options_.peer_delay_low <= options_.peer_delay_high);
    if (options_.storage)
        disk_ = std::make_unique<Disk>(
            engine, entity, options_.shard_count, *options_.storage,
            [this](unsigned shard, BatchNumber number, StorageOutcome outcome) {
                on_stored(shard, number, outcome);
            },
            [this](unsigned shard, ReadNumber number, const ReadAnswer& outcome) {
                on_read(shard, number, outcome);
            });
    store_ = disk_ ? disk_.get() : options_.store;
    const std::uint64_t pair_count = std::uint64_t{peer_count()} * peer_count();
    for (std::uint64_t pair = 0; pair < pair_count; ++pair) {
        channels_.push_back({.underway = {},
                             .delays = engine.stream(Domain::shard_pair, entity << 32U | pair,
                                                     Purpose::peer_delay)});
    }
}

Node::~Node() = default;

void Node::start() {
    CHECK(!is_up());
    ++incarnation_;
    make_shards();
    if (store_ != nullptr) recover();
    for (unsigned index = 0; is_up() && index < options_.shard_count; ++index) finish_turn(index);
    if (!options_.cluster || !is_up()) return;
    gateway_ = std::make_unique<Gateway>(*this);
    if (!has_begun_) return;
    is_serving_ = !options_.cluster->rules->has_database;
    gateway_->member().on_start(cluster::HealingStart::restarted, core_now());
    options_.cluster->mesh->on_up(options_.cluster->self);
    gateway_->arm_timer();
}

void Node::make_shards() {
    for (unsigned index = 0; index < options_.shard_count; ++index) {
        shards_.push_back(std::make_unique<Shard>(*this, index));
    }
}

void Node::recover() {
    unusable_records_ = 0;
    for (unsigned index = 0; index < options_.shard_count; ++index) {
        auto& broker = shards_[index]->broker();
        std::vector<std::string> unusable;
        for (const bool of_messages : {false, true})
            for (const auto& [key, value] : store_->records(index))
                if (storage::is_of_message(key) == of_messages && !broker.on_record(key, value))
                    unusable.push_back(key);
        std::ranges::move(broker.on_recovered(core_now()), std::back_inserter(unusable));
        for (const auto& key : unusable) store_->set_aside(index, key);
        unusable_records_ += unusable.size();
        unusable_records_ever_ += unusable.size();
    }
}

void Node::on_stored(unsigned shard, BatchNumber number, StorageOutcome outcome) {
    if (is_put_off([this, shard, number, outcome] { on_stored(shard, number, outcome); })) return;
    CHECK(is_up());  // what is under way is lost with the process
    shards_[shard]->broker().on_stored(number, outcome, core_now());
    finish_turn(shard);
}

void Node::on_read(unsigned shard, ReadNumber number, const ReadAnswer& outcome) {
    if (is_put_off([this, shard, number, outcome] { on_read(shard, number, outcome); })) return;
    CHECK(is_up());  // what is under way is lost with the process
    shards_[shard]->broker().on_read(number, outcome, core_now());
    finish_turn(shard);
}

void Node::crash(bool is_silent) {
    CHECK(is_up());
    is_paused_ = false;
    put_off_.clear();
    gateway_.reset();
    drop_shards(is_silent);
    if (store_ != nullptr) {
        const auto loss = store_->crash();
        if (options_.on_loss) options_.on_loss(loss);
    }
    links_.set_unaware(*this, false);
    if (options_.cluster) options_.cluster->mesh->on_down(options_.cluster->self, is_silent);
    // With the machine its steady clock begins anew.
    if (is_silent) uptime_lead_ += core_now() - run_begin;
}

void Node::drop_shards(bool is_silent) {
    counters_before_ += counters();
    shards_.clear();
    for (auto& one : channels_) one.underway.clear();
    questions_.clear();
    for (const auto& [number, attachment] : std::exchange(attachments_, {})) {
        // Without a machine nothing answers: to a client that is the same as silence.
        if (!is_silent) links_.abort(number, Direction::to_client);
        links_.set_unaware(number, false);
    }
}

void Node::stop() {
    CHECK(is_up());
    for (unsigned index = 0; index < options_.shard_count; ++index) {
        shards_[index]->broker().on_stop(core_now());
        finish_turn(index);
        if (!is_up()) return;  // by a fault of its own
    }
    if (store_ != nullptr) store_->finish();
    crash(false);
}

void Node::pause() {
    CHECK(is_up());
    CHECK(!is_paused_);
    is_paused_ = true;
    links_.set_unaware(*this, true);
    if (options_.cluster) options_.cluster->mesh->on_paused(options_.cluster->self, true);
}

void Node::go_on() {
    if (!std::exchange(is_paused_, false)) return;
    if (options_.cluster) options_.cluster->mesh->on_paused(options_.cluster->self, false);
    for (const auto& input : std::exchange(put_off_, {})) {
        input();
        if (!is_up()) return;  // it crashed, and what was put off is gone with it
    }
    links_.set_unaware(*this, false);
    if (!is_up()) return;
    for (unsigned index = 0; index < shards_.size(); ++index) {
        shards_[index]->tick_at.reset();
        arm_timer(index);
    }
    if (gateway_ == nullptr) return;
    gateway_->forget_timer();
    gateway_->arm_timer();
}

void Node::reload(std::shared_ptr<const access::NodeRules> rules) {
    if (is_put_off([this, rules] { reload(rules); })) return;
    rules_ = std::move(rules);
    for (unsigned index = 0; index < shards_.size(); ++index) {
        shards_[index]->broker().on_rules(rules_, core_now());
        finish_turn(index);
    }
}

Instant Node::core_now() const {
    const Instant now = engine_.now();
    return (clock_ == nullptr ? now : clock_->steady_at(now)) - uptime_lead_;
}

Duration Node::wall_offset() const {
    const Instant now = engine_.now();
    const Instant wall = (clock_ == nullptr ? now : clock_->wall_at(now)) + run_begin_of_wall;
    return wall - core_now();
}

void Node::on_clock_changed(const Clock& clock) {
    clock_ = &clock;
    for (unsigned index = 0; index < shards_.size(); ++index) {
        shards_[index]->tick_at.reset();
        arm_timer(index);
    }
}

std::optional<SessionView> Node::session(std::string_view client_id) const {
    if (!is_up()) return std::nullopt;
    const auto owner = owner_of(client_id, options_.shard_count);
    auto view = shards_[owner.raw()]->broker().session(client_id);
    if (!view) return view;
    // What the session has on the disk only is its as well.
    auto key = view->paged.begin();
    for (auto& message : view->queue) {
        if (message) continue;
        const auto* const value = store_->find(owner.raw(), *key);
        auto record =
            value == nullptr ? std::nullopt : storage::decode(*key, *value, wall_offset());
        CHECK(record && std::holds_alternative<storage::MessageRecord>(*record));
        message = std::get<storage::MessageRecord>(*record).message;
        ++key;
    }
    return view;
}

std::vector<std::string> Node::client_ids() const {
    std::vector<std::string> all;
    for (const auto& shard : shards_)
        std::ranges::move(shard->broker().client_ids(), std::back_inserter(all));
    std::ranges::sort(all);
    return all;
}

MessageRef Node::retained(unsigned shard, std::string_view topic) const {
    if (!is_up()) return {};
    return shards_[shard]->broker().retained(topic);
}

Counters Node::counters() const {
    Counters sum;
    for (const auto& shard : shards_) sum += shard->broker().counters();
    return sum;
}

Counters Node::counters_ever() const {
    Counters sum = counters_before_;
    sum += counters();
    return sum;
}

Gauges Node::gauges() const {
    Gauges sum;
    for (const auto& shard : shards_) {
        const Gauges one = shard->broker().gauges();
        sum.connections += one.connections;
        sum.sessions += one.sessions;
        sum.subscriptions += one.subscriptions;
        sum.queued_messages += one.queued_messages;
        sum.intake_bytes += one.intake_bytes;
        sum.inflight_messages += one.inflight_messages;
        // Every shard has a copy.
        sum.retained_messages = std::max(sum.retained_messages, one.retained_messages);
    }
    return sum;
}

std::size_t Node::peer_messages_underway() const {
    std::size_t sum = 0;
    for (const auto& one : channels_) sum += one.underway.size();
    return sum;
}

std::vector<Node::Underway> Node::publications_underway() const {
    std::vector<Underway> all;
    for (std::size_t pair = 0; pair < channels_.size(); ++pair) {
        const auto to = static_cast<unsigned>(pair % peer_count());
        for (const auto& item : channels_[pair].underway) {
            const auto* message = std::get_if<PeerMessage>(&item);
            if (message == nullptr) continue;
            if (const auto* one = std::get_if<PeerPublication>(message))
                all.push_back({to, {}, one->message});
            if (const auto* one = std::get_if<PeerSharedPublication>(message))
                all.push_back({to, one->group, one->message});
        }
    }
    return all;
}

bool Node::accepts() {
    if (!is_serving()) return false;
    const auto interval = options_.accept_interval;
    next_accept_at_ = std::max(next_accept_at_, engine_.now());
    if (next_accept_at_ - engine_.now() > interval * options_.accept_backlog) return false;
    next_accept_at_ += interval;
    return true;
}

void Node::on_opened(ConnectionNumber connection) {
    auto& attachment = attachments_[connection];
    attachment.is_moving = true;  // from the operating system to a shard
    if (is_put_off([this, connection] { on_opened(connection); })) return;
    attach(connection, static_cast<unsigned>(accepts_.below(options_.shard_count)));
}

void Node::on_bytes_ready(ConnectionNumber connection) {
    if (is_put_off([this, connection] { deliver(connection); })) return;
    deliver(connection);
}

void Node::on_written(ConnectionNumber connection, std::size_t size_bytes) {
    if (is_put_off([this, connection, size_bytes] { on_written(connection, size_bytes); })) return;
    const auto found = attachments_.find(connection);
    // Nobody waits for the bytes of a connection that was closed; a moving one has sent none.
    if (found == attachments_.end() || found->second.is_moving) return;
    const auto [shard, id] = std::pair{found->second.shard, found->second.id};
    shards_[shard]->broker().on_written(id, size_bytes, core_now());
    finish_turn(shard);
}

void Node::on_ended(ConnectionNumber connection, Ending ending) {
    if (is_put_off([this, connection, ending] { on_ended(connection, ending); })) return;
    const auto found = attachments_.find(connection);
    if (found == attachments_.end()) return;
    auto& attachment = found->second;
    if (attachment.is_moving) {
        attachment.is_over = true;
        return;
    }
    const auto [shard, id] = std::pair{attachment.shard, attachment.id};
    attachments_.erase(found);
    shards_[shard]->leave(id);
    shards_[shard]->broker().on_close(id, core_now());
    finish_turn(shard);
}

void Node::on_event(const Event& event) {
    // go_on() looks at the time.
    if ((event.kind == tick || event.kind == member_tick) && is_paused_) return;
    if (is_put_off([this, event] { on_event(event); })) return;
    switch (static_cast<EventKind>(event.kind)) {
        case tick: {
            if (event.detail != incarnation_ || !is_up()) return;
            auto& shard = *shards_[event.subject];
            if (shard.tick_at != engine_.now()) return;
            shard.tick_at.reset();
            shard.broker().on_tick(core_now());
            finish_turn(event.subject);
            return;
        }
        case peer: {
            if (event.detail != incarnation_ || !is_up()) return;
            const unsigned from = event.subject / peer_count();
            const unsigned to = event.subject % peer_count();
            auto& underway = channel(from, to).underway;
            CHECK(!underway.empty());
            Item item = std::move(underway.front());
            underway.pop_front();
            return arrive(from, to, std::move(item));
        }
        case resume:
            if (event.detail == incarnation_ && is_up()) {
                on_resume(ConnectionNumber{event.subject});
            }
            return;
        case authenticated:
            if (event.detail == incarnation_ && is_up()) answer_next_question();
            return;
        case member_tick:
            if (gateway_ == nullptr || event.detail != gateway_->incarnation()) return;
            gateway_->on_tick();
            return gateway_->arm_timer();
        case restarted:
            if (gateway_ == nullptr || event.detail != gateway_->incarnation()) return;
            gateway_->member().on_restarted(core_now());
            return gateway_->arm_timer();
    }
    UNREACHABLE();
}

void Node::deliver(ConnectionNumber number) {
    const auto found = attachments_.find(number);
    if (found == attachments_.end()) return;
    auto& attachment = found->second;
    // What is not taken stays in the link, so that the client gets stuck as it should.
    if (attachment.is_moving || attachment.is_stalled) return;
    // The core may close the connection, and the attachment with its bytes, before it returns.
    Buffer bytes = links_.take(number, Direction::to_broker);
    if (!attachment.unconsumed.empty()) {
        append(attachment.unconsumed, bytes);
        bytes = std::exchange(attachment.unconsumed, {});
    }
    if (bytes.empty()) return;
    const unsigned shard = attachment.shard;
    // A move takes along all from the CONNECT on; how much that is only the return value tells.
    const Intake intake = shards_[shard]->broker().on_bytes(attachment.id, bytes, core_now());
    CHECK(intake.consumed_bytes <= bytes.size());
    wanted_bytes_max_ = std::max(wanted_bytes_max_, intake.wanted_bytes);
    if (const auto still = attachments_.find(number); still != attachments_.end()) {
        still->second.unconsumed.assign(
            bytes.begin() + static_cast<std::ptrdiff_t>(intake.consumed_bytes), bytes.end());
        CHECK((intake.next == Intake::Next::gone) == still->second.is_moving);
        // A driver that does not read does not notice an orderly end either.
        still->second.is_stalled = intake.next == Intake::Next::stalled;
        links_.set_reading(number, Direction::to_broker,
                           !still->second.is_stalled && !still->second.is_moving);
    } else {
        CHECK(intake.next == Intake::Next::gone);
    }
    finish_turn(shard);
}

void Node::on_resume(ConnectionNumber number) {
    const auto found = attachments_.find(number);
    if (found == attachments_.end() || !found->second.is_stalled) return;
    found->second.is_stalled = false;
    deliver(number);
    const auto still = attachments_.find(number);
    if (still == attachments_.end() || still->second.is_stalled || still->second.is_moving) return;
    links_.set_reading(number, Direction::to_broker, true);
}

void Node::answer_next_question() {
    CHECK(!questions_.empty());
    const auto question = std::move(questions_.front());
    questions_.pop_front();
    if (question.is_forgotten) return;
    auto answer = options_.authority->answer(question.shard, question.number, question.content);
    shards_[question.shard]->broker().on_authenticated(question.number, std::move(answer),
                                                       core_now());
    finish_turn(question.shard);
}

void Node::attach(ConnectionNumber number, unsigned shard) {
    const auto found = attachments_.find(number);
    if (found == attachments_.end()) return;  // all were disconnected while it was on its way
    if (found->second.is_over) {
        attachments_.erase(found);
        return;
    }
    auto& attachment = found->second;
    attachment.shard = shard;
    attachment.is_moving = false;
    links_.set_reading(number, Direction::to_broker, true);
    attachment.id = shards_[shard]->enter(number);
    shards_[shard]->broker().on_open(attachment.id, core_now());
    finish_turn(shard);
    deliver(number);
    const auto still = attachments_.find(number);
    if (still == attachments_.end() || !still->second.is_moving) links_.set_unaware(number, false);
}

void Node::arrive(unsigned from, unsigned to, Item item) {
    if (const auto* const message = std::get_if<PeerMessage>(&item))
        add_peer_message(engine_.digest(), *message);
    else if (!std::holds_alternative<Move>(item))
        engine_.digest().add(item.index());
    if (to == options_.shard_count) return arrive_at_gateway(from, std::move(item));
    if (const auto* const move = std::get_if<Move>(&item)) return attach(move->connection, to);
    auto& broker = shards_[to]->broker();
    if (auto* const message = std::get_if<PeerMessage>(&item)) {
        broker.on_peer(ShardIndex{from}, std::move(*message), core_now());
    } else if (auto* const claimed = std::get_if<Claimed>(&item)) {
        broker.on_claimed(claimed->number, std::move(claimed->answer), core_now());
    } else if (const auto* const eviction = std::get_if<Eviction>(&item)) {
        put(to, from,
            Evicted{eviction->number,
                    broker.on_evicted(eviction->client_id, eviction->fate, core_now())});
    } else if (const auto* const adoption = std::get_if<Adoption>(&item)) {
        broker.on_adopted(*adoption->session, core_now());
    } else {
        UNREACHABLE();
    }
    finish_turn(to);
}

void Node::put(unsigned from, unsigned to, Item item) {
    auto& one = channel(from, to);
    const Duration delay = one.delays.between(options_.peer_delay_low, options_.peer_delay_high);
    one.last_due = std::max(one.last_due, engine_.now() + delay);
    one.underway.push_back(std::move(item));
    engine_.schedule(one.last_due, {owner_, peer, from * peer_count() + to, incarnation_});
}

void Node::finish_turn(unsigned index) {
    auto& shard = *shards_[index];
    if (shard.broker().has_crashed()) {
        if (options_.on_death) options_.on_death();
        return crash(false);
    }
    shard.publish_presence();
    // What on_written lets the core send is written in the same turn.
    for (;;) {
        const auto& unwritten = shard.take_unwritten();
        if (unwritten.empty()) break;
        for (const auto number : unwritten) {
            const auto entered_bytes = links_.flush(number, Direction::to_client);
            unwritten_bytes_max_ =
                std::max(unwritten_bytes_max_, links_.waiting_bytes(number, Direction::to_client));
            const auto found = attachments_.find(number);
            if (entered_bytes == 0 || found == attachments_.end() || found->second.is_moving) {
                continue;
            }
            shard.broker().on_written(found->second.id, entered_bytes, core_now());
        }
    }
    arm_timer(index);
}

void Node::arm_timer(unsigned index) {
    auto& shard = *shards_[index];
    const auto next_tick = shard.broker().next_tick();
    if (!next_tick) return;
    const Instant reading = round_up(*next_tick, options_.timer_resolution) + uptime_lead_;
    const Instant at =
        std::max(clock_ == nullptr ? reading : clock_->when_steady_shows(reading), engine_.now());
    if (at == never) return;  // the machine sleeps; on_clock_changed() arms it anew
    if (shard.tick_at && *shard.tick_at <= at) return;
    // A core whose tick leaves something due at once for ever would stop virtual time.
    constexpr unsigned ticks_at_one_instant_max = 100'000;
    shard.ticks_at_one_instant = at == engine_.now() ? shard.ticks_at_one_instant + 1 : 0;
    CHECK(shard.ticks_at_one_instant < ticks_at_one_instant_max);
    shard.tick_at = at;
    engine_.schedule(at, {owner_, tick, index, incarnation_});
}

}  // namespace touchstone::simulator
