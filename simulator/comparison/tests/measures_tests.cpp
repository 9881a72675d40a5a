// Each measure on traces made by hand, in every way that it can come out.
#include "simulator/comparison/measures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "simulator/tests/trace_builder.hpp"

namespace touchstone::simulator::comparison {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = TraceEntry::Kind;

/// A trace with a split in it, and members that are compared at its end.
class Story : public TraceBuilder {
public:
    Instant mark() {
        note_node(Kind::fault_began);
        return trace().entries.back().at;
    }
    void begin_split() { trace().faults.push_back({"partition", "n3", "", mark(), never}); }
    void end_split() { trace().faults.back().ended_at = mark(); }
    /// With a topic's value at each member; nothing else differs.
    void compare(const std::vector<std::string>& values = {"", ""}) {
        trace().cluster = {.model = "some", .has_registry = true, .shares_retained = true};
        trace().agreement = {.at = mark(), .entry = trace().entries.size(), .members = {}};
        for (const auto& value : values) {
            TracedMember member{.node = node(), .is_up = true, .is_serving = true};
            member.health = "healthy";
            member.running = {node()};
            if (!value.empty()) member.own_retained = {"kept = " + value};
            trace().agreement.members.push_back(member);
        }
    }
    [[nodiscard]] std::string outcome(const Subject& subject) {
        const auto answer = answer_to(subject, finished());
        std::set<std::string_view> known;
        for (const auto& one : outcomes_of(subject.question)) known.insert(one.name);
        EXPECT_TRUE(known.contains(answer.outcome)) << answer.outcome;
        EXPECT_FALSE(answer.words.empty());
        return answer.outcome;
    }
};

const Subject of_device{.question = Question::admission, .clients = {"device"}};

TEST(Admission, is_let_in_refused_unanswered_or_not_tried) {
    const auto outcome = [](const TraceBuilder::ConnectOptions& options) {
        Story story;
        story.begin_split();
        story.connect("device", options);
        story.end_split();
        return story.outcome(of_device);
    };
    EXPECT_EQ(outcome({}), "let_in");
    EXPECT_EQ(outcome({.reason = ReasonCode::server_busy}), "refused");
    EXPECT_EQ(outcome({.is_answered = false}), "no_answer");
    Story late;
    late.begin_split();
    late.end_split();
    late.connect("device");
    EXPECT_EQ(late.outcome(of_device), "no_attempt");
}

TEST(Admission, says_the_reason) {
    Story story;
    story.begin_split();
    story.connect("device", {.reason = ReasonCode::server_busy});
    story.end_split();
    EXPECT_EQ(answer_to(of_device, story.finished()).words, "refused: server_busy");
}

std::string same_client(Question question, bool older_goes, bool newer_goes, bool is_refused) {
    Story story;
    const auto older = story.connect("older");
    story.begin_split();
    TraceBuilder::ConnectOptions options;
    if (is_refused) options.reason = ReasonCode::server_busy;
    const auto newer = story.connect("newer", options);
    const auto go = [&] {
        if (older_goes) story.closed_by_broker(older);
        if (newer_goes) story.closed_by_broker(newer);
    };
    if (question == Question::same_client) go();
    story.end_split();
    if (question == Question::same_client_after) go();
    story.compare();
    return story.outcome({.question = question, .clients = {"older", "newer"}});
}

TEST(SameClient, is_connected_twice_once_or_not_at_all) {
    for (const auto question : {Question::same_client, Question::same_client_after}) {
        EXPECT_EQ(same_client(question, false, false, false), "both_live");
        EXPECT_EQ(same_client(question, true, false, false), "newer_lives");
        EXPECT_EQ(same_client(question, false, true, false), "older_lives");
        EXPECT_EQ(same_client(question, false, false, true), "newer_refused");
        EXPECT_EQ(same_client(question, true, true, false), "none_lives");
    }
}

TEST(SameClient, is_looked_at_when_the_question_says) {
    Story story;
    const auto older = story.connect("older");
    story.begin_split();
    story.connect("newer");
    story.end_split();
    story.closed_by_broker(older);
    story.compare();
    EXPECT_EQ(story.outcome({.question = Question::same_client, .clients = {"older", "newer"}}),
              "both_live");
    EXPECT_EQ(
        story.outcome({.question = Question::same_client_after, .clients = {"older", "newer"}}),
        "newer_lives");
}

enum class Comes { never, during, after };

std::string message(bool is_acknowledged, Comes comes) {
    Story story;
    const auto publisher = story.connect("publisher");
    const auto subscriber = story.connect("subscriber");
    story.begin_split();
    story.publish(publisher, "t", "m", {});
    if (is_acknowledged) story.to_client(publisher, wire::PacketType::puback, 1);
    if (comes == Comes::during) story.deliver(subscriber, "t", "m", {});
    story.end_split();
    if (comes == Comes::after) story.deliver(subscriber, "t", "m", {});
    return story.outcome(
        {.question = Question::message, .clients = {"publisher"}, .receivers = {"subscriber"}});
}

TEST(Message, is_acknowledged_or_not_and_comes_or_not) {
    EXPECT_EQ(message(true, Comes::never), "acknowledged_lost");
    EXPECT_EQ(message(true, Comes::after), "acknowledged_late");
    EXPECT_EQ(message(true, Comes::during), "acknowledged_delivered");
    EXPECT_EQ(message(false, Comes::never), "not_acknowledged");
    Story nothing;
    nothing.begin_split();
    nothing.end_split();
    EXPECT_EQ(nothing.outcome({.question = Question::message}), "none");
}

std::string subscription(bool is_granted, Comes comes, bool is_matched_afterwards) {
    Story story;
    const auto publisher = story.connect("publisher");
    const auto subscriber = story.connect("subscriber");
    story.begin_split();
    is_granted ? story.subscribe(subscriber, "t") : story.ask_for(subscriber, "t");
    story.publish(publisher, "t", "during", {.packet_id = 1});
    if (comes == Comes::during) story.deliver(subscriber, "t", "during", {});
    story.end_split();
    if (comes == Comes::after) story.deliver(subscriber, "t", "during", {});
    story.publish(publisher, "t", "afterwards", {.packet_id = 2});
    if (is_matched_afterwards) story.deliver(subscriber, "t", "afterwards", {});
    return story.outcome({.question = Question::subscription,
                          .clients = {"publisher"},
                          .receivers = {"subscriber"}});
}

TEST(SubscriptionDuringASplit, is_refused_matched_late_afterwards_or_never) {
    EXPECT_EQ(subscription(false, Comes::never, true), "refused");
    EXPECT_EQ(subscription(true, Comes::during, true), "matched");
    EXPECT_EQ(subscription(true, Comes::after, true), "matched_late");
    EXPECT_EQ(subscription(true, Comes::never, true), "matched_after");
    EXPECT_EQ(subscription(true, Comes::never, false), "never_matched");
}

std::string unsubscription(bool is_answered, bool comes) {
    Story story;
    const auto publisher = story.connect("publisher");
    const auto subscriber = story.connect("subscriber");
    story.subscribe(subscriber, "t");
    story.begin_split();
    story.unsubscribe(subscriber, "t");
    // UNSUBACK: identifier 999, no Properties, Success.
    const Buffer unsuback{std::byte{0xB0}, std::byte{0x04}, std::byte{0x03},
                          std::byte{0xE7}, std::byte{0x00}, std::byte{0x00}};
    if (is_answered) story.to_client(subscriber, unsuback);
    story.end_split();
    story.publish(publisher, "t", "m", {});
    if (comes) story.deliver(subscriber, "t", "m", {});
    return story.outcome({.question = Question::unsubscription,
                          .clients = {"publisher"},
                          .receivers = {"subscriber"}});
}

TEST(UnsubscriptionDuringASplit, is_refused_undone_or_kept) {
    EXPECT_EQ(unsubscription(false, true), "refused");
    EXPECT_EQ(unsubscription(true, true), "resurrected");
    EXPECT_EQ(unsubscription(true, false), "stays_away");
}

TEST(Retained, is_one_value_the_other_different_or_none) {
    const auto outcome = [](const std::vector<std::string>& values) {
        Story story;
        story.begin_split();
        story.end_split();
        story.compare(values);
        return story.outcome(
            {.question = Question::retained, .topic = "kept", .values = {"majority", "minority"}});
    };
    EXPECT_EQ(outcome({"majority", "majority"}), "majority_value");
    EXPECT_EQ(outcome({"minority", "minority"}), "minority_value");
    EXPECT_EQ(outcome({"majority", "minority"}), "differs");
    EXPECT_EQ(outcome({"majority", ""}), "differs");
    EXPECT_EQ(outcome({"", ""}), "no_value");
}

std::string will(bool goes, Comes comes) {
    Story story;
    const auto device = story.connect("device", {.will_payload = "gone"});
    const auto subscriber = story.connect("subscriber");
    story.begin_split();
    if (goes) story.lost_by_client(device);
    if (comes == Comes::during) story.deliver(subscriber, "will", "gone", {});
    story.end_split();
    if (comes == Comes::after) story.deliver(subscriber, "will", "gone", {});
    return story.outcome(
        {.question = Question::will, .clients = {"device"}, .receivers = {"subscriber"}});
}

TEST(Will, is_delivered_late_lost_or_not_due) {
    EXPECT_EQ(will(true, Comes::never), "lost");
    EXPECT_EQ(will(true, Comes::after), "late");
    EXPECT_EQ(will(true, Comes::during), "delivered");
    EXPECT_EQ(will(false, Comes::never), "none");
}

std::string failover(const TraceBuilder::ConnectOptions& options, bool comes_later) {
    Story story;
    const auto publisher = story.connect("publisher");
    story.publish(publisher, "t", "waiting", {});
    story.begin_split();
    const auto back = story.connect("device", options);
    story.end_split();
    if (comes_later) story.deliver(back, "t", "waiting", {});
    return story.outcome(
        {.question = Question::failover, .clients = {"device"}, .receivers = {"device"}});
}

TEST(Failover, finds_its_session_or_a_new_one) {
    EXPECT_EQ(failover({.session_present = true}, false), "resumed");
    EXPECT_EQ(failover({}, false), "new_session");
    EXPECT_EQ(failover({}, true), "new_session_merged");
    EXPECT_EQ(failover({.reason = ReasonCode::server_busy}, false), "refused");
    EXPECT_EQ(failover({.is_answered = false}, false), "no_answer");
}

std::string disturbed(bool here_goes, bool there_goes, bool before = false) {
    Story story;
    const auto here = story.connect("here-1");
    const auto there = story.connect("there");
    const auto there_too = story.connect("there-too");
    story.begin_split();
    const auto go = [&] {
        if (here_goes) story.closed_by_broker(here);
        if (there_goes) story.closed_by_broker(there);
        if (before) story.closed_by_broker(there_too);
    };
    if (before) go();
    story.end_split();
    if (!before) go();
    story.compare();
    return story.outcome({.question = Question::disturbance, .clients = {"here"}});
}

TEST(DisturbanceByHealing, is_of_nobody_of_one_side_or_of_both) {
    EXPECT_EQ(disturbed(false, false), "nobody");
    EXPECT_EQ(disturbed(true, false), "minority");
    EXPECT_EQ(disturbed(false, true), "majority");
    EXPECT_EQ(disturbed(true, true), "both_sides");
    EXPECT_EQ(disturbed(true, true, true), "none_left");
    Story story;
    story.begin_split();
    story.end_split();
    const auto late = story.connect("late");
    story.closed_by_broker(late);
    story.compare();
    EXPECT_THAT(disturbance(story.finished()).clients, IsEmpty());
}

TEST(Serving, counts_the_parts_that_let_in_and_says_whether_it_healed) {
    const auto outcome = [](bool one, bool other, bool heals) {
        Story story;
        story.begin_split();
        const auto connect = [&](const char* name, bool is_in) {
            story.connect(name, {.reason = is_in ? ReasonCode::success : ReasonCode::server_busy});
        };
        connect("at-n1", one);
        connect("at-n2", other);
        story.end_split();
        story.compare();
        if (!heals) story.trace().agreement.members[1].is_serving = false;
        return story.outcome({.question = Question::serving, .clients = {"at-n1", "at-n2"}});
    };
    EXPECT_EQ(outcome(true, true, true), "served_healed");
    EXPECT_EQ(outcome(true, true, false), "served_not_healed");
    EXPECT_EQ(outcome(true, false, true), "partly_served_healed");
    EXPECT_EQ(outcome(false, true, false), "partly_served_not_healed");
    EXPECT_EQ(outcome(false, false, true), "refused_healed");
    EXPECT_EQ(outcome(false, false, false), "refused_not_healed");
}

TEST(Unavailability, lasts_from_the_first_failure_to_the_next_success) {
    Story story;
    story.begin_split();
    story.connect("device", {.reason = ReasonCode::server_busy});
    story.pass(seconds{7});
    story.connect("device", {.reason = ReasonCode::server_busy});
    story.pass(seconds{3});
    story.end_split();
    story.connect("device");
    const auto found = unavailability(story.finished());
    EXPECT_GT(found.longest, seconds{10});
    EXPECT_LT(found.longest, seconds{11});
    EXPECT_TRUE(found.has_ended);
    EXPECT_EQ(found.client, "device");
}

TEST(Unavailability, is_none_where_every_attempt_succeeds) {
    Story story;
    story.connect("early", {.reason = ReasonCode::server_busy});
    story.begin_split();
    const auto device = story.connect("device");
    story.publish(device, "t", "m", {});
    story.to_client(device, wire::PacketType::puback, 1);
    story.end_split();
    EXPECT_EQ(unavailability(story.finished()).longest, Duration{});
}

TEST(Unavailability, lasts_to_the_end_where_nobody_acknowledges) {
    Story story;
    const auto device = story.connect("device");
    story.begin_split();
    story.publish(device, "t", "m", {});
    story.pass(seconds{20});
    story.end_split();
    const auto found = unavailability(story.finished());
    EXPECT_GT(found.longest, seconds{20});
    EXPECT_FALSE(found.has_ended);
}

TEST(Unavailability, is_not_of_a_client_that_has_given_up) {
    Story story;
    story.begin_split();
    story.connect("device", {.reason = ReasonCode::server_busy});
    story.pass(seconds{2});
    story.connect("device", {.reason = ReasonCode::server_busy});
    story.end_split();
    story.pass(seconds{60});
    const auto found = unavailability(story.finished());
    EXPECT_LT(found.longest, seconds{3});
    EXPECT_GT(found.longest, seconds{2});
    EXPECT_TRUE(found.has_ended);
}

TEST(Message, that_is_lost_before_the_split_is_noticed_is_told_from_others) {
    const auto outcome = [](Duration notices_within) {
        Story story;
        story.trace().cluster.notices_within = notices_within;
        const auto publisher = story.connect("publisher");
        story.begin_split();
        story.publish(publisher, "t", "soon", {.packet_id = 1});
        story.to_client(publisher, wire::PacketType::puback, 1);
        story.pass(seconds{10});
        story.publish(publisher, "t", "late", {.packet_id = 2});
        story.end_split();
        return story.outcome(
            {.question = Question::message, .clients = {"publisher"}, .receivers = {"subscriber"}});
    };
    EXPECT_EQ(outcome(seconds{3}), "lost_unnoticed");
    EXPECT_EQ(outcome({}), "acknowledged_lost");
}

TEST(Messages, are_lost_duplicated_and_reordered) {
    Story story;
    const auto publisher = story.connect("publisher");
    const auto subscriber = story.connect("subscriber");
    for (std::uint16_t i = 1; i <= 4; ++i) {
        story.publish(publisher, "t", std::to_string(i), {.packet_id = i});
        if (i != 4) story.to_client(publisher, wire::PacketType::puback, i);
    }
    story.deliver(subscriber, "t", "2", {});
    story.deliver(subscriber, "t", "1", {});
    story.deliver(subscriber, "t", "2", {.dup = true});
    const auto counts = count_messages(story.finished(), {"subscriber"});
    EXPECT_EQ(counts.published, 4U);
    EXPECT_EQ(counts.lost, 1U) << "3; nobody promised anything about 4";
    EXPECT_EQ(counts.duplicated, 1U);
    EXPECT_EQ(counts.reordered, 1U);
}

TEST(Messages, that_come_once_and_in_order_are_none_of_that) {
    Story story;
    const auto publisher = story.connect("publisher");
    const auto subscriber = story.connect("subscriber");
    for (std::uint16_t i = 1; i <= 2; ++i) {
        story.publish(publisher, "t", std::to_string(i), {.packet_id = i});
        story.to_client(publisher, wire::PacketType::puback, i);
        story.deliver(subscriber, "t", std::to_string(i), {.packet_id = i});
    }
    const auto counts = count_messages(story.finished(), {"elsewhere", "subscriber"});
    EXPECT_EQ(counts.published, 2U);
    EXPECT_EQ(counts.lost + counts.duplicated + counts.reordered, 0U);
}

TEST(Divergence, lasts_until_the_last_look_that_saw_it) {
    Story story;
    story.begin_split();
    story.end_split();
    const auto end = story.trace().faults.back().ended_at;
    story.pass(seconds{30});
    story.compare();
    const std::vector<MemberSample> samples{{end - seconds{1}, {}, {"C2"}},
                                            {end + seconds{2}, {}, {"C1"}},
                                            {end + seconds{5}, {}, {"C3"}},
                                            {end + seconds{6}, {}, {}}};
    const auto found = divergence(story.finished(), samples);
    EXPECT_EQ(found.lasted, seconds{5});
    EXPECT_FALSE(found.is_lasting);
    EXPECT_THAT(found.what, ElementsAre("C1", "C3"));
    EXPECT_EQ(divergence(story.finished(), {}).lasted, Duration{});
}

TEST(Divergence, that_is_there_at_the_end_is_lasting) {
    Story story;
    story.begin_split();
    story.end_split();
    story.compare({"one", "other"});
    const auto found = divergence(story.finished(), {});
    EXPECT_TRUE(found.is_lasting);
    EXPECT_THAT(found.what, ElementsAre("R1"));
}

TEST(Divergence, of_what_a_client_has_retained_is_seen) {
    for (const bool is_same : {false, true}) {
        Story story;
        const auto publisher = story.connect("publisher");
        story.begin_split();
        story.publish(publisher, "kept", "one", {.packet_id = 1, .retain = true});
        story.end_split();
        story.compare({"one", is_same ? "one" : "other"});
        const auto sample = sample_members(story.finished(), false);
        EXPECT_EQ(sample.diverged,
                  is_same ? std::vector<std::string>{} : std::vector<std::string>{"R1"});
    }
}

TEST(Divergence, of_connections_is_seen_at_the_end) {
    Story story;
    story.begin_split();
    story.connect("device");
    story.connect("device");
    story.end_split();
    story.compare();
    EXPECT_THAT(sample_members(story.finished(), true).diverged, ElementsAre("S1"));
    EXPECT_THAT(sample_members(story.finished(), false).diverged, IsEmpty());
}

TEST(Operator, is_told_of_alarms_and_changes) {
    Story story;
    story.begin_split();
    const auto from = story.trace().faults.back().began_at;
    story.end_split();
    story.trace().alarms.push_back({from + milliseconds{1'500}, story.node(), "nobody leads"});
    const std::vector<MemberSample> samples{{from + seconds{1}, {"healthy"}, {}},
                                            {from + seconds{3}, {"a member is down"}, {}},
                                            {from + seconds{4}, {"a member is down"}, {}},
                                            {from + seconds{9}, {"healthy"}, {}}};
    EXPECT_THAT(told(story.finished(), samples),
                ElementsAre("1.5 s, broker: alarm: nobody leads", "3 s, broker: a member is down",
                            "9 s, broker: healthy"));
    Story quiet;
    quiet.begin_split();
    quiet.end_split();
    EXPECT_THAT(told(quiet.finished(), {{from, {"healthy"}, {}}}), IsEmpty());
}

TEST(Question, has_a_name_and_outcomes_of_its_own) {
    for (const auto* name :
         {"admission", "same_client", "same_client_after", "message", "subscription",
          "unsubscription", "retained", "will", "failover", "disturbance", "serving"}) {
        const auto question = question_of(name);
        ASSERT_TRUE(question) << name;
        EXPECT_EQ(name_of(*question), name);
        std::set<std::string_view> names;
        for (const auto& one : outcomes_of(*question)) names.insert(one.name);
        EXPECT_EQ(names.size(), outcomes_of(*question).size());
    }
    EXPECT_FALSE(question_of("anything"));
}

}  // namespace
}  // namespace touchstone::simulator::comparison
