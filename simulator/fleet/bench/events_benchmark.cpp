// bench_events: the hold model (take the earliest event, put one) on the timers of an MQTT fleet:
// ours beside std::priority_queue, the simulator's heap, and ns-3's schedulers where they are
// installed. Google Benchmark; ci/bench prints its table.
#include <benchmark/benchmark.h>

#ifdef TOUCHSTONE_HAS_NS3
#include <ns3/calendar-scheduler.h>
#include <ns3/event-impl.h>
#include <ns3/map-scheduler.h>
#include <ns3/priority-queue-scheduler.h>
#endif

#include <chrono>
#include <cstdint>
#include <memory>
#include <queue>
#include <vector>

#include "simulator/event_list.hpp"
#include "simulator/fleet/bucket_list.hpp"
#include "simulator/random.hpp"

namespace touchstone::simulator::fleet {
namespace {

constexpr Time us = 1'000;
constexpr Time ms = 1'000 * us;
constexpr Time s = 1'000 * ms;

constexpr std::size_t delay_count = std::size_t{1} << 14U;

/// Delays of timers as a broker and its clients have them, drawn beforehand, so that drawing does
/// not count.
const std::vector<Time>& delays() {
    static const std::vector<Time> drawn = [] {
        RandomStream random{1, Domain::workload, 0, Purpose::publish};
        std::vector<Time> all(delay_count);
        for (auto& delay : all) {
            const auto kind = random.below(100);
            if (kind < 50) {  // PINGREQ: Keep Alive of 60 s, by clients that are up to 25 % early
                delay = 45 * s + random.below(15 * s);
            } else if (kind < 70) {  // publications, 10 s in the mean
                const auto mean = std::chrono::duration_cast<Duration>(std::chrono::seconds{10});
                delay = static_cast<Time>(random.exponential(mean).count()) * us + 1;
            } else if (kind < 85) {  // packets on their way
                delay = 20 * ms + random.below(60 * ms);
            } else if (kind < 95) {  // the end of a broker's work on a packet
                delay = 5 * us + random.below(95 * us);
            } else {  // ends of sessions
                delay = 3'600 * s;
            }
        }
        return all;
    }();
    return drawn;
}

struct Buckets {
    void put(Time at) { list.put({.at = at}); }
    Time take() {
        TimedEvent event;
        CHECK(list.take(never - 1, event));
        return event.at;
    }
    BucketList list;
};

struct PriorityQueue {
    struct Item {
        Time at = 0;
        std::uint64_t number = 0;
        std::uint64_t what = 0;
    };
    struct IsLater {
        bool operator()(const Item& a, const Item& b) const {
            return a.at != b.at ? a.at > b.at : a.number > b.number;
        }
    };
    void put(Time at) { queue.push({at, ++count, 0}); }
    Time take() {
        const Time at = queue.top().at;
        queue.pop();
        return at;
    }
    std::priority_queue<Item, std::vector<Item>, IsLater> queue;
    std::uint64_t count = 0;
};

/// The list of simulator/engine, whose instants are microseconds.
struct EngineHeap {
    void put(Time at) { list.put(Instant{Duration{static_cast<std::int64_t>(at)}}, {}); }
    Time take() { return static_cast<Time>(list.take().at.time_since_epoch().count()); }
    EventList list;
};

#ifdef TOUCHSTONE_HAS_NS3
class Nothing final : public ns3::EventImpl {
    void Notify() override {}
};

/// As in ns3::DefaultSimulatorImpl: an EventImpl is made for each event and deleted with it.
template <class Scheduler>
struct Ns3 {
    void put(Time at) { scheduler->Insert({new Nothing, {at, ++count, 0}}); }
    Time take() {
        const auto event = scheduler->RemoveNext();
        event.impl->Unref();
        return event.key.m_ts;
    }
    ~Ns3() {
        while (!scheduler->IsEmpty()) take();
    }
    ns3::Ptr<Scheduler> scheduler = ns3::CreateObject<Scheduler>();
    std::uint32_t count = 0;
};
#endif

/// A list that has reached its steady state. Kept for the next call: the benchmark is called with
/// more and more iterations, and filling takes longer than measuring.
template <class List>
struct Filled {
    explicit Filled(std::size_t size) : pending{size} {
        for (std::size_t i = 0; i < pending; ++i) list.put(delay());
        for (std::size_t i = 0; i < pending; ++i) list.put(list.take() + delay());
    }
    Time delay() { return delays()[at_delay++ % delay_count]; }

    std::size_t pending;
    List list{};
    std::size_t at_delay = 0;
};

template <class List>
void hold(benchmark::State& state) {
    static std::unique_ptr<Filled<List>> filled;
    const auto pending = static_cast<std::size_t>(state.range(0));
    if (filled == nullptr || filled->pending != pending) {
        filled.reset();
        filled = std::make_unique<Filled<List>>(pending);
    }
    for (auto _ : state) filled->list.put(filled->list.take() + filled->delay());
}

void sizes(benchmark::internal::Benchmark* benchmark) {
    for (std::int64_t pending = 1'000; pending <= 10'000'000; pending *= 10) {
        benchmark->Arg(pending);
    }
    benchmark->Unit(benchmark::kNanosecond);
}

BENCHMARK(hold<Buckets>)->Name("hold/buckets")->Apply(sizes);
BENCHMARK(hold<PriorityQueue>)->Name("hold/std::priority_queue")->Apply(sizes);
BENCHMARK(hold<EngineHeap>)->Name("hold/simulator::EventList")->Apply(sizes);

#ifdef TOUCHSTONE_HAS_NS3
// ns-3 takes seconds to fill 10^7: a set, and an object for each event.
void ns3_sizes(benchmark::internal::Benchmark* benchmark) {
    for (std::int64_t pending = 1'000; pending <= 1'000'000; pending *= 10) {
        benchmark->Arg(pending);
    }
    benchmark->Unit(benchmark::kNanosecond);
}
BENCHMARK(hold<Ns3<ns3::MapScheduler>>)->Name("hold/ns-3 map (default)")->Apply(ns3_sizes);
BENCHMARK(hold<Ns3<ns3::PriorityQueueScheduler>>)
    ->Name("hold/ns-3 priority queue")
    ->Apply(ns3_sizes);
#endif

}  // namespace
}  // namespace touchstone::simulator::fleet

BENCHMARK_MAIN();
