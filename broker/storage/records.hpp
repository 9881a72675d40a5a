// What is stored, record by record, and how it looks as bytes. README.md of this folder has the
// table of keys. A record is: a byte for the version of the format, the fields in the order of
// their struct (integers big-endian, texts behind their length), and a check sum of all that and
// the key, so that bytes that rotted, or are in the place of others, are no record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/access/peer_address.hpp"
#include "broker/base/bytes.hpp"
#include "broker/base/instant.hpp"
#include "broker/base/message.hpp"
#include "broker/base/mqtt.hpp"
#include "broker/ports/peers.hpp"
#include "broker/storage/stored_will.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone::storage {

/// The version of the format that is written. An older one would still be read; there is none yet.
inline constexpr std::uint8_t format_version = 1;

/// Counts what is kept, over all restarts of a shard; none is used twice. 0: none.
using Number = std::uint64_t;

/// The highest number in use when the batch was ended.
struct CounterRecord {
    Number last = 0;
    friend bool operator==(const CounterRecord&, const CounterRecord&) = default;
};

/// An Application Message that sessions or other shards are to get.
struct MessageRecord {
    Number number = 0;
    MessageRef message;
};

/// A Retained Message, kept by the shard that owns its topic; without payload: it was removed not
/// long ago, and an older one may still be on its way to some shard.
struct RetainedRecord {
    RetainVersion version;
    MessageRef message;
};

/// A session without its subscriptions and messages; or only the Will Message of one that ends with
/// its connection.
struct SessionRecord {
    std::string client_id;
    Number number = 0;
    bool is_durable = false;  // false: there for the sake of the Will
    ProtocolVersion version = ProtocolVersion::v3_1_1;
    std::uint32_t session_expiry_s = 0;
    std::uint16_t listener = 0;
    access::PeerAddress address;
    std::optional<std::string> user_name;
    bool is_connected = false;
    Instant ends_at = never;      // not connected: when the session expires
    Instant will_due_at = never;  // not connected: when the Will Message is published
    std::optional<StoredWill> will;
    friend bool operator==(const SessionRecord&, const SessionRecord&) = default;
};

struct SubscriptionRecord {
    Number session = 0;
    std::string text;        // as inside the broker: behind the mountpoint, `$share/…` included
    bool is_shared = false;  // whether `$share/…` has its meaning
    wire::SubscriptionOptions options;
    std::uint32_t identifier = 0;
    friend bool operator==(const SubscriptionRecord&, const SubscriptionRecord&) = default;
};

/// In the place of a session's number: what is for any member of a Shared Subscription, since the one
/// that has it does not outlive the process.
inline constexpr Number no_session = 0;

/// A message of QoS 1 or 2 that a session is owed: it waits, or is in flight.
struct DeliveryRecord {
    enum class State : std::uint8_t { waiting, in_flight, released };

    Number session = 0;
    Number sequence = 0;  // orders what waits
    State state = State::waiting;
    std::uint16_t packet_id = 0;  // 0: waiting
    Number started = 0;           // orders what is in flight; 0: waiting
    Number message = 0;           // 0: released, and not needed any more
    QoS qos = QoS::at_least_once;
    bool retain = false;
    bool snapshot = false;
    std::vector<std::uint32_t> identifiers;  // Subscription Identifiers
    std::string group;  // the Shared Subscription it was sent for, as written; empty: none
    friend bool operator==(const DeliveryRecord&, const DeliveryRecord&) = default;
};

/// A QoS 2 message of the client whose PUBREL is due.
struct ReceivedRecord {
    Number session = 0;
    std::uint16_t packet_id = 0;
    friend bool operator==(const ReceivedRecord&, const ReceivedRecord&) = default;
};

/// A message on its way to another shard, which has not said yet that it is stored there.
struct ForwardRecord {
    Number number = 0;
    Number message = 0;
    std::uint32_t to = 0;
    std::string group;        // PeerSharedPublication::group; empty: a PeerPublication
    std::uint64_t tried = 0;  // PeerSharedPublication::tried
    RetainVersion version;    // PeerPublication::version
    friend bool operator==(const ForwardRecord&, const ForwardRecord&) = default;
};

/// The last of another shard's forwards that this shard has taken.
struct MarkRecord {
    std::uint32_t from = 0;
    Number number = 0;
    friend bool operator==(const MarkRecord&, const MarkRecord&) = default;
};

using Record =
    std::variant<CounterRecord, MessageRecord, RetainedRecord, SessionRecord, SubscriptionRecord,
                 DeliveryRecord, ReceivedRecord, ForwardRecord, MarkRecord>;

/// Keys. The texts behind the letters may be any bytes.
[[nodiscard]] std::string key_of_counter();
[[nodiscard]] std::string key_of_message(Number number);
[[nodiscard]] std::string key_of_retained(std::string_view topic);
[[nodiscard]] std::string key_of_session(std::string_view client_id);
[[nodiscard]] std::string key_of_subscription(Number session, std::string_view text);
[[nodiscard]] std::string key_of_delivery(Number session, Number sequence);
[[nodiscard]] std::string key_of_received(Number session, std::uint16_t packet_id);
[[nodiscard]] std::string key_of_forward(Number number);
[[nodiscard]] std::string key_of_mark(std::uint32_t from);
[[nodiscard]] std::string key_of(const Record& record);
/// Whether what is under the key is a MessageRecord, or none at all.
[[nodiscard]] constexpr bool is_of_message(std::string_view key) {
    return key.starts_with("m/");
}

/// `key`: key_of(record). `wall_offset`: what an Instant has to be moved by to be the time since
/// 1970-01-01 UTC, which is how instants are stored: the next process counts from elsewhere.
[[nodiscard]] Buffer encode(std::string_view key, const Record& record, Duration wall_offset);

/// Nothing when the bytes are no record of a version that is known, or not the one of this key.
[[nodiscard]] std::optional<Record> decode(std::string_view key, Bytes value, Duration wall_offset);

}  // namespace touchstone::storage
