#include "reports/html.hpp"

#include <cstdint>

#include <fmt/format.h>

#include "reports/assets.hpp"
#include "reports/page.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/summary.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

/// Of a packet on the page; the capture and run.pb have all that was kept.
constexpr std::size_t page_bytes_max = 4'096;

void limit_trace(google::protobuf::RepeatedPtrField<results::Step>& trace) {
    for (auto& step : trace) {
        if (step.bytes().size() <= page_bytes_max) continue;
        step.set_bytes_left_out(step.bytes_left_out() +
                                static_cast<std::uint32_t>(step.bytes().size() - page_bytes_max));
        step.mutable_bytes()->resize(page_bytes_max);
    }
    if (trace.size() > page_trace_steps_max) {
        trace.DeleteSubrange(page_trace_steps_max, trace.size() - page_trace_steps_max);
    }
}

results::Report limited(const results::Report& report) {
    results::Report page = report;
    for (auto& run : *page.mutable_runs()) {
        for (auto& result : *run.mutable_cases()) {
            const int before = result.trace_size();
            limit_trace(*result.mutable_trace());
            result.set_steps_left_out(result.steps_left_out() +
                                      static_cast<std::uint32_t>(before - result.trace_size()));
        }
        for (auto& result : *run.mutable_scenarios()) {
            const int before = result.trace_size();
            limit_trace(*result.mutable_trace());
            result.set_steps_left_out(result.steps_left_out() +
                                      static_cast<std::uint64_t>(before - result.trace_size()));
        }
    }
    return page;
}

/// What a viewer without scripts shows: the verdicts.
std::string plain_summary(const results::Report& report) {
    std::string rows;
    for (const auto& summary : report.summaries()) {
        rows += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                            html_text(summary.name()), html_text(summary.target().url()),
                            verdict_text(summary.verdict()), counts_text(summary.counts()));
    }
    return fmt::format(
        "<p>The verdicts:</p>\n<table><tr><th>run</th><th>target</th><th>verdict</th>"
        "<th>results</th></tr>\n{}</table>\n",
        rows);
}

}  // namespace

std::string html_report(const results::Report& report) {
    return self_contained_page({.title = report.title(),
                                .plain = plain_summary(report),
                                .json = message_to_json(limited(report), JsonLayout::compact),
                                .script = assets::script(),
                                .script_sha256 = assets::script_sha256});
}

}  // namespace touchstone::reports
