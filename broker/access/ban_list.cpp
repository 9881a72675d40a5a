#include "broker/access/ban_list.hpp"

#include <array>
#include <utility>

namespace touchstone::access {

namespace {

constexpr std::array<std::pair<BanKind, std::string_view>, 3> names{
    {{BanKind::client_id, "client_id"},
     {BanKind::user_name, "username"},
     {BanKind::address, "ip_address"}}};

template <class Bans, class Key>
const Ban* find_in(const Bans& bans, const Key& key, Instant now) {
    const auto found = bans.find(key);
    return found != bans.end() && now < found->second.until ? &found->second : nullptr;
}

template <class Bans, class Key>
bool lift_in(Bans& bans, const Key& key) {
    const auto found = bans.find(key);
    if (found == bans.end()) return false;
    bans.erase(found);
    return true;
}

}  // namespace

std::string_view name_of(BanKind kind) {
    for (const auto& [one, name] : names)
        if (one == kind) return name;
    return {};
}

std::optional<BanKind> ban_kind_of(std::string_view name) {
    for (const auto& [kind, one] : names)
        if (one == name) return kind;
    return std::nullopt;
}

template <class Bans, class Key>
bool BanList::put(Bans& bans, Key key, Ban ban) {
    const auto found = bans.find(key);
    if (found != bans.end()) {
        found->second = std::move(ban);
        return true;
    }
    if (size() >= size_max_) return false;
    bans.emplace(std::move(key), std::move(ban));
    return true;
}

bool BanList::ban_client_id(std::string_view client_id, Ban ban) {
    return put(client_ids_, std::string{client_id}, std::move(ban));
}

bool BanList::ban_user_name(std::string_view user_name, Ban ban) {
    return put(user_names_, std::string{user_name}, std::move(ban));
}

bool BanList::ban_address(const AddressRange& range, Ban ban) {
    return range.is_single() ? put(addresses_, range.first(), std::move(ban))
                             : put(ranges_, range, std::move(ban));
}

bool BanList::ban(BanKind kind, std::string_view who, Ban ban) {
    switch (kind) {
        case BanKind::client_id: return ban_client_id(who, std::move(ban));
        case BanKind::user_name: return ban_user_name(who, std::move(ban));
        case BanKind::address: {
            const auto range = AddressRange::from_text(who);
            return range && ban_address(*range, std::move(ban));
        }
    }
    return false;
}

bool BanList::lift(BanKind kind, std::string_view who) {
    switch (kind) {
        case BanKind::client_id: return lift_in(client_ids_, who);
        case BanKind::user_name: return lift_in(user_names_, who);
        case BanKind::address: {
            const auto range = AddressRange::from_text(who);
            if (!range) return false;
            return range->is_single() ? lift_in(addresses_, range->first())
                                      : lift_in(ranges_, *range);
        }
    }
    return false;
}

const Ban* BanList::find(const Client& client, Instant now) const {
    if (const auto* ban = find_in(client_ids_, client.client_id, now)) return ban;
    if (client.user_name)
        if (const auto* ban = find_in(user_names_, *client.user_name, now)) return ban;
    if (const auto* ban = find_in(addresses_, client.address, now)) return ban;
    for (const auto& [range, ban] : ranges_)
        if (now < ban.until && range.contains(client.address)) return &ban;
    return nullptr;
}

std::size_t BanList::expire(Instant now) {
    const auto is_over = [now](const auto& entry) { return entry.second.until <= now; };
    return std::erase_if(client_ids_, is_over) + std::erase_if(user_names_, is_over) +
           std::erase_if(addresses_, is_over) + std::erase_if(ranges_, is_over);
}

std::size_t BanList::size() const {
    return client_ids_.size() + user_names_.size() + addresses_.size() + ranges_.size();
}

}  // namespace touchstone::access
