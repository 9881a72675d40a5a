// Text that is safe where it goes: a terminal, XML, HTML, a script element. What a peer sent may be
// any bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace touchstone::reports {

/// `text` with every byte that is not part of well-formed UTF-8 (RFC 3629) replaced by U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view text);

/// One line for a terminal: line ends and tabs become blanks, other control characters `\x1B`,
/// marks that change the direction of writing `\u202E`, so that bytes of a peer cannot move the
/// cursor.
[[nodiscard]] std::string one_line(std::string_view text);

/// Content of an XML 1.0 element: markup escaped, characters that XML cannot hold written as
/// `\x1B`.
[[nodiscard]] std::string xml_text(std::string_view text);

/// The same for the value of an attribute, where line ends and tabs have to be escaped as well.
[[nodiscard]] std::string xml_attribute(std::string_view text);

/// Content of an HTML element or attribute.
[[nodiscard]] std::string html_text(std::string_view text);

/// JSON that may stand in a script element: without `<`, `>`, `&`, U+2028 and U+2029, and equal in
/// value.
[[nodiscard]] std::string json_for_script(std::string_view json);

/// `name` with every character that is not a letter, digit, '.', '_' or '-' turned into '-'.
[[nodiscard]] std::string file_name(std::string_view name);

/// "0 us", "12 us", "3.40 ms", "1.25 s", "2 h 5 min": three significant digits below one minute.
[[nodiscard]] std::string duration_text(std::uint64_t duration_us);

}  // namespace touchstone::reports
