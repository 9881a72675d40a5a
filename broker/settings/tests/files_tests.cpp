#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "broker/settings/ban_file.hpp"
#include "broker/settings/load.hpp"

namespace touchstone::settings {
namespace {

Instant at(std::int64_t second) {
    return Instant{} + std::chrono::seconds{second};
}

TEST(ban_file, is_read_with_times_and_reasons) {
    Problems problems;
    const auto bans = read_bans("## who is out\n"
                                "client_id never sensor 17   ## leaked password\n"
                                "username\t2030-01-01T00:00:00Z  mallory\n"
                                "ip_address never 10.1.2.0/24\n",
                                "bans", problems);
    EXPECT_TRUE(problems.is_empty());
    ASSERT_EQ(bans.size(), 3U);
    EXPECT_EQ(bans[0], (BanEntry{access::BanKind::client_id, "sensor 17", {}, "leaked password"}));
    EXPECT_EQ(bans[1], (BanEntry{access::BanKind::user_name, "mallory", 1'893'456'000, ""}));
    EXPECT_EQ(bans[2].who, "10.1.2.0/24");
}

TEST(ban_file, names_the_line_of_a_mistake) {
    Problems problems;
    const auto bans = read_bans("clientid never a\nclient_id a\nclient_id 2030-02-30T00:00:00Z a\n"
                                "ip_address never example.org\nclient_id never\n",
                                "bans", problems);
    EXPECT_TRUE(bans.empty());
    const auto list = problems.take();
    ASSERT_EQ(list.size(), 5U);
    EXPECT_EQ(list[0].to_text(),
              "bans:1: expected client_id, username or ip_address, found 'clientid'");
    EXPECT_EQ(list[1].to_text(),
              "bans:2: expected never or a time as in 2030-01-01T00:00:00Z, found 'a'");
    EXPECT_EQ(list[3].to_text(),
              "bans:4: expected an address or a range, as in 10.1.2.0/24, found 'example.org'");
    EXPECT_EQ(list[4].to_text(), "bans:5: expected whom to ban behind the time");
}

TEST(ban_file, becomes_bans_on_the_drivers_clock) {
    const std::vector<BanEntry> entries{{access::BanKind::client_id, "over", 1'000, ""},
                                        {access::BanKind::client_id, "soon", 1'060, "r"},
                                        {access::BanKind::client_id, "ever", {}, ""},
                                        {access::BanKind::client_id, "late", INT64_MAX, ""}};
    access::BanList list;
    EXPECT_TRUE(add_bans(entries, at(5), 1'000, list));
    EXPECT_EQ(list.size(), 3U);
    const auto is_out = [&](std::string_view client_id, Instant now) {
        return list.find({.client_id = client_id, .user_name = {}, .address = {}}, now) != nullptr;
    };
    EXPECT_TRUE(is_out("soon", at(64)));
    EXPECT_FALSE(is_out("soon", at(65)));
    EXPECT_TRUE(is_out("ever", at(1'000'000'000)));
    EXPECT_TRUE(is_out("late", at(1'000'000'000)));
    EXPECT_FALSE(is_out("over", at(5)));
    access::BanList small{1};
    EXPECT_FALSE(add_bans(entries, at(5), 1'000, small));
}

TEST(times, are_read_in_utc) {
    EXPECT_EQ(unix_s_of("1970-01-01T00:00:00Z"), 0);
    EXPECT_EQ(unix_s_of("2000-02-29T12:34:56Z"), 951'827'696);
    for (const auto* const text :
         {"", "2000-02-29", "2000-02-29T12:34:56", "2001-02-29T00:00:00Z", "2000-13-01T00:00:00Z",
          "2000-01-01T24:00:00Z", "2000-01-01T00:60:00Z", "2000-01-01T00:00:60Z",
          "2000-01-01 00:00:00Z", "2000-01-01T00:00:00z", "20x0-01-01T00:00:00Z"})
        EXPECT_FALSE(unix_s_of(text)) << text;
}

RC_GTEST_PROP(ban_file, survives_anything, ()) {
    const auto text = *rc::gen::container<std::string>(
        rc::gen::elementOf(std::string{"client_id never 0123-:TZ#/. \n\t\xFF"}));
    Problems problems;
    for (const auto& entry : read_bans(text, "bans", problems)) RC_ASSERT(!entry.who.empty());
}

/// A folder of its own, removed at the end.
class SystemFiles : public testing::Test {
protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "touchstone-settings-XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) {
        const auto path = folder_ / name;
        std::ofstream{path} << text;
        chmod(path.c_str(), mode);
        return path.string();
    }

    std::filesystem::path folder_;
};

TEST_F(SystemFiles, are_read_up_to_a_size_and_with_who_may_read_them) {
    const auto path = write("a", std::string(100'000, 'x'));
    const auto content = std::get<FileContent>(read_system_file(path, 100'000));
    EXPECT_EQ(content.text.size(), 100'000U);
    EXPECT_FALSE(content.can_others_read);
    EXPECT_NE(std::get<FileError>(read_system_file(path, 99'999)).reason.find("99999 bytes"),
              std::string::npos);
    EXPECT_TRUE(std::get<FileContent>(read_system_file(write("b", "", 0644), 1)).can_others_read);
}

TEST_F(SystemFiles, that_are_none_have_a_reason) {
    EXPECT_EQ(std::get<FileError>(read_system_file((folder_ / "none").string(), 1)).reason,
              "No such file or directory");
    EXPECT_EQ(std::get<FileError>(read_system_file(folder_.string(), 1)).reason,
              "it is a directory");
}

TEST_F(SystemFiles, are_found_from_where_the_settings_file_is) {
    write("acl.conf", "{allow, all}.\n");
    const auto path = write("touchstone.conf", "acl_file = acl.conf\n");
    const auto loaded = load({.file = path});
    ASSERT_TRUE(loaded.settings) << loaded.problems.at(0).to_text();
    EXPECT_EQ(loaded.settings->access_rules.size(), 1U);
}

TEST(process_environment, holds_what_is_set) {
    ASSERT_EQ(setenv("TOUCHSTONE_NODE__NAME", "a=b@c", 1), 0);
    const auto variables = process_environment();
    unsetenv("TOUCHSTONE_NODE__NAME");
    const auto loaded = load({.environment = variables});
    ASSERT_TRUE(loaded.settings);
    EXPECT_EQ(loaded.settings->policy.node_name, "a=b@c");
}

}  // namespace
}  // namespace touchstone::settings
