#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "broker/settings/scram.hpp"

namespace touchstone::settings {
namespace {

using Kind = ScramServer::Answer::Kind;

// RFC 7677 §3.
constexpr std::string_view client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view client_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

ScramKeys keys_of_user(std::string_view password = "pencil") {
    return scram_keys(password, from_base64("W22ZaJ0SNY7soEsUEjb6gQ==", Padding::yes).value(),
                      4'096);
}

ScramServer server(std::string_view password = "pencil") {
    return ScramServer{std::string{server_nonce},
                       [keys = keys_of_user(password)](std::string_view) { return keys; }};
}

/// What a client that knows `password` answers to server-first.
std::string proof_for(std::string_view first_bare, std::string_view first_of_server,
                      std::string_view without_proof, std::string_view password,
                      const ScramKeys& keys) {
    const auto salted = pbkdf2_sha256(password, keys.salt, keys.iterations);
    const auto client_key = hmac_sha256(as_text(salted), "Client Key");
    const auto message = std::string{first_bare} + "," + std::string{first_of_server} + "," +
                         std::string{without_proof};
    const auto signature = hmac_sha256(as_text(sha256(as_text(client_key))), message);
    Digest proof{};
    for (std::size_t i = 0; i < proof.size(); ++i)
        proof[i] = static_cast<std::uint8_t>(client_key[i] ^ signature[i]);
    return std::string{without_proof} + ",p=" + base64(as_text(proof), Padding::yes);
}

TEST(scram_server, answers_as_rfc_7677_shows) {
    auto one = server();
    const auto first = one.on_message(client_first);
    EXPECT_EQ(first.kind, Kind::go_on);
    EXPECT_EQ(first.data, server_first);
    EXPECT_EQ(one.user_name(), "user");
    const auto final = one.on_message(client_final);
    EXPECT_EQ(final.kind, Kind::accepted);
    EXPECT_EQ(final.data, server_final);
}

TEST(scram_server, refuses_another_password) {
    auto one = server("pencils");
    EXPECT_EQ(one.on_message(client_first).kind, Kind::go_on);
    const auto final = one.on_message(client_final);
    EXPECT_EQ(final.kind, Kind::refused);
    EXPECT_TRUE(final.data.empty());
    EXPECT_FALSE(final.why.empty());
}

TEST(scram_server, refuses_everything_after_its_end) {
    auto accepted = server();
    EXPECT_EQ(accepted.on_message(client_first).kind, Kind::go_on);
    EXPECT_EQ(accepted.on_message(client_final).kind, Kind::accepted);
    EXPECT_EQ(accepted.on_message(client_final).kind, Kind::refused);
    auto refused = server();
    EXPECT_EQ(refused.on_message("nonsense").kind, Kind::refused);
    EXPECT_EQ(refused.on_message(client_first).kind, Kind::refused);
}

TEST(scram_server, refuses_first_messages_that_ask_for_what_is_not_there) {
    for (const auto* const message :
         {"", "n", "n,", "n,,", "n,,n=,r=abc", "n,,n=user", "n,,n=user,r=", "n,,n=us=er,r=abc",
          "n,,n=us=2c,r=abc", "p=tls-unique,,n=user,r=abc", "n,,m=ext,n=user,r=abc",
          "n,a=other,n=user,r=abc", "n,a=user", "n,,r=abc,n=user", "x,,n=user,r=abc",
          "n,,n=user,r=a\tb", "n,,n=user,r=\xC3\xA4"})
        EXPECT_EQ(server().on_message(message).kind, Kind::refused) << message;
    EXPECT_EQ(server().on_message("n,,n=user,r=" + std::string(513, 'a')).kind, Kind::refused);
    EXPECT_EQ(server().on_message(std::string(5'000, 'n')).kind, Kind::refused);
}

TEST(scram_server, takes_names_with_commas_and_an_authorization_identity_that_is_the_user) {
    for (const auto* const first :
         {"n,a=a=2Cb=3Dc,n=a=2Cb=3Dc,r=abc", "y,,n=a=2Cb=3Dc,r=abc,ext=1"}) {
        auto one = server();
        const auto answer = one.on_message(first);
        ASSERT_EQ(answer.kind, Kind::go_on) << first;
        EXPECT_EQ(one.user_name(), "a,b=c");
        const std::string_view text{first};
        const auto bare = text.substr(text.find("n=a", 2));
        const auto header = text.substr(0, text.size() - bare.size());
        const auto without_proof =
            "c=" + base64(header, Padding::yes) + ",r=abc" + std::string{server_nonce} + ",ext=2";
        EXPECT_EQ(
            one.on_message(proof_for(bare, answer.data, without_proof, "pencil", keys_of_user()))
                .kind,
            Kind::accepted);
    }
}

TEST(scram_server, refuses_a_downgrade_and_foreign_nonces) {
    const auto answer_to = [](std::string_view final) {
        auto one = server();
        EXPECT_EQ(one.on_message(client_first).kind, Kind::go_on);
        return one.on_message(final).kind;
    };
    const std::string bare{client_first.substr(3)};
    const std::string nonce = "rOprNGfwEbeRWgbNEkqO" + std::string{server_nonce};
    const auto with = [&](const std::string& without_proof) {
        return proof_for(bare, server_first, without_proof, "pencil", keys_of_user());
    };
    EXPECT_EQ(answer_to(with("c=biws,r=" + nonce)), Kind::accepted);
    EXPECT_EQ(answer_to(with("c=eSws,r=" + nonce)), Kind::refused);  // y,, in place of n,,
    EXPECT_EQ(answer_to(with("c=biws,r=" + nonce + "x")), Kind::refused);
    EXPECT_EQ(answer_to(with("c=biws,r=rOprNGfwEbeRWgbNEkqO")), Kind::refused);
    EXPECT_EQ(answer_to("c=biws,r=" + nonce), Kind::refused);
    EXPECT_EQ(answer_to("c=biws,r=" + nonce + ",p="), Kind::refused);
    EXPECT_EQ(answer_to("c=biws,r=" + nonce + ",p=AAAA"), Kind::refused);
    EXPECT_EQ(answer_to(",p=AAAA"), Kind::refused);
}

RC_GTEST_PROP(scram_server, accepts_no_final_message_with_a_flipped_bit, ()) {
    std::string final{client_final};
    const auto at = *rc::gen::inRange<std::size_t>(0, final.size());
    const auto bit = *rc::gen::inRange(0, 8);
    final[at] = static_cast<char>(final[at] ^ (1 << bit));
    auto one = server();
    RC_ASSERT(one.on_message(client_first).kind == Kind::go_on);
    RC_ASSERT(one.on_message(final).kind == Kind::refused);
}

TEST(scram_server, gets_a_nonce_that_it_can_use) {
    const auto nonce = make_scram_nonce();
    EXPECT_EQ(nonce.size(), 24U);
    EXPECT_NE(nonce, make_scram_nonce());
    EXPECT_EQ(ScramServer(nonce, [](std::string_view) { return keys_of_user(); })
                  .on_message(client_first)
                  .kind,
              Kind::go_on);
}

}  // namespace
}  // namespace touchstone::settings
