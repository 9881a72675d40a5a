#include "broker/access/mountpoint.hpp"

#include <cstddef>
#include <utility>

#include "broker/wire/topics.hpp"

namespace touchstone::access {

namespace {

constexpr std::size_t topic_size_bytes_max = 65'535;    // [MQTT-4.7.3-3]
constexpr std::size_t template_size_bytes_max = 1'024;  // leaves clients room for their topics

/// Where the next `%c` or `%u` begins; npos when there is none.
std::size_t next_variable(std::string_view text) {
    for (auto at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1))
        if (variable_of(text.substr(at, 2)) != Variable::none) return at;
    return std::string_view::npos;
}

}  // namespace

Result<std::string> Mountpoint::mount_name(std::string_view name) const {
    if (prefix_.size() + name.size() > topic_size_bytes_max) return ReasonCode::topic_name_invalid;
    return prefix_ + std::string{name};
}

Result<std::string> Mountpoint::mount_filter(std::string_view filter) const {
    if (prefix_.size() + filter.size() > topic_size_bytes_max)
        return ReasonCode::topic_filter_invalid;
    const auto shared = wire::split_shared(filter);
    if (!shared) return prefix_ + std::string{filter};
    const auto share = filter.substr(0, filter.size() - shared->filter.size());
    return std::string{share} + prefix_ + std::string{shared->filter};
}

std::string_view Mountpoint::unmount(std::string_view name) const {
    if (name.starts_with(prefix_)) name.remove_prefix(prefix_.size());
    return name;
}

ParsedValue<MountpointTemplate> MountpointTemplate::from_text(std::string_view text) {
    if (text.size() > template_size_bytes_max) return ValueError{"at most 1024 bytes"};
    if (text.find_first_of(std::string_view{"+#\0", 3}) != std::string_view::npos)
        return ValueError{"a prefix without + and #"};
    if (text.starts_with('$')) return ValueError{"a prefix that does not begin with $"};
    if (next_variable(text) != std::string_view::npos && !text.ends_with('/'))
        return ValueError{"/ at the end, as in tenants/%u/, to keep clients apart"};
    return MountpointTemplate{std::string{text}};
}

std::optional<Mountpoint> MountpointTemplate::for_client(const Client& client) const {
    std::string prefix;
    std::string_view rest = text_;
    for (;;) {
        const auto at = next_variable(rest);
        prefix += rest.substr(0, at);
        if (at == std::string_view::npos) return Mountpoint{std::move(prefix)};
        const auto value = value_of(variable_of(rest.substr(at, 2)), client);
        if (!value || !is_one_level(*value)) return std::nullopt;
        prefix += *value;
        rest.remove_prefix(at + 2);
    }
}

}  // namespace touchstone::access
