// No accusation of a broker that does nothing wrong, and the statement that is broken when one
// does: what the first comparisons of brokers got wrong (conformance/FINDINGS.md).
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "conformance/generated/search.hpp"
#include "conformance/targets/sim.hpp"
#include "conformance/tests/unusual_brokers.hpp"

namespace touchstone::conformance::generated {
namespace {

Played play_on(TargetSource& source, std::string_view text) {
    std::string problem;
    const auto script = parse_script(text, problem);
    EXPECT_TRUE(script.has_value()) << problem;
    return play_anew(source, script.value_or(Script{}), 1,
                     {.play = survey(source, 1, 0, 1.0, nullptr).play});
}

Played play_on(const Mutant& broker, std::string_view text) {
    return play_on(*make_mutant_source(broker), text);
}

TEST(Freedom, what_waits_for_a_pubcomp_is_not_lost) {
    const auto played =
        play_on(one_message_at_a_time_and_no_other(), "b connect expiry=60 manual\n"
                                                      "b subscribe filter=~/t,q2\n"
                                                      "a connect\n"
                                                      "a publish topic=~/t q=2\n"
                                                      "a publish topic=~/t q=1\n"
                                                      "b acknowledge\n"
                                                      "b cut\n"
                                                      "b connect expiry=60 manual\n");
    EXPECT_FALSE(played.divergence.has_value()) << played.divergence->text;
    EXPECT_EQ(played.inconclusive, "");
}

TEST(Freedom, to_send_one_message_at_a_time_is_not_held_against_a_broker) {
    const auto broker = one_message_at_a_time_and_no_other();
    const auto source = make_mutant_source(broker);
    const SearchSettings settings{.play = survey(*source, 1, 0, 1.0, nullptr).play};
    const GenerateSettings generate{.capabilities = settings.play.capabilities};
    for (std::uint64_t seed = 1; seed <= 1'000; ++seed) {
        const auto script = generate_script(seed, generate);
        const auto played = play_anew(*source, script, seed, settings);
        ASSERT_FALSE(played.divergence.has_value())
            << played.divergence->text << " in\n"
            << to_text(shrink(*source, script, *played.divergence, seed, settings));
    }
}

TEST(Freedom, a_will_topic_that_a_broker_does_not_take_is_its_own_reason_to_refuse) {
    Mutant broker{.name = "dollar"};
    broker.on_client = [](Packet& packet, Wire& wire) {
        const bool is_dollar = packet.type == PacketType::connect && packet.will.has_value() &&
                               packet.will->topic.starts_with('$');
        if (!is_dollar) return true;
        wire.to_client(hex("20 03 00 90 00"));
        return false;
    };
    const auto played = play_on(broker, "a connect will=$~/t\n");
    EXPECT_FALSE(played.divergence.has_value());
    EXPECT_NE(played.inconclusive.find("0x90"), std::string::npos) << played.inconclusive;
}

TEST(Freedom, unsuback_may_say_success_for_what_was_not_subscribed) {
    Mutant broker{.name = "success"};
    broker.on_broker = [](Packet& packet, Wire&) {
        if (packet.type == PacketType::unsuback) packet.raw.back() = std::byte{0};
        return true;
    };
    EXPECT_FALSE(play_on(broker, "a connect\na unsubscribe filter=~/t\n").divergence.has_value());
}

TEST(Freedom, a_will_that_is_lost_breaks_the_statement_about_wills) {
    Mutant broker{.name = "lost"};
    broker.on_broker = [](Packet& packet, Wire&) {
        return packet.type != PacketType::publish || !packet.payload.starts_with('w');
    };
    const auto played =
        play_on(broker, "a connect\na subscribe filter=~/will\nb connect will=~/will\nb cut\n");
    ASSERT_TRUE(played.divergence.has_value());
    EXPECT_EQ(played.divergence->statement, "v5/MQTT-3.1.2-8");
    EXPECT_EQ(played.divergence->kind, "Will lost");
}

TEST(Freedom, a_fault_of_one_kind_with_another_number_is_of_the_same_kind) {
    Mutant broker{.name = "code"};
    broker.on_broker = [](Packet& packet, Wire&) {
        if (packet.type == PacketType::connack) packet.raw[3] = std::byte{0x63};
        return true;
    };
    const auto played =
        play_anew(*make_mutant_source(broker), Script{Step{.verb = Verb::connect}}, 1,
                  {.play = survey(*make_sim_source({}), 1, 0, 1.0, nullptr).play});
    ASSERT_TRUE(played.divergence.has_value());
    EXPECT_EQ(played.divergence->kind, "N is not a code of CONNACK");
}

TEST(Credentials, of_the_broker_file_go_into_every_connect) {
    const auto source = make_sim_source({});
    std::string problem;
    auto* const guarded = source->in(Condition::guarded, problem);
    ASSERT_NE(guarded, nullptr) << problem;
    const auto play = survey(*guarded, 1, 0, 1.0, nullptr).play;
    ASSERT_TRUE(play.credentials.has_value());
    const auto played = play_on(*guarded, "a connect\nb connect version=3.1.1\na ping\n");
    EXPECT_FALSE(played.divergence.has_value());
    EXPECT_EQ(played.inconclusive, "");
}

}  // namespace
}  // namespace touchstone::conformance::generated
