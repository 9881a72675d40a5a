#include "simulator/kill_points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "simulator/set_up.hpp"

namespace touchstone::simulator {

namespace {

/// From the start of a node until clients that wait before they connect again have done so.
constexpr std::uint32_t recovery_ms = 6'000;

std::vector<std::string> broken_by(const Outcome& outcome) {
    std::vector<std::string> broken;
    for (const auto& one : outcome.invariants)
        if (!one.failures.empty())
            broken.push_back(
                fmt::format("{}: {}", one.checker->id, one.failures.front().explanation));
    return broken;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

scenario::Scenario with_time_to_recover(scenario::Scenario scenario) {
    const auto settles_at_ms = scenario.duration_ms() - scenario.settle_ms();
    // What a workload draws stays where it was.
    if (scenario.has_workload() && scenario.workload().to_ms() == 0)
        scenario.mutable_workload()->set_to_ms(settles_at_ms);
    scenario.set_duration_ms(scenario.duration_ms() + scenario.settle_ms() + recovery_ms);
    return scenario;
}

std::uint64_t KillReport::runs() const {
    return std::accumulate(
        tallies.begin(), tallies.end(), std::uint64_t{0},
        [](std::uint64_t sum, const KillTally& tally) { return sum + tally.runs; });
}

KillReport kill_at_every_write(const scenario::Scenario& scenario, const RunOptions& options,
                               const std::function<bool()>& is_to_end) {
    KillReport report;
    const auto extended = with_time_to_recover(scenario);
    const Instant settles_at =
        run_begin + milliseconds(extended.duration_ms() - extended.settle_ms());
    WriteWatch watch;
    auto watched = options;
    watched.after_event = [&](World& world) {
        if (world.now() < settles_at) watch.after_event(world);
    };
    report.broken_without = broken_by(run_scenario(extended, watched));
    report.writes = watch.writes();
    report.indivisible = watch.indivisible();
    for (const auto& [write, at] : report.writes) {
        for (const auto way : all_kill_ways) {
            if (way == KillWay::late && write.number == 1) continue;  // there is none before it
            report.was_ended = is_to_end();
            if (report.was_ended) return report;
            auto killed = options;
            killed.kill = KillPoint{.write = write, .way = way};
            const auto outcome = run_scenario(extended, killed);
            if (!outcome.was_killed) continue;
            auto& tally = report.tallies[static_cast<std::size_t>(way)];
            auto broken = broken_by(outcome);
            ++tally.runs;
            tally.passed += broken.empty() ? 1U : 0U;
            if (!broken.empty()) report.failed.push_back({*killed.kill, at, std::move(broken)});
        }
    }
    return report;
}

std::string text_of(const KillPoint& point, const scenario::Scenario& scenario) {
    const auto& write = point.write;
    return fmt::format("{}/{}/{}/{}", node_name(scenario.nodes(static_cast<int>(write.node.raw()))),
                       write.shard, write.number, name_of(point.way));
}

std::optional<KillPoint> parse_kill_point(const std::string& text,
                                          const scenario::Scenario& scenario) {
    std::vector<std::string> parts{""};
    for (const char c : text) {
        if (c == '/')
            parts.emplace_back();
        else
            parts.back() += c;
    }
    if (parts.size() != 4) return std::nullopt;
    KillPoint point;
    const auto way = std::ranges::find(all_kill_ways, std::string_view{parts[3]}, &name_of);
    const bool are_numbers = read_number(parts[1], point.write.shard) &&
                             read_number(parts[2], point.write.number) && point.write.number != 0;
    if (way == all_kill_ways.end() || !are_numbers) return std::nullopt;
    point.way = *way;
    for (int i = 0; i < scenario.nodes_size(); ++i) {
        if (node_name(scenario.nodes(i)) != parts[0] || !scenario.nodes(i).has_storage()) continue;
        point.write.node = NodeIndex{static_cast<std::uint32_t>(i)};
        return point;
    }
    return std::nullopt;
}

}  // namespace touchstone::simulator
