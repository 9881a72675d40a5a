#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "broker/settings/authenticator.hpp"
#include "broker/settings/credentials.hpp"
#include "broker/settings/scram.hpp"

namespace touchstone::settings {
namespace {

using Check = Credentials::Check;
using Use = Credentials::Use;
using Decision = Authenticator::Decision;

/// Cheap enough for a test: 8 KiB, one pass.
std::string cheap_entry(std::string_view name, std::string_view password) {
    return std::string{name} + ":" +
           argon2id(password, "0123456789abcdef", {.memory_kib = 8, .passes = 1, .lanes = 1}) +
           "\n";
}

Credentials credentials(std::string_view text, Use use = Use::users) {
    Problems problems;
    auto read = Credentials::read(text, use, "users", problems);
    for (const auto& problem : problems.take()) ADD_FAILURE() << problem.to_text();
    return read;
}

std::vector<std::string> problems_of(std::string_view text, Use use = Use::users) {
    Problems problems;
    static_cast<void>(Credentials::read(text, use, "users", problems));
    std::vector<std::string> texts;
    for (const auto& problem : problems.take()) texts.push_back(problem.to_text());
    return texts;
}

TEST(base64, knows_one_spelling_of_each_value) {
    EXPECT_EQ(base64("", Padding::yes), "");
    EXPECT_EQ(base64("f", Padding::yes), "Zg==");
    EXPECT_EQ(base64("foobar", Padding::no), "Zm9vYmFy");
    EXPECT_EQ(from_base64("Zm8=", Padding::yes), "fo");
    for (const auto* const text : {"Zg", "Zg=", "Zh==", "Z", "Zg===", "Z g=", "=", "Zg==Zg=="})
        EXPECT_FALSE(from_base64(text, Padding::yes)) << text;
}

RC_GTEST_PROP(base64, reads_what_it_writes, (const std::string& bytes)) {
    for (const auto padding : {Padding::no, Padding::yes})
        RC_ASSERT(from_base64(base64(bytes, padding), padding) == bytes);
}

TEST(credentials, tell_right_from_wrong_and_unknown) {
    const auto list = credentials("## users\n\n# one\n" + cheap_entry("anna", "secret") +
                                  cheap_entry("bert:x", "") + cheap_entry("d\xC3\xB6rte", "p w"));
    EXPECT_EQ(list.size(), 3U);
    EXPECT_EQ(list.check("anna", "secret"), Check::right);
    EXPECT_EQ(list.check("anna", "secret "), Check::wrong);
    EXPECT_EQ(list.check("anna", ""), Check::wrong);
    EXPECT_EQ(list.check("bert:x", ""), Check::right);
    EXPECT_EQ(list.check("d\xC3\xB6rte", "p w"), Check::right);
    EXPECT_EQ(list.check("Anna", "secret"), Check::unknown);
    EXPECT_EQ(list.check("", ""), Check::unknown);
    EXPECT_EQ(credentials("").check("anna", "secret"), Check::unknown);
}

TEST(credentials, take_entries_that_were_made_for_them) {
    for (const auto kind : {CredentialKind::argon2id, CredentialKind::scram_sha_256}) {
        const auto entry = make_password_entry("anna",
                                               "s\xC3\xA4"
                                               "cret",
                                               kind)
                               .value();
        EXPECT_EQ(entry.find("cret"), std::string::npos);
        EXPECT_NE(entry, make_password_entry("anna",
                                             "s\xC3\xA4"
                                             "cret",
                                             kind)
                             .value());
        const auto list = credentials(entry);
        EXPECT_EQ(list.check("anna", "s\xC3\xA4"
                                     "cret"),
                  Check::right);
        EXPECT_EQ(list.check("anna", "secret"), Check::wrong);
        EXPECT_EQ(list.has_scram(), kind == CredentialKind::scram_sha_256);
    }
    for (const auto* const name : {"", " a", "a\n", "#a", "a ##b"})
        EXPECT_TRUE(make_password_entry(name, "p", CredentialKind::scram_sha_256).has_error())
            << name;
}

TEST(credentials, take_a_hash_made_by_others) {
    // The test vector of libargon2's own suite: password, somesalt, m=65536 KiB would be slow; this
    // one is m=256, t=2, p=2.
    const auto list = credentials(
        "u:$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc\n");
    EXPECT_EQ(list.check("u", "password"), Check::right);
    EXPECT_EQ(list.check("u", "Password"), Check::wrong);
}

TEST(credentials, let_a_user_log_in_by_scram) {
    const auto list =
        credentials(make_password_entry("anna", "pencil", CredentialKind::scram_sha_256).value());
    const auto keys = list.keys_of("anna");
    EXPECT_EQ(keys, scram_keys("pencil", keys.salt, keys.iterations));
    EXPECT_EQ(keys.iterations, 10'000U);
}

TEST(credentials, make_up_keys_for_unknown_names_that_look_like_others_and_stay_the_same) {
    const auto list =
        credentials(make_password_entry("anna", "pencil", CredentialKind::scram_sha_256).value() +
                    "\n" + cheap_entry("bert", "x"));
    const auto unknown = list.keys_of("nobody");
    EXPECT_EQ(unknown, list.keys_of("nobody"));
    EXPECT_NE(unknown.salt, list.keys_of("somebody").salt);
    EXPECT_EQ(unknown.salt.size(), list.keys_of("anna").salt.size());
    EXPECT_EQ(unknown.iterations, list.keys_of("anna").iterations);
    EXPECT_EQ(list.keys_of("bert").iterations, list.keys_of("anna").iterations);
    EXPECT_NE(credentials("").keys_of("nobody").salt, unknown.salt);
}

TEST(credentials, refuse_lines_that_prove_nothing_and_do_not_show_them) {
    const auto hash = cheap_entry("x", "p").substr(2);
    const std::string key = base64(std::string(32, 'k'), Padding::yes);
    const std::vector<std::pair<std::string, std::string>> cases{
        {"anna", "expected NAME:$argon2id$"},
        {"anna:secret", "expected NAME:$argon2id$"},
        {"anna:$2b$12$abc", "expected NAME:$argon2id$"},
        {":" + hash, "expected a name that is not empty"},
        {"a:$argon2id$v=16$m=8,t=1,p=1$MDEyMzQ1Njc$" + std::string(43, 'A'), "$argon2id$v=19"},
        {"a:$argon2id$v=19$m=2000000,t=1,p=1$MDEyMzQ1Njc$" + std::string(43, 'A'), "1048576 KiB"},
        {"a:$argon2id$v=19$m=8,t=0,p=1$MDEyMzQ1Njc$" + std::string(43, 'A'), "t=1 to 100"},
        {"a:$argon2id$v=19$m=8,t=1,p=2$MDEyMzQ1Njc$" + std::string(43, 'A'), "m=8·p"},
        {"a:$argon2id$v=19$m=8,t=1,p=1$MDE$" + std::string(43, 'A'), "a salt of 8 to 64 bytes"},
        {"a:$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc$AAAA", "a hash of 16 to 64 bytes"},
        {"a:$scram-sha-256$1000$MDEyMzQ1Njc=$" + key + "$" + key, "4096 to 10000000"},
        {"a:$scram-sha-256$4096$MDEyMzQ1Njc$" + key + "$" + key, "a salt of 8 to 64 bytes"},
        {"a:$scram-sha-256$4096$MDEyMzQ1Njc=$" + key, "$StoredKey$ServerKey"},
        {"a:$scram-sha-256$4096$MDEyMzQ1Njc=$" + key + "$AAAA", "32 bytes each"},
    };
    for (const auto& [line, message] : cases) {
        const auto problems = problems_of("# first\n" + line);
        ASSERT_EQ(problems.size(), 1U) << line;
        EXPECT_TRUE(problems[0].starts_with("users:2: ")) << problems[0];
        EXPECT_NE(problems[0].find(message), std::string::npos) << line << "\n" << problems[0];
        EXPECT_EQ(problems[0].find("secret"), std::string::npos);
    }
    const auto twice = problems_of("a:" + hash + "b:" + hash + "a:" + hash);
    ASSERT_EQ(twice.size(), 1U);
    EXPECT_EQ(twice[0], "users:3: 'a' is in line 1 already; keep one of them");
}

TEST(credentials, of_clients_may_be_a_name_alone) {
    const auto list =
        credentials("sensor 1\nplain:id\n" + cheap_entry("locked", "p"), Use::client_ids);
    EXPECT_EQ(list.check("sensor 1", ""), Check::right);
    EXPECT_EQ(list.check("sensor 1", "anything"), Check::right);
    EXPECT_EQ(list.check("plain:id", ""), Check::right);
    EXPECT_EQ(list.check("locked", ""), Check::wrong);
    EXPECT_EQ(list.check("locked", "p"), Check::right);
    EXPECT_EQ(list.check("other", ""), Check::unknown);
    EXPECT_EQ(problems_of("a:$md5$x", Use::client_ids).size(), 1U);
}

RC_GTEST_PROP(credentials, survive_files_of_anything, ()) {
    std::string text = cheap_entry("anna", "p") + "b:$scram-sha-256$4096$MDEyMzQ1Njc=$" +
                       base64(std::string(32, 'k'), Padding::yes) + "$" +
                       base64(std::string(32, 's'), Padding::yes) + "\n";
    for (int i = *rc::gen::inRange(1, 8); i > 0; --i) {
        const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
        if (*rc::gen::arbitrary<bool>())
            text[at] = static_cast<char>(*rc::gen::inRange(0, 256));
        else
            text.insert(at, *rc::gen::elementOf(std::vector<std::string>{"$", ":", "\n", "=", ",",
                                                                         "#", " ##", "m=9"}));
    }
    Problems problems;
    const auto list = Credentials::read(text, Use::users, "users", problems);
    RC_ASSERT(list.size() <= 20U);
    RC_ASSERT(list.check("nobody", "p") == Check::unknown);
}

// --- The chain -----------------------------------------------------------------------------------

std::shared_ptr<const Credentials> shared(std::string_view text, Use use = Use::users) {
    return std::make_shared<const Credentials>(credentials(text, use));
}

TEST(authenticator, lets_the_anonymous_switch_decide_about_clients_nobody_knows) {
    const Authenticator chain{shared(cheap_entry("anna", "p")), nullptr};
    for (const bool allow_anonymous : {false, true}) {
        const auto unknown = allow_anonymous ? Decision::accepted : Decision::not_authorized;
        EXPECT_EQ(chain.decide("c", {}, {}, allow_anonymous), unknown);
        EXPECT_EQ(chain.decide("c", "anna", "p", allow_anonymous), Decision::accepted);
        EXPECT_EQ(chain.decide("c", "anna", "q", allow_anonymous),
                  Decision::bad_user_name_or_password);
        EXPECT_EQ(chain.decide("c", "anna", {}, allow_anonymous),
                  Decision::bad_user_name_or_password);
        EXPECT_EQ(chain.decide("c", "bert", "p", allow_anonymous),
                  allow_anonymous ? Decision::accepted : Decision::bad_user_name_or_password);
    }
}

TEST(authenticator, asks_the_users_first_and_then_the_client_identifiers) {
    const Authenticator chain{shared(cheap_entry("anna", "p")),
                              shared("sensor\n" + cheap_entry("locked", "key"), Use::client_ids)};
    EXPECT_EQ(chain.decide("sensor", {}, {}, false), Decision::accepted);
    EXPECT_EQ(chain.decide("locked", {}, "key", false), Decision::accepted);
    EXPECT_EQ(chain.decide("locked", {}, "kee", true), Decision::bad_user_name_or_password);
    EXPECT_EQ(chain.decide("sensor", "anna", "q", false), Decision::bad_user_name_or_password);
    EXPECT_EQ(chain.decide("locked", "anna", "p", false), Decision::accepted);
    EXPECT_EQ(chain.decide("other", {}, {}, false), Decision::not_authorized);
    EXPECT_EQ((Authenticator{nullptr, nullptr}.decide("c", {}, {}, true)), Decision::accepted);
}

}  // namespace
}  // namespace touchstone::settings
