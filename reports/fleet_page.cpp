#include "reports/fleet_page.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "reports/assets.hpp"
#include "reports/page.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/summary.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

bool is_fleet(const results::Run& run) {
    return std::ranges::any_of(
        run.scenarios(), [](const results::ScenarioResult& one) { return one.curves_size() > 0; });
}

std::string fleet_page(const results::Run& run) {
    return self_contained_page(
        {.title = run.name(),
         .plain = fmt::format("<p>{}</p>\n", html_text(last_line(run, {}))),
         .json = fmt::format("{{\"run\":{}}}", message_to_json(run, JsonLayout::compact)),
         .script = assets::fleet_script(),
         .script_sha256 = assets::fleet_script_sha256});
}

}  // namespace touchstone::reports
