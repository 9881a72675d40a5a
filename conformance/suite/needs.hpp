// What a case needs of a broker, and what the probe found out about it. An unmet need makes the
// case not applicable, with the reason.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "broker/base/mqtt.hpp"
#include "conformance/packets/build.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance {

/// What the broker announced in the CONNACK of the probe (v5 §3.2.2.3; the defaults are the
/// standard's), and which versions it speaks.
struct Capabilities {
    bool speaks_v3_1_1 = false;
    bool speaks_v5 = false;
    std::uint8_t maximum_qos = 2;
    bool retain_available = true;
    bool wildcards_available = true;
    bool subscription_identifiers_available = true;
    bool shared_subscriptions_available = true;
    std::uint16_t receive_maximum = 65'535;
    std::uint16_t topic_alias_maximum = 0;
    std::optional<std::uint32_t> maximum_packet_size_bytes{};
    std::optional<std::uint16_t> server_keep_alive_s{};
    std::uint32_t session_expiry_s_max =
        0xFFFF'FFFF;          // what is left of a request for 600 s, or this
    bool has_frames = false;  // Network Connections are WebSockets
};

/// A request, made by chaining: needs.qos(2).retain().
struct Needs {
    std::uint8_t qos_min = 0;
    bool retain_available = false;
    bool wildcards_available = false;
    bool subscription_identifiers_available = false;
    bool shared_subscriptions_available = false;
    std::uint16_t topic_aliases_min = 0;
    std::uint32_t session_expiry_s_min = 0;
    std::uint16_t receive_maximum_max = 65'535;
    bool has_announced_maximum_packet_size = false;
    bool has_frames = false;
    Condition condition = Condition::usual;
    bool credentials = false;
    bool forbidden_topic = false;
    bool scram_sha_256 = false;
    bool stops_broker = false;
    std::chrono::seconds real_time{0};  // how long the case has to wait on a real broker

    [[nodiscard]] constexpr Needs qos(std::uint8_t qos) const {
        Needs result = *this;
        result.qos_min = qos;
        return result;
    }
    [[nodiscard]] constexpr Needs retain() const {
        Needs result = *this;
        result.retain_available = true;
        return result;
    }
    [[nodiscard]] constexpr Needs wildcards() const {
        Needs result = *this;
        result.wildcards_available = true;
        return result;
    }
    [[nodiscard]] constexpr Needs subscription_identifiers() const {
        Needs result = *this;
        result.subscription_identifiers_available = true;
        return result;
    }
    [[nodiscard]] constexpr Needs shared_subscriptions() const {
        Needs result = *this;
        result.shared_subscriptions_available = true;
        return result;
    }
    /// The broker takes at least `count` Topic Aliases from a client.
    [[nodiscard]] constexpr Needs topic_aliases(std::uint16_t count) const {
        Needs result = *this;
        result.topic_aliases_min = count;
        return result;
    }
    /// Sessions may outlive their connection by `seconds`.
    [[nodiscard]] constexpr Needs session_expiry(std::uint32_t seconds = 60) const {
        Needs result = *this;
        result.session_expiry_s_min = seconds;
        return result;
    }
    /// The broker's own Receive Maximum is at most `count`.
    [[nodiscard]] constexpr Needs receive_maximum_at_most(std::uint16_t count) const {
        Needs result = *this;
        result.receive_maximum_max = count;
        return result;
    }
    [[nodiscard]] constexpr Needs maximum_packet_size() const {
        Needs result = *this;
        result.has_announced_maximum_packet_size = true;
        return result;
    }
    /// The transport is WebSocket, and the case decides what goes into which frame.
    [[nodiscard]] constexpr Needs frames() const {
        Needs result = *this;
        result.has_frames = true;
        return result;
    }
    /// The broker knows users and refuses others; Declaration::credentials are right ones.
    [[nodiscard]] constexpr Needs users() const {
        Needs result = *this;
        result.condition = Condition::guarded;
        result.credentials = true;
        return result;
    }
    /// There is a topic that nobody may use: Declaration::forbidden_topic.
    [[nodiscard]] constexpr Needs forbidden() const {
        Needs result = *this;
        result.condition = Condition::guarded;
        result.forbidden_topic = true;
        return result;
    }
    /// The broker speaks the Authentication Method SCRAM-SHA-256 with Declaration::scram_sha_256.
    [[nodiscard]] constexpr Needs scram() const {
        Needs result = *this;
        result.condition = Condition::guarded;
        result.scram_sha_256 = true;
        return result;
    }
    /// Better on a broker without optional features and with small limits, where there is one.
    [[nodiscard]] constexpr Needs reduced() const {
        Needs result = *this;
        result.condition = Condition::reduced;
        return result;
    }
    /// The case stops the broker and starts it again: nothing runs beside it.
    [[nodiscard]] constexpr Needs stopping() const {
        Needs result = *this;
        result.stops_broker = true;
        return result;
    }
    /// The case waits: against a real broker it runs beside others.
    [[nodiscard]] constexpr Needs time(std::chrono::seconds duration) const {
        Needs result = *this;
        result.real_time = duration;
        return result;
    }
};

inline constexpr Needs needs{};

/// Why `requested` is not met by a broker with these capabilities in `version`; nothing when it is.
[[nodiscard]] std::optional<std::string>
unmet_need(const Needs& requested, const Capabilities& capabilities, ProtocolVersion version);

/// Why `requested` is not met by what the operator declares; nothing when it is.
[[nodiscard]] std::optional<std::string> unmet_need(const Needs& requested,
                                                    const Declaration& declaration);

/// `fields` of a client that the broker is to know; unchanged when there are no `credentials`.
[[nodiscard]] ConnectFields with_credentials(ConnectFields fields,
                                             const std::optional<NameAndPassword>& credentials);

}  // namespace touchstone::conformance
