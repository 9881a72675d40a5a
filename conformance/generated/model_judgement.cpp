// What the broker sends, judged.
#include <algorithm>
#include <utility>

#include "conformance/generated/model.hpp"

namespace touchstone::conformance::generated {

namespace {

namespace rule {
constexpr Rule connect_refused{"MQTT-3.1.4-5", "MQTT-3.1.4-4"};
constexpr Rule refusal_closes{"MQTT-3.2.2-7", "MQTT-3.2.2-5"};
constexpr Rule session_lost{"MQTT-3.2.2-3", "MQTT-3.2.2-2"};
constexpr Rule session_invented{"MQTT-3.2.2-3", "MQTT-3.2.2-3"};
constexpr Rule not_resent_as_dup{"MQTT-3.3.1-1", "MQTT-3.3.1-1"};
constexpr Rule sent_after_pubrel{"MQTT-4.3.3-6", "MQTT-4.3.3-1"};
constexpr Rule resent_after_refusal{"MQTT-4.4.0-2", ""};
constexpr Rule identifier_in_use{"MQTT-2.2.1-4", "MQTT-2.3.1-4"};
constexpr Rule original_identifier{"MQTT-4.4.0-1", "MQTT-4.4.0-1"};
constexpr Rule qos_of_delivery{"MQTT-3.8.4-8", "MQTT-3.8.4-6"};
constexpr Rule retained_flag{"X5-62", "MQTT-3.3.1-8"};
constexpr Rule retain_flag_0{"MQTT-3.3.1-12", "MQTT-3.3.1-9"};
constexpr Rule retain_flag_kept{"MQTT-3.3.1-13", ""};
constexpr Rule identifiers{"MQTT-3.3.4-3", ""};
constexpr Rule expired{"MQTT-3.3.2-5", ""};
constexpr Rule expiry_left{"MQTT-3.3.2-6", ""};
constexpr Rule exactly_once{"MQTT-4.3.3-10", "MQTT-4.3.3-2"};
constexpr Rule wrong_topic{"MQTT-3.3.2-3", "MQTT-3.3.2-3"};
constexpr Rule dollar{"MQTT-4.7.2-1", "MQTT-4.7.2-1"};
constexpr Rule no_local{"MQTT-3.8.3-3", ""};
constexpr Rule order{"MQTT-4.6.0-5", "MQTT-4.6.0-6"};
constexpr Rule suback_code{"MQTT-3.8.4-7", "MQTT-3.8.4-5"};
constexpr Rule unsuback_code{"X5-66", ""};
constexpr Rule hop_by_hop{"X5-54", ""};
constexpr Rule none{"", ""};
}  // namespace rule

/// Longer Client Identifiers may be refused (v5, v3.1.1 [MQTT-3.1.3-5]).
constexpr std::size_t accepted_id_bytes_max = 23;

/// A broker may refuse a client for reasons of its own (v5 §3.2.2.2, v3.1.1 §3.2.2.3).
bool is_own_refusal(ProtocolVersion version, std::uint8_t code) {
    if (version != ProtocolVersion::v5) return code >= 3;
    // 0x90: the Topic Name of its Will is not accepted.
    constexpr std::uint8_t own[]{0x80, 0x83, 0x87, 0x88, 0x89, 0x8A, 0x90, 0x97, 0x9C, 0x9D, 0x9F};
    return std::ranges::find(own, code) != std::end(own);
}

/// A broker may end a connection for reasons of its own (freedom 13).
bool is_own_reason(std::optional<std::uint8_t> code) {
    constexpr std::uint8_t own[]{0x80, 0x83, 0x89, 0x8B, 0x96, 0x97, 0x98, 0x9C, 0x9D, 0x9F, 0xA0};
    return code.has_value() && std::ranges::find(own, *code) != std::end(own);
}

/// The same mistake with other numbers is of the same kind: "0x80 is not a code of CONNACK" becomes
/// "N is not a code of CONNACK".
std::string without_numbers(const std::string& text) {
    constexpr std::string_view digits = "0123456789";
    std::string kind;
    for (std::size_t at = 0; at < text.size();) {
        if (digits.find(text[at]) == std::string_view::npos) {
            kind += text[at++];
            continue;
        }
        const bool is_hex = text.compare(at, 2, "0x") == 0;
        at = text.find_first_not_of(is_hex ? "0123456789abcdefx" : digits, at);
        at = std::min(at, text.size());
        kind += 'N';
    }
    return kind;
}

std::string name_of_message(const Packet& packet) {
    return "message " + printable(packet.payload, 20) + " to " + printable(packet.topic, 40);
}

std::vector<std::uint32_t> identifiers_of(const Properties& properties) {
    std::vector<std::uint32_t> numbers;
    for (const auto& one : all_of(properties, PropertyId::subscription_identifier)) {
        numbers.push_back(one.number);
    }
    std::ranges::sort(numbers);
    return numbers;
}

bool travels(PropertyId id) {
    using enum PropertyId;
    return id == payload_format_indicator || id == content_type || id == response_topic ||
           id == correlation_data || id == user_property;
}

Properties sorted(Properties properties) {
    // User Properties keep their order [MQTT-3.3.2-18]; that of the others is free (§2.2.2.2).
    std::ranges::stable_sort(properties, {}, &Property::id);
    return properties;
}

}  // namespace

std::uint8_t Model::highest_qos(const Copy& copy) {
    std::uint8_t highest = 0;
    for (const auto& match : copy.matches) {
        highest = std::max(highest, std::min(match.subscription.qos, copy.message->qos));
    }
    return highest;
}

std::vector<std::uint32_t> Model::own_identifier(const Match& match) {
    const auto identifier = match.subscription.identifier;
    return identifier.has_value() ? std::vector{*identifier} : std::vector<std::uint32_t>{};
}

std::vector<std::uint32_t> Model::all_identifiers(const Copy& copy) {
    std::vector<std::uint32_t> together;
    for (const auto& match : copy.matches) {
        const auto own = own_identifier(match);
        together.insert(together.end(), own.begin(), own.end());
    }
    std::ranges::sort(together);
    return together;
}

bool Model::is_one_of_several(const Link& link, const Session& session, const Copy& copy,
                              const Packet& packet) {
    // Nothing to tell by, when only one of the subscriptions has an identifier.
    const auto together = all_identifiers(copy);
    return link.version == ProtocolVersion::v5 && link.has_identifiers && copy.needed > 0 &&
           is_unchanged(session, copy) && together.size() > 1 &&
           identifiers_of(packet.properties) != together;
}

bool Model::is_unchanged(const Session& session, const Copy& copy) {
    return !copy.is_mixed && std::ranges::all_of(copy.matches, [&](const Match& match) {
        const auto current = session.subscriptions.find(match.filter);
        return match.subscription.is_certain && current != session.subscriptions.end() &&
               current->second.revision == match.subscription.revision;
    });
}

std::vector<Buffer> Model::on_received(char client, Packet& packet, Instant now) {
    auto& one = link(client);
    const auto faults_of_connection = one.monitor.on_received(packet);
    const auto add = [this](const std::vector<Fault>& faults) {
        for (const auto& fault : faults) {
            if (fault.statement.empty()) continue;  // no rule by number: not a failure
            // Figures differ from run to run; what is wrong does not.
            divergences_.push_back({fault.statement, without_numbers(fault.text), fault.text});
        }
    };
    // The refusal of a Protocol Version may come in the format of another one.
    const bool may_be_any_connack = packet.type == PacketType::connack && one.may_be_any_connack;
    if (!may_be_any_connack) {
        add(packet.faults);
        add(faults_of_connection);
    } else if (packet.raw.size() >= 4) {
        packet.reason_code = std::to_integer<std::uint8_t>(packet.raw[3]);
    }
    using enum PacketType;
    switch (packet.type) {
        case connack: return on_connack(client, packet, now);
        case publish: return on_publish(client, packet, now);
        case pubrel: return on_pubrel(client, packet, now);
        case puback:
        case pubrec:
        case pubcomp:
        case pingresp: return on_acknowledgement(client, packet, now);
        case suback: on_suback(client, packet, now); break;
        case unsuback: on_unsuback(client, packet); break;
        case disconnect: one.disconnect_code = packet.reason_code; break;
        case reserved:
        case PacketType::connect:
        case subscribe:
        case unsubscribe:
        case pingreq:
        case auth: break;  // The reader and the monitor have said what is wrong with them.
    }
    return {};
}

std::vector<Buffer> Model::on_connack(char client, const Packet& packet, Instant now) {
    auto& one = link(client);
    const bool is_v5 = one.version == ProtocolVersion::v5;
    if (one.must_not_accept.has_value()) {
        if (one.must_not_answer.has_value()) divergences_.push_back(*one.must_not_answer);
        if (packet.reason_code == 0) divergences_.push_back(*one.must_not_accept);
        return {};
    }
    if (!one.is_awaiting_connack) return {};
    one.is_awaiting_connack = false;
    if (packet.reason_code != 0) {
        const auto code = describe_code(packet.reason_code, one.version);
        one.may_close = true;
        one.must_close = divergence(rule::refusal_closes, one.version, "refused, not closed",
                                    "the connection stays open after CONNACK " + code);
        // A Client Identifier that long may be refused.
        if (one.client_id.size() > accepted_id_bytes_max) return {};
        if (is_own_refusal(one.version, packet.reason_code)) {
            inconclusive_ = "CONNECT is refused with " + code;
        } else {
            diverge(rule::connect_refused, one.version, "CONNECT refused",
                    "a CONNECT without mistake is refused with " + code);
        }
        return {};
    }
    one.is_connected = true;
    if (is_v5) {
        using enum PropertyId;
        const auto& announced = packet.properties;
        const auto flag = [&](PropertyId id) { return number_of(announced, id).value_or(1) != 0; };
        one.server_receive_maximum =
            static_cast<std::uint16_t>(number_of(announced, receive_maximum).value_or(65'535));
        one.server_alias_maximum =
            static_cast<std::uint16_t>(number_of(announced, topic_alias_maximum).value_or(0));
        one.server_maximum_qos =
            static_cast<std::uint8_t>(number_of(announced, maximum_qos).value_or(2));
        one.has_retain = flag(retain_available);
        one.has_wildcards = flag(wildcard_subscription_available);
        one.has_identifiers = flag(subscription_identifier_available);
        one.has_shared = flag(shared_subscription_available);
        one.server_packet_size = number_of(announced, maximum_packet_size);
        one.expiry_s = number_of(announced, session_expiry_interval).value_or(one.expiry_s);
        if (const auto keep_alive = number_of(announced, server_keep_alive)) {
            one.keep_alive_s = static_cast<std::uint16_t>(*keep_alive);
        }
    }
    const auto found = sessions_.find(one.session);
    const bool is_known = found != sessions_.end();
    const bool is_present = packet.session_present();
    if (!one.is_clean_start) {
        if (is_known && found->second.is_certain && !is_present) {
            diverge(rule::session_lost, one.version, "Session lost",
                    "Session Present 0, although the Session of " + one.client_id +
                        " has not ended");
        }
        if (!is_known && is_present) {
            diverge(rule::session_invented, one.version, "Session invented",
                    "Session Present 1, although " + one.client_id + " has no Session");
        }
    }
    if (is_known && !is_present) end_session(one.session, false, now);
    auto& session = sessions_[one.session];
    session.version = one.version;
    session.is_certain = true;
    session.client = client;
    session.expiry_s = one.expiry_s;
    session.will = one.will;
    for (auto& flight : session.flights) {
        if (flight.shared != nullptr && flight.qos == 1) continue;
        // Which of the two it is depends on whether our last acknowledgement arrived.
        const bool is_too_large = flight.message == nullptr || !fits(one, *flight.message);
        if (is_too_large && !flight.is_recorded) {
            flight.is_complete = true;  // done with (§3.1.2.11.4)
            flight.is_uncertain = true;
        }
        flight.is_pubrel_owed = flight.is_recorded && !flight.is_uncertain;
        flight.is_resend_owed = !flight.is_recorded && !flight.is_uncertain;
    }
    for (auto& copy : session.copies) {
        if (fits(one, *copy.message)) continue;
        copy.needed = std::min(copy.needed, copy.arrived);
        copy.is_optional = true;
    }
    std::vector<Buffer> resent;
    for (auto& outbound : session.outbound) {
        if (outbound.is_released || outbound.is_recorded) {
            outbound.is_released = true;
            accept(outbound.message, false, now);
            ++one.awaited[{PacketType::pubcomp, outbound.id}];
            resent.push_back(send(
                one, build_acknowledgement(one.version, PacketType::pubrel, outbound.id), now));
            continue;
        }
        repeat(outbound.message, outbound.was_answered);
        resent.push_back(send_outbound(one, outbound, true, nullptr, now));
        accept(outbound.message, false, now);
        outbound.is_forgetful = false;
    }
    return resent;
}

std::vector<Buffer> Model::answer(Link& link, PacketType type, std::uint16_t id, Instant now) {
    if (!link.is_manual) return {acknowledge(link, {type, id}, 0, now)};
    link.pending.push_back({type, id});
    return {};
}

std::vector<Buffer> Model::on_publish(char client, const Packet& packet, Instant now) {
    auto& one = link(client);
    auto* const session = session_of(one);
    const auto type = packet.qos == 1 ? PacketType::puback : PacketType::pubrec;
    const bool is_foreign = packet.topic.find(settings_.token) == std::string::npos &&
                            find(packet.properties, PropertyId::topic_alias) == nullptr;
    // Taken over: what was under way may still come. Foreign: another client's message.
    if (session == nullptr || is_foreign || !packet.is_decodable) {
        if (packet.qos == 0 || session == nullptr) return {};
        return {send(one, build_acknowledgement(one.version, type, packet.packet_id), now)};
    }
    if (packet.qos > 0 && take_resend(one, *session, packet)) {
        return answer(one, type, packet.packet_id, now);
    }
    std::vector<Divergence> problems;
    auto taken = take_copy(one, *session, packet, now, problems);
    if (!taken.has_value() && make_room(one.session, packet)) {
        taken = take_copy(one, *session, packet, now, problems);
    }
    if (!taken.has_value()) {
        if (packet.retain && is_in_group_of(*session, packet.topic)) {
            diverge({"X5-72", ""}, one.version, "Retained Message for a Shared Subscription",
                    name_of_message(packet) +
                        ", retained, comes although only a Shared Subscription is left for it");
        } else {
            if (problems.empty()) explain_unwanted(one, *session, packet, problems);
            divergences_.push_back(problems.front());
        }
    }
    if (taken.has_value() && taken->is_ordered) check_order(one, *taken->message, packet);
    if (packet.qos == 0) return {};
    auto& flight = session->flights.emplace_back();
    flight.id = packet.packet_id;
    flight.qos = packet.qos;
    flight.topic = packet.topic;
    flight.payload = packet.payload;
    if (taken.has_value()) {
        flight.message = taken->message;
        flight.shared = taken->shared;
        flight.is_ordered = taken->is_ordered;
    }
    return answer(one, type, packet.packet_id, now);
}

bool Model::take_resend(Link& link, Session& session, const Packet& packet) {
    const auto found = std::ranges::find(session.flights, packet.packet_id, &Flight::id);
    if (found == session.flights.end()) return false;
    auto& flight = *found;
    const bool is_same = flight.topic == packet.topic && flight.payload == packet.payload &&
                         flight.qos == packet.qos;
    if (flight.is_complete && (!is_same || !packet.dup)) {
        session.flights.erase(found);
        return false;
    }
    // The monitor has spoken about those of this connection.
    if (flight.is_open) return true;
    const auto what = name_of_message(packet);
    if (!is_same) {
        if (flight.is_uncertain || flight.shared != nullptr) {
            session.flights.erase(found);
            return false;
        }
        diverge(rule::identifier_in_use, link.version, "Packet Identifier in use",
                what + " has Packet Identifier " + std::to_string(packet.packet_id) +
                    ", whose flow is not complete");
        return true;
    }
    if (!packet.dup) {
        diverge(rule::not_resent_as_dup, link.version, "DUP 0 on a resend",
                what + " is sent again with DUP 0");
    }
    if (flight.is_recorded && !flight.is_uncertain) {
        diverge(rule::sent_after_pubrel, link.version, "PUBLISH after PUBREC",
                what + " is sent again although PUBREC was received");
    }
    flight.is_open = true;
    flight.is_recorded = false;
    flight.is_complete = false;
    flight.is_uncertain = false;
    flight.is_resend_owed = false;
    flight.is_pubrel_owed = false;
    if (flight.is_ordered) check_order(link, *flight.message, packet);
    return true;
}

std::optional<Model::Taken> Model::take_copy(Link& link, Session& session, const Packet& packet,
                                             Instant now, std::vector<Divergence>& problems) {
    const auto is_of = [&packet](const Message& one) {
        return one.topic == packet.topic && one.payload == packet.payload && one.was_offered;
    };
    // What is owed before what may come, what is known before what is not.
    const auto rank_of = [&session](const Copy& copy) {
        return (copy.arrived < copy.needed ? 4 : 0) + (copy.arrived == 0 ? 2 : 0) +
               (is_unchanged(session, copy) ? 1 : 0);
    };
    Copy* chosen = nullptr;
    std::shared_ptr<SharedCopy> chosen_shared;
    int rank = -1;
    for (auto& copy : session.copies) {
        if (!is_of(*copy.message) || copy.arrived >= copy.maximum) continue;
        if (auto problem = judge(link, session, copy, packet, false, now)) {
            problems.push_back(std::move(*problem));
        } else if (rank_of(copy) > rank) {
            rank = rank_of(copy);
            chosen = &copy;
        }
    }
    for (const auto& one : shared_) {
        if (!is_of(*one->message) || !is_member(*one, link.session)) continue;
        if (one->arrived >= one->maximum) continue;
        const auto member = one->members.find(link.session);
        const auto current = session.subscriptions.find(one->filter);
        auto subscription = member != one->members.end() ? member->second : current->second;
        // A member that came later: what it was granted then is anybody's guess.
        if (member == one->members.end()) subscription.is_certain = false;
        const Copy copy{.message = one->message,
                        .matches = {{one->filter, subscription}},
                        .needed = one->needed,
                        .arrived = one->arrived};
        if (auto problem = judge(link, session, copy, packet, true, now)) {
            problems.push_back(std::move(*problem));
        } else if (rank_of(copy) > rank || (rank_of(copy) == rank && chosen_shared != nullptr &&
                                            one->members.size() < chosen_shared->members.size())) {
            // The smaller group has fewer who could get it otherwise.
            rank = rank_of(copy);
            chosen_shared = one;
        }
    }
    if (chosen_shared != nullptr) {
        // The second copy is for a member with QoS 0 alone.
        if (packet.qos > 0 && chosen_shared->maximum == 2 && packet.qos == 1) {
            chosen_shared->maximum = 1;
        }
        ++chosen_shared->arrived;
        chosen_shared->holders.push_back(link.session);
        return Taken{.message = chosen_shared->message, .shared = chosen_shared};
    }
    if (chosen == nullptr) return std::nullopt;
    ++chosen->arrived;
    if (is_one_of_several(link, session, *chosen, packet)) {
        chosen->needed = std::max(chosen->needed, static_cast<unsigned>(chosen->matches.size()));
    }
    if (packet.qos >= highest_qos(*chosen)) chosen->has_highest_qos = true;
    const bool is_single = chosen->matches.size() == 1 && !chosen->is_retained;
    return Taken{.message = chosen->message,
                 .is_ordered = is_single && is_unchanged(session, *chosen)};
}

bool Model::is_member(const SharedCopy& copy, const std::string& client_id) const {
    if (copy.members.contains(client_id)) return true;
    const auto session = sessions_.find(client_id);
    return session != sessions_.end() && session->second.subscriptions.contains(copy.filter);
}

/// A client that is in several groups does not say for which of them it got a message: one that was
/// taken for a group of `client_id` may have been another's. True when there is room now.
bool Model::make_room(const std::string& client_id, const Packet& packet) {
    for (const auto& full : shared_) {
        const auto& message = full->message;
        const bool is_of = message->topic == packet.topic && message->payload == packet.payload;
        if (!is_of || full->arrived < full->maximum || !is_member(*full, client_id)) continue;
        for (const auto& other : shared_) {
            if (other->message != message || other->arrived >= other->maximum) continue;
            const auto holder = std::ranges::find_if(
                full->holders, [&](const auto& one) { return is_member(*other, one); });
            if (holder == full->holders.end()) continue;
            other->holders.push_back(*holder);
            ++other->arrived;
            full->holders.erase(holder);
            --full->arrived;
            return true;
        }
    }
    return false;
}

void Model::check_order(Link& link, const Message& message, const Packet& packet) {
    if (!message.is_ordered) return;
    const auto stream = message.publisher + ' ' + message.topic + ' ' +
                        std::to_string(message.qos) + ' ' + std::to_string(packet.qos);
    auto& last = link.last_of_stream[stream];
    if (message.sequence < last) {
        diverge(rule::order, link.version, "out of order",
                name_of_message(packet) + " comes after one that was published later");
    }
    last = std::max(last, message.sequence);
}

std::optional<Divergence> Model::judge(const Link& link, const Session& session, const Copy& copy,
                                       const Packet& packet, bool is_shared, Instant now) const {
    const auto& message = *copy.message;
    const auto what = name_of_message(packet);
    const bool is_v5 = link.version == ProtocolVersion::v5;
    const bool is_strict = is_unchanged(session, copy);
    const auto says = [&](const Rule& rule, std::string kind, const std::string& text) {
        return divergence(rule, link.version, std::move(kind), what + text);
    };
    if (is_expired(message, now, settings_.tolerances.timer_late())) {
        return says(rule::expired, "expired message", " comes after its expiry");
    }
    const auto fits_qos = [&](const Match& match) {
        const auto granted = match.subscription.qos;
        // Before SUBACK nobody knows what is granted; and a group may have been matched earlier.
        return is_strict ? std::min(message.qos, granted) == packet.qos : packet.qos <= message.qos;
    };
    if (!std::ranges::any_of(copy.matches, fits_qos)) {
        return says(rule::qos_of_delivery, "wrong QoS",
                    " was published at QoS " + std::to_string(message.qos) + " and comes at QoS " +
                        std::to_string(packet.qos) + ", granted is " +
                        std::to_string(copy.matches.front().subscription.qos));
    }
    if (copy.is_retained) {
        if (!packet.retain)
            return says(rule::retained_flag, "RETAIN 0", ", retained, has RETAIN 0");
    } else if (packet.retain && (!is_v5 || !message.retain)) {
        return says(rule::retain_flag_0, "RETAIN 1", " has RETAIN 1");
    } else if (is_v5 && is_strict && message.retain) {
        const auto as_published = [](const Match& match) {
            return match.subscription.options.retain_as_published;
        };
        if (packet.retain && std::ranges::none_of(copy.matches, as_published)) {
            return says(rule::retain_flag_0, "RETAIN 1", " has RETAIN 1");
        }
        if (!packet.retain && std::ranges::all_of(copy.matches, as_published)) {
            return says(rule::retain_flag_kept, "RETAIN not as published", " has RETAIN 0");
        }
    }
    if (!is_v5) return std::nullopt;
    if (is_strict && link.has_identifiers) {
        const auto seen = identifiers_of(packet.properties);
        const bool is_of_one = std::ranges::any_of(
            copy.matches, [&seen](const Match& match) { return seen == own_identifier(match); });
        const auto together = all_identifiers(copy);
        // A broker that sends one copy names all of them, one that sends several its own.
        const bool fits =
            (is_of_one && (copy.maximum > 1 || copy.matches.size() == 1)) || seen == together;
        if (!fits && !is_shared) {
            return says(rule::identifiers, "wrong Subscription Identifiers",
                        " has other Subscription Identifiers than its subscriptions");
        }
        if (!fits) {
            return says(rule::identifiers, "wrong Subscription Identifiers",
                        " has other Subscription Identifiers than the member that gets it");
        }
    }
    return judge_properties(message, packet, now);
}

std::optional<Divergence> Model::judge_properties(const Message& message, const Packet& packet,
                                                  Instant now) const {
    const auto what = name_of_message(packet);
    const auto version = packet.version;
    Properties seen;
    for (const auto& property : packet.properties) {
        if (!travels(property.id)) continue;
        if (property.id == PropertyId::user_property && property.text == "secret") {
            return divergence(rule::hop_by_hop, version, "foreign User Property",
                              what + " has the User Property of another packet");
        }
        seen.push_back(property);
    }
    const auto wanted = sorted(message.properties);
    const auto found = sorted(seen);
    using enum PropertyId;
    constexpr std::pair<PropertyId, std::string_view> statements[]{
        {payload_format_indicator, "MQTT-3.3.2-4"},
        {response_topic, "MQTT-3.3.2-15"},
        {correlation_data, "MQTT-3.3.2-16"},
        {content_type, "MQTT-3.3.2-20"},
        {user_property, "MQTT-3.3.2-17"}};
    for (const auto& [id, statement] : statements) {
        const auto expected = all_of(wanted, id);
        auto got = all_of(found, id);
        // A broker may add User Properties of its own: nothing forbids it.
        if (id == user_property) {
            std::erase_if(got, [&](const Property& one) {
                return std::ranges::find(expected, one) == expected.end();
            });
        }
        if (expected == got) continue;
        return divergence(
            {statement, ""}, version, "property lost",
            what + " has another " +
                std::string{find_property_rule(static_cast<std::uint32_t>(id))->name} +
                " than it was published with");
    }
    if (!message.expiry_s.has_value()) return std::nullopt;
    const auto left = number_of(packet.properties, message_expiry_interval);
    const auto waited_s = [now](Instant since) {
        return std::chrono::duration_cast<std::chrono::seconds>(now - since).count();
    };
    // Whole seconds are cut off differently.
    const auto least = static_cast<std::int64_t>(*message.expiry_s) - waited_s(message.from) - 2;
    const auto most = static_cast<std::int64_t>(*message.expiry_s) - waited_s(message.to) + 1;
    if (left.has_value() && *left >= least && *left <= most && *left <= *message.expiry_s) {
        return std::nullopt;
    }
    return divergence(rule::expiry_left, version, "wrong Message Expiry Interval",
                      what + " has Message Expiry Interval " +
                          (left.has_value() ? std::to_string(*left) : std::string{"none"}) +
                          " of " + std::to_string(*message.expiry_s) + " after " +
                          std::to_string(waited_s(message.from)) + " s");
}

bool Model::is_in_group_of(const Session& session, const std::string& topic) {
    return std::ranges::any_of(session.subscriptions, [&](const auto& one) {
        constexpr std::string_view prefix = "$share/";
        if (!one.first.starts_with(prefix)) return false;
        const auto slash = one.first.find('/', prefix.size());
        return matches_topic(std::string_view{one.first}.substr(slash + 1), topic);
    });
}

void Model::explain_unwanted(const Link& link, const Session& session, const Packet& packet,
                             std::vector<Divergence>& problems) {
    const auto what = name_of_message(packet);
    const auto says = [&](const Rule& rule, std::string kind, const std::string& text) {
        problems.push_back(divergence(rule, link.version, std::move(kind), what + text));
    };
    for (const auto& flight : session.flights) {
        if (flight.topic != packet.topic || flight.payload != packet.payload) continue;
        if (flight.is_resend_owed) {
            return says(rule::original_identifier, "resend with a new Packet Identifier",
                        " is sent again with another Packet Identifier");
        }
    }
    const auto known = std::ranges::find_if(messages_, [&](const MessagePointer& one) {
        return one->topic == packet.topic && one->payload == packet.payload;
    });
    if (known == messages_.end()) {
        const bool has_payload = std::ranges::any_of(messages_, [&](const MessagePointer& one) {
            return !packet.payload.empty() && one->payload == packet.payload;
        });
        return says(has_payload ? rule::wrong_topic : rule::none,
                    has_payload ? "wrong Topic Name" : "unknown message",
                    has_payload ? " was published to another topic" : " was never published");
    }
    const auto& message = **known;
    if (!message.was_offered) return says(rule::none, "too early", " should not be published yet");
    bool has_match = false;
    bool matches_but_for_dollar = false;
    bool is_own = false;
    for (const auto& [filter, subscription] : session.subscriptions) {
        if (filter.starts_with("$share/")) continue;
        const bool fits = matches_topic(filter, packet.topic);
        has_match = has_match || fits;
        is_own = is_own ||
                 (fits && subscription.options.no_local && message.publisher == link.client_id);
        matches_but_for_dollar =
            matches_but_for_dollar ||
            (packet.topic.starts_with('$') && (filter.starts_with('#') || filter.starts_with('+')));
    }
    const bool has_copy = std::ranges::any_of(
        session.copies, [&](const Copy& copy) { return copy.message == *known; });
    if (has_copy) {
        return says(packet.qos == 2 ? rule::exactly_once : rule::none, "delivered too often",
                    " comes more often than it may");
    }
    if (is_own) return says(rule::no_local, "No Local ignored", " comes back to its publisher");
    if (!has_match && matches_but_for_dollar) {
        return says(rule::dollar, "wildcard matches $", " is matched by a wildcard");
    }
    if (!has_match) return says(rule::wrong_topic, "no subscription", " matches no subscription");
    if (packet.retain)
        return says(rule::none, "Retained Message unasked", ", retained, was not asked for");
    says(rule::none, "not for this subscription", " was published before the subscription");
}

std::vector<Buffer> Model::on_pubrel(char client, const Packet& packet, Instant now) {
    auto& one = link(client);
    auto* const session = session_of(one);
    if (session == nullptr) return {};
    const auto found = std::ranges::find(session->flights, packet.packet_id, &Flight::id);
    if (found != session->flights.end()) {
        if (!found->is_recorded && !found->is_uncertain && found->is_resend_owed) {
            diverge({"MQTT-4.3.3-3", "MQTT-4.3.3-1"}, one.version, "PUBREL without PUBREC",
                    "PUBREL instead of the PUBLISH that has no PUBREC, Packet Identifier " +
                        std::to_string(packet.packet_id));
        }
        found->is_pubrel_owed = false;
        found->is_resend_owed = false;
        found->is_open = true;  // until PUBCOMP, which may take a while
    }
    return answer(one, PacketType::pubcomp, packet.packet_id, now);
}

std::vector<Buffer> Model::on_acknowledgement(char client, const Packet& packet, Instant now) {
    auto& one = link(client);
    if (auto& count = one.awaited[{packet.type, packet.packet_id}]; count > 0) --count;
    auto* const session = session_of(one);
    if (session == nullptr || packet.type == PacketType::pingresp) return {};
    const auto found = std::ranges::find(session->outbound, packet.packet_id, &Outbound::id);
    if (found == session->outbound.end()) return {};
    auto& outbound = *found;
    const auto message = outbound.message;
    const bool is_refusal = packet.reason_code >= 0x80;
    if (packet.type == PacketType::pubcomp) {
        accept(message, true, now);
        session->outbound.erase(found);
        return {};
    }
    constexpr std::uint8_t packet_identifier_in_use = 0x91;
    if (packet.reason_code == packet_identifier_in_use && outbound.was_answered) {
        diverge(rule::exactly_once, one.version, "refused what was taken",
                "a PUBLISH that is sent again is refused with 0x91, although it was taken");
    }
    if (is_refusal) {
        refuse(message);
        session->outbound.erase(found);
        return {};
    }
    outbound.was_answered = true;
    if (packet.type == PacketType::puback) {
        accept(message, true, now);
        if (!outbound.is_forgetful) session->outbound.erase(found);
        return {};
    }
    if (outbound.is_forgetful) return {};
    outbound.is_recorded = true;
    // A broker that passes it on at PUBLISH may still be at it, in another of its parts.
    if (!settings_.is_of_one_part) late_.push_back({.message = message});
    return answer(one, PacketType::pubrel, packet.packet_id, now);
}

void Model::on_suback(char client, const Packet& packet, Instant now) {
    auto& one = link(client);
    auto& count = one.awaited[{PacketType::suback, packet.packet_id}];
    if (count == 0) {
        const bool grants =
            std::ranges::any_of(packet.reason_codes, [](std::uint8_t code) { return code < 0x80; });
        if (!one.refused_filter_rule.empty() && grants) {
            divergences_.push_back({one.refused_filter_rule, "bad filter granted",
                                    "SUBACK grants a Topic Filter that is not allowed"});
        }
        return;
    }
    --count;
    auto* const session = session_of(one);
    if (session == nullptr) return;
    const auto filter_count = std::min(packet.reason_codes.size(), one.asked_filters.size());
    for (std::size_t i = 0; i < filter_count; ++i) {
        const auto& filter = one.asked_filters[i];
        const auto code = packet.reason_codes[i];
        auto& subscription = session->subscriptions[filter];
        if (code >= 0x80) continue;  // refused: it stays uncertain, nothing is owed
        if (code > subscription.options.qos) {
            diverge(rule::suback_code, one.version, "granted more than asked for",
                    "SUBACK grants QoS " + std::to_string(code) + " to " + printable(filter, 40) +
                        ", which asked for " + std::to_string(subscription.options.qos));
        }
        subscription.qos = code;
        subscription.is_certain = true;
        for (auto& copy : session->copies) {
            for (auto& match : copy.matches) {
                if (match.filter != filter ||
                    match.subscription.revision != subscription.revision) {
                    continue;
                }
                match.subscription = subscription;
                const auto& candidates = retained_[copy.message->topic];
                const bool is_sole =
                    candidates.size() == 1 && candidates.front().stored == copy.message;
                const bool is_owed =
                    copy.is_retained && !copy.is_optional && copy.message->qos > 0 &&
                    !copy.message->topic.starts_with('$') && !subscription.options.no_local &&
                    is_sole && fits(one, *copy.message) &&
                    !is_expired(*copy.message, now, Duration::zero());
                if (is_owed) copy.needed = 1;
            }
        }
    }
}

void Model::on_unsuback(char client, const Packet& packet) {
    auto& one = link(client);
    auto& count = one.awaited[{PacketType::unsuback, packet.packet_id}];
    if (count == 0) return;
    --count;
    auto* const session = session_of(one);
    if (session == nullptr) return;
    for (std::size_t i = 0; i < one.asked_filters.size(); ++i) {
        const auto& filter = one.asked_filters[i];
        const bool has_code = i < packet.reason_codes.size();
        const auto code = has_code ? packet.reason_codes[i] : std::uint8_t{0};
        if (code >= 0x80) continue;
        // No statement demands 0x11: 0x00 for what was not subscribed is unusual, no more.
        if (has_code && one.had_filters[i] && code == 0x11) {
            diverge(rule::unsuback_code, one.version, "wrong UNSUBACK code",
                    "UNSUBACK says " + describe_code(code, one.version) + " for " +
                        printable(filter, 40) + ", which was subscribed");
        }
        session->subscriptions.erase(filter);
    }
}

void Model::on_end(char client, Arrival arrival, Instant now) {
    auto& one = link(client);
    const bool is_expected = one.must_close.has_value() || one.may_close;
    if (arrival == Arrival::text_frame) {
        diverge({"MQTT-6.0.0-1", "MQTT-6.0.0-1"}, one.version, "text frame",
                "the broker sends a text frame");
    } else if (!is_expected && is_own_reason(one.disconnect_code)) {
        inconclusive_ = "the broker ended a connection with " +
                        describe_code(*one.disconnect_code, one.version);
    } else if (!is_expected) {
        const auto code = one.disconnect_code.has_value()
                              ? ", DISCONNECT " + describe_code(*one.disconnect_code, one.version)
                              : std::string{};
        diverge(one.is_awaiting_connack ? rule::connect_refused : rule::none, one.version,
                one.is_awaiting_connack ? "closed without CONNACK" : "closed without cause",
                "the broker ends the connection of a client that did nothing wrong" + code);
    }
    one.may_close = true;
    on_gone(client, false, now);
}

}  // namespace touchstone::conformance::generated
