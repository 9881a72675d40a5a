// A node with a disk crashes at every event of a small run, one run for each: no point in time is
// special, so all of them are tried. After each of them every invariant holds, and what was
// acknowledged has arrived; if the disk lies, what was acknowledged before.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <tuple>
#include <vector>

#include "simulator/checkers/checkers.hpp"
#include "simulator/world.hpp"

namespace touchstone::simulator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// What the applications do, and when.
struct Deed {
    Duration at;
    std::function<void(World&)> what;
};

ClientOptions lasting(std::string client_id) {
    ClientOptions options{
        .client_id = std::move(client_id), .clean_start = false, .session_expiry_s = 3'600};
    options.keep_alive_s = 0;
    options.reconnect.delay_low = milliseconds{2};
    options.reconnect.delay_high = milliseconds{6};
    return options;
}

Publication publication(std::string payload, QoS qos, std::string topic, bool retain = false) {
    return {.topic = std::move(topic),
            .payload = std::move(payload),
            .qos = qos,
            .retain = retain,
            .expiry_s = std::nullopt};
}

Wish wish(std::string filter, QoS qos) {
    return {.filter = std::move(filter), .options = {.qos = qos}};
}

/// A run of clients on one node with a disk.
class Story {
public:
    Story(unsigned shard_count, std::uint64_t seed) : world{seed} {
        NodeOptions options{.shard_count = shard_count};
        // Every other seed has shards that hear of each other late.
        if (seed % 2 == 0) {
            options.peer_delay_low = milliseconds{4};
            options.peer_delay_high = milliseconds{8};
        }
        options.storage = DiskOptions{milliseconds{1}, milliseconds{3}};
        node = world.add_node("broker", options);
    }
    ClientIndex add(const std::string& name, const ClientOptions& options) {
        LinkModel link;
        link.delay.low = std::chrono::microseconds{200};
        return world.add_client(name, options, node, link);
    }

    /// Does what is to be done, and lets the node crash once after `crash_after` events (0: never).
    /// Returns how many there were.
    std::uint64_t run(const std::vector<Deed>& deeds, std::uint64_t crash_after, Duration until) {
        std::uint64_t events = 0;
        for (std::size_t next = 0; next <= deeds.size(); ++next) {
            const bool is_end = next == deeds.size();
            const Instant at = run_begin + (is_end ? until : deeds[next].at);
            while (world.engine().step(at)) {
                if (++events != crash_after) continue;
                crashed_at = world.now();
                world.end_fault(world.begin_crash(node, false));
            }
            world.run_until(at);
            if (!is_end) deeds[next].what(world);
        }
        world.finish();
        return events;
    }

    World world;
    NodeIndex node;
    Instant crashed_at = never;
};

/// What every invariant has to say, line by line; empty when all hold.
std::string failures_of(const World& world) {
    const History history{world.trace()};
    std::string text;
    for (const auto& checker : all_checkers())
        for (const auto& failure : checker.check(world.trace(), history))
            text += std::string{checker.id} + ": " + failure.explanation + "\n";
    return text;
}

/// (shards, seed)
class crash_at_every_event : public testing::TestWithParam<std::tuple<unsigned, std::uint64_t>> {
protected:
    /// Sets up and runs `tell(story)`, which returns how many events there were, once for each of
    /// them. `judge(story)` says what is wrong beyond the invariants, where the crash came after
    /// `set_up`: an application that is not told that it has subscribed does not know better.
    template <class Tell, class Judge>
    void enumerate(Duration set_up, Tell tell, Judge judge) {
        const auto [shard_count, seed] = GetParam();
        Story calm{shard_count, seed};
        const auto events = tell(calm, 0);
        ASSERT_EQ(failures_of(calm.world) + judge(calm), "");
        ASSERT_GT(events, 15U);
        for (std::uint64_t crash_after = 1; crash_after <= events; ++crash_after) {
            Story story{shard_count, seed};
            tell(story, crash_after);
            auto wrong = failures_of(story.world);
            if (story.crashed_at >= run_begin + set_up) wrong += judge(story);
            ASSERT_EQ(wrong, "") << "crash after event " << crash_after << " of " << events
                                 << ", at " << (story.crashed_at - run_begin).count() << " us";
            ASSERT_EQ(story.world.node(story.node).unusable_records(), 0U);
        }
    }
    /// A Client Identifier like `name` of another shard than `other`, if there is one.
    static std::string elsewhere(std::string name, std::string_view other) {
        const auto shard_count = std::get<0>(GetParam());
        while (shard_count > 1 && owner_of(name, shard_count) == owner_of(other, shard_count))
            name += 'x';
        return name;
    }
    /// What the client received, each once, in any order.
    static std::string received_once(const Story& story, ClientIndex client) {
        auto all = story.world.received(client);
        std::ranges::sort(all);
        std::string text;
        for (const auto& one : all) text += (text.empty() ? "" : " ") + one;
        return text;
    }
};

TEST_P(crash_at_every_event, a_qos_2_message_arrives_exactly_once) {
    ClientIndex subscriber;
    enumerate(
        milliseconds{55},
        [&](Story& story, std::uint64_t crash_after) {
            subscriber = story.add("subscriber", lasting("subscriber"));
            // A copy at QoS 0 may be lost, but is not sent twice.
            const auto half = story.add("half", lasting("half"));
            const auto publisher =
                story.add("publisher", lasting(elsewhere("publisher", "subscriber")));
            // Whoever of them comes back first has the number of what another one lost.
            const auto second = story.add("second", lasting(elsewhere("second", "subscriber")));
            const auto third = story.add("third", lasting(elsewhere("third", "subscriber")));
            return story.run(
                {{milliseconds{1},
                  [=](World& world) {
                      world.subscribe(subscriber, {wish("t", QoS::exactly_once)});
                      world.subscribe(half, {wish("t", QoS::at_most_once)});
                      world.connect(subscriber);
                      world.connect(half);
                      world.connect(second);
                      world.connect(third);
                      world.connect(publisher);
                  }},
                 {milliseconds{60},
                  [=](World& world) {
                      for (const auto* const one : {"a", "b", "c"})
                          world.publish(publisher, publication(one, QoS::exactly_once, "t"));
                      world.publish(second, publication("e", QoS::exactly_once, "t"));
                      world.publish(third, publication("f", QoS::exactly_once, "t"));
                  }},
                 // The identifiers are used again.
                 {milliseconds{140},
                  [=](World& world) {
                      world.publish(publisher, publication("d", QoS::exactly_once, "t"));
                  }}},
                crash_after, seconds{12});
        },
        [&](const Story& story) {
            const auto got = received_once(story, subscriber);
            return got == "a b c d e f" ? "" : "received " + got;
        });
}

TEST_P(crash_at_every_event, a_qos_1_message_for_one_who_is_away_arrives) {
    ClientIndex subscriber;
    enumerate(
        milliseconds{55},
        [&](Story& story, std::uint64_t crash_after) {
            subscriber = story.add("subscriber", lasting("subscriber"));
            auto passing = lasting("publisher");
            passing.session_expiry_s = 0;
            passing.republish_unacknowledged = true;
            const auto publisher = story.add("publisher", passing);
            return story.run(
                {{milliseconds{1},
                  [=](World& world) {
                      world.subscribe(subscriber, {wish("t", QoS::at_least_once)});
                      world.connect(subscriber);
                      world.connect(publisher);
                  }},
                 {milliseconds{60}, [=](World& world) { world.disconnect(subscriber); }},
                 {milliseconds{100},
                  [=](World& world) {
                      for (const auto* const one : {"a", "b"})
                          world.publish(publisher, publication(one, QoS::at_least_once, "t"));
                  }},
                 {milliseconds{160}, [=](World& world) { world.connect(subscriber); }},
                 {milliseconds{200}, [=](World& world) { world.unsubscribe(subscriber, {"t"}); }},
                 {milliseconds{240},
                  [=](World& world) {
                      world.publish(publisher, publication("c", QoS::at_least_once, "t"));
                  }}},
                crash_after, seconds{12});
        },
        [&](const Story& story) {
            const auto& got = story.world.received(subscriber);
            const auto is_unsuback = [&](const TraceEntry& entry) {
                return entry.kind == TraceEntry::Kind::arrived &&
                       entry.type == wire::PacketType::unsuback;
            };
            const bool has_left = std::ranges::any_of(story.world.trace().entries, is_unsuback);
            if (has_left && std::ranges::find(got, "c") != got.end())
                return std::string{"c came although it had unsubscribed"};
            for (const auto* const one : {"a", "b"})
                if (std::ranges::find(got, one) == got.end())
                    return std::string{one} + " is missing";
            return std::string{};
        });
}

TEST_P(crash_at_every_event, retained_messages_and_their_removal_stay) {
    enumerate(
        milliseconds{55},
        [&](Story& story, std::uint64_t crash_after) {
            const auto publisher = story.add("publisher", lasting("publisher"));
            const auto late = story.add("late", lasting("late"));
            return story.run(
                {{milliseconds{1}, [=](World& world) { world.connect(publisher); }},
                 {milliseconds{40},
                  [=](World& world) {
                      world.publish(publisher, publication("1", QoS::exactly_once, "x", true));
                      world.publish(publisher, publication("2", QoS::at_least_once, "y", true));
                      world.publish(publisher, publication("3", QoS::at_least_once, "z", true));
                  }},
                 {milliseconds{80},
                  [=](World& world) {
                      world.publish(publisher, publication("", QoS::at_least_once, "y", true));
                      world.publish(publisher, publication("4", QoS::at_least_once, "z", true));
                  }},
                 {seconds{4},
                  [=](World& world) {
                      world.subscribe(late, {wish("#", QoS::at_least_once)});
                      world.connect(late);
                  }}},
                crash_after, seconds{12});
        },
        [](const Story& story) {
            std::string text;
            for (const auto& [topic, per_shard] : story.world.trace().end.retained)
                for (const auto& payload : per_shard) text += topic + "=" + payload + " ";
            const auto [shard_count, seed] = GetParam();
            const std::string expected =
                shard_count == 1 ? "x=1 y= z=4 " : "x=1 x=1 y= y= z=4 z=4 ";
            return text == expected ? "" : "retained: " + text;
        });
}

TEST_P(crash_at_every_event, a_will_is_published_once) {
    ClientIndex watcher;
    enumerate(
        milliseconds{55},
        [&](Story& story, std::uint64_t crash_after) {
            watcher = story.add("watcher", lasting("watcher"));
            const auto half = story.add("half", lasting("half"));
            auto mortal = lasting(elsewhere("mortal", "watcher"));
            mortal.will = WillOptions{publication("dead", QoS::at_least_once, "will"), 0};
            const auto client = story.add("mortal", mortal);
            return story.run({{milliseconds{1},
                               [=](World& world) {
                                   world.subscribe(watcher, {wish("will", QoS::exactly_once)});
                                   world.subscribe(half, {wish("will", QoS::at_most_once)});
                                   world.connect(watcher);
                                   world.connect(half);
                               }},
                              {milliseconds{40}, [=](World& world) { world.connect(client); }},
                              {milliseconds{90}, [=](World& world) { world.vanish(client); }}},
                             crash_after, seconds{12});
        },
        [&](const Story& story) {
            const auto& got = story.world.received(watcher);
            return std::ranges::count(got, "dead") >= 1 ? "" : std::string{"no Will"};
        });
}

TEST_P(crash_at_every_event, a_shared_message_goes_on_when_its_member_ends) {
    ClientIndex second;
    ClientIndex first;
    enumerate(
        milliseconds{55},
        [&](Story& story, std::uint64_t crash_after) {
            first = story.add("first", lasting("first"));
            second = story.add("second", lasting("second-member"));
            const auto publisher = story.add("publisher", lasting("publisher"));
            return story.run(
                {{milliseconds{1},
                  [=, this](World& world) {
                      world.set_acknowledgements(first, {.only_first = 0});
                      world.subscribe(first, {wish("$share/g/t", QoS::at_least_once)});
                      world.connect(first);
                      world.connect(publisher);
                  }},
                 {milliseconds{60},
                  [=](World& world) {
                      world.publish(publisher, publication("a", QoS::exactly_once, "t"));
                  }},
                 {milliseconds{120},
                  [=](World& world) {
                      world.subscribe(second, {wish("$share/g/t", QoS::at_least_once)});
                      world.connect(second);
                  }},
                 {milliseconds{180},
                  [=, this](World& world) { world.disconnect(first, ReasonCode::success, 0); }}},
                crash_after, seconds{12});
        },
        [&](const Story& story) {
            const auto& one = story.world.received(first);
            const auto& other = story.world.received(second);
            const auto count = std::ranges::count(one, "a") + std::ranges::count(other, "a");
            return count >= 1 ? "" : std::string{"nobody got it"};
        });
}

INSTANTIATE_TEST_SUITE_P(one_and_two_shards, crash_at_every_event,
                         testing::Combine(testing::Values(1U, 2U),
                                          testing::Range(std::uint64_t{1}, std::uint64_t{9})));

/// (shards, seed, lie)
class lie_at_every_event
    : public testing::TestWithParam<std::tuple<unsigned, std::uint64_t, DiskFault::Kind>> {};

// The node starts again whatever is left, all invariants hold but for what happened while the disk
// lied, and what was there before is there.
TEST_P(lie_at_every_event, harms_nothing_that_is_older) {
    const auto [shard_count, seed, lie] = GetParam();
    const DiskFault fault{.kind = lie, .batches = 2};
    constexpr Duration lie_from = milliseconds{150};
    std::uint64_t events = 0;
    std::uint64_t broken = 0;
    for (std::uint64_t crash_after = 0; crash_after <= events; ++crash_after) {
        Story story{shard_count, seed};
        const auto away = story.add("away", lasting("away"));
        const auto busy = story.add("busy", lasting("busy"));
        const auto publisher = story.add("publisher", lasting("publisher"));
        const auto publish = [publisher](World& world, const std::string& payload, QoS qos,
                                         const std::string& topic, bool retain = false) {
            world.publish(publisher, publication(payload, qos, topic, retain));
        };
        const auto count =
            story.run({{milliseconds{1},
                        [=](World& world) {
                            world.subscribe(away, {wish("t", QoS::exactly_once)});
                            world.subscribe(busy, {wish("#", QoS::exactly_once)});
                            for (const auto client : {away, busy, publisher}) world.connect(client);
                        }},
                       {milliseconds{60}, [=](World& world) { world.disconnect(away); }},
                       {milliseconds{70},
                        [=](World& world) {
                            publish(world, "old-1", QoS::at_least_once, "t");
                            publish(world, "old-2", QoS::exactly_once, "t");
                            publish(world, "old-3", QoS::at_least_once, "kept", true);
                        }},
                       {lie_from, [&](World& world) { world.begin_disk_fault(story.node, fault); }},
                       {milliseconds{151},
                        [=](World& world) {
                            publish(world, "new-1", QoS::at_least_once, "t");
                            publish(world, "new-2", QoS::exactly_once, "t");
                            publish(world, "new-3", QoS::at_least_once, "other", true);
                            world.subscribe(publisher, {wish("t", QoS::at_least_once)});
                        }},
                       {milliseconds{170}, [=](World& world) { world.connect(away); }},
                       {milliseconds{220},
                        [=](World& world) {
                            publish(world, "new-4", QoS::exactly_once, "t");
                            world.unsubscribe(publisher, {"t"});
                        }}},
                      crash_after, seconds{12});
        if (crash_after == 0) events = count;
        if (story.crashed_at < run_begin + lie_from) continue;  // a crash like those above
        ASSERT_EQ(failures_of(story.world), "") << "crash after event " << crash_after;
        ASSERT_TRUE(story.world.node(story.node).is_up());
        for (const auto* const old : {"old-1", "old-2"}) {
            const auto& got = story.world.received(away);
            ASSERT_NE(std::ranges::find(got, old), got.end())
                << old << " is missing; crash after event " << crash_after;
        }
        for (const auto& payload : story.world.trace().end.retained.at("kept"))
            ASSERT_EQ(payload, "old-3") << "crash after event " << crash_after;
        const auto& losses = story.world.trace().losses;
        broken += !losses.empty() && losses.front().broken_since != never ? 1 : 0;
    }
    EXPECT_GT(broken, 5U) << "in " << events << " runs";
}

INSTANTIATE_TEST_SUITE_P(one_and_two_shards, lie_at_every_event,
                         testing::Combine(testing::Values(1U, 2U),
                                          testing::Range(std::uint64_t{1}, std::uint64_t{5}),
                                          testing::Values(DiskFault::Kind::lost,
                                                          DiskFault::Kind::torn,
                                                          DiskFault::Kind::late)));

}  // namespace
}  // namespace touchstone::simulator
