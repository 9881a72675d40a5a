#include "broker/settings/tls_check.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstddef>
#include <memory>

#include "broker/base/check.hpp"

namespace touchstone::settings {

namespace {

template <auto release>
struct Release {
    template <class T>
    void operator()(T* pointer) const {
        release(pointer);
    }
};
using Bio = std::unique_ptr<BIO, Release<BIO_free>>;
using Certificate = std::unique_ptr<X509, Release<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using Context = std::unique_ptr<SSL_CTX, Release<SSL_CTX_free>>;

/// OpenSSL keeps what went wrong for the thread; nobody else should find it there.
struct ErrorsForgotten {
    ErrorsForgotten() = default;
    ErrorsForgotten(const ErrorsForgotten&) = delete;
    ErrorsForgotten& operator=(const ErrorsForgotten&) = delete;
    ~ErrorsForgotten() { ERR_clear_error(); }
};

Bio reader_of(const std::string& text) {
    Bio bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
    CHECK(bio != nullptr);
    return bio;
}

int no_passphrase(char*, int, int, void*) {
    return -1;
}

Certificate certificate_of(const std::string& pem) {
    return Certificate{PEM_read_bio_X509(reader_of(pem).get(), nullptr, no_passphrase, nullptr)};
}

Key key_of(const std::string& pem) {
    return Key{PEM_read_bio_PrivateKey(reader_of(pem).get(), nullptr, no_passphrase, nullptr)};
}

}  // namespace

std::string certificate_mistake(const std::string& certificate_pem) {
    const ErrorsForgotten forgotten;
    if (certificate_of(certificate_pem)) return {};
    return "expected a certificate in PEM (-----BEGIN CERTIFICATE-----)";
}

std::string key_mistake(const std::string& key_pem) {
    const ErrorsForgotten forgotten;
    if (key_of(key_pem)) return {};
    return "expected a private key in PEM (-----BEGIN PRIVATE KEY-----) without a passphrase";
}

bool fits_together(const std::string& certificate_pem, const std::string& key_pem) {
    const ErrorsForgotten forgotten;
    return X509_check_private_key(certificate_of(certificate_pem).get(), key_of(key_pem).get()) ==
           1;
}

std::string authorities_mistake(const std::string& authorities_pem) {
    const ErrorsForgotten forgotten;
    const auto reader = reader_of(authorities_pem);
    std::size_t count = 0;
    while (Certificate{PEM_read_bio_X509(reader.get(), nullptr, no_passphrase, nullptr)}) ++count;
    const bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (count != 0 && is_at_end) return {};
    return "expected certificates in PEM (-----BEGIN CERTIFICATE-----)";
}

std::string ciphers_mistake(const TlsSettings& settings) {
    const ErrorsForgotten forgotten;
    const Context context{SSL_CTX_new(TLS_server_method())};
    CHECK(context != nullptr);
    if (!settings.ciphers_1_2.empty() &&
        SSL_CTX_set_cipher_list(context.get(), settings.ciphers_1_2.c_str()) != 1)
        return "OpenSSL knows none of these ciphers; `openssl ciphers -s` lists them";
    if (!settings.ciphers_1_3.empty() &&
        SSL_CTX_set_ciphersuites(context.get(), settings.ciphers_1_3.c_str()) != 1)
        return "OpenSSL does not know one of these ciphers; `openssl ciphers -s -tls1_3` lists "
               "them";
    return {};
}

}  // namespace touchstone::settings
