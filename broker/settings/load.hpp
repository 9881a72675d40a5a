// load(): from a file, the environment and options to NodeSettings, or to all that is wrong with
// them. Nothing is taken over in part, so a reload that fails leaves what is in force alone.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "broker/settings/node_settings.hpp"
#include "broker/settings/problem.hpp"

namespace touchstone::settings {

/// A value from the command line, where it stands in place of one from elsewhere.
struct Override {
    std::string key;
    std::string value;
    std::string option;  // as typed, for messages: "--set", "--listen"
};

struct Sources {
    std::optional<std::string> file;
    /// Of all variables; only those that begin with TOUCHSTONE_ are looked at.
    std::vector<std::pair<std::string, std::string>> environment;
    std::vector<Override> overrides;
};

struct FileContent {
    std::string text;
    bool can_others_read = false;  // anybody on this machine
};
struct FileError {
    std::string reason;  // "No such file or directory"
};
/// Where the texts of files come from; `size_bytes_max` bounds them.
using ReadFile = std::function<std::variant<FileContent, FileError>(const std::string& path,
                                                                    std::size_t size_bytes_max)>;

struct Loaded {
    std::shared_ptr<const NodeSettings> settings;  // null when there are problems
    std::vector<Problem> problems;
    std::vector<Problem> warnings;  // works, but is hardly meant so
};

[[nodiscard]] Loaded load(const Sources& sources, const ReadFile& read_file);
/// With the files of this machine.
[[nodiscard]] Loaded load(const Sources& sources);

[[nodiscard]] std::variant<FileContent, FileError> read_system_file(const std::string& path,
                                                                    std::size_t size_bytes_max);

/// The variables of this process, for Sources.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> process_environment();

}  // namespace touchstone::settings
