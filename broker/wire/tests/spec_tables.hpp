// Tables of the standard in text form, for tests: which Property and which Reason Code may stand in
// which packet, and who may send it ("CS": client and server). Written down apart from the codec's
// own tables, so that a slip in one shows against the other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace touchstone::wire::spec {

/// Table 2-4, with the sections' rules about the sender. WILL is the Will Properties of CONNECT.
struct PropertyRow {
    std::uint8_t id;
    std::string_view name;
    std::string_view type;
    std::string_view places;      // "PLACE:WHO", separated by blanks
    std::string_view repeatable;  // places
};

inline constexpr PropertyRow property_rows[] = {
    {0x01, "Payload Format Indicator", "Byte", "PUBLISH:CS WILL:C", ""},
    {0x02, "Message Expiry Interval", "Four Byte Integer", "PUBLISH:CS WILL:C", ""},
    {0x03, "Content Type", "UTF-8 Encoded String", "PUBLISH:CS WILL:C", ""},
    {0x08, "Response Topic", "UTF-8 Encoded String", "PUBLISH:CS WILL:C", ""},
    {0x09, "Correlation Data", "Binary Data", "PUBLISH:CS WILL:C", ""},
    {0x0B, "Subscription Identifier", "Variable Byte Integer", "SUBSCRIBE:C PUBLISH:S", "PUBLISH"},
    {0x11, "Session Expiry Interval", "Four Byte Integer", "CONNECT:C CONNACK:S DISCONNECT:C", ""},
    {0x12, "Assigned Client Identifier", "UTF-8 Encoded String", "CONNACK:S", ""},
    {0x13, "Server Keep Alive", "Two Byte Integer", "CONNACK:S", ""},
    {0x15, "Authentication Method", "UTF-8 Encoded String", "CONNECT:C CONNACK:S AUTH:CS", ""},
    {0x16, "Authentication Data", "Binary Data", "CONNECT:C CONNACK:S AUTH:CS", ""},
    {0x17, "Request Problem Information", "Byte", "CONNECT:C", ""},
    {0x18, "Will Delay Interval", "Four Byte Integer", "WILL:C", ""},
    {0x19, "Request Response Information", "Byte", "CONNECT:C", ""},
    {0x1A, "Response Information", "UTF-8 Encoded String", "CONNACK:S", ""},
    {0x1C, "Server Reference", "UTF-8 Encoded String", "CONNACK:S DISCONNECT:S", ""},
    {0x1F, "Reason String", "UTF-8 Encoded String",
     "CONNACK:S PUBACK:CS PUBREC:CS PUBREL:CS PUBCOMP:CS SUBACK:S UNSUBACK:S DISCONNECT:CS AUTH:CS",
     ""},
    {0x21, "Receive Maximum", "Two Byte Integer", "CONNECT:C CONNACK:S", ""},
    {0x22, "Topic Alias Maximum", "Two Byte Integer", "CONNECT:C CONNACK:S", ""},
    {0x23, "Topic Alias", "Two Byte Integer", "PUBLISH:CS", ""},
    {0x24, "Maximum QoS", "Byte", "CONNACK:S", ""},
    {0x25, "Retain Available", "Byte", "CONNACK:S", ""},
    {0x26, "User Property", "UTF-8 String Pair",
     "CONNECT:C CONNACK:S PUBLISH:CS WILL:C PUBACK:CS PUBREC:CS PUBREL:CS PUBCOMP:CS SUBSCRIBE:C "
     "SUBACK:S UNSUBSCRIBE:C UNSUBACK:S DISCONNECT:CS AUTH:CS",
     "CONNECT CONNACK PUBLISH WILL PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE "
     "UNSUBACK DISCONNECT AUTH"},
    {0x27, "Maximum Packet Size", "Four Byte Integer", "CONNECT:C CONNACK:S", ""},
    {0x28, "Wildcard Subscription Available", "Byte", "CONNACK:S", ""},
    {0x29, "Subscription Identifier Available", "Byte", "CONNACK:S", ""},
    {0x2A, "Shared Subscription Available", "Byte", "CONNACK:S", ""},
};

/// Tables 3-1 and 3-4 to 3-11, 0x8C in DISCONNECT by table 2-6, 0x9B from a client by §3.3.4.
struct ReasonCodeRow {
    std::uint8_t code;
    std::string_view places;
};

inline constexpr ReasonCodeRow reason_code_rows[] = {
    {0x00,
     "CONNACK:S PUBACK:CS PUBREC:CS PUBREL:CS PUBCOMP:CS SUBACK:S UNSUBACK:S DISCONNECT:CS AUTH:S"},
    {0x01, "SUBACK:S"},
    {0x02, "SUBACK:S"},
    {0x04, "DISCONNECT:C"},
    {0x10, "PUBACK:S PUBREC:S"},
    {0x11, "UNSUBACK:S"},
    {0x18, "AUTH:CS"},
    {0x19, "AUTH:C"},
    {0x80, "CONNACK:S PUBACK:CS PUBREC:CS SUBACK:S UNSUBACK:S DISCONNECT:CS"},
    {0x81, "CONNACK:S DISCONNECT:CS"},
    {0x82, "CONNACK:S DISCONNECT:CS"},
    {0x83, "CONNACK:S PUBACK:CS PUBREC:CS SUBACK:S UNSUBACK:S DISCONNECT:CS"},
    {0x84, "CONNACK:S"},
    {0x85, "CONNACK:S"},
    {0x86, "CONNACK:S"},
    {0x87, "CONNACK:S PUBACK:CS PUBREC:CS SUBACK:S UNSUBACK:S DISCONNECT:S"},
    {0x88, "CONNACK:S"},
    {0x89, "CONNACK:S DISCONNECT:S"},
    {0x8A, "CONNACK:S"},
    {0x8B, "DISCONNECT:S"},
    {0x8C, "CONNACK:S DISCONNECT:S"},
    {0x8D, "DISCONNECT:S"},
    {0x8E, "DISCONNECT:S"},
    {0x8F, "SUBACK:S UNSUBACK:S DISCONNECT:S"},
    {0x90, "CONNACK:S PUBACK:CS PUBREC:CS DISCONNECT:CS"},
    {0x91, "PUBACK:CS PUBREC:CS SUBACK:S UNSUBACK:S"},
    {0x92, "PUBREL:CS PUBCOMP:CS"},
    {0x93, "DISCONNECT:CS"},
    {0x94, "DISCONNECT:CS"},
    {0x95, "CONNACK:S DISCONNECT:CS"},
    {0x96, "DISCONNECT:CS"},
    {0x97, "CONNACK:S PUBACK:CS PUBREC:CS SUBACK:S DISCONNECT:CS"},
    {0x98, "DISCONNECT:CS"},
    {0x99, "CONNACK:S PUBACK:CS PUBREC:CS DISCONNECT:CS"},
    {0x9A, "CONNACK:S DISCONNECT:S"},
    {0x9B, "CONNACK:S DISCONNECT:CS"},
    {0x9C, "CONNACK:S DISCONNECT:S"},
    {0x9D, "CONNACK:S DISCONNECT:S"},
    {0x9E, "SUBACK:S DISCONNECT:S"},
    {0x9F, "CONNACK:S DISCONNECT:S"},
    {0xA0, "DISCONNECT:S"},
    {0xA1, "SUBACK:S DISCONNECT:S"},
    {0xA2, "SUBACK:S DISCONNECT:S"},
};

/// Who may, by a list of "PLACE:WHO": "", "C", "S" or "CS".
constexpr std::string_view who(std::string_view places, std::string_view place) {
    while (!places.empty()) {
        const auto end = std::min(places.find(' '), places.size());
        const auto entry = places.substr(0, end);
        const auto colon = entry.find(':');
        if (entry.substr(0, colon) == place) return entry.substr(colon + 1);
        places.remove_prefix(std::min(end + 1, places.size()));
    }
    return {};
}

}  // namespace touchstone::wire::spec
