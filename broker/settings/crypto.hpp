// What passwords and SCRAM need of cryptography, over OpenSSL and libargon2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace touchstone::settings {

inline constexpr std::size_t digest_size_bytes = 32;
using Digest = std::array<std::uint8_t, digest_size_bytes>;

/// The same memory seen as text. Valid as long as `digest`'s.
[[nodiscard]] std::string_view as_text(const Digest& digest);

[[nodiscard]] Digest sha256(std::string_view text);
[[nodiscard]] std::string sha256_hex(std::string_view text);
[[nodiscard]] Digest hmac_sha256(std::string_view key, std::string_view text);
/// Hi() of RFC 5802 §2.2: PBKDF2 with HMAC-SHA-256. `iterations` from 1.
[[nodiscard]] Digest pbkdf2_sha256(std::string_view password, std::string_view salt,
                                   std::uint32_t iterations);

/// Takes a time that depends on the sizes only.
[[nodiscard]] bool equals_in_constant_time(std::string_view a, std::string_view b);

/// Bytes nobody can predict. Throws std::runtime_error when the system has none.
[[nodiscard]] std::string random_bytes(std::size_t size);

enum class Padding : bool { no, yes };
[[nodiscard]] std::string base64(std::string_view bytes, Padding padding);
/// Nothing when `text` is not exactly what base64() writes for some bytes.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text, Padding padding);

/// Memory in KiB, passes, lanes.
struct Argon2Cost {
    std::uint32_t memory_kib = 19'456;
    std::uint32_t passes = 2;
    std::uint32_t lanes = 1;
    friend bool operator==(const Argon2Cost&, const Argon2Cost&) = default;
};

/// "$argon2id$v=19$m=…,t=…,p=…$salt$hash", the PHC string format.
/// Throws std::runtime_error when the system has too little memory.
[[nodiscard]] std::string argon2id(std::string_view password, std::string_view salt,
                                   const Argon2Cost& cost);
/// False also when there is too little memory to know. Throws nothing.
[[nodiscard]] bool is_argon2id_of(const std::string& encoded, std::string_view password);

}  // namespace touchstone::settings
