// The file of bans: one in a line, KIND UNTIL WHO, and behind ` ##` the reason.
//
//   ## kind      until                 who
//   client_id    never                 sensor 17     ## leaked password
//   username     never                 mallory
//   ip_address   2030-01-01T00:00:00Z  10.1.2.0/24
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/access/ban_list.hpp"
#include "broker/settings/problem.hpp"

namespace touchstone::settings {

struct BanEntry {
    access::BanKind kind = access::BanKind::client_id;
    std::string who;
    std::optional<std::int64_t> until_unix_s;  // nothing: for ever
    std::string reason;
    friend bool operator==(const BanEntry&, const BanEntry&) = default;
};

/// Lines that are none are told to `problems`, with `path` as their file.
[[nodiscard]] std::vector<BanEntry> read_bans(std::string_view text, const std::string& path,
                                              Problems& problems);

/// Adds the bans that still hold to `list`. `now` and `now_unix_s` are the same moment, on the
/// driver's clock and in seconds since 1970-01-01T00:00:00Z. False: the list is full.
bool add_bans(const std::vector<BanEntry>& bans, Instant now, std::int64_t now_unix_s,
              access::BanList& list);

/// "2030-01-01T00:00:00Z" (RFC 3339, in UTC, whole seconds) as seconds since 1970; nothing for
/// anything else.
[[nodiscard]] std::optional<std::int64_t> unix_s_of(std::string_view text);

}  // namespace touchstone::settings
