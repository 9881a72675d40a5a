#include "reports/html.hpp"

#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include "reports/assets.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/summary.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

unsigned nibble(char digit) {
    return static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/// Hexadecimal digits, lower case, to Base64: CMake computes the digest of an asset, a policy wants
/// it in Base64.
std::string base64_of_hex(std::string_view hex) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string base64;
    std::uint32_t bits = 0;
    unsigned bit_count = 0;
    for (const char digit : hex) {
        bits = (bits << 4U) | nibble(digit);
        bit_count += 4;
        if (bit_count >= 6) {
            bit_count -= 6;
            base64 += alphabet[(bits >> bit_count) & 0x3FU];
        }
    }
    if (bit_count > 0) base64 += alphabet[(bits << (6 - bit_count)) & 0x3FU];
    while (base64.size() % 4 != 0) base64 += '=';
    return base64;
}

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
    return fmt::format("<noscript><p>This page draws its data with a script, which is switched off "
                       "here. The verdicts:</p>\n"
                       "<table><tr><th>run</th><th>target</th><th>verdict</th><th>results</th></"
                       "tr>\n{}</table></noscript>\n",
                       rows);
}

}  // namespace

std::string html_report(const results::Report& report) {
    const std::string data = json_for_script(message_to_json(limited(report), JsonLayout::compact));
    std::string html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
    html += fmt::format(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri "
        "'none'; "
        "form-action 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:\">\n",
        base64_of_hex(assets::style_sha256), base64_of_hex(assets::script_sha256));
    html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" "
            "href=\"data:,\">\n";
    html += fmt::format("<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n",
                        html_text(report.title()), assets::style());
    html += plain_summary(report);
    html += "<div id=\"page\"></div>\n";
    html += fmt::format("<script type=\"application/json\" id=\"data\">{}</script>\n", data);
    html += fmt::format("<script>{}</script>\n</body>\n</html>\n", assets::script());
    return html;
}

}  // namespace touchstone::reports
