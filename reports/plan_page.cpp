#include "reports/plan_page.hpp"

#include <fmt/format.h>

#include "reports/assets.hpp"
#include "reports/page.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/summary.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

/// What a viewer without scripts shows: the verdict in words.
std::string plain_summary(const results::Run& run) {
    std::string text = fmt::format("<p>{}</p>\n", html_text(last_line(run, {})));
    for (const auto& line : run.plan_report().words()) {
        text += fmt::format("<p>{}</p>\n", html_text(line));
    }
    return text;
}

}  // namespace

std::string plan_page(const results::Run& run) {
    return self_contained_page(
        {.title = run.name(),
         .plain = plain_summary(run),
         .json = fmt::format("{{\"run\":{}}}", message_to_json(run, JsonLayout::compact)),
         .script = assets::plan_script(),
         .script_sha256 = assets::plan_script_sha256});
}

}  // namespace touchstone::reports
