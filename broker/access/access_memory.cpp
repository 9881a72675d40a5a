#include "broker/access/access_memory.hpp"

#include <algorithm>

namespace touchstone::access {

std::optional<bool> AccessMemory::recall(Action action, std::string_view topic, Instant now) {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return entry.action == action && entry.topic == topic;
    });
    if (found == entries_.end()) return std::nullopt;
    if (found->until <= now) {
        entries_.erase(found);
        return std::nullopt;
    }
    std::rotate(entries_.begin(), found, found + 1);
    return entries_.front().is_allowed;
}

void AccessMemory::remember(Action action, std::string_view topic, bool is_allowed, Instant now) {
    if (entries_.size() >= bounds_.entries_max) entries_.pop_back();
    entries_.insert(entries_.begin(),
                    Entry{std::string{topic}, action, is_allowed, now + bounds_.life});
}

}  // namespace touchstone::access
