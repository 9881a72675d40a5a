// Authenticator: the chain that decides about a CONNECT. Each list says yes, no, or that it does
// not know the client; when none knows it, the anonymous switch of its zone decides. So with
// anonymous access on a client without credentials gets in, whatever lists there are.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "broker/settings/credentials.hpp"

namespace touchstone::settings {

class Authenticator {
public:
    /// Null: there is no such list.
    Authenticator(std::shared_ptr<const Credentials> users,
                  std::shared_ptr<const Credentials> client_ids)
        : users_{std::move(users)},
          client_ids_{std::move(client_ids)} {}

    enum class Decision : unsigned char {
        accepted,
        bad_user_name_or_password,  // v5 0x86, v3.1.1 return code 4
        not_authorized,             // v5 0x87, v3.1.1 return code 5: nobody knows the client
    };

    /// A CONNECT without a password is one with an empty password. Costs what
    /// Credentials::check says; may be called from several threads at once.
    [[nodiscard]] Decision decide(std::string_view client_id,
                                  std::optional<std::string_view> user_name,
                                  std::optional<std::string_view> password,
                                  bool allow_anonymous) const;

private:
    std::shared_ptr<const Credentials> users_;
    std::shared_ptr<const Credentials> client_ids_;
};

}  // namespace touchstone::settings
