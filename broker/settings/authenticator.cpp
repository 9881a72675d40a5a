#include "broker/settings/authenticator.hpp"

namespace touchstone::settings {

Authenticator::Decision Authenticator::decide(std::string_view client_id,
                                              std::optional<std::string_view> user_name,
                                              std::optional<std::string_view> password,
                                              bool allow_anonymous) const {
    using Check = Credentials::Check;
    const auto ask = [&](const std::shared_ptr<const Credentials>& list, std::string_view name) {
        return list ? list->check(name, password.value_or("")) : Check::unknown;
    };
    const auto user = user_name ? ask(users_, *user_name) : Check::unknown;
    if (user == Check::right) return Decision::accepted;
    // Also after a wrong password, whose answer is known: a user who exists takes no less time.
    const auto client = ask(client_ids_, client_id);
    if (user == Check::wrong || client == Check::wrong) return Decision::bad_user_name_or_password;
    if (client == Check::right) return Decision::accepted;
    if (allow_anonymous) return Decision::accepted;
    return user_name ? Decision::bad_user_name_or_password : Decision::not_authorized;
}

}  // namespace touchstone::settings
