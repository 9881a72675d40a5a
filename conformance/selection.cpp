#include "conformance/selection.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>

#include "conformance/catalogue/catalogue.hpp"
#include "conformance/target_options.hpp"

namespace touchstone::conformance {

namespace {

/// `pattern` with * for any characters.
bool matches(std::string_view pattern, std::string_view text) {
    const auto star = pattern.find('*');
    if (star == std::string_view::npos) return pattern == text;
    if (!text.starts_with(pattern.substr(0, star))) return false;
    const auto rest = pattern.substr(star + 1);
    for (auto tail = text.substr(star);; tail.remove_prefix(1)) {
        if (matches(rest, tail)) return true;
        if (tail.empty()) return false;
    }
}

bool is_selected_by_id(const CaseEntry& entry, const std::string& pattern) {
    return matches(pattern, entry.id) ||
           std::ranges::any_of(entry.statements,
                               [&](const auto& statement) { return matches(pattern, statement); });
}

/// `section` is "v5/4.3", or "4.3" for both versions.
bool is_in_section_of(const CaseEntry& entry, std::string_view section) {
    const auto slash = section.find('/');
    const auto number = slash == std::string_view::npos ? section : section.substr(slash + 1);
    const auto version = slash == std::string_view::npos ? "" : section.substr(0, slash);
    return std::ranges::any_of(entry.statements, [&](const auto& id) {
        const auto* statement = find_statement(id);
        return statement != nullptr && (version.empty() || statement->version() == version) &&
               is_in_section(statement->section, number);
    });
}

bool has_tag(const CaseEntry& entry, const std::string& tag) {
    return std::ranges::binary_search(tags_of(entry), tag);
}

bool is_excluded_by(const CaseEntry& entry, const std::string& what) {
    return is_selected_by_id(entry, what) || is_in_section_of(entry, what) || has_tag(entry, what);
}

/// Whether `fits(entry, one)` for one of `wanted`; what fits some case is noted in `has_matched`.
template <class Fits>
bool fits_one_of(const CaseEntry& entry, const std::vector<std::string>& wanted,
                 std::set<std::string>& has_matched, Fits fits) {
    bool is_chosen = false;
    for (const auto& one : wanted) {
        if (!fits(entry, one)) continue;
        has_matched.insert(one);
        is_chosen = true;
    }
    return is_chosen;
}

void check_all_matched(const char* option, const std::vector<std::string>& wanted,
                       const std::set<std::string>& has_matched) {
    for (const auto& one : wanted) {
        if (has_matched.contains(one)) continue;
        const auto* const statement = find_statement(one);
        if (statement != nullptr && std::string_view{option} == "--only") {
            throw Refusal{"--only " + one +
                          ": no case judges it: " + statement->reason_without_case};
        }
        throw Refusal{std::string{option} + ' ' + one +
                      ": no case fits; `touchstone conform --list` shows all"};
    }
}

}  // namespace

void add_selection_options(CLI::App& app, Selection& selection) {
    app.add_option("--only", selection.only,
                   "ids of statements or cases; * stands for any characters");
    app.add_option("--section", selection.sections, "sections, like v5/4.3 or 3.3.4");
    app.add_option("--tag", selection.tags,
                   "cases about something: v5, publish, qos2, will, time, must, …; --list shows "
                   "the tags of each");
    app.add_option("--exclude", selection.excluded, "ids, sections or tags to leave out");
}

std::vector<const CaseEntry*> select(const Selection& selection) {
    std::vector<const CaseEntry*> chosen;
    std::set<std::string> only;
    std::set<std::string> sections;
    std::set<std::string> tags;
    std::set<std::string> excluded;
    const bool takes_any_place = selection.only.empty() && selection.sections.empty();
    for (const auto& entry : all_cases()) {
        const bool fits_only = fits_one_of(entry, selection.only, only, is_selected_by_id);
        const bool fits_section =
            fits_one_of(entry, selection.sections, sections, is_in_section_of);
        const bool fits_tag = fits_one_of(entry, selection.tags, tags, has_tag);
        const bool is_out = fits_one_of(entry, selection.excluded, excluded, is_excluded_by);
        if ((takes_any_place || fits_only || fits_section) &&
            (selection.tags.empty() || fits_tag) && !is_out) {
            chosen.push_back(&entry);
        }
    }
    check_all_matched("--only", selection.only, only);
    check_all_matched("--section", selection.sections, sections);
    check_all_matched("--tag", selection.tags, tags);
    check_all_matched("--exclude", selection.excluded, excluded);
    if (chosen.empty()) throw Refusal{"no case is left: --only, --section, --tag and --exclude"};
    return chosen;
}

std::string to_command_line(const Selection& selection) {
    std::string line;
    const auto add = [&line](const char* option, const std::vector<std::string>& values) {
        for (const auto& value : values) line += option + shell_word(value);
    };
    add(" --only ", selection.only);
    add(" --section ", selection.sections);
    add(" --tag ", selection.tags);
    add(" --exclude ", selection.excluded);
    return line;
}

std::vector<std::string> tags_of(const CaseEntry& entry) {
    std::set<std::string> tags;
    tags.insert(entry.version == ProtocolVersion::v5 ? "v5" : "v3.1.1");
    // "cases/both/3_3_publish.cpp": what follows the numbers.
    auto name = entry.file.substr(entry.file.rfind('/') + 1);
    name = name.substr(0, name.rfind('.'));
    while (!name.empty() &&
           (std::isdigit(static_cast<unsigned char>(name[0])) != 0 || name[0] == '_')) {
        name.erase(0, 1);
    }
    std::ranges::replace(name, '_', '-');
    tags.insert(name);
    const auto& needed = entry.requested;
    const auto add_if = [&tags](bool is_so, const char* tag) {
        if (is_so) tags.insert(tag);
    };
    add_if(needed.qos_min == 1, "qos1");
    add_if(needed.qos_min == 2, "qos2");
    add_if(needed.retain_available, "retain");
    add_if(needed.wildcards_available, "wildcards");
    add_if(needed.subscription_identifiers_available, "subscription-identifiers");
    add_if(needed.shared_subscriptions_available, "shared-subscriptions");
    add_if(needed.topic_aliases_min > 0, "topic-aliases");
    add_if(needed.session_expiry_s_min > 0, "session");
    add_if(needed.has_frames, "web-socket");
    add_if(needed.real_time.count() > 0, "time");
    add_if(needed.credentials, "users");
    add_if(needed.forbidden_topic, "access-rules");
    add_if(needed.scram_sha_256, "enhanced-authentication");
    add_if(needed.stops_broker, "restart");
    add_if(needed.condition == Condition::guarded, "guarded");
    add_if(needed.condition == Condition::reduced, "reduced");
    if (const auto* const statement = find_statement(entry.statements.front())) {
        auto level = statement->level;
        for (auto& c : level)
            c = c == ' ' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        tags.insert(level);
    }
    return {tags.begin(), tags.end()};
}

}  // namespace touchstone::conformance
