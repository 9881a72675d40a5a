#include "broker/settings/crypto.hpp"

#include <argon2.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stdexcept>

#include "broker/base/check.hpp"

namespace touchstone::settings {

namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string_view as_text(const Digest& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Digest sha256(std::string_view text) {
    Digest digest{};
    CHECK(EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
    return digest;
}

std::string sha256_hex(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    for (const auto byte : sha256(text)) {
        hex += digits[byte >> 4U];
        hex += digits[byte & 0xFU];
    }
    return hex;
}

Digest hmac_sha256(std::string_view key, std::string_view text) {
    Digest digest{};
    CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(),
               digest.data(), nullptr) != nullptr);
    return digest;
}

Digest pbkdf2_sha256(std::string_view password, std::string_view salt, std::uint32_t iterations) {
    Digest digest{};
    CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes_of(salt),
                            static_cast<int>(salt.size()), static_cast<int>(iterations),
                            EVP_sha256(), digest.size(), digest.data()) == 1);
    return digest;
}

bool equals_in_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(std::size_t size) {
    std::string bytes(size, '\0');
    auto* const target = reinterpret_cast<unsigned char*>(bytes.data());
    if (RAND_bytes(target, static_cast<int>(size)) != 1)
        throw std::runtime_error{"the system gives no random bytes"};
    return bytes;
}

std::string base64(std::string_view bytes, Padding padding) {
    std::string text;
    std::uint32_t bits = 0;
    unsigned bit_count = 0;
    for (const char byte : bytes) {
        bits = (bits << 8U) | static_cast<unsigned char>(byte);
        for (bit_count += 8; bit_count >= 6; bit_count -= 6)
            text += alphabet[(bits >> (bit_count - 6)) & 0x3FU];
    }
    if (bit_count != 0) text += alphabet[(bits << (6 - bit_count)) & 0x3FU];
    while (padding == Padding::yes && text.size() % 4 != 0) text += '=';
    return text;
}

std::optional<std::string> from_base64(std::string_view text, Padding padding) {
    const auto digits = text.substr(0, text.find_last_not_of('=') + 1);
    std::string bytes;
    std::uint32_t bits = 0;
    unsigned bit_count = 0;
    for (const char c : digits) {
        const auto value = alphabet.find(c);
        if (value == std::string_view::npos) return std::nullopt;
        bits = (bits << 6U) | static_cast<std::uint32_t>(value);
        bit_count += 6;
        if (bit_count < 8) continue;
        bit_count -= 8;
        bytes += static_cast<char>((bits >> bit_count) & 0xFFU);
    }
    // One spelling for each value: padding in the right places, and no bits left over.
    if (base64(bytes, padding) != text) return std::nullopt;
    return bytes;
}

std::string argon2id(std::string_view password, std::string_view salt, const Argon2Cost& cost) {
    const auto size =
        argon2_encodedlen(cost.passes, cost.memory_kib, cost.lanes,
                          static_cast<std::uint32_t>(salt.size()), digest_size_bytes, Argon2_id);
    std::string encoded(size, '\0');
    const int error = argon2id_hash_encoded(
        cost.passes, cost.memory_kib, cost.lanes, password.data(), password.size(), salt.data(),
        salt.size(), digest_size_bytes, encoded.data(), encoded.size());
    if (error != ARGON2_OK) throw std::runtime_error{argon2_error_message(error)};
    encoded.resize(encoded.find('\0'));
    return encoded;
}

bool is_argon2id_of(const std::string& encoded, std::string_view password) {
    return argon2id_verify(encoded.c_str(), password.data(), password.size()) == ARGON2_OK;
}

}  // namespace touchstone::settings
