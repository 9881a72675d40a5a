// A page in one file that needs nothing beside it: style and script are compiled in, the data is
// embedded.
#pragma once

#include <string>
#include <string_view>

namespace touchstone::reports {

struct PageParts {
    std::string title;
    std::string plain;        // HTML, for a viewer without scripts
    std::string json;         // what the script draws
    std::string_view script;  // of assets.hpp, with its digest
    std::string_view script_sha256;
};

/// No external resource, and no script but that one can run in it (Content-Security-Policy with its
/// hash); the data is inert whatever its strings hold. All text is valid UTF-8.
[[nodiscard]] std::string self_contained_page(const PageParts& parts);

}  // namespace touchstone::reports
