// The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding: which message
// answers which. Who the names are and what is random comes from outside, so an exchange is decided
// by its inputs.
//
//   client-first ─► server-first ─► client-final ─► server-final
//
// In MQTT 5.0 the Authentication Method is "SCRAM-SHA-256"; client-first is the Authentication Data
// of CONNECT, server-first and client-final those of AUTH, server-final that of CONNACK or, when a
// client re-authenticates, of the last AUTH (§4.12).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "broker/settings/credentials.hpp"

namespace touchstone::settings {

inline constexpr std::string_view scram_method = "SCRAM-SHA-256";

/// A nonce for ScramServer: 24 characters nobody can predict. Throws std::runtime_error.
[[nodiscard]] std::string make_scram_nonce();

class ScramServer {
public:
    using KeysOf = std::function<ScramKeys(std::string_view user_name)>;

    struct Answer {
        enum class Kind : unsigned char {
            go_on,     // send `data`, expect the client's next message
            accepted,  // send `data`: the client is who it says, and can see that we are
            refused,   // end the connection: not_authorized; `why` is for our log only
        };
        Kind kind = Kind::refused;
        std::string data;
        std::string why;
    };

    /// `nonce` is fresh, printable ASCII without a comma. `keys_of` gives made-up keys for a name
    /// that is unknown (Credentials::keys_of), so that the exchange does not tell.
    ScramServer(std::string nonce, KeysOf keys_of);

    /// The next message of the client. After an answer other than go_on every message is refused.
    Answer on_message(std::string_view message);

    /// Who the client says it is, from client-first on; proven once accepted.
    [[nodiscard]] const std::string& user_name() const { return user_name_; }

private:
    enum class State : unsigned char { awaiting_first, awaiting_final, ended };

    Answer on_first(std::string_view message);
    Answer on_final(std::string_view message);

    KeysOf keys_of_;
    State state_ = State::awaiting_first;
    std::string nonce_;  // the server's part; then the whole
    std::string gs2_header_;
    std::string first_messages_;  // client-first-bare and server-first, joined by a comma
    std::string user_name_;
    ScramKeys keys_;
};

}  // namespace touchstone::settings
