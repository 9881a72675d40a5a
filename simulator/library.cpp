#include "simulator/library.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>

#include "broker/base/exit_code.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/defect_choice.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {

namespace {

namespace fs = std::filesystem;

const scenario::CatalogueEntry* find_entry(const scenario::Catalogue& catalogue,
                                           const std::string& id) {
    const auto& entries = catalogue.entries();
    const auto found = std::ranges::find(entries, id, &scenario::CatalogueEntry::id);
    return found == entries.end() ? nullptr : &*found;
}

std::string lower(std::string text) {
    for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

/// `emqx/emqx#8527` for an issue or pull request, the last part of the address for all else.
std::string short_reference(const std::string& url) {
    constexpr std::string_view github = "https://github.com/";
    if (url.starts_with(github)) {
        const auto rest = url.substr(github.size());
        for (const std::string_view kind : {"/issues/", "/pull/"}) {
            const auto at = rest.find(kind);
            if (at == std::string::npos) continue;
            return rest.substr(0, at) + "#" + rest.substr(at + kind.size());
        }
        return rest;
    }
    auto text = url;
    while (text.ends_with('/')) text.pop_back();
    return text.substr(text.rfind('/') + 1);
}

struct Kind {
    std::string_view prefix;
    std::string_view title;
};

constexpr auto kinds = std::to_array<Kind>({
    {"OR", "Ordering, windows, Packet Identifiers"},
    {"QX", "QoS 2: exactly once"},
    {"ST", "Sessions: takeover and expiry"},
    {"WR", "Will Messages and Retained Messages"},
    {"SH", "Shared Subscriptions"},
    {"PQ", "Persistence, queues, memory"},
    {"MF", "Malformed input"},
    {"MX", "Topic Aliases, $ topics, Keep Alive, bridges, reconnecting"},
    {"SB", "Clusters: partitions and split brain"},
});

const LoadedScenario* find_scenario(const std::vector<LoadedScenario>& scenarios,
                                    const std::string& id) {
    const auto found = std::ranges::find_if(
        scenarios, [&](const auto& one) { return one.scenario.catalogue() == id; });
    return found == scenarios.end() ? nullptr : &*found;
}

std::string proofs_text(const scenario::Scenario& scenario) {
    std::vector<std::string> texts;
    for (const auto& proof : scenario.proofs()) {
        const auto who =
            proof.client_size() == 0 ? "" : fmt::format("@{}", fmt::join(proof.client(), ","));
        texts.push_back(fmt::format("`{}{}` → {}", proof.defect(), who, proof.invariant()));
    }
    return fmt::format("{}", fmt::join(texts, "<br>"));
}

std::string row_of(const scenario::CatalogueEntry& entry,
                   const std::vector<LoadedScenario>& scenarios, const std::string& folder) {
    std::vector<std::string> references;
    for (const auto& url : entry.references()) {
        references.push_back(fmt::format("[{}]({})", short_reference(url), url));
    }
    std::string id = entry.id();
    std::string what = entry.title();
    std::string proofs = "–";
    if (const auto* loaded = find_scenario(scenarios, entry.id())) {
        id = fmt::format("[{}]({})", id, loaded->path.substr(folder.size() + 1));
        what += fmt::format("<br>{}", loaded->scenario.story());
        proofs = proofs_text(loaded->scenario);
    } else if (!entry.not_expressible().empty()) {
        proofs = "not expressible: " + entry.not_expressible();
    }
    return fmt::format("| {} | {} | {} | {} |\n", id, what, proofs, fmt::join(references, " "));
}

/// What is below a folder of scenarios.
struct Shelf {
    LoadedCatalogue catalogue;
    std::vector<LoadedScenario> scenarios;  // those with an entry, in the order of their paths
    std::vector<std::string> problems;
};

Shelf load_shelf(const std::string& folder) {
    Shelf shelf;
    shelf.catalogue = load_catalogue(folder + "/catalogue.pbtxt");
    shelf.problems = shelf.catalogue.problems;
    std::vector<std::string> paths;
    std::error_code failed;
    for (auto one = fs::recursive_directory_iterator{folder, failed};
         !failed && one != fs::recursive_directory_iterator{}; one.increment(failed)) {
        if (one->path().extension() == ".textproto") paths.push_back(one->path().string());
    }
    if (failed) shelf.problems.push_back(fmt::format("{}: {}", folder, failed.message()));
    std::ranges::sort(paths);
    for (const auto& path : paths) {
        auto loaded = load_scenario(path);
        shelf.problems.insert(shelf.problems.end(), loaded.problems.begin(), loaded.problems.end());
        if (!loaded.scenario.catalogue().empty()) shelf.scenarios.push_back(std::move(loaded));
    }
    return shelf;
}

/// The shelf, or the exit code for what is wrong with it, which is said.
std::optional<int> complain(const Shelf& shelf) {
    for (const auto& problem : shelf.problems) std::cerr << problem << '\n';
    if (shelf.problems.empty()) return std::nullopt;
    return to_int(ExitCode::usage_error);
}

/// Why a run with the defect off is no pass; empty when it is one.
std::string trouble_of(const Outcome& outcome) {
    for (const auto& one : outcome.invariants) {
        if (one.failures.empty()) continue;
        return fmt::format("{}: {}", one.checker->id, one.failures.front().explanation);
    }
    for (const auto& one : outcome.disappointments) {
        return fmt::format("{}: expected {}, got {}", one.what, one.expected, one.seen);
    }
    return {};
}

void print_missing(const scenario::Catalogue& catalogue,
                   const std::vector<LoadedScenario>& scenarios) {
    std::vector<std::string> missing;
    for (const auto& entry : catalogue.entries()) {
        if (find_scenario(scenarios, entry.id()) != nullptr) continue;
        if (entry.not_expressible().empty()) {
            missing.push_back(entry.id());
        } else {
            fmt::print("{}  not expressible: {}\n", entry.id(), entry.not_expressible());
        }
    }
    if (missing.empty()) return;
    fmt::print("{} of {} entries have no scenario: {}\n", missing.size(), catalogue.entries_size(),
               fmt::join(missing, " "));
}

}  // namespace

std::set<std::string> broken_invariants(const Outcome& outcome) {
    std::set<std::string> broken;
    for (const auto& one : outcome.invariants) {
        if (!one.failures.empty()) broken.emplace(one.checker->id);
    }
    return broken;
}

ProvedDefect prove(const scenario::Scenario& scenario, const scenario::Proof& proof) {
    std::set<std::string> expected{proof.also().begin(), proof.also().end()};
    expected.insert(proof.invariant());
    std::vector<std::string> defects;
    for (const auto& client : proof.client()) defects.push_back(proof.defect() + "@" + client);
    if (defects.empty()) defects.push_back(proof.defect());
    return {.defect = proof.defect(),
            .expected = std::move(expected),
            .outcome = run_scenario(
                scenario, {.seed = std::nullopt, .shard_count = std::nullopt, .defects = defects})};
}

LoadedCatalogue load_catalogue(const std::string& path) {
    LoadedCatalogue loaded;
    auto& problems = loaded.problems;
    const auto text = read_text_file(path, "name a folder with a catalogue of defects", problems);
    if (!text || !parse_text(path, *text, loaded.catalogue, nullptr, problems)) return loaded;
    std::set<std::string> ids;
    for (const auto& entry : loaded.catalogue.entries()) {
        if (!ids.insert(entry.id()).second) {
            problems.push_back(
                fmt::format("{}: {} is there twice; ids are unique", path, entry.id()));
        }
        const auto is_its = [&](const Kind& kind) { return entry.id().starts_with(kind.prefix); };
        if (std::ranges::none_of(kinds, is_its)) {
            problems.push_back(fmt::format("{}: '{}' begins with no known kind", path, entry.id()));
        }
    }
    return loaded;
}

std::vector<std::string> problems_of_place(const LoadedScenario& loaded,
                                           const scenario::Catalogue& catalogue,
                                           const std::vector<LoadedScenario>& known) {
    const auto& scenario = loaded.scenario;
    const auto& id = scenario.catalogue();
    const auto* entry = find_entry(catalogue, id);
    if (entry == nullptr) {
        return {fmt::format("{}: catalogue: there is no entry '{}'", loaded.path, id)};
    }
    std::vector<std::string> problems;
    if (fs::path{loaded.path}.stem() != lower(id)) {
        problems.push_back(fmt::format(
            "{}: is named otherwise than its entry; call it {}.textproto", loaded.path, lower(id)));
    }
    if (const auto* other = find_scenario(known, id)) {
        problems.push_back(
            fmt::format("{}: {} has a scenario already, {}", loaded.path, id, other->path));
    }
    if (!entry->not_expressible().empty()) {
        problems.push_back(fmt::format("{}: {} is recorded as not expressible", loaded.path, id));
    }
    const auto is_of_entry = [&](const scenario::Proof& proof) {
        return std::ranges::find(entry->switches(), proof.defect()) != entry->switches().end();
    };
    if (std::ranges::none_of(scenario.proofs(), is_of_entry)) {
        problems.push_back(fmt::format("{}: proofs: name a switch of {}: {}", loaded.path, id,
                                       fmt::join(entry->switches(), ", ")));
    }
    return problems;
}

std::string index_of(const scenario::Catalogue& catalogue,
                     const std::vector<LoadedScenario>& scenarios, const std::string& folder) {
    std::string text;
    for (const auto& kind : kinds) {
        text += fmt::format("\n### {}: {}\n\n", kind.prefix, kind.title);
        text += "| entry | what went wrong | switch → invariant | published |\n|---|---|---|---|\n";
        for (const auto& entry : catalogue.entries()) {
            if (entry.id().starts_with(kind.prefix)) text += row_of(entry, scenarios, folder);
        }
    }
    return text;
}

int check_library(const std::string& folder) {
    const auto shelf = load_shelf(folder);
    if (const auto exit_code = complain(shelf)) return *exit_code;
    const auto& catalogue = shelf.catalogue.catalogue;
    std::size_t passed_off = 0;
    std::size_t failed_on = 0;
    bool is_in_order = true;
    std::vector<LoadedScenario> known;
    std::size_t events = 0;  // of runs with the defects off
    std::size_t longest = 0;
    std::string longest_path;
    for (const auto& loaded : shelf.scenarios) {
        const auto& scenario = loaded.scenario;
        std::vector<std::string> lines = problems_of_place(loaded, catalogue, known);
        is_in_order &= lines.empty();
        const auto off = run_scenario(
            scenario, {.seed = std::nullopt, .shard_count = std::nullopt, .defects = {}});
        const auto trouble = trouble_of(off);
        if (trouble.empty()) {
            ++passed_off;
        } else {
            lines.push_back(fmt::format("off: does not pass, {}", trouble));
        }
        bool do_all_hold = true;
        for (const auto& proof : scenario.proofs()) {
            const auto proved = prove(scenario, proof);
            if (proved.holds()) continue;
            do_all_hold = false;
            lines.push_back(fmt::format("{}: is to break {}, breaks {}", proved.defect,
                                        fmt::join(proved.expected, ", "),
                                        fmt::join(broken_invariants(proved.outcome), ", ")));
        }
        failed_on += do_all_hold ? 1U : 0U;
        fmt::print("{}  {}  {}\n", scenario.catalogue(), lines.empty() ? "ok  " : "FAIL",
                   loaded.path);
        for (const auto& line : lines) fmt::print("    {}\n", line);
        known.push_back(loaded);
        const auto length = off.world->trace().entries.size();
        events += length;
        if (length > longest) {
            longest = length;
            longest_path = loaded.path;
        }
    }
    print_missing(catalogue, shelf.scenarios);
    const auto not_expressible = std::ranges::count_if(
        catalogue.entries(), [](const auto& entry) { return !entry.not_expressible().empty(); });
    is_in_order &= not_expressible <= not_expressible_max;
    fmt::print("{} of {} entries are recorded as not expressible, {} may be\n", not_expressible,
               catalogue.entries_size(), not_expressible_max);
    fmt::print("{} events in the traces, most for {}: {}\n", events, longest_path, longest);
    const auto count = shelf.scenarios.size();
    fmt::print("library: {} scenarios, {} passed off, {} failed on\n", count, passed_off,
               failed_on);
    const bool is_kept = is_in_order && passed_off == count && failed_on == count;
    return to_int(is_kept ? ExitCode::as_expected : ExitCode::expectation_failed);
}

int print_index(const std::string& folder) {
    const auto shelf = load_shelf(folder);
    if (const auto exit_code = complain(shelf)) return *exit_code;
    fmt::print("{}", index_of(shelf.catalogue.catalogue, shelf.scenarios, folder));
    return to_int(ExitCode::as_expected);
}

}  // namespace touchstone::simulator
