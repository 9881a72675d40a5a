#include "load/tls.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone::load {

namespace {

std::string last_failure(const char* otherwise) {
    const auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return otherwise;
    const char* const reason = ERR_reason_error_string(code);
    return reason == nullptr ? otherwise : reason;
}

bool is_address(const std::string& host) {
    in6_addr address{};
    return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
           inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

TlsClient::TlsClient(const Target& target)
    : context_{SSL_CTX_new(TLS_client_method())},
      host_{target.host},
      is_verifying_{!target.takes_any_certificate} {
    if (!context_) throw TlsError{"TLS cannot begin: " + last_failure("no memory")};
    SSL_CTX_set_mode(raw(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(raw(), is_verifying_ ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    if (!is_verifying_) return;
    if (target.ca_file.empty()) {
        SSL_CTX_set_default_verify_paths(raw());
    } else if (SSL_CTX_load_verify_locations(raw(), target.ca_file.c_str(), nullptr) != 1) {
        throw TlsError{
            "--ca-file " + target.ca_file +
            ": no certificates can be read from it (PEM): " + last_failure("not readable")};
    }
}

TlsStream::TlsStream(const TlsClient& client, int socket, SSL_SESSION* ticket)
    : ssl_{SSL_new(client.raw())} {
    CHECK(ssl_ != nullptr);
    SSL_set_fd(ssl_.get(), socket);
    SSL_set_connect_state(ssl_.get());
    if (ticket != nullptr) SSL_set_session(ssl_.get(), ticket);
    if (is_address(client.host())) {
        if (client.is_verifying()) {
            X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), client.host().c_str());
        }
    } else {
        SSL_set_tlsext_host_name(ssl_.get(), client.host().c_str());
        if (client.is_verifying()) SSL_set1_host(ssl_.get(), client.host().c_str());
    }
}

TlsStream::Outcome TlsStream::outcome_of(int result) {
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE: return Outcome::waits;
        case SSL_ERROR_ZERO_RETURN: return Outcome::ended;
        default: failure_ = last_failure("the connection was closed"); return Outcome::failed;
    }
}

TlsStream::Outcome TlsStream::shake_hands() {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return Outcome::done;
    const auto outcome = outcome_of(result);
    const auto verified = SSL_get_verify_result(ssl_.get());
    if (outcome == Outcome::failed && verified != X509_V_OK) {
        failure_ = X509_verify_cert_error_string(verified);
    }
    return outcome == Outcome::ended ? Outcome::failed : outcome;
}

TlsStream::Outcome TlsStream::read(std::span<std::byte> to, std::size_t& size) {
    size = 0;
    while (size < to.size()) {
        std::size_t more = 0;
        ERR_clear_error();
        const int result = SSL_read_ex(ssl_.get(), to.data() + size, to.size() - size, &more);
        if (result != 1) return outcome_of(result);
        size += more;
    }
    return Outcome::done;
}

TlsStream::Outcome TlsStream::write(Bytes bytes, std::size_t& size) {
    size = 0;
    while (size < bytes.size()) {
        std::size_t more = 0;
        ERR_clear_error();
        const int result =
            SSL_write_ex(ssl_.get(), bytes.data() + size, bytes.size() - size, &more);
        if (result != 1) return outcome_of(result);
        size += more;
    }
    return Outcome::done;
}

void TlsStream::say_goodbye() {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
}

TlsTicket TlsStream::ticket() const {
    TlsTicket session{SSL_get1_session(ssl_.get())};
    if (session && SSL_SESSION_is_resumable(session.get()) == 0) session.reset();
    return session;
}

}  // namespace touchstone::load
