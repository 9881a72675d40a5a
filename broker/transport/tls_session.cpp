#include "broker/transport/tls_session.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509.h>

#include <array>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::transport {

namespace {

constexpr auto alert_names = std::to_array<std::string_view>({
#define TOUCHSTONE_TLS_ALERT(name, number) #name,
    TOUCHSTONE_TLS_ALERTS(TOUCHSTONE_TLS_ALERT)
#undef TOUCHSTONE_TLS_ALERT
        "no_suitable_cipher",
    "other",
    "none",
});
static_assert(alert_names.size() == tls_alert_count);

TlsAlert alert_of(int number) {
    switch (number) {
#define TOUCHSTONE_TLS_ALERT(name, number)                                                         \
    case number: return TlsAlert::name;
        TOUCHSTONE_TLS_ALERTS(TOUCHSTONE_TLS_ALERT)
#undef TOUCHSTONE_TLS_ALERT
        default: return TlsAlert::other;
    }
}

std::string common_name_of(X509* certificate) {
    const X509_NAME* const subject = X509_get_subject_name(certificate);
    const int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (place < 0) return {};
    const ASN1_STRING* const data = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place));
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, data);
    if (size < 0) return {};
    std::string name{reinterpret_cast<const char*>(text), static_cast<std::size_t>(size)};
    OPENSSL_free(text);
    return name;
}

/// "C=CH,O=Example,CN=name", in the order of the certificate, with the escapes of RFC 2253.
std::string subject_of(X509* certificate) {
    constexpr unsigned long flags =
        XN_FLAG_RFC2253 & ~static_cast<unsigned long>(XN_FLAG_DN_REV | ASN1_STRFLGS_ESC_MSB);
    const std::unique_ptr<BIO, TlsRelease<BIO_free>> to{BIO_new(BIO_s_mem())};
    if (X509_NAME_print_ex(to.get(), X509_get_subject_name(certificate), 0, flags) < 0) return {};
    char* text = nullptr;
    const long size = BIO_get_mem_data(to.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

std::string encoding_of(X509* certificate) {
    unsigned char* bytes = nullptr;
    const int size = i2d_X509(certificate, &bytes);
    if (size < 0) return {};
    std::string text{reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
    OPENSSL_free(bytes);
    return text;
}

}  // namespace

std::string_view name_of(TlsAlert alert) {
    return alert_names[static_cast<std::size_t>(alert)];
}

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, int socket)
    : context_{std::move(context)},
      ssl_{SSL_new(context_->raw())} {
    CHECK(ssl_ != nullptr);
    CHECK(SSL_set_fd(ssl_.get(), socket) == 1);
    SSL_set_app_data(ssl_.get(), this);
    SSL_set_accept_state(ssl_.get());
}

TlsSession::~TlsSession() {
    // A connection that was cut off says nothing against its session. OpenSSL would forget it.
    if (!has_failed_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void TlsSession::move_to(int socket) {
    // One BIO reads and writes. It keeps what it is in the middle of; SSL_set_fd would make
    // another.
    BIO* const both = SSL_get_rbio(ssl_.get());
    CHECK(both != nullptr && both == SSL_get_wbio(ssl_.get()));
    BIO_set_fd(both, socket, BIO_NOCLOSE);
}

TlsSession::Outcome TlsSession::shake_hands() {
    ERR_clear_error();
    return outcome_of(SSL_do_handshake(ssl_.get()));
}

TlsSession::Outcome TlsSession::read(std::span<std::byte> to, std::size_t& size_bytes) {
    size_bytes = 0;
    while (size_bytes < to.size()) {
        ERR_clear_error();
        std::size_t size = 0;
        const int result =
            SSL_read_ex(ssl_.get(), to.data() + size_bytes, to.size() - size_bytes, &size);
        if (result != 1) return outcome_of(result);
        size_bytes += size;
    }
    return Outcome::done;
}

TlsSession::Outcome TlsSession::write(Bytes bytes, std::size_t& size_bytes) {
    ERR_clear_error();
    size_bytes = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &size_bytes);
    return result == 1 ? Outcome::done : outcome_of(result);
}

TlsSession::Outcome TlsSession::say_goodbye() {
    if (has_failed_) return Outcome::failed;
    ERR_clear_error();
    const int result = SSL_shutdown(ssl_.get());
    return result >= 0 ? Outcome::done : outcome_of(result);
}

bool TlsSession::was_resumed() const {
    return SSL_session_reused(ssl_.get()) == 1;
}

std::string TlsSession::user_name() const {
    X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
    if (certificate == nullptr || SSL_get_verify_result(ssl_.get()) != X509_V_OK) return {};
    switch (context_->user_name_from()) {
        case settings::CertificateName::none: return {};
        case settings::CertificateName::common_name: return common_name_of(certificate);
        case settings::CertificateName::subject: return subject_of(certificate);
        case settings::CertificateName::certificate: return encoding_of(certificate);
    }
    UNREACHABLE();
}

void TlsSession::on_information(const SSL* ssl, int where, int value) {
    if ((where & SSL_CB_ALERT) == 0 || (value >> 8) != SSL3_AL_FATAL) return;
    static_cast<TlsSession*>(SSL_get_app_data(ssl))->alert_ = alert_of(value & 0xFF);
}

TlsSession::Outcome TlsSession::outcome_of(int result) {
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_NONE: return Outcome::done;
        case SSL_ERROR_WANT_READ: return Outcome::wants_read;
        case SSL_ERROR_WANT_WRITE: return Outcome::wants_write;
        case SSL_ERROR_ZERO_RETURN: return Outcome::ended;
        default: break;
    }
    has_failed_ = true;
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_NO_SHARED_CIPHER)
        alert_ = TlsAlert::no_suitable_cipher;
    ERR_clear_error();
    return Outcome::failed;
}

}  // namespace touchstone::transport
