#include "broker/session/connection_state.hpp"

#include "broker/base/check.hpp"

namespace touchstone {

Step on_packet(ConnectionState state, wire::PacketType type, ProtocolVersion version) {
    using enum wire::PacketType;
    constexpr Step protocol_error{ConnectionState::closed, ReasonCode::protocol_error};
    constexpr Step stays{ConnectionState::connected, std::nullopt};
    switch (state) {
        case ConnectionState::awaiting_connect:
            if (type != connect) return protocol_error;  // [MQTT-3.1.0-1]
            return stays;
        case ConnectionState::connected:
            switch (type) {
                case connect: return protocol_error;  // [MQTT-3.1.0-2]
                case publish:
                case puback:
                case pubrec:
                case pubrel:
                case pubcomp:
                case subscribe:
                case unsubscribe:
                case pingreq: return stays;
                case disconnect: return {ConnectionState::closed, std::nullopt};
                case auth:
                    // Reserved before v5, and in v5 only between parties that agreed on a method in
                    // CONNECT [MQTT-4.12.0-7]; this server has none to offer.
                    if (version != ProtocolVersion::v5)
                        return {ConnectionState::closed, ReasonCode::malformed_packet};
                    return protocol_error;
                case connack:
                case suback:
                case unsuback:
                case pingresp: return protocol_error;  // only servers send them (§2.1.2)
            }
            UNREACHABLE();
        case ConnectionState::closed: UNREACHABLE();  // The driver delivers nothing after close.
    }
    UNREACHABLE();
}

}  // namespace touchstone
