// Assignments: what file, environment and options say, each value read and checked by itself, the
// strongest source for each key.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "broker/settings/keys.hpp"
#include "broker/settings/load.hpp"
#include "broker/settings/problem.hpp"

namespace touchstone::settings {

struct Assignment {
    KeyMatch match;
    std::string value;  // canonical
    Origin origin;
};

class Assignments {
public:
    /// `text` is that of the settings file `path`.
    void take_file(std::string_view text, const std::string& path, Problems& problems);
    void take_environment(const Sources& sources, Problems& problems);
    void take_overrides(const Sources& sources, Problems& problems);

    /// Null when no source sets `name`, or its value is wrong.
    [[nodiscard]] const Assignment* find(std::string_view name) const;
    [[nodiscard]] const std::map<std::string, Assignment, std::less<>>& all() const {
        return assigned_;
    }
    /// Keys that somebody meant to set, those with wrong values included: what is missing besides
    /// them should not be told as well.
    [[nodiscard]] const std::map<std::string, KeyMatch, std::less<>>& mentioned() const {
        return mentioned_;
    }
    [[nodiscard]] bool is_mentioned(std::string_view name) const {
        return mentioned_.find(name) != mentioned_.end();
    }

private:
    /// One source: a key may be in it once.
    using Seen = std::map<std::string, Origin, std::less<>>;

    void take(std::string_view name, std::string_view value, Origin origin, Seen& seen,
              Problems& problems);

    std::map<std::string, Assignment, std::less<>> assigned_;
    std::map<std::string, KeyMatch, std::less<>> mentioned_;
};

/// A target for `key` that nobody looks at, to see whether a value is one.
class ScratchTarget {
public:
    [[nodiscard]] Target target();

private:
    NodeSettings node_;
    access::Zone zone_;
    Listener listener_{.tls = TlsSettings{}};
    access::AddressAccess::Entry access_entry_;
    TlsIdentity server_name_;
    SubscriptionDraft subscription_;
};

}  // namespace touchstone::settings
