// TlsContext: what the TLS connections of a listener have in common, made from its settings:
// certificates, authorities, versions, ciphers. Never changed; a reload makes another one, and
// connections that were opened with this one keep it.
//
// TlsResumption is what outlives a reload: the keys of tickets and the sessions known by id, so a
// client resumes its session whichever shard it meets, and with a new certificate, too.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>

#include "broker/settings/node_settings.hpp"

namespace touchstone::transport {

template <auto release>
struct TlsRelease {
    template <class T>
    void operator()(T* pointer) const {
        release(pointer);
    }
};

/// What an operator can mend: one line that names the place and the remedy.
class TlsError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// One for a whole node. Used by OpenSSL's callbacks, from all threads.
class TlsResumption {
public:
    /// How long a session can be resumed. A ticket key lives twice as long and makes tickets for
    /// the first half, so one that leaks opens the connections of some hours and not of all times.
    static constexpr std::chrono::hours session_life{2};
    /// Sessions known by their id, which only TLS 1.2 without tickets needs; about 2 KiB each. The
    /// oldest one goes first.
    static constexpr std::size_t sessions_max = 10'000;

    /// Throws TlsError when there is no randomness.
    TlsResumption();

    static constexpr std::size_t key_name_bytes = 16;
    static constexpr std::size_t key_bytes = 32;
    struct TicketKey {
        std::array<unsigned char, key_name_bytes> name{};
        std::array<unsigned char, key_bytes> cipher{};
        std::array<unsigned char, key_bytes> mac{};
        std::chrono::steady_clock::time_point made_at;
    };
    /// The key to make tickets with now.
    TicketKey newest_key();
    /// The key of that name, unless it was given up.
    bool find_key(const unsigned char* name, TicketKey& key, bool& is_newest);

    /// Takes over a reference to `session`.
    void put(SSL_SESSION* session);
    /// A new reference, or null.
    SSL_SESSION* find(std::string_view id);
    void remove(SSL_SESSION* session);

private:
    using Session = std::unique_ptr<SSL_SESSION, TlsRelease<SSL_SESSION_free>>;
    static TicketKey make_key();
    void give_up_old_keys();

    std::mutex mutex_;
    std::deque<TicketKey> keys_;  // newest first
    std::map<std::string, Session, std::less<>> sessions_;
    std::deque<std::string> ids_;  // oldest first; some may be gone
};

class TlsContext {
public:
    /// `name` is the listener's, for messages and to keep the sessions of listeners apart. The
    /// settings were checked when they were loaded. Throws TlsError.
    TlsContext(const settings::TlsSettings& settings, const std::string& name,
               std::shared_ptr<TlsResumption> resumption);
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    [[nodiscard]] SSL_CTX* raw() const { return own_.get(); }
    [[nodiscard]] settings::CertificateName user_name_from() const { return user_name_from_; }

private:
    using Context = std::unique_ptr<SSL_CTX, TlsRelease<SSL_CTX_free>>;
    Context make(const settings::TlsSettings& settings, const settings::TlsIdentity& identity,
                 const std::string& name);
    static int on_server_name(SSL* ssl, int* alert, void* argument);

    std::shared_ptr<TlsResumption> resumption_;  // outlives the contexts
    Context own_;
    std::map<std::string, Context, std::less<>> by_host_;  // in lower case
    settings::CertificateName user_name_from_;
};

}  // namespace touchstone::transport
