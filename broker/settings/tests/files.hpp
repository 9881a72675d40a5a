// Files that are not on a disk, for tests of loading.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "broker/settings/load.hpp"

namespace touchstone::settings {

/// The settings file is called etc/touchstone.conf; other files by the path they are asked for.
class Files {
public:
    Files& with(const std::string& path, std::string text, bool can_others_read = false) {
        files_[path] = {.text = std::move(text), .can_others_read = can_others_read};
        return *this;
    }
    [[nodiscard]] ReadFile reader() const {
        return [files = files_](const std::string& path,
                                std::size_t) -> std::variant<FileContent, FileError> {
            const auto found = files.find(path);
            if (found == files.end()) return FileError{"No such file or directory"};
            return found->second;
        };
    }
    /// Loads `text` as the settings file.
    [[nodiscard]] Loaded load(std::string text, Sources sources = {}) {
        with("etc/touchstone.conf", std::move(text));
        sources.file = "etc/touchstone.conf";
        return settings::load(sources, reader());
    }

private:
    std::map<std::string, FileContent> files_;
};

inline Loaded load_text(std::string text, Sources sources = {}) {
    return Files{}.load(std::move(text), std::move(sources));
}

}  // namespace touchstone::settings
