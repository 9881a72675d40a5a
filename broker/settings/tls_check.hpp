// Whether certificates, keys and cipher names will be accepted by OpenSSL, found out before a
// listener needs them. Each function returns what is wrong; empty: nothing.
#pragma once

#include <string>

#include "broker/settings/node_settings.hpp"

namespace touchstone::settings {

[[nodiscard]] std::string certificate_mistake(const std::string& certificate_pem);
[[nodiscard]] std::string key_mistake(const std::string& key_pem);
/// Both are without mistakes of their own.
[[nodiscard]] bool fits_together(const std::string& certificate_pem, const std::string& key_pem);
[[nodiscard]] std::string authorities_mistake(const std::string& authorities_pem);
[[nodiscard]] std::string ciphers_mistake(const TlsSettings& settings);

}  // namespace touchstone::settings
