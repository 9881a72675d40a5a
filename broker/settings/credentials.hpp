// Credentials: the names that may log in, and what proves each of them. Made from a text file, one
// in a line; no password can be read from it.
//
//   anna:$argon2id$v=19$m=19456,t=2,p=1$c2FsdA…$aGFzaA…
//   bert:$scram-sha-256$10000$c2FsdA…$StoredKey$ServerKey     (RFC 5802, base64 with padding)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "broker/access/parsed.hpp"
#include "broker/settings/crypto.hpp"
#include "broker/settings/problem.hpp"

namespace touchstone::settings {

/// What a server knows of a password for SCRAM-SHA-256 (RFC 5802 §3).
struct ScramKeys {
    std::uint32_t iterations = 0;
    std::string salt;
    Digest stored_key{};
    Digest server_key{};
    friend bool operator==(const ScramKeys&, const ScramKeys&) = default;
};

/// `salt` not empty, `iterations` from 1.
[[nodiscard]] ScramKeys scram_keys(std::string_view password, std::string_view salt,
                                   std::uint32_t iterations);

enum class CredentialKind : unsigned char { argon2id, scram_sha_256 };

/// A line for `name`, with a fresh salt. Argon2id with 19 MiB and 2 passes; SCRAM with 10,000
/// iterations, which the client pays with each connect. Passwords that are not ASCII are taken as
/// they are: no SASLprep, so use the same normalization everywhere.
/// Errors: the name is empty, has a control character, or blanks or # where they would be lost.
/// Throws std::runtime_error when the system lacks randomness or memory.
[[nodiscard]] access::ParsedValue<std::string>
make_password_entry(std::string_view name, std::string_view password, CredentialKind kind);

class Credentials {
public:
    Credentials(Credentials&&) = default;  // not copied: the indices point into the map's nodes
    Credentials& operator=(Credentials&&) = default;

    /// `users`: every name has a password. `client_ids`: a line may be a name alone, which then
    /// needs none.
    enum class Use : unsigned char { users, client_ids };
    /// Lines that are none, and names that come twice, are told to `problems`, with `path` as their
    /// file.
    static Credentials read(std::string_view text, Use use, const std::string& path,
                            Problems& problems);

    enum class Check : unsigned char { right, wrong, unknown };
    /// Takes as long for a name that is unknown as for one that is known, so that nobody learns
    /// names from times: it does the work of another entry, always the same one for that name. That
    /// can be 20 ms and 20 MiB and more; keep it away from threads that serve others. May be called
    /// from several threads at once.
    [[nodiscard]] Check check(std::string_view name, std::string_view password) const;

    /// Keys for an exchange with `name`. For a name without any they are made up, the same ones
    /// each time, and no password fits them (RFC 5802 §9: do not tell who exists).
    [[nodiscard]] ScramKeys keys_of(std::string_view name) const;
    /// Whether anybody can log in by SCRAM-SHA-256.
    [[nodiscard]] bool has_scram() const { return !scram_names_.empty(); }

    [[nodiscard]] std::size_t size() const { return secrets_.size(); }

private:
    struct NoPassword {};
    struct Argon2 {
        std::string encoded;
    };
    using Secret = std::variant<NoPassword, Argon2, ScramKeys>;
    using Names = std::vector<std::string_view>;

    explicit Credentials(std::string key) : key_{std::move(key)} {}
    static std::string read_secret(std::string_view text, Secret& secret);
    static bool fits(const Secret& secret, std::string_view password);
    void index();
    [[nodiscard]] const Secret& stand_in(std::string_view name, const Names& among) const;

    std::string key_;  // random, so that the stand-in of a name cannot be foretold
    std::map<std::string, Secret, std::less<>> secrets_;
    Names password_names_;  // of secrets_: with a password of any kind
    Names scram_names_;
};

}  // namespace touchstone::settings
