// Mountpoint: a prefix that a listener puts before every topic of its clients, who never see it.
// So tenants share a broker without meeting.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "broker/access/client.hpp"
#include "broker/access/parsed.hpp"
#include "broker/base/result.hpp"

namespace touchstone::access {

/// The prefix of one client; empty by default, which changes nothing.
class Mountpoint {
public:
    Mountpoint() = default;

    /// The Topic Name inside the broker.
    /// Errors: topic_name_invalid when it would exceed 65,535 bytes.
    [[nodiscard]] Result<std::string> mount_name(std::string_view name) const;
    /// The Topic Filter inside the broker; of a Shared Subscription (`$share/{name}/{filter}`) what
    /// is behind the ShareName gets the prefix.
    /// Errors: topic_filter_invalid when it would exceed 65,535 bytes.
    [[nodiscard]] Result<std::string> mount_filter(std::string_view filter) const;
    /// The Topic Name as the client knows it: `name` without the prefix. A name without the prefix
    /// stays what it is. Valid as long as `name`'s memory.
    [[nodiscard]] std::string_view unmount(std::string_view name) const;

    [[nodiscard]] const std::string& prefix() const { return prefix_; }

private:
    friend class MountpointTemplate;
    explicit Mountpoint(std::string prefix) : prefix_{std::move(prefix)} {}

    std::string prefix_;
};

/// The prefix as it is set, with `%c` and `%u` for the client's own.
class MountpointTemplate {
public:
    /// The empty prefix.
    MountpointTemplate() = default;
    /// Errors: wildcards, `$` at the beginning (the broker's own topics and Shared Subscriptions
    /// begin so), more than 1,024 bytes, or a variable and no `/` at the end: `dev%c` would give
    /// client 1 with topic 2x and client 12 with topic x the same name.
    static ParsedValue<MountpointTemplate> from_text(std::string_view text);

    /// Nothing when the client has no User Name for `%u`, or a value that is not one topic level:
    /// such a client would leave its own part of the tree, so refuse it (not_authorized).
    [[nodiscard]] std::optional<Mountpoint> for_client(const Client& client) const;

    [[nodiscard]] const std::string& text() const { return text_; }

private:
    explicit MountpointTemplate(std::string text) : text_{std::move(text)} {}

    std::string text_;
};

}  // namespace touchstone::access
