#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "planner/command.hpp"
#include "planner/command_parts.hpp"
#include "planner/measure/calibrate.hpp"
#include "planner/measure/process.hpp"
#include "planner/plan_files.hpp"
#include "planner/report.hpp"
#include "planner/session.hpp"

namespace touchstone::planner {

namespace {

struct Options {
    TargetOptions target;
    OutputOptions output;
    std::string tls_url;
    std::string name;
    std::string save;
    std::uint64_t seed = 1;
    std::uint32_t connections = 4'000;
    bool is_thorough = false;
    bool shares_queue = false;
};

CalibrateOptions measurement_of(const Options& options, const load::Target& target) {
    CalibrateOptions measurement{
        .target = target, .pid = options.target.pid, .name = options.name, .seed = options.seed};
    measurement.memory.connections = options.connections;
    measurement.shares_queue = options.shares_queue;
    if (options.is_thorough) {
        constexpr std::uint32_t more = 2;
        measurement.memory.subscriptions *= more;
        measurement.memory.retained *= more;
        measurement.memory.sessions *= more;
        measurement.rounds = 4;
        measurement.measure_s = 4;
        measurement.attempts_max = 4;
        measurement.retry_until_s = 500;
        measurement.rounds_until_s = 600;
        measurement.storm_clients *= 2;
    }
    return measurement;
}

}  // namespace

int calibrate_command(int argument_count, char** arguments) {
    Options options;
    CLI::App app{"Measures a broker by its process on this machine: CPU time of operations, memory "
                 "of what it holds, latency on a quiet broker.",
                 "touchstone plan calibrate"};
    app.footer(R"(
Examples:
  touchstone plan calibrate --target mqtt://127.0.0.1:1883 --pid 4711 --save our.calibration
      a broker that was just started, and has nothing else to do; start it with `taskset -c 0 ...`, so that the generator has
      processors of its own
  touchstone plan calibrate --pid 4711 --save our.calibration --tls-target mqtts://127.0.0.1:8883 --thorough
      with the cost of TLS, each figure from more and longer measurements; six minutes

A broker that has been under load keeps memory that it does not need any more: start it anew, or its memory law is wrong.
)");
    add_target_options(app, options.target);
    app.add_option("--tls-target", options.tls_url,
                   "mqtts://HOST[:PORT] of the same process: TLS handshakes are measured as well");
    app.add_option("--save", options.save,
                   "File to write; default: calibration in the result directory");
    app.add_option("--name", options.name,
                   "Of the broker; default: what it says at $SYS/broker/version, or its program");
    app.add_option("--connections", options.connections,
                   "Held for the memory law; more make it reach further; default: 4000")
        ->check(CLI::Range(100U, 1'000'000U));
    app.add_option("--seed", options.seed, "Of instants and draws; default: 1");
    app.add_flag("--thorough", options.is_thorough,
                 "Twice the rounds, longer ones, twice as much memory");
    app.add_flag("--shared-queue", options.shares_queue,
                 "Any thread of the broker takes the next packet, whatever its connection");
    add_output_options(app, options.output, "out/plan-calibrate");
    if (const auto code = parse_or_answer(app, argument_count, arguments)) return *code;
    const auto target = target_of(options.target, options.target.url);
    if (!target) return to_int(ExitCode::usage_error);
    auto measurement = measurement_of(options, *target);
    if (!options.tls_url.empty()) {
        const auto secure = target_of(options.target, options.tls_url);
        if (!secure) return to_int(ExitCode::usage_error);
        measurement.tls_target = *secure;
    }
    Session session{options.output, "calibrate", whole_command(argument_count, arguments),
                    options.seed};
    if (const auto code = session.prepare()) return *code;
    measurement.goes_on = [&](const std::string& what) { return session.goes_on(what); };
    measurement.tell = [&](const std::string& line) { session.print(line + "\n"); };
    const auto separation = keep_off_processors_of(options.target.pid);
    measurement.is_generator_separate = separation.is_separate;
    measurement.processors = separation.pairs;
    session.print(separation.words + "\n");
    auto measured = calibrate(measurement);
    if (!separation.is_separate) measured.warnings.push_back(separation.words);
    const CalibrationFile file{.calibration = measured.calibration,
                               .warnings = measured.warnings,
                               .command = session.command()};
    const auto path = options.save.empty() ? session.directory() + "/calibration" : options.save;
    if (const auto problem = write_calibration(path, file)) {
        return say(ExitCode::usage_error, *problem);
    }
    auto run = run_of_calibration(file, &measured);
    session.print(text_of(run.plan_report()));
    session.print(fmt::format("calibration: {}\n", path));
    return session.finish(std::move(run),
                          measured.knows_waits ? ExitCode::as_expected : ExitCode::run_invalid);
}

}  // namespace touchstone::planner
