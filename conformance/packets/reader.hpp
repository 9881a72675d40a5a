// Bytes of either side → Control Packets, with everything that is wrong in them. Total: any bytes
// give a packet with faults, never a crash. Judges one packet by itself; what depends on the
// packets before it is suite/monitor.hpp's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/bytes.hpp"
#include "broker/base/instant.hpp"
#include "broker/base/mqtt.hpp"
#include "conformance/packets/build.hpp"
#include "conformance/packets/properties.hpp"

namespace touchstone::conformance {

enum class Sender : std::uint8_t { client, server };

/// A rule that both versions have under their own numbers; empty where a version has no such rule.
struct Rule {
    std::string_view v5;
    std::string_view v3_1_1;
};

/// The statement id of `rule` with its version, "v5/MQTT-2.1.3-1"; empty when that version has
/// none.
[[nodiscard]] std::string statement_of(const Rule& rule, ProtocolVersion version);

/// "v5/" or "v3.1.1/".
[[nodiscard]] std::string_view prefix_of(ProtocolVersion version);

/// One thing that is wrong with a packet.
struct Fault {
    std::string statement;  // the statement it breaks; empty: none by number, so not a failure
    std::string text;       // what is wrong, one line
};

/// The text of the fault of a SUBACK or UNSUBACK whose list of Reason Codes is empty.
inline constexpr std::string_view no_codes = "no Reason Code";

/// One Control Packet, decoded as far as it could be.
struct Packet {
    ProtocolVersion version = ProtocolVersion::v5;
    Sender sender = Sender::server;
    PacketType type = PacketType::reserved;
    std::uint8_t flags = 0;     // low nibble of the first byte
    Buffer raw{};               // the whole packet
    Instant at{};               // when its last byte was received or sent
    std::size_t step = 0;       // its place in the trace of the case
    bool is_decodable = false;  // all fields were there and nothing was left over
    std::vector<Fault> faults{};

    std::uint16_t packet_id = 0;               // 0: the packet has none, or it is wrong
    std::uint8_t reason_code = 0;              // CONNACK, acknowledgements, DISCONNECT, AUTH
    std::vector<std::uint8_t> reason_codes{};  // SUBACK, UNSUBACK
    Properties properties{};

    std::uint8_t acknowledge_flags = 0;  // CONNACK
    [[nodiscard]] bool session_present() const { return (acknowledge_flags & 1U) != 0; }

    bool dup = false;  // PUBLISH
    bool retain = false;
    std::uint8_t qos = 0;  // 0 … 3
    std::string topic{};
    std::string payload{};

    std::string protocol_name{};  // CONNECT
    std::uint8_t protocol_version = 0;
    std::uint8_t connect_flags = 0;
    std::uint16_t keep_alive_s = 0;
    std::string client_id{};
    std::optional<WillFields> will{};
    std::optional<std::string> user_name{};
    std::optional<std::string> password{};

    std::vector<FilterFields> filters{};  // SUBSCRIBE, UNSUBSCRIBE
};

/// Decodes one whole packet as cut out by take_packet(). Any bytes are allowed.
[[nodiscard]] Packet decode(Bytes raw, ProtocolVersion version, Sender sender);

/// What take_packet() found at the front of a stream.
enum class Framing : std::uint8_t { packet, need_more, broken };

/// Cuts the first packet off `stream` into `raw`. `need_more`: it is not complete, nothing changed.
/// `broken`: the Remaining Length has more than four bytes; `raw` gets the rest, `stream` is empty.
[[nodiscard]] Framing take_packet(Buffer& stream, Buffer& raw);

/// One line: "PUBLISH id=7 q1 dup t='a/b' 5 B".
[[nodiscard]] std::string describe(const Packet& packet);

/// "0x82 protocol_error"; before 5.0 the number only.
[[nodiscard]] std::string describe_code(std::uint8_t code, ProtocolVersion version);

/// `text` with everything unprintable escaped, at most `limit` characters, then "…".
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 80);

enum class Utf8 : std::uint8_t { well_formed, ill_formed, contains_null };

/// Judges a UTF-8 Encoded String (v5 §1.5.4, v3.1.1 §1.5.3).
[[nodiscard]] Utf8 judge_utf8(std::string_view text);

/// Whether v5 §3.x.2 lists `code` for the packet `type`, sent by the server.
[[nodiscard]] bool is_listed_code(PacketType type, std::uint8_t code);

}  // namespace touchstone::conformance
