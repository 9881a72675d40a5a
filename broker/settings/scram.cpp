#include "broker/settings/scram.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::settings {

namespace {

using Answer = ScramServer::Answer;

constexpr std::size_t message_size_bytes_max = 4'096;
constexpr std::size_t client_nonce_size_max = 512;
constexpr std::size_t nonce_entropy_bytes = 18;  // 24 characters of base64

Answer refused(std::string why) {
    return {.kind = Answer::Kind::refused, .data = {}, .why = std::move(why)};
}

/// Takes "{name}=value" up to the next comma or the end off `text`, the comma included.
std::optional<std::string_view> take_attribute(std::string_view& text, char name) {
    if (text.size() < 2 || text[0] != name || text[1] != '=') return std::nullopt;
    const auto comma = text.find(',');
    const auto value = text.substr(2, comma == text.npos ? text.npos : comma - 2);
    text.remove_prefix(comma == text.npos ? text.size() : comma + 1);
    return value;
}

/// A saslname: `,` is written =2C and `=` is written =3D (RFC 5802 §5.1).
std::optional<std::string> name_of(std::string_view text) {
    std::string name;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '=') {
            name += text[i];
            continue;
        }
        const auto code = text.substr(i, 3);
        if (code != "=2C" && code != "=3D") return std::nullopt;
        name += code == "=2C" ? ',' : '=';
        i += 2;
    }
    if (name.empty() || name.find('\0') != name.npos) return std::nullopt;
    return name;
}

/// Printable ASCII without a comma (RFC 5802 §7).
bool is_nonce(std::string_view text) {
    return !text.empty() &&
           std::ranges::all_of(text, [](char c) { return c >= 0x21 && c <= 0x7E && c != ','; });
}

}  // namespace

std::string make_scram_nonce() {
    return base64(random_bytes(nonce_entropy_bytes), Padding::yes);
}

ScramServer::ScramServer(std::string nonce, KeysOf keys_of)
    : keys_of_{std::move(keys_of)},
      nonce_{std::move(nonce)} {
    CHECK(is_nonce(nonce_));
}

Answer ScramServer::on_message(std::string_view message) {
    const auto state = std::exchange(state_, State::ended);
    if (message.size() > message_size_bytes_max)
        return refused("a message of the exchange is too long");
    switch (state) {
        case State::awaiting_first: return on_first(message);
        case State::awaiting_final: return on_final(message);
        case State::ended: return refused("a message after the end of the exchange");
    }
    UNREACHABLE();
}

/// gs2-header client-first-bare: "n,,n=user,r=nonce".
Answer ScramServer::on_first(std::string_view message) {
    // y: the client could bind to a channel and knows that we do not offer it.
    if (!message.starts_with("n,") && !message.starts_with("y,"))
        return refused(message.starts_with("p=")
                           ? "channel binding was asked for and is not offered"
                           : "client-first does not begin with n, or y,");
    auto rest = message.substr(2);
    std::string_view authorization_id;
    if (rest.starts_with("a=")) {
        authorization_id = take_attribute(rest, 'a').value();
    } else if (rest.starts_with(',')) {
        rest.remove_prefix(1);
    } else {
        return refused("client-first has no authorization identity and no empty one");
    }
    gs2_header_ = message.substr(0, message.size() - rest.size());
    const auto client_first_bare = rest;
    const auto name = take_attribute(rest, 'n');
    const auto user_name = name ? name_of(*name) : std::nullopt;
    // Also where a mandatory extension (m=) stands, which a server that does not know it refuses.
    if (!user_name) return refused("client-first has no user name");
    if (!authorization_id.empty() && name_of(authorization_id) != user_name)
        return refused("the client asks to act for somebody else");
    const auto client_nonce = take_attribute(rest, 'r');
    if (!client_nonce || !is_nonce(*client_nonce) || client_nonce->size() > client_nonce_size_max)
        return refused("client-first has no nonce");
    user_name_ = *user_name;
    keys_ = keys_of_(user_name_);
    nonce_.insert(0, *client_nonce);
    auto server_first = "r=" + nonce_ + ",s=" + base64(keys_.salt, Padding::yes) +
                        ",i=" + std::to_string(keys_.iterations);
    first_messages_ = std::string{client_first_bare} + "," + server_first;
    state_ = State::awaiting_final;
    return {.kind = Answer::Kind::go_on, .data = std::move(server_first), .why = {}};
}

/// "c=biws,r=nonce,p=proof".
Answer ScramServer::on_final(std::string_view message) {
    auto rest = message;
    const auto binding = take_attribute(rest, 'c');
    if (!binding || from_base64(*binding, Padding::yes) != gs2_header_)
        return refused("client-final repeats another header than client-first had");
    const auto nonce = take_attribute(rest, 'r');
    if (!nonce || *nonce != nonce_) return refused("client-final has another nonce");
    // Extensions may stand between nonce and proof; the proof is last.
    const auto proof_begin = message.rfind(",p=");
    const auto proof_at = static_cast<std::size_t>(rest.data() - message.data());
    if (proof_begin == message.npos || proof_begin + 1 < proof_at)
        return refused("client-final has no proof");
    const auto proof = from_base64(message.substr(proof_begin + 3), Padding::yes);
    if (!proof || proof->size() != digest_size_bytes) return refused("client-final has no proof");
    const auto auth_message = first_messages_ + "," + std::string{message.substr(0, proof_begin)};
    const auto signature = hmac_sha256(as_text(keys_.stored_key), auth_message);
    Digest client_key{};
    for (std::size_t i = 0; i < client_key.size(); ++i)
        client_key[i] =
            static_cast<std::uint8_t>(static_cast<unsigned char>((*proof)[i]) ^ signature[i]);
    const auto stored_key = sha256(as_text(client_key));
    if (!equals_in_constant_time(as_text(stored_key), as_text(keys_.stored_key)))
        return refused("wrong password or unknown user");
    const auto server_signature = hmac_sha256(as_text(keys_.server_key), auth_message);
    return {.kind = Answer::Kind::accepted,
            .data = "v=" + base64(as_text(server_signature), Padding::yes),
            .why = {}};
}

}  // namespace touchstone::settings
