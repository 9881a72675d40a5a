// What the planner's commands say and read alike.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "broker/base/exit_code.hpp"
#include "load/workload.hpp"

namespace CLI {
class App;
}

namespace touchstone::planner {

/// A broker that is measured: --target, --pid and the credentials.
struct TargetOptions {
    std::string url = "mqtt://127.0.0.1:1883";
    int pid = 0;
    std::string user_name;
    std::string password;
};
void add_target_options(CLI::App& app, TargetOptions& options);
/// What is wrong has been said when there is nothing.
[[nodiscard]] std::optional<load::Target> target_of(const TargetOptions& options,
                                                    const std::string& url);

/// Where results go and how they are shown.
struct OutputOptions {
    std::string out;
    bool is_json = false;
};
void add_output_options(CLI::App& app, OutputOptions& options,
                        const std::string& default_directory);

/// "touchstone plan: " and the line, on standard error. Returns that code.
int say(ExitCode code, const std::string& line);

/// Calls `body` and turns what measuring throws into a line and an exit code.
int guarded(const std::function<int()>& body);

/// Nothing when there is something to do; else the exit code, after the help, or what is wrong, has
/// been printed.
[[nodiscard]] std::optional<int> parse_or_answer(CLI::App& app, int argument_count,
                                                 char** arguments);

/// As typed, quoted for a shell.
[[nodiscard]] std::string whole_command(int argument_count, char** arguments);

/// One line on a terminal that is written over and over, gone with this.
class Progress {
public:
    Progress();
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    void show(const std::string& text);
    void clear();

private:
    bool is_terminal_;
    bool is_shown_ = false;
    std::string shown_;
};

}  // namespace touchstone::planner
