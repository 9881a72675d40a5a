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
    RetainedMessages(std::size_t count_max, bool with_peers)
        : count_max_{count_max}, with_peers_{with_peers} {}

    enum class Stored { yes, older, full };

    /// Keeps `message` as the retained message of its topic, or removes the topic's when the
    /// payload is empty [MQTT-3.3.1-6]. `older`: a later version is there already; `full`: not kept.
    Stored store(const MessageRef& message, RetainVersion version, Instant now);

    /// The message of a topic; empty when there is none or it has expired.
    [[nodiscard]] MessageRef find(std::string_view topic, Instant now) const;

    /// Appends the messages whose topics `filter` matches, in the order of their topics.
    void collect(std::string_view filter, Instant now, std::vector<MessageRef>& into) const;

    /// Forgets what has expired and old removals. Returns when it is wanted next; `never` for not.
    Instant sweep(Instant now);

    [[nodiscard]] std::size_t size() const { return count_; }

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
    std::size_t count_max_;
    bool with_peers_;
};

}  // namespace touchstone
