#include "broker/settings/credentials.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <functional>
#include <span>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/settings/lines.hpp"

namespace touchstone::settings {

namespace {

constexpr std::string_view argon2_prefix = "$argon2id$";
constexpr std::string_view scram_prefix = "$scram-sha-256$";

// A line must not make a check eat the machine.
constexpr std::uint32_t memory_kib_max = 1U << 20U;  // 1 GiB
constexpr std::uint32_t passes_max = 100;
constexpr std::uint32_t lanes_max = 16;
constexpr std::uint32_t iterations_max = 10'000'000;
constexpr std::uint32_t iterations_min = 4'096;  // RFC 7677 §4
constexpr std::size_t salt_size_bytes_min = 8;
constexpr std::size_t salt_size_bytes_max = 64;
constexpr std::size_t fresh_salt_size_bytes = 16;
constexpr std::uint32_t fresh_iterations = 10'000;

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

/// `text` is "{name}={number}" or "{number}", 1 … most.
std::optional<std::uint32_t> number_of(std::string_view text, std::string_view name,
                                       std::uint32_t most) {
    if (!text.starts_with(name)) return std::nullopt;
    text.remove_prefix(name.size());
    std::uint32_t value = 0;
    const auto* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end || value < 1 || value > most) return std::nullopt;
    return value;
}

bool has_salt_size(const std::optional<std::string>& salt) {
    return salt && salt->size() >= salt_size_bytes_min && salt->size() <= salt_size_bytes_max;
}

/// What is wrong with "$argon2id$v=19$m=…,t=…,p=…$salt$hash"; empty: nothing.
std::string argon2_mistake(std::string_view text) {
    const auto parts = split(text, '$');
    if (parts.size() != 6 || parts[2] != "v=19")
        return "expected $argon2id$v=19$m=…,t=…,p=…$salt$hash";
    const auto cost = split(parts[3], ',');
    const auto memory_kib =
        cost.size() == 3 ? number_of(cost[0], "m=", memory_kib_max) : std::nullopt;
    const auto passes = cost.size() == 3 ? number_of(cost[1], "t=", passes_max) : std::nullopt;
    const auto lanes = cost.size() == 3 ? number_of(cost[2], "p=", lanes_max) : std::nullopt;
    if (!memory_kib || !passes || !lanes || *memory_kib < 8 * *lanes)
        return "expected m=8·p to 1048576 KiB, t=1 to 100, p=1 to 16, found '" + shown(parts[3]) +
               "'";
    if (!has_salt_size(from_base64(parts[4], Padding::no)))
        return "expected a salt of 8 to 64 bytes in base64 without padding";
    const auto hash = from_base64(parts[5], Padding::no);
    if (!hash || hash->size() < 16 || hash->size() > 64)
        return "expected a hash of 16 to 64 bytes in base64 without padding";
    return {};
}

/// What is wrong with "$scram-sha-256$iterations$salt$StoredKey$ServerKey"; empty: nothing.
std::string read_scram(std::string_view text, ScramKeys& keys) {
    const auto parts = split(text, '$');
    if (parts.size() != 6) return "expected $scram-sha-256$iterations$salt$StoredKey$ServerKey";
    const auto iterations = number_of(parts[2], "", iterations_max);
    if (!iterations || *iterations < iterations_min)
        return "expected 4096 to 10000000 iterations, found '" + shown(parts[2]) + "'";
    const auto salt = from_base64(parts[3], Padding::yes);
    if (!has_salt_size(salt)) return "expected a salt of 8 to 64 bytes in base64";
    keys = {.iterations = *iterations, .salt = *salt, .stored_key = {}, .server_key = {}};
    for (const auto& [part, key] :
         {std::pair{parts[4], &keys.stored_key}, {parts[5], &keys.server_key}}) {
        const auto bytes = from_base64(part, Padding::yes);
        if (!bytes || bytes->size() != key->size())
            return "expected StoredKey and ServerKey of 32 bytes each in base64";
        std::ranges::copy(*bytes, key->begin());
    }
    return {};
}

std::string name_mistake(std::string_view name) {
    const auto is_control = [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    };
    if (name.empty()) return "a name that is not empty";
    if (std::ranges::any_of(name, is_control)) return "a name without control characters";
    if (trimmed(name) != name || name.starts_with('#') || comment_begin(name) != name.npos)
        return "a name without blanks at its ends, # at its beginning, or ## behind a blank";
    return {};
}

}  // namespace

ScramKeys scram_keys(std::string_view password, std::string_view salt, std::uint32_t iterations) {
    const auto salted_password = pbkdf2_sha256(password, salt, iterations);
    const auto client_key = hmac_sha256(as_text(salted_password), "Client Key");
    return {.iterations = iterations,
            .salt = std::string{salt},
            .stored_key = sha256(as_text(client_key)),
            .server_key = hmac_sha256(as_text(salted_password), "Server Key")};
}

access::ParsedValue<std::string>
make_password_entry(std::string_view name, std::string_view password, CredentialKind kind) {
    if (auto mistake = name_mistake(name); !mistake.empty())
        return access::ValueError{std::move(mistake)};
    const auto salt = random_bytes(fresh_salt_size_bytes);
    std::string entry{name};
    entry += ':';
    switch (kind) {
        case CredentialKind::argon2id: entry += argon2id(password, salt, {}); break;
        case CredentialKind::scram_sha_256: {
            const auto keys = scram_keys(password, salt, fresh_iterations);
            entry += scram_prefix;
            entry += std::to_string(keys.iterations);
            entry += '$' + base64(keys.salt, Padding::yes);
            entry += '$' + base64(as_text(keys.stored_key), Padding::yes);
            entry += '$' + base64(as_text(keys.server_key), Padding::yes);
            break;
        }
    }
    return entry;
}

std::string Credentials::read_secret(std::string_view text, Secret& secret) {
    if (text.starts_with(argon2_prefix)) {
        secret = Argon2{std::string{text}};
        return argon2_mistake(text);
    }
    ScramKeys keys;
    auto mistake = read_scram(text, keys);
    secret = std::move(keys);
    return mistake;
}

Credentials Credentials::read(std::string_view text, Use use, const std::string& path,
                              Problems& problems) {
    Credentials credentials{random_bytes(digest_size_bytes)};
    std::map<std::string, std::uint32_t, std::less<>> line_of;
    for_each_line(text, [&](const Line& line) {
        // A name may hold colons; what proves it never does.
        const auto colon = line.content.rfind(':');
        const auto proof =
            colon == line.content.npos ? std::string_view{} : line.content.substr(colon + 1);
        const bool has_proof = proof.starts_with(argon2_prefix) || proof.starts_with(scram_prefix);
        const bool may_be_name_alone = use == Use::client_ids && proof.find('$') == proof.npos;
        const auto name = has_proof ? line.content.substr(0, colon) : line.content;
        Secret secret;
        std::string mistake;
        if (has_proof) {
            mistake = read_secret(proof, secret);
        } else if (!may_be_name_alone) {
            // The line is not shown: it may hold a password in clear.
            mistake =
                "expected NAME:$argon2id$… or NAME:$scram-sha-256$…; passwords in clear or of "
                "other kinds are not taken";
        }
        if (mistake.empty()) {
            mistake = name_mistake(name);
            if (!mistake.empty()) mistake = "expected " + mistake;
        }
        const auto [known, is_new] = line_of.emplace(name, line.number);
        if (mistake.empty() && !is_new)
            mistake = "'" + shown(name) + "' is in line " + std::to_string(known->second) +
                      " already; keep one of them";
        if (mistake.empty())
            credentials.secrets_.emplace(name, std::move(secret));
        else
            problems.add(line.origin(path), std::move(mistake));
    });
    credentials.index();
    return credentials;
}

void Credentials::index() {
    for (const auto& [name, secret] : secrets_) {
        if (!std::holds_alternative<NoPassword>(secret)) password_names_.push_back(name);
        if (std::holds_alternative<ScramKeys>(secret)) scram_names_.push_back(name);
    }
}

/// The entry of `among` whose work is done for a name that has none.
const Credentials::Secret& Credentials::stand_in(std::string_view name, const Names& among) const {
    const auto digest = hmac_sha256(key_, name);
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 8; ++i) number = number << 8U | digest[i];
    return secrets_.find(among[number % among.size()])->second;
}

bool Credentials::fits(const Secret& secret, std::string_view password) {
    if (const auto* const argon2 = std::get_if<Argon2>(&secret))
        return is_argon2id_of(argon2->encoded, password);
    if (const auto* const keys = std::get_if<ScramKeys>(&secret)) {
        const auto given = scram_keys(password, keys->salt, keys->iterations);
        return equals_in_constant_time(as_text(given.stored_key), as_text(keys->stored_key));
    }
    return true;
}

Credentials::Check Credentials::check(std::string_view name, std::string_view password) const {
    const auto found = secrets_.find(name);
    if (found != secrets_.end()) return fits(found->second, password) ? Check::right : Check::wrong;
    if (!password_names_.empty()) {
        // The answer does not matter, the time does.
        [[maybe_unused]] const bool ignored = fits(stand_in(name, password_names_), password);
    }
    return Check::unknown;
}

ScramKeys Credentials::keys_of(std::string_view name) const {
    const auto found = secrets_.find(name);
    if (found != secrets_.end())
        if (const auto* const keys = std::get_if<ScramKeys>(&found->second)) return *keys;
    const auto made_up = [&](std::string_view purpose) {
        return hmac_sha256(key_, std::string{purpose} + std::string{name});
    };
    ScramKeys keys{.iterations = fresh_iterations,
                   .salt = std::string(fresh_salt_size_bytes, '\0'),
                   .stored_key = made_up("stored:"),
                   .server_key = made_up("server:")};
    if (!scram_names_.empty()) {
        const auto& other = std::get<ScramKeys>(stand_in(name, scram_names_));
        keys.iterations = other.iterations;
        keys.salt.resize(other.salt.size());
    }
    const auto salt = made_up("salt:");
    const auto more_salt = made_up("more salt:");
    for (std::size_t i = 0; i < keys.salt.size(); ++i)
        keys.salt[i] = static_cast<char>(i < salt.size() ? salt[i] : more_salt[i - salt.size()]);
    return keys;
}

}  // namespace touchstone::settings
