#include "broker/cluster/message_log.hpp"

#include <algorithm>

namespace touchstone::cluster {

namespace {

std::uint64_t number_in(const LogNumbers& numbers, const LogOrigin& origin) {
    const auto found = numbers.find(origin);
    return found == numbers.end() ? 0 : found->second;
}

}  // namespace

LogEntry MessageLog::add(const MessageRef& message, RetainVersion version, Instant now) {
    LogEntry entry{
        .origin = origin_, .number = ++known_[origin_], .message = message, .version = version};
    entries_[origin_].push_back({entry, now});
    return entry;
}

bool MessageLog::take(const LogEntry& entry) {
    auto& known = known_[entry.origin];
    const bool is_next = entry.number == known + 1 || (entry.is_oldest && entry.number > known);
    if (!is_next) return false;
    known = entry.number;
    entries_[entry.origin].push_back({entry, Instant{}});
    return true;
}

LogNumbers MessageLog::known_before(Instant since) const {
    auto numbers = known_;
    const auto own = entries_.find(origin_);
    if (own == entries_.end()) return numbers;
    const auto first_since =
        std::ranges::find_if(own->second, [&](const Kept& one) { return one.at >= since; });
    if (first_since != own->second.end()) numbers[origin_] = first_since->entry.number - 1;
    return numbers;
}

std::vector<LogEntry> MessageLog::missing(const LogNumbers& theirs) const {
    std::vector<LogEntry> all;
    for (const auto& [origin, kept] : entries_) {
        const auto last = number_in(theirs, origin);
        for (const auto& one : kept) {
            if (one.entry.number <= last) continue;
            all.push_back(one.entry);
            all.back().is_oldest = &one == &kept.front();
        }
    }
    return all;
}

bool MessageLog::lacks(const LogNumbers& theirs) const {
    return std::ranges::any_of(
        theirs, [&](const auto& one) { return number_in(known_, one.first) < one.second; });
}

void MessageLog::note(NodeIndex peer, const LogNumbers& theirs, const LogNumbers& own) {
    theirs_[peer] = theirs;
    for (auto& [origin, kept] : entries_) {
        auto last = number_in(own, origin);
        for (const auto node : nodes_)
            if (node != self_) last = std::min(last, number_in(theirs_[node], origin));
        while (!kept.empty() && kept.front().entry.number <= last) kept.pop_front();
    }
}

std::size_t MessageLog::size() const {
    std::size_t sum = 0;
    for (const auto& [origin, kept] : entries_) sum += kept.size();
    return sum;
}

}  // namespace touchstone::cluster
