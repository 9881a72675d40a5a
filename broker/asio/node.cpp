#include "broker/asio/node.hpp"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "broker/asio/clock.hpp"
#include "broker/asio/signals_blocked.hpp"
#include "broker/base/check.hpp"
#include "broker/rocksdb/redeal.hpp"
#include "broker/rocksdb/store_error.hpp"

namespace touchstone::asio_driver {

namespace {

/// What the shards have answered so far. Outlives the question, because an answer may be late.
struct Answers {
    std::mutex mutex;
    std::condition_variable has_changed;
    std::vector<std::optional<ShardFigures>> of_shard;
    std::size_t missing = 0;
};

SocketOptions socket_options_of(const settings::Listener& settings) {
    return {.backlog = static_cast<int>(settings.backlog),
            .has_no_delay = settings.has_no_delay,
            .receive_buffer_bytes = settings.receive_buffer_bytes,
            .send_buffer_bytes = settings.send_buffer_bytes};
}

/// Whether a listener of IPv4 has the port, too: then the system must not serve IPv4 for this one.
bool has_v4_twin(const settings::ListenAddress& address,
                 const std::vector<ListenerOptions>& listeners) {
    if (address.address.is_v4() || address.port == 0) return false;
    return std::ranges::any_of(listeners, [&](const ListenerOptions& other) {
        const auto& its = other.settings.address;
        return its.address.is_v4() && its.port == address.port;
    });
}

}  // namespace

/// The threads of shards on their way to work: all of them begin, or none.
struct Node::Start {
    explicit Start(unsigned shard_count) : are_prepared{shard_count} {}

    void fail(std::string message) {
        const std::scoped_lock lock{mutex};
        problem = std::move(message);
    }

    std::latch are_prepared;
    std::mutex mutex;
    std::optional<std::string> problem;  // read when all are prepared
};

struct Node::Storing {
    Storing(const StoreOptions& options, unsigned shard_count)
        : directory{options.directory},
          database{laid_out(directory, shard_count), options.environment} {}

    static rocksdb_driver::DataDirectory& laid_out(rocksdb_driver::DataDirectory& directory,
                                                   unsigned shard_count) {
        if (directory.is_new()) directory.set_layout({.shard_count = shard_count});
        return directory;
    }

    rocksdb_driver::DataDirectory directory;
    rocksdb_driver::Database database;
    std::optional<rocksdb_driver::Store> store;
};

Node::Node(Options options)
    : options_{std::move(options)},
      wall_offset_{read_wall_clock() - read_clock()},
      resumption_{std::make_shared<transport::TlsResumption>()} {
    CHECK(options_.shard_count >= 1 && options_.shard_count <= shard_count_max);
    const auto plans = plans_for(options_.listeners);
    for (const ListenerOptions& one : options_.listeners) {
        const auto endpoint = Endpoint::from_address(one.settings.address);
        auto socket_options = socket_options_of(one.settings);
        if (has_v4_twin(one.settings.address, options_.listeners)) {
            socket_options.is_v6_only = true;
        }
        auto& listener = shared_.listeners.emplace_back(std::make_unique<SharedListener>(
            ListeningSocket::open(endpoint, socket_options), one.index));
        listener->set_rate(one.settings.connection_rate, read_clock());
    }
    if (options_.descriptor_tables == settings::DescriptorTables::per_shard) {
        for (unsigned i = 0; i < options_.shard_count; ++i) {
            shared_.tables.push_back(
                std::make_unique<ShardTable>(options_.limits.passage_buffer_bytes));
        }
    }
    if (options_.record) records_ = open_records(*options_.record, options_.shard_count);
    if (options_.store) open_store();
    for (unsigned i = 0; i < options_.shard_count; ++i) {
        shards_.push_back(
            std::make_unique<Shard>(shared_, plans, options_.rules,
                                    Shard::Options{
                                        .self = ShardIndex{i},
                                        .shard_count = options_.shard_count,
                                        .limits = options_.limits,
                                        .authentication = options_.authentication,
                                        .record = records_.empty() ? nullptr : records_[i].get(),
                                        .store = storing_ ? &*storing_->store : nullptr,
                                        .wall_offset = wall_offset_,
                                    }));
    }
    for (const auto& shard : shards_) shard->meet(shards_);
}

Node::~Node() {
    stop_within(Duration::zero());
    for (std::thread& thread : threads_) thread.join();
    if (end_.joinable()) end_.join();
    // It tells the shards what it has stored.
    if (storing_) storing_->store->stop();
}

void Node::open_store() {
    const StoreOptions& options = *options_.store;
    try {
        storing_ = std::make_unique<Storing>(options, options_.shard_count);
        if (storing_->directory.layout().shard_count != options_.shard_count) {
            SystemRandom random;
            rocksdb_driver::redeal(storing_->database, {.shard_count = options_.shard_count,
                                                        .rules = options_.rules,
                                                        .random = random,
                                                        .now = read_clock(),
                                                        .wall_offset = wall_offset_});
        }
    } catch (const rocksdb_driver::StoreError& error) {
        throw OperatorError{error.what()};
    }
    storing_->store.emplace(
        storing_->database,
        rocksdb_driver::Store::Options{
            .shard_count = options_.shard_count,
            .durability = options.durability,
            .sync_interval = options.sync_interval,
            .on_outcome = [this](unsigned shard, BatchNumber number, StorageOutcome outcome) {
                Shard& asker = *shards_[shard];
                asker.post([&asker, number, outcome] { asker.on_stored(number, outcome); });
            },
            .on_read = [this](unsigned shard, ReadNumber number, ReadAnswer outcome) {
                Shard& asker = *shards_[shard];
                const auto found = std::make_shared<ReadAnswer>(std::move(outcome));
                asker.post([&asker, number, found] { asker.on_read(number, *found); });
            }});
}

std::optional<rocksdb_driver::StoreFigures> Node::store_figures() const {
    if (!storing_) return std::nullopt;
    return storing_->store->figures();
}

void Node::start() {
    CHECK(threads_.empty());
    spdlog::default_logger();  // made before the threads that use it, not by the first of them
    const SignalsBlocked blocked;
    running_ = shards_.size();
    const auto start = std::make_shared<Start>(options_.shard_count);
    for (const auto& shard : shards_) {
        threads_.emplace_back([this, &shard = *shard, start] { run_shard(shard, *start); });
    }
    // What this process opens from now on is in no table of a shard.
    start->are_prepared.wait();
    if (start->problem) throw OperatorError{*start->problem};
    end_ = std::thread{[this] { await_end(); }};
    if (shared_.tables.empty()) return;
    std::size_t connections = 0;
    for (const auto& table : shared_.tables) connections += table->places.count();
    spdlog::info("each of {} shards has a table of descriptors of its own; room for {} connections",
                 shards_.size(), connections);
}

std::vector<Endpoint> Node::endpoints() const {
    std::vector<Endpoint> endpoints;
    for (const auto& listener : shared_.listeners) {
        endpoints.push_back(listener->socket().endpoint);
    }
    return endpoints;
}

Shard::Plans Node::plans_for(const std::vector<ListenerOptions>& listeners) const {
    Shard::Plans plans;
    for (const ListenerOptions& one : listeners) {
        const settings::Listener& settings = one.settings;
        ListenerPlan plan{settings, nullptr};
        try {
            if (settings.tls) {
                plan.tls = std::make_shared<transport::TlsContext>(*settings.tls,
                                                                   settings.to_text(), resumption_);
            }
        } catch (const transport::TlsError& error) {
            throw OperatorError{error.what()};
        }
        plans.push_back(std::make_shared<ListenerPlan>(std::move(plan)));
    }
    return plans;
}

void Node::reload(const std::vector<ListenerOptions>& listeners) {
    CHECK(listeners.size() == shared_.listeners.size());
    const auto plans = plans_for(listeners);
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        shared_.listeners[i]->set_rate(listeners[i].settings.connection_rate, read_clock());
        shared_.listeners[i]->socket().apply(socket_options_of(listeners[i].settings));
    }
    for (const auto& shard : shards_) {
        shard->post([&shard = *shard, plans] { shard.on_plans(plans); });
    }
}

void Node::reload(std::shared_ptr<const access::NodeRules> rules) {
    for (const auto& shard : shards_) {
        shard->post([&shard = *shard, rules] { shard.on_rules(rules); });
    }
}

void Node::deliver(unsigned shard, QuestionNumber number, AuthenticationAnswer answer) {
    Shard& asker = *shards_[shard];
    asker.post(
        [&asker, number, answer = std::move(answer)] { asker.on_authenticated(number, answer); });
}

void Node::publish(std::vector<ServerMessage> messages) {
    Shard& any = *shards_.front();
    any.post([&any, messages = std::move(messages)] { any.publish(messages); });
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
    for (const auto& listener : shared_.listeners) shutdown(listener->raw(), SHUT_RDWR);
    for (const auto& shard : shards_) shard->stop(drain_time_max);
}

void Node::run_shard(Shard& shard, Start& start) {
    try {
        shard.recover();  // the files of the store are in the table that is left now
        shard.take_own_table();
    } catch (const OperatorError& error) {
        start.fail(error.what());
    }
    start.are_prepared.arrive_and_wait();
    if (start.problem) return;
    shard.run();
    --running_;
    running_.notify_one();
}

void Node::await_end() {
    while (const auto running = running_.load()) running_.wait(running);
    options_.on_stopped();
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
