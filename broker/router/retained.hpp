// RetainedMessages: the last retained message of each topic (§3.3.1.3). Every shard holds all of
// them; versions make the shards agree whatever order concurrent publications arrive in.
//
// One map of whole topics in the order of their levels, not a tree of levels: what a topic costs
// does not depend on how many levels a client has put into it, and nothing has to go down level by
// level.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/instant.hpp"
#include "broker/ports/peers.hpp"

namespace touchstone {

class RetainedMessages {
public:
    struct Limits {
        std::uint64_t count_max = UINT64_MAX;
        std::uint64_t bytes_max = UINT64_MAX;  // of the messages (Message::size_bytes)
    };
    /// `with_peers`: other shards may still send older versions of a topic whose message was
    /// removed, so its version is remembered for a while.
    RetainedMessages(Limits limits, bool with_peers, bool notes_forgotten = false)
        : limits_{limits},
          with_peers_{with_peers},
          notes_forgotten_{notes_forgotten} {}
    RetainedMessages(const RetainedMessages&) = delete;
    RetainedMessages& operator=(const RetainedMessages&) = delete;
    /// What is beyond them already, stays.
    void set_limits(Limits limits) { limits_ = limits; }

    enum class Stored { yes, older, full };

    /// Keeps `message` as the retained message of its topic, or removes the topic's when the
    /// payload is empty [MQTT-3.3.1-6]. `older`: a later version is there already; `full`: not
    /// kept.
    Stored store(const MessageRef& message, RetainVersion version, Instant now);

    /// Whether store() would find room for a message of `size_bytes` under `topic`.
    [[nodiscard]] bool has_room(std::string_view topic, std::size_t size_bytes) const;

    /// The message of a topic; empty when there is none or it has expired.
    [[nodiscard]] MessageRef find(std::string_view topic, Instant now) const;

    /// Appends the messages whose topics `filter` matches, in the order of their topics' levels.
    void collect(std::string_view filter, Instant now, std::vector<MessageRef>& into) const;

    /// Forgets what has expired and old removals. Returns when it is wanted next; `never` for not.
    Instant sweep(Instant now);

    /// The topics that have been forgotten without a store() for them, if `notes_forgotten`.
    std::vector<std::string> take_forgotten() { return std::exchange(forgotten_, {}); }

    [[nodiscard]] std::size_t size() const { return topics_.size() - removals_.size(); }
    [[nodiscard]] std::uint64_t size_bytes() const { return bytes_; }

private:
    /// Level by level: a topic, then those that go on from it, then all others. A level never holds
    /// the separator, so it is enough that `/` comes before every other byte.
    struct LevelOrder {
        using is_transparent = void;
        bool operator()(std::string_view a, std::string_view b) const;
    };
    /// What is due when. Each topic has at most one entry, which goes when the topic gets another
    /// message: what was stored before leaves nothing behind. The texts are those of the messages.
    using Deadlines = std::multimap<Instant, std::string_view>;
    struct Entry {
        MessageRef message;  // without payload: the topic's message was removed
        RetainVersion version;
        Deadlines::iterator deadline;  // in removals_, or in expiries_ if the message expires
    };
    using Topics = std::map<std::string_view, Entry, LevelOrder>;  // the texts: as above

    /// `place`: what comes behind the topic, which has no entry.
    void insert_message(Topics::iterator place, const MessageRef& message, RetainVersion version);
    void insert_removal(Topics::iterator place, std::string_view topic, RetainVersion version,
                        Instant now);
    /// Returns what comes behind it.
    Topics::iterator erase(Topics::iterator entry);
    /// What is due first, or oldest.
    void forget_first(const Deadlines& deadlines) {
        if (notes_forgotten_) forgotten_.emplace_back(deadlines.begin()->second);
        erase(topics_.find(deadlines.begin()->second));
    }
    [[nodiscard]] bool has_room(Topics::const_iterator known, std::size_t size_bytes) const;

    Topics topics_;
    Deadlines expiries_;
    Deadlines removals_;  // until when each is remembered
    std::uint64_t bytes_ = 0;
    std::uint64_t removal_bytes_ = 0;
    Limits limits_;
    bool with_peers_;
    bool notes_forgotten_;
    std::vector<std::string> forgotten_;
};

}  // namespace touchstone
