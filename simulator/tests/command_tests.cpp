// The subcommand: exit codes, what it prints, and what it says to bad input.

#include "simulator/command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include "reports/run_file.hpp"

namespace touchstone::simulator {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr const char* reference = "scenarios/ordering/inflight-window-2.textproto";

struct Result {
    int exit_code = 0;
    std::string out;
    std::string err;
};

Result run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "simulate");
    std::vector<char*> raw;
    for (auto& one : arguments) raw.push_back(one.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Result result;
    result.exit_code = simulate_command(static_cast<int>(raw.size()), raw.data());
    std::fflush(stdout);
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    return result;
}

std::string last_line(const std::string& text) {
    const auto end = text.find_last_not_of('\n');
    const auto begin = text.rfind('\n', end);
    return text.substr(begin + 1, end - begin);
}

TEST(SimulateCommand, prints_seed_sequence_states_verdicts_and_digest) {
    const auto result = run({reference, "--no-report"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, StartsWith("seed=42\n"));
    EXPECT_THAT(result.out, HasSubstr("received by subscriber: [1, 2, 3, 2, 3, 4]\n"));
    EXPECT_THAT(result.out, HasSubstr("[4,3 || 2,1] -> [1,2]"));
    EXPECT_THAT(result.out, HasSubstr("pass  O2"));
    EXPECT_THAT(result.out, HasSubstr("\ndigest="));
    EXPECT_THAT(last_line(result.out),
                StartsWith("PASS simulation inflight-window-2 | 1 pass | seed 42"));
}

TEST(SimulateCommand, a_defect_is_found_with_the_same_seed) {
    const auto result = run({reference, "--no-report", "--defect", "redeliver_unordered"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.out, HasSubstr("FAIL  O2"));
    EXPECT_THAT(result.out, HasSubstr(std::string{"again: touchstone simulate "} + reference +
                                      " --seed 42 --defect redeliver_unordered"));
}

TEST(SimulateCommand, an_unknown_defect_gets_the_nearest_name) {
    const auto result = run({reference, "--defect", "redeliver_unorderd"});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(result.err, "touchstone simulate: --defect 'redeliver_unorderd' is no defect switch; "
                          "did you mean 'redeliver_unordered'?\n");
}

TEST(SimulateCommand, a_defect_of_a_client_is_given_to_who_is_named) {
    const std::string path = "scenarios/qos2/qx-01.textproto";
    const auto with = [&](const std::string& defect) {
        return run({path, "--no-report", "--defect", defect});
    };
    EXPECT_THAT(with("qos2_client_no_dedupe").out, HasSubstr("FAIL  Q2"));
    EXPECT_THAT(with("qos2_client_no_dedupe@subscriber").out, HasSubstr("FAIL  Q2"));
    EXPECT_EQ(with("qos2_client_no_dedupe@publisher").exit_code, 0);
    EXPECT_EQ(with("qos2_client_no_dedupe@subscribr").err,
              "touchstone simulate: --defect qos2_client_no_dedupe@subscribr: " + path +
                  " has no client 'subscribr'; did you mean 'subscriber'?\n");
    EXPECT_EQ(with("will_twice@subscriber").err,
              "touchstone simulate: --defect 'will_twice' is a defect of nodes; leave "
              "'@subscriber' out\n");
}

class LibraryFolder : public testing::Test {
protected:
    LibraryFolder() {
        std::filesystem::remove_all(folder_);
        std::filesystem::create_directories(folder_);
        write("catalogue.pbtxt", R"(entries { id: "QX-01" switches: "qos2_client_no_dedupe" }
entries { id: "QX-02" }
entries { id: "QX-03" not_expressible: "needs a moon" })");
    }
    ~LibraryFolder() override { std::filesystem::remove_all(folder_); }
    void write(const std::string& name, const std::string& text) {
        std::ofstream{folder_ / name} << text;
    }
    void copy_with(const std::string& invariant) {
        std::ifstream file{"scenarios/qos2/qx-01.textproto"};
        std::string text{std::istreambuf_iterator<char>{file}, {}};
        text.replace(text.find("\"Q2\""), 4, '"' + invariant + '"');
        write("qx-01.textproto", text);
    }
    Result check() { return run({folder_.string(), "--library"}); }

    // Tests may run at the same time.
    const std::filesystem::path folder_ =
        std::filesystem::path{testing::TempDir()} /
        (std::string{"library-"} + testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(LibraryFolder, that_keeps_its_contract_is_counted) {
    copy_with("Q2");
    const auto result = check();
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, HasSubstr("1 of 3 entries have no scenario: QX-02\n"));
    EXPECT_THAT(result.out, HasSubstr("QX-03  not expressible: needs a moon\n"));
    EXPECT_EQ(last_line(result.out), "library: 1 scenarios, 1 passed off, 1 failed on");
    EXPECT_THAT(run({folder_.string(), "--index"}).out, HasSubstr("[QX-01](qx-01.textproto)"));
}

TEST_F(LibraryFolder, whose_proof_breaks_another_invariant_fails) {
    copy_with("O1");
    const auto result = check();
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.out, HasSubstr("qos2_client_no_dedupe: is to break O1, breaks Q2\n"));
    EXPECT_EQ(last_line(result.out), "library: 1 scenarios, 1 passed off, 0 failed on");
}

TEST_F(LibraryFolder, with_a_catalogue_that_is_wrong_is_refused) {
    write("catalogue.pbtxt", "entries { id: \"QX-01\" }\nentries { id: \"QX-01\" titel: \"x\" }");
    const auto misspelt = check();
    EXPECT_EQ(misspelt.exit_code, 2);
    EXPECT_THAT(misspelt.err,
                HasSubstr("catalogue.pbtxt:2: titel: no such field in CatalogueEntry; "
                          "did you mean 'title'?"));
    write("catalogue.pbtxt", "entries { id: \"QX-01\" }\nentries { id: \"QX-01\" }");
    EXPECT_THAT(check().err, HasSubstr("QX-01 is there twice; ids are unique"));
}

TEST(SimulateCommand, bad_arguments_are_one_line_and_exit_code_2) {
    for (const auto& arguments :
         std::vector<std::vector<std::string>>{{},
                                               {"--nonsense"},
                                               {reference, "--seed", "x"},
                                               {reference, "--seeds", "9..1"},
                                               {reference, "--seed", "1", "--seeds", "1..2"},
                                               {reference, "--seeds", "1..99999999999"},
                                               {reference, "--jobs", "0"},
                                               {reference, "--shard", "3/2"},
                                               {reference, "--time-budget", "0"},
                                               {"scenarios", "--library", "--jobs", "2"},
                                               {reference, "--at", "3500", "--seeds", "1..2"},
                                               {reference, "--at", "3500", "--json"},
                                               {reference, "--shards", "0"},
                                               {reference, "--library"},
                                               {"no/such/folder", "--index"},
                                               {"no/such/file.textproto"}}) {
        const auto result = run(arguments);
        EXPECT_EQ(result.exit_code, 2);
        EXPECT_THAT(result.err, MatchesRegex("[^\n]+\n")) << testing::PrintToString(arguments);
    }
}

TEST(SimulateCommand, digests_alone_are_the_same_each_time_and_differ_by_seed) {
    const auto digests = [](const std::string& seeds) {
        return run({"scenarios/sweep/session-faults.textproto", "--digest-only", "--seeds", seeds})
            .out;
    };
    const auto first = digests("1..3");
    EXPECT_EQ(first, digests("1..3"));
    EXPECT_NE(last_line(first), last_line(digests("2..4")));
    EXPECT_THAT(last_line(first), MatchesRegex("digest=[0-9a-f]+"));
}

TEST(SimulateCommand, a_sweep_counts_and_names_the_seeds_that_fail) {
    const auto result = run({"scenarios/sweep/session-faults.textproto", "--no-report", "--seeds",
                             "1..5", "--defect", "session_present_lies"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.out, StartsWith("seed=1..5\n"));
    EXPECT_THAT(result.out, HasSubstr("5 runs, 5 not as declared\n"));
    EXPECT_THAT(result.out, HasSubstr("--seed 3 --defect session_present_lies"));
}

TEST(SimulateCommand, a_sweep_in_processes_prints_the_same_and_shows_the_soonest_failure_first) {
    const auto with = [](const std::string& jobs) {
        return run({"scenarios/sweep/session-faults.textproto", "--digest-only", "--seeds", "1..6",
                    "--jobs", jobs});
    };
    EXPECT_EQ(with("1").out, with("3").out);
    const auto result = run({"scenarios/sweep/session-faults.textproto", "--no-report", "--seeds",
                             "1..6", "--jobs", "2", "--defect", "session_present_lies"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(result.err, "") << "no progress where nobody looks";
    const auto first = result.out.find("\nseed=");
    const auto listed = result.out.find("not as declared\n");
    ASSERT_NE(listed, std::string::npos);
    const auto seed = result.out.substr(first + 6, 1);
    EXPECT_EQ(result.out.find("--seed " + seed, listed), result.out.find("--seed ", listed));
}

TEST(SimulateCommand, a_sweep_in_which_nothing_happened_proves_nothing) {
    const auto file = std::filesystem::path{testing::TempDir()} / "quiet.textproto";
    std::ofstream{file} << R"(description: "one client that does nothing"
duration_ms: 1000
nodes { name: "broker" }
clients { name: "a" }
sometimes: "will_published")";
    const auto result = run({file.string(), "--no-report", "--seeds", "1..3"});
    EXPECT_EQ(result.exit_code, 6);
    EXPECT_THAT(result.out, HasSubstr("never happened: will_published: a Will Message"));
    EXPECT_THAT(last_line(result.out), StartsWith("INCONCLUSIVE simulation quiet | 3 pass"));
    EXPECT_EQ(run({file.string(), "--no-report"}).exit_code, 0) << "one run is no sweep";
    std::ofstream{file, std::ios::app} << "\nsometimes: \"will_publishd\"";
    EXPECT_THAT(run({file.string()}).err, HasSubstr("did you mean 'will_published'?"));
    std::filesystem::remove(file);
}

TEST(SimulateCommand, a_time_budget_ends_a_sweep_with_what_it_has) {
    const auto result = run({"scenarios/sweep/session-faults.textproto", "--no-report", "--seeds",
                             "1..100000", "--time-budget", "0.05"});
    EXPECT_EQ(result.exit_code, 7);
    EXPECT_THAT(result.out, HasSubstr("the time budget is used up: "));
}

/// A scenario that takes longer than anybody waits; it goes away with this.
class Endless {
public:
    Endless() {
        std::filesystem::create_directories(folder_);
        std::ofstream{file()} << R"(description: "a client that is there for a month"
duration_ms: 2600000000
nodes { name: "broker" }
clients { name: "a" keep_alive_s: 1 }
steps { connect { client: "a" } })";
    }
    ~Endless() { std::filesystem::remove_all(folder_); }
    Endless(const Endless&) = delete;
    Endless& operator=(const Endless&) = delete;
    [[nodiscard]] std::string file() const { return (folder_ / "endless.textproto").string(); }
    [[nodiscard]] std::string out() const { return (folder_ / "out").string(); }

private:
    const std::filesystem::path folder_ =
        std::filesystem::path{testing::TempDir()} / ("endless-" + std::to_string(::getpid()));
};

/// Until the process has used so much CPU time.
void wait_for_cpu_time(pid_t process, std::chrono::nanoseconds wanted) {
    clockid_t clock{};
    ASSERT_EQ(::clock_getcpuclockid(process, &clock), 0);
    std::timespec spent{};
    do {
        ::sched_yield();
        ASSERT_EQ(::clock_gettime(clock, &spent), 0);
    } while (std::chrono::seconds{spent.tv_sec} + std::chrono::nanoseconds{spent.tv_nsec} < wanted);
}

void expect_report_of_what_was(const Endless& endless) {
    const auto read = reports::load_run(endless.out());
    ASSERT_TRUE(std::holds_alternative<results::Run>(read));
    const auto& run = std::get<results::Run>(read);
    ASSERT_EQ(run.scenarios_size(), 1);
    EXPECT_EQ(run.scenarios(0).verdict(), results::Verdict::inconclusive);
    EXPECT_THAT(run.scenarios(0).reason(), MatchesRegex("broken off after [0-9]+ ms of 2600000000 "
                                                        "ms; no promise was broken until then"));
    EXPECT_TRUE(run.scenarios(0).digest().empty());
    const auto again = simulator::run({"replay", endless.out()});
    EXPECT_EQ(again.exit_code, 2);
    EXPECT_THAT(again.err, HasSubstr("holds no recorded run"));
}

TEST(SimulateCommand, a_time_budget_ends_a_run_with_what_it_has) {
    const Endless endless;
    const auto result = run({endless.file(), "--out", endless.out(), "--time-budget", "0.05"});
    EXPECT_EQ(result.exit_code, 7);
    EXPECT_THAT(result.out, HasSubstr("the time budget is used up: 1 of 1 runs were begun"));
    EXPECT_THAT(last_line(result.out),
                StartsWith("INCONCLUSIVE simulation endless | 1 inconclusive"));
    expect_report_of_what_was(endless);
    EXPECT_EQ(run({reference, "--no-report", "--time-budget", "1000"}).exit_code, 0);
}

TEST(SimulateCommand, a_signal_ends_a_run_with_what_it_has) {
    for (const int signal : {SIGINT, SIGTERM}) {
        const Endless endless;
        std::array<int, 2> output{};
        ASSERT_EQ(::pipe(output.data()), 0);
        std::fflush(nullptr);
        const auto process = ::fork();
        if (process == 0) {
            ::dup2(output[1], STDOUT_FILENO);
            ::close(output[0]);
            std::vector<std::string> words{"simulate", endless.file(), "--out", endless.out()};
            std::vector<char*> raw;
            for (auto& word : words) raw.push_back(word.data());
            const int exit_code = simulate_command(static_cast<int>(raw.size()), raw.data());
            std::fflush(stdout);
            ::_exit(exit_code);
        }
        ::close(output[1]);
        // It has said its seed, so it listens to signals; and has computed for so long that it is
        // in the middle of the run.
        char first = 0;
        ASSERT_EQ(::read(output[0], &first, 1), 1);
        wait_for_cpu_time(process, std::chrono::milliseconds{100});
        ASSERT_EQ(::kill(process, signal), 0);
        std::string text;
        for (char one = 0; ::read(output[0], &one, 1) == 1;) text += one;
        ::close(output[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(process, &status, 0), process);
        ASSERT_TRUE(WIFEXITED(status));
        EXPECT_EQ(WEXITSTATUS(status), 130);
        EXPECT_THAT(text, HasSubstr("interrupted: 1 of 1 runs were begun"));
        expect_report_of_what_was(endless);
    }
}

TEST(SimulateCommand, writes_its_results_where_it_is_told) {
    const auto directory = std::filesystem::path{testing::TempDir()} / "simulate-command";
    std::filesystem::remove_all(directory);
    EXPECT_EQ(run({reference, "--out", directory.string()}).exit_code, 0);
    for (const auto* name : {"run.pb", "run.json", "report.html", "junit.xml", "repro.txt"}) {
        EXPECT_TRUE(std::filesystem::exists(directory / name)) << name;
    }
    std::filesystem::remove_all(directory);
}

TEST(SimulateCommand, json_is_one_document_on_standard_output) {
    const auto result = run({reference, "--json", "--no-report"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, StartsWith("{"));
    EXPECT_THAT(result.out, HasSubstr("\"text\":\"[4,3 || 2,1] -"));
    EXPECT_EQ(std::ranges::count(result.out, '\n'), 1);
}

TEST(SimulateCommand, lists_and_describes_without_running) {
    const auto list = run({"scenarios", "--list"});
    EXPECT_EQ(list.exit_code, 0);
    EXPECT_THAT(list.out, HasSubstr("redeliver_unordered"));
    EXPECT_THAT(list.out, HasSubstr(reference));
    const auto described = run({reference, "--describe"});
    EXPECT_EQ(described.exit_code, 0);
    EXPECT_THAT(described.out, HasSubstr("Four QoS 1 messages wait for a client that is away."));
    EXPECT_EQ(run({"--help"}).exit_code, 0);
}

TEST(SimulateCommand, shows_every_session_at_an_instant) {
    const auto result = run({reference, "--no-report", "--at", "3500"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, HasSubstr("sessions at     3.500 s"));
    EXPECT_THAT(result.out,
                HasSubstr("  broker     subscriber       connected  [4 || 3=3,2=2]  window 2"));
    EXPECT_THAT(result.out, HasSubstr("clients\n"));
    const auto late = run({reference, "--no-report", "--at", "4000000000"});
    EXPECT_EQ(late.exit_code, 2);
    EXPECT_THAT(late.err, HasSubstr("give an instant before that"));
}

TEST(SimulateCommand, replays_what_it_has_recorded) {
    const auto folder = (std::filesystem::path{testing::TempDir()} / "replayed").string();
    ASSERT_EQ(run({reference, "--out", folder, "--shards", "2", "--seed", "7"}).exit_code, 0);
    const auto same = run({"replay", folder});
    EXPECT_EQ(same.exit_code, 0) << same.out << same.err;
    EXPECT_THAT(same.out,
                StartsWith("same  scenarios/ordering/inflight-window-2.textproto  seed 7"));
    EXPECT_THAT(last_line(same.out),
                StartsWith("PASS replay inflight-window-2 | 1 runs, 1 the same"));
    std::filesystem::remove_all(folder);
    const auto missing = run({"replay", folder});
    EXPECT_EQ(missing.exit_code, 2);
    EXPECT_THAT(missing.err, HasSubstr(folder));
}

TEST(SimulateCommand, shows_where_two_runs_part) {
    const auto same = run({"diff", reference});
    EXPECT_EQ(same.exit_code, 0);
    EXPECT_THAT(same.out, StartsWith("SAME "));
    const auto other = run({"diff", reference, "--defect", "redeliver_unordered"});
    EXPECT_EQ(other.exit_code, 1);
    EXPECT_THAT(other.out, HasSubstr("\n-"));
    EXPECT_THAT(other.out, HasSubstr("\n+"));
    EXPECT_THAT(last_line(other.out), StartsWith("PART after "));
    EXPECT_EQ(run({"diff", reference, "--defect", "no_such_defect"}).exit_code, 2);
}

TEST(SimulateCommand, shrinks_a_seed_that_fails) {
    const auto file = (std::filesystem::path{testing::TempDir()} / "shrunk.textproto").string();
    const auto result = run({"shrink", "scenarios/sweep/session-faults.textproto", "--seed", "1",
                             "--defect", "will_twice", "--out", file});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(last_line(result.out), StartsWith("SHRUNK L1 | "));
    EXPECT_EQ(run({file, "--no-report"}).exit_code, 0) << "it fails, as it declares";
    std::filesystem::remove(file);
    const std::vector<std::string> failing{"shrink",   "scenarios/sweep/session-faults.textproto",
                                           "--seed",   "1",
                                           "--defect", "will_twice",
                                           "--out"};
    auto to_nowhere = failing;
    to_nowhere.emplace_back("/no/such/directory/file.textproto");
    EXPECT_EQ(run(to_nowhere).exit_code, 2);
    EXPECT_EQ(run(to_nowhere).out, "") << "it is said before the work";
    auto to_full_disk = failing;
    to_full_disk.emplace_back("/dev/full");
    const auto kept = run(to_full_disk);
    EXPECT_EQ(kept.exit_code, 2);
    EXPECT_THAT(kept.out, HasSubstr("\ndefects: \"will_twice\"\n"));
    EXPECT_THAT(kept.err, HasSubstr("is on standard output"));
    const auto nothing = run({"shrink", reference, "--out", file});
    EXPECT_EQ(nothing.exit_code, 1);
    EXPECT_THAT(nothing.err, HasSubstr("breaks no invariant"));
    EXPECT_FALSE(std::filesystem::exists(file));
}

}  // namespace
}  // namespace touchstone::simulator
