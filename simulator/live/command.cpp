#include "simulator/live/command.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "broker/base/exit_code.hpp"
#include "reports/result_directory.hpp"
#include "reports/summary.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/interruption.hpp"
#include "simulator/live/courier.hpp"
#include "simulator/live/live_node.hpp"
#include "simulator/live/live_scenario.hpp"
#include "simulator/print.hpp"
#include "simulator/results.hpp"
#include "simulator/run.hpp"

namespace touchstone::simulator::live {

namespace {

using namespace std::chrono_literals;

/// Events that were carried out later than this make the run's times worth little.
constexpr Duration lateness_worth_a_word = 50ms;

/// Different in every run, so that nothing that another one has left behind is mistaken for this
/// one's; short, since a server may refuse Client Identifiers above 23 bytes (v3.1.1 §3.1.3.1).
std::string new_prefix() {
    constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::random_device entropy;
    std::string prefix = "ts";
    for (int i = 0; i < 6; ++i) prefix += digits[entropy() % digits.size()];
    return prefix;
}

struct Prepared {
    const LoadedScenario* loaded = nullptr;
    LiveScenario live;
    std::string prefix;
};

class LiveSession {
public:
    LiveSession(const LiveOptions& options, const Target& target, const Address& address)
        : options_{options},
          target_{target},
          address_{address} {}

    /// Why clients of these scenarios cannot get in; nothing when they can.
    [[nodiscard]] std::optional<std::string> greet(const std::vector<Prepared>& all) const {
        std::set<ProtocolVersion> versions;
        for (const auto& one : all) {
            for (const auto& client : one.live.scenario.clients()) {
                versions.insert(client.version() == 3 ? ProtocolVersion::v3_1_1
                                                      : ProtocolVersion::v5);
            }
        }
        for (const auto version : versions) {
            const auto name = all.front().prefix + "-greeting";
            auto answer = Courier::come_in(address_, target_.url, version, name);
            if (auto* problem = std::get_if<std::string>(&answer)) return std::move(*problem);
            std::get<Courier>(answer).leave();
        }
        return std::nullopt;
    }

    void run(results::Run& run, const Prepared& one) {
        const auto& path = one.loaded->path;
        std::cerr << fmt::format("touchstone simulate: {} takes {:.1f} s on {}\n", path,
                                 one.live.scenario.duration_ms() / 1'000.0, target_.url);
        print_conditions(one);
        LiveNode node{address_};
        const auto& scenario = one.live.scenario;
        auto outcome = run_scenario(
            scenario, {.seed = options_.seed,
                       .shard_count = {},
                       .defects = options_.defects,
                       .outside = &node,
                       .promises = promises_of(one.loaded->scenario, options_.is_configured),
                       .client_id_prefix = one.prefix + "-",
                       .look_at = {}});
        node.close_all();
        if (auto problem = tidy_up(*outcome.world, one.prefix)) {
            outcome.disappointments.push_back(
                {"the broker after the run", "an answer to CONNECT", std::move(*problem)});
        }
        const bool is_declared = is_as_declared(scenario, outcome) && !Interruption::is_asked_for();
        undeclared_ += is_declared ? 0 : 1;
        ++runs_;
        print_outcome(path, scenario, outcome);
        if (!options_.trace_of.empty()) print_trace(outcome.world->trace(), options_.trace_of);
        print_doubts(node);
        const auto reproduce = command_line(path, outcome.seed);
        if (!is_declared) fmt::print("again: {}\n", reproduce);
        fmt::print("\n");
        auto result = to_result(path, scenario, outcome, reproduce, Detail::everything);
        // It happened once: there is nothing in it that `replay` could bring back.
        result.clear_scenario_text();
        result.clear_digest();
        result.set_fidelity("live");
        *run.add_scenarios() = std::move(result);
    }

    [[nodiscard]] bool is_all_as_declared() const { return undeclared_ == 0; }
    [[nodiscard]] std::uint64_t runs() const { return runs_; }
    [[nodiscard]] std::uint64_t undeclared() const { return undeclared_; }

private:
    [[nodiscard]] std::string command_line(const std::string& path, std::uint64_t seed) const {
        auto text = fmt::format("touchstone simulate {} --live {} --seed {}", shell_word(path),
                                shell_word(target_.url), seed);
        for (const auto& defect : options_.defects) text += " --defect " + shell_word(defect);
        if (options_.is_configured) text += " --configured";
        return text;
    }

    void print_conditions(const Prepared& one) const {
        if (!one.live.demands.empty()) {
            fmt::print("{}: {}\n",
                       options_.is_configured
                           ? "the broker is taken to be configured with"
                           : "the broker must be configured with (and then say --configured, so "
                             "that it is held to it)",
                       fmt::join(one.live.demands, ", "));
        }
        for (const auto& what : one.live.left_out) fmt::print("left out: {}\n", what);
    }

    static void print_doubts(const LiveNode& node) {
        if (node.lateness_max() > lateness_worth_a_word) {
            fmt::print("doubtful: this machine was up to {} ms late with what the scenario says; "
                       "run again when it is less busy\n",
                       node.lateness_max().count() / 1'000);
        }
        if (node.failed_connections() > 0) {
            fmt::print("note: {} connections found nobody at the broker's end\n",
                       node.failed_connections());
        }
    }

    /// Ends the sessions of the run and deletes its Retained Messages. Returns why that was not
    /// possible.
    std::optional<std::string> tidy_up(const World& world, const std::string& prefix) const {
        std::map<std::string, ProtocolVersion> clients;
        for (std::uint32_t index = 0; index < world.client_count(); ++index) {
            const auto& client = world.client(ClientIndex{index});
            const bool is_ours = !client.client_id().empty() && !client.options().only_raw;
            if (is_ours) clients.emplace(client.client_id(), client.options().version);
        }
        std::set<std::string> topics;
        for (const auto& message : world.trace().messages) {
            if (message.retain && message.topic.starts_with(prefix)) topics.insert(message.topic);
        }
        // The ends of sessions may publish Will Messages, so what is retained is cleared last.
        clients.emplace(prefix + "-tidy", ProtocolVersion::v3_1_1);
        for (const auto& [client_id, version] : clients) {
            auto came = Courier::come_in(address_, target_.url, version, client_id);
            if (auto* problem = std::get_if<std::string>(&came)) return std::move(*problem);
            std::get<Courier>(came).leave();
        }
        if (topics.empty()) return std::nullopt;
        auto came =
            Courier::come_in(address_, target_.url, ProtocolVersion::v3_1_1, prefix + "-tidy");
        if (auto* problem = std::get_if<std::string>(&came)) return std::move(*problem);
        auto& courier = std::get<Courier>(came);
        courier.clear(std::vector<std::string>{topics.begin(), topics.end()});
        courier.leave();
        return std::nullopt;
    }

    const LiveOptions& options_;
    const Target& target_;
    const Address& address_;
    std::uint64_t runs_ = 0;
    std::uint64_t undeclared_ = 0;
};

std::string name_of(const std::vector<LoadedScenario>& scenarios) {
    if (scenarios.size() != 1) return "live-scenarios";
    return "live-" + std::filesystem::path{scenarios.front().path}.stem().string();
}

/// Those that can be run; why the others cannot is said on standard error.
std::vector<Prepared> prepare(const LiveOptions& options,
                              const std::vector<LoadedScenario>& scenarios) {
    std::vector<Prepared> all;
    for (const auto& loaded : scenarios) {
        auto prefix = new_prefix();
        auto live = make_live(loaded.scenario, options.defects, prefix);
        if (live.refusals.empty()) {
            all.push_back({&loaded, std::move(live), std::move(prefix)});
            continue;
        }
        std::cerr << fmt::format("touchstone simulate: {} cannot be run with --live: {}\n",
                                 loaded.path, fmt::join(live.refusals, "; "));
    }
    return all;
}

void describe(results::Run& run, const LiveOptions& options, const Target& target,
              const std::vector<LoadedScenario>& scenarios) {
    run.set_kind(results::Run::simulation);
    run.set_name(name_of(scenarios));
    run.mutable_target()->set_name(target.url);
    run.mutable_target()->set_url(target.url);
    run.mutable_target()->set_transport("tcp");
    run.mutable_target()->set_mqtt_versions("3.1.1, 5.0");
    run.set_seed(options.seed.value_or(scenarios.front().scenario.seed()));
    run.set_reproduce(options.command);
}

}  // namespace

int run_live(const LiveOptions& options, const std::vector<LoadedScenario>& scenarios) {
    const auto parsed = target_of(options.url);
    if (const auto* problem = std::get_if<std::string>(&parsed)) return usage_error(*problem);
    const auto& target = std::get<Target>(parsed);
    const auto prepared = prepare(options, scenarios);
    if (prepared.empty()) return to_int(ExitCode::usage_error);
    const std::filesystem::path directory =
        options.out.empty() ? reports::default_result_directory("simulate", name_of(scenarios))
                            : std::filesystem::path{options.out};
    if (!options.has_no_report) {
        if (const auto problem = reports::prepare_result_directory(directory)) {
            return usage_error(problem->line);
        }
    }
    const auto unreachable = [](const std::string& problem) {
        std::cerr << "touchstone simulate: " << problem << '\n';
        return to_int(ExitCode::target_unreachable);
    };
    const auto resolved = resolve(target);
    if (const auto* problem = std::get_if<std::string>(&resolved)) return unreachable(*problem);
    LiveSession session{options, target, std::get<Address>(resolved)};
    if (const auto problem = session.greet(prepared)) return unreachable(*problem);

    const Interruption interruption;
    const auto wall_begin = std::chrono::steady_clock::now();
    const auto started = std::chrono::system_clock::now().time_since_epoch();
    results::Run run;
    describe(run, options, target, scenarios);
    fmt::print("seed={}\n", run.seed());
    for (const auto& one : prepared) {
        if (Interruption::is_asked_for()) break;
        session.run(run, one);
    }
    run.set_started_unix_ms(std::chrono::duration_cast<std::chrono::milliseconds>(started).count());
    run.set_duration_ms(
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                       std::chrono::steady_clock::now() - wall_begin)
                                       .count()));
    if (session.runs() > 1) {
        fmt::print("{} runs, {} not as declared\n", session.runs(), session.undeclared());
    }
    const auto exit_code = Interruption::is_asked_for()   ? ExitCode::interrupted
                           : session.is_all_as_declared() ? ExitCode::as_expected
                                                          : ExitCode::expectation_failed;
    reports::complete(run);
    std::fflush(stdout);
    if (!options.has_no_report) return to_int(reports::finish_run(run, directory, exit_code));
    std::cout << reports::last_line(run, {}) << std::endl;
    return to_int(exit_code);
}

}  // namespace touchstone::simulator::live
