// The suite itself: its catalogue, its cases, and how a run is led. What single cases catch is in
// mutants_tests.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "conformance/catalogue/catalogue.hpp"
#include "conformance/suite/monitor.hpp"
#include "conformance/suite/runner.hpp"
#include "conformance/targets/sim.hpp"

namespace touchstone::conformance {
namespace {

std::vector<const CaseEntry*> every_case() {
    std::vector<const CaseEntry*> cases;
    for (const auto& entry : all_cases()) cases.push_back(&entry);
    return cases;
}

std::vector<const CaseEntry*> cases_named(const std::set<std::string>& ids) {
    std::vector<const CaseEntry*> cases;
    for (const auto& entry : all_cases()) {
        if (ids.contains(entry.id)) cases.push_back(&entry);
    }
    return cases;
}

// --- Catalogue and cases -------------------------------------------------------------------------

TEST(Catalogue, has_all_numbered_statements_of_both_versions) {
    std::map<std::string, std::size_t> numbered;
    for (const auto& statement : catalogue()) {
        if (statement.is_numbered()) ++numbered[std::string{statement.version()}];
        EXPECT_FALSE(statement.requirement.empty()) << statement.id;
        EXPECT_FALSE(statement.section_number().empty()) << statement.id;
    }
    EXPECT_EQ(numbered["v5"], 251U);
    EXPECT_EQ(numbered["v3.1.1"], 141U);
}

TEST(Catalogue, finds_a_statement_by_its_version_and_number) {
    const auto* keep_alive = find_statement("v5/MQTT-3.1.2-22");
    const auto* password_flag = find_statement("v3.1.1/MQTT-3.1.2-22");
    ASSERT_NE(keep_alive, nullptr);
    ASSERT_NE(password_flag, nullptr);
    EXPECT_NE(keep_alive->requirement, password_flag->requirement);
    EXPECT_EQ(find_statement("v5/MQTT-2.2.1-1"), nullptr);
    EXPECT_TRUE(is_in_section("3.3.4 PUBLISH Actions", "3.3"));
    EXPECT_TRUE(is_in_section("3.3.4 PUBLISH Actions", "3.3.4"));
    EXPECT_FALSE(is_in_section("3.3.4 PUBLISH Actions", "3.3.40"));
    EXPECT_FALSE(is_in_section("3.10.1 UNSUBSCRIBE", "3.1"));
}

TEST(Cases, name_statements_that_exist_and_have_ids_of_their_own) {
    EXPECT_EQ(check_cases(), std::vector<std::string>{});
    for (const auto& entry : all_cases()) {
        for (const auto& statement : entry.statements) {
            EXPECT_NE(find_statement(statement), nullptr) << entry.id << " in " << entry.file;
        }
        EXPECT_FALSE(entry.demand.empty()) << entry.id;
    }
}

TEST(Cases, judge_every_statement_or_there_is_a_reason_why_not) {
    std::set<std::string> judged;
    for (const auto& entry : all_cases()) {
        judged.insert(entry.statements.begin(), entry.statements.end());
    }
    std::size_t numbered_with_case = 0;
    for (const auto& statement : catalogue()) {
        const bool has_case = judged.contains(statement.id);
        EXPECT_NE(has_case, !statement.reason_without_case.empty()) << statement.id;
        if (has_case && statement.is_numbered()) ++numbered_with_case;
    }
    // Only grows.
    EXPECT_GE(numbered_with_case, 354U);
}

TEST(Cases, with_ids_that_are_wrong_are_reported) {
    const auto none = [](Context&) { return std::unique_ptr<CaseBody>{}; };
    const auto before = check_cases().size();
    register_case("MQTT-3.1.0-1", "has no version", needs, "here.cpp", none);
    EXPECT_EQ(check_cases().size(), before + 1);
    EXPECT_NE(check_cases().front().find("MQTT-3.1.0-1"), std::string::npos);
}

TEST(Needs, that_a_broker_does_not_meet_are_named) {
    Capabilities capabilities{.speaks_v5 = true, .maximum_qos = 1};
    EXPECT_EQ(unmet_need(needs.qos(1), capabilities, ProtocolVersion::v5), std::nullopt);
    EXPECT_EQ(unmet_need(needs.qos(2), capabilities, ProtocolVersion::v5),
              "Maximum QoS of the broker is 1");
    EXPECT_EQ(unmet_need(needs, capabilities, ProtocolVersion::v3_1_1),
              "the broker does not speak MQTT 3.1.1");
    capabilities.retain_available = false;
    EXPECT_EQ(unmet_need(needs.retain(), capabilities, ProtocolVersion::v5),
              "the broker announces Retain Available 0");
    EXPECT_NE(unmet_need(needs.topic_aliases(1), capabilities, ProtocolVersion::v5), std::nullopt);
    EXPECT_NE(unmet_need(needs.receive_maximum_at_most(10), capabilities, ProtocolVersion::v5),
              std::nullopt);
}

TEST(Tolerances, follow_the_round_trip_and_the_factor) {
    Tolerances quick{.round_trip = std::chrono::microseconds{50}};
    Tolerances far{.round_trip = std::chrono::milliseconds{300}};
    EXPECT_EQ(quick.answer(), std::chrono::seconds{5});
    EXPECT_EQ(far.answer(), std::chrono::seconds{15});
    quick.slow = 3;
    EXPECT_EQ(quick.answer(), std::chrono::seconds{15});
}

// --- The monitor ---------------------------------------------------------------------------------

/// What the monitor objects to in the last of `bytes`, after CONNECT with `connect`.
std::vector<std::string> objections(const ConnectFields& connect,
                                    const std::vector<std::string>& packets) {
    Monitor monitor;
    monitor.on_opened();
    monitor.on_sent(decode(build_connect(connect).bytes(), connect.version, Sender::client));
    std::vector<std::string> statements;
    for (const auto& digits : packets) {
        const bool is_sent = digits[0] == '>';
        const auto raw = hex(is_sent ? digits.substr(1) : digits);
        auto packet = decode(raw, connect.version, is_sent ? Sender::client : Sender::server);
        statements.clear();
        if (is_sent) {
            monitor.on_sent(packet);
            continue;
        }
        for (const auto& fault : monitor.on_received(packet)) statements.push_back(fault.statement);
    }
    return statements;
}

using Statements = std::vector<std::string>;
const std::string accepted = "20 03 00 00 00";
const std::string qos_1_id_7 = "32 06 00 01 74 00 07 00";

TEST(Monitor, knows_what_may_come_when) {
    EXPECT_EQ(objections({}, {"d0 00"})[0], "v5/MQTT-3.2.0-1");
    EXPECT_EQ(objections({}, {accepted, accepted}), Statements{"v5/MQTT-3.2.0-2"});
    EXPECT_EQ(objections({}, {"e0 01 81"}), Statements{"v5/MQTT-3.14.0-1"});
    EXPECT_EQ(objections({}, {"20 03 00 80 00", "e0 01 81"}), Statements{"v5/MQTT-3.14.0-1"});
    EXPECT_EQ(objections({}, {"20 03 00 80 00", "d0 00"})[0], "v5/MQTT-3.2.2-7");
    EXPECT_EQ(objections({}, {accepted, "e0 01 8e", "d0 00"})[0], "v5/MQTT-3.14.4-1");
    EXPECT_EQ(objections({.client_id = "c"}, {"20 03 01 00 00"}), Statements{"v5/MQTT-3.2.2-2"});
    EXPECT_EQ(objections({.client_id = "c"}, {accepted, "f0 00"}), Statements{"v5/MQTT-4.12.0-6"});
    EXPECT_EQ(objections({.client_id = "c"}, {accepted}), Statements{});
}

TEST(Monitor, knows_which_answer_belongs_to_what) {
    const ConnectFields connect{.client_id = "c"};
    EXPECT_EQ(objections(connect, {accepted, "d0 00"}), Statements{"v5/MQTT-3.12.4-1"});
    EXPECT_EQ(objections(connect, {accepted, ">c0 00", "d0 00"}), Statements{});
    EXPECT_EQ(objections(connect, {accepted, "40 02 00 07"}), Statements{"v5/MQTT-2.2.1-5"});
    EXPECT_EQ(objections(connect, {accepted, ">" + qos_1_id_7, "40 02 00 07"}), Statements{});
    EXPECT_EQ(objections(connect, {accepted, "90 04 00 01 00 00"}), Statements{"v5/MQTT-2.2.1-6"});
    EXPECT_EQ(
        objections(connect, {accepted, ">82 07 00 01 00 00 01 61 00", "90 05 00 01 00 00 00"}),
        Statements{"v5/MQTT-3.8.4-6"});
    EXPECT_EQ(objections(connect, {accepted, "62 02 00 07"}), Statements{"v5/MQTT-2.2.1-5"});
}

TEST(Monitor, knows_flows_and_limits) {
    ConnectFields connect{.client_id = "c"};
    EXPECT_EQ(objections(connect, {accepted, qos_1_id_7, qos_1_id_7}),
              Statements{"v5/MQTT-2.2.1-4"});
    EXPECT_EQ(objections(connect, {accepted, qos_1_id_7, "3a 06 00 01 74 00 07 00"}),
              Statements{"v5/MQTT-4.4.0-1"});
    EXPECT_EQ(objections(connect, {accepted, qos_1_id_7, ">40 02 00 07", qos_1_id_7}),
              Statements{});
    EXPECT_EQ(objections(connect, {accepted, "3a 06 00 01 74 00 07 00"}),
              Statements{"v5/MQTT-3.3.1-3"});
    EXPECT_EQ(objections(connect, {accepted, "30 07 00 01 74 03 23 00 01"}),
              Statements{"v5/MQTT-3.1.2-27"});
    connect.properties = {number_property(PropertyId::receive_maximum, 1)};
    EXPECT_EQ(objections(connect, {accepted, qos_1_id_7, "32 06 00 01 74 00 08 00"}),
              Statements{"v5/MQTT-3.3.4-9"});
    connect.properties = {number_property(PropertyId::maximum_packet_size, 7)};
    EXPECT_EQ(objections(connect, {accepted, qos_1_id_7}), Statements{"v5/MQTT-3.1.2-24"});
    connect.properties = {number_property(PropertyId::topic_alias_maximum, 1)};
    EXPECT_EQ(objections(connect, {accepted, "30 06 00 00 03 23 00 01"}), Statements{"v5/X5-43"});
}

// --- The reference broker ------------------------------------------------------------------------

class SimTest : public testing::TestWithParam<unsigned> {};

TEST_P(SimTest, reference_broker_passes_every_case) {
    const auto source = make_sim_source({.shards = GetParam()});
    const auto record = run_cases(*source, every_case(), {.seed = 20260101});
    EXPECT_EQ(record.exit_code, ExitCode::as_expected) << record.problem;
    EXPECT_EQ(record.cases.size(), all_cases().size());
    for (const auto& one : record.cases) {
        EXPECT_TRUE(one.outcome.verdict == Verdict::pass || one.outcome.verdict == Verdict::info ||
                    one.outcome.verdict == Verdict::not_applicable)
            << one.entry->id << " " << text_of(one.outcome.verdict) << ": " << one.outcome.reason;
        EXPECT_TRUE(!one.outcome.close_verdict || *one.outcome.close_verdict == Verdict::pass)
            << one.entry->id << ": " << one.outcome.reason;
    }
}

INSTANTIATE_TEST_SUITE_P(Shards, SimTest, testing::Values(1U, 2U, 3U));

TEST(Sim, with_limits_announces_them_and_keeps_them) {
    SimOptions options;
    options.settings.maximum_qos = QoS::at_least_once;
    options.settings.retain_available = false;
    options.settings.wildcard_subscription_available = false;
    options.settings.subscription_identifier_available = false;
    options.settings.shared_subscription_available = false;
    options.settings.topic_alias_max = 0;
    options.settings.receive_maximum = 10;
    options.settings.packet_size_bytes_max = 1'000'000;
    options.settings.keep_alive_s_max = 5;
    const auto source = make_sim_source(options);
    const auto record = run_cases(*source, every_case(), {.seed = 20260101});
    std::map<Verdict, std::size_t> counts;
    for (const auto& one : record.cases) {
        ++counts[one.outcome.verdict];
        EXPECT_TRUE(one.outcome.verdict == Verdict::pass || one.outcome.verdict == Verdict::info ||
                    one.outcome.verdict == Verdict::not_applicable)
            << one.entry->id << " " << text_of(one.outcome.verdict) << ": " << one.outcome.reason;
    }
    EXPECT_GT(counts[Verdict::pass], 200U);
    for (const auto* id : {"v5/MQTT-3.2.2-10", "v5/MQTT-3.2.2-11", "v5/MQTT-3.2.2-12",
                           "v5/MQTT-3.2.2-13", "v5/MQTT-3.2.2-14", "v5/MQTT-3.2.2-15",
                           "v5/MQTT-3.2.2-18", "v5/X5-26", "v5/X5-27", "v5/X5-29", "v5/X5-64"}) {
        const auto found = std::ranges::find_if(
            record.cases, [id](const CaseRecord& one) { return one.entry->id == id; });
        ASSERT_NE(found, record.cases.end()) << id;
        EXPECT_EQ(found->outcome.verdict, Verdict::pass) << id << ": " << found->outcome.reason;
    }
}

TEST(Sim, gives_the_same_record_for_the_same_seed) {
    const auto run = [](std::uint64_t seed) {
        const auto source = make_sim_source({.shards = 2});
        std::string text;
        for (const auto& one : run_cases(*source, every_case(), {.seed = seed}).cases) {
            for (const auto& step : one.outcome.trace) {
                text += std::to_string(step.at.time_since_epoch().count()) + step.text;
            }
        }
        return text;
    };
    EXPECT_EQ(run(7), run(7));
    EXPECT_NE(run(7), run(8));
}

// --- How a run is led ----------------------------------------------------------------------------

/// A broker that goes away: after `connections_max` connections nothing accepts any more.
class MortalSource final : public TargetSource {
public:
    explicit MortalSource(int connections_max) : left_{connections_max} {}

    std::unique_ptr<Target> make(std::uint64_t seed) override {
        return std::make_unique<MortalTarget>(source_->make(seed), left_);
    }
    [[nodiscard]] bool has_virtual_time() const override { return true; }
    [[nodiscard]] bool may_run_side_by_side() const override { return false; }
    [[nodiscard]] std::string url() const override { return "mortal"; }
    [[nodiscard]] std::string transport() const override { return "sim"; }

private:
    class MortalTarget final : public Target {
    public:
        MortalTarget(std::unique_ptr<Target> target, int& left)
            : target_{std::move(target)},
              left_{left} {}
        std::unique_ptr<Connection> open(std::string& problem) override {
            if (left_-- > 0) return target_->open(problem);
            problem = "it is dead";
            return nullptr;
        }
        Instant now() override { return target_->now(); }
        void pass_time_until(Instant instant) override { target_->pass_time_until(instant); }

    private:
        std::unique_ptr<Target> target_;
        int& left_;
    };

    std::unique_ptr<TargetSource> source_ = make_sim_source({});
    int left_;
};

TEST(Run, says_that_a_broker_cannot_be_reached) {
    MortalSource source{0};
    const auto record = run_cases(source, every_case(), {});
    EXPECT_EQ(record.exit_code, ExitCode::target_unreachable);
    EXPECT_EQ(record.problem, "it is dead");
    EXPECT_EQ(record.not_run, all_cases().size());
}

TEST(Run, notices_a_crash_and_ends_when_nothing_answers_any_more) {
    MortalSource source{12};
    const auto record = run_cases(source, every_case(), {.seed = 3});
    EXPECT_EQ(record.exit_code, ExitCode::target_unreachable);
    EXPECT_GT(record.not_run, 0U);
    EXPECT_TRUE(std::ranges::any_of(record.cases, [](const CaseRecord& one) {
        return one.outcome.verdict == Verdict::crash &&
               one.outcome.reason.find("last packet sent") != std::string::npos;
    }));
}

TEST(Run, shuffles_by_the_seed) {
    const auto order_of = [](std::uint64_t seed) {
        std::vector<std::string> order;
        const auto source = make_sim_source({});
        RunSettings settings{.seed = seed};
        settings.on_case = [&order](const CaseEntry& entry, const CaseOutcome&) {
            order.push_back(entry.id);
        };
        static_cast<void>(run_cases(*source,
                                    cases_named({"v5/MQTT-3.12.4-1", "v5/MQTT-3.8.4-1",
                                                 "v5/MQTT-3.3.4-1", "v5/X5-31", "v5/X5-20"}),
                                    settings));
        return order;
    };
    EXPECT_EQ(order_of(1), order_of(1));
    std::set<std::vector<std::string>> orders;
    for (std::uint64_t seed = 0; seed < 8; ++seed) orders.insert(order_of(seed));
    EXPECT_GT(orders.size(), 2U);
}

TEST(Run, stops_when_it_is_interrupted) {
    std::atomic<bool> is_interrupted{false};
    RunSettings settings{.seed = 1, .is_interrupted = &is_interrupted};
    int finished = 0;
    settings.on_case = [&](const CaseEntry&, const CaseOutcome&) {
        if (++finished == 3) is_interrupted = true;
    };
    const auto source = make_sim_source({});
    const auto record = run_cases(*source, every_case(), settings);
    EXPECT_EQ(record.exit_code, ExitCode::interrupted);
    EXPECT_EQ(record.cases.size(), 3U);
    EXPECT_EQ(record.not_run, all_cases().size() - 3);
}

TEST(Run, ends_with_its_time_budget) {
    RunSettings settings{.seed = 1, .time_budget = std::chrono::seconds{0}};
    const auto source = make_sim_source({});
    const auto record = run_cases(*source, every_case(), settings);
    EXPECT_EQ(record.exit_code, ExitCode::time_budget_used_up);
    EXPECT_GT(record.not_run, 0U);
}

TEST(Run, is_invalid_when_no_case_comes_to_a_verdict) {
    const auto source = make_sim_source({});
    const auto record = run_cases(*source, cases_named({"v5/MQTT-6.0.0-3"}), {});
    EXPECT_EQ(record.exit_code, ExitCode::run_invalid);
}

TEST(Run, sets_the_broker_up_for_cases_that_need_it) {
    const auto source = make_sim_source({});
    const auto record = run_cases(*source,
                                  cases_named({"v5/X5-80", "v5/MQTT-4.3.3-9", "v3.1.1/X3-02",
                                               "v5/MQTT-3.2.2-11", "v5/X5-15"}),
                                  {});
    ASSERT_EQ(record.cases.size(), 5U);
    for (const auto& one : record.cases) {
        EXPECT_FALSE(is_failure(one.outcome.verdict)) << one.entry->id << one.outcome.reason;
        EXPECT_NE(one.outcome.verdict, Verdict::not_applicable) << one.entry->id;
        EXPECT_EQ(one.condition, one.entry->requested.condition) << one.entry->id;
    }
}

/// The reference broker as it always is, with nobody who says more about it.
class SilentSource : public TargetSource {
public:
    std::unique_ptr<Target> make(std::uint64_t seed) override { return sound_->make(seed); }
    [[nodiscard]] bool has_virtual_time() const override { return true; }
    [[nodiscard]] bool may_run_side_by_side() const override { return false; }
    [[nodiscard]] std::string url() const override { return "silent"; }
    [[nodiscard]] std::string transport() const override { return "sim"; }

private:
    std::unique_ptr<TargetSource> sound_ = make_sim_source({});
};

TEST(Run, says_what_is_missing_for_cases_that_need_it) {
    SilentSource source;
    const auto record = run_cases(
        source, cases_named({"v5/X5-80", "v5/MQTT-4.3.3-9", "v3.1.1/X3-02", "v5/X5-15"}), {});
    const std::map<std::string, std::string> missing{
        {"v5/X5-80", "scram_sha_256"},
        {"v5/MQTT-4.3.3-9", "forbidden_topic"},
        {"v3.1.1/X3-02", "credentials"},
        {"v5/X5-15", "commands"},
    };
    for (const auto& one : record.cases) {
        EXPECT_EQ(one.outcome.verdict, Verdict::not_applicable) << one.entry->id;
        EXPECT_NE(one.outcome.reason.find(missing.at(one.entry->id)), std::string::npos)
            << one.outcome.reason;
    }
    EXPECT_EQ(record.exit_code, ExitCode::run_invalid);
}

/// A broker that an UNSUBSCRIBE kills.
class FragileSource final : public SilentSource {
public:
    explicit FragileSource(bool can_revive) : can_revive_{can_revive} {}

    std::unique_ptr<Target> make(std::uint64_t seed) override {
        return std::make_unique<FragileTarget>(*this, SilentSource::make(seed));
    }
    [[nodiscard]] bool can_revive() const override { return can_revive_; }
    bool revive(std::string& /*problem*/) override {
        is_dead_ = false;
        ++revivals;
        return true;
    }
    [[nodiscard]] std::string fate() override { return "its process was ended by SIGSEGV"; }

    unsigned revivals = 0;

private:
    class FragileConnection final : public Connection {
    public:
        FragileConnection(FragileSource& source, std::unique_ptr<Connection> broker)
            : source_{source},
              broker_{std::move(broker)} {}
        bool send(Bytes bytes) override {
            if ((bytes[0] & std::byte{0xF0}) == std::byte{0xA0}) source_.is_dead_ = true;
            return !source_.is_dead_ && broker_->send(bytes);
        }
        Arrival receive(Buffer& into, Instant deadline) override {
            return source_.is_dead_ ? Arrival::reset : broker_->receive(into, deadline);
        }
        void close(Ending ending) override { broker_->close(ending); }

    private:
        FragileSource& source_;
        std::unique_ptr<Connection> broker_;
    };
    class FragileTarget final : public Target {
    public:
        FragileTarget(FragileSource& source, std::unique_ptr<Target> world)
            : source_{source},
              world_{std::move(world)} {}
        std::unique_ptr<Connection> open(std::string& problem) override {
            problem = "connection refused";
            if (source_.is_dead_) return nullptr;
            return std::make_unique<FragileConnection>(source_, world_->open(problem));
        }
        Instant now() override { return world_->now(); }
        void pass_time_until(Instant instant) override { world_->pass_time_until(instant); }

    private:
        FragileSource& source_;
        std::unique_ptr<Target> world_;
    };

    bool can_revive_;
    bool is_dead_ = false;
};

TEST(Run, goes_on_after_a_crash_where_the_broker_can_be_started_again) {
    FragileSource source{true};
    const auto record = run_cases(
        source, cases_named({"v5/MQTT-3.10.4-4", "v5/MQTT-3.12.4-1", "v5/MQTT-3.1.4-5"}), {});
    ASSERT_EQ(record.cases.size(), 3U);
    EXPECT_EQ(record.exit_code, ExitCode::expectation_failed);
    for (const auto& one : record.cases) {
        if (one.entry->id != "v5/MQTT-3.10.4-4") {
            EXPECT_EQ(one.outcome.verdict, Verdict::pass) << one.entry->id << one.outcome.reason;
            continue;
        }
        EXPECT_EQ(one.outcome.verdict, Verdict::crash);
        EXPECT_NE(one.outcome.reason.find("SIGSEGV"), std::string::npos) << one.outcome.reason;
        EXPECT_NE(one.outcome.reason.find("last packet sent: UNSUBSCRIBE"), std::string::npos)
            << one.outcome.reason;
    }
    EXPECT_EQ(source.revivals, 1U);
}

TEST(Run, ends_after_a_crash_where_nobody_can_start_the_broker_again) {
    FragileSource source{false};
    std::vector<const CaseEntry*> cases;
    for (const auto& entry : all_cases()) {
        if (entry.id.starts_with("v5/MQTT-3.10")) cases.push_back(&entry);
    }
    const auto record = run_cases(source, cases, {});
    EXPECT_EQ(record.exit_code, ExitCode::target_unreachable);
    EXPECT_GT(record.not_run, 0U);
    EXPECT_TRUE(std::ranges::any_of(
        record.cases, [](const CaseRecord& one) { return one.outcome.verdict == Verdict::crash; }));
}

// --- Where packets are cut must not matter ------------------------------------------------------

class SplitTest : public testing::TestWithParam<Split> {};

TEST_P(SplitTest, changes_no_verdict) {
    const auto source = make_sim_source({});
    const auto whole = run_cases(*source, every_case(), {.seed = 3});
    const auto cut = run_cases(*source, every_case(), {.seed = 3, .split = GetParam()});
    ASSERT_EQ(whole.cases.size(), cut.cases.size());
    for (std::size_t i = 0; i < whole.cases.size(); ++i) {
        EXPECT_EQ(whole.cases[i].outcome.verdict, cut.cases[i].outcome.verdict)
            << whole.cases[i].entry->id << ": " << cut.cases[i].outcome.reason;
    }
}

std::vector<Split> splits() {
    std::vector<Split> all{{.piece_bytes = 1},
                           {.piece_bytes = 2},
                           {.piece_bytes = 3},
                           {.piece_bytes = 7},
                           {.piece_bytes = 100}};
    for (std::size_t first = 1; first <= 20; ++first) all.push_back({.first_bytes = first});
    return all;
}

INSTANTIATE_TEST_SUITE_P(Splits, SplitTest, testing::ValuesIn(splits()), [](const auto& one) {
    return one.param.piece_bytes > 0 ? "pieces_of_" + std::to_string(one.param.piece_bytes)
                                     : "after_" + std::to_string(one.param.first_bytes);
});

TEST(Split, is_seen_by_the_broker) {
    // A broker that looks at no more than what came at once would fail: this one counts.
    class Counting final : public SilentSource {
    public:
        std::unique_ptr<Target> make(std::uint64_t seed) override {
            return std::make_unique<CountingTarget>(sends, SilentSource::make(seed));
        }
        std::size_t sends = 0;

    private:
        class CountingConnection final : public Connection {
        public:
            CountingConnection(std::size_t& sends_, std::unique_ptr<Connection> broker)
                : sends_of_source_{sends_},
                  broker_{std::move(broker)} {}
            bool send(Bytes bytes) override {
                ++sends_of_source_;
                return broker_->send(bytes);
            }
            Arrival receive(Buffer& into, Instant deadline) override {
                return broker_->receive(into, deadline);
            }
            void close(Ending ending) override { broker_->close(ending); }

        private:
            std::size_t& sends_of_source_;
            std::unique_ptr<Connection> broker_;
        };
        class CountingTarget final : public Target {
        public:
            CountingTarget(std::size_t& sends_, std::unique_ptr<Target> world)
                : sends_of_source_{sends_},
                  world_{std::move(world)} {}
            std::unique_ptr<Connection> open(std::string& problem) override {
                return std::make_unique<CountingConnection>(sends_of_source_,
                                                            world_->open(problem));
            }
            Instant now() override { return world_->now(); }
            void pass_time_until(Instant instant) override { world_->pass_time_until(instant); }

        private:
            std::size_t& sends_of_source_;
            std::unique_ptr<Target> world_;
        };
    };
    const auto sends_with = [](Split split) {
        Counting source;
        Surroundings surroundings{.split = split};
        surroundings.is_shared_broker = false;
        const auto cases = cases_named({"v5/MQTT-3.1.4-5"});
        EXPECT_EQ(run_case_once(source, *cases.front(), surroundings, 1).verdict, Verdict::pass);
        return source.sends;
    };
    const auto whole = sends_with({});
    EXPECT_GT(sends_with({.first_bytes = 1}), whole);
    EXPECT_GT(sends_with({.piece_bytes = 1}), 4 * whole);
}

/// A broker that has a defect only in the first world it is asked for after the probe.
class MoodySource final : public TargetSource {
public:
    std::unique_ptr<Target> make(std::uint64_t seed) override {
        // The two versions are probed in a world each.
        return (++worlds_ == 3 ? bad_ : good_)->make(seed);
    }
    [[nodiscard]] bool has_virtual_time() const override { return true; }
    [[nodiscard]] bool may_run_side_by_side() const override { return false; }
    [[nodiscard]] std::string url() const override { return "moody"; }
    [[nodiscard]] std::string transport() const override { return "sim"; }

private:
    static SimOptions broken() {
        SimOptions options;
        options.defects.turn_on(Defect::puback_missing);
        return options;
    }
    std::unique_ptr<TargetSource> good_ = make_sim_source({});
    std::unique_ptr<TargetSource> bad_ = make_sim_source(broken());
    int worlds_ = 0;
};

TEST(Run, calls_a_case_flaky_that_changes_its_verdict) {
    MoodySource source;
    const auto record = run_cases(source, cases_named({"v5/MQTT-3.3.4-1"}), {});
    ASSERT_EQ(record.cases.size(), 1U);
    EXPECT_EQ(record.cases[0].outcome.verdict, Verdict::flaky);
    EXPECT_EQ(record.exit_code, ExitCode::expectation_failed);
}

}  // namespace
}  // namespace touchstone::conformance
