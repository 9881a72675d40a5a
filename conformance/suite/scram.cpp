#include "conformance/suite/scram.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <charconv>
#include <utility>
#include <vector>

namespace touchstone::conformance {

namespace {

constexpr std::size_t digest_bytes = 32;
/// More is no login but an attack on the one who computes it.
constexpr int iterations_max = 1'000'000;

unsigned char* as_unsigned(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* as_unsigned(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::string hmac(std::string_view key, std::string_view text) {
    std::string out(digest_bytes, '\0');
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), as_unsigned(text), text.size(),
         as_unsigned(out), nullptr);
    return out;
}

std::string sha256(std::string_view text) {
    std::string out(digest_bytes, '\0');
    EVP_Digest(text.data(), text.size(), as_unsigned(out), nullptr, EVP_sha256(), nullptr);
    return out;
}

std::string base64(std::string_view bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // OpenSSL ends it with a zero
    EVP_EncodeBlock(as_unsigned(out), as_unsigned(bytes), static_cast<int>(bytes.size()));
    out.pop_back();
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    std::string out(text.size() / 4 * 3 + 3, '\0');
    const int size =
        EVP_DecodeBlock(as_unsigned(out), as_unsigned(text), static_cast<int>(text.size()));
    if (size < 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && text.size() > padding && text[text.size() - 1 - padding] == '=') {
        ++padding;
    }
    out.resize(static_cast<std::size_t>(size) - padding);
    return out;
}

/// "r=…,s=…,i=…": the value of `name`.
std::optional<std::string> attribute(std::string_view message, char name) {
    while (!message.empty()) {
        const auto end = std::min(message.find(','), message.size());
        const auto one = message.substr(0, end);
        if (one.size() >= 2 && one[0] == name && one[1] == '=') return std::string{one.substr(2)};
        message.remove_prefix(std::min(end + 1, message.size()));
    }
    return std::nullopt;
}

}  // namespace

ScramClient::ScramClient(NameAndPassword user, std::string nonce)
    : user_{std::move(user)},
      nonce_{std::move(nonce)} {}

std::string ScramClient::first_message() const {
    return "n,,n=" + user_.user_name + ",r=" + nonce_;
}

std::optional<std::string> ScramClient::final_message(std::string_view server_first) {
    const auto nonce = attribute(server_first, 'r');
    const auto salt_text = attribute(server_first, 's');
    const auto count_text = attribute(server_first, 'i');
    if (!nonce || !salt_text || !count_text || !nonce->starts_with(nonce_)) return std::nullopt;
    const auto salt = from_base64(*salt_text);
    int iterations = 0;
    std::from_chars(count_text->data(), count_text->data() + count_text->size(), iterations);
    if (!salt || iterations < 1 || iterations > iterations_max) return std::nullopt;

    std::string salted(digest_bytes, '\0');
    PKCS5_PBKDF2_HMAC(user_.password.data(), static_cast<int>(user_.password.size()),
                      as_unsigned(*salt), static_cast<int>(salt->size()), iterations, EVP_sha256(),
                      digest_bytes, as_unsigned(salted));
    const auto client_key = hmac(salted, "Client Key");
    const auto without_proof = "c=biws,r=" + *nonce;  // "biws" is "n,," in Base64
    const auto all = "n=" + user_.user_name + ",r=" + nonce_ + ',' + std::string{server_first} +
                     ',' + without_proof;
    auto proof = hmac(sha256(client_key), all);
    for (std::size_t i = 0; i < digest_bytes; ++i) {
        proof[i] = static_cast<char>(proof[i] ^ client_key[i]);
    }
    server_signature_ = base64(hmac(hmac(salted, "Server Key"), all));
    return without_proof + ",p=" + base64(proof);
}

bool ScramClient::is_proven_by(std::string_view server_final) const {
    return !server_signature_.empty() && attribute(server_final, 'v') == server_signature_;
}

}  // namespace touchstone::conformance
