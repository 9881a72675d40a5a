#include "reports/text.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "reports/tests/sample_runs.hpp"

namespace touchstone::reports {
namespace {

TEST(Text, well_formed_utf8_stays_as_it_is) {
    const std::string text = "a\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"
                             "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF";
    EXPECT_EQ(valid_utf8(text), text);
}

TEST(Text, every_byte_that_is_not_utf8_becomes_a_replacement_character) {
    EXPECT_EQ(valid_utf8("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");    // overlong
    EXPECT_EQ(valid_utf8("\xE0\x80\x80").size(), 9U);                 // overlong
    EXPECT_EQ(valid_utf8("\xED\xA0\x80").size(), 9U);                 // surrogate
    EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80").size(), 12U);            // above U+10FFFF
    EXPECT_EQ(valid_utf8("x\xE2\x82"), "x\xEF\xBF\xBD\xEF\xBF\xBD");  // cut off
    EXPECT_EQ(valid_utf8("\x80y"), "\xEF\xBF\xBDy");                  // continuation alone
}

RC_GTEST_PROP(Text, making_text_valid_twice_changes_nothing_more, (const std::string& text)) {
    const std::string once = valid_utf8(text);
    RC_ASSERT(valid_utf8(once) == once);
}

RC_GTEST_PROP(Text, a_line_for_the_terminal_has_no_control_characters, (const std::string& text)) {
    for (const char c : one_line(text))
        RC_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
}

TEST(Text, a_line_shows_control_characters_of_a_peer_instead_of_obeying_them) {
    EXPECT_EQ(one_line("a\x1B[2Jb\nc\xC2\x9Bz"), "a\\x1B[2Jb c\\x9Bz");
    EXPECT_EQ(one_line("safe\xE2\x80\xAE-only"), "safe\\u202E-only");
}

TEST(Text, xml_escapes_markup_and_shows_what_it_cannot_hold) {
    EXPECT_EQ(xml_text("<a b=\"c\">&'\n\x01"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;\n\\x01");
    EXPECT_EQ(xml_attribute("a\nb\tc"), "a&#10;b&#9;c");
    EXPECT_EQ(xml_text("\xEF\xBF\xBE"), "\xEF\xBF\xBD");  // U+FFFE is no XML character
}

TEST(Text, json_in_a_script_element_has_nothing_that_html_reads) {
    const std::string safe = json_for_script(tests::hostile_text());
    EXPECT_EQ(safe.find_first_of("<>&"), std::string::npos);
    EXPECT_EQ(safe.find("\xE2\x80\xA8"), std::string::npos);
    EXPECT_EQ(json_for_script(R"({"a":"</b>"})"), "{\"a\":\"\\u003c/b\\u003e\"}");
}

TEST(Text, a_duration_has_the_unit_that_fits_it) {
    EXPECT_EQ(duration_text(0), "0 us");
    EXPECT_EQ(duration_text(999), "999 us");
    EXPECT_EQ(duration_text(3'400), "3.40 ms");
    EXPECT_EQ(duration_text(999'900), "1000 ms");
    EXPECT_EQ(duration_text(12'340'000), "12.3 s");
    EXPECT_EQ(duration_text(61'000'000), "1 min 1 s");
    EXPECT_EQ(duration_text(7'500'000'000), "2 h 5 min");
}

}  // namespace
}  // namespace touchstone::reports
