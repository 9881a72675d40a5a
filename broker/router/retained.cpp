#include "broker/router/retained.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone {
namespace {

/// How long the version of a removed topic is remembered: far longer than a message between shards
/// of one node can be under way.
constexpr Duration removal_remembered = std::chrono::seconds{60};

// Anybody can remove what was never there, one topic after another, so removals are bounded too: in
// count and in bytes like the messages themselves, on top of them. They do not share the room of
// the messages, because then a full shard would forget a removal with the next message that it
// stores, and an older message still under way would come back on that shard alone. The oldest go
// first: what they guard against has most likely arrived. So the shards disagree only if a removal
// is followed by this many others before a message that was published earlier arrives from another
// shard. At least: a node that retains little has messages under way, too. At most: a shard takes
// about a second for so many, and every shard has them (some 250 bytes each), seen by nobody as
// Retained Messages.
constexpr std::uint64_t removals_min = 1'024;
constexpr std::uint64_t removals_max = 250'000;
constexpr std::uint64_t removal_bytes_min = 1U << 20U;
constexpr std::uint64_t removal_bytes_max = 64U << 20U;

/// Neighbours are near in memory and in order; going to them costs less than a search of the map.
constexpr int steps_before_search = 8;

bool is_removal(const Message& message) {
    return message.payload().empty();
}

bool is_alive(const Message& message, Instant now) {
    return !is_removal(message) && message.expires_at() > now;
}

std::string_view level_at(std::string_view text, std::size_t begin) {
    return text.substr(begin, text.find('/', begin) - begin);
}

/// Whether `filter` matches `topic`. If not, `next` becomes a text behind `topic` in the order of
/// levels that no matching topic behind `topic` comes before; empty: there is no matching topic.
bool matches_or_skips(std::string_view filter, std::string_view topic, std::string& next) {
    next.clear();
    if (topic.starts_with('$') && (filter.starts_with('#') || filter.starts_with('+'))) {
        next = static_cast<char>('$' + 1);  // [MQTT-4.7.2-1]
        return false;
    }
    // Where the last level of the topic ends for which another could stand.
    auto last_plus_end = std::string_view::npos;
    std::size_t topic_at = 0;
    for (std::size_t filter_at = 0; filter_at <= filter.size();) {
        const auto wanted = level_at(filter, filter_at);
        if (wanted == "#") return true;  // the parent level too (§4.7.1.2)
        if (topic_at > topic.size()) {
            next = topic;
            next += '/';
            return false;
        }
        const auto level = level_at(topic, topic_at);
        if (wanted == "+") {
            last_plus_end = topic_at + level.size();
        } else if (level < wanted) {
            next = topic.substr(0, topic_at);
            next += wanted;
            return false;
        } else if (level != wanted) {
            break;
        }
        filter_at += wanted.size() + 1;
        topic_at += level.size() + 1;
        if (filter_at > filter.size() && topic_at > topic.size()) return true;
    }
    // Too far at some level: what matches has more at a level before it.
    if (last_plus_end != std::string_view::npos) {
        next = topic.substr(0, last_plus_end);
        next += '\0';
    }
    return false;
}

}  // namespace

bool RetainedMessages::LevelOrder::operator()(std::string_view a, std::string_view b) const {
    const auto size = std::min(a.size(), b.size());
    std::size_t at = 0;
    for (std::uint64_t of_a = 0, of_b = 0; at + sizeof of_a <= size; at += sizeof of_a) {
        std::memcpy(&of_a, a.data() + at, sizeof of_a);
        std::memcpy(&of_b, b.data() + at, sizeof of_b);
        if (of_a != of_b) break;
    }
    while (at < size && a[at] == b[at]) ++at;
    if (at == size) return a.size() < b.size();
    if (a[at] == '/' || b[at] == '/') return a[at] == '/';
    return static_cast<unsigned char>(a[at]) < static_cast<unsigned char>(b[at]);
}

void RetainedMessages::insert_message(Topics::iterator place, const MessageRef& message,
                                      RetainVersion version) {
    Deadlines::iterator deadline;
    if (message->expires_at() != never)
        deadline = expiries_.emplace(message->expires_at(), message->topic());
    topics_.emplace_hint(place, message->topic(), Entry{message, version, deadline});
    bytes_ += message->size_bytes();
}

void RetainedMessages::insert_removal(Topics::iterator place, std::string_view topic,
                                      RetainVersion version, Instant now) {
    // Without the properties of the message that removed: nobody asks for them.
    const auto removal = Message::make({.topic = topic});
    const auto deadline = removals_.emplace(now + removal_remembered, removal->topic());
    topics_.emplace_hint(place, removal->topic(), Entry{removal, version, deadline});
    removal_bytes_ += removal->size_bytes();

    const auto count_max = std::clamp(limits_.count_max, removals_min, removals_max);
    const auto bytes_max = std::clamp(limits_.bytes_max, removal_bytes_min, removal_bytes_max);
    while (removals_.size() > count_max || removal_bytes_ > bytes_max) forget_first(removals_);
}

RetainedMessages::Topics::iterator RetainedMessages::erase(Topics::iterator entry) {
    CHECK(entry != topics_.end());
    const auto& message = *entry->second.message;
    if (is_removal(message)) {
        removal_bytes_ -= message.size_bytes();
        removals_.erase(entry->second.deadline);
    } else {
        bytes_ -= message.size_bytes();
        if (message.expires_at() != never) expiries_.erase(entry->second.deadline);
    }
    return topics_.erase(entry);
}

RetainedMessages::Stored RetainedMessages::store(const MessageRef& message, RetainVersion version,
                                                 Instant now) {
    const auto topic = message->topic();
    auto place = topics_.lower_bound(topic);
    const bool is_known = place != topics_.end() && place->first == topic;
    if (is_known && place->second.version >= version) return Stored::older;
    const bool removes = is_removal(*message);
    if (!removes && !has_room(is_known ? place : topics_.end(), message->size_bytes()))
        return Stored::full;

    if (is_known) place = erase(place);
    if (!removes)
        insert_message(place, message, version);
    else if (with_peers_)
        insert_removal(place, topic, version, now);
    return Stored::yes;
}

bool RetainedMessages::has_room(std::string_view topic, std::size_t size_bytes) const {
    return has_room(topics_.find(topic), size_bytes);
}

bool RetainedMessages::has_room(Topics::const_iterator known, std::size_t size_bytes) const {
    const bool replaces = known != topics_.end() && !is_removal(*known->second.message);
    const auto freed_bytes = replaces ? known->second.message->size_bytes() : 0;
    return (replaces || size() < limits_.count_max) &&
           (size_bytes <= freed_bytes || bytes_ - freed_bytes + size_bytes <= limits_.bytes_max);
}

MessageRef RetainedMessages::find(std::string_view topic, Instant now) const {
    const auto found = topics_.find(topic);
    if (found == topics_.end() || !is_alive(*found->second.message, now)) return {};
    return found->second.message;
}

void RetainedMessages::collect(std::string_view filter, Instant now,
                               std::vector<MessageRef>& into) const {
    if (!wire::has_wildcard(filter)) {
        if (auto found = find(filter, now)) into.push_back(std::move(found));
        return;
    }
    std::string next;
    for (auto at = topics_.begin(); at != topics_.end();) {
        const auto& [topic, entry] = *at;
        if (matches_or_skips(filter, topic, next)) {
            if (is_alive(*entry.message, now)) into.push_back(entry.message);
            ++at;
            continue;
        }
        if (next.empty()) return;
        const auto is_before = [&] { return at != topics_.end() && LevelOrder{}(at->first, next); };
        for (int step = 0; step < steps_before_search && is_before(); ++step) ++at;
        if (is_before()) at = topics_.lower_bound(next);
    }
}

Instant RetainedMessages::sweep(Instant now) {
    auto wanted_at = never;
    for (const auto* const deadlines : {&expiries_, &removals_}) {
        while (!deadlines->empty() && deadlines->begin()->first <= now) forget_first(*deadlines);
        if (!deadlines->empty()) wanted_at = std::min(wanted_at, deadlines->begin()->first);
    }
    return wanted_at;
}

}  // namespace touchstone
