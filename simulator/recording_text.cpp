#include "simulator/recording_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <type_traits>

#include "broker/record/codec.hpp"
#include "broker/wire/packets.hpp"
#include "simulator/trace.hpp"

namespace touchstone::simulator {

using record::Decoder;
using record::Kind;

namespace {

/// Bytes that are shown; enough for every packet that matters to be told apart.
constexpr std::size_t shown_bytes_max = 48;
/// Bytes before the first one that differs.
constexpr std::size_t before_difference_bytes = 16;
/// Packets of one effect that are shown.
constexpr std::size_t shown_packets_max = 8;

std::string hex_of(Bytes bytes, std::size_t from) {
    const auto shown = bytes.subspan(from, std::min(bytes.size() - from, shown_bytes_max));
    std::string text = from > 0 ? fmt::format("… from byte {}:", from) : "";
    for (const auto byte : shown) {
        text += fmt::format("{}{:02X}", text.empty() ? "" : " ", std::to_integer<unsigned>(byte));
    }
    if (from + shown.size() < bytes.size()) text += fmt::format(" … of {} bytes", bytes.size());
    return text;
}

/// "PUBLISH id=7 q1 t='a'; PINGRESP": the packets in `bytes`.
std::string packets_in(Bytes bytes, ProtocolVersion version) {
    Trace trace;
    const Actor nobody = trace.add_actor("");
    const auto connection = trace.add_connection(nobody, nobody);
    std::string text;
    for (std::size_t count = 0; !bytes.empty(); ++count) {
        if (count == shown_packets_max) return text + "; …";
        const Bytes before = bytes;
        const auto frame = wire::take_frame(bytes, wire::packet_size_bytes_max, version);
        if (!text.empty()) text += "; ";
        if (!frame || !frame.value()) {
            return text + fmt::format("{} bytes that are no packet", before.size());
        }
        const auto index = trace.add_packet(Instant{}, connection, Direction::to_client,
                                            before.first(before.size() - bytes.size()), version);
        text += describe(trace, trace.packets[index]);
    }
    return text;
}

/// What a message to another shard is about.
std::string text_of(const PeerMessage& message) {
    return std::visit(
        [](const auto& one) -> std::string {
            using T = std::remove_cvref_t<decltype(one)>;
            const auto about = [](std::string_view what, const MessageRef& ref) {
                return fmt::format("{} of topic '{}', {} bytes of payload", what,
                                   ref ? ref->topic() : "", ref ? ref->payload().size() : 0);
            };
            if constexpr (std::is_same_v<T, PeerPublication>) {
                return about("publication", one.message);
            } else if constexpr (std::is_same_v<T, PeerSharedPublication>) {
                return about("publication for " + one.group, one.message);
            } else if constexpr (std::is_same_v<T, PeerRetained>) {
                return about("Retained Message", one.message);
            } else if constexpr (std::is_same_v<T, PeerAddRoute>) {
                return fmt::format("route {} for '{}'", one.sequence, one.filter);
            } else if constexpr (std::is_same_v<T, PeerRouteAdded>) {
                return fmt::format("route {} is known", one.sequence);
            } else if constexpr (std::is_same_v<T, PeerRemoveRoute>) {
                return fmt::format("no route for '{}' any more", one.filter);
            } else if constexpr (std::is_same_v<T, PeerGroupSize>) {
                return fmt::format("{} members of '{}' for '{}'{}", one.members, one.share_name,
                                   one.filter, one.has_durable ? ", of durable sessions too" : "");
            } else if constexpr (std::is_same_v<T, PeerStored>) {
                return fmt::format("message {} {}", one.receipt.number,
                                   is_failure(one.refusal) ? "cannot be stored" : "is stored");
            } else if constexpr (std::is_same_v<T, PeerReadiness>) {
                return is_failure(one.publish) ? "the cluster is not ready"
                                               : "the cluster is ready";
            } else {
                static_assert(std::is_same_v<T, PeerRecovered>);
                return "all that was stored has been told";
            }
        },
        message);
}

/// Without the bytes.
std::string words_of(const RecordedEffect& effect, const RecordedClients& clients) {
    Decoder all{effect.payload};
    const std::string name{record::name_of(effect.kind)};
    if (effect.kind == Kind::told_peer) {
        ShardIndex to;
        PeerMessage message;
        all(to, message);
        return fmt::format("{} {}: {}", name, to.raw(), text_of(message));
    }
    if (effect.kind == Kind::taken) {
        Intake intake;
        all(intake);
        constexpr std::array next{"more bytes are wanted", "stalled", "gone"};
        return fmt::format("{} {} bytes, {}", name, intake.consumed_bytes,
                           next.at(static_cast<std::size_t>(intake.next)));
    }
    if (effect.kind < Kind::sent || effect.kind > Kind::resumed) return name;
    ConnectionId connection;
    all(connection);
    const auto known = clients.find(connection);
    const auto client = known == clients.end() ? RecordedClient{} : known->second;
    auto text = fmt::format("{} connection {}", effect.kind == Kind::sent ? "sent to" : name,
                            connection.raw());
    if (known != clients.end()) text += fmt::format(" ('{}')", client.client_id);
    if (effect.kind != Kind::sent) return text;
    Bytes bytes;
    all(bytes);
    return text + ": " + packets_in(bytes, client.version);
}

/// What the hex is about: the packets of `sent`, else the payload.
Bytes shown_bytes(const RecordedEffect& effect) {
    if (effect.kind != Kind::sent) return effect.payload;
    Decoder all{effect.payload};
    ConnectionId connection;
    Bytes bytes;
    all(connection, bytes);
    return bytes;
}

}  // namespace

void learn_client(RecordedClients& clients, ConnectionId connection, Bytes bytes) {
    const auto frame =
        wire::take_frame(bytes, wire::packet_size_bytes_max, ProtocolVersion::v3_1_1);
    if (!frame || !frame.value() || frame.value()->type != wire::PacketType::connect) return;
    const auto connect = wire::decode_connect(*frame.value());
    if (!connect) return;
    clients[connection] = {std::string{connect.value().client_id}, connect.value().version};
}

std::string text_of(const RecordedEffect& effect, const RecordedEffect& other,
                    const RecordedClients& clients) {
    auto text = words_of(effect, clients);
    const Bytes bytes = shown_bytes(effect);
    if (effect.kind == Kind::asked) {
        return text +
               fmt::format(" | {} bytes, not shown as they may hold a password", bytes.size());
    }
    if (bytes.empty()) return text;
    std::size_t from = 0;
    if (effect.kind == other.kind) {
        const auto parting = std::ranges::mismatch(bytes, shown_bytes(other));
        const auto same_bytes = static_cast<std::size_t>(parting.in1 - bytes.begin());
        from = same_bytes - std::min(same_bytes, before_difference_bytes);
        if (bytes.size() <= shown_bytes_max) from = 0;
    }
    return text + " | " + hex_of(bytes, from);
}

}  // namespace touchstone::simulator
