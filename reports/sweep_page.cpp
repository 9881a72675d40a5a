#include "reports/sweep_page.hpp"

#include <fmt/format.h>

#include "reports/assets.hpp"
#include "reports/page.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/summary.hpp"
#include "reports/sweep.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

std::string sweep_page(const results::Run& run) {
    results::Run page = run;
    std::string kept;  // position → where it is described; letters that JSON takes as they are
    for (auto& result : *page.mutable_scenarios()) {
        const auto folder = folder_of_failure(result);
        if (!folder.empty()) {
            kept += fmt::format("{}\"{}\":\"{}/report.html\"", kept.empty() ? "" : ",",
                                result.position(), folder);
        }
        forget_packets(result);
        result.clear_digest();
    }
    const auto plain = fmt::format("<p>{}</p>\n", html_text(last_line(run, {})));
    return self_contained_page(
        {.title = run.name(),
         .plain = plain,
         .json = fmt::format("{{\"run\":{},\"kept\":{{{}}}}}",
                             message_to_json(page, JsonLayout::compact), kept),
         .script = assets::sweep_script(),
         .script_sha256 = assets::sweep_script_sha256});
}

}  // namespace touchstone::reports
