#include "broker/settings/ban_file.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <utility>

#include "broker/settings/lines.hpp"

namespace touchstone::settings {

namespace {

/// Takes the first word off `line`, and the blanks behind it.
std::string_view take_word(std::string_view& line) {
    const auto word = line.substr(0, line.find_first_of(" \t"));
    line = trimmed(line.substr(word.size()));
    return word;
}

/// What is wrong with the line; empty: nothing.
std::string read_ban(const Line& line, BanEntry& entry) {
    auto rest = line.content;
    const auto kind_word = take_word(rest);
    const auto until_word = take_word(rest);
    const auto kind = access::ban_kind_of(kind_word);
    if (!kind)
        return "expected client_id, username or ip_address, found '" + shown(kind_word) + "'";
    const auto until = unix_s_of(until_word);
    if (!until && until_word != "never")
        return "expected never or a time as in 2030-01-01T00:00:00Z, found '" + shown(until_word) +
               "'";
    if (rest.empty()) return "expected whom to ban behind the time";
    if (*kind == access::BanKind::address && !access::AddressRange::from_text(rest))
        return "expected an address or a range, as in 10.1.2.0/24, found '" + shown(rest) + "'";
    entry = {.kind = *kind,
             .who = std::string{rest},
             .until_unix_s = until,
             .reason = std::string{line.comment}};
    return {};
}

}  // namespace

std::vector<BanEntry> read_bans(std::string_view text, const std::string& path,
                                Problems& problems) {
    std::vector<BanEntry> bans;
    for_each_line(text, [&](const Line& line) {
        BanEntry entry;
        auto mistake = read_ban(line, entry);
        if (mistake.empty())
            bans.push_back(std::move(entry));
        else
            problems.add(line.origin(path), std::move(mistake));
    });
    return bans;
}

bool add_bans(const std::vector<BanEntry>& bans, Instant now, std::int64_t now_unix_s,
              access::BanList& list) {
    bool are_all_added = true;
    for (const auto& entry : bans) {
        access::Ban ban{.until = never, .reason = entry.reason};
        if (entry.until_unix_s) {
            if (*entry.until_unix_s <= now_unix_s) continue;
            const std::chrono::seconds left{*entry.until_unix_s - now_unix_s};
            if (left < std::chrono::duration_cast<std::chrono::seconds>(never - now))
                ban.until = now + left;
        }
        are_all_added = list.ban(entry.kind, entry.who, std::move(ban)) && are_all_added;
    }
    return are_all_added;
}

std::optional<std::int64_t> unix_s_of(std::string_view text) {
    constexpr std::string_view shape = "dddd-dd-ddTdd:dd:ddZ";
    if (text.size() != shape.size()) return std::nullopt;
    std::array<int, 6> numbers{};  // year, month, day, hour, minute, second
    std::size_t count = 0;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        const bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (shape[i] != 'd') {
            if (text[i] != shape[i]) return std::nullopt;
            ++count;
        } else if (is_digit) {
            numbers[count] = numbers[count] * 10 + (text[i] - '0');
        } else {
            return std::nullopt;
        }
    }
    namespace chrono = std::chrono;
    const chrono::year_month_day day{chrono::year{numbers[0]},
                                     chrono::month{static_cast<unsigned>(numbers[1])},
                                     chrono::day{static_cast<unsigned>(numbers[2])}};
    if (!day.ok() || numbers[3] > 23 || numbers[4] > 59 || numbers[5] > 59) return std::nullopt;
    const auto time = chrono::sys_days{day} + chrono::hours{numbers[3]} +
                      chrono::minutes{numbers[4]} + chrono::seconds{numbers[5]};
    return chrono::duration_cast<chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace touchstone::settings
