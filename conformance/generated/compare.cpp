#include "conformance/generated/compare.hpp"

#include <algorithm>

namespace touchstone::conformance::generated {

namespace {

std::string line_of(const Packet& packet, const std::string& client, const std::string& token) {
    std::string line = client + " " + std::string{name_of(packet.type)};
    switch (packet.type) {
        case PacketType::connack:
            line += packet.session_present() ? " present" : " new";
            line += " " + describe_code(packet.reason_code, packet.version);
            break;
        case PacketType::publish: {
            line += " q" + std::to_string(packet.qos);
            if (packet.retain) line += " retain";
            if (packet.dup) line += " dup";
            auto topic = packet.topic;
            for (auto at = topic.find(token); at != std::string::npos; at = topic.find(token)) {
                topic.replace(at, token.size(), "~");
            }
            line += " " + printable(topic, 40) + " '" + printable(packet.payload, 12) + "'";
            for (const auto& property : packet.properties) {
                const auto* const rule =
                    find_property_rule(static_cast<std::uint32_t>(property.id));
                if (rule != nullptr) line += " " + std::string{rule->name};
            }
            break;
        }
        case PacketType::suback:
        case PacketType::unsuback:
            for (const auto code : packet.reason_codes) {
                line += " " + describe_code(code, packet.version);
            }
            break;
        case PacketType::reserved:
        case PacketType::connect:
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
        case PacketType::subscribe:
        case PacketType::unsubscribe:
        case PacketType::pingreq:
        case PacketType::pingresp:
        case PacketType::disconnect:
        case PacketType::auth:
            if (packet.version == ProtocolVersion::v5) {
                line += " " + describe_code(packet.reason_code, packet.version);
            }
            break;
    }
    return line;
}

}  // namespace

std::vector<std::string> behaviour(const Played& played, const std::string& token) {
    std::map<std::string, ProtocolVersion> versions;
    std::map<std::string, std::vector<std::string>> lines;  // by client, and kind
    for (const auto& step : played.outcome.trace) {
        if (step.kind == TraceStep::Kind::closed && step.from == "broker") {
            lines[step.to].push_back(step.to + " closed");
        }
        if (step.kind != TraceStep::Kind::packet) continue;
        if (step.from != "broker") {
            const auto packet = decode(step.bytes, ProtocolVersion::v5, Sender::client);
            if (packet.type == PacketType::connect) versions[step.from] = packet.version;
            continue;
        }
        const auto version = versions.try_emplace(step.to, ProtocolVersion::v5).first->second;
        const auto packet = decode(step.bytes, version, Sender::server);
        if (packet.type == PacketType::pingresp) continue;
        // Messages and answers have no order among each other.
        const bool is_message = packet.type == PacketType::publish;
        lines[step.to + (is_message ? "m" : "")].push_back(line_of(packet, step.to, token));
    }
    std::vector<std::string> all;
    for (const auto& [client, of_client] : lines) {
        all.insert(all.end(), of_client.begin(), of_client.end());
    }
    return all;
}

std::string first_difference(const std::vector<std::string>& one,
                             const std::vector<std::string>& other) {
    for (std::size_t i = 0; i < std::max(one.size(), other.size()); ++i) {
        const auto left = i < one.size() ? one[i] : std::string{"-"};
        const auto right = i < other.size() ? other[i] : std::string{"-"};
        if (left != right) return left + " | " + right;
    }
    return {};
}

std::string kind_of_difference(const std::string& difference) {
    const auto side = [](std::string_view text) {
        std::string kind;
        // The client's letter says nothing.
        if (text.size() > 2 && text[1] == ' ') text.remove_prefix(2);
        bool is_quoted = false;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] == '\'') {
                is_quoted = !is_quoted;
                continue;
            }
            if (!is_quoted) kind += text[i];
        }
        // Neither does the topic.
        const auto topic = kind.find('~');
        if (topic != std::string::npos) {
            const auto begin = kind.rfind(' ', topic);
            const auto end = kind.find(' ', topic);
            kind.erase(begin, end == std::string::npos ? std::string::npos : end - begin);
        }
        while (kind.ends_with(' ')) kind.pop_back();
        return kind;
    };
    const auto bar = difference.find(" | ");
    if (bar == std::string::npos) return side(difference);
    return side(std::string_view{difference}.substr(0, bar)) + " | " +
           side(std::string_view{difference}.substr(bar + 3));
}

}  // namespace touchstone::conformance::generated
