// The table of keys: every setting with its name, form, default and meaning, in one place. Reading,
// checking, printing and the help are made from it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/settings/node_settings.hpp"

namespace touchstone::settings {

/// What a key belongs to, by the beginning of its name.
enum class Scope : unsigned char {
    node,          // one for all
    zone,          // zone.<zone>.…, with a name for all zones
    listener,      // listener.<type>.<name>, and .… behind it
    access_entry,  // listener.<type>.<name>.access.<n>
    server_name,   // listener.<type>.<name>.sni.<n>.…
    subscription,  // module.subscription.<n>.…
};

/// Entries with a number are put together before they are added.
struct SubscriptionDraft {
    std::optional<access::TopicTemplate> topic;
    wire::SubscriptionOptions options;
};

/// Where a value goes: what its key's scope needs is set.
struct Target {
    NodeSettings* node = nullptr;
    access::Zone* zone = nullptr;
    Listener* listener = nullptr;
    access::AddressAccess::Entry* access_entry = nullptr;
    TlsIdentity* server_name = nullptr;
    SubscriptionDraft* subscription = nullptr;
};

struct Key {
    Scope scope = Scope::node;
    /// The name with `<…>` where a part is free: a name of [a-z0-9_]+, `<n>` a number from 1, or
    /// one of several words, `<ssl|wss>`.
    std::string pattern;
    std::string for_all_zones;      // scope zone: the name that sets it for all zones
    std::vector<std::string> also;  // other names with the same meaning
    std::string_view section;
    std::string_view default_text;  // as it would be written; empty: not set
    std::string_view meaning;
    Reload reload = Reload::live;
    bool is_path = false;  // relative to the settings file
    std::string form;      // what a value looks like
    /// Reads `text`, puts the value into the target, returns it as it is written canonically.
    std::function<ParsedValue<std::string>(const Target&, std::string_view text)> put;
};

/// All keys, in the order of the help.
[[nodiscard]] const std::vector<Key>& keys();

/// A name found in the table.
struct KeyMatch {
    const Key* key = nullptr;
    std::string name;                // canonical: other names are replaced
    std::vector<std::string> parts;  // what stands for the `<…>` of the pattern, in their order
    bool is_for_all_zones = false;   // parts is then empty
};

/// Nothing when no key has this name.
[[nodiscard]] std::optional<KeyMatch> find_key(std::string_view name);

/// A message's end about a name that is no key: the nearest one, or why one that other brokers know
/// has no meaning here.
[[nodiscard]] std::string advice_for_unknown_key(std::string_view name);

/// The one of `known` that is the fewest changes of a character (another, one more, one less, two
/// swapped) away from `text`; empty when all are further than a third of its size.
[[nodiscard]] std::string nearest(std::string_view text, std::span<const std::string> known);

/// "TOUCHSTONE_" and the name in upper case with `__` for each point, and back. Back is nothing
/// when `variable` does not begin so.
[[nodiscard]] std::string variable_of(std::string_view name);
[[nodiscard]] std::optional<std::string> name_of_variable(std::string_view variable);

/// Whether `text` can name a zone or a listener: lower case letters, digits and single underscores,
/// so that it survives in an environment variable.
[[nodiscard]] bool is_name(std::string_view text);

/// The pattern with `parts` in place of the `<…>`.
[[nodiscard]] std::string filled(std::string_view pattern, std::span<const std::string> parts);

/// The help: all keys with their environment variables, forms, defaults and meanings.
[[nodiscard]] std::string help_text();

}  // namespace touchstone::settings
