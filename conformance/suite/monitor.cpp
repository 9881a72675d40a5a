#include "conformance/suite/monitor.hpp"

#include <algorithm>

namespace touchstone::conformance {

namespace {

namespace rule {
constexpr Rule connack_first{"MQTT-3.2.0-1", "MQTT-3.2.0-1"};
constexpr Rule connack_once{"MQTT-3.2.0-2", "MQTT-3.1.0-2"};
constexpr Rule disconnect_too_early{"MQTT-3.14.0-1", "X3-10"};
constexpr Rule nothing_after_disconnect{"MQTT-3.14.4-1", ""};
constexpr Rule close_after_refusal{"MQTT-3.2.2-7", "MQTT-3.2.2-5"};
constexpr Rule clean_start_present{"MQTT-3.2.2-2", "MQTT-3.2.2-1"};
constexpr Rule response_information{"MQTT-3.1.2-28", ""};
constexpr Rule problem_information{"MQTT-3.1.2-29", ""};
constexpr Rule packet_size{"MQTT-3.1.2-24", ""};
constexpr Rule alias_above_maximum{"MQTT-3.1.2-26", ""};
constexpr Rule alias_without_maximum{"MQTT-3.1.2-27", ""};
constexpr Rule alias_unknown{"X5-43", ""};
constexpr Rule authentication{"MQTT-4.12.0-6", ""};
constexpr Rule assigned_identifier{"MQTT-3.1.3-7", ""};
constexpr Rule assigned_without_need{"X5-30", ""};
constexpr Rule receive_maximum{"MQTT-3.3.4-9", ""};
constexpr Rule identifier_in_use{"MQTT-2.2.1-4", "MQTT-2.3.1-4"};
constexpr Rule dup_on_first{"MQTT-3.3.1-3", "MQTT-3.3.1-3"};
constexpr Rule resent_without_reconnect{"MQTT-4.4.0-1", ""};
constexpr Rule answer_identifier{"MQTT-2.2.1-5", "MQTT-2.3.1-6"};
constexpr Rule suback_identifier{"MQTT-2.2.1-6", "MQTT-2.3.1-7"};
constexpr Rule suback_codes{"MQTT-3.8.4-6", "MQTT-3.8.4-5"};
constexpr Rule unsuback_codes{"MQTT-3.11.3-2", ""};
constexpr Rule pingresp_once{"MQTT-3.12.4-1", "MQTT-3.12.4-1"};
}  // namespace rule

Fault fault(const Rule& rule, const Packet& packet, std::string text) {
    return {statement_of(rule, packet.version), std::move(text)};
}

std::uint32_t limit_of(const std::optional<Packet>& connect, PropertyId id,
                       std::uint32_t otherwise) {
    if (!connect.has_value()) return otherwise;
    return number_of(connect->properties, id).value_or(otherwise);
}

}  // namespace

void Monitor::on_opened() {
    *this = Monitor{};
}

void Monitor::on_sent(const Packet& packet) {
    if (!packet.is_decodable || !packet.faults.empty()) {
        has_sent_faulty_ = true;
        const bool is_of_filters =
            packet.type == PacketType::subscribe || packet.type == PacketType::unsubscribe;
        if (is_of_filters && packet.filters.empty()) has_sent_no_filter_ = true;
        return;
    }
    using enum PacketType;
    const auto id = packet.packet_id;
    switch (packet.type) {
        case PacketType::connect:
            if (!connect_.has_value()) connect_ = packet;
            break;
        case publish:
            if (packet.qos == 1) ++awaited_[{puback, id}];
            if (packet.qos == 2) ++awaited_[{pubrec, id}];
            break;
        case pubrel: ++awaited_[{pubcomp, id}]; break;
        case subscribe:
            ++awaited_[{suback, id}];
            filters_of_[id] = packet.filters.size();
            break;
        case unsubscribe:
            ++awaited_[{unsuback, id}];
            filters_of_[id] = packet.filters.size();
            break;
        case pingreq: ++awaited_[{pingresp, 0}]; break;
        case puback: flows_.erase(id); break;
        case pubrec:
            if (packet.reason_code >= 0x80) {
                flows_.erase(id);
            } else {
                ++awaited_[{pubrel, id}];
                if (const auto flow = flows_.find(id); flow != flows_.end()) {
                    flow->second.is_released = true;
                }
            }
            break;
        case pubcomp: flows_.erase(id); break;
        case reserved:
        case connack:
        case suback:
        case unsuback:
        case pingresp:
        case disconnect:
        case auth: break;
    }
}

std::vector<Fault> Monitor::on_received(Packet& packet) {
    std::vector<Fault> faults;
    check_order(packet, faults);
    check_limits(packet, faults);
    using enum PacketType;
    switch (packet.type) {
        case connack: check_connack(packet, faults); break;
        case publish: check_publish(packet, faults); break;
        case pubrel: check_pubrel(packet, faults); break;
        case puback:
        case pubrec:
        case pubcomp:
        case suback:
        case unsuback:
        case pingresp: check_answer(packet, faults); break;
        case disconnect: has_received_disconnect_ = true; break;
        case auth: check_auth(packet, faults); break;
        case reserved:
        case PacketType::connect:
        case subscribe:
        case unsubscribe:
        case pingreq: break;  // The reader has said that a server does not send them.
    }
    return faults;
}

void Monitor::check_order(const Packet& packet, std::vector<Fault>& faults) {
    if (has_received_disconnect_) {
        faults.push_back(fault(rule::nothing_after_disconnect, packet,
                               "a packet after the broker's DISCONNECT"));
        return;
    }
    const bool is_accepted = connack_.has_value() && connack_->reason_code == 0;
    if (is_accepted) return;
    if (packet.type == PacketType::disconnect) {
        faults.push_back(fault(rule::disconnect_too_early, packet,
                               "DISCONNECT without a successful CONNACK before it"));
    } else if (connack_.has_value()) {
        faults.push_back(
            fault(rule::close_after_refusal, packet, "a packet after the refusing CONNACK"));
    } else if (packet.type != PacketType::connack && packet.type != PacketType::auth) {
        faults.push_back(fault(rule::connack_first, packet, "the first packet is no CONNACK"));
    }
}

void Monitor::check_limits(const Packet& packet, std::vector<Fault>& faults) const {
    const auto size_max = limit_of(connect_, PropertyId::maximum_packet_size, 0xFFFF'FFFF);
    if (packet.raw.size() > size_max) {
        faults.push_back(fault(rule::packet_size, packet,
                               std::to_string(packet.raw.size()) + " bytes, the client takes " +
                                   std::to_string(size_max)));
    }
    const bool may_explain = packet.type == PacketType::publish ||
                             packet.type == PacketType::connack ||
                             packet.type == PacketType::disconnect;
    if (!may_explain && limit_of(connect_, PropertyId::request_problem_information, 1) == 0 &&
        (find(packet.properties, PropertyId::reason_string) != nullptr ||
         find(packet.properties, PropertyId::user_property) != nullptr)) {
        faults.push_back(fault(rule::problem_information, packet,
                               "Reason String or User Property, although not requested"));
    }
}

void Monitor::check_connack(const Packet& packet, std::vector<Fault>& faults) {
    if (connack_.has_value()) {
        faults.push_back(fault(rule::connack_once, packet, "a second CONNACK"));
        return;
    }
    connack_ = packet;
    if (!connect_.has_value()) return;
    const bool is_clean_start = (connect_->connect_flags & 2U) != 0;
    if (is_clean_start && packet.reason_code == 0 && packet.session_present()) {
        faults.push_back(fault(rule::clean_start_present, packet,
                               "Session Present 1 although a new Session was asked for"));
    }
    if (packet.version != ProtocolVersion::v5) return;
    if (limit_of(connect_, PropertyId::request_response_information, 0) == 0 &&
        find(packet.properties, PropertyId::response_information) != nullptr) {
        faults.push_back(fault(rule::response_information, packet,
                               "Response Information although not requested"));
    }
    if (find(connect_->properties, PropertyId::authentication_method) == nullptr &&
        find(packet.properties, PropertyId::authentication_method) != nullptr) {
        faults.push_back(
            fault(rule::authentication, packet, "Authentication Method although CONNECT had none"));
    }
    const bool is_assigned =
        find(packet.properties, PropertyId::assigned_client_identifier) != nullptr;
    if (connect_->client_id.empty() && packet.reason_code == 0 && !is_assigned) {
        faults.push_back(
            fault(rule::assigned_identifier, packet, "Assigned Client Identifier is missing"));
    }
    if (!connect_->client_id.empty() && is_assigned) {
        faults.push_back(fault(rule::assigned_without_need, packet,
                               "Assigned Client Identifier although the client has one"));
    }
}

void Monitor::check_auth(const Packet& packet, std::vector<Fault>& faults) const {
    const bool has_method =
        connect_.has_value() &&
        find(connect_->properties, PropertyId::authentication_method) != nullptr;
    if (has_method) return;
    faults.push_back(
        fault(rule::authentication, packet, "AUTH although CONNECT had no Authentication Method"));
}

void Monitor::check_publish(Packet& packet, std::vector<Fault>& faults) {
    check_alias(packet, faults);
    if (packet.qos != 1 && packet.qos != 2) return;
    const auto found = flows_.find(packet.packet_id);
    if (found != flows_.end()) {
        const bool is_same =
            found->second.topic == packet.topic && found->second.payload == packet.payload;
        if (!is_same || !packet.dup) {
            faults.push_back(fault(rule::identifier_in_use, packet,
                                   "the Packet Identifier belongs to a flow that is not complete"));
        } else if (packet.version == ProtocolVersion::v5) {  // 3.1.1 lets a server do that.
            faults.push_back(fault(rule::resent_without_reconnect, packet,
                                   "sent again on the same Network Connection"));
        }
        return;
    }
    if (packet.dup && !is_resumed()) {
        faults.push_back(fault(rule::dup_on_first, packet, "DUP is 1 on a first transmission"));
    }
    flows_[packet.packet_id] = {
        .qos = packet.qos, .topic = packet.topic, .payload = packet.payload};
    const auto quota = limit_of(connect_, PropertyId::receive_maximum, 65'535);
    if (flows_.size() > quota) {
        faults.push_back(fault(rule::receive_maximum, packet,
                               std::to_string(flows_.size()) + " flows open, Receive Maximum is " +
                                   std::to_string(quota)));
    }
}

void Monitor::check_alias(Packet& packet, std::vector<Fault>& faults) {
    const auto alias = number_of(packet.properties, PropertyId::topic_alias);
    if (!alias.has_value()) return;
    const auto alias_max = limit_of(connect_, PropertyId::topic_alias_maximum, 0);
    if (*alias > alias_max) {
        faults.push_back(
            fault(alias_max == 0 ? rule::alias_without_maximum : rule::alias_above_maximum, packet,
                  "Topic Alias " + std::to_string(*alias) + ", the client's maximum is " +
                      std::to_string(alias_max)));
    }
    if (!packet.topic.empty()) {
        topic_of_alias_[*alias] = packet.topic;
    } else if (const auto known = topic_of_alias_.find(*alias); known != topic_of_alias_.end()) {
        packet.topic = known->second;
    } else {
        faults.push_back(fault(rule::alias_unknown, packet,
                               "Topic Alias without a mapping on this Network Connection"));
    }
}

void Monitor::check_pubrel(const Packet& packet, std::vector<Fault>& faults) {
    auto& awaited = awaited_[{PacketType::pubrel, packet.packet_id}];
    if (awaited > 0) {
        --awaited;
        return;
    }
    // After a resumption the broker repeats PUBRELs of flows it still has.
    if (is_resumed() || has_sent_faulty_) return;
    const auto flow = flows_.find(packet.packet_id);
    if (flow != flows_.end() && flow->second.is_released) {
        if (packet.version != ProtocolVersion::v5) return;  // 3.1.1 lets a server do that.
        faults.push_back(fault(rule::resent_without_reconnect, packet,
                               "sent again on the same Network Connection"));
    } else {
        faults.push_back(fault(rule::answer_identifier, packet,
                               "no PUBREC with this Packet Identifier was sent"));
    }
}

void Monitor::check_answer(Packet& packet, std::vector<Fault>& faults) {
    // Whoever answers a request without a Topic Filter has nothing to give a code for.
    if (has_sent_no_filter_ && packet.reason_codes.empty()) {
        std::erase_if(packet.faults, [](const Fault& fault) { return fault.text == no_codes; });
    }
    auto& awaited = awaited_[{packet.type, packet.packet_id}];
    if (awaited == 0) {
        if (is_resumed() || has_sent_faulty_) return;
        const bool is_of_filters =
            packet.type == PacketType::suback || packet.type == PacketType::unsuback;
        const auto& rule = packet.type == PacketType::pingresp ? rule::pingresp_once
                           : is_of_filters                     ? rule::suback_identifier
                                                               : rule::answer_identifier;
        faults.push_back(
            fault(rule, packet,
                  "answers nothing that was sent: " + std::string{name_of(packet.type)} +
                      " id=" + std::to_string(packet.packet_id)));
        return;
    }
    --awaited;
    const auto filters = filters_of_.find(packet.packet_id);
    if (filters == filters_of_.end()) return;
    const bool has_codes =
        packet.type == PacketType::suback ||
        (packet.type == PacketType::unsuback && packet.version == ProtocolVersion::v5);
    if (has_codes && packet.reason_codes.size() != filters->second) {
        faults.push_back(fault(
            packet.type == PacketType::suback ? rule::suback_codes : rule::unsuback_codes, packet,
            std::to_string(packet.reason_codes.size()) + " Reason Codes for " +
                std::to_string(filters->second) + " Topic Filters"));
    }
}

}  // namespace touchstone::conformance
