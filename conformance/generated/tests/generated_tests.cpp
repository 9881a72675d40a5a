// Scripts, the model on a broker that is right, and the search on one that is wrong.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>

#include "conformance/generated/compare.hpp"
#include "conformance/generated/explore.hpp"
#include "conformance/generated/report.hpp"
#include "conformance/generated/search.hpp"
#include "conformance/generated/small_limits.hpp"
#include "conformance/targets/sim.hpp"

namespace touchstone::conformance::generated {
namespace {

SimOptions small() {
    SimOptions options;
    set_small_limits(options.settings);
    return options;
}

SearchSettings settings_for(TargetSource& source) {
    return {.play = survey(source, 1, 0, 1.0, nullptr).play};
}

Script script_of(std::string_view text) {
    std::string problem;
    auto script = parse_script(text, problem);
    EXPECT_TRUE(script.has_value()) << problem;
    return script.value_or(Script{});
}

std::string problem_of(std::string_view text) {
    std::string problem;
    EXPECT_FALSE(parse_script(text, problem).has_value()) << text;
    return problem;
}

Played play_on(const SimOptions& options, std::string_view text) {
    const auto source = make_sim_source(options);
    return play_anew(*source, script_of(text), 1, settings_for(*source));
}

SimOptions with(Defect defect) {
    SimOptions options;
    options.defects.turn_on(defect);
    return options;
}

RC_GTEST_PROP(Script, is_read_as_it_was_written, (std::uint64_t seed)) {
    GenerateSettings settings;
    settings.capabilities.speaks_v5 = true;
    settings.capabilities.speaks_v3_1_1 = true;
    const auto script = generate_script(seed, settings);
    std::string problem;
    const auto read = parse_script(to_text(script), problem);
    RC_ASSERT(read.has_value());
    RC_ASSERT(*read == script);
}

TEST(Script, says_which_line_is_wrong_and_what_is_expected_there) {
    EXPECT_EQ(problem_of("a connect\nx ping\n"),
              "line 2: 'x' is no client; they are a, b, c and d");
    EXPECT_EQ(problem_of("a connect receive-maximum=0"),
              "line 1: '0' is no receive-maximum; expected 1 to 65535");
    EXPECT_EQ(problem_of("a publish q=1"), "line 1: publish needs topic=…");
    EXPECT_EQ(problem_of("a ping twice"), "line 1: ping has no words, so not 'twice'");
    EXPECT_EQ(problem_of("# nothing\n"), "line 1: no step; expected lines like 'a connect clean'");
    EXPECT_TRUE(problem_of("a wrong kind=none").starts_with("line 1: there is no kind 'none'"));
    EXPECT_TRUE(problem_of("a fly").starts_with("line 1: expected connect, subscribe"));
}

TEST(Script, has_the_same_seed_for_the_same_steps) {
    GenerateSettings settings;
    settings.capabilities.speaks_v5 = true;
    EXPECT_EQ(generate_script(7, settings), generate_script(7, settings));
    EXPECT_NE(generate_script(7, settings), generate_script(8, settings));
}

TEST(Topics, match_as_in_4_7) {
    EXPECT_TRUE(matches_topic("a/#", "a"));
    EXPECT_TRUE(matches_topic("a/#", "a/b/c"));
    EXPECT_TRUE(matches_topic("+", "a"));
    EXPECT_TRUE(matches_topic("/+", "/a"));
    EXPECT_TRUE(matches_topic("+/+", "/a"));
    EXPECT_TRUE(matches_topic("a/+", "a/"));
    EXPECT_TRUE(matches_topic("$x/#", "$x/a"));
    EXPECT_FALSE(matches_topic("a/+", "a"));
    EXPECT_FALSE(matches_topic("+", "/a"));
    EXPECT_FALSE(matches_topic("a", "a/b"));
    EXPECT_FALSE(matches_topic("a/b", "a"));
    EXPECT_FALSE(matches_topic("#", "$x"));
    EXPECT_FALSE(matches_topic("+/a", "$x/a"));
}

/// RapidCheck draws where to look; what it finds is made small by our own shrinking, since a script
/// without a step has to stay one in which the same thing goes wrong.
void agrees(const SimOptions& options, std::uint64_t seed) {
    const auto source = make_sim_source(options);
    static const auto settings = settings_for(*source);
    const auto script = generate_script(seed, {.capabilities = settings.play.capabilities});
    const auto played = play_anew(*source, script, seed, settings);
    if (!played.divergence.has_value()) return;
    const auto smallest = shrink(*source, script, *played.divergence, seed, settings);
    RC_FAIL(to_text(*played.divergence) + "\n" + to_text(smallest));
}

RC_GTEST_PROP(Model, agrees_with_the_reference_broker, (std::uint64_t seed)) {
    agrees({}, seed);
}

RC_GTEST_PROP(Model, agrees_with_the_reference_broker_when_its_limits_are_small,
              (std::uint64_t seed)) {
    agrees(small(), seed);
}

TEST(Model, agrees_on_all_sequences_of_up_to_three_steps) {
    const auto source = make_sim_source(small());
    const auto settings = settings_for(*source);
    for (const auto version : {ProtocolVersion::v5, ProtocolVersion::v3_1_1}) {
        const auto alphabet = exploration_alphabet(version);
        ASSERT_GE(alphabet.size(), 13U);
        const auto explored =
            explore(*source, alphabet, 3, settings, [](const Script& script, const Played& played) {
                EXPECT_FALSE(played.divergence.has_value()) << to_text(*played.divergence) << "\n"
                                                            << to_text(script);
                return true;
            });
        EXPECT_GT(explored.scripts, 80U);
        EXPECT_FALSE(explored.was_ended);
    }
}

TEST(Model, leaves_open_what_the_standard_leaves_open) {
    // A QoS 0 message for a Session that is away may be kept or not.
    for (const bool is_kept : {false, true}) {
        SimOptions options;
        options.settings.queue_qos_0_offline = is_kept;
        const auto played = play_on(options, "a connect expiry=60\n"
                                             "a subscribe filter=~/t,q1\n"
                                             "a disconnect\n"
                                             "b connect\n"
                                             "b publish topic=~/t\n"
                                             "a connect expiry=60\n");
        EXPECT_FALSE(played.divergence.has_value());
        EXPECT_TRUE(std::ranges::all_of(played.has_applied, [](bool one) { return one; }));
    }
    // The granted QoS may be lower than what was asked for.
    SimOptions options;
    options.settings.maximum_qos = QoS::at_most_once;
    EXPECT_FALSE(play_on(options, "a connect\na subscribe filter=~/t,q2\na publish topic=~/t q=2\n")
                     .divergence.has_value());
}

TEST(Model, names_the_statement_that_is_broken) {
    const auto resumed = "a connect expiry=60 manual\n"
                         "a subscribe filter=~/t,q1\n"
                         "a publish topic=~/t q=1\n"
                         "a cut\n"
                         "a connect expiry=60 manual\n";
    EXPECT_FALSE(play_on({}, resumed).divergence.has_value());
    const auto without_dup = play_on(with(Defect::dup_flag_missing), resumed);
    ASSERT_TRUE(without_dup.divergence.has_value());
    EXPECT_EQ(without_dup.divergence->statement, "v5/MQTT-3.3.1-1");
    const auto with_new_id = play_on(with(Defect::pid_fresh_on_redelivery), resumed);
    ASSERT_TRUE(with_new_id.divergence.has_value());
    EXPECT_EQ(with_new_id.divergence->statement, "v5/MQTT-4.4.0-1");

    const auto will = play_on(with(Defect::will_never_published), "a connect will=~/w will-q=1\n"
                                                                  "b connect\n"
                                                                  "b subscribe filter=~/w,q1\n"
                                                                  "a cut\n");
    ASSERT_TRUE(will.divergence.has_value());
    EXPECT_EQ(will.divergence->statement, "v5/MQTT-3.1.2-8");
}

TEST(Model, sees_a_packet_identifier_that_is_given_out_while_in_use) {
    // The first message stays open while the identifiers behind it wrap around.
    std::string text = "a connect manual\n"
                       "a subscribe filter=~/t,q2\n"
                       "b connect\n"
                       "b publish topic=~/t q=1\n";
    for (int i = 0; i < 3; ++i) {
        text += "b publish topic=~/t q=2\n"
                "b publish topic=~/t q=2\n"
                "a acknowledge q=2 count=2\n"
                "a acknowledge q=2 count=2\n";
    }
    EXPECT_FALSE(play_on(small(), text).divergence.has_value());
    auto reusing = small();
    reusing.defects.turn_on(Defect::pid_no_in_use_check);
    const auto played = play_on(reusing, text);
    ASSERT_TRUE(played.divergence.has_value());
    EXPECT_EQ(played.divergence->statement, "v5/MQTT-2.2.1-4");
}

TEST(Search, plays_the_same_again) {
    const auto source = make_sim_source(small());
    const auto settings = settings_for(*source);
    const auto script = generate_script(3, {.capabilities = settings.play.capabilities});
    const auto once = play_anew(*source, script, 3, settings);
    const auto again = play_anew(*source, script, 3, settings);
    EXPECT_EQ(ladder_text(once, 1'000), ladder_text(again, 1'000));
    EXPECT_GT(once.packet_count, 0U);
}

TEST(Search, makes_what_it_finds_small_and_the_same) {
    const auto source = make_sim_source(with(Defect::no_takeover));
    const auto settings = settings_for(*source);
    const auto script = script_of("c connect\n"
                                  "c subscribe filter=~/t,q1 identifier=3\n"
                                  "a connect expiry=60 receive-maximum=2 will=~/w\n"
                                  "c publish topic=~/t q=1 retain\n"
                                  "a subscribe filter=~/t\n"
                                  "b connect id=a clean\n"
                                  "c ping\n");
    const auto played = play_anew(*source, script, 1, settings);
    ASSERT_TRUE(played.divergence.has_value());
    const auto smallest = shrink(*source, script, *played.divergence, 1, settings);
    EXPECT_EQ(to_text(smallest), "a connect\nb connect id=a\n");
    const auto again = play_anew(*source, smallest, 1, settings);
    ASSERT_TRUE(again.divergence.has_value());
    EXPECT_TRUE(is_same_mistake(*again.divergence, *played.divergence));
    EXPECT_EQ(again.divergence->statement, "v5/MQTT-3.1.4-3");
}

TEST(Compare, knows_what_differs_and_what_only_looks_different) {
    const auto once =
        play_on({}, "a connect\na subscribe filter=~/t,q1\na publish topic=~/t q=1\n");
    const auto expected =
        std::vector<std::string>{"a CONNACK new 0x00 success", "a SUBACK 0x01 granted_qos_1",
                                 "a PUBACK 0x00 success", "a PUBLISH q1 ~/t 'm3'"};
    EXPECT_EQ(behaviour(once, once.token), expected);
    SimOptions options;
    options.settings.maximum_qos = QoS::at_most_once;
    const auto other =
        play_on(options, "a connect\na subscribe filter=~/t,q1\na publish topic=~/t q=1\n");
    const auto difference =
        first_difference(behaviour(once, once.token), behaviour(other, other.token));
    EXPECT_EQ(difference, "a SUBACK 0x01 granted_qos_1 | a SUBACK 0x00 success");
    EXPECT_EQ(first_difference(expected, expected), "");
    EXPECT_EQ(kind_of_difference("a PUBLISH q1 ~/t 'm3' | -"), "PUBLISH q1 | -");
    EXPECT_EQ(kind_of_difference("b PUBLISH q1 retain ~/x/y 'm9' | -"), "PUBLISH q1 retain | -");
}

}  // namespace
}  // namespace touchstone::conformance::generated
