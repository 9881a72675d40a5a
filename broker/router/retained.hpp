// RetainedMessages: the last retained message of each topic (§3.3.1.3). Every shard holds all of
// them; versions make the shards agree whatever order concurrent publications arrive in.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/instant.hpp"
#include "broker/ports/peers.hpp"

namespace touchstone {

class RetainedMessages {
public:
    /// `with_peers`: other shards may still send older versions of a topic whose message was
    /// removed, so its version is remembered for a while.
    struct Limits {
        std::uint64_t count_max = UINT64_MAX;
        std::uint64_t bytes_max = UINT64_MAX;  // of the messages (Message::size_bytes)
    };
    RetainedMessages(Limits limits, bool with_peers) : limits_{limits}, with_peers_{with_peers} {}
    /// What is beyond them already, stays.
    void set_limits(Limits limits) { limits_ = limits; }

    enum class Stored { yes, older, full };

    /// Keeps `message` as the retained message of its topic, or removes the topic's when the
    /// payload is empty [MQTT-3.3.1-6]. `older`: a later version is there already; `full`: not kept.
    Stored store(const MessageRef& message, RetainVersion version, Instant now);

    /// Whether store() would find room for a message of `size_bytes` under `topic`.
    [[nodiscard]] bool has_room(std::string_view topic, std::size_t size_bytes) const;

    /// The message of a topic; empty when there is none or it has expired.
    [[nodiscard]] MessageRef find(std::string_view topic, Instant now) const;

    /// Appends the messages whose topics `filter` matches, in the order of their topics.
    void collect(std::string_view filter, Instant now, std::vector<MessageRef>& into) const;

    /// Forgets what has expired and old removals. Returns when it is wanted next; `never` for not.
    Instant sweep(Instant now);

    [[nodiscard]] std::size_t size() const { return count_; }
    [[nodiscard]] std::uint64_t size_bytes() const { return bytes_; }

private:
    struct Node {
        std::map<std::string, std::unique_ptr<Node>, std::less<>> children;
        MessageRef message;
        RetainVersion version;
    };
    struct Due {
        Instant at;
        RetainVersion version;
        std::string topic;
    };
    struct Later {
        bool operator()(const Due& a, const Due& b) const { return a.at > b.at; }
    };

    void put(Node& node, MessageRef message);
    Node& node_of(std::string_view topic);
    [[nodiscard]] const Node* find_node(std::string_view topic) const;
    void prune(Node& node, std::string_view topic);
    static void collect_below(const Node& node, std::string_view filter, bool first, Instant now,
                              std::vector<MessageRef>& into);
    static void collect_all(const Node& node, bool first, Instant now,
                            std::vector<MessageRef>& into);

    Node root_;
    std::vector<Due> due_;  // a heap: expiry of messages and of remembered removals
    std::size_t count_ = 0;
    std::uint64_t bytes_ = 0;
    Limits limits_;
    bool with_peers_;
};

}  // namespace touchstone
