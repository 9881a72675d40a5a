#include "broker/settings/report.hpp"

#include <map>
#include <utility>

#include "broker/settings/keys.hpp"

namespace touchstone::settings {

namespace {

std::string in_json(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7F) {
            out += "\\u00";
            out += digits[byte >> 4U];
            out += digits[byte & 0xFU];
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string in_json(const std::vector<Problem>& problems) {
    std::string out = "[";
    for (const auto& problem : problems) {
        if (out.size() > 1) out += ",";
        out += "\n    {\"origin\": " + in_json(problem.origin.to_text()) +
               ", \"message\": " + in_json(problem.message) + "}";
    }
    return out + "]";
}

/// Whether an entry that only one of two settings has is worth telling: not the defaults of a zone,
/// and of a listener its address alone.
bool is_told(const Entry& entry, const std::map<std::string, const Entry*>& other) {
    if (!entry.value) return false;
    if (!entry.key.starts_with("listener.")) return entry.origin.kind != Origin::Kind::built_in;
    const auto match = find_key(entry.key);
    const auto listener = "listener." + match->parts[0] + "." + match->parts[1];
    if (entry.key == listener) return true;
    return other.contains(listener) && entry.origin.kind != Origin::Kind::built_in;
}

std::map<std::string, const Entry*> by_key(const NodeSettings& settings) {
    std::map<std::string, const Entry*> entries;
    for (const auto& entry : settings.entries) entries[entry.key] = &entry;
    return entries;
}

}  // namespace

std::string effective_text(const NodeSettings& settings) {
    std::string text;
    for (const auto& entry : settings.entries) {
        if (entry.value)
            text += entry.key + " = " + *entry.value + "  ## " + entry.origin.to_text() + "\n";
        else
            text += "## " + entry.key + " is not set\n";
    }
    return text;
}

std::string effective_json(const Loaded& loaded) {
    std::string out = "{\n  \"valid\": ";
    out += loaded.settings ? "true" : "false";
    out += ",\n  \"settings\": [";
    bool is_first = true;
    if (loaded.settings) {
        for (const auto& entry : loaded.settings->entries) {
            out += is_first ? "" : ",";
            is_first = false;
            out += "\n    {\"key\": " + in_json(entry.key) +
                   ", \"value\": " + (entry.value ? in_json(*entry.value) : "null") +
                   ", \"origin\": " + in_json(entry.origin.to_text()) +
                   ", \"variable\": " + in_json(variable_of(entry.key)) +
                   ", \"reload\": " + (entry.reload == Reload::live ? "\"live\"" : "\"restart\"") +
                   "}";
        }
    }
    out += "],\n  \"problems\": " + in_json(loaded.problems);
    return out + ",\n  \"warnings\": " + in_json(loaded.warnings) + "\n}\n";
}

std::string problems_text(const Loaded& loaded) {
    std::string text;
    for (const auto& problem : loaded.problems) text += problem.to_text() + "\n";
    for (const auto& warning : loaded.warnings) text += "warning: " + warning.to_text() + "\n";
    return text;
}

std::string Change::to_text() const {
    if (is_content) return key + ": " + after + " has another content";
    const auto written = [](const std::string& value) { return value.empty() ? "not set" : value; };
    return key + ": " + written(before) + " → " + written(after);
}

Changes changes_between(const NodeSettings& before, const NodeSettings& after) {
    const auto old_entries = by_key(before);
    const auto new_entries = by_key(after);
    Changes changes;
    const auto add = [&](const Entry& entry, Change change) {
        auto& list = entry.reload == Reload::live ? changes.live : changes.restart;
        list.push_back(std::move(change));
    };
    for (const auto& entry : before.entries)
        if (!new_entries.contains(entry.key) && is_told(entry, new_entries))
            add(entry, {.key = entry.key, .before = *entry.value, .after = {}});
    for (const auto& entry : after.entries) {
        const auto found = old_entries.find(entry.key);
        const auto now = entry.value.value_or("");
        if (found == old_entries.end()) {
            if (is_told(entry, old_entries))
                add(entry, {.key = entry.key, .before = {}, .after = now});
            continue;
        }
        const auto then = found->second->value.value_or("");
        if (then != now)
            add(entry, {.key = entry.key, .before = then, .after = now});
        else if (found->second->content_digest != entry.content_digest)
            add(entry, {.key = entry.key, .before = then, .after = now, .is_content = true});
    }
    return changes;
}

}  // namespace touchstone::settings
