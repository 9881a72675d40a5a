#include "broker/settings/assignments.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "broker/settings/lines.hpp"

namespace touchstone::settings {

namespace {

/// A path in a settings file is meant from where the file is.
std::string resolved(std::string_view value, const Origin& origin) {
    const std::filesystem::path path{value};
    if (origin.kind != Origin::Kind::file || path.is_absolute()) return std::string{value};
    return (std::filesystem::path{origin.name}.parent_path() / path).string();
}

std::string wrong_value(std::string_view name, std::string_view value, const Key& key,
                        std::string_view expected) {
    std::string message = shown(name) + " = " + shown(value) + ": expected ";
    message += expected;
    if (value.starts_with('"') || value.starts_with('\'')) message += "; write it without quotes";
    if (!key.default_text.empty()) message += "; the default is " + std::string{key.default_text};
    return message;
}

bool is_text(std::string_view line) {
    const auto is_control = [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
    };
    return std::ranges::none_of(line, is_control);
}

}  // namespace

Target ScratchTarget::target() {
    return {.node = &node_,
            .zone = &zone_,
            .listener = &listener_,
            .access_entry = &access_entry_,
            .server_name = &server_name_,
            .subscription = &subscription_};
}

void Assignments::take_file(std::string_view text, const std::string& path, Problems& problems) {
    Seen seen;
    for_each_line(text, [&](const Line& line) {
        const auto equals = line.content.find('=');
        const auto name = trimmed(line.content.substr(0, equals));
        if (!is_text(line.content)) {
            problems.add(line.origin(path), "expected text, found a control character");
        } else if (equals == line.content.npos || name.empty()) {
            problems.add(line.origin(path),
                         "expected key = value, found '" + shown(line.content) + "'");
        } else {
            take(name, trimmed(line.content.substr(equals + 1)), line.origin(path), seen, problems);
        }
    });
}

void Assignments::take_environment(const Sources& sources, Problems& problems) {
    Seen seen;
    for (const auto& [variable, value] : sources.environment) {
        const auto name = name_of_variable(variable);
        if (!name) continue;
        const Origin origin{.kind = Origin::Kind::environment, .name = variable};
        if (is_text(value))
            take(*name, trimmed(value), origin, seen, problems);
        else
            problems.add(origin, "expected text, found a control character");
    }
}

void Assignments::take_overrides(const Sources& sources, Problems& problems) {
    Seen seen;
    for (const auto& one : sources.overrides) {
        const Origin origin{.kind = Origin::Kind::command_line, .name = one.option};
        if (is_text(one.value))
            take(trimmed(one.key), trimmed(one.value), origin, seen, problems);
        else
            problems.add(origin, "expected text, found a control character");
    }
}

void Assignments::take(std::string_view name, std::string_view value, Origin origin, Seen& seen,
                       Problems& problems) {
    auto match = find_key(name);
    if (!match) {
        if (problems.is_full()) return problems.add(std::move(origin), {});
        auto message = "unknown key " + shown(name);
        // For a variable the advice speaks of keys, too: that is what both have in common.
        message += "; " + advice_for_unknown_key(name);
        return problems.add(std::move(origin), std::move(message));
    }
    if (const auto [earlier, is_new] = seen.emplace(match->name, origin); !is_new)
        return problems.add(std::move(origin), match->name + " is set already (" +
                                                   earlier->second.to_text() +
                                                   "); keep one of them");
    if (comment_begin(value) != value.npos)
        return problems.add(std::move(origin),
                            match->name + ": a value cannot have ## behind a blank");
    const auto& key = *match->key;
    mentioned_.emplace(match->name, *match);
    const auto text = key.is_path && !value.empty() ? resolved(value, origin) : std::string{value};
    ScratchTarget scratch;
    auto canonical = value.empty() ? ParsedValue<std::string>{ValueError{key.form}}
                                   : key.put(scratch.target(), text);
    if (canonical.has_error()) {
        // A weaker source's value is not taken instead: that would hide the mistake.
        assigned_.erase(match->name);
        return problems.add(std::move(origin),
                            wrong_value(name, value, key, canonical.error().expected));
    }
    const auto canonical_name = match->name;
    assigned_[canonical_name] = {.match = std::move(*match),
                                 .value = std::move(canonical).value(),
                                 .origin = std::move(origin)};
}

const Assignment* Assignments::find(std::string_view name) const {
    const auto found = assigned_.find(name);
    return found == assigned_.end() ? nullptr : &found->second;
}

}  // namespace touchstone::settings
