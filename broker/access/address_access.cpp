#include "broker/access/address_access.hpp"

namespace touchstone::access {

ParsedValue<AddressAccess::Entry> AddressAccess::Entry::from_text(std::string_view text) {
    const ValueError expected{
        "allow or deny and an address, a range or all, as in allow 10.0.0.0/8"};
    const auto space = text.find_first_of(" \t");
    const auto verdict = text.substr(0, space);
    const auto who_begin = text.find_first_not_of(" \t", space);
    if (space == text.npos || who_begin == text.npos) return expected;
    if (verdict != "allow" && verdict != "deny") return expected;
    const auto who = text.substr(who_begin);
    Entry entry{.is_allowed = verdict == "allow", .range = std::nullopt};
    if (who == "all") return entry;
    entry.range = AddressRange::from_text(who);
    if (!entry.range) return expected;
    return entry;
}

std::string AddressAccess::Entry::to_text() const {
    return std::string{is_allowed ? "allow " : "deny "} + (range ? range->to_text() : "all");
}

bool AddressAccess::accepts(const PeerAddress& address) const {
    for (const auto& entry : entries_)
        if (!entry.range || entry.range->contains(address)) return entry.is_allowed;
    return entries_.empty();
}

}  // namespace touchstone::access
