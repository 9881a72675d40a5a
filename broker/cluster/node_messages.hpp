// What the nodes of a cluster tell each other. A link delivers in order, or not at all once one of
// its ends has called the other down.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/base/message.hpp"
#include "broker/cluster/healing_messages.hpp"
#include "broker/cluster/raft_messages.hpp"
#include "broker/cluster/route_table.hpp"
#include "broker/ports/peers.hpp"
#include "broker/ports/registry.hpp"

namespace touchstone::cluster {

/// A node since it began, and how often it has.
using NodeStart = std::pair<NodeIndex, std::uint64_t>;

/// When a row was written, by the clock of the node that wrote it.
struct RowStamp {
    std::int64_t at_us = 0;  // or a generation, where they are counted
    NodeIndex node;
    std::int64_t clean_since = 0;  // sessions of the client of an earlier generation are over
    std::uint64_t start = 0;       // of the node: how often it has begun, where it counts that
    friend auto operator<=>(const RowStamp&, const RowStamp&) = default;
};

// Writes of the sender to tables that every node has a copy of.
struct RouteWritten {
    RouteKey key;
    Route route;
};
struct RouteRemoved {
    RouteKey key;
};
struct SessionWritten {  // the sender has a session of the client
    std::string client_id;
    RowStamp stamp;
};
/// By the node that had it: the last generation of a client's sessions that has ended, and all
/// before. Those that the one that ended followed are among them; one that began without knowledge
/// of it is not, although its generation may be lower.
using EndedGenerations = std::map<NodeStart, std::int64_t>;
struct SessionRemoved {
    std::string client_id;
    EndedGenerations ended{};  // nothing: it has moved
};
struct RetainedWritten {  // without payload: removed
    MessageRef message;
    RetainVersion version;
};

using RowWrite =
    std::variant<RouteWritten, RouteRemoved, SessionWritten, SessionRemoved, RetainedWritten>;
/// One of the sender's writes, which it counts: who copies tables knows by the number whether it is
/// in them.
struct TableWrite {
    std::uint64_t number = 0;
    RowWrite row;
    /// Of a replicant: drawn when its process began, which may count anew without everybody having
    /// seen it go. 0 of others.
    std::uint64_t epoch = 0;
};

/// Tells publications of a node to another one apart, where the model keeps them until they are
/// confirmed; 0: it does not.
struct PublicationNumber {
    std::uint64_t epoch = 0;  // drawn when the sender's process began
    std::uint64_t number = 0;
};

/// For the ordinary subscriptions of the receiver, and for its Retained Messages if RETAIN is set.
struct NodePublication {
    MessageRef message;
    RetainVersion version;
    PublicationNumber number{};
};
/// For one member of a Shared Subscription at the receiver.
struct NodeSharedPublication {
    MessageRef message;
    std::string group;  // as PeerSharedPublication::group
    PublicationNumber number{};
};
/// The receiver's publications up to this one have come to the sender.
struct PublicationsTaken {
    PublicationNumber number;
};

// Publications that are kept until all nodes have them.
using LogOrigin = NodeStart;
using LogNumbers = std::map<LogOrigin, std::uint64_t>;
struct LogEntry {
    LogOrigin origin;
    std::uint64_t number = 0;  // from 1 on
    MessageRef message;
    RetainVersion version;
    bool is_oldest = false;  // those before it are everywhere
};
/// What the sender has, and asks for what it has not.
struct LogState {
    LogNumbers known;
    /// The same without what a session that is on its way from or to it may still lack: whoever
    /// gets that session adds it, and so may not have forgotten it by then.
    LogNumbers settled;
};

// A client is let in. Claims are numbered by the node that it connects to.
struct LockRequest {
    std::uint64_t claim = 0;
    std::string client_id;
};
struct LockReply {
    std::uint64_t claim = 0;
    bool is_granted = false;
};
struct LockRelease {
    std::uint64_t claim = 0;
    std::string client_id;
};
/// What has it subscribed to at the receiver? Answered by SessionOffer.
struct SessionRequest {
    std::uint64_t claim = 0;
    std::string client_id;
    /// Where nodes agree upon who has a client: the receiver's claim that this one comes behind.
    std::uint64_t follows = 0;
};
struct SessionOffer {
    std::uint64_t claim = 0;
    bool is_there = false;
    std::vector<RouteKey> routes;
};
/// Its session at the receiver ends, or moves here. Answered by SessionEvicted.
struct SessionEviction {
    std::uint64_t claim = 0;
    std::string client_id;
    SessionFate fate = SessionFate::ends;
    std::uint64_t follows = 0;  // as above
};
struct SessionEvicted {
    std::uint64_t claim = 0;
    std::shared_ptr<const storage::SessionCopy> session{};  // null: there was none, or it has ended
    /// What came to the sender for its subscribers since SessionOffer: it has been delivered there,
    /// or is in the session.
    std::vector<MessageRef> seen;
    LogNumbers known{};          // the same, where publications are kept
    std::uint64_t handover = 0;  // above 0: SessionTaken is wanted
    RowStamp stamp{};            // of the session
};
/// Two nodes had a session of the client; this was the older one.
struct SessionMerged {
    std::shared_ptr<const storage::SessionCopy> session;
    LogNumbers known{};
    std::uint64_t handover = 0;  // as above
};
struct SessionTaken {
    std::uint64_t handover = 0;
};

struct RegistryCommand;  // agreed_registry.hpp
/// To whoever leads the agreement on who has which client.
struct RegistryProposal {
    std::shared_ptr<const RegistryCommand> command;
};

// Whole tables.
struct TablesRequest {
    std::uint64_t number = 0;
};
struct RouteRow {
    RouteKey key;
    NodeIndex node;
    Route route;
};
struct SessionRow {
    std::string client_id;
    RowStamp stamp;  // its node has the session
};
struct EndedRow {
    std::string client_id;
    EndedGenerations ended;
};
struct Tables {
    std::uint64_t number =
        0;  // of the request; 0: nobody asked, and these are the sender's own rows
    std::vector<RouteRow> routes;
    std::vector<SessionRow> sessions;
    std::vector<RetainedWritten> retained;
    std::vector<EndedRow> ended{};
    std::vector<EndedRow> told_of{};              // sessions of any node, although they may be gone
    std::map<NodeIndex, std::uint64_t> written;   // by node: the last of its writes that is in them
    std::map<NodeIndex, std::uint64_t> epochs{};  // by replicant: TableWrite::epoch
};

// What nodes say that want no overlapping partitions (Defect::overlap_prevention_cascade).
/// The sender does not reach the node, so the receiver is not to reach it either.
struct LinkLost {
    NodeIndex node;
};
/// The sender takes the receiver for one that it does not reach.
struct LinkDropped {};

// What a core passes on, where some nodes are replicants: each is fed by one core.
/// A write of a node that does not reach the receiver itself.
struct RelayedWrite {
    NodeIndex origin;
    TableWrite write;
};
/// The same of all rows of a node.
struct RelayedTables {
    NodeIndex origin;
    Tables tables;
};
/// The sender has removed all rows of the node.
struct NodeForgotten {
    NodeIndex node;
};

using NodeMessage =
    std::variant<TableWrite, NodePublication, NodeSharedPublication, LockRequest, LockReply,
                 LockRelease, SessionRequest, SessionOffer, SessionEviction, SessionEvicted,
                 SessionMerged, TablesRequest, Tables, RegistryProposal, RaftMessage,
                 HealingMessage, PublicationsTaken, LinkLost, LinkDropped, SessionTaken, LogEntry,
                 LogState, RelayedWrite, RelayedTables, NodeForgotten>;

}  // namespace touchstone::cluster
