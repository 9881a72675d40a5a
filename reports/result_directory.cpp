#include "reports/result_directory.hpp"

#include <cerrno>
#include <cstring>
#include <iostream>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "reports/comparison_page.hpp"
#include "reports/fleet_page.hpp"
#include "reports/html.hpp"
#include "reports/junit.hpp"
#include "reports/ladder.hpp"
#include "reports/load_page.hpp"
#include "reports/markdown.hpp"
#include "reports/merge.hpp"
#include "reports/pcapng.hpp"
#include "reports/plan_page.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/run_file.hpp"
#include "reports/summary.hpp"
#include "reports/sweep.hpp"
#include "reports/sweep_page.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

Problem problem(const std::filesystem::path& path, std::string_view what, int error_number) {
    const std::string_view remedy = error_number == ENOSPC || error_number == EDQUOT
                                        ? "free some space or choose another place with --out"
                                        : "choose a place that can be written with --out";
    return {one_line(
        fmt::format("{}: {}: {}; {}", path.string(), what, std::strerror(error_number), remedy))};
}

/// A file that removes itself unless it was renamed to its place.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::filesystem::path& target)
        : path_{target.parent_path() /
                fmt::format(".{}.{}.part", target.filename().string(), ::getpid())},
          descriptor_{::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)} {}
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() {
        const bool was_opened = descriptor_ >= 0 || is_closed_;
        if (descriptor_ >= 0) ::close(descriptor_);
        if (was_opened && !is_in_place_) ::unlink(path_.c_str());
    }

    [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

    /// Writes everything and flushes it to the disk. False: errno says why.
    bool write_all(std::string_view content) {
        while (!content.empty()) {
            const ssize_t written = ::write(descriptor_, content.data(), content.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) return false;
            content.remove_prefix(static_cast<std::size_t>(written));
        }
        if (::fsync(descriptor_) != 0) return false;
        is_closed_ = true;
        return ::close(std::exchange(descriptor_, -1)) == 0;
    }

    bool move_to(const std::filesystem::path& target) {
        is_in_place_ = ::rename(path_.c_str(), target.c_str()) == 0;
        return is_in_place_;
    }

private:
    std::filesystem::path path_;
    int descriptor_;
    bool is_closed_ = false;
    bool is_in_place_ = false;
};

std::optional<Problem> make_directory(const std::filesystem::path& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return problem(directory, "cannot create the result directory", error.value());
    // create_directories accepts a file that is in the way when only its name is asked for.
    if (!std::filesystem::is_directory(directory, error)) {
        return problem(directory, "cannot create the result directory", ENOTDIR);
    }
    return std::nullopt;
}

/// One entry of repro.txt: what, why, and the command.
std::string reproduce_entry(std::string_view what, std::string_view why, std::string_view command) {
    return fmt::format("\n# {}{}{}\n{}\n", one_line(what), why.empty() ? "" : ": ", one_line(why),
                       one_line(command));
}

std::string reproduce_text(const results::Run& run) {
    std::string text = fmt::format("# {}\n", one_line(last_line(run, {})));
    if (!run.reproduce().empty()) text += reproduce_entry("all of it", "", run.reproduce());
    for (const auto& result : run.cases()) {
        if (is_failure(result))
            text += reproduce_entry(result.case_id(), result.reason(), result.reproduce());
    }
    if (run.has_sweep()) {
        for (const int i : failures_by_time(run)) {
            const auto& result = run.scenarios(i);
            text += reproduce_entry(fmt::format("{} seed {}", result.scenario(), result.seed()),
                                    result.reason(), result.reproduce());
        }
        return text;
    }
    for (const auto& result : run.scenarios()) {
        if (is_failure(result.verdict()) || !is_as_expected(result)) {
            text += reproduce_entry(result.scenario(), result.reason(), result.reproduce());
        }
    }
    return text;
}

constexpr std::string_view packets_folder = "packets";

/// What an earlier run has left in `folder`, or below it, would be taken for this one's.
std::optional<Problem> remove_earlier(const std::filesystem::path& folder,
                                      const std::set<std::string>& endings) {
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error)) return std::nullopt;
    std::vector<std::filesystem::path> earlier;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{folder, error}) {
        if (endings.contains(entry.path().extension().string())) earlier.push_back(entry.path());
    }
    for (const auto& path : earlier) {
        if (!std::filesystem::remove(path, error)) {
            return problem(path, "cannot remove what an earlier run has left", error.value());
        }
        // Empty folders go with their last file; one that is not stays, and nobody minds.
        if (path.parent_path() != folder) std::filesystem::remove(path.parent_path(), error);
    }
    return std::nullopt;
}

std::string page_of(const results::Run& run) {
    if (run.has_sweep()) return sweep_page(run);
    if (run.has_load_report()) return load_page(run);
    if (run.has_plan_report()) return plan_page(run);
    if (is_fleet(run)) return fleet_page(run);
    if (run.has_comparison()) return comparison_page(run);
    return html_report(merge_runs(run.name(), {run}));
}

/// Each failure of a sweep that was kept with its packets, as a run of its own.
void add_kept_failures(const results::Run& run,
                       std::vector<std::pair<std::string, std::string>>& files) {
    for (const auto& result : run.scenarios()) {
        const auto folder = folder_of_failure(result);
        if (folder.empty()) continue;
        results::Run one = run;
        one.clear_scenarios();
        one.clear_sweep();
        one.clear_notes();
        one.clear_verdict();
        *one.add_scenarios() = result;
        one.set_seed(result.seed());
        one.set_digest(result.digest());
        one.set_reproduce(result.reproduce());
        complete(one);
        files.emplace_back(folder + "/run.pb", run_to_binary(one));
        files.emplace_back(folder + "/report.html", html_report(merge_runs(one.name(), {one})));
    }
}

/// What only the judgement of a broker leaves: for CI, for its README, for its users, and for
/// Wireshark.
void add_conformance_files(const results::Run& run,
                           std::vector<std::pair<std::string, std::string>>& files) {
    files.emplace_back("summary.md", markdown_summary(run));
    files.emplace_back("badge.svg", badge_svg(run));
    files.emplace_back("conformance-statement.md", conformance_statement(run));
    for (const auto& result : run.cases()) {
        const bool is_of_interest =
            is_failure(result) || result.verdict() == results::Verdict::flaky;
        if (!is_of_interest || result.trace().empty()) continue;
        files.emplace_back(fmt::format("{}/{}.pcapng", packets_folder, file_name(result.case_id())),
                           pcapng_of(result));
    }
}

}  // namespace

std::filesystem::path default_result_directory(std::string_view kind, std::string_view name) {
    return std::filesystem::path{"out"} / fmt::format("{}-{}", kind, file_name(name));
}

std::optional<Problem> prepare_result_directory(const std::filesystem::path& directory) {
    if (auto failed = make_directory(directory)) return failed;
    TemporaryFile probe{directory / "probe"};
    if (!probe.is_open() || !probe.write_all("probe\n")) {
        return problem(directory, "cannot write into the result directory", errno);
    }
    return std::nullopt;
}

std::optional<Problem> write_file_atomically(const std::filesystem::path& path,
                                             std::string_view content) {
    TemporaryFile file{path};
    if (!file.is_open() || !file.write_all(content) || !file.move_to(path)) {
        return problem(path, "cannot write", errno);
    }
    return std::nullopt;
}

std::optional<Problem> write_results(const results::Run& run,
                                     const std::filesystem::path& directory) {
    results::Run completed = run;
    make_strings_valid(completed);
    complete(completed);
    completed.set_format_version(run_format_version);

    if (auto failed = make_directory(directory)) return failed;
    std::vector<std::pair<std::string, std::string>> files;
    try {
        files.emplace_back("run.pb", run_to_binary(completed));
        files.emplace_back("run.json", run_to_json(completed));
        files.emplace_back("junit.xml", junit_xml(completed));
        files.emplace_back("repro.txt", reproduce_text(completed));
        files.emplace_back("report.html", page_of(completed));
        add_kept_failures(completed, files);
        if (completed.kind() == results::Run::conformance) add_conformance_files(completed, files);
    } catch (const std::length_error& too_large) {
        return Problem{one_line(
            fmt::format("{}: {}; keep fewer traces", directory.string(), too_large.what()))};
    }
    if (auto failed = remove_earlier(directory / packets_folder, {".pcapng"})) return failed;
    if (auto failed = remove_earlier(directory / failures_folder, {".pb", ".html"})) return failed;
    for (const auto& [name, content] : files) {
        const auto path = directory / name;
        if (auto failed = make_directory(path.parent_path())) return failed;
        if (auto failed = write_file_atomically(path, content)) return failed;
    }
    return std::nullopt;
}

ExitCode finish_run(results::Run run, const std::filesystem::path& directory, ExitCode exit_code) {
    make_strings_valid(run);
    complete(run);
    const std::optional<Problem> failed = write_results(run, directory);
    if (failed) std::cerr << "touchstone: " << failed->line << std::endl;
    std::cout << last_line(run, failed ? std::filesystem::path{} : directory / "report.html")
              << std::endl;
    return failed && exit_code == ExitCode::as_expected ? failed->exit_code : exit_code;
}

}  // namespace touchstone::reports
