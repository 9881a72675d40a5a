// NodeSettings: all an operator has set for a node, read, checked and ready to be used. Made by
// load() (load.hpp), never changed afterwards; a reload makes another one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/access/access_rules.hpp"
#include "broker/access/address_access.hpp"
#include "broker/access/mountpoint.hpp"
#include "broker/access/policy.hpp"
#include "broker/access/token_bucket.hpp"
#include "broker/settings/ban_file.hpp"
#include "broker/settings/credentials.hpp"
#include "broker/settings/forms.hpp"
#include "broker/settings/problem.hpp"

namespace touchstone::settings {

/// What of a client's certificate becomes its User Name: the common name, the whole subject, or
/// the certificate itself (DER).
enum class CertificateName : unsigned char { none, common_name, subject, certificate };

/// A certificate with its chain and its key. The texts are what was checked when the settings were
/// loaded; use them instead of the files, which may have changed since.
struct TlsIdentity {
    std::string host;  // the server name (SNI) it is for; empty: all others
    std::string certificate_file;
    std::string key_file;
    std::string certificate_pem;
    std::string key_pem;
    friend bool operator==(const TlsIdentity&, const TlsIdentity&) = default;
};

struct TlsSettings {
    TlsIdentity identity;
    std::vector<TlsIdentity> by_host;
    std::string authorities_file;  // empty: none
    std::string authorities_pem;
    bool verifies_client = false;  // verify_peer: ask for a certificate and check it
    bool requires_client_certificate = false;
    CertificateName user_name_from = CertificateName::none;
    bool has_tls_1_2 = true;
    bool has_tls_1_3 = true;
    std::string ciphers_1_2;  // as for SSL_CTX_set_cipher_list; empty: OpenSSL's own choice
    std::string ciphers_1_3;  // as for SSL_CTX_set_ciphersuites; empty: the same
    bool prefers_own_cipher_order = true;
    bool resumes_sessions = true;
    Duration handshake_timeout{};
    friend bool operator==(const TlsSettings&, const TlsSettings&) = default;
};

enum class Transport : unsigned char { tcp, ssl, ws, wss };

struct Listener {
    Transport transport = Transport::tcp;
    std::string name;  // "external" of "listener.tcp.external"
    ListenAddress address;
    std::string zone;
    std::uint64_t connections_max = 0;
    std::optional<access::Rate> connection_rate;  // accepting pauses above it
    std::optional<access::Rate> byte_rate;        // of one connection: reading pauses above it
    access::AddressAccess access;
    access::MountpointTemplate mountpoint;
    bool has_proxy_header = false;  // PROXY protocol v1 or v2
    /// Whether the Common Name in that header is the User Name; of a listener with TLS of its own,
    /// TlsSettings::user_name_from says so, too.
    bool proxied_name_is_user_name = false;
    Duration proxy_header_timeout{};
    std::uint32_t backlog = 0;
    bool has_no_delay = true;
    std::optional<std::uint32_t> receive_buffer_bytes;  // nothing: the system's
    std::optional<std::uint32_t> send_buffer_bytes;
    Duration send_timeout{};
    bool closes_on_send_timeout = true;
    std::string path;                  // of WebSocket
    bool requires_subprotocol = true;  // of WebSocket: `mqtt` [MQTT-6.0.0-3]
    std::optional<TlsSettings> tls;    // ssl and wss

    /// "tcp:external".
    [[nodiscard]] std::string to_text() const;
};

enum class LogLevel : unsigned char { debug, info, warning, error, off };

/// Whether the shards share the process's table of descriptors, and with it the limit of open
/// files, or each has its own.
enum class DescriptorTables : unsigned char { shared, per_shard };

/// When what has been acknowledged is safe: synced, handed to the system and synced every now and
/// then, or just handed to the system.
enum class Durability : std::uint8_t { sync, interval, none };

/// What a change of a key takes: a reload, or a new process.
enum class Reload : unsigned char { live, restart };

/// One effective value.
struct Entry {
    std::string key;
    std::optional<std::string> value;  // as it would be written; nothing: not set, and no default
    Origin origin;
    Reload reload = Reload::restart;
    std::string content_digest;  // of the file that the value names: SHA-256, hexadecimal
};

struct NodeSettings {
    std::uint32_t shard_count = 0;  // 0: one per processor
    DescriptorTables descriptor_tables = DescriptorTables::shared;
    Duration drain_time_max{};
    std::string data_directory;  // empty: nothing outlives the process
    Durability durability = Durability::sync;
    Duration sync_interval{};  // of Durability::interval
    std::optional<ListenAddress> metrics;
    LogLevel log_level = LogLevel::info;

    access::NodePolicy policy;
    std::map<std::string, access::Zone> zones;  // by name; holds the zone of every listener
    std::vector<Listener> listeners;            // by transport and name

    access::AccessRules access_rules;
    std::shared_ptr<const Credentials> passwords;   // null: no password file
    std::shared_ptr<const Credentials> client_ids;  // null: no list of Client Identifiers
    std::vector<BanEntry> bans;

    std::vector<Entry> entries;  // every effective value, in the order of the help
};

}  // namespace touchstone::settings
