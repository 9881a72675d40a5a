#include "broker/settings/load.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <unistd.h>

#include "broker/base/check.hpp"
#include "broker/settings/assignments.hpp"
#include "broker/settings/keys.hpp"
#include "broker/settings/tls_check.hpp"

namespace touchstone::settings {

namespace {

constexpr std::size_t settings_size_bytes_max = 4U << 20U;
constexpr std::size_t list_size_bytes_max = 256U << 20U;
constexpr std::size_t certificates_size_bytes_max = 4U << 20U;

constexpr std::string_view default_listener = "listener.tcp.external";
constexpr std::string_view default_address = "127.0.0.1:1883";
constexpr std::string_view internal_zone = "internal";
constexpr std::array<std::pair<std::string_view, Transport>, 4> transports{
    {{"tcp", Transport::tcp},
     {"ssl", Transport::ssl},
     {"ws", Transport::ws},
     {"wss", Transport::wss}}};

bool has_tls(Transport transport) {
    return transport == Transport::ssl || transport == Transport::wss;
}

/// The part of a listener's key that names it: listener.tcp.external.backlog →
/// listener.tcp.external
std::string listener_name(const KeyMatch& match) {
    return "listener." + match.parts[0] + "." + match.parts[1];
}

bool is_of_listener(Scope scope) {
    return scope == Scope::listener || scope == Scope::access_entry || scope == Scope::server_name;
}

unsigned long number_of(const std::string& part) {
    return std::stoul(part);  // the table takes up to 6 digits
}

/// Whether two listeners cannot have both: a wildcard address takes all of its family.
bool collide(const ListenAddress& a, const ListenAddress& b) {
    if (a.port == 0 || a.port != b.port || a.address.is_v4() != b.address.is_v4()) return false;
    return a.address == b.address || a.address.is_unspecified() || b.address.is_unspecified();
}

class Loader {
public:
    Loader(const Sources& sources, const ReadFile& read_file)
        : sources_{sources},
          read_file_{read_file} {}

    Loaded run() {
        collect();
        build_node();
        build_zones();
        build_listeners();
        build_subscriptions();
        read_lists();
        for (auto& listener : node_->listeners) check_tls(listener);
        check_addresses();
        check_zones();
        check_access();
        Loaded loaded;
        loaded.problems = problems_.take();
        loaded.warnings = warnings_.take();
        if (loaded.problems.empty()) loaded.settings = std::move(node_);
        return loaded;
    }

private:
    // --- Values ----------------------------------------------------------------------------------

    void collect() {
        if (sources_.file) {
            auto content = read_file_(*sources_.file, settings_size_bytes_max);
            if (const auto* const error = std::get_if<FileError>(&content))
                problems_.add({.kind = Origin::Kind::file, .name = *sources_.file},
                              "cannot be read: " + error->reason + "; name a file that can be");
            else
                assignments_.take_file(std::get<FileContent>(content).text, *sources_.file,
                                       problems_);
        }
        assignments_.take_environment(sources_, problems_);
        assignments_.take_overrides(sources_, problems_);
    }

    /// Puts the value of `key` into `target`: that of the first of `names` that is assigned, else
    /// the default. The entry is called by the first of `names`.
    void put(const Key& key, const Target& target, const std::vector<std::string>& names,
             std::string_view default_text) {
        Entry entry{.key = names.front(), .value = {}, .origin = {}, .reload = key.reload};
        std::string_view text = default_text;
        for (const auto& name : names) {
            const auto* const assignment = assignments_.find(name);
            if (assignment == nullptr) continue;
            text = assignment->value;
            entry.origin = assignment->origin;
            break;
        }
        if (!text.empty()) {
            auto canonical = key.put(target, text);
            CHECK(canonical.has_value());  // it was read before, and the table's defaults are right
            entry.value = std::move(canonical).value();
        }
        index_[entry.key] = node_->entries.size();
        node_->entries.push_back(std::move(entry));
    }

    [[nodiscard]] const Entry& entry(std::string_view name) const {
        const auto found = index_.find(name);
        CHECK(found != index_.end());
        return node_->entries[found->second];
    }
    [[nodiscard]] bool is_default(std::string_view name) const {
        return entry(name).origin.kind == Origin::Kind::built_in;
    }
    [[nodiscard]] bool is_wrong(std::string_view name) const {
        return assignments_.is_mentioned(name) && assignments_.find(name) == nullptr;
    }

    void build_node() {
        for (const auto& key : keys())
            if (key.scope == Scope::node)
                put(key, {.node = node_.get()}, {key.pattern}, key.default_text);
    }

    void build_zones() {
        std::set<std::string> names{"external"};
        for (const auto& [name, match] : assignments_.mentioned())
            if (match.key->scope == Scope::zone && !match.is_for_all_zones)
                names.insert(match.parts[0]);
        // The zone internal is known, but only there when a listener is in it.
        for (const auto& [name, assignment] : assignments_.all())
            if (name.ends_with(".zone") && assignment.value == internal_zone)
                names.insert(std::string{internal_zone});
        for (const auto& name : names) build_zone(name);
    }

    void build_zone(const std::string& name) {
        auto& zone = node_->zones[name];
        zone.name = name;
        for (const auto& key : keys()) {
            if (key.scope != Scope::zone) continue;
            const bool is_off_inside = name == internal_zone && key.for_all_zones == "enable_acl";
            put(key, {.node = node_.get(), .zone = &zone},
                {filled(key.pattern, std::array{name}), key.for_all_zones},
                is_off_inside ? std::string_view{"off"} : key.default_text);
        }
        zone.settings.retained_messages_max = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(node_->policy.limits.retained_messages_max, UINT32_MAX));
    }

    // --- Listeners -------------------------------------------------------------------------------

    void build_listeners() {
        std::map<std::string, KeyMatch> mentioned;  // by the listener's name
        bool has_address = false;
        for (const auto& [name, match] : assignments_.mentioned()) {
            if (!is_of_listener(match.key->scope)) continue;
            mentioned.emplace(listener_name(match), match);
            has_address = has_address || listener_name(match) == name;
        }
        if (!has_address)
            mentioned.emplace(default_listener,
                              KeyMatch{.key = nullptr, .name = {}, .parts = {"tcp", "external"}});
        for (const auto& [transport_name, transport] : transports)
            for (const auto& [name, match] : mentioned)
                if (match.parts[0] == transport_name)
                    build_listener(name, transport, match.parts[1], has_address);
    }

    void build_listener(const std::string& name, Transport transport, const std::string& own_name,
                        bool has_address) {
        const bool is_default_one = !has_address && name == default_listener;
        if (!assignments_.is_mentioned(name) && !is_default_one) {
            for (const auto& [key_name, assignment] : assignments_.all()) {
                if (!key_name.starts_with(name + ".")) continue;
                problems_.add(assignment.origin, key_name + " is set, but " + name +
                                                     " is not; add " + name +
                                                     " = ADDRESS:PORT or remove it");
            }
            return;
        }
        auto& listener = node_->listeners.emplace_back();
        listener.transport = transport;
        listener.name = own_name;
        if (has_tls(transport)) listener.tls.emplace();
        const std::vector<std::string> parts{std::string{name_of(transport)}, own_name};
        for (const auto& key : keys()) {
            if (key.scope != Scope::listener || !fits(key, parts.front())) continue;
            const auto key_name = filled(key.pattern, parts);
            const bool is_address = key_name == name;
            put(key, {.node = node_.get(), .listener = &listener}, {key_name},
                is_address && is_default_one ? default_address : key.default_text);
        }
        build_access(name, listener);
        if (listener.tls) build_server_names(name, *listener.tls);
    }

    static std::string_view name_of(Transport transport) {
        return std::ranges::find(transports, transport, [](const auto& row) { return row.second; })
            ->first;
    }

    /// Whether a listener of this transport has the key.
    static bool fits(const Key& key, const std::string& transport_name) {
        const auto match =
            find_key(filled(key.pattern, std::array{transport_name, std::string{"x"}}));
        return match && match->key == &key;
    }

    void build_access(const std::string& name, Listener& listener) {
        for (const auto& [number, key] : numbered(name, Scope::access_entry)) {
            access::AddressAccess::Entry entry;
            const auto key_name = name + ".access." + std::to_string(number);
            put(*key.front(), {.listener = &listener, .access_entry = &entry}, {key_name}, {});
            if (assignments_.find(key_name) != nullptr) listener.access.add(entry);
        }
    }

    void build_server_names(const std::string& name, TlsSettings& tls) {
        for (const auto& [number, keys_of_one] : numbered(name, Scope::server_name)) {
            const auto prefix = name + ".sni." + std::to_string(number);
            TlsIdentity identity;
            for (const auto* const key : keys_of_one) {
                const auto key_name = prefix + key->pattern.substr(key->pattern.rfind('.'));
                put(*key, {.server_name = &identity}, {key_name}, {});
                const bool is_missing = !assignments_.is_mentioned(key_name);
                if (is_missing)
                    problems_.add(origin_of_first(prefix + "."),
                                  prefix + " needs host, certfile and keyfile; add " + key_name);
            }
            server_names_[name].push_back(prefix);
            tls.by_host.push_back(std::move(identity));
        }
    }

    /// The numbers that are mentioned behind `name` in `scope`, with the keys of that scope.
    std::map<unsigned long, std::vector<const Key*>> numbered(const std::string& name,
                                                              Scope scope) {
        std::map<unsigned long, std::vector<const Key*>> found;
        for (const auto& [key_name, match] : assignments_.mentioned()) {
            if (match.key->scope != scope) continue;
            if (!name.empty() && listener_name(match) != name) continue;
            found[number_of(match.parts.back())];
        }
        for (auto& [number, of_scope] : found)
            for (const auto& key : keys())
                if (key.scope == scope) of_scope.push_back(&key);
        return found;
    }

    [[nodiscard]] Origin origin_of_first(const std::string& prefix) const {
        for (const auto& [name, assignment] : assignments_.all())
            if (name.starts_with(prefix)) return assignment.origin;
        return {};
    }

    // --- Modules ---------------------------------------------------------------------------------

    void build_subscriptions() {
        const auto* const module = assignments_.find("module.subscription");
        const bool is_on = module != nullptr && module->value == "on";
        for (const auto& [number, keys_of_one] : numbered({}, Scope::subscription)) {
            const auto prefix = "module.subscription." + std::to_string(number);
            SubscriptionDraft draft;
            for (const auto* const key : keys_of_one) {
                const auto key_name = filled(key->pattern, std::array{std::to_string(number)});
                put(*key, {.subscription = &draft}, {key_name}, key->default_text);
            }
            if (!draft.topic && !is_wrong(prefix + ".topic"))
                problems_.add(origin_of_first(prefix + "."),
                              prefix + " has no topic; add " + prefix + ".topic");
            if (module == nullptr && !is_wrong("module.subscription"))
                problems_.add(origin_of_first(prefix + "."),
                              prefix + " is set, but module.subscription is off by default; set it "
                                       "on, or off to keep the rules for later");
            if (draft.topic && is_on)
                node_->policy.auto_subscribe.add(*std::move(draft.topic), draft.options);
        }
    }

    // --- Files -----------------------------------------------------------------------------------

    /// The content of the file that `name` is set to; null when it is not set or cannot be read.
    const std::string* content_of(const std::string& name, std::size_t size_bytes_max,
                                  bool is_secret) {
        auto& one = node_->entries[index_.at(name)];
        if (!one.value) return nullptr;
        auto [found, is_new] = contents_.try_emplace(*one.value);
        if (is_new) found->second = read_file_(*one.value, size_bytes_max);
        if (const auto* const error = std::get_if<FileError>(&found->second)) {
            problems_.add(one.origin, name + " = " + shown(*one.value) + ": cannot be read: " +
                                          error->reason + "; name a file that can be");
            return nullptr;
        }
        const auto& content = std::get<FileContent>(found->second);
        one.content_digest = sha256_hex(content.text);
        if (is_secret && content.can_others_read)
            warnings_.add(one.origin, name + " = " + shown(*one.value) +
                                          ": every user of this machine can read it; chmod o-r");
        return &content.text;
    }

    void read_lists() {
        std::string_view rules_text = access::default_rules_text;
        if (const auto* const text = content_of("acl_file", list_size_bytes_max, false))
            rules_text = *text;
        auto rules = access::AccessRules::parse(rules_text);
        if (rules.has_error())
            problems_.add({.kind = Origin::Kind::file,
                           .name = *entry("acl_file").value,
                           .line = rules.error().line,
                           .column = rules.error().column},
                          rules.error().message);
        else
            node_->access_rules = std::move(rules).value();
        node_->passwords = read_credentials("password_file", Credentials::Use::users);
        node_->client_ids = read_credentials("client_id_list", Credentials::Use::client_ids);
        if (const auto* const text = content_of("ban_list", list_size_bytes_max, false))
            node_->bans = read_bans(*text, *entry("ban_list").value, problems_);
        if (node_->bans.size() > access::BanList::size_max_default)
            problems_.add(entry("ban_list").origin,
                          "ban_list has " + std::to_string(node_->bans.size()) +
                              " entries; at most " +
                              std::to_string(access::BanList::size_max_default) + " are kept");
    }

    std::shared_ptr<const Credentials> read_credentials(const std::string& name,
                                                        Credentials::Use use) {
        const auto* const text = content_of(name, list_size_bytes_max, true);
        if (text == nullptr) return nullptr;
        return std::make_shared<const Credentials>(
            Credentials::read(*text, use, *entry(name).value, problems_));
    }

    // --- TLS -------------------------------------------------------------------------------------

    void check_tls(Listener& listener) {
        if (!listener.tls) return;
        auto& tls = *listener.tls;
        const auto name = key_of(listener);
        read_identity(name, name, tls.identity);
        std::set<std::string> hosts;
        for (std::size_t i = 0; i < tls.by_host.size(); ++i) {
            const auto& prefix = server_names_[name][i];
            read_identity(prefix, name, tls.by_host[i]);
            const auto& host = tls.by_host[i].host;
            if (!host.empty() && !hosts.insert(host).second)
                problems_.add(entry(prefix + ".host").origin,
                              prefix + ".host = " + shown(host) +
                                  ": this host has a certificate already; keep one of them");
        }
        if (const auto* const text =
                content_of(name + ".cacertfile", certificates_size_bytes_max, false)) {
            tls.authorities_pem = *text;
            if (auto mistake = authorities_mistake(*text); !mistake.empty())
                problems_.add(entry(name + ".cacertfile").origin,
                              name + ".cacertfile = " + shown(tls.authorities_file) + ": " +
                                  mistake);
        }
        check_client_certificates(name, tls);
        if (auto mistake = ciphers_mistake(tls); !mistake.empty())
            problems_.add(entry(name + ".ciphers").origin,
                          name + ".ciphers = " + shown(*entry(name + ".ciphers").value) + ": " +
                              mistake);
        check_cipher_versions(name, tls);
    }

    void read_identity(const std::string& prefix, const std::string& listener,
                       TlsIdentity& identity) {
        for (const auto* const file : {".certfile", ".keyfile"})
            if (!assignments_.is_mentioned(prefix + file) && prefix == listener)
                problems_.add(entry(listener).origin, listener + " speaks TLS and has no " +
                                                          std::string{file + 1} + "; add " +
                                                          prefix + file);
        const auto* const certificate =
            content_of(prefix + ".certfile", certificates_size_bytes_max, false);
        const auto* const key = content_of(prefix + ".keyfile", certificates_size_bytes_max, true);
        const auto tell = [&](const char* file, const std::string& mistake) {
            const auto& one = entry(prefix + file);
            if (!mistake.empty())
                problems_.add(one.origin, one.key + " = " + shown(*one.value) + ": " + mistake);
            return mistake.empty();
        };
        bool are_right = certificate != nullptr && key != nullptr;
        if (certificate != nullptr) {
            identity.certificate_pem = *certificate;
            are_right = tell(".certfile", certificate_mistake(*certificate)) && are_right;
        }
        if (key != nullptr) {
            identity.key_pem = *key;
            are_right = tell(".keyfile", key_mistake(*key)) && are_right;
        }
        if (are_right && !fits_together(*certificate, *key))
            tell(".keyfile", "is not the key of " + prefix + ".certfile");
    }

    void check_client_certificates(const std::string& name, const TlsSettings& tls) {
        const auto needs = [&](std::string_view key, std::string_view other) {
            const auto& one = entry(name + std::string{key});
            problems_.add(one.origin,
                          one.key + " = " + *one.value + " needs " + name + std::string{other});
        };
        if (tls.verifies_client && tls.authorities_file.empty() && !is_wrong(name + ".cacertfile"))
            needs(".verify", ".cacertfile, the authorities to check with");
        if (tls.verifies_client || is_wrong(name + ".verify")) return;
        if (tls.requires_client_certificate)
            needs(".fail_if_no_peer_cert", ".verify = verify_peer");
        if (tls.user_name_from != CertificateName::none)
            needs(".peer_cert_as_username", ".verify = verify_peer");
    }

    void check_cipher_versions(const std::string& name, const TlsSettings& tls) {
        const auto& ciphers = entry(name + ".ciphers");
        if (!ciphers.value) return;
        const bool is_1_2_left_out = tls.has_tls_1_2 && !tls.has_tls_1_3 && tls.ciphers_1_2.empty();
        const bool is_1_3_left_out = tls.has_tls_1_3 && !tls.has_tls_1_2 && tls.ciphers_1_3.empty();
        if (is_1_2_left_out || is_1_3_left_out)
            problems_.add(ciphers.origin, ciphers.key + " names no cipher of the only version in " +
                                              name + ".tls_versions; add one, or another version");
    }

    // --- What does not go together ---------------------------------------------------------------

    [[nodiscard]] std::string key_of(const Listener& listener) const {
        return "listener." + std::string{name_of(listener.transport)} + "." + listener.name;
    }

    void check_addresses() {
        std::vector<std::pair<std::string, ListenAddress>> taken;
        const auto check = [&](const std::string& name, const ListenAddress& address) {
            for (const auto& [other_name, other] : taken)
                if (collide(address, other))
                    problems_.add(entry(name).origin,
                                  name + " = " + address.to_text() + ": " + other_name +
                                      " listens on " + other.to_text() +
                                      " already; give one of them another port");
            taken.emplace_back(name, address);
        };
        for (const auto& listener : node_->listeners)
            if (!is_wrong(key_of(listener))) check(key_of(listener), listener.address);
        if (node_->metrics) check("metrics.address", *node_->metrics);
    }

    void check_zones() {
        std::set<std::string> used;
        std::vector<std::string> known{std::string{internal_zone}};
        for (const auto& [name, zone] : node_->zones) known.push_back(name);
        for (const auto& listener : node_->listeners) {
            used.insert(listener.zone);
            if (node_->zones.contains(listener.zone)) continue;
            const auto best = nearest(listener.zone, known);
            const auto& one = entry(key_of(listener) + ".zone");
            problems_.add(one.origin, one.key + " = " + shown(listener.zone) +
                                          ": no zone.<zone>.… sets anything for this zone" +
                                          (best.empty() ? "" : "; the nearest zone is " + best));
        }
        for (const auto& [name, zone] : node_->zones)
            if (const auto origin = origin_of_first("zone." + name + ".");
                !used.contains(name) && origin.kind != Origin::Kind::built_in)
                warnings_.add(origin, "zone " + name + ": no listener is in it");
    }

    void check_access() {
        std::set<std::string> told;
        for (const auto& listener : node_->listeners) {
            const auto zone = node_->zones.find(listener.zone);
            if (zone == node_->zones.end()) continue;
            check_anonymous(listener, zone->second);
            if (told.insert(listener.zone).second) check_zone_access(zone->second);
        }
    }

    void check_anonymous(const Listener& listener, const access::Zone& zone) {
        const auto name = key_of(listener);
        const auto switch_name = "zone." + zone.name + ".allow_anonymous";
        if (listener.address.address.is_loopback() || is_wrong(name)) return;
        if (!zone.policy.allow_anonymous || !is_default(switch_name)) return;
        if (is_wrong(switch_name) || is_wrong("allow_anonymous")) return;
        problems_.add(
            entry(name).origin,
            name + " = " + listener.address.to_text() +
                " can be reached from other machines, and allow_anonymous is not set; "
                "set it off and name a password_file, or on if everybody shall be served");
    }

    void check_zone_access(const access::Zone& zone) {
        const auto prefix = "zone." + zone.name + ".";
        const auto has_list = [&](std::string_view name) {
            return entry(name).value || is_wrong(name);
        };
        if (!zone.policy.allow_anonymous && !has_list("password_file") &&
            !has_list("client_id_list"))
            problems_.add(
                entry(prefix + "allow_anonymous").origin,
                "allow_anonymous is off in zone " + zone.name +
                    " and no list says who may come; add password_file or client_id_list");
        for (const auto* const name : {"password_file", "client_id_list"})
            if (entry(name).value && zone.policy.allow_anonymous &&
                is_default(prefix + "allow_anonymous"))
                warnings_.add(entry(name).origin,
                              std::string{name} +
                                  " is set, but clients that it does not name get in to zone " +
                                  zone.name + " as well; set allow_anonymous");
        const bool may_fall_through = entry("acl_file").value && zone.policy.has_access_rules &&
                                      !node_->access_rules.has_catch_all();
        if (may_fall_through && is_default(prefix + "acl_nomatch"))
            warnings_.add(entry("acl_file").origin,
                          "what no rule of acl_file decides is allowed in zone " + zone.name +
                              "; end the file with a rule for all, or set acl_nomatch");
    }

    const Sources& sources_;
    const ReadFile& read_file_;
    Problems problems_;
    Problems warnings_;
    Assignments assignments_;
    std::shared_ptr<NodeSettings> node_ = std::make_shared<NodeSettings>();
    std::map<std::string, std::size_t, std::less<>> index_;  // of node_->entries, by key
    std::map<std::string, std::variant<FileContent, FileError>> contents_;  // by path
    std::map<std::string, std::vector<std::string>> server_names_;  // by listener: …sni.1, …
};

}  // namespace

std::string Listener::to_text() const {
    const auto row =
        std::ranges::find(transports, transport, [](const auto& one) { return one.second; });
    return std::string{row->first} + ":" + name;
}

Loaded load(const Sources& sources, const ReadFile& read_file) {
    return Loader{sources, read_file}.run();
}

Loaded load(const Sources& sources) {
    return load(sources, read_system_file);
}

std::variant<FileContent, FileError> read_system_file(const std::string& path,
                                                      std::size_t size_bytes_max) {
    namespace filesystem = std::filesystem;
    std::error_code error;
    const auto status = filesystem::status(path, error);
    if (error) return FileError{error.message()};
    if (filesystem::is_directory(status)) return FileError{"it is a directory"};
    errno = 0;
    std::ifstream file{path, std::ios::binary};
    if (!file) return FileError{std::generic_category().message(errno)};
    FileContent content;
    std::array<char, 65'536> piece{};
    while (file.read(piece.data(), piece.size()) || file.gcount() != 0) {
        content.text.append(piece.data(), static_cast<std::size_t>(file.gcount()));
        if (content.text.size() > size_bytes_max)
            return FileError{"it has more than " + std::to_string(size_bytes_max) + " bytes"};
    }
    if (file.bad()) return FileError{std::generic_category().message(errno)};
    content.can_others_read =
        (status.permissions() & filesystem::perms::others_read) != filesystem::perms::none;
    return content;
}

std::vector<std::pair<std::string, std::string>> process_environment() {
    std::vector<std::pair<std::string, std::string>> variables;
    for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
        const std::string_view text{*one};
        const auto equals = text.find('=');
        if (equals == text.npos) continue;
        variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return variables;
}

}  // namespace touchstone::settings
