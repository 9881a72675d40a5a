#include "broker/asio/shard.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

#include "broker/asio/clock.hpp"
#include "broker/base/check.hpp"

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;

/// From here on a payload is referred to; copying shorter ones costs less than an entry of their
/// own in a list.
constexpr std::size_t referenced_bytes_min = 2048;
/// Output of one connection that is written before the turn ends. Well below the core's
/// unwritten_bytes_max, so that a burst of many publishers to one fast subscriber is not mistaken
/// for a subscriber that does not read.
constexpr std::size_t gathered_bytes_max = 64 * 1024;
/// What is not read is excused so often, well below the shortest time that Keep Alive allows.
constexpr Duration excuse_interval = 250ms;
/// Bytes of input after which it is looked at how much output they have become.
constexpr std::size_t slice_bytes_max = 4096;
constexpr int letters_per_turn_max = 1024;

double thread_cpu_s() {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

bool is_debug_logged() {
    return spdlog::should_log(spdlog::level::debug);
}

}  // namespace

Shard::Shard(SharedNode& node, Plans plans, std::shared_ptr<const access::NodeRules> rules,
             Options options)
    : options_{options},
      node_{node},
      plans_{std::move(plans)},
      rules_{std::move(rules)},
      doors_(node.listeners.size()),
      storage_{options.store == nullptr ? nullptr : &options.store->port(options.self.raw())},
      broker_{rules_,
              {.self = options.self,
               .shard_count = options.shard_count,
               .defects = {},
               .wall_offset = options.wall_offset},
              {.network = *this,
               .peers = *this,
               .random = random_,
               .authentication = this,
               .events = this,
               .storage = storage_},
              options.record,
              options.record == nullptr ? 0 : options.record->size_bytes_max()},
      now_{read_clock()},
      input_(options.limits.read_bytes_max),
      table_{node.tables.empty() ? nullptr : node.tables[options.self.raw()].get()},
      departures_(table_ == nullptr ? 0 : options.shard_count),
      arrivals_from_(table_ == nullptr ? 0 : options.shard_count) {
    CHECK(plans_.size() == doors_.size());
    for (unsigned from = 0; from < options.shard_count; ++from) {
        const bool is_self = ShardIndex{from} == options.self;
        letters_from_.push_back(is_self ? nullptr : std::make_unique<Letterbox>());
    }
    for (std::uint16_t listener = 0; listener < doors_.size(); ++listener) {
        watch(listener);
        if (!doors_[listener].is_watched) {
            throw std::system_error{errno, std::generic_category(), "epoll_ctl of a listener"};
        }
    }
}

Shard::~Shard() {
    CHECK(connections_.size() == 0);
}

void Shard::meet(std::span<const std::unique_ptr<Shard>> shards) {
    for (const auto& shard : shards) shards_.push_back(shard.get());
}

void Shard::recover() {
    if (storage_ == nullptr) return;
    rocksdb_driver::Store& store = *options_.store;
    store.recover(options_.self.raw(), [this](std::string_view key, Bytes value) {
        return broker_.on_record(key, value);
    });
    now_ = std::max(now_, read_clock());
    store.set_aside(options_.self.raw(), broker_.on_recovered(now_));
}

void Shard::run() {
    hand_out_letters();  // what recovery has for the others
    while (!is_finished()) turn();
    let_go();
}

/// Here and not in the destructor: descriptors have to be closed in the thread that has them.
void Shard::let_go() {
    for (std::uint32_t raw = 0; raw < connections_.end(); ++raw) {
        const ConnectionId id{raw};
        Connection& connection = connections_.at(id);
        if (connection.state != ConnectionState::unused) destroy(id, connection);
    }
    broker_.end_record();
    if (table_ == nullptr) return;
    end_departures();
    arrivals_from_.clear();
    close_own_descriptor_table();
}

void Shard::post(std::function<void()> task) {
    {
        const std::scoped_lock lock{tasks_mutex_};
        tasks_.push_back(std::move(task));
    }
    has_tasks_.store(true, std::memory_order_seq_cst);
    wake();
}

void Shard::stop(Duration drain_time_max) {
    post([this, drain_time_max] { on_stop(drain_time_max); });
}

ShardFigures Shard::figures() const {
    ShardFigures all{broker_.counters(), broker_.gauges(), figures_};
    all.driver.sockets = connections_.size();
    if (table_ != nullptr) {
        all.driver.own_descriptors = kept_descriptors_ + table_->places.used();
    }
    for (unsigned to = 0; to < options_.shard_count; ++to) {
        if (ShardIndex{to} == options_.self) continue;
        all.driver.letter_bytes += shards_[to]->letters_from_[options_.self.raw()]->owed_bytes();
    }
    all.driver.output_bytes = pool_.used_bytes();
    all.driver.output_bytes_most = pool_.used_bytes_most();
    all.driver.cpu_s = thread_cpu_s();
    return all;
}

void Shard::on_plans(Plans plans) {
    CHECK(plans.size() == plans_.size());
    plans_ = std::move(plans);
}

void Shard::on_authenticated(QuestionNumber number, AuthenticationAnswer answer) {
    if (!stop_at_) broker_.on_authenticated(number, std::move(answer), now_);
}

void Shard::on_stored(BatchNumber number, StorageOutcome outcome) {
    storage_->on_outcome(outcome);
    broker_.on_stored(number, outcome, now_);
}

void Shard::on_read(ReadNumber number, const ReadAnswer& outcome) {
    broker_.on_read(number, outcome, now_);
}

void Shard::publish(const std::vector<ServerMessage>& messages) {
    if (stop_at_) return;
    for (const ServerMessage& message : messages) {
        broker_.on_publish({.topic = message.topic,
                            .payload = as_bytes(message.payload),
                            .qos = message.qos,
                            .retain = message.retain},
                           now_);
    }
}

void Shard::on_rules(std::shared_ptr<const access::NodeRules> rules) {
    rules_ = rules;
    if (!stop_at_) broker_.on_rules(std::move(rules), now_);
}

// --- Effects -------------------------------------------------------------------------------------

void Shard::send(ConnectionId id, Bytes bytes) {
    Connection& connection = connections_.at(id);
    if (connection.is_output_broken) return;
    connection.output.append(pool_, bytes);
    gather(id, connection, bytes.size());
}

void Shard::send(ConnectionId id, Bytes head, const MessageRef& message) {
    Connection& connection = connections_.at(id);
    if (connection.is_output_broken) return;
    connection.output.append(pool_, head);
    const Bytes payload = message->payload();
    if (payload.size() < referenced_bytes_min) {
        connection.output.append(pool_, payload);
    } else {
        connection.output.append(pool_, message);
    }
    gather(id, connection, head.size() + payload.size());
}

void Shard::close(ConnectionId id) {
    connections_.at(id).state = ConnectionState::closing;
    closed_.push_back(id);
}

void Shard::abort(ConnectionId id) {
    connections_.at(id).state = ConnectionState::aborting;
    closed_.push_back(id);
}

void Shard::move(ConnectionId id, ShardIndex owner, access::Origin origin) {
    CHECK(owner != options_.self && owner.raw() < options_.shard_count);
    Connection& connection = connections_.at(id);
    connection.state = ConnectionState::moving;
    moving_to_ = owner;
    moving_origin_ = std::move(origin);
}

void Shard::resume(ConnectionId id) {
    Connection& connection = connections_.at(id);
    if (connection.state != ConnectionState::stalled) return;
    connection.state = ConnectionState::resuming;
    look_again(id, connection);
}

void Shard::ask(QuestionNumber number, AuthenticationQuestion question) {
    CHECK(options_.authentication != nullptr);
    options_.authentication->ask(options_.self.raw(), number, std::move(question));
}

void Shard::forget(QuestionNumber number) {
    options_.authentication->forget(options_.self.raw(), number);
}

void Shard::on_connected(const ClientEvent& client) {
    std::ranges::move(SysTopics::connected(rules_->policy.node_name, client, unix_time_ms()),
                      std::back_inserter(events_));
}

void Shard::on_disconnected(const ClientEvent& client, DisconnectReason reason) {
    std::ranges::move(
        SysTopics::disconnected(rules_->policy.node_name, client, reason, unix_time_ms()),
        std::back_inserter(events_));
}

void Shard::send(ShardIndex to, PeerMessage message) {
    CHECK(to != options_.self);
    send_letter(to, std::move(message));
}

// --- The turn ------------------------------------------------------------------------------------

void Shard::turn() {
    const auto events = readiness_.wait(time_to_wait());
    is_asleep_.store(false, std::memory_order_relaxed);
    now_ = std::max(now_, read_clock());
    ++figures_.turns;

    run_tasks();
    take_letters();
    look_for_room();
    look_at_unread();
    for (const epoll_event& event : events) {
        on_event(event);
        if (is_output_large_) write_gathered();
    }
    if (!stop_at_) {
        if (const auto due = broker_.next_tick(); due && *due <= now_) {
            excuse_unread();
            broker_.on_tick(now_);
        }
    }
    if (watch_again_at_ <= now_) watch_again();
    publish_events();
    hand_out_letters();  // before writing: the other shards can begin meanwhile
    write_gathered();
    end_closed();
    meet_deadlines();
    hand_out_letters();
}

Duration Shard::time_to_wait() {
    const bool has_unread = !unread_.empty() && !is_held_up();
    if (!gathered_.empty() || has_unread || !closed_.empty() || !events_.empty())
        return Duration::zero();
    // First say that we sleep, then look once more: whoever adds something after the look sees that
    // we sleep and wakes us. Both sides are sequentially consistent.
    is_asleep_.store(true, std::memory_order_seq_cst);
    const bool has_letters = std::ranges::any_of(
        letters_from_, [](const auto& box) { return box != nullptr && !box->is_empty(); });
    if (has_letters || has_tasks_.load(std::memory_order_seq_cst)) return Duration::zero();
    if (is_held_up()) {
        look_for_room();
        if (!is_held_up()) return Duration::zero();
    }
    const Instant deadline = next_deadline();
    return deadline == never ? Duration{-1} : std::max(Duration::zero(), deadline - now_);
}

Instant Shard::next_deadline() const {
    Instant deadline = stop_at_ ? *stop_at_ : broker_.next_tick().value_or(never);
    deadline = std::min({deadline, watch_again_at_, depart_again_at_});
    if (!deadlines_.empty()) deadline = std::min(deadline, deadlines_.top().at);
    return deadline;
}

void Shard::run_tasks() {
    if (!has_tasks_.load(std::memory_order_acquire)) return;
    std::vector<std::function<void()>> tasks;
    {
        const std::scoped_lock lock{tasks_mutex_};
        tasks.swap(tasks_);
        has_tasks_.store(false, std::memory_order_relaxed);
    }
    for (const auto& task : tasks) task();
}

void Shard::take_letters() {
    for (unsigned from = 0; from < letters_from_.size(); ++from) {
        if (letters_from_[from] == nullptr) continue;
        for (int taken = 0; taken < letters_per_turn_max; ++taken) {
            auto letter = letters_from_[from]->take();
            if (!letter) break;
            if (auto* moved = std::get_if<MovedConnection>(&*letter)) {
                ++figures_.moved_here;
                if (table_ != nullptr) moved->socket = arrived_from(ShardIndex{from});
                adopt(std::move(*moved));
            } else {
                ++figures_.peer_messages;
                broker_.on_peer(ShardIndex{from}, std::get<PeerMessage>(std::move(*letter)), now_);
            }
            if (is_output_large_) write_gathered();
        }
        if (letters_from_[from]->return_taken()) shards_[from]->wake();
    }
}

void Shard::send_letter(ShardIndex to, Letter letter) {
    Letterbox& box = *shards_[to.raw()]->letters_from_[options_.self.raw()];
    const std::size_t size_bytes = size_bytes_of(letter);
    box.push(std::move(letter), size_bytes);
    const std::size_t most_bytes = options_.limits.letter_bytes_max;
    if (!box.owes_more_than(most_bytes) || box.awaits_room()) return;
    // Letters are still taken and output is written, so two shards that are behind with each other
    // get on. What they write meanwhile are answers, as many as there are letters at most.
    box.await_room(most_bytes / 2);
    if (!std::exchange(waits_for_room_, true)) ++figures_.letter_pauses;
}

std::size_t Shard::size_bytes_of(const Letter& letter) {
    std::size_t size_bytes = sizeof letter;
    if (const auto* const moved = std::get_if<MovedConnection>(&letter)) {
        return size_bytes + moved->bytes.size();
    }
    const auto add = [&size_bytes](const auto& message) {
        if constexpr (requires { message.message; }) size_bytes += message.message->size_bytes();
        if constexpr (requires { message.group; }) size_bytes += message.group.size();
        if constexpr (requires { message.filter; }) size_bytes += message.filter.size();
        if constexpr (requires { message.share_name; }) size_bytes += message.share_name.size();
    };
    std::visit(add, std::get<PeerMessage>(letter));
    return size_bytes;
}

void Shard::look_for_room() {
    if (!waits_for_room_) return;
    waits_for_room_ = false;
    for (unsigned to = 0; to < options_.shard_count; ++to) {
        if (ShardIndex{to} == options_.self) continue;
        waits_for_room_ |= shards_[to]->letters_from_[options_.self.raw()]->awaits_room();
    }
}

void Shard::look_at_unread() {
    if (is_held_up()) return;
    being_read_.swap(unread_);
    for (auto next = being_read_.begin(); next != being_read_.end(); ++next) {
        if (is_held_up()) {  // the others come first next time, so nobody is forgotten
            unread_.insert(unread_.begin(), next, being_read_.end());
            break;
        }
        const ConnectionId id = *next;
        Connection& connection = connections_.at(id);
        connection.is_unread = false;
        if (connection.state == ConnectionState::resuming) deliver_kept(id, connection);
        if (connection.state != ConnectionState::unused) on_readable(id, connection);
        if (is_output_large_) write_gathered();
    }
    being_read_.clear();
}

void Shard::on_event(const epoll_event& event) {
    if (event.data.u64 == Readiness::wake_key) return;  // it has done its work
    if (event.data.u64 >= listener_key_begin) {
        return accept_from(static_cast<std::uint16_t>(event.data.u64 - listener_key_begin),
                           options_.shard_count - 1);
    }
    const ConnectionId id{static_cast<std::uint32_t>(event.data.u64)};
    Connection& connection = connections_.at(id);
    // The connection may have ended in this turn, and another one may have its number.
    if (connection.state == ConnectionState::unused) return;
    if (key_of(id, connection) != event.data.u64) return;
    if ((event.events & EPOLLOUT) != 0 && connection.is_blocked) {
        connection.is_blocked = false;
        write(id, connection);
    }
    if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) connection.has_end = true;
    bool is_readable = connection.has_end || (event.events & EPOLLIN) != 0;
    if (connection.layers != nullptr) is_readable |= connection.layers->reads_when_writable;
    if (!is_readable || connection.state == ConnectionState::unused) return;
    if (is_held_up()) {
        if (connection.state == ConnectionState::open) broker_.on_bytes(id, {}, now_);
        return look_again(id, connection);
    }
    on_readable(id, connection);
}

void Shard::write_gathered() {
    is_output_large_ = false;
    being_written_.swap(gathered_);
    for (const ConnectionId id : being_written_) {
        Connection& connection = connections_.at(id);
        if (connection.state == ConnectionState::unused) continue;
        connection.is_gathered = false;
        if (!connection.is_blocked) write(id, connection);
    }
    being_written_.clear();
    used_bytes_to_write_at_ = pool_.used_bytes() + options_.limits.new_output_bytes_max;
}

void Shard::end_closed() {
    const auto closed = std::exchange(closed_, {});
    for (const ConnectionId id : closed) end(id, connections_.at(id));
}

void Shard::meet_deadlines() {
    while (!deadlines_.empty() && deadlines_.top().at <= now_) {
        const Deadline deadline = deadlines_.top();
        deadlines_.pop();
        const ConnectionId id = deadline.connection;
        Connection& connection = connections_.at(id);
        if (connection.generation != deadline.generation) continue;
        if (connection.state == ConnectionState::unused) continue;
        switch (deadline.what) {
            case Deadline::What::ending: destroy(id, connection); break;
            case Deadline::What::sending: on_send_deadline(deadline, connection); break;
            case Deadline::What::reading: look_again(id, connection); break;
            case Deadline::What::step:
                if (connection.state == ConnectionState::preparing &&
                    connection.layers->preparation->step == deadline.step) {
                    give_up_step(id, connection);
                }
                break;
        }
    }
}

void Shard::publish_events() {
    if (!events_.empty()) publish(std::exchange(events_, {}));
}

void Shard::hand_out_letters() {
    if (table_ != nullptr) send_departures();
    for (unsigned to = 0; to < options_.shard_count; ++to) {
        if (ShardIndex{to} == options_.self) continue;
        Shard& shard = *shards_[to];
        if (shard.letters_from_[options_.self.raw()]->publish()) shard.wake();
    }
}

void Shard::wake() {
    // The exchange makes one of many senders pay for the system call.
    if (is_asleep_.load(std::memory_order_seq_cst) && is_asleep_.exchange(false)) readiness_.wake();
}

// --- Input ---------------------------------------------------------------------------------------

void Shard::on_readable(ConnectionId id, Connection& connection) {
    switch (connection.state) {
        case ConnectionState::preparing: return prepare(id, connection);
        case ConnectionState::open:
            if (connection.layers != nullptr) return receive_through_layers(id, connection);
            return receive(id, connection);
        case ConnectionState::stalled:  // the system's buffer fills, and then the peer has to wait
        case ConnectionState::clogged:
        case ConnectionState::resuming: return;
        case ConnectionState::draining:
        case ConnectionState::lingering: return discard_input(id, connection);
        case ConnectionState::closing:
        case ConnectionState::aborting: return;  // is dealt with at the end of this turn
        case ConnectionState::moving:
        case ConnectionState::unused: UNREACHABLE();
    }
    UNREACHABLE();
}

/// One read per turn, so that everybody gets a turn; what is left is read in the next one.
void Shard::receive(ConnectionId id, Connection& connection) {
    const auto size = recv(connection.socket.raw(), input_.data(), input_.size(), 0);
    if (size > 0) {
        const auto bytes = Bytes{input_}.first(static_cast<std::size_t>(size));
        if (bytes.size() == input_.size() || connection.has_end) look_again(id, connection);
        return on_received(id, connection, bytes);
    }
    if (size == 0) return on_end_of_input(id, connection);
    if (errno == EAGAIN) return;
    if (errno == EINTR) return look_again(id, connection);
    tell_core_of_end(id, connection, errno);
    destroy(id, connection);
}

void Shard::look_again(ConnectionId id, Connection& connection) {
    if (connection.is_unread) return;
    connection.is_unread = true;
    unread_.push_back(id);
}

void Shard::deliver_kept(ConnectionId id, Connection& connection) {
    connection.state = ConnectionState::open;
    if (auto kept = std::move(connection.kept)) {
        const Bytes waiting = kept->waiting();
        hand_to_core(id, connection, waiting, std::move(kept));
    }
}

void Shard::on_received(ConnectionId id, Connection& connection, Bytes bytes) {
    if (connection.kept == nullptr) return hand_to_core(id, connection, bytes, nullptr);
    KeptInput& kept = *connection.kept;
    const auto consumed = static_cast<std::ptrdiff_t>(std::exchange(kept.begin, 0));
    kept.bytes.erase(kept.bytes.begin(), kept.bytes.begin() + consumed);
    append(kept.bytes, bytes);
    if (kept.bytes.size() < kept.wanted_bytes) return;
    const Bytes all = kept.waiting();
    hand_to_core(id, connection, all, std::move(connection.kept));
}

Intake Shard::hand_slices_to_core(ConnectionId id, const Connection& connection, Bytes bytes) {
    Intake all;
    std::size_t slice_bytes = slice_bytes_max;
    while (true) {
        const Bytes left = bytes.subspan(all.consumed_bytes);
        const Bytes slice = left.first(std::min(left.size(), slice_bytes));
        const Intake intake = broker_.on_bytes(id, slice, now_);
        CHECK(intake.consumed_bytes <= slice.size());
        all = {all.consumed_bytes + intake.consumed_bytes, intake.next, intake.wanted_bytes};
        if (intake.next != Intake::Next::more_bytes || slice.size() == left.size()) return all;
        if (is_output_large_) write_gathered();
        if (connection.state != ConnectionState::open) {
            all.next = Intake::Next::gone;
            return all;
        }
        if (intake.consumed_bytes > 0 && is_owed_too_much(connection)) return all;
        // A packet that does not fit a slice gets one of its own size.
        slice_bytes = intake.consumed_bytes > 0 ? slice_bytes_max : 2 * slice.size();
        slice_bytes = std::max(slice_bytes, intake.wanted_bytes);
    }
}

void Shard::hand_to_core(ConnectionId id, Connection& connection, Bytes bytes,
                         std::unique_ptr<KeptInput> source) {
    const Intake intake = hand_slices_to_core(id, connection, bytes);
    const Bytes rest = bytes.subspan(intake.consumed_bytes);
    switch (intake.next) {
        case Intake::Next::more_bytes:
            // Only after it has got on: who is resumed gets rid of a packet at least, however much
            // the core sends meanwhile.
            if (intake.consumed_bytes > 0 && is_owed_too_much(connection)) clog(id, connection);
            break;
        case Intake::Next::stalled:
            CHECK(connection.state == ConnectionState::open);
            connection.state = ConnectionState::stalled;
            break;
        case Intake::Next::gone: return on_gone(id, connection, rest);
    }
    if (rest.empty()) return;
    if (source != nullptr && connection.state != ConnectionState::open) {
        // A client may have sent a long row of packets each of which stalls: copy them once.
        source->begin += intake.consumed_bytes;
        connection.kept = std::move(source);
        return;
    }
    connection.kept = std::make_unique<KeptInput>();
    connection.kept->wanted_bytes = intake.wanted_bytes;
    append(connection.kept->bytes, rest);
}

std::size_t Shard::unwritten_bytes_max(const Connection& connection) const {
    const auto listener = node_.listeners[connection.listener]->index();
    return rules_->zone_of(listener).settings.unwritten_bytes_max;
}

/// Twice what the core owes by itself, so that only answers to what is read can reach it, or large
/// messages. Without an attempt to write that has failed, it is not the peer's fault.
bool Shard::is_owed_too_much(const Connection& connection) const {
    return connection.is_blocked &&
           connection.unwritten_bytes > 2 * unwritten_bytes_max(connection);
}

void Shard::clog(ConnectionId id, Connection& connection) {
    CHECK(connection.state == ConnectionState::open);
    connection.state = ConnectionState::clogged;
    clogged_.insert(id.raw());
    ++figures_.output_pauses;
}

void Shard::unclog(ConnectionId id, Connection& connection) {
    excuse(id, connection);  // it is read in the next turn, and judged perhaps in this one
    connection.state = ConnectionState::resuming;
    look_again(id, connection);  // neither the system nor a layer tells again what has arrived
}

/// A client whose bytes wait in the socket because we do not read them is not silent.
void Shard::excuse(ConnectionId id, const Connection& connection) {
    std::byte first;
    const bool has_bytes = connection.kept != nullptr || connection.layers != nullptr ||
                           recv(connection.socket.raw(), &first, 1, MSG_PEEK) > 0;
    if (has_bytes) broker_.on_bytes(id, {}, now_);
}

/// Before the core judges by the time. Not each time: none of these was silent for long when it
/// began to wait.
void Shard::excuse_unread() {
    if (now_ - excused_at_ < excuse_interval || (clogged_.empty() && !is_held_up())) return;
    excused_at_ = now_;
    if (is_held_up()) {
        for (const ConnectionId id : unread_) {
            const bool is_open = connections_.at(id).state == ConnectionState::open;
            if (is_open) broker_.on_bytes(id, {}, now_);
        }
    }
    std::erase_if(clogged_, [this](std::uint32_t raw) {
        const ConnectionId id{raw};
        const Connection& connection = connections_.at(id);
        if (connection.state != ConnectionState::clogged) return true;
        excuse(id, connection);
        return false;
    });
}

void Shard::on_gone(ConnectionId id, Connection& connection, Bytes rest) {
    if (connection.state == ConnectionState::moving) {
        CHECK(connection.output.is_empty());
        if (is_debug_logged()) {
            spdlog::debug("shard {}: connection {} moved to shard {}", options_.self.raw(),
                          id.raw(), moving_to_.raw());
        }
        readiness_.remove(connection.socket.raw());
        if (!stuck_.empty()) stuck_.erase(id.raw());
        send_away({std::move(connection.socket), std::move(moving_origin_), connection.listener,
                   std::move(connection.layers), Buffer{rest.begin(), rest.end()}},
                  moving_to_);
        return connections_.remove(id);
    }
    // Nothing is owed in either direction, as after a client's DISCONNECT: no ceremony is needed.
    const bool has_form = connection.layers != nullptr && connection.layers->has_form();
    const bool is_even = rest.empty() && connection.output.is_empty() && !has_form;
    if (is_even && connection.state == ConnectionState::closing) {
        connection.state = ConnectionState::aborting;
    }
}

void Shard::tell_core_of_end(ConnectionId id, const Connection& connection, int error) {
    using enum DisconnectReason;
    const bool is_too_late = connection.is_output_broken;
    broker_.on_close(id, now_, error == ETIMEDOUT ? etimedout : is_too_late ? einval : closed);
}

void Shard::on_end_of_input(ConnectionId id, Connection& connection) {
    tell_core_of_end(id, connection, 0);
    connection.kept.reset();
    if (connection.layers != nullptr) {
        // Without a Close frame a WebSocket is cut off, and there is nobody to tell.
        connection.layers->has_to_say_goodbye = connection.layers->tls != nullptr;
    }
    // The end of the peer's direction is not the end of ours: it may still read what it asked for.
    if (!connection.has_output()) return destroy(id, connection);
    drop_when_overdue(id, connection);
    drain(id, connection);
}

void Shard::discard_input(ConnectionId id, Connection& connection) {
    const auto size = recv(connection.socket.raw(), input_.data(), input_.size(), 0);
    if (size > 0) return look_again(id, connection);
    if (size < 0 && errno == EAGAIN) return;
    if (size < 0 && errno == EINTR) return look_again(id, connection);
    // While output is left, the end of the peer's direction is not the end of ours.
    if (size == 0 && connection.state == ConnectionState::draining) return;
    destroy(id, connection);
}

// --- Output --------------------------------------------------------------------------------------

void Shard::gather(ConnectionId id, Connection& connection, std::size_t size_bytes) {
    connection.unwritten_bytes += static_cast<std::uint32_t>(size_bytes);
    if (connection.unwritten_bytes > gathered_bytes_max && !connection.is_blocked) {
        is_output_large_ = true;
    }
    if (pool_.used_bytes() > used_bytes_to_write_at_) is_output_large_ = true;
    if (connection.is_gathered) return;
    connection.is_gathered = true;
    gathered_.push_back(id);
}

void Shard::write(ConnectionId id, Connection& connection) {
    if (connection.state == ConnectionState::preparing) return prepare(id, connection);
    Progress progress;
    const Written outcome = write_some(connection, progress);
    if (outcome == Written::broken) {
        connection.output.drop_all(pool_);
        connection.unwritten_bytes = 0;
        connection.is_output_broken = true;
    }
    switch (connection.state) {
        case ConnectionState::open:
        case ConnectionState::stalled:
        case ConnectionState::clogged:
        case ConnectionState::resuming:
            if (outcome == Written::some) block(id, connection);
            if (outcome == Written::some || !stuck_.empty()) {
                watch_progress(id, connection, progress.has_moved);
            }
            // Before the core hears of it and may send as much again.
            if (connection.state == ConnectionState::clogged &&
                connection.unwritten_bytes <= unwritten_bytes_max(connection)) {
                unclog(id, connection);
            }
            // A broken connection is left to the reader: what the peer sent before it broke counts.
            if (outcome == Written::broken) look_again(id, connection);
            if (progress.written_bytes > 0) broker_.on_written(id, progress.written_bytes, now_);
            return;
        case ConnectionState::draining:
            if (outcome == Written::broken) return destroy(id, connection);
            if (outcome == Written::all) return linger(id, connection);
            return block(id, connection);
        case ConnectionState::closing:  // end_closed() looks at what is left
        case ConnectionState::aborting:
        case ConnectionState::lingering: return;
        case ConnectionState::preparing:
        case ConnectionState::moving:
        case ConnectionState::unused: UNREACHABLE();
    }
    UNREACHABLE();
}

Shard::Written Shard::write_some(Connection& connection, Progress& progress) {
    if (connection.layers != nullptr && connection.layers->has_form()) {
        return write_through_layers(connection, progress);
    }
    std::array<iovec, pieces_per_write_max> room;
    while (!connection.output.is_empty()) {
        const auto pieces = connection.output.oldest(room);
        std::size_t size_bytes = 0;
        const Written outcome = write_socket(connection.socket.raw(), pieces, size_bytes);
        if (outcome != Written::all) return outcome;
        drop_written(connection, size_bytes, progress);
    }
    return Written::all;
}

void Shard::drop_written(Connection& connection, std::size_t size_bytes, Progress& progress) {
    connection.output.drop(pool_, size_bytes);
    connection.unwritten_bytes -= static_cast<std::uint32_t>(size_bytes);
    progress.written_bytes += size_bytes;
    progress.has_moved = true;
}

/// One system call. `all`: some bytes were written.
Shard::Written Shard::write_socket(int socket, std::span<iovec> pieces, std::size_t& size_bytes) {
    while (true) {
        ssize_t size = 0;
        if (pieces.size() == 1) {
            size = ::send(socket, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
        } else {
            msghdr message{};
            message.msg_iov = pieces.data();
            message.msg_iovlen = pieces.size();
            size = sendmsg(socket, &message, MSG_NOSIGNAL);
        }
        if (size >= 0) {
            size_bytes = static_cast<std::size_t>(size);
            return Written::all;
        }
        if (errno == EINTR) continue;
        return errno == EAGAIN ? Written::some : Written::broken;
    }
}

/// After an attempt to write that did not get rid of everything, or when one before did not.
void Shard::watch_progress(ConnectionId id, const Connection& connection, bool has_moved) {
    if (!connection.is_blocked) {
        if (const auto known = stuck_.find(id.raw()); known != stuck_.end()) {
            known->second.is_blocked = false;  // its deadline takes it off the list
        }
        return;
    }
    const settings::Listener& settings = plans_[connection.listener]->settings;
    if (!settings.closes_on_send_timeout || settings.send_timeout <= Duration::zero()) return;
    const auto [known, is_new] = stuck_.try_emplace(id.raw(), Stuck{now_, true});
    if (is_new) {
        return add_deadline(settings.send_timeout, Deadline::What::sending, id, connection);
    }
    if (has_moved || !known->second.is_blocked) known->second.moved_at = now_;
    known->second.is_blocked = true;
}

void Shard::on_send_deadline(const Deadline& deadline, Connection& connection) {
    const ConnectionId id = deadline.connection;
    const auto known = stuck_.find(id.raw());
    CHECK(known != stuck_.end());
    const bool is_served = connection.state == ConnectionState::open ||
                           connection.state == ConnectionState::stalled ||
                           connection.state == ConnectionState::clogged ||
                           connection.state == ConnectionState::resuming;
    if (!known->second.is_blocked || !is_served) {
        stuck_.erase(known);
        return;
    }
    const Duration still =
        known->second.moved_at + plans_[connection.listener]->settings.send_timeout - now_;
    if (still > Duration::zero()) {
        return add_deadline(still, Deadline::What::sending, id, connection);
    }
    ++figures_.send_timeouts;
    broker_.on_close(id, now_, DisconnectReason::etimedout);
    destroy(id, connection);
}

// --- Endings -------------------------------------------------------------------------------------

void Shard::end(ConnectionId id, Connection& connection) {
    connection.kept.reset();
    switch (connection.state) {
        case ConnectionState::aborting: return destroy(id, connection);
        case ConnectionState::closing:
            if (connection.is_output_broken) return destroy(id, connection);
            if (connection.layers != nullptr) {
                using enum transport::CloseCode;
                connection.layers->end(stop_at_ ? going_away : normal);
            }
            drop_when_overdue(id, connection);
            return drain(id, connection);
        case ConnectionState::unused:
        case ConnectionState::preparing:
        case ConnectionState::open:
        case ConnectionState::stalled:
        case ConnectionState::clogged:
        case ConnectionState::resuming:
        case ConnectionState::moving:
        case ConnectionState::draining:
        case ConnectionState::lingering: UNREACHABLE();
    }
    UNREACHABLE();
}

/// Writes what is owed; what the peer sends is of no interest any more.
void Shard::drain(ConnectionId id, Connection& connection) {
    if (!connection.has_output()) return linger(id, connection);
    connection.state = ConnectionState::draining;
    if (!connection.is_blocked) write(id, connection);
}

void Shard::linger(ConnectionId id, Connection& connection) {
    // Closing a socket with unread bytes makes the system send a reset, which can overtake our last
    // packet on its way into the peer's program. So: say that nothing follows, and read to the end.
    connection.state = ConnectionState::lingering;
    shutdown(connection.socket.raw(), SHUT_WR);
    discard_input(id, connection);  // often the peer has ended before us, and this is all
}

void Shard::destroy(ConnectionId id, Connection& connection) {
    connection.output.drop_all(pool_);
    if (is_debug_logged()) {
        spdlog::debug("shard {}: connection {} ended", options_.self.raw(), id.raw());
    }
    leave(connection.listener);
    if (!stuck_.empty()) stuck_.erase(id.raw());
    // Closing the only descriptor of a socket takes it out of Readiness, too.
    connections_.remove(id);
    give_place_back();
}

void Shard::drop_when_overdue(ConnectionId id, const Connection& connection) {
    add_deadline(options_.limits.ending_time_max, Deadline::What::ending, id, connection);
}

void Shard::add_deadline(Duration after, Deadline::What what, ConnectionId id,
                         const Connection& connection) {
    deadlines_.push({now_ + after, id, connection.generation, what});
}

void Shard::block(ConnectionId id, Connection& connection) {
    connection.is_blocked = true;
    // Once is enough: a connection that was blocked before is likely to be again.
    if (connection.interest == Interest::read_and_write) return;
    connection.interest = Interest::read_and_write;
    if (readiness_.change(connection.socket.raw(), key_of(id, connection), connection.interest))
        return;
    // Out of kernel memory: without news of it the connection can only be given up, and shutdown
    // makes that known to everybody at the next opportunity.
    shutdown(connection.socket.raw(), SHUT_RDWR);
}

void Shard::on_stop(Duration drain_time_max) {
    const bool is_first = !stop_at_;
    stop_at_ = std::min(stop_at_.value_or(never), now_ + drain_time_max);
    if (!is_first) return;
    close_doors();
    if (table_ != nullptr) end_departures();
    broker_.on_stop(now_);
    // From here on the core hears nothing of connections, so those it has not closed end here.
    for (std::uint32_t raw = 0; raw < connections_.end(); ++raw) {
        switch (connections_.at(ConnectionId{raw}).state) {
            case ConnectionState::preparing:
            case ConnectionState::open:
            case ConnectionState::stalled:
            case ConnectionState::clogged:
            case ConnectionState::resuming: abort(ConnectionId{raw}); break;
            case ConnectionState::unused:
            case ConnectionState::closing:
            case ConnectionState::aborting:
            case ConnectionState::draining:
            case ConnectionState::lingering: break;
            case ConnectionState::moving: UNREACHABLE();
        }
    }
}

bool Shard::is_finished() const {
    const bool is_storing = storage_ != nullptr && storage_->is_waiting();
    return stop_at_ && ((connections_.size() == 0 && !is_storing) || *stop_at_ <= now_);
}

}  // namespace touchstone::asio_driver
