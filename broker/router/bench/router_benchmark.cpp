// Time of a match and memory of a subscription, from 10^3 to 10^7 subscriptions of a filter each.
// Not a test: run it on an idle machine, release build: cmake -B build/bench
// -DCMAKE_BUILD_TYPE=Release -DTOUCHSTONE_BENCH=ON `bytes` is what the allocator has handed out
// more for each subscription, the sessions' records included; `Time` is a match of a topic drawn at
// random, with one subscriber.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "broker/base/check.hpp"
#include "broker/router/router.hpp"
#include "broker/router/tests/allocated_bytes.hpp"

namespace touchstone {
namespace {

enum Shape : std::int64_t { exact, plus, hash, tree, pairs };

/// The filter with number `n`, and a topic that only this one matches.
std::string filter_of(std::int64_t shape, std::uint64_t n) {
    const auto number = std::to_string(n);
    switch (shape) {
        case exact: return "dev/" + number + "/cmd";
        case plus: return "a/" + number + "/+/c";
        case hash: return "a/" + number + "/#";
        case tree:
            return "site/" + std::to_string(n / 100) + "/line/" + std::to_string(n % 100) + "/#";
        case pairs: return "a/" + std::to_string(n / 2) + (n % 2 == 0 ? "/+/c" : "/+/d");
    }
    UNREACHABLE();
}
std::string topic_of(std::int64_t shape, std::uint64_t n) {
    const auto number = std::to_string(n);
    switch (shape) {
        case exact: return "dev/" + number + "/cmd";
        case plus:
        case hash: return "a/" + number + "/x/c";
        case tree:
            return "site/" + std::to_string(n / 100) + "/line/" + std::to_string(n % 100) + "/x/c";
        case pairs: return "a/" + std::to_string(n / 2) + (n % 2 == 0 ? "/x/c" : "/x/d");
    }
    UNREACHABLE();
}
constexpr const char* names[] = {"exact", "+", "#", "tree with #", "two filters per prefix"};

FilterName name_of(std::string_view text) {
    return *FilterName::parse(text, true);
}

/// Kept from one benchmark to the next of the same shape and size.
struct Subscribed {
    Subscribed(std::int64_t shape, std::uint64_t count)
        : router{std::make_unique<Router>(Router::Options{.hash_seed = 42})},
          sessions(20) {
        const auto before = allocated_bytes();
        for (std::uint64_t n = 0; n < count; ++n)
            router->subscribe(sessions[n % sessions.size()], name_of(filter_of(shape, n)), {}, 0);
        bytes = allocated_bytes() - before;
    }
    std::unique_ptr<Router> router;
    std::vector<SubscriberBase> sessions;
    std::size_t bytes = 0;
};

/// Numbers below `count` in an order that no cache follows.
class Draw {
public:
    explicit Draw(std::uint64_t count) : count_{count} {}
    std::uint64_t next() {
        state_ = state_ * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
        return (state_ >> 33U) % count_;
    }

private:
    std::uint64_t state_ = 1;
    std::uint64_t count_;
};

/// Topics one behind the other, as they come in: reading them is sequential.
struct Topics {
    Topics(std::int64_t shape, std::uint64_t count) {
        Draw draw{count};
        for (std::size_t i = 0; i < topic_count; ++i) {
            text += topic_of(shape, draw.next());
            ends.push_back(static_cast<std::uint32_t>(text.size()));
        }
    }
    [[nodiscard]] std::string_view operator[](std::size_t i) const {
        const auto begin = i == 0 ? 0 : ends[i - 1];
        return std::string_view{text}.substr(begin, ends[i] - begin);
    }
    static constexpr std::size_t topic_count = 1U << 18U;
    std::string text;
    std::vector<std::uint32_t> ends;
};

void match(benchmark::State& state) {
    const auto shape = state.range(0);
    const auto count = static_cast<std::uint64_t>(state.range(1));
    const Subscribed subscribed{shape, count};
    const Topics topics{shape, count};
    Receivers receivers;
    std::size_t i = 0;
    std::size_t reached = 0;
    std::size_t published = 0;
    for (auto _ : state) {
        subscribed.router->match(topics[i], nullptr, receivers);
        reached += receivers.list.size();
        ++published;
        i = (i + 1) % Topics::topic_count;
    }
    CHECK(reached == published);
    state.SetLabel(names[shape]);
    state.counters["bytes"] = static_cast<int>(subscribed.bytes / count);
}

void match_a_list_of_many(benchmark::State& state) {
    Router router{{.hash_seed = 42}};
    std::vector<SubscriberBase> sessions(static_cast<std::size_t>(state.range(0)));
    for (auto& session : sessions) router.subscribe(session, name_of("fan/out"), {}, 0);
    Receivers receivers;
    for (auto _ : state) {
        router.match("fan/out", nullptr, receivers);
        benchmark::DoNotOptimize(receivers.list.data());
    }
    CHECK(receivers.list.size() == sessions.size());
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void subscribe_and_unsubscribe(benchmark::State& state) {
    const auto shape = state.range(0);
    const auto count = static_cast<std::uint64_t>(state.range(1));
    Subscribed subscribed{shape, count};
    SubscriberBase session;
    auto n = count;
    for (auto _ : state) {
        const auto filter = filter_of(shape, ++n);
        subscribed.router->subscribe(session, name_of(filter), {}, 0);
        CHECK(subscribed.router->unsubscribe(session, name_of(filter)));
    }
}

BENCHMARK(match)
    ->ArgNames({"shape", "count"})
    ->ArgsProduct({{exact, plus, hash, tree, pairs},
                   {1'000, 10'000, 100'000, 1'000'000, 10'000'000}});
BENCHMARK(match_a_list_of_many)->ArgName("count")->Arg(1)->Arg(10)->Arg(1'000)->Arg(100'000);
BENCHMARK(subscribe_and_unsubscribe)
    ->ArgNames({"shape", "count"})
    ->ArgsProduct({{exact, plus}, {1'000, 1'000'000}});

}  // namespace
}  // namespace touchstone

BENCHMARK_MAIN();
