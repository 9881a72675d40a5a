#include "reports/load_page.hpp"

#include <fmt/format.h>

#include "reports/assets.hpp"
#include "reports/page.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/summary.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

/// What a viewer without scripts shows: the verdict, and what limited the run.
std::string plain_summary(const results::Run& run) {
    std::string text = fmt::format("<p>{}</p>\n", html_text(last_line(run, {})));
    for (const auto& line : run.load_report().words()) {
        text += fmt::format("<p>{}</p>\n", html_text(line));
    }
    return text;
}

}  // namespace

std::string load_page(const results::Run& run) {
    return self_contained_page(
        {.title = run.name(),
         .plain = plain_summary(run),
         .json = fmt::format("{{\"run\":{}}}", message_to_json(run, JsonLayout::compact)),
         .script = assets::load_script(),
         .script_sha256 = assets::load_script_sha256});
}

}  // namespace touchstone::reports
