#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "broker/settings/report.hpp"
#include "broker/settings/tests/certificates.hpp"
#include "broker/settings/tests/files.hpp"

namespace touchstone::settings {
namespace {

using Texts = std::vector<std::string>;

const CertificateAndKey& one() {
    static const auto made = make_certificate();
    return made;
}

const CertificateAndKey& other() {
    static const auto made = make_certificate();
    return made;
}

Loaded load_tls(const std::string& lines) {
    return Files{}
        .with("etc/one.crt", one().certificate_pem)
        .with("etc/one.key", one().key_pem)
        .with("etc/other.crt", other().certificate_pem)
        .with("etc/other.key", other().key_pem)
        .with("etc/locked.key", make_certificate("secret").key_pem)
        .with("etc/open.key", one().key_pem, true)
        .with("etc/text", "hello\n")
        .with("etc/chain.crt", one().certificate_pem + other().certificate_pem)
        .with("etc/broken.crt", one().certificate_pem + "-----BEGIN CERTIFICATE-----\nxx\n")
        .load("listener.ssl.main = 127.0.0.1:8883\n" + lines);
}

constexpr const char* identity =
    "listener.ssl.main.certfile = one.crt\nlistener.ssl.main.keyfile = one.key\n";

Texts problems_of(const Loaded& loaded) {
    Texts texts;
    for (const auto& problem : loaded.problems) texts.push_back(problem.to_text());
    return texts;
}

Texts problems_of(const std::string& lines) {
    return problems_of(load_tls(lines));
}

TEST(tls_settings, hold_certificates_keys_and_choices) {
    const auto loaded = load_tls(std::string{identity} +
                                 "listener.ssl.main.cacertfile = chain.crt\n"
                                 "listener.ssl.main.verify = verify_peer\n"
                                 "listener.ssl.main.fail_if_no_peer_cert = on\n"
                                 "listener.ssl.main.peer_cert_as_username = cn\n"
                                 "listener.ssl.main.tls_versions = tlsv1.2,tlsv1.3\n"
                                 "listener.ssl.main.ciphers = ECDHE-ECDSA-AES128-GCM-SHA256,"
                                 "TLS_AES_128_GCM_SHA256,TLS_CHACHA20_POLY1305_SHA256\n"
                                 "listener.ssl.main.reuse_sessions = off\n"
                                 "listener.ssl.main.sni.1.host = a.example.org\n"
                                 "listener.ssl.main.sni.1.certfile = other.crt\n"
                                 "listener.ssl.main.sni.1.keyfile = other.key\n");
    ASSERT_TRUE(loaded.settings) << problems_text(loaded);
    const auto& listener = loaded.settings->listeners.at(0);
    EXPECT_EQ(listener.transport, Transport::ssl);
    const auto& tls = listener.tls.value();
    EXPECT_EQ(tls.identity.certificate_pem, one().certificate_pem);
    EXPECT_EQ(tls.identity.key_pem, one().key_pem);
    EXPECT_EQ(tls.identity.certificate_file, "etc/one.crt");
    EXPECT_FALSE(tls.authorities_pem.empty());
    EXPECT_TRUE(tls.verifies_client && tls.requires_client_certificate);
    EXPECT_EQ(tls.user_name_from, CertificateName::common_name);
    EXPECT_EQ(tls.ciphers_1_2, "ECDHE-ECDSA-AES128-GCM-SHA256");
    EXPECT_EQ(tls.ciphers_1_3, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256");
    EXPECT_FALSE(tls.resumes_sessions);
    EXPECT_EQ(tls.handshake_timeout, std::chrono::seconds{15});
    ASSERT_EQ(tls.by_host.size(), 1U);
    EXPECT_EQ(tls.by_host[0].host, "a.example.org");
    EXPECT_EQ(tls.by_host[0].key_pem, other().key_pem);
}

TEST(tls_settings, need_a_certificate_and_its_key) {
    EXPECT_EQ(problems_of(""),
              (Texts{"etc/touchstone.conf:1: listener.ssl.main speaks TLS and has no certfile; add "
                     "listener.ssl.main.certfile",
                     "etc/touchstone.conf:1: listener.ssl.main speaks TLS and has no keyfile; add "
                     "listener.ssl.main.keyfile"}));
    EXPECT_EQ(
        problems_of("listener.ssl.main.certfile = one.crt\n"
                    "listener.ssl.main.keyfile = other.key\n"),
        Texts{"etc/touchstone.conf:3: listener.ssl.main.keyfile = etc/other.key: is not the key "
              "of listener.ssl.main.certfile"});
    EXPECT_EQ(
        problems_of("listener.ssl.main.certfile = text\nlistener.ssl.main.keyfile = text\n"),
        (Texts{"etc/touchstone.conf:2: listener.ssl.main.certfile = etc/text: expected a "
               "certificate in PEM (-----BEGIN CERTIFICATE-----)",
               "etc/touchstone.conf:3: listener.ssl.main.keyfile = etc/text: expected a private "
               "key in PEM (-----BEGIN PRIVATE KEY-----) without a passphrase"}));
    EXPECT_EQ(problems_of("listener.ssl.main.certfile = one.crt\n"
                          "listener.ssl.main.keyfile = locked.key\n")
                  .size(),
              1U);
    EXPECT_EQ(
        problems_of("listener.ssl.main.certfile = one.crt\n"
                    "listener.ssl.main.keyfile = none.key\n"),
        Texts{"etc/touchstone.conf:3: listener.ssl.main.keyfile = etc/none.key: cannot be read: "
              "No such file or directory; name a file that can be"});
}

TEST(tls_settings, warn_of_a_key_that_everybody_can_read) {
    const auto loaded = load_tls("listener.ssl.main.certfile = one.crt\n"
                                 "listener.ssl.main.keyfile = open.key\n");
    ASSERT_TRUE(loaded.settings);
    ASSERT_EQ(loaded.warnings.size(), 1U);
    EXPECT_NE(loaded.warnings[0].message.find("chmod o-r"), std::string::npos);
}

TEST(tls_settings, that_ask_for_client_certificates_need_authorities) {
    const auto with = [](const std::string& lines) {
        return problems_of(std::string{identity} + lines);
    };
    EXPECT_EQ(with("listener.ssl.main.verify = verify_peer\n"),
              Texts{"etc/touchstone.conf:4: listener.ssl.main.verify = verify_peer needs "
                    "listener.ssl.main.cacertfile, the authorities to check with"});
    EXPECT_EQ(with("listener.ssl.main.fail_if_no_peer_cert = on\n"),
              Texts{"etc/touchstone.conf:4: listener.ssl.main.fail_if_no_peer_cert = on needs "
                    "listener.ssl.main.verify = verify_peer"});
    EXPECT_EQ(with("listener.ssl.main.peer_cert_as_username = dn\n").size(), 1U);
    EXPECT_EQ(with("listener.ssl.main.cacertfile = text\n").size(), 1U);
    EXPECT_EQ(with("listener.ssl.main.cacertfile = broken.crt\n").size(), 1U);
    EXPECT_TRUE(with("listener.ssl.main.cacertfile = chain.crt\n").empty());
}

TEST(tls_settings, name_only_versions_and_ciphers_that_are_there) {
    const auto with = [](const std::string& lines) {
        return problems_of(std::string{identity} + lines);
    };
    EXPECT_EQ(
        with("listener.ssl.main.tls_versions = tlsv1.1\n"),
        Texts{"etc/touchstone.conf:4: listener.ssl.main.tls_versions = tlsv1.1: expected versions "
              "with commas between them: tlsv1.3, tlsv1.2; the default is tlsv1.3,tlsv1.2"});
    EXPECT_EQ(with("listener.ssl.main.ciphers = NO-SUCH-CIPHER\n").size(), 1U);
    EXPECT_EQ(with("listener.ssl.main.ciphers = TLS_NO_SUCH\n").size(), 1U);
    EXPECT_EQ(with("listener.ssl.main.tls_versions = tlsv1.3\n"
                   "listener.ssl.main.ciphers = ECDHE-ECDSA-AES128-GCM-SHA256\n")
                  .size(),
              1U);
}

TEST(tls_settings, have_one_complete_certificate_for_each_server_name) {
    const auto with = [](const std::string& lines) {
        return problems_of(std::string{identity} + lines);
    };
    EXPECT_EQ(with("listener.ssl.main.sni.1.host = a\n").size(), 2U);
    const std::string files = "listener.ssl.main.sni.1.certfile = other.crt\n"
                              "listener.ssl.main.sni.1.keyfile = other.key\n"
                              "listener.ssl.main.sni.2.certfile = other.crt\n"
                              "listener.ssl.main.sni.2.keyfile = other.key\n";
    EXPECT_TRUE(with(files + "listener.ssl.main.sni.1.host = a\nlistener.ssl.main.sni.2.host = b\n")
                    .empty());
    EXPECT_EQ(
        with(files + "listener.ssl.main.sni.1.host = a\nlistener.ssl.main.sni.2.host = a\n").size(),
        1U);
}

TEST(tls_settings, show_certificates_that_were_renewed_at_the_same_path) {
    const auto load_with = [](const CertificateAndKey& pair) {
        return Files{}
            .with("etc/one.crt", pair.certificate_pem)
            .with("etc/one.key", pair.key_pem)
            .load("listener.ssl.main = 127.0.0.1:8883\n" + std::string{identity});
    };
    const auto changes = changes_between(*load_with(one()).settings, *load_with(other()).settings);
    ASSERT_EQ(changes.live.size(), 2U);
    EXPECT_EQ(changes.live[0].to_text(),
              "listener.ssl.main.certfile: etc/one.crt has another content");
    EXPECT_TRUE(changes.restart.empty());
}

}  // namespace
}  // namespace touchstone::settings
