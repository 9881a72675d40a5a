// The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding: the one
// Authentication Method (v5 §4.12) that the suite speaks. Can be wrong on purpose.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "conformance/targets/target.hpp"

namespace touchstone::conformance {

inline constexpr std::string_view scram_method = "SCRAM-SHA-256";

class ScramClient {
public:
    /// `nonce`: printable ASCII without a comma. The name has neither comma nor equals sign.
    ScramClient(NameAndPassword user, std::string nonce);

    /// Authentication Data of CONNECT, or of the AUTH that begins a re-authentication.
    [[nodiscard]] std::string first_message() const;
    /// The answer to the server's first message; nothing when that one is not by RFC 5802.
    [[nodiscard]] std::optional<std::string> final_message(std::string_view server_first);
    /// Whether the server's last message proves that it knows the password. After final_message().
    [[nodiscard]] bool is_proven_by(std::string_view server_final) const;

private:
    NameAndPassword user_;
    std::string nonce_;
    std::string server_signature_{};  // as it has to come, in Base64
};

}  // namespace touchstone::conformance
