#include "simulator/bench.hpp"

#include <utility>
#include <vector>

#include "broker/base/check.hpp"
#include "simulator/node.hpp"

namespace touchstone::simulator {

namespace {

/// A loopback is about this fast; what matters is that it is not 0.
constexpr LinkModel bench_link{.delay = {.kind = DelayModel::Kind::fixed,
                                         .low = std::chrono::microseconds{50},
                                         .high = Duration::zero()},
                               .bandwidth_bytes_per_s = 0,
                               .buffer_bytes = 64 * 1024};

}  // namespace

class Bench::State final : public ConnectionEnd {
public:
    State(const NodeOptions& options, std::uint64_t seed)
        : engine{seed},
          links{engine, nullptr},
          node{engine, links, 0, options} {
        node.start();
        link = links.add_link(bench_link, node, Actor{});
    }

    struct Line {
        bool is_read = true;
        std::optional<Ending> ending;
    };

    // What is there is taken in receive(), so that a reader that is stalled, or late, is slow.
    void on_bytes_ready(ConnectionNumber) override {}
    void on_written(ConnectionNumber, std::size_t) override {}
    void on_ended(ConnectionNumber connection, Ending ending) override {
        line(connection).ending = ending;
    }

    [[nodiscard]] Line& line(ConnectionNumber connection) {
        CHECK(connection.raw() < lines.size());
        return lines[connection.raw()];
    }

    Engine engine;
    Links links;
    Node node;
    LinkIndex link;
    std::vector<Line> lines;  // by connection number: the bench opens all there are
};

namespace {

ConnectionNumber number_of(Bench::Handle handle) {
    return ConnectionNumber{handle.raw()};
}

}  // namespace

Bench::Bench(const Settings& settings, unsigned shard_count, std::uint64_t seed,
             const Defects& defects)
    : Bench{{.settings = settings, .shard_count = shard_count, .defects = defects}, seed} {}

Bench::Bench(const NodeOptions& options, std::uint64_t seed)
    : state_{std::make_unique<State>(options, seed)} {}

Bench::~Bench() = default;

Bench::Handle Bench::open() {
    state_->lines.emplace_back();
    const auto number = state_->links.open(state_->link, *state_, Actor{});
    return Handle{number.raw()};
}

void Bench::send(Handle connection, Bytes bytes) {
    state_->links.put(number_of(connection), Direction::to_broker, bytes);
    state_->links.flush(number_of(connection), Direction::to_broker);
}

Bench::Arrival Bench::receive(Handle connection, Duration wait_max) {
    CHECK(wait_max >= Duration::zero());
    const auto number = number_of(connection);
    const Instant until = now() + wait_max;
    for (;;) {
        const auto& line = state_->line(number);
        if (line.is_read && state_->links.has_bytes(number, Direction::to_client)) {
            return {Arrival::Kind::bytes, state_->links.take(number, Direction::to_client)};
        }
        if (line.ending == Ending::orderly) return {Arrival::Kind::closed, {}};
        if (line.ending == Ending::reset) return {Arrival::Kind::reset, {}};
        if (!state_->engine.step(until)) break;
    }
    state_->engine.run_until(until);
    return {Arrival::Kind::timeout, {}};
}

void Bench::close(Handle connection) {
    auto& line = state_->line(number_of(connection));
    state_->links.close(number_of(connection), Direction::to_broker);
    if (!line.ending) line.ending = Ending::orderly;
}

void Bench::abort(Handle connection) {
    auto& line = state_->line(number_of(connection));
    state_->links.abort(number_of(connection), Direction::to_broker);
    if (!line.ending) line.ending = Ending::reset;
}

void Bench::stall_reading(Handle connection) {
    state_->line(number_of(connection)).is_read = false;
}

void Bench::resume_reading(Handle connection) {
    state_->line(number_of(connection)).is_read = true;
}

Instant Bench::now() const {
    return state_->engine.now();
}

void Bench::advance(Duration span) {
    CHECK(span >= Duration::zero());
    state_->engine.run_until(now() + span);
}

void Bench::restart() {
    if (state_->node.is_up()) state_->node.crash(false);
    state_->node.start();
    // The resets reach the other ends, and nothing of the old process is under way any more.
    advance(2 * bench_link.delay.low);
}

void Bench::stop() {
    if (state_->node.is_up()) state_->node.stop();
    advance(2 * bench_link.delay.low);
}

Counters Bench::counters() const {
    return state_->node.counters();
}

Gauges Bench::gauges() const {
    return state_->node.gauges();
}

std::string Bench::digest() const {
    return state_->engine.digest().text();
}

}  // namespace touchstone::simulator
