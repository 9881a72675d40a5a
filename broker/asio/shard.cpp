#include "broker/asio/shard.hpp"

#include <netdb.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

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
/// Bytes of input after which it is looked at how much output they have become.
constexpr std::size_t slice_bytes_max = 4096;
constexpr int accepts_per_turn_max = 64;
constexpr int letters_per_turn_max = 1024;
constexpr std::size_t pieces_per_write_max = 64;
constexpr Duration accept_pause = 100ms;

/// Keys of listeners in Readiness are above those of connections.
constexpr std::uint64_t listener_key_begin = std::uint64_t{1} << 63U;

constexpr std::uint64_t key_of(ConnectionId id, const Connection& connection) {
    return (std::uint64_t{connection.generation & 0x7FFF'FFFFU} << 32U) | id.raw();
}

Instant read_clock() {
    const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
    return Instant{std::chrono::floor<Duration>(since_boot)};
}

double thread_cpu_s() {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

/// "127.0.0.1:49152", for the log.
std::string peer_of(const Descriptor& socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    auto* const plain = reinterpret_cast<sockaddr*>(&address);
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> port{};
    if (getpeername(socket.raw(), plain, &size) != 0 ||
        getnameinfo(plain, size, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return "a client that is gone";
    }
    return std::string{host.data()} + ":" + port.data();
}

bool is_debug_logged() {
    return spdlog::should_log(spdlog::level::debug);
}

bool is_out_of_resources(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Shard::Shard(const Settings& settings, std::span<const Listener> listeners, Options options)
    : options_{options},
      listeners_{listeners},
      broker_{settings,
              {.self = options.self, .shard_count = options.shard_count, .defects = {}},
              *this,
              *this,
              random_},
      now_{read_clock()},
      input_(options.limits.read_bytes_max) {
    for (unsigned from = 0; from < options.shard_count; ++from) {
        const bool is_self = ShardIndex{from} == options.self;
        letters_from_.push_back(is_self ? nullptr : std::make_unique<Letterbox>());
    }
    watch_listeners();
    if (!is_accepting_) {
        throw std::system_error{errno, std::generic_category(), "epoll_ctl of a listener"};
    }
}

Shard::~Shard() {
    for (std::uint32_t raw = 0; raw < connections_.end(); ++raw) {
        connections_.at(ConnectionId{raw}).output.drop_all(pool_);
    }
}

void Shard::meet(std::span<const std::unique_ptr<Shard>> shards) {
    for (const auto& shard : shards) shards_.push_back(shard.get());
}

void Shard::run() {
    while (!is_finished()) turn();
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
    all.driver.output_bytes = pool_.used_bytes();
    all.driver.output_bytes_most = pool_.used_bytes_most();
    all.driver.cpu_s = thread_cpu_s();
    return all;
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
    connection.new_owner = owner;
    moving_origin_ = std::move(origin);
}

void Shard::resume(ConnectionId id) {
    Connection& connection = connections_.at(id);
    if (connection.state != ConnectionState::stalled) return;
    connection.state = ConnectionState::resuming;
    look_again(id, connection);
}

void Shard::send(ShardIndex to, PeerMessage message) {
    CHECK(to != options_.self);
    shards_[to.raw()]->letters_from_[options_.self.raw()]->push(std::move(message));
}

// --- The turn ------------------------------------------------------------------------------------

void Shard::turn() {
    const auto events = readiness_.wait(time_to_wait());
    is_asleep_.store(false, std::memory_order_relaxed);
    now_ = std::max(now_, read_clock());
    ++figures_.turns;

    run_tasks();
    take_letters();
    look_at_unread();
    for (const epoll_event& event : events) {
        on_event(event);
        if (is_output_large_) write_gathered();
    }
    if (!stop_at_) {
        if (const auto due = broker_.next_tick(); due && *due <= now_) broker_.on_tick(now_);
    }
    if (accept_again_at_ && *accept_again_at_ <= now_) watch_listeners();
    hand_out_letters();  // before writing: the other shards can begin meanwhile
    write_gathered();
    end_closed();
    drop_overdue();
    hand_out_letters();
}

Duration Shard::time_to_wait() {
    if (!gathered_.empty() || !unread_.empty() || !closed_.empty()) return Duration::zero();
    // First say that we sleep, then look once more: whoever adds something after the look sees that
    // we sleep and wakes us. Both sides are sequentially consistent.
    is_asleep_.store(true, std::memory_order_seq_cst);
    const bool has_letters = std::ranges::any_of(
        letters_from_, [](const auto& box) { return box != nullptr && !box->is_empty(); });
    if (has_letters || has_tasks_.load(std::memory_order_seq_cst)) return Duration::zero();
    const Instant deadline = next_deadline();
    return deadline == never ? Duration{-1} : std::max(Duration::zero(), deadline - now_);
}

Instant Shard::next_deadline() const {
    Instant deadline = stop_at_ ? *stop_at_ : broker_.next_tick().value_or(never);
    deadline = std::min(deadline, accept_again_at_.value_or(never));
    if (!overdue_.empty()) deadline = std::min(deadline, overdue_.front().at);
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
                adopt(std::move(moved->socket), std::move(moved->origin), moved->bytes);
            } else {
                ++figures_.peer_messages;
                broker_.on_peer(ShardIndex{from}, std::get<PeerMessage>(std::move(*letter)), now_);
            }
            if (is_output_large_) write_gathered();
        }
    }
}

void Shard::look_at_unread() {
    being_read_.swap(unread_);
    for (const ConnectionId id : being_read_) {
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
        return accept_from(listeners_[event.data.u64 - listener_key_begin]);
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
    const bool is_readable = connection.has_end || (event.events & EPOLLIN) != 0;
    if (is_readable && connection.state != ConnectionState::unused) on_readable(id, connection);
}

void Shard::write_gathered() {
    is_output_large_ = false;
    being_written_.swap(gathered_);
    for (const ConnectionId id : being_written_) {
        Connection& connection = connections_.at(id);
        if (connection.state == ConnectionState::unused) continue;
        connection.is_gathered = false;
        connection.gathered_bytes = 0;
        if (!connection.is_blocked) write(id, connection);
    }
    being_written_.clear();
    used_bytes_to_write_at_ = pool_.used_bytes() + options_.limits.new_output_bytes_max;
}

void Shard::end_closed() {
    const auto closed = std::exchange(closed_, {});
    for (const ConnectionId id : closed) end(id, connections_.at(id));
}

void Shard::drop_overdue() {
    while (!overdue_.empty() && overdue_.front().at <= now_) {
        const Overdue overdue = overdue_.front();
        overdue_.pop_front();
        Connection& connection = connections_.at(overdue.connection);
        if (connection.generation != overdue.generation) continue;
        if (connection.state != ConnectionState::unused) destroy(overdue.connection, connection);
    }
}

void Shard::hand_out_letters() {
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

void Shard::accept_from(const Listener& listener) {
    for (int accepted = 0; accepted < accepts_per_turn_max && is_accepting_; ++accepted) {
        Descriptor socket{
            accept4(listener.socket.raw(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (socket.is_open()) {
            ++figures_.accepted;
            is_pause_logged_ = false;
            adopt(std::move(socket), {}, {});
            continue;
        }
        if (errno == EAGAIN) return;
        if (is_out_of_resources(errno)) return pause_accepting(errno);
        // Anything else is about a connection that was gone before it was accepted (accept(2)).
    }
}

void Shard::pause_accepting(int error) {
    // The listener stays ready, so without a pause this would be a busy loop.
    for (const Listener& listener : listeners_) readiness_.remove(listener.socket.raw());
    is_accepting_ = false;
    accept_again_at_ = now_ + accept_pause;
    ++figures_.accept_pauses;
    if (std::exchange(is_pause_logged_, true)) return;
    spdlog::warn(
        "shard {}: cannot accept connections: {}; they wait until some are closed. Raise the "
        "limit of open files (`ulimit -n`)",
        options_.self.raw(), std::generic_category().message(error));
}

void Shard::watch_listeners() {
    accept_again_at_.reset();
    if (stop_at_) return;
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        const int socket = listeners_[i].socket.raw();
        if (readiness_.add_shared(socket, listener_key_begin + i)) continue;
        while (i > 0) readiness_.remove(listeners_[--i].socket.raw());
        accept_again_at_ = now_ + accept_pause;
        return;
    }
    is_accepting_ = true;
}

void Shard::adopt(Descriptor socket, access::Origin origin, Bytes first_bytes) {
    if (stop_at_) return;  // came from another shard too late; its end is its answer
    const ConnectionId id = connections_.add(std::move(socket));
    Connection& connection = connections_.at(id);
    if (!readiness_.add(connection.socket.raw(), key_of(id, connection), Interest::read)) {
        spdlog::warn("shard {}: connection refused: no more epoll watches or memory; see "
                     "/proc/sys/fs/epoll/max_user_watches",
                     options_.self.raw());
        return connections_.remove(id);
    }
    if (is_debug_logged()) {
        spdlog::debug("shard {}: connection {} opened by {}", options_.self.raw(), id.raw(),
                      peer_of(connection.socket));
    }
    broker_.on_open(id, std::move(origin), now_);
    if (!first_bytes.empty() && connection.state == ConnectionState::open) {
        on_received(id, connection, first_bytes);
    }
}

void Shard::on_readable(ConnectionId id, Connection& connection) {
    switch (connection.state) {
        case ConnectionState::open: return receive(id, connection);
        case ConnectionState::stalled:  // the system's buffer fills, and then the peer has to wait
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
    if (std::exchange(connection.is_unread, true)) return;
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
        case Intake::Next::more_bytes: break;
        case Intake::Next::stalled:
            CHECK(connection.state == ConnectionState::open);
            connection.state = ConnectionState::stalled;
            break;
        case Intake::Next::gone: return on_gone(id, connection, rest);
    }
    if (rest.empty()) return;
    if (source != nullptr && intake.next == Intake::Next::stalled) {
        // A client may have sent a long row of packets each of which stalls: copy them once.
        source->begin += intake.consumed_bytes;
        connection.kept = std::move(source);
        return;
    }
    connection.kept = std::make_unique<KeptInput>();
    connection.kept->wanted_bytes = intake.wanted_bytes;
    append(connection.kept->bytes, rest);
}

void Shard::on_gone(ConnectionId id, Connection& connection, Bytes rest) {
    if (connection.state == ConnectionState::moving) {
        CHECK(connection.output.is_empty());
        if (is_debug_logged()) {
            spdlog::debug("shard {}: connection {} moved to shard {}", options_.self.raw(),
                          id.raw(), connection.new_owner.raw());
        }
        readiness_.remove(connection.socket.raw());
        shards_[connection.new_owner.raw()]->letters_from_[options_.self.raw()]->push(
            MovedConnection{std::move(connection.socket), std::move(moving_origin_),
                            Buffer{rest.begin(), rest.end()}});
        return connections_.remove(id);
    }
    // Nothing is owed in either direction, as after a client's DISCONNECT: no ceremony is needed.
    const bool is_even = rest.empty() && connection.output.is_empty();
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
    // The end of the peer's direction is not the end of ours: it may still read what it asked for.
    if (connection.output.is_empty()) return destroy(id, connection);
    connection.state = ConnectionState::draining;
    drop_when_overdue(id, connection);
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
    connection.gathered_bytes += static_cast<std::uint32_t>(size_bytes);
    if (connection.gathered_bytes > gathered_bytes_max) is_output_large_ = true;
    if (pool_.used_bytes() > used_bytes_to_write_at_) is_output_large_ = true;
    if (connection.is_gathered) return;
    connection.is_gathered = true;
    gathered_.push_back(id);
}

void Shard::write(ConnectionId id, Connection& connection) {
    std::size_t written_bytes = 0;
    const Written outcome = write_some(connection, written_bytes);
    if (outcome == Written::broken) {
        connection.output.drop_all(pool_);
        connection.is_output_broken = true;
    }
    switch (connection.state) {
        case ConnectionState::open:
        case ConnectionState::stalled:
        case ConnectionState::resuming:
            if (outcome == Written::some) block(id, connection);
            // A broken connection is left to the reader: what the peer sent before it broke counts.
            if (outcome == Written::broken) look_again(id, connection);
            if (written_bytes > 0) broker_.on_written(id, written_bytes, now_);
            return;
        case ConnectionState::draining:
            if (outcome == Written::broken) return destroy(id, connection);
            if (outcome == Written::all) return linger(id, connection);
            return block(id, connection);
        case ConnectionState::closing:  // end_closed() looks at what is left
        case ConnectionState::aborting:
        case ConnectionState::lingering: return;
        case ConnectionState::moving:
        case ConnectionState::unused: UNREACHABLE();
    }
    UNREACHABLE();
}

Shard::Written Shard::write_some(Connection& connection, std::size_t& written_bytes) {
    std::array<iovec, pieces_per_write_max> room;
    while (!connection.output.is_empty()) {
        const auto pieces = connection.output.oldest(room);
        ssize_t size = 0;
        if (pieces.size() == 1) {
            size = ::send(connection.socket.raw(), room[0].iov_base, room[0].iov_len, MSG_NOSIGNAL);
        } else {
            msghdr message{};
            message.msg_iov = pieces.data();
            message.msg_iovlen = pieces.size();
            size = sendmsg(connection.socket.raw(), &message, MSG_NOSIGNAL);
        }
        if (size < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN ? Written::some : Written::broken;
        }
        const auto taken_bytes = static_cast<std::size_t>(size);
        connection.output.drop(pool_, taken_bytes);
        written_bytes += taken_bytes;
    }
    return Written::all;
}

// --- Endings -------------------------------------------------------------------------------------

void Shard::end(ConnectionId id, Connection& connection) {
    connection.kept.reset();
    switch (connection.state) {
        case ConnectionState::aborting: return destroy(id, connection);
        case ConnectionState::closing:
            if (connection.is_output_broken) return destroy(id, connection);
            drop_when_overdue(id, connection);
            if (connection.output.is_empty()) return linger(id, connection);
            connection.state = ConnectionState::draining;
            if (!connection.is_blocked) write(id, connection);
            return;
        case ConnectionState::unused:
        case ConnectionState::open:
        case ConnectionState::stalled:
        case ConnectionState::resuming:
        case ConnectionState::moving:
        case ConnectionState::draining:
        case ConnectionState::lingering: UNREACHABLE();
    }
    UNREACHABLE();
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
    // Closing the only descriptor of a socket takes it out of Readiness, too.
    connections_.remove(id);
}

void Shard::drop_when_overdue(ConnectionId id, const Connection& connection) {
    overdue_.push_back({now_ + options_.limits.ending_time_max, id, connection.generation});
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
    if (is_accepting_) {
        for (const Listener& listener : listeners_) readiness_.remove(listener.socket.raw());
        is_accepting_ = false;
    }
    accept_again_at_.reset();
    broker_.on_stop(now_);
    // From here on the core hears nothing of connections, so those it has not closed end here.
    for (std::uint32_t raw = 0; raw < connections_.end(); ++raw) {
        switch (connections_.at(ConnectionId{raw}).state) {
            case ConnectionState::open:
            case ConnectionState::stalled:
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
    return stop_at_ && (connections_.size() == 0 || *stop_at_ <= now_);
}

}  // namespace touchstone::asio_driver
