// MessageLog: the publications of a cluster whose nodes serve on both sides of a partition. Each is
// numbered by the node that took it and kept until all nodes have it; who has missed some gets them
// from anybody, in the order of their numbers, each once.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "broker/base/instant.hpp"
#include "broker/cluster/node_messages.hpp"

namespace touchstone::cluster {

class MessageLog {
public:
    /// `start` is another number whenever the node begins anew.
    MessageLog(NodeIndex self, std::uint64_t start, std::vector<NodeIndex> nodes)
        : self_{self},
          origin_{self, start},
          nodes_{std::move(nodes)} {}

    /// A publication that this node took.
    LogEntry add(const MessageRef& message, RetainVersion version, Instant now);
    /// Of another node. False: it is known, or others before it are missing.
    bool take(const LogEntry& entry);

    /// By origin: the number of the last that this node has; it has all before.
    [[nodiscard]] const LogNumbers& known() const { return known_; }
    /// The same without those of this node's own that it has taken since `since`.
    [[nodiscard]] LogNumbers known_before(Instant since) const;
    /// What somebody lacks who has these, in an order that take() takes.
    [[nodiscard]] std::vector<LogEntry> missing(const LogNumbers& theirs) const;
    /// Whether they have something that is missing here.
    [[nodiscard]] bool lacks(const LogNumbers& theirs) const;
    /// What all nodes have settled is forgotten: this one has `own`.
    void note(NodeIndex peer, const LogNumbers& theirs, const LogNumbers& own);

    [[nodiscard]] std::size_t size() const;

private:
    struct Kept {
        LogEntry entry;
        Instant at;
    };

    NodeIndex self_;
    LogOrigin origin_;
    std::vector<NodeIndex> nodes_;
    LogNumbers known_;
    std::map<NodeIndex, LogNumbers> theirs_;
    std::map<LogOrigin, std::deque<Kept>> entries_;
};

}  // namespace touchstone::cluster
