#include "broker/asio/node.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <condition_variable>
#include <mutex>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::asio_driver {

namespace {

/// While it lives, threads are started deaf to signals: those are for the thread that asks for
/// them.
class SignalsBlocked {
public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    sigset_t before_{};
};

/// What the shards have answered so far. Outlives the question, because an answer may be late.
struct Answers {
    std::mutex mutex;
    std::condition_variable has_changed;
    std::vector<std::optional<ShardFigures>> of_shard;
    std::size_t missing = 0;
};

}  // namespace

Node::Node(Options options) : options_{std::move(options)} {
    CHECK(options_.shard_count >= 1 && options_.shard_count <= shard_count_max);
    for (const Endpoint& endpoint : options_.listen) {
        listeners_.push_back(Listener::open(endpoint));
    }
    for (unsigned i = 0; i < options_.shard_count; ++i) {
        shards_.push_back(
            std::make_unique<Shard>(options_.settings, listeners_,
                                    Shard::Options{.self = ShardIndex{i},
                                                   .shard_count = options_.shard_count,
                                                   .limits = options_.limits}));
    }
    for (const auto& shard : shards_) shard->meet(shards_);
}

Node::~Node() {
    stop_within(Duration::zero());
    for (std::thread& thread : threads_) thread.join();
}

void Node::start() {
    CHECK(threads_.empty());
    const SignalsBlocked blocked;
    running_ = shards_.size();
    for (const auto& shard : shards_) {
        threads_.emplace_back([this, &shard = *shard] { run_shard(shard); });
    }
}

std::vector<Endpoint> Node::endpoints() const {
    std::vector<Endpoint> endpoints;
    for (const Listener& listener : listeners_) endpoints.push_back(listener.endpoint);
    return endpoints;
}

void Node::stop() {
    stop_within(options_.drain_time_max);
}

std::vector<std::optional<ShardFigures>> Node::figures(std::chrono::milliseconds wait_max) {
    const auto answers = std::make_shared<Answers>();
    answers->of_shard.resize(shards_.size());
    answers->missing = shards_.size();
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        Shard& shard = *shards_[i];
        shard.post([answers, i, &shard] {
            const std::scoped_lock lock{answers->mutex};
            answers->of_shard[i] = shard.figures();
            --answers->missing;
            answers->has_changed.notify_one();
        });
    }
    std::unique_lock lock{answers->mutex};
    answers->has_changed.wait_for(lock, wait_max, [&] { return answers->missing == 0; });
    return answers->of_shard;
}

void Node::stop_within(Duration drain_time_max) {
    // Whoever connects from now on is refused at once, instead of waiting for nobody.
    for (const Listener& listener : listeners_) shutdown(listener.socket.raw(), SHUT_RDWR);
    for (const auto& shard : shards_) shard->stop(drain_time_max);
}

void Node::run_shard(Shard& shard) {
    shard.run();
    if (--running_ == 0) options_.on_stopped();
}

std::size_t raise_open_files_limit() {
    rlimit limit{};
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);  // not being allowed to is no harm
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    return limit.rlim_cur;
}

}  // namespace touchstone::asio_driver
