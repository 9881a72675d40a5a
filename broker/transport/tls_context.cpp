#include "broker/transport/tls_context.hpp"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/transport/tls_session.hpp"

namespace touchstone::transport {

namespace {

using Bio = std::unique_ptr<BIO, TlsRelease<BIO_free>>;
using Certificate = std::unique_ptr<X509, TlsRelease<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, TlsRelease<EVP_PKEY_free>>;

/// What OpenSSL says about its last mistake, which it then forgets.
std::string reason() {
    const auto code = ERR_peek_last_error();
    const char* const text = ERR_reason_error_string(code);
    ERR_clear_error();
    return text == nullptr ? "no reason given" : text;
}

[[noreturn]] void refuse(const std::string& name, const std::string& what) {
    throw TlsError{"listener " + name + ": " + what + ": " + reason()};
}

void require(bool succeeded, const std::string& name, const char* what) {
    if (!succeeded) refuse(name, what);
}

Bio reader_of(const std::string& text) {
    Bio bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
    CHECK(bio != nullptr);
    return bio;
}

int no_passphrase(char*, int, int, void*) {
    return -1;
}

Certificate next_certificate(BIO* from) {
    return Certificate{PEM_read_bio_X509(from, nullptr, no_passphrase, nullptr)};
}

void use_identity(SSL_CTX* context, const settings::TlsIdentity& identity,
                  const std::string& name) {
    const auto file = [&](const std::string& path) { return path.empty() ? "" : " " + path; };
    const auto reader = reader_of(identity.certificate_pem);
    const auto own = next_certificate(reader.get());
    if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1)
        refuse(name, "OpenSSL does not take the certificate" + file(identity.certificate_file));
    while (auto next = next_certificate(reader.get())) {
        if (SSL_CTX_add0_chain_cert(context, next.get()) != 1)
            refuse(name, "OpenSSL does not take the chain in" + file(identity.certificate_file));
        (void)next.release();  // the context's now
    }
    const Key key{PEM_read_bio_PrivateKey(reader_of(identity.key_pem).get(), nullptr, no_passphrase,
                                          nullptr)};
    if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1)
        refuse(name, "OpenSSL does not take the key" + file(identity.key_file) +
                         ", or it is not the certificate's");
}

void use_authorities(SSL_CTX* context, const settings::TlsSettings& settings,
                     const std::string& name) {
    const auto reader = reader_of(settings.authorities_pem);
    while (const auto authority = next_certificate(reader.get())) {
        // The names are sent to clients, so that they can choose a certificate.
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
            SSL_CTX_add_client_CA(context, authority.get()) != 1)
            refuse(name, "OpenSSL does not take the authorities in " + settings.authorities_file);
    }
    int mode = SSL_VERIFY_NONE;
    if (settings.verifies_client) mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;
    if (settings.verifies_client && settings.requires_client_certificate)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, nullptr);
}

/// Sessions can be resumed only where they would have come about as well: not once the listener
/// trusts others. A new certificate of the server's changes nothing.
std::array<unsigned char, SSL_MAX_SID_CTX_LENGTH>
session_scope(const settings::TlsSettings& settings, const std::string& name) {
    const std::string text = name + '\0' + (settings.verifies_client ? "v" : "") +
                             (settings.requires_client_certificate ? "r" : "") + '\0' +
                             settings.authorities_pem;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
    std::array<unsigned char, SSL_MAX_SID_CTX_LENGTH> scope{};
    CHECK(size == scope.size());
    std::copy_n(digest.begin(), scope.size(), scope.begin());
    return scope;
}

// --- OpenSSL's callbacks -------------------------------------------------------------------------

TlsResumption& resumption_of(const SSL_CTX* context) {
    return *static_cast<TlsResumption*>(SSL_CTX_get_app_data(context));
}

int on_new_session(SSL* ssl, SSL_SESSION* session) {
    // From TLS 1.3 on a client brings all there is to know in its ticket.
    if (SSL_version(ssl) != TLS1_2_VERSION) return 0;
    resumption_of(SSL_get_SSL_CTX(ssl)).put(session);
    return 1;
}

SSL_SESSION* on_wanted_session(SSL* ssl, const unsigned char* id, int size, int* has_to_copy) {
    *has_to_copy = 0;  // a reference of its own was taken, under the lock
    return resumption_of(SSL_get_SSL_CTX(ssl))
        .find({reinterpret_cast<const char*>(id), static_cast<std::size_t>(size)});
}

void on_bad_session(SSL_CTX* context, SSL_SESSION* session) {
    resumption_of(context).remove(session);
}

bool set_up(const TlsResumption::TicketKey& key, const unsigned char* vector,
            EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool encrypts) {
    std::array<char, 7> digest{"SHA256"};
    auto mac_key = key.mac;
    const std::array<OSSL_PARAM, 3> parameters{
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key.data(), mac_key.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_end()};
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), vector,
                             encrypts ? 1 : 0) == 1 &&
           EVP_MAC_CTX_set_params(mac, parameters.data()) == 1;
}

/// SSL_CTX_set_tlsext_ticket_key_evp_cb: 1 to go on, 2 to go on and renew the ticket, 0 for a full
/// handshake, -1 for a failure.
int on_ticket(SSL* ssl, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, int encrypts) {
    auto& resumption = resumption_of(SSL_get_SSL_CTX(ssl));
    TlsResumption::TicketKey key;
    if (encrypts != 0) {
        key = resumption.newest_key();
        std::ranges::copy(key.name, name);
        if (RAND_bytes(vector, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
        return set_up(key, vector, cipher, mac, true) ? 1 : -1;
    }
    bool is_newest = false;
    if (!resumption.find_key(name, key, is_newest)) return 0;
    if (!set_up(key, vector, cipher, mac, false)) return -1;
    return is_newest ? 1 : 2;
}

void set_up_resumption(SSL_CTX* context, bool resumes) {
    if (!resumes) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        return;
    }
    SSL_CTX_set_num_tickets(context, 1);  // a client of MQTT opens one connection at a time
    SSL_CTX_set_timeout(
        context,
        std::chrono::duration_cast<std::chrono::seconds>(TlsResumption::session_life).count());
    // OpenSSL's own store belongs to a context, and so would be lost with it.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_new_session);
    SSL_CTX_sess_set_get_cb(context, on_wanted_session);
    SSL_CTX_sess_set_remove_cb(context, on_bad_session);
    CHECK(SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1);
}

std::string_view id_of(const SSL_SESSION* session) {
    unsigned size = 0;
    const unsigned char* const id = SSL_SESSION_get_id(session, &size);
    return {reinterpret_cast<const char*>(id), size};
}

std::string lower_case(std::string_view text) {
    std::string lower{text};
    for (char& letter : lower)
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return lower;
}

}  // namespace

// --- TlsResumption -------------------------------------------------------------------------------

TlsResumption::TlsResumption() {
    keys_.push_front(make_key());
}

TlsResumption::TicketKey TlsResumption::make_key() {
    TicketKey key;
    if (RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) != 1 ||
        RAND_priv_bytes(key.cipher.data(), static_cast<int>(key.cipher.size())) != 1 ||
        RAND_priv_bytes(key.mac.data(), static_cast<int>(key.mac.size())) != 1)
        throw TlsError{"OpenSSL has no randomness for ticket keys: " + reason()};
    key.made_at = std::chrono::steady_clock::now();
    return key;
}

void TlsResumption::give_up_old_keys() {
    const auto now = std::chrono::steady_clock::now();
    while (keys_.size() > 1 && keys_.back().made_at + 2 * session_life <= now) keys_.pop_back();
    if (keys_.front().made_at + session_life <= now) keys_.push_front(make_key());
}

TlsResumption::TicketKey TlsResumption::newest_key() {
    const std::scoped_lock lock{mutex_};
    give_up_old_keys();
    return keys_.front();
}

bool TlsResumption::find_key(const unsigned char* name, TicketKey& key, bool& is_newest) {
    const std::scoped_lock lock{mutex_};
    give_up_old_keys();
    for (const TicketKey& known : keys_) {
        if (std::memcmp(known.name.data(), name, known.name.size()) != 0) continue;
        key = known;
        is_newest = &known == &keys_.front();
        return true;
    }
    return false;
}

void TlsResumption::put(SSL_SESSION* session) {
    Session owned{session};
    const std::scoped_lock lock{mutex_};
    std::string id{id_of(session)};
    if (!sessions_.try_emplace(id, std::move(owned)).second) return;
    ids_.push_back(std::move(id));
    while (ids_.size() > sessions_max) {
        sessions_.erase(ids_.front());
        ids_.pop_front();
    }
}

SSL_SESSION* TlsResumption::find(std::string_view id) {
    const std::scoped_lock lock{mutex_};
    const auto known = sessions_.find(id);
    if (known == sessions_.end()) return nullptr;
    SSL_SESSION_up_ref(known->second.get());
    return known->second.get();
}

void TlsResumption::remove(SSL_SESSION* session) {
    const std::scoped_lock lock{mutex_};
    const auto known = sessions_.find(id_of(session));
    if (known != sessions_.end()) sessions_.erase(known);
}

// --- TlsContext ----------------------------------------------------------------------------------

TlsContext::TlsContext(const settings::TlsSettings& settings, const std::string& name,
                       std::shared_ptr<TlsResumption> resumption)
    : resumption_{std::move(resumption)},
      own_{make(settings, settings.identity, name)},
      user_name_from_{settings.verifies_client ? settings.user_name_from
                                               : settings::CertificateName::none} {
    for (const auto& identity : settings.by_host)
        by_host_.insert_or_assign(lower_case(identity.host), make(settings, identity, name));
    if (by_host_.empty()) return;
    SSL_CTX_set_tlsext_servername_callback(own_.get(), on_server_name);
    SSL_CTX_set_tlsext_servername_arg(own_.get(), this);
}

TlsContext::Context TlsContext::make(const settings::TlsSettings& settings,
                                     const settings::TlsIdentity& identity,
                                     const std::string& name) {
    Context owned{SSL_CTX_new(TLS_server_method())};
    SSL_CTX* const context = owned.get();
    require(context != nullptr, name, "OpenSSL cannot begin");
    SSL_CTX_set_app_data(context, resumption_.get());
    CHECK(settings.has_tls_1_2 || settings.has_tls_1_3);
    require(SSL_CTX_set_min_proto_version(context, settings.has_tls_1_2 ? TLS1_2_VERSION
                                                                        : TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(context, settings.has_tls_1_3 ? TLS1_3_VERSION
                                                                            : TLS1_2_VERSION) == 1,
            name, "OpenSSL does not take the versions");
    require(settings.ciphers_1_2.empty() ||
                SSL_CTX_set_cipher_list(context, settings.ciphers_1_2.c_str()) == 1,
            name, "OpenSSL does not take the ciphers of TLS 1.2");
    require(settings.ciphers_1_3.empty() ||
                SSL_CTX_set_ciphersuites(context, settings.ciphers_1_3.c_str()) == 1,
            name, "OpenSSL does not take the ciphers of TLS 1.3");
    // A packet tells its own length, so a connection that is cut off cannot pass for a whole one,
    // and the session of a client that ended without close_notify can be resumed as well.
    std::uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF;
    if (settings.prefers_own_cipher_order) options |= SSL_OP_CIPHER_SERVER_PREFERENCE;
    SSL_CTX_set_options(context, options);
    // An idle connection keeps no buffers, and one system call reads more than one record.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    use_identity(context, identity, name);
    use_authorities(context, settings, name);
    const auto scope = session_scope(settings, name);
    CHECK(SSL_CTX_set_session_id_context(context, scope.data(), scope.size()) == 1);
    set_up_resumption(context, settings.resumes_sessions);
    SSL_CTX_set_info_callback(context, TlsSession::on_information);
    return owned;
}

int TlsContext::on_server_name(SSL* ssl, int*, void* argument) {
    const char* const host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (host == nullptr) return SSL_TLSEXT_ERR_NOACK;
    const auto& by_host = static_cast<const TlsContext*>(argument)->by_host_;
    const auto known = by_host.find(lower_case(host));
    if (known == by_host.end()) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_SSL_CTX(ssl, known->second.get());
    return SSL_TLSEXT_ERR_OK;
}

}  // namespace touchstone::transport
