#include "reports/comparison_page.hpp"

#include <fmt/format.h>

#include "reports/assets.hpp"
#include "reports/page.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/summary.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

std::string comparison_page(const results::Run& run) {
    return self_contained_page(
        {.title = run.name(),
         .plain = fmt::format("<p>{}</p>\n", html_text(last_line(run, {}))),
         .json = fmt::format("{{\"run\":{}}}", message_to_json(run, JsonLayout::compact)),
         .script = assets::comparison_script(),
         .script_sha256 = assets::comparison_script_sha256});
}

}  // namespace touchstone::reports
