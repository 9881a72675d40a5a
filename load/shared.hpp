// What the threads of a run share: the instants that the conductor (engine.cpp) has decided, how
// far each thread is, the board on which they write down what happened, interval by interval, and
// the way of credits between them.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "load/outcome.hpp"
#include "load/plan.hpp"
#include "load/socket.hpp"
#include "load/tls.hpp"

namespace touchstone::load {

/// How far a thread is; read by the conductor.
struct Progress {
    std::atomic<std::uint64_t> connected{0};
    std::atomic<std::uint64_t> ready{0};     // connected, and its subscriptions are answered
    std::atomic<std::uint64_t> given_up{0};  // clients that will not try again
    std::atomic<std::uint64_t> owed{
        0};  // deliveries that are due here, of what this thread has sent
    std::atomic<std::uint64_t> arrived{0};  // deliveries that came here
    std::atomic<std::uint64_t> open{0};     // messages that wait, or are unacknowledged
    /// 1: everything that was due in the window has been offered.
    std::atomic<std::uint64_t> is_done{0};
};

/// What happened, interval by interval: each thread adds its part.
class Board {
public:
    Board(Nanos interval, unsigned parts) : interval_{interval}, parts_{parts} {}

    void add(std::size_t index, const Counts& counts, const Times& times, std::uint64_t connected);
    void add_failure(const std::string& words);

    /// Moves out what all parts have reported, from `from` on.
    [[nodiscard]] std::vector<Interval> take_complete();
    /// Everything that is left, complete or not.
    [[nodiscard]] std::vector<Interval> take_rest();
    [[nodiscard]] std::map<std::string, std::uint64_t> failures();

private:
    Interval& at(std::size_t index);

    std::mutex mutex_;
    Nanos interval_;
    unsigned parts_;
    std::size_t taken_ = 0;
    std::vector<Interval> intervals_;  // from number taken_ on
    std::map<std::string, std::uint64_t> failures_;
};

/// Deliveries of messages that their publishers wait for, who may be another thread's.
class Credits {
public:
    explicit Credits(unsigned threads);

    /// In any thread: these publishers had one delivery more each. Wakes the owner.
    void post(unsigned to, std::span<const std::uint32_t> publishers);
    /// In its owner's thread.
    void take(unsigned own, std::vector<std::uint32_t>& publishers);
    [[nodiscard]] int wake_handle(unsigned own) const { return inboxes_[own]->wake.raw(); }

private:
    struct Inbox {
        std::mutex mutex;
        std::vector<std::uint32_t> publishers;
        Handle wake;
    };
    std::vector<std::unique_ptr<Inbox>> inboxes_;
};

struct Shared {
    Shared(const Workload& workload, unsigned thread_count, Nanos now);

    /// Which thread has a client: the same for all with its number, so that pairs share one.
    [[nodiscard]] unsigned owner_of(std::uint32_t client) const {
        const auto group = plan.group_of(client);
        return (client - plan.client(group, 0)) % threads;
    }

    Plan plan;
    unsigned threads;
    Address target;
    std::vector<Address> sources;
    std::unique_ptr<TlsClient> tls;
    Nanos start;
    bool has_own_tables = false;
    bool has_credits = false;  // a closed loop without acknowledgements

    std::atomic<Nanos> publish_from{no_time};
    std::atomic<Nanos> window_from{no_time};
    std::atomic<Nanos> window_to{no_time};
    std::atomic<bool> is_closing{false};

    std::vector<std::unique_ptr<Progress>> progress;
    Board board;
    Credits credits;
};

}  // namespace touchstone::load
