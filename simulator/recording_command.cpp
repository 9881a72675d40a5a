#include "simulator/recording_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "broker/base/exit_code.hpp"
#include "reports/result_directory.hpp"
#include "reports/summary.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/defect_choice.hpp"
#include "simulator/interruption.hpp"
#include "simulator/print.hpp"
#include "simulator/recording.hpp"
#include "simulator/results.hpp"

namespace touchstone::simulator {

namespace {

namespace fs = std::filesystem;

/// A trace holds all packets in memory, with 32-bit places.
constexpr std::size_t traced_bytes_max = 1U << 30U;

std::variant<ShardRecord, std::string> read_record(const std::string& path) {
    std::error_code failed;
    Buffer bytes(fs::file_size(path, failed));
    std::ifstream file{path, std::ios::binary};
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (failed || !file) {
        return fmt::format("{}: cannot be read; become the user that the broker ran as, or whom it "
                           "was given to",
                           path);
    }
    return shard_record(path, std::move(bytes));
}

/// Also says why not.
std::optional<std::vector<ShardRecord>> read_node(const std::vector<std::string>& files) {
    std::vector<ShardRecord> shards;
    for (const auto& file : files) {
        auto read = read_record(file);
        if (const auto* problem = std::get_if<std::string>(&read)) {
            usage_error("replay: " + *problem);
            return std::nullopt;
        }
        shards.push_back(std::move(std::get<ShardRecord>(read)));
    }
    if (const auto problem = problem_of_node(shards)) {
        usage_error("replay: " + *problem);
        return std::nullopt;
    }
    return shards;
}

/// What all shards came to.
struct Total {
    std::uint64_t inputs = 0;
    std::uint64_t effects = 0;
    bool is_same = true;

    void add(const std::string& path, const Replayed& one) {
        fmt::print("{} {}  {} inputs, {} effects\n", one.parting ? "DIFF" : "same", path,
                   one.inputs, one.effects);
        if (one.note) fmt::print("  note: {}\n", *one.note);
        if (one.parting) fmt::print("  {}\n", *one.parting);
        is_same = is_same && !one.parting;
        inputs += one.inputs;
        effects += one.effects;
    }
};

std::vector<InvariantOutcome> judge(const Trace& trace, const std::vector<ShardRecord>& shards) {
    const History history{trace};
    std::vector<InvariantOutcome> outcomes;
    for (const auto& checker : all_checkers()) {
        if (!checker.judges_nodes || !can_judge(checker.id, shards)) continue;
        auto failures = checker.check(trace, history);
        fmt::print("  {:<4}  {:<15}  {}\n", failures.empty() ? "pass" : "FAIL", checker.id,
                   checker.title);
        if (!failures.empty()) fmt::print("        {}\n", failures.front().explanation);
        outcomes.push_back({&checker, std::move(failures)});
    }
    return outcomes;
}

class Command {
public:
    Command(const std::string& directory, const RecordingOptions& options)
        : directory_{directory},
          options_{options},
          name_{fs::path{directory}.lexically_normal().filename().string()} {
        if (name_.empty()) name_ = "record";
        again_ = "touchstone simulate replay " + shell_word(directory);
        for (const auto& name : options.defects) again_ += " --defect " + name;
        if (options.is_judged) again_ += " --judge";
    }

    int run(const std::vector<std::string>& files) {
        ReplayOptions replay_options{.is_to_end = Interruption::is_asked_for};
        for (const auto& name : options_.defects) {
            const bool is_known = is_defect_of_nodes(name) && turn_on(replay_options.defects, name);
            if (!is_known) {
                return usage_error(fmt::format("replay: --defect {} is no switch of nodes; see "
                                               "`touchstone simulate --list`",
                                               name));
            }
        }
        const auto out = options_.out.empty() ? reports::default_result_directory("replay", name_)
                                              : fs::path{options_.out};
        if (options_.is_judged) {
            if (const auto problem = reports::prepare_result_directory(out)) {
                return usage_error(problem->line);
            }
        }
        const auto shards = read_node(files);
        if (!shards) return to_int(ExitCode::usage_error);
        std::size_t size_bytes = 0;
        for (const auto& shard : *shards) size_bytes += shard.file.size();
        const bool is_traced = options_.is_judged || !options_.trace_of.empty();
        if (is_traced && size_bytes > traced_bytes_max) {
            return usage_error(fmt::format("replay: {} has {} MiB, and --trace and --judge take at "
                                           "most {}; record with a lower --record-limit-mib",
                                           directory_, size_bytes >> 20U, traced_bytes_max >> 20U));
        }
        const Interruption interruption;
        Total total;
        for (const auto& shard : *shards) {
            const auto outcome = replay(shard, replay_options);
            if (const auto* problem = std::get_if<std::string>(&outcome)) {
                return usage_error("replay: " + *problem);
            }
            const auto& replayed = std::get<Replayed>(outcome);
            total.add(shard.path, replayed);
            if (replayed.was_ended) return finish(total, *shards, ExitCode::interrupted);
        }
        const auto exit_code = total.is_same ? ExitCode::as_expected : ExitCode::expectation_failed;
        if (!is_traced) return finish(total, *shards, exit_code);
        const Trace trace = trace_of(*shards);
        if (!options_.trace_of.empty()) print_trace(trace, options_.trace_of);
        if (!options_.is_judged) return finish(total, *shards, exit_code);
        return report(total, *shards, trace, out);
    }

private:
    [[nodiscard]] std::string counts(const Total& total,
                                     const std::vector<ShardRecord>& shards) const {
        return fmt::format("{} shards, {} inputs, {} effects", shards.size(), total.inputs,
                           total.effects);
    }

    int finish(const Total& total, const std::vector<ShardRecord>& shards, ExitCode exit_code) {
        const bool is_over = exit_code != ExitCode::interrupted;
        fmt::print("{} replay {} | {}, {} | again: {}\n",
                   !is_over        ? "INTERRUPTED"
                   : total.is_same ? "PASS"
                                   : "FAIL",
                   name_, counts(total, shards),
                   total.is_same ? (is_over ? "the same bytes" : "the same so far")
                                 : "not the same",
                   again_);
        return to_int(exit_code);
    }

    int report(const Total& total, const std::vector<ShardRecord>& shards, const Trace& trace,
               const fs::path& out) {
        const auto invariants = judge(trace, shards);
        results::Run run;
        run.set_kind(results::Run::simulation);
        run.set_name("replay of " + name_);
        run.mutable_target()->set_name("record " + directory_);
        run.mutable_target()->set_shards(static_cast<std::uint32_t>(shards.size()));
        run.mutable_target()->set_mqtt_versions("3.1.1, 5.0");
        run.set_reproduce(again_);
        auto& result = *run.add_scenarios();
        result = to_result(
            directory_, "What clients sent a broker and were sent: " + counts(total, shards) + ".",
            trace, trace.end.at, invariants, again_);
        result.set_fidelity("record");
        if (!total.is_same) {
            result.set_verdict(results::Verdict::fail);
            if (result.reason().empty()) {
                result.set_reason("a core of this build does not do the same again");
            }
        }
        const auto spent = std::chrono::steady_clock::now() - begin_;
        run.set_duration_ms(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(spent).count()));
        reports::complete(run);
        std::fflush(stdout);
        const bool is_kept = result.verdict() == results::Verdict::pass;
        return to_int(reports::finish_run(
            run, out, is_kept ? ExitCode::as_expected : ExitCode::expectation_failed));
    }

    const std::string& directory_;
    const RecordingOptions& options_;
    std::string name_;
    std::string again_;
    const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace

std::vector<std::string> recording_in(const std::string& directory) {
    std::vector<std::string> files;
    std::error_code failed;
    while (true) {
        const auto file =
            fs::path{directory} / ("shard-" + std::to_string(files.size()) + ".record");
        if (!fs::is_regular_file(file, failed)) return files;
        files.push_back(file.string());
    }
}

int replay_recording(const std::string& directory, const std::vector<std::string>& files,
                     const RecordingOptions& options) {
    return Command{directory, options}.run(files);
}

}  // namespace touchstone::simulator
