// A record: everything that crossed the border of one shard's core, in order, as a file's bytes.
// Its beginning names the format; then come frames, each with its size and a checksum, so that a
// file that was cut off can be read up to there and one that was damaged is noticed.
//
//   file  = magic frame*
//   frame = payload size: 4 bytes | kind: 1 byte | checksum of both: 4 bytes
//         | checksum of kind and payload: 8 bytes | payload
//
// The size has a checksum of its own, so that a wrong one is not taken for a file that was cut off.
// An input is followed by the effects it had. The first frame is `begin`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/base/bytes.hpp"

namespace touchstone::record {

/// Changes with every change of codec.hpp or of what follows.
inline constexpr std::string_view magic = "touchstone record 4\n";

/// What a frame holds; its payload are the values named here, in their order, as codec.hpp has
/// them.
enum class Kind : std::uint8_t {
    // Inputs of Broker.
    begin = 1,      // Broker::Options, has authentication, has events, has storage (bools),
                    // NodeRules: the constructor
    found,          // key, value: on_record
    recovered,      // Instant
    open,           // Instant, ConnectionId, Origin
    bytes,          // Instant, ConnectionId, Bytes
    written,        // Instant, ConnectionId, uint64
    close,          // Instant, ConnectionId, DisconnectReason
    peer,           // Instant, ShardIndex, PeerMessage
    tick,           // Instant
    stored,         // Instant, BatchNumber, StorageOutcome
    authenticated,  // Instant, QuestionNumber, AuthenticationAnswer
    publish,        // Instant, the message as a MessageRef
    rules,          // Instant, NodeRules
    read,           // Instant, ReadNumber, ReadAnswer
    stop,           // Instant
    // Effects.
    sent = 64,     // ConnectionId, Bytes
    closed,        // ConnectionId
    aborted,       // ConnectionId
    moved,         // ConnectionId, ShardIndex, Origin
    resumed,       // ConnectionId
    told_peer,     // ShardIndex, PeerMessage
    drawn,         // uint64: what Random::next() gave
    asked,         // QuestionNumber, AuthenticationQuestion
    forgotten,     // QuestionNumber
    connected,     // ClientEvent
    disconnected,  // ClientEvent, DisconnectReason
    put,           // key, value
    erased,        // key
    committed,     // BatchNumber
    looked_up,     // ReadNumber, keys
    readable,      // bool: what on_record returned
    unusable,      // keys: what on_recovered returned
    taken,         // Intake: what on_bytes returned
    // The end of the record.
    end = 128,  // Ending
};

enum class Ending : std::uint8_t {
    stopped,  // with its broker
    limit,    // it was as long as it may become; the broker went on
};

[[nodiscard]] constexpr bool is_effect(Kind kind) {
    return kind >= Kind::sent && kind < Kind::end;
}

/// Whether the payload begins with the Instant of the input.
[[nodiscard]] constexpr bool has_instant(Kind kind) {
    return kind >= Kind::recovered && kind <= Kind::stop;
}

/// "bytes", "told_peer", …; "?" for what is none.
[[nodiscard]] std::string_view name_of(Kind kind);

/// Puts a frame behind what is in `to`.
void put_frame(Buffer& to, Kind kind, Bytes payload);

struct Frame {
    Kind kind{};
    Bytes payload;
    std::size_t offset = 0;  // in the file
};

struct Frames {
    std::vector<Frame> all;
    /// The last frame was not complete: whoever wrote it was ended. It is left out.
    bool is_torn = false;
};

/// The frames of a whole file, which outlives them. Else what is wrong with it, and at which byte.
[[nodiscard]] std::variant<Frames, std::string> frames_of(Bytes file);

}  // namespace touchstone::record
