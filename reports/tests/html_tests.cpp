#include "reports/html.hpp"

#include <google/protobuf/io/gzip_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "reports/merge.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/summary.hpp"
#include "reports/tests/sample_runs.hpp"

namespace touchstone::reports {
namespace {

results::Run completed(results::Run run) {
    make_strings_valid(run);
    complete(run);
    return run;
}

/// What the page's script will read: the content of the data element, up to the first thing that
/// ends a script element.
std::string embedded_data(const std::string& html) {
    const std::string start = "<script type=\"application/json\" id=\"data\">";
    const auto from = html.find(start) + start.size();
    return html.substr(from, html.find("</script", from) - from);
}

results::Report read_back(const std::string& html) {
    results::Report report;
    const auto status = google::protobuf::util::JsonStringToMessage(embedded_data(html), &report);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return report;
}

TEST(Html, the_page_holds_exactly_the_report) {
    const auto report = merge_runs("Release 1", {completed(tests::conformance_run("a")),
                                                 completed(tests::simulation_run("s"))});
    EXPECT_TRUE(
        google::protobuf::util::MessageDifferencer::Equals(read_back(html_report(report)), report));
}

TEST(Html, every_statement_is_in_the_page_with_a_column_per_run) {
    const auto report = read_back(html_report(merge_runs(
        "t", {completed(tests::conformance_run("a")), completed(tests::conformance_run("b"))})));
    const results::Run run = tests::conformance_run("a");
    ASSERT_EQ(report.rows_size(), run.statements_size());
    for (const auto& row : report.rows()) EXPECT_EQ(row.cells_size(), 2);
    EXPECT_EQ(report.summaries(0).name(), "a");
    EXPECT_EQ(report.summaries(1).name(), "b");
}

TEST(Html, hostile_strings_and_payloads_cannot_leave_their_element) {
    const auto report = merge_runs(tests::hostile_text(), {completed(tests::hostile_run())});
    results::Report valid = report;
    make_strings_valid(valid);
    const std::string html = html_report(valid);
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(read_back(html), valid));
    // Two elements of ours, opened and closed once each, and not one more from the data or the
    // title.
    EXPECT_EQ(tests::occurrences(html, "</script"), 2U);
    EXPECT_EQ(tests::occurrences(html, "<script"), 2U);
    EXPECT_EQ(tests::occurrences(html, "<!--"), 0U);
    EXPECT_EQ(tests::occurrences(html, "alert(1)"), tests::occurrences(html, "alert(1)\\u003c") +
                                                        tests::occurrences(html, "alert(1)&lt;"));
}

std::string from_base64(const std::string& text) {
    const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t bits = 0;
    unsigned bit_count = 0;
    for (const char digit : text) {
        if (digit == '=') break;
        bits = (bits << 6U) | static_cast<std::uint32_t>(alphabet.find(digit));
        bit_count += 6;
        if (bit_count < 8) continue;
        bit_count -= 8;
        bytes += static_cast<char>(bits >> bit_count & 0xFFU);
    }
    return bytes;
}

TEST(Html, a_large_report_is_packed_and_holds_the_same) {
    results::Run run = tests::conformance_run("a");
    for (int i = 0; i < 20'000; ++i) run.add_notes("note " + std::to_string(i) + " </script>");
    const auto report = merge_runs("t", {completed(run)});
    const auto html = html_report(report);
    const std::string start = "<script type=\"application/gzip;base64\" id=\"data\">";
    const auto from = html.find(start);
    ASSERT_NE(from, std::string::npos);
    const auto data =
        html.substr(from + start.size(), html.find("</script", from) - from - start.size());
    const auto packed = from_base64(data);
    google::protobuf::io::ArrayInputStream bytes{packed.data(), static_cast<int>(packed.size())};
    google::protobuf::io::GzipInputStream stream{&bytes};
    std::string json;
    const void* piece = nullptr;
    for (int size = 0; stream.Next(&piece, &size);) {
        json.append(static_cast<const char*>(piece), static_cast<std::size_t>(size));
    }
    results::Report read;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &read).ok());
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(read, report));
    EXPECT_EQ(tests::occurrences(html, "</script"), 2U);
    EXPECT_LT(html.size(), json.size() / 2);
}

TEST(Html, the_page_asks_for_nothing_from_outside) {
    const std::string html = html_report(merge_runs("t", {completed(tests::conformance_run("a"))}));
    EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
    for (const char* reference :
         {" src=", "url(", "@import", "href=\"http", "fetch(", "XMLHttpRequest"}) {
        EXPECT_EQ(html.find(reference), std::string::npos) << reference;
    }
}

TEST(Html, a_viewer_without_scripts_sees_the_verdicts) {
    const std::string html =
        html_report(merge_runs("t", {completed(tests::conformance_run("a<b"))}));
    EXPECT_NE(html.find("<td>a&lt;b</td><td>mqtt://127.0.0.1:1883</td><td>fail</td><td>1 pass, 1 "
                        "fail, 1 not applicable</td>"),
              std::string::npos);
}

TEST(Html, a_trace_that_is_too_long_is_cut_and_says_so) {
    results::Run run = tests::simulation_run("s");
    auto& result = *run.mutable_scenarios(0);
    while (result.trace_size() < page_trace_steps_max + 5) result.add_trace()->set_from("a");
    result.set_steps_left_out(1);
    const auto page = read_back(html_report(merge_runs("t", {completed(run)})));
    EXPECT_EQ(page.runs(0).scenarios(0).trace_size(), page_trace_steps_max);
    EXPECT_EQ(page.runs(0).scenarios(0).steps_left_out(), 6U);
}

}  // namespace
}  // namespace touchstone::reports
