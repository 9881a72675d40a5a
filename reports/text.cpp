#include "reports/text.hpp"

#include <array>
#include <cstddef>
#include <optional>

#include <fmt/format.h>

namespace touchstone::reports {

namespace {

constexpr std::string_view replacement_character = "\xEF\xBF\xBD";  // U+FFFD

struct Character {
    std::string_view bytes;
    std::optional<char32_t> code_point;  // nothing: `bytes` is one byte that is not UTF-8
};

/// Takes one character off the front of `text`, which is not empty.
Character take_character(std::string_view& text) {
    const auto first = static_cast<unsigned char>(text.front());
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xC2 ? 0
                               : first < 0xE0 ? 2
                               : first < 0xF0 ? 3
                               : first < 0xF5 ? 4
                                              : 0;
    const auto refuse = [&text] {
        const Character broken{text.substr(0, 1), std::nullopt};
        text.remove_prefix(1);
        return broken;
    };
    if (length == 0 || length > text.size()) return refuse();

    constexpr std::array<unsigned, 5> first_byte_mask{0, 0x7F, 0x1F, 0x0F, 0x07};
    char32_t code_point = first & first_byte_mask[length];
    for (std::size_t i = 1; i < length; ++i) {
        const auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xC0U) != 0x80U) return refuse();
        code_point = (code_point << 6U) | (next & 0x3FU);
    }
    const bool is_overlong =
        (length == 3 && code_point < 0x800) || (length == 4 && code_point < 0x10000);
    const bool is_surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
    if (is_overlong || is_surrogate || code_point > 0x10FFFF) return refuse();

    const Character character{text.substr(0, length), code_point};
    text.remove_prefix(length);
    return character;
}

bool is_control(char32_t code_point) {
    return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
}

/// Line separators, and what reorders the characters after it on the screen.
bool changes_layout(char32_t code_point) {
    return (code_point >= 0x2028 && code_point <= 0x202E) ||
           (code_point >= 0x2066 && code_point <= 0x2069);
}

}  // namespace

std::string valid_utf8(std::string_view text) {
    std::string valid;
    valid.reserve(text.size());
    while (!text.empty()) {
        const Character character = take_character(text);
        valid += character.code_point ? character.bytes : replacement_character;
    }
    return valid;
}

std::string one_line(std::string_view text) {
    std::string line;
    line.reserve(text.size());
    while (!text.empty()) {
        const Character character = take_character(text);
        if (!character.code_point) {
            line += replacement_character;
        } else if (*character.code_point == '\n' || *character.code_point == '\r' ||
                   *character.code_point == '\t') {
            line += ' ';
        } else if (is_control(*character.code_point)) {
            line += fmt::format("\\x{:02X}", static_cast<unsigned>(*character.code_point));
        } else if (changes_layout(*character.code_point)) {
            line += fmt::format("\\u{:04X}", static_cast<unsigned>(*character.code_point));
        } else {
            line += character.bytes;
        }
    }
    return line;
}

namespace {

enum class XmlPlace : bool { content, attribute };

std::string escape_xml(std::string_view text, XmlPlace place) {
    std::string xml;
    xml.reserve(text.size() + text.size() / 8);
    while (!text.empty()) {
        const Character character = take_character(text);
        const char32_t code_point = character.code_point.value_or(0xFFFD);
        switch (code_point) {
            case '<': xml += "&lt;"; break;
            case '>': xml += "&gt;"; break;
            case '&': xml += "&amp;"; break;
            case '"': xml += "&quot;"; break;
            case '\'': xml += "&#39;"; break;
            case '\n':
            case '\t':
                // An attribute would turn the plain character into a blank.
                if (place == XmlPlace::attribute) {
                    xml += code_point == '\n' ? "&#10;" : "&#9;";
                } else {
                    xml += character.bytes;
                }
                break;
            case 0xFFFD:
            case 0xFFFE:
            case 0xFFFF: xml += replacement_character; break;
            default:
                // C1 controls are allowed, but several readers trip over them; C0 controls cannot
                // be written at all.
                if (is_control(code_point)) {
                    xml += fmt::format("\\x{:02X}", static_cast<unsigned>(code_point));
                } else {
                    xml += character.bytes;
                }
        }
    }
    return xml;
}

}  // namespace

std::string xml_text(std::string_view text) {
    return escape_xml(text, XmlPlace::content);
}

std::string xml_attribute(std::string_view text) {
    return escape_xml(text, XmlPlace::attribute);
}

std::string html_text(std::string_view text) {
    return xml_attribute(text);  // the five escapes and the numeric references are HTML as well
}

std::string json_for_script(std::string_view json) {
    std::string safe;
    safe.reserve(json.size() + json.size() / 16);
    for (std::size_t i = 0; i < json.size(); ++i) {
        const std::string_view rest = json.substr(i);
        // These characters occur only inside JSON strings, where the escape means the same.
        if (rest[0] == '<' || rest[0] == '>' || rest[0] == '&') {
            safe += fmt::format("\\u{:04x}", static_cast<unsigned>(rest[0]));
        } else if (rest.substr(0, 3) == "\xE2\x80\xA8" || rest.substr(0, 3) == "\xE2\x80\xA9") {
            safe += rest[2] == '\xA8' ? "\\u2028" : "\\u2029";
            i += 2;
        } else {
            safe += rest[0];
        }
    }
    return safe;
}

std::string file_name(std::string_view name) {
    std::string safe{name};
    for (char& c : safe) {
        const bool is_safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!is_safe) c = '-';
    }
    return safe;
}

std::string duration_text(std::uint64_t duration_us) {
    constexpr std::uint64_t us_per_second = 1'000'000;
    const auto three_digits = [](double value, std::string_view unit) {
        return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : value < 100 ? 1 : 0, unit);
    };
    if (duration_us < 1'000) return fmt::format("{} us", duration_us);
    if (duration_us < us_per_second)
        return three_digits(static_cast<double>(duration_us) / 1e3, "ms");
    if (duration_us < 60 * us_per_second)
        return three_digits(static_cast<double>(duration_us) / 1e6, "s");
    const std::uint64_t minutes = duration_us / (60 * us_per_second);
    if (minutes < 60) return fmt::format("{} min {} s", minutes, duration_us / us_per_second % 60);
    return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

}  // namespace touchstone::reports
