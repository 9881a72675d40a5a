// AddressAccess: which addresses a listener accepts connections from. Asked at accept time, before
// a byte is read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/access/parsed.hpp"
#include "broker/access/peer_address.hpp"

namespace touchstone::access {

/// An ordered list: the first entry that holds the address decides; without one the address is
/// refused. A list without entries accepts everybody.
class AddressAccess {
public:
    struct Entry {
        bool is_allowed = false;
        std::optional<AddressRange> range;  // nothing: all addresses

        /// "allow 10.0.0.0/8", "deny all". Errors: what was expected.
        static ParsedValue<Entry> from_text(std::string_view text);
        [[nodiscard]] std::string to_text() const;
        friend bool operator==(const Entry&, const Entry&) = default;
    };

    void add(Entry entry) { entries_.push_back(entry); }
    [[nodiscard]] bool accepts(const PeerAddress& address) const;
    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
    friend bool operator==(const AddressAccess&, const AddressAccess&) = default;

private:
    std::vector<Entry> entries_;
};

}  // namespace touchstone::access
