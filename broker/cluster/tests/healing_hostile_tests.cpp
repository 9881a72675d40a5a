// Messages that no honest peer would send, from anybody at any time, end no node.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <utility>

#include "broker/cluster/healing.hpp"

namespace touchstone::cluster {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t node_count = 5;  // and messages name one more

struct CountingPort final : HealingPort {
    void send(NodeIndex, HealingMessage) override { ++sent; }
    void stop_serving() override {}
    void resume_serving() override {}
    void reboot(NodeIndex) override { ++reboots; }
    void copy_tables(NodeIndex) override { ++copies; }
    void forget(NodeIndex) override {}
    void alarm(std::string) override {}
    std::uint64_t random() override { return 0; }
    [[nodiscard]] std::uint64_t client_count() const override { return 1; }
    std::uint64_t sent = 0, reboots = 0, copies = 0;
};

class Hostile {
public:
    explicit Hostile(std::uint64_t seed) : random_{seed} {}

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    NodeIndex node() { return NodeIndex{static_cast<std::uint32_t>(below(node_count + 1))}; }
    HealingMessage message() {
        // More often what a node that joins waits for, so that some get on.
        HealingWelcome welcome;
        HealingAnnounced announced;
        fill(welcome);
        fill(announced);
        if (below(4) == 0) return welcome;
        if (below(3) == 0) return announced;
        return any(below(std::variant_size_v<HealingMessage>),
                   std::make_index_sequence<std::variant_size_v<HealingMessage>>{});
    }

private:
    std::vector<NodeIndex> nodes() {
        std::vector<NodeIndex> drawn(below(node_count + 2));
        for (auto& each : drawn) each = node();
        return drawn;
    }
    template <std::size_t... indices>
    HealingMessage any(std::size_t index, std::index_sequence<indices...>) {
        HealingMessage made;
        static_cast<void>(((indices == index && (made.emplace<indices>(), true)) || ...));
        std::visit([this](auto& message) { this->fill(message); }, made);
        return made;
    }
    template <class Message>
    void fill(Message& message) {
        if constexpr (requires { message.round; }) message.round = below(3);
        if constexpr (requires { message.attempt; }) message.attempt = below(8);
        if constexpr (requires { message.running; }) message.running = nodes();
        if constexpr (requires { message.victims; }) message.victims = nodes();
        if constexpr (requires { message.coordinator; }) message.coordinator = node();
        if constexpr (requires { message.joiner; }) message.joiner = node();
        if constexpr (requires { message.member; }) message.member = node();
        if constexpr (requires { message.suspect; }) message.suspect = node();
        if constexpr (requires { message.asker; }) message.asker = node();
        if constexpr (requires { message.is_attached; }) message.is_attached = below(2) == 0;
        if constexpr (requires { message.view; })
            message.view = {.owner = node(), .is_serving = below(4) > 0, .running = nodes()};
    }

    std::mt19937_64 random_;
};

void disturb(const HealingOptions& options, HealingStart start, std::uint64_t seed,
             CountingPort& port) {
    Hostile hostile{seed};
    const auto healing = make_healing(options, port);
    Instant now{};
    healing->on_start(start, now);
    for (int input = 0; input < 400; ++input) {
        const std::uint64_t wait_max = hostile.below(2) == 0 ? 2000 : 100;
        now += std::chrono::milliseconds{hostile.below(wait_max)};
        if (healing->next_tick() <= now) healing->on_tick(now);
        switch (hostile.below(10)) {
            case 0: healing->on_peer_down(hostile.node(), now); break;
            case 1:
            case 2: healing->on_peer_up(hostile.node(), now); break;
            case 3: healing->on_rebooted(now); break;
            case 4: healing->on_copied(now); break;
            default: healing->on_message(hostile.node(), hostile.message(), now);
        }
        const auto health = healing->health();
        ASSERT_LE(health.running.size() + health.stopped.size(), node_count);
    }
}

TEST(healing_hostile, no_message_ends_a_node) {
    for (const auto policy :
         {HealingPolicy::none, HealingPolicy::emqx4_original, HealingPolicy::emqx4,
          HealingPolicy::mria, HealingPolicy::rabbit_pause_minority,
          HealingPolicy::rabbit_autoheal}) {
        CountingPort port;
        for (std::uint64_t seed = 1; seed <= 60; ++seed) {
            HealingOptions options{.policy = policy,
                                   .self = NodeIndex{static_cast<std::uint32_t>(seed % 5)}};
            for (std::uint32_t index = 0; index < node_count; ++index)
                options.nodes.emplace_back(index);
            if (policy == HealingPolicy::mria) options.replicants = {NodeIndex{4}};
            options.defects.heal_two_phase_rpc = seed % 2 == 0;
            constexpr std::array starts{HealingStart::formed, HealingStart::restarted,
                                        HealingStart::discovering};
            disturb(options, starts[seed % starts.size()], seed, port);
        }
        EXPECT_GT(port.sent, 0U);
        EXPECT_GT(port.copies, 0U) << "some got so far";
        const auto has_rounds =
            policy != HealingPolicy::none && policy != HealingPolicy::rabbit_pause_minority;
        EXPECT_EQ(port.reboots > 0, has_rounds);
    }
}

}  // namespace
}  // namespace touchstone::cluster
