// What tests of TLS need: certificates made on the spot, and a client that blocks, with a deadline
// on every wait.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "broker/asio/tests/raw_client.hpp"
#include "broker/settings/node_settings.hpp"
#include "broker/transport/tls_context.hpp"

namespace touchstone::asio_driver {

template <class T, auto release>
using TlsPointer = std::unique_ptr<T, transport::TlsRelease<release>>;

/// A certificate and its key.
class TestIdentity {
public:
    struct Options {
        const TestIdentity* issuer = nullptr;  // null: itself
        bool is_expired = false;
        std::string alternative_name;  // "IP:127.0.0.1"; empty: none
    };
    explicit TestIdentity(const std::string& common_name) : TestIdentity{common_name, Options{}} {}
    TestIdentity(const std::string& common_name, const Options& options)
        : certificate_{X509_new()},
          key_{EVP_EC_gen("P-256")} {
        static long serial = 0;
        const auto& issuer = options.issuer == nullptr ? *this : *options.issuer;
        X509_set_version(certificate_.get(), X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate_.get()), ++serial);
        constexpr long day_s = 86'400;
        X509_gmtime_adj(X509_getm_notBefore(certificate_.get()), -2 * day_s);
        X509_gmtime_adj(X509_getm_notAfter(certificate_.get()),
                        options.is_expired ? -day_s : day_s);
        X509_set_pubkey(certificate_.get(), key_.get());
        X509_NAME* const subject = X509_get_subject_name(certificate_.get());
        add_name(subject, "O", "Touchstone");
        add_name(subject, "CN", common_name);
        X509_set_issuer_name(certificate_.get(), X509_get_subject_name(issuer.certificate_.get()));
        if (options.issuer == nullptr) {
            TlsPointer<X509_EXTENSION, X509_EXTENSION_free> authority{
                X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE")};
            X509_add_ext(certificate_.get(), authority.get(), -1);
        }
        if (!options.alternative_name.empty()) {
            TlsPointer<X509_EXTENSION, X509_EXTENSION_free> name{X509V3_EXT_conf_nid(
                nullptr, nullptr, NID_subject_alt_name, options.alternative_name.c_str())};
            X509_add_ext(certificate_.get(), name.get(), -1);
        }
        X509_sign(certificate_.get(), issuer.key_.get(), EVP_sha256());
    }

    [[nodiscard]] X509* certificate() const { return certificate_.get(); }
    [[nodiscard]] EVP_PKEY* key() const { return key_.get(); }
    [[nodiscard]] std::string certificate_pem() const {
        return pem([&](BIO* to) { return PEM_write_bio_X509(to, certificate_.get()); });
    }
    [[nodiscard]] settings::TlsIdentity settings(std::string host = {}) const {
        settings::TlsIdentity identity;
        identity.host = std::move(host);
        identity.certificate_pem = certificate_pem();
        identity.key_pem = pem([&](BIO* to) {
            return PEM_write_bio_PrivateKey(to, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
        });
        return identity;
    }

private:
    static void add_name(X509_NAME* to, const char* kind, const std::string& text) {
        X509_NAME_add_entry_by_txt(to, kind, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0);
    }
    template <class Write>
    static std::string pem(Write write) {
        const TlsPointer<BIO, BIO_free> to{BIO_new(BIO_s_mem())};
        write(to.get());
        char* text = nullptr;
        const long size = BIO_get_mem_data(to.get(), &text);
        return {text, static_cast<std::size_t>(size)};
    }

    TlsPointer<X509, X509_free> certificate_;
    TlsPointer<EVP_PKEY, EVP_PKEY_free> key_;
};

/// Throws std::runtime_error when something does not happen in time, which fails the test.
class TlsClient {
public:
    using Session = TlsPointer<SSL_SESSION, SSL_SESSION_free>;
    struct Options {
        int version = TLS1_3_VERSION;
        const TestIdentity* trusted = nullptr;  // null: everybody
        const TestIdentity* identity = nullptr;
        std::string host;                // server name (SNI); empty: none
        SSL_SESSION* session = nullptr;  // to be resumed
        bool has_tickets = true;
        Bytes before;  // sent before TLS begins
    };
    TlsClient(std::uint16_t port, const Options& options)
        : raw_{port},
          context_{SSL_CTX_new(TLS_client_method())} {
        signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that the broker has closed
        const timeval wait{std::chrono::seconds{wait_max}.count(), 0};
        setsockopt(raw_.raw(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        raw_.send(options.before);
        SSL_CTX_set_min_proto_version(context_.get(), options.version);
        SSL_CTX_set_max_proto_version(context_.get(), options.version);
        if (!options.has_tickets) SSL_CTX_set_options(context_.get(), SSL_OP_NO_TICKET);
        if (options.trusted != nullptr) {
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()),
                                options.trusted->certificate());
            SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
        }
        if (options.identity != nullptr) {
            SSL_CTX_use_certificate(context_.get(), options.identity->certificate());
            SSL_CTX_use_PrivateKey(context_.get(), options.identity->key());
        }
        ssl_.reset(SSL_new(context_.get()));
        SSL_set_fd(ssl_.get(), raw_.raw());
        if (!options.host.empty()) SSL_set_tlsext_host_name(ssl_.get(), options.host.c_str());
        if (options.session != nullptr) SSL_set_session(ssl_.get(), options.session);
    }
    ~TlsClient() {
        if (ssl_ == nullptr) return;  // it was moved away
        // An SSL that was not shut down makes its session useless.
        SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    TlsClient(TlsClient&&) = default;

    /// A connection for which the CONNACK has been received.
    static TlsClient connected(std::uint16_t port, const Options& options,
                               std::string_view client_id) {
        TlsClient client{port, options};
        client.shake_hands();
        client.send(packet::connect(client_id));
        client.expect(packet::connack());
        return client;
    }

    void shake_hands() {
        ERR_clear_error();
        if (SSL_connect(ssl_.get()) != 1) fail();
    }
    void send(Bytes bytes) {
        while (!bytes.empty()) {
            ERR_clear_error();
            std::size_t size = 0;
            if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &size) != 1) fail();
            bytes = bytes.subspan(size);
        }
    }
    Buffer receive(std::size_t size_bytes) {
        Buffer bytes(size_bytes);
        for (std::size_t have = 0; have < size_bytes;) {
            ERR_clear_error();
            std::size_t size = 0;
            if (SSL_read_ex(ssl_.get(), bytes.data() + have, size_bytes - have, &size) != 1) fail();
            have += size;
        }
        return bytes;
    }
    void expect(const Buffer& wanted) {
        if (receive(wanted.size()) != wanted)
            throw std::runtime_error{"something else was received than expected"};
    }
    /// Why nothing more comes: the alert of the broker, in OpenSSL's words; "close_notify" after an
    /// end in good order.
    std::string receive_end() {
        try {
            while (true) receive(1);
        } catch (const std::runtime_error& end) {
            return end.what();
        }
    }

    [[nodiscard]] bool was_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
    /// After the first byte was received: in TLS 1.3 a ticket comes behind the handshake.
    [[nodiscard]] Session session() const { return Session{SSL_get1_session(ssl_.get())}; }
    /// Common name of the broker's certificate.
    [[nodiscard]] std::string broker_name() const {
        std::string name(64, '\0');
        const int size =
            X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl_.get())),
                                      NID_commonName, name.data(), static_cast<int>(name.size()));
        return name.substr(0, static_cast<std::size_t>(size));
    }
    RawClient& raw() { return raw_; }

private:
    [[noreturn]] void fail() {
        if ((SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0 && ERR_peek_error() == 0)
            throw std::runtime_error{"close_notify"};
        const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
        throw std::runtime_error{reason == nullptr ? "cut off" : reason};
    }

    RawClient raw_;
    TlsPointer<SSL_CTX, SSL_CTX_free> context_;
    TlsPointer<SSL, SSL_free> ssl_;
};

}  // namespace touchstone::asio_driver
