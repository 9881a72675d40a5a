// Lines: the shape that all our text files share. One thing in a line; a line that begins with `#`
// is a comment, and so is what stands behind ` ##`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/settings/forms.hpp"
#include "broker/settings/problem.hpp"

namespace touchstone::settings {

struct Line {
    std::string_view content;  // trimmed, not empty, without the comment
    std::string_view comment;  // trimmed, without its ##
    std::uint32_t number = 0;  // from 1

    [[nodiscard]] Origin origin(const std::string& path) const {
        return {.kind = Origin::Kind::file, .name = path, .line = number};
    }
};

/// Where the comment of a line begins: at ## with a blank before it, so that a topic filter can end
/// in # and a name hold one. npos: nowhere.
[[nodiscard]] inline std::size_t comment_begin(std::string_view line) {
    for (auto at = line.find("##"); at != std::string_view::npos; at = line.find("##", at + 1))
        if (at != 0 && (line[at - 1] == ' ' || line[at - 1] == '\t')) return at;
    return std::string_view::npos;
}

/// Calls `visit(const Line&)` for each line with content.
template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
    for (std::uint32_t number = 1; !text.empty(); ++number) {
        const auto end = text.find('\n');
        const auto raw = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (trimmed(raw).starts_with('#')) continue;
        const auto comment = comment_begin(raw);
        const Line line{.content = trimmed(raw.substr(0, comment)),
                        .comment = comment == std::string_view::npos
                                       ? std::string_view{}
                                       : trimmed(raw.substr(comment + 2)),
                        .number = number};
        if (!line.content.empty()) visit(line);
    }
}

}  // namespace touchstone::settings
