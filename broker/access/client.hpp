// Who asks: what rules, bans and templates may look at.
#pragma once

#include <optional>
#include <string_view>

#include "broker/access/peer_address.hpp"

namespace touchstone::access {

struct Client {
    std::string_view client_id;
    std::optional<std::string_view> user_name;  // nothing: CONNECT had none
    PeerAddress address;                        // the real one, where a PROXY header named it
};

/// What stands for itself in a topic template: `%c` the Client Identifier, `%u` the User Name.
enum class Variable : unsigned char { none, client_id, user_name };

/// Whether all of `level` is a variable.
[[nodiscard]] constexpr Variable variable_of(std::string_view level) {
    if (level == "%c") return Variable::client_id;
    if (level == "%u") return Variable::user_name;
    return Variable::none;
}

/// The variable's value for `client`; nothing when it has none.
[[nodiscard]] constexpr std::optional<std::string_view> value_of(Variable variable,
                                                                 const Client& client) {
    switch (variable) {
        case Variable::none: return std::nullopt;
        case Variable::client_id: return client.client_id;
        case Variable::user_name: return client.user_name;
    }
    return std::nullopt;
}

/// Whether `value` can be put into a topic as one level: a client that calls itself `#` or `a/b`
/// must not reach the topics of others by its name.
[[nodiscard]] constexpr bool is_one_level(std::string_view value) {
    return !value.empty() && value.find_first_of(std::string_view{"/+#\0", 4}) == value.npos;
}

}  // namespace touchstone::access
