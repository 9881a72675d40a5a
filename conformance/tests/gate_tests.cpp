// What makes the suite a gate: the file of known failures, the choice of cases, the file about a
// broker, and brokers that the suite runs.
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "conformance/baseline.hpp"
#include "conformance/command.hpp"
#include "conformance/limits.hpp"
#include "conformance/selection.hpp"
#include "conformance/target_options.hpp"
#include "conformance/targets/managed.hpp"
#include "conformance/targets/process.hpp"
#include "conformance/targets/sim.hpp"
#include "conformance/text_file.hpp"
#include "reports/run_file.hpp"
#include "reports/summary.hpp"

namespace touchstone::conformance {
namespace {

using ResultVerdict = results::Verdict;

/// A folder of the test's own, removed with its content at the end.
class Folder {
public:
    Folder() {
        auto name = testing::TempDir() + "gateXXXXXX";
        path_ = ::mkdtemp(name.data());
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    [[nodiscard]] std::string file(const std::string& name, const std::string& text = "") const {
        const auto path = path_ / name;
        if (!text.empty()) std::ofstream{path} << text;
        return path.string();
    }
    [[nodiscard]] std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

// --- The baseline -------------------------------------------------------------------------------

const std::string one = "v5/MQTT-3.1.0-1";
const std::string other = "v5/MQTT-3.1.0-2";

results::Run run_with(ResultVerdict::Value of_one, ResultVerdict::Value of_other) {
    results::Run run;
    for (const auto& [id, verdict] : {std::pair{one, of_one}, std::pair{other, of_other}}) {
        auto& result = *run.add_cases();
        result.set_case_id(id);
        result.set_title("a demand");
        result.set_verdict(verdict);
    }
    return run;
}

Baseline baseline_with(const std::string& expires = "", bool crashes = false) {
    Baseline baseline;
    auto& known = *baseline.add_known();
    known.set_case_(one);
    known.set_reason("to be mended");
    known.set_link("https://tracker.example/7");
    known.set_expires(expires);
    known.set_crashes(crashes);
    return baseline;
}

ExitCode exit_code_with(const Baseline& baseline, ResultVerdict::Value of_one,
                        ResultVerdict::Value of_other,
                        ExitCode otherwise = ExitCode::expectation_failed) {
    auto run = run_with(of_one, of_other);
    return exit_code_of(apply_baseline(baseline, "2026-11-21", run), otherwise);
}

TEST(Baseline, accepts_what_is_listed_and_nothing_else) {
    const auto listed = baseline_with();
    EXPECT_EQ(exit_code_with(listed, ResultVerdict::fail, ResultVerdict::pass),
              ExitCode::as_expected);
    EXPECT_EQ(exit_code_with(listed, ResultVerdict::flaky, ResultVerdict::pass),
              ExitCode::as_expected);
    EXPECT_EQ(exit_code_with(listed, ResultVerdict::fail, ResultVerdict::fail),
              ExitCode::regression);
    EXPECT_EQ(exit_code_with(listed, ResultVerdict::fail, ResultVerdict::flaky),
              ExitCode::regression);
    EXPECT_EQ(exit_code_with({}, ResultVerdict::fail, ResultVerdict::pass), ExitCode::regression);
}

TEST(Baseline, says_when_a_known_failure_is_gone) {
    const auto listed = baseline_with();
    for (const auto good : {ResultVerdict::pass, ResultVerdict::info, ResultVerdict::non_strict}) {
        EXPECT_EQ(exit_code_with(listed, good, ResultVerdict::pass, ExitCode::as_expected),
                  ExitCode::unexpected_pass);
    }
    // A regression is worse news, and what was not judged is no news.
    EXPECT_EQ(exit_code_with(listed, ResultVerdict::pass, ResultVerdict::fail),
              ExitCode::regression);
    EXPECT_EQ(exit_code_with(listed, ResultVerdict::not_applicable, ResultVerdict::pass,
                             ExitCode::as_expected),
              ExitCode::as_expected);
}

TEST(Baseline, accepts_nothing_after_its_last_day) {
    EXPECT_EQ(exit_code_with(baseline_with("2026-11-21"), ResultVerdict::fail, ResultVerdict::pass),
              ExitCode::as_expected);
    EXPECT_EQ(exit_code_with(baseline_with("2026-11-20"), ResultVerdict::fail, ResultVerdict::pass),
              ExitCode::regression);
}

TEST(Baseline, takes_a_crash_for_news_unless_it_is_listed_as_one) {
    EXPECT_EQ(exit_code_with(baseline_with(), ResultVerdict::crash, ResultVerdict::pass),
              ExitCode::regression);
    EXPECT_EQ(exit_code_with(baseline_with("", true), ResultVerdict::crash, ResultVerdict::pass),
              ExitCode::as_expected);
}

TEST(Baseline, does_not_hide_that_a_run_was_cut_short) {
    EXPECT_EQ(exit_code_with(baseline_with(), ResultVerdict::fail, ResultVerdict::pass,
                             ExitCode::target_unreachable),
              ExitCode::target_unreachable);
}

TEST(Baseline, takes_both_from_what_fails_at_times) {
    auto listed = baseline_with();
    listed.mutable_known(0)->set_sometimes(true);
    for (const auto either : {ResultVerdict::pass, ResultVerdict::fail, ResultVerdict::flaky}) {
        EXPECT_EQ(exit_code_with(listed, either, ResultVerdict::pass), ExitCode::as_expected);
    }
    EXPECT_EQ(exit_code_with(listed, ResultVerdict::crash, ResultVerdict::pass),
              ExitCode::regression);
    EXPECT_TRUE(
        update_baseline(run_with(ResultVerdict::pass, ResultVerdict::pass), {}, listed).empty());
    EXPECT_EQ(listed.known_size(), 1);
    Baseline empty;
    update_baseline(run_with(ResultVerdict::flaky, ResultVerdict::fail), {}, empty);
    ASSERT_EQ(empty.known_size(), 2);
    EXPECT_TRUE(empty.known(0).sometimes());
    EXPECT_FALSE(empty.known(1).sometimes());
}

TEST(Baseline, shows_in_the_results) {
    auto run = run_with(ResultVerdict::fail, ResultVerdict::fail);
    const auto comparison = apply_baseline(baseline_with(), "2026-11-21", run);
    EXPECT_EQ(comparison.known, std::vector<std::string>{one});
    EXPECT_EQ(comparison.regressions, std::vector<std::string>{other});
    EXPECT_TRUE(reports::is_as_expected(run.cases(0)));
    EXPECT_EQ(run.cases(0).expectation_reason(), "to be mended");
    EXPECT_EQ(run.cases(0).expectation_link(), "https://tracker.example/7");
    EXPECT_FALSE(reports::is_as_expected(run.cases(1)));
}

TEST(Baseline, is_brought_in_line_with_a_run) {
    auto baseline = baseline_with("2027-01-01");
    const NewEntry entry{.reason = "seen", .link = "https://tracker.example/8"};
    EXPECT_EQ(update_baseline(run_with(ResultVerdict::fail, ResultVerdict::crash), entry, baseline)
                  .size(),
              1U);
    ASSERT_EQ(baseline.known_size(), 2);
    EXPECT_EQ(baseline.known(0).expires(), "2027-01-01");  // as it was
    EXPECT_EQ(baseline.known(1).reason(), "seen");
    EXPECT_TRUE(baseline.known(1).crashes());

    update_baseline(run_with(ResultVerdict::pass, ResultVerdict::inconclusive), entry, baseline);
    ASSERT_EQ(baseline.known_size(), 1);
    EXPECT_EQ(baseline.known(0).case_(), other);  // was not judged
}

TEST(Baseline, is_refused_with_the_place_of_the_mistake) {
    Baseline baseline = baseline_with("tomorrow");
    *baseline.add_known() = baseline.known(0);
    auto& unknown = *baseline.add_known();
    unknown.set_case_("v5/MQTT-99");
    const auto mistakes = check_baseline(baseline, "known.textproto");
    std::string all;
    for (const auto& mistake : mistakes) all += mistake + '\n';
    EXPECT_EQ(mistakes.size(), 5U) << all;
    EXPECT_NE(all.find("known.textproto: v5/MQTT-3.1.0-1: expires: 'tomorrow'"), std::string::npos);
    EXPECT_NE(all.find("listed twice"), std::string::npos);
    EXPECT_NE(all.find("v5/MQTT-99: there is no such case"), std::string::npos);
    EXPECT_NE(all.find("v5/MQTT-99: a reason is missing"), std::string::npos);
}

TEST(Dates, are_days_of_the_calendar) {
    EXPECT_TRUE(is_date("2028-02-29"));
    for (const auto* wrong :
         {"2027-02-29", "2027-13-01", "2027-1-1", "27-01-01", "2027/01/01", ""}) {
        EXPECT_FALSE(is_date(wrong)) << wrong;
    }
    EXPECT_EQ(date_of(1'767'225'600), "2026-01-01");
}

// --- The choice of cases ------------------------------------------------------------------------

std::set<std::string> ids_of(const Selection& selection) {
    std::set<std::string> ids;
    for (const auto* entry : select(selection)) ids.insert(entry->id);
    return ids;
}

TEST(Selection, is_everything_unless_something_is_asked_for) {
    EXPECT_EQ(select({}).size(), all_cases().size());
}

TEST(Selection, goes_by_id_section_and_tag) {
    EXPECT_EQ(ids_of({.only = {"v5/MQTT-3.12.4-1"}}), std::set<std::string>{"v5/MQTT-3.12.4-1"});
    for (const auto* entry : select({.only = {"v5/MQTT-4.3*"}})) {
        EXPECT_TRUE(std::ranges::any_of(entry->statements, [](const std::string& statement) {
            return statement.starts_with("v5/MQTT-4.3");
        })) << entry->id;
    }
    const auto both = ids_of({.sections = {"3.12"}});
    EXPECT_TRUE(both.contains("v5/MQTT-3.12.4-1"));
    EXPECT_TRUE(both.contains("v3.1.1/MQTT-3.12.4-1"));
    const auto time = ids_of({.tags = {"time"}});
    const auto time_v5 = ids_of({.sections = {"v5/3"}, .tags = {"time"}});
    EXPECT_FALSE(time_v5.empty());
    EXPECT_LT(time_v5.size(), time.size());
    EXPECT_TRUE(std::ranges::includes(time, time_v5));
}

TEST(Selection, leaves_out_what_is_excluded) {
    const auto all = ids_of({});
    const auto without =
        ids_of({.excluded = {"time", "v5/3.3", "v5/MQTT-3.12.4-1", "v3.1.1/MQTT-4*"}});
    EXPECT_FALSE(without.contains("v5/MQTT-3.12.4-1"));
    for (const auto& id : without) {
        EXPECT_FALSE(id.starts_with("v5/MQTT-3.3.")) << id;
        EXPECT_FALSE(id.starts_with("v3.1.1/MQTT-4")) << id;
    }
    EXPECT_GT(without.size(), all.size() / 2);
}

TEST(Selection, is_refused_when_something_fits_no_case) {
    EXPECT_THROW(static_cast<void>(select({.only = {"v5/MQTT-99"}})), Refusal);
    EXPECT_THROW(static_cast<void>(select({.sections = {"v5/99"}})), Refusal);
    EXPECT_THROW(static_cast<void>(select({.tags = {"taste"}})), Refusal);
    EXPECT_THROW(static_cast<void>(select({.excluded = {"taste"}})), Refusal);
    EXPECT_THROW(static_cast<void>(select({.only = {"v5/MQTT-3.12.4-1"}, .excluded = {"v5"}})),
                 Refusal);
    try {
        static_cast<void>(select({.only = {"v5/MQTT-4.5.0-2"}}));
        FAIL() << "the statement has no case";
    } catch (const Refusal& refusal) {
        EXPECT_NE(refusal.line.find("An obligation of the client"), std::string::npos)
            << refusal.line;
    }
}

TEST(Tags, say_what_a_case_is_about) {
    const auto tags_of_case = [](const std::string& id) {
        const auto found = std::ranges::find(all_cases(), id, &CaseEntry::id);
        return found == all_cases().end() ? std::vector<std::string>{} : tags_of(*found);
    };
    const std::vector<std::string> users{"access", "guarded", "must", "users", "v5"};
    EXPECT_EQ(tags_of_case("v5/MQTT-3.1.4-2"), users);
    const auto flows = tags_of_case("v5/MQTT-4.3.3-9");
    EXPECT_TRUE(std::ranges::binary_search(flows, "qos2"));
    for (const auto& entry : all_cases()) {
        EXPECT_GE(tags_of(entry).size(), 3U) << entry.id;
        EXPECT_TRUE(std::ranges::is_sorted(tags_of(entry))) << entry.id;
    }
}

// --- The file about a broker --------------------------------------------------------------------

TEST(BrokerFile, is_refused_with_the_place_of_the_mistake) {
    const Folder folder;
    const auto complaint = [&](const std::string& text) -> std::string {
        try {
            const auto file = read_broker_file(folder.file("b.textproto", text));
            static_cast<void>(make_source({.broker_file = folder.file("b.textproto")}, file));
        } catch (const Refusal& refusal) {
            return refusal.line;
        } catch (const Unreachable& unreachable) {
            return "unreachable: " + unreachable.line;
        }
        return "";
    };
    EXPECT_NE(complaint("name: \"b\"\nlimit { }\n").find("b.textproto:2:"), std::string::npos);
    EXPECT_NE(complaint("limit { }\n").find("known: name target versions"), std::string::npos);
    EXPECT_NE(complaint("versions: \"3.1\"").find("neither 3.1.1 nor 5.0"), std::string::npos);
    EXPECT_NE(complaint("commands { run: \"b\" stop: \"s\" }").find("`run` excludes"),
              std::string::npos);
    EXPECT_NE(complaint("name: \"b\"").find("no target"), std::string::npos);
    EXPECT_NE(complaint("commands { run: \"b\" } guarded { forbidden_topic: \"t\" }")
                  .find("need a target or commands"),
              std::string::npos);
    EXPECT_NE(complaint("target: \"http://x\"").find("http://x"), std::string::npos);
    EXPECT_TRUE(complaint("commands { run: \"exit 3\" }").starts_with("unreachable: "))
        << complaint("commands { run: \"exit 3\" }");
    EXPECT_NE(complaint("commands { run: \"exit 3\" }").find("exit code 3"), std::string::npos);
}

TEST(BrokerFile, is_written_as_it_is_read) {
    const Folder folder;
    Broker broker;
    broker.set_name("b");
    Capabilities known{.speaks_v5 = true, .maximum_qos = 1, .server_keep_alive_s = 7};
    *broker.mutable_limits() = to_limits(known);
    const auto again =
        read_broker_file(folder.file("b.textproto", to_text_file(broker, "first\n\nsecond")));
    EXPECT_EQ(again.SerializeAsString(), broker.SerializeAsString());
    const auto capabilities = to_capabilities(again.limits());
    EXPECT_EQ(capabilities.maximum_qos, 1);
    EXPECT_EQ(capabilities.server_keep_alive_s, 7);
    EXPECT_EQ(capabilities.maximum_packet_size_bytes, std::nullopt);
}

TEST(Limits, that_contradict_the_connack_are_named) {
    Limits declared;
    declared.set_receive_maximum(20);
    declared.set_retain_available(true);
    Capabilities announced{.speaks_v5 = true, .receive_maximum = 30};
    EXPECT_EQ(contradictions(declared, announced),
              std::vector<std::string>{"the file says receive_maximum 20, the CONNACK 30"});
    announced.speaks_v5 = false;
    EXPECT_TRUE(contradictions(declared, announced).empty());
}

// --- Brokers that the suite runs ----------------------------------------------------------------

TEST(Process, tells_how_it_ended) {
    const auto fate_of = [](const std::string& command) {
        Process process{command, ""};
        std::string problem;
        EXPECT_TRUE(process.start(problem)) << problem;
        while (process.is_running()) {
        }
        return process.fate();
    };
    EXPECT_EQ(fate_of("exit 3"), "its process ended with exit code 3");
    EXPECT_EQ(fate_of("kill -SEGV $$"), "its process was ended by SIGSEGV");
}

TEST(Process, is_stopped_with_what_it_has_started) {
    const Folder folder;
    const auto pipe = folder.file("pipe");
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    std::string problem;
    // Nobody writes, so that both wait for ever.
    Process process{"cat < " + pipe + " & cat < " + pipe + " & wait", ""};
    ASSERT_TRUE(process.start(problem)) << problem;
    EXPECT_TRUE(process.is_running());
    process.stop();
    EXPECT_FALSE(process.is_running());
    EXPECT_EQ(process.fate(), "its process was ended by SIGTERM");
}

TEST(Process, has_no_connection_of_the_suite) {
    const Folder folder;
    const auto pipe = folder.file("pipe");
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    std::string problem;
    Process process{"cat < " + pipe, ""};
    ASSERT_TRUE(process.start(problem)) << problem;
    ::close(ends[0]);
    pollfd end{.fd = ends[1], .events = POLLIN, .revents = 0};
    constexpr int patience_ms = 60'000;
    EXPECT_EQ(::poll(&end, 1, patience_ms), 1) << "the process keeps the connection open";
    ::close(ends[1]);
    EXPECT_TRUE(process.is_running());
}

TEST(Process, is_stopped_when_the_broker_has_ended_not_when_its_shell_has) {
    const Folder folder;
    const auto idle = folder.file("idle");
    const auto ready = folder.file("ready");
    ASSERT_EQ(::mkfifo(idle.c_str(), 0600), 0);
    ASSERT_EQ(::mkfifo(ready.c_str(), 0600), 0);
    std::string problem;
    Process process{"(trap 'echo ended > " + folder.file("log") + "; exit' TERM; cat < " + idle +
                        " & echo > " + ready + "; wait) & wait",
                    ""};
    ASSERT_TRUE(process.start(problem)) << problem;
    std::ifstream{ready}.get();
    process.stop();
    std::ifstream log{folder.file("log")};
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>{log}, {}), "ended\n");
}

TEST(Process, writes_what_it_prints_to_its_file) {
    const Folder folder;
    std::string problem;
    EXPECT_TRUE(run_command("echo hello; echo error >&2", folder.file("log"), problem)) << problem;
    std::ifstream log{folder.file("log")};
    const std::string text{std::istreambuf_iterator<char>{log}, {}};
    EXPECT_EQ(text, "hello\nerror\n");
    EXPECT_FALSE(run_command("exit 5", "", problem));
    EXPECT_NE(problem.find("exit code 5"), std::string::npos);
}

/// A broker that is there already; its commands write down that they were called.
ManagedBroker elsewhere(const std::string& log) {
    ManagedBroker broker{
        .url = "sim", .commands = {.start = "echo start >> " + log, .stop = "echo stop >> " + log}};
    broker.make_source = [](const std::string&, std::string&) { return make_sim_source({}); };
    return broker;
}

std::string text_of_file(const std::string& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

TEST(ManagedBroker, is_stopped_started_and_revived_by_its_commands) {
    const Folder folder;
    const auto log = folder.file("log");
    std::string problem;
    const auto source = make_managed_source(elsewhere(log), problem);
    ASSERT_NE(source, nullptr) << problem;
    EXPECT_TRUE(source->declaration().may_be_stopped);
    EXPECT_TRUE(source->can_revive());
    const auto target = source->make(1);
    EXPECT_TRUE(target->stop_broker(problem)) << problem;
    EXPECT_TRUE(target->start_broker(problem)) << problem;
    EXPECT_EQ(text_of_file(log), "stop\nstart\n");
    EXPECT_TRUE(source->revive(problem)) << problem;
    EXPECT_EQ(text_of_file(log), "stop\nstart\nstop\nstart\n");
    EXPECT_NE(target->open(problem), nullptr) << problem;
}

TEST(ManagedBroker, says_so_when_a_command_fails) {
    const Folder folder;
    auto broker = elsewhere(folder.file("log"));
    broker.commands.restart = "exit 9";
    std::string problem;
    const auto source = make_managed_source(broker, problem);
    ASSERT_NE(source, nullptr) << problem;
    EXPECT_FALSE(source->revive(problem));
    EXPECT_NE(problem.find("exit code 9"), std::string::npos) << problem;
}

TEST(ManagedBroker, has_other_states_where_somebody_says_how) {
    const Folder folder;
    const auto log = folder.file("log");
    auto broker = elsewhere(log);
    auto guarded = elsewhere(log);
    guarded.declaration.forbidden_topic = "secret";
    broker.guarded = std::make_shared<const ManagedBroker>(guarded);
    auto broken = elsewhere(log);
    broken.make_source = [](const std::string&, std::string& why) {
        why = "no such address";
        return std::unique_ptr<TargetSource>{};
    };
    broker.reduced = std::make_shared<const ManagedBroker>(broken);
    std::string problem;
    const auto source = make_managed_source(broker, problem);
    ASSERT_NE(source, nullptr) << problem;
    EXPECT_EQ(source->in(Condition::usual, problem), source.get());
    auto* const found = source->in(Condition::guarded, problem);
    ASSERT_NE(found, nullptr) << problem;
    EXPECT_EQ(found->declaration().forbidden_topic, "secret");
    EXPECT_EQ(source->in(Condition::guarded, problem), found);
    EXPECT_EQ(problem, "");
    // One that does not come up is told from one that nobody speaks of.
    EXPECT_EQ(source->in(Condition::reduced, problem), nullptr);
    EXPECT_EQ(problem, "no such address");
    problem.clear();
    const auto plain = make_managed_source(elsewhere(log), problem);
    EXPECT_EQ(plain->in(Condition::reduced, problem), nullptr);
    EXPECT_EQ(problem, "");
}

// --- The commands -------------------------------------------------------------------------------

int conform(std::vector<std::string> words) {
    words.insert(words.begin(), "conform");
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    return conform_command(static_cast<int>(arguments.size()), arguments.data());
}

TEST(ConformCommand, leaves_all_its_files) {
    const Folder folder;
    const auto out = folder.file("out");
    EXPECT_EQ(conform({"--target", "sim", "--only", "v5/MQTT-3.12.4-1", "--seed", "1",
                       "--split-bytes", "1", "--out", out}),
              0);
    for (const auto* name : {"run.pb", "run.json", "junit.xml", "report.html", "repro.txt",
                             "summary.md", "badge.svg", "conformance-statement.md"}) {
        EXPECT_TRUE(std::filesystem::exists(out + "/" + name)) << name;
    }
    const auto run = std::get<results::Run>(reports::load_run(out));
    ASSERT_EQ(run.cases_size(), 1);
    EXPECT_GE(run.cases(0).tags_size(), 3);
    EXPECT_TRUE(std::ranges::any_of(run.facts(), [](const results::Fact& fact) {
        return fact.name() == "Receive Maximum" && fact.value() == "100";
    }));
    EXPECT_NE(run.reproduce().find("--split-bytes 1"), std::string::npos);
}

TEST(ConformCommand, compares_with_a_baseline_that_it_has_made) {
    const Folder folder;
    const auto out = folder.file("out");
    const auto baseline = folder.file("known.textproto");
    const std::vector<std::string> base{"--target", "sim", "--only", one, "--out", out};
    const auto with_baseline = [&] {
        auto words = base;
        words.insert(words.end(), {"--baseline", baseline});
        return conform(words);
    };
    ASSERT_EQ(conform(base), 0);
    EXPECT_EQ(conform({"baseline", out, "--file", baseline}), 0);
    EXPECT_EQ(with_baseline(), 0);
    // Listed though it passes.
    static_cast<void>(
        folder.file("known.textproto", "known { case: \"" + one + "\" reason: \"it was so\" }\n"));
    EXPECT_EQ(with_baseline(), 5);
    EXPECT_EQ(conform({"baseline", out, "--file", baseline}), 0);
    EXPECT_EQ(with_baseline(), 0);
    static_cast<void>(folder.file("known.textproto", "known { case: \"nothing\" }\n"));
    EXPECT_EQ(with_baseline(), 2);
}

TEST(ConformCommand, refuses_arguments_in_one_line) {
    EXPECT_EQ(conform({"--target", "sim", "--split-bytes", "0"}), 2);
    EXPECT_EQ(conform({"--target", "sim", "--split-bytes", "at:x"}), 2);
    EXPECT_EQ(conform({"--target", "sim", "--tag", "taste"}), 2);
    EXPECT_EQ(conform({"--target", "sim", "--broker", "nowhere.textproto"}), 2);
    EXPECT_EQ(conform({"--only", one}), 2);
    EXPECT_EQ(conform({"baseline"}), 2);
    EXPECT_EQ(conform({"probe", "--target", "mqtt://127.0.0.1:0"}), 2);
}

TEST(ProbeCommand, writes_a_file_that_can_be_read) {
    const Folder folder;
    const auto path = folder.file("sim.textproto");
    EXPECT_EQ(conform({"probe", "--target", "sim", "--name", "reference", "--out", path}), 0);
    const auto broker = read_broker_file(path);
    EXPECT_EQ(broker.name(), "reference");
    EXPECT_EQ(broker.versions_size(), 2);
    EXPECT_EQ(broker.limits().receive_maximum(), 100U);
    std::set<std::string> names;
    for (const auto& observation : broker.observations()) {
        names.insert(observation.name());
        EXPECT_FALSE(observation.value().starts_with("unknown"))
            << observation.name() << ' ' << observation.value();
    }
    EXPECT_TRUE(names.contains("overlapping subscriptions"));
}

}  // namespace
}  // namespace touchstone::conformance
