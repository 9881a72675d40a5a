// The command line of `touchstone broker`: options, most of which stand for a setting.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/settings/load.hpp"

namespace touchstone::asio_driver {

struct CommandLine {
    enum class Task : unsigned char { serve, check_config, help_settings, hash_password };
    Task task = Task::serve;
    bool as_json = false;
    std::string port_file;         // empty: none
    std::string record_directory;  // empty: nothing is recorded
    std::uint64_t record_limit_mib = 1024;
    std::string hashed_name;  // whose password is hashed
    bool is_scram = false;    // that it is for SCRAM-SHA-256
    settings::Sources sources;
};

/// What the arguments ask for; or, when they ask for help or are wrong, what to print and how to
/// exit.
struct ParsedCommandLine {
    CommandLine command_line;
    bool is_complete = false;  // false: exit with `exit_code`, all is printed
    int exit_code = 0;
};

[[nodiscard]] ParsedCommandLine parse_command_line(int argument_count, char** arguments);

}  // namespace touchstone::asio_driver
