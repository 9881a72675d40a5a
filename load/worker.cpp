#include "load/worker.hpp"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "load/schedule.hpp"
#include "load/tables.hpp"

namespace touchstone::load {

namespace {

/// The conductor's decisions are read at least so often.
constexpr Nanos turn_max = 50 * millisecond;
constexpr std::uint64_t wake_mark = ~std::uint64_t{0};
constexpr int events_max = 512;
constexpr std::size_t timers_per_turn_max = 4'096;
constexpr std::size_t receive_bytes = 256 * 1'024;

int wait_for_events(int epoll, std::array<epoll_event, events_max>& events, Nanos timeout) {
    const timespec span{timeout / second, timeout % second};
    const int count = epoll_pwait2(epoll, events.data(), events_max, &span, nullptr);
    if (count >= 0 || errno != ENOSYS) return count;
    return epoll_wait(epoll, events.data(), events_max,
                      static_cast<int>((timeout + millisecond - 1) / millisecond));
}

std::uint32_t largest_size(const Publishing& publishing) {
    std::uint32_t largest = publishing.sizes.empty() ? publishing.size_max : 0;
    for (const auto& size : publishing.sizes) largest = std::max(largest, size.first);
    return largest;
}

}  // namespace

Worker::Worker(Shared& shared, unsigned index)
    : shared_{shared},
      plan_{shared.plan},
      workload_{shared.plan.workload()},
      index_{index},
      progress_{*shared.progress[index]},
      credits_to_post_(shared.threads),
      backoff_{workload_.seed, Purpose::backoff, index},
      receivers_{workload_.seed, Purpose::receivers, index},
      sizes_{workload_.seed, Purpose::sizes, index},
      masks_{workload_.seed, Purpose::masks, index},
      received_(receive_bytes),
      counts_(workload_.groups.size()) {
    streams_.resize(workload_.groups.size());
    std::uint32_t filler = 0;
    for (const auto& group : workload_.groups)
        filler = std::max(filler, largest_size(group.publishing));
    filler_.assign(filler, std::byte{'x'});
}

void Worker::make_clients() {
    std::size_t total = 0;
    for (const auto& group : workload_.groups)
        total += (group.count + shared_.threads - 1) / shared_.threads;
    clients_.reserve(total);
    for (std::uint32_t g = 0; g < plan_.groups(); ++g) {
        const auto& group = plan_.group(g);
        first_of_group_.push_back(static_cast<std::uint32_t>(clients_.size()));
        std::optional<Arrivals> ramp;
        if (group.ramp_per_s > 0 && group.ramp_spacing == Spacing::poisson) {
            ramp.emplace(
                Spacing::poisson, group.ramp_per_s / shared_.threads,
                shared_.start + group.ramp_start, 0,
                Draws{workload_.seed, Purpose::arrivals, std::uint64_t{g} << 32U | index_});
        }
        for (std::uint32_t number = index_; number < group.count; number += shared_.threads) {
            auto& client = clients_.emplace_back();
            client.number = number;
            client.group = static_cast<std::uint16_t>(g);
            const auto own = index_of(client);
            if (ramp) {
                put(ramp->due(), own, Due::start);
                ramp->take();
            } else if (group.ramp_per_s > 0) {
                put(shared_.start + group.ramp_start +
                        from_seconds(static_cast<double>(number) / group.ramp_per_s),
                    own, Due::start);
            } else if (group.ramp_start > 0) {
                put(shared_.start + group.ramp_start, own, Due::start);
            } else {
                eager_.push_back(own);
            }
            if (group.publishing.process != Publishing::Process::silent)
                streams_[g].publishers.push_back(own);
        }
    }
    std::ranges::reverse(eager_);
}

void Worker::run() {
    prctl(PR_SET_TIMERSLACK, 1);  // else the system lets everybody sleep 50 us too long
    // A connection that the target has closed is an answer, not an end of the process.
    sigset_t signals;
    sigfillset(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    if (shared_.has_own_tables) has_no_table_ = !leave_shared_table();
    epoll_ = Handle{epoll_create1(EPOLL_CLOEXEC)};
    if (!epoll_.is_open()) return give_all_up();
    epoll_event wake{};
    wake.events = EPOLLIN;
    wake.data.u64 = wake_mark;
    epoll_ctl(epoll_.raw(), EPOLL_CTL_ADD, shared_.credits.wake_handle(index_), &wake);
    now_ = clock_now();
    make_clients();
    while (!shared_.is_closing.load(std::memory_order_acquire)) turn();
    end();
}

void Worker::give_all_up() {
    shared_.board.add_failure("epoll: " + std::generic_category().message(errno));
    for (std::uint32_t g = 0; g < plan_.groups(); ++g) {
        const auto own = (plan_.group(g).count + shared_.threads - 1 - index_) / shared_.threads;
        counts_[g][Count::files_short] += own;
        given_up_ += own;
    }
    tell_progress();
    shared_.board.add(0, counts_.front(), {}, 0);
}

void Worker::turn() {
    now_ = clock_now();
    const auto turn_from = now_;
    has_worked_ = false;
    window_from_ = shared_.window_from.load(std::memory_order_relaxed);
    window_to_ = shared_.window_to.load(std::memory_order_relaxed);
    if (!is_publishing_) begin_publishing();
    post_credits();
    take_credits();
    do_what_is_due();
    connect_eagerly();
    flush_dirty();
    note_use();
    tell_progress();
    close_intervals();
    wait();
    if (workload_.is_always_awake && clock_at_window_ && !has_worked_) {
        idle_ += clock_now() - turn_from;
    }
}

void Worker::do_what_is_due() {
    for (std::size_t i = 0; i < timers_per_turn_max && timers_.next() <= now_; ++i) {
        on_timer(timers_.take());
    }
    for (std::uint32_t g = 0; g < plan_.groups(); ++g) {
        if (streams_[g].arrivals) offer_stream(g);
    }
}

void Worker::on_timer(const Timer& timer) {
    auto& client = clients_[timer.client];
    if (client.connection != timer.connection) return;
    switch (timer.what) {
        case Due::start:
            if (client.state == State::away) connect(client, timer.at);
            return;
        case Due::patience:
            if (client.state != State::away && !is_connected(client.state))
                lose(client, Count::connect_timeouts, "");
            return;
        case Due::ping:
            if (is_connected(client.state)) on_ping_due(client);
            return;
        case Due::publish:
            if (client.state != State::ready) return;
            if (timer.at >= window_to_) return;
            offer(client, timer.at);
            schedule_publication(client, timer.at);
            return;
        case Due::sleep:
            if (!is_connected(client.state)) return;
            leave(client);
            put(now_ + group_of(client).asleep, timer.client, Due::start);
            return;
    }
}

Nanos Worker::next_instant() const {
    Nanos next = std::min(now_ + turn_max, timers_.next());
    next = std::min(next, shared_.start + static_cast<Nanos>(interval_ + 1) * workload_.interval);
    for (const auto& stream : streams_) {
        if (stream.arrivals) next = std::min(next, stream.arrivals->due());
    }
    if (!is_publishing_) {
        next = std::min(next, std::max(shared_.publish_from.load(std::memory_order_relaxed), now_));
    }
    return next;
}

void Worker::wait() {
    thread_local std::array<epoll_event, events_max> events;
    const auto timeout =
        workload_.is_always_awake ? Nanos{0} : std::max(Nanos{0}, next_instant() - clock_now());
    const int count = wait_for_events(epoll_.raw(), events, timeout);
    if (count > 0) has_worked_ = true;
    for (int i = 0; i < count; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        if (event.data.u64 == wake_mark) {
            std::uint64_t wakes = 0;
            [[maybe_unused]] const auto size =
                ::read(shared_.credits.wake_handle(index_), &wakes, sizeof wakes);
            continue;
        }
        auto& client = clients_[static_cast<std::uint32_t>(event.data.u64)];
        if (client.socket < 0 || client.connection != event.data.u64 >> 32U) continue;
        on_socket(client, event.events);
    }
}

void Worker::tell_progress() {
    constexpr auto relaxed = std::memory_order_relaxed;
    progress_.connected.store(connected_, relaxed);
    progress_.ready.store(ready_, relaxed);
    progress_.given_up.store(given_up_, relaxed);
    progress_.owed.store(owed_, relaxed);
    progress_.arrived.store(arrived_, relaxed);
    progress_.open.store(open_, relaxed);
    const bool has_arrivals = std::ranges::any_of(
        streams_, [](const Stream& stream) { return stream.arrivals.has_value(); });
    const bool is_done = now_ >= window_to_ && !has_arrivals && timers_.next() > now_;
    progress_.is_done.store(is_done ? 1 : 0, relaxed);
}

void Worker::close_intervals() {
    if (now_ < shared_.start + static_cast<Nanos>(interval_ + 1) * workload_.interval) return;
    Counts all;
    for (const auto& counts : counts_) all.add(counts);
    auto since = all.minus(reported_);
    reported_ = all;
    while (now_ >= shared_.start + static_cast<Nanos>(interval_ + 1) * workload_.interval) {
        shared_.board.add(interval_, since, interval_times_, connected_);
        since = {};
        interval_times_ = {};
        ++interval_;
    }
}

void Worker::note_use() {
    if (is_use_noted_ || now_ < window_from_) return;
    if (!clock_at_window_) {
        clock_at_window_ = clock_of_this_thread();
        clock_read_at_ = clock_now();  // whoever waits for a processor has an old now_
        return;
    }
    if (now_ < window_to_) return;
    const auto clock = clock_of_this_thread();
    const auto span = static_cast<double>(std::max(Nanos{1}, clock_now() - clock_read_at_));
    use_.busy =
        static_cast<double>(std::max(Nanos{0}, clock.busy - clock_at_window_->busy - idle_)) / span;
    use_.waited = static_cast<double>(clock.waited - clock_at_window_->waited) / span;
    is_use_noted_ = true;
}

void Worker::end() {
    now_ = clock_now();
    window_to_ = std::min(window_to_, now_);
    note_use();
    for (auto& client : clients_) {
        if (client.talk) {
            unsent_ += client.talk->waiting.size();
            // They took at least so long.
            for (const auto& message : client.talk->waiting) {
                if (is_in_window(message.due)) {
                    times_.delivery.add(now_ - message.due,
                                        plan_.receivers_of(client.group, client.number));
                }
            }
            client.talk->waiting.clear();
            unacknowledged_ += client.talk->unacknowledged.size();
            client.talk->unacknowledged.clear();
        }
        if (is_connected(client.state)) {
            clear_retained(client);
            leave(client);
        } else if (client.socket >= 0) {
            close_socket(client);
        }
    }
    Counts all;
    for (const auto& counts : counts_) all.add(counts);
    shared_.board.add(interval_, all.minus(reported_), interval_times_, connected_);
    tell_progress();
    // Its end has to be in its own table, before somebody joins the thread.
    epoll_.close();
}

void Worker::set_state(Client& client, State state) {
    connected_ -= is_connected(client.state) ? 1U : 0U;
    ready_ -= client.state == State::ready ? 1U : 0U;
    const auto is_on_its_way = [](State one) { return one != State::away && !is_connected(one); };
    connecting_ -= is_on_its_way(client.state) ? 1U : 0U;
    client.state = state;
    connected_ += is_connected(state) ? 1U : 0U;
    ready_ += state == State::ready ? 1U : 0U;
    connecting_ += is_on_its_way(state) ? 1U : 0U;
}

}  // namespace touchstone::load
