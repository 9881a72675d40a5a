// BanList: who is not let in, and until when. Asked before authentication.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "broker/access/client.hpp"
#include "broker/base/instant.hpp"

namespace touchstone::access {

enum class BanKind : unsigned char { client_id, user_name, address };

/// "client_id", "username", "ip_address", as in files and interfaces.
[[nodiscard]] std::string_view name_of(BanKind kind);
[[nodiscard]] std::optional<BanKind> ban_kind_of(std::string_view name);

struct Ban {
    Instant until = never;  // the first instant at which it no longer holds
    std::string reason;
    friend bool operator==(const Ban&, const Ban&) = default;
};

class BanList {
public:
    static constexpr std::size_t size_max_default = 1'000'000;

    /// Clients can cause bans, so their number is bounded.
    explicit BanList(std::size_t size_max = size_max_default) : size_max_{size_max} {}

    // A new ban of the same one takes the place of the old. False: the list is full, and nothing
    // was changed; expire() may make room.

    bool ban_client_id(std::string_view client_id, Ban ban);
    bool ban_user_name(std::string_view user_name, Ban ban);
    bool ban_address(const AddressRange& range, Ban ban);
    /// By the text of a file or of an interface: a Client Identifier, a User Name, an address or a
    /// range. False also when `who` is no address for BanKind::address.
    bool ban(BanKind kind, std::string_view who, Ban ban);

    /// False when there was none.
    bool lift(BanKind kind, std::string_view who);

    /// The ban that keeps `client` out at `now`: by Client Identifier, else by User Name, else by
    /// address, a single one before ranges. Null when there is none. Valid until the list changes.
    [[nodiscard]] const Ban* find(const Client& client, Instant now) const;

    /// Forgets bans that no longer hold. Returns how many.
    std::size_t expire(Instant now);

    [[nodiscard]] std::size_t size() const;
    /// Calls `look` with the arguments that ban() takes, for each.
    template <class Look>
    void for_each(Look look) const {
        for (const auto& [who, one] : client_ids_) look(BanKind::client_id, who, one);
        for (const auto& [who, one] : user_names_) look(BanKind::user_name, who, one);
        for (const auto& [who, one] : addresses_) look(BanKind::address, who.to_text(), one);
        for (const auto& [who, one] : ranges_) look(BanKind::address, who.to_text(), one);
    }
    friend bool operator==(const BanList&, const BanList&) = default;

private:
    using ByName = std::map<std::string, Ban, std::less<>>;

    template <class Bans, class Key>
    bool put(Bans& bans, Key key, Ban ban);

    std::size_t size_max_;
    ByName client_ids_;
    ByName user_names_;
    std::map<PeerAddress, Ban> addresses_;
    std::map<AddressRange, Ban> ranges_;  // those of more than one address: few
};

}  // namespace touchstone::access
