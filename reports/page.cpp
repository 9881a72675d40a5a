#include "reports/page.hpp"

#include <cstdint>

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/gzip_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "reports/assets.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

/// A page with more data than this has it packed.
constexpr std::size_t plain_data_bytes_max = 512 * 1'024;

unsigned nibble(char digit) {
    return static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

std::string base64(std::string_view bytes) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    text.reserve(bytes.size() / 3 * 4 + 4);
    std::uint32_t bits = 0;
    unsigned bit_count = 0;
    for (const char byte : bytes) {
        bits = (bits << 8U) | static_cast<unsigned char>(byte);
        for (bit_count += 8; bit_count >= 6;) {
            bit_count -= 6;
            text += alphabet[(bits >> bit_count) & 0x3FU];
        }
    }
    if (bit_count > 0) text += alphabet[(bits << (6 - bit_count)) & 0x3FU];
    while (text.size() % 4 != 0) text += '=';
    return text;
}

std::string gzip(const std::string& text) {
    std::string packed;
    google::protobuf::io::StringOutputStream bytes{&packed};
    google::protobuf::io::GzipOutputStream::Options options;
    options.compression_level = 9;
    google::protobuf::io::GzipOutputStream stream{&bytes, options};
    google::protobuf::io::CodedOutputStream output{&stream};
    output.WriteString(text);
    output.Trim();
    stream.Close();
    return packed;
}

/// The element that the script reads. The same names and topics come again and again in a long run:
/// packed it has a tenth of the size.
std::string data_element(const std::string& json) {
    if (json.size() <= plain_data_bytes_max) {
        return fmt::format("<script type=\"application/json\" id=\"data\">{}</script>\n",
                           json_for_script(json));
    }
    return fmt::format("<script type=\"application/gzip;base64\" id=\"data\">{}</script>\n",
                       base64(gzip(json)));
}

/// Hexadecimal digits, lower case, to Base64: CMake computes the digest of an asset, a policy wants
/// it in Base64.
std::string base64_of_hex(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes += static_cast<char>(nibble(hex[i]) << 4U | nibble(hex[i + 1]));
    }
    return base64(bytes);
}

}  // namespace

std::string self_contained_page(const PageParts& parts) {
    std::string html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
    html += fmt::format(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri "
        "'none'; "
        "form-action 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:\">\n",
        base64_of_hex(assets::style_sha256), base64_of_hex(parts.script_sha256));
    html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" "
            "href=\"data:,\">\n";
    html += fmt::format("<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n",
                        html_text(parts.title), assets::style());
    html +=
        fmt::format("<noscript><p>This page draws its data with a script, which is switched off "
                    "here.</p>\n{}</noscript>\n",
                    parts.plain);
    html += "<div id=\"page\"></div>\n";
    html += data_element(parts.json);
    html += fmt::format("<script>{}</script>\n</body>\n</html>\n", parts.script);
    return html;
}

}  // namespace touchstone::reports
