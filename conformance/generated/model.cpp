// What clients do, and what time does. What the broker sends is judged in model_judgement.cpp.
#include "conformance/generated/model.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace touchstone::conformance::generated {

namespace {

constexpr std::uint16_t subscribe_id = 1'000;
constexpr std::uint16_t unsubscribe_id = 1'001;
constexpr std::uint16_t wrong_id = 1'002;
/// A broker whose Maximum Packet Size is larger is sent nothing above it: that would only take
/// time.
constexpr std::uint32_t too_large_bytes_max = 100'000;
constexpr std::size_t long_id_bytes = 120;
constexpr std::uint32_t never_expires = 0xFFFF'FFFF;

namespace rule {
constexpr Rule takeover{"MQTT-3.1.4-3", "MQTT-3.1.4-2"};
constexpr Rule second_connect{"MQTT-3.1.0-2", "MQTT-3.1.0-2"};
constexpr Rule keep_alive{"MQTT-3.1.2-22", "MQTT-3.1.2-24"};
constexpr Rule connack{"MQTT-3.1.4-5", "MQTT-3.1.4-4"};
constexpr Rule publish_answer{"MQTT-3.3.4-1", "MQTT-3.3.4-1"};
constexpr Rule pubcomp{"MQTT-4.3.3-11", "MQTT-4.3.3-2"};
constexpr Rule pubrel{"MQTT-4.3.3-4", "MQTT-4.3.3-1"};
constexpr Rule suback{"MQTT-3.8.4-1", "MQTT-3.8.4-1"};
constexpr Rule unsuback{"MQTT-3.10.4-4", "MQTT-3.10.4-4"};
constexpr Rule pingresp{"MQTT-3.12.4-1", "MQTT-3.12.4-1"};
constexpr Rule session_state{"MQTT-4.5.0-1", "MQTT-4.5.0-1"};
constexpr Rule will{"MQTT-3.1.2-8", "MQTT-3.1.2-8"};
constexpr Rule retained{"MQTT-3.3.1-9", "MQTT-3.3.1-6"};
constexpr Rule resend{"MQTT-4.4.0-1", "MQTT-4.4.0-1"};
constexpr Rule highest_qos{"MQTT-3.3.4-2", "MQTT-3.3.5-1"};
}  // namespace rule

/// Properties that a receiver has to get as they were sent (§3.3.2.3).
Properties travelling_properties(const std::string& reply_topic) {
    using enum PropertyId;
    return {number_property(payload_format_indicator, 1),
            text_property(content_type, "text"),
            text_property(response_topic, reply_topic),
            text_property(correlation_data, "c1"),
            pair_property("k", "1"),
            pair_property("k", "2"),
            pair_property("a", "3")};
}

/// Of a client, for the broker alone: it must not reach subscribers (X5-54).
Property hop() {
    return pair_property("secret", "hop");
}

}  // namespace

bool matches_topic(std::string_view filter, std::string_view topic) {
    // [MQTT-4.7.2-1], the same in both versions.
    if (topic.starts_with('$') && (filter.starts_with('#') || filter.starts_with('+')))
        return false;
    for (;;) {
        const auto filter_end = filter.find('/');
        const auto topic_end = topic.find('/');
        const auto level = filter.substr(0, filter_end);
        if (level == "#") return true;
        if (level != "+" && level != topic.substr(0, topic_end)) return false;
        if (topic_end == std::string_view::npos) {
            // "a/#" matches "a" as well (§4.7.1.2).
            return filter_end == std::string_view::npos || filter.substr(filter_end) == "/#";
        }
        if (filter_end == std::string_view::npos) return false;
        filter.remove_prefix(filter_end + 1);
        topic.remove_prefix(topic_end + 1);
    }
}

Model::Model(ModelSettings settings) : settings_{std::move(settings)} {}

Draft Model::connect_packet(ConnectFields fields) const {
    return build_connect(with_credentials(std::move(fields), settings_.credentials));
}

Model::Session* Model::session_of(const Link& link) {
    const auto found = sessions_.find(link.session);
    return link.session.empty() || found == sessions_.end() ? nullptr : &found->second;
}

const Model::Session* Model::session_of(const Link& link) const {
    const auto found = sessions_.find(link.session);
    return link.session.empty() || found == sessions_.end() ? nullptr : &found->second;
}

std::string Model::expand(std::string_view text) const {
    std::string expanded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned code = 0;
        const auto* const digits = text.data() + i + 1;
        if (text[i] == '~') {
            expanded += settings_.token;
        } else if (text[i] == '%' && i + 2 < text.size() &&
                   std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2) {
            expanded += static_cast<char>(code);
            i += 2;
        } else {
            expanded += text[i];
        }
    }
    return expanded;
}

Divergence Model::divergence(const Rule& rule, ProtocolVersion version, std::string kind,
                             std::string text) {
    return {statement_of(rule, version), std::move(kind), std::move(text)};
}

void Model::diverge(const Rule& rule, ProtocolVersion version, std::string kind, std::string text) {
    divergences_.push_back(divergence(rule, version, std::move(kind), std::move(text)));
}

bool Model::can_ping(char client) const {
    const auto& one = link(client);
    return one.is_open && one.is_connected && !one.must_close.has_value();
}

Buffer Model::send_raw(Link& link, Buffer bytes, Instant now) {
    link.monitor.on_sent(decode(bytes, link.version, Sender::client));
    link.last_sent = now;
    return bytes;
}

Buffer Model::send(Link& link, const Draft& draft, Instant now) {
    return send_raw(link, draft.bytes(), now);
}

Buffer Model::ping(char client, Instant now) {
    auto& one = link(client);
    ++one.awaited[{PacketType::pingresp, 0}];
    return send(one, build_pingreq(), now);
}

std::optional<Outgoing> Model::begin(const Step& step, std::size_t number, Instant now) {
    auto outgoing = begin_verb(step, number, now);
    if (!outgoing.has_value()) return outgoing;
    // So many steps with their round trips are time enough.
    constexpr unsigned steps_max = 3;
    std::erase_if(late_, [this](Late& late) {
        if (++late.steps <= steps_max) return false;
        if (!late.is_certain) return true;
        late.message->is_late = false;
        auto& candidates = retained_[late.message->topic];
        const bool is_last = !candidates.empty() && candidates.back().source == late.message;
        if (is_last && late.message->is_place_known) {
            candidates = {candidates.back()};
        }
        return true;
    });
    for (const auto& late : late_) accept(late.message, false, now);
    return outgoing;
}

std::optional<Outgoing> Model::begin_verb(const Step& step, std::size_t number, Instant now) {
    auto& one = link(step.client);
    if (step.verb == Verb::connect) return begin_connect(step, number, now);
    if (step.verb == Verb::wrong) return begin_wrong(step, number, now);
    if (step.verb == Verb::wait) return Outgoing{};
    if (step.verb == Verb::cut) {
        if (!one.is_open) return std::nullopt;
        return Outgoing{.ends = Ending::abort};
    }
    if (!can_ping(step.client) || session_of(one) == nullptr) return std::nullopt;
    switch (step.verb) {
        case Verb::subscribe: return begin_subscribe(step, now);
        case Verb::unsubscribe: return begin_unsubscribe(step, now);
        case Verb::publish: return begin_publish(step, number, now);
        case Verb::acknowledge: return begin_acknowledge(step, now);
        case Verb::disconnect: return begin_disconnect(step, now);
        case Verb::ping: return Outgoing{.packets = {ping(step.client, now)}};
        case Verb::connect:
        case Verb::cut:
        case Verb::wait:
        case Verb::wrong: break;
    }
    return std::nullopt;
}

Model::MessagePointer Model::make_message(std::string topic, std::string payload, std::uint8_t qos,
                                          bool retain, std::string publisher, Instant now) {
    auto message = std::make_shared<Message>();
    message->topic = std::move(topic);
    message->payload = std::move(payload);
    message->qos = qos;
    message->retain = retain;
    message->publisher = std::move(publisher);
    message->from = now;
    message->to = now;
    message->sequence = messages_.size() + 1;
    messages_.push_back(message);
    return message;
}

std::optional<Outgoing> Model::begin_connect(const Step& step, std::size_t number, Instant now) {
    auto& one = link(step.client);
    // After a mistake that the broker need not notice the client begins anew.
    if (one.is_open && one.may_close && !one.must_close.has_value())
        on_gone(step.client, false, now);
    if (one.is_open) return std::nullopt;
    const auto version =
        step.text("version") == "3.1.1" ? ProtocolVersion::v3_1_1 : ProtocolVersion::v5;
    const bool is_v5 = version == ProtocolVersion::v5;
    const auto& known = settings_.capabilities;
    if (is_v5 ? !known.speaks_v5 : !known.speaks_v3_1_1) return std::nullopt;

    one = Link{};
    one.is_open = true;
    one.is_awaiting_connack = true;
    one.version = version;
    one.is_manual = step.has("manual");
    one.split = step.number("split");
    one.is_joined = step.has("joined");
    one.server_maximum_qos = known.maximum_qos;
    one.has_retain = known.retain_available;
    one.has_wildcards = known.wildcards_available;
    one.has_shared = is_v5 && known.shared_subscriptions_available;
    one.has_identifiers = is_v5 && known.subscription_identifiers_available;
    const auto id = step.text("id", std::string{step.client});
    const bool is_anonymous = id == "-";
    one.client_id = is_anonymous ? std::string{} : "c" + settings_.token + id;
    // One character, or very many: for the length of a Client Identifier alone.
    if (id == "*") one.client_id = settings_.token.substr(settings_.token.size() - 1);
    if (id == "+") {
        one.client_id.pop_back();
        one.client_id.resize(long_id_bytes, step.client);
    }
    one.session = is_anonymous ? "?" + std::to_string(++anonymous_) : one.client_id;
    // 3.1.1 [MQTT-3.1.3-7]: without a Client Identifier there is nothing to come back to.
    // The standard says nothing about a Session that is resumed in another version.
    const auto used = used_client_ids_.find(one.client_id);
    const bool was_other = used != used_client_ids_.end() && used->second != version;
    one.is_clean_start = step.has("clean") || is_anonymous || was_other;
    one.expiry_s = is_v5 ? step.number("expiry") : (one.is_clean_start ? 0 : never_expires);
    if (is_anonymous) one.expiry_s = 0;

    ConnectFields fields{.version = version,
                         .client_id = one.client_id,
                         .clean_start = one.is_clean_start,
                         .keep_alive_s = static_cast<std::uint16_t>(step.number("keep-alive", 0))};
    one.keep_alive_s = fields.keep_alive_s;
    if (is_v5) {
        using enum PropertyId;
        const auto add = [&fields](PropertyId property, std::optional<std::uint32_t> value) {
            if (value.has_value()) fields.properties.push_back(number_property(property, *value));
        };
        if (one.expiry_s > 0) add(session_expiry_interval, one.expiry_s);
        add(receive_maximum, step.number_if("receive-maximum"));
        add(maximum_packet_size, step.number_if("packet-size"));
        add(topic_alias_maximum, step.number_if("alias-maximum"));
        if (step.has("property")) fields.properties.push_back(hop());
        one.packet_size_max = step.number_if("packet-size");
    }
    if (step.has("will")) {
        const auto qos = std::min<std::uint8_t>(static_cast<std::uint8_t>(step.number("will-q")),
                                                known.maximum_qos);
        const bool is_retained = step.has("will-retain") && known.retain_available;
        WillFields will{.topic = expand(step.text("will")),
                        .payload = "w" + std::to_string(number),
                        .qos = static_cast<QoS>(qos),
                        .retain = is_retained};
        auto message = make_message(will.topic, will.payload, qos, is_retained, one.session, now);
        message->is_ordered = false;
        message->is_will = true;
        one.will = Will{.message = message};
        if (is_v5) {
            if (step.has("will-properties")) {
                message->properties = travelling_properties(expand("~/reply"));
                will.properties = message->properties;
            }
            message->expiry_s = step.number_if("will-expiry");
            if (message->expiry_s.has_value()) {
                will.properties.push_back(
                    number_property(PropertyId::message_expiry_interval, *message->expiry_s));
            }
            one.will->delay_s = step.number("will-delay");
            if (one.will->delay_s > 0) {
                will.properties.push_back(
                    number_property(PropertyId::will_delay_interval, one.will->delay_s));
            }
        }
        fields.will = std::move(will);
    }
    if (!is_anonymous) used_client_ids_[one.client_id] = version;

    if (auto* const session = session_of(one); session != nullptr) {
        const bool is_taken_over = session->client.has_value();
        if (is_taken_over) {
            for (auto& flight : session->flights) {
                if (flight.shared != nullptr && flight.qos == 1) ++flight.shared->maximum;
                flight.is_open = false;
            }
            auto& old = link(*session->client);
            old.must_close = divergence(rule::takeover, old.version, "takeover without close",
                                        std::string{"the connection of "} + *session->client +
                                            " stays open although its Client Identifier "
                                            "connected again");
            old.session.clear();
            old.awaited.clear();
            const bool ends = session->expiry_s == 0;
            session->client.reset();
            session->offline_since = now;
            const bool is_delayed = session->will.has_value() && session->will->delay_s > 0;
            if (session->version != ProtocolVersion::v5) {
                publish_will(*session, true, now);
            } else if (one.is_clean_start || ends) {
                publish_will(*session, false, now);  // X5-14, and the table of README.md
            } else if (!is_delayed) {
                publish_will(*session, true, now);
            }
            // Whether its state is still there depends on which of the two comes first.
            if (ends) session->is_certain = false;
        }
        // Another connection before the delay is over: the Will is not sent [MQTT-3.1.2-8].
        if (!one.is_clean_start) session->will.reset();
        if (one.is_clean_start) end_session(one.session, false, now);
    }
    Outgoing outgoing{.opens = true};
    outgoing.packets.push_back(send(one, connect_packet(std::move(fields)), now));
    return outgoing;
}

bool Model::is_acceptable(const Link& link, const std::string& filter) const {
    const bool is_shared = filter.starts_with("$share/");
    if (is_shared && (!link.has_shared || link.version != ProtocolVersion::v5)) return false;
    const bool has_wildcard = filter.find_first_of("+#") != std::string::npos;
    return !has_wildcard || link.has_wildcards;
}

std::optional<Outgoing> Model::begin_subscribe(const Step& step, Instant now) {
    auto& one = link(step.client);
    auto& session = *session_of(one);
    const bool is_v5 = one.version == ProtocolVersion::v5;
    const auto identifier =
        is_v5 && one.has_identifiers ? step.number_if("identifier") : std::nullopt;
    std::vector<FilterFields> filters;
    one.asked_filters.clear();
    for (const auto& text : step.all("filter")) {
        auto word = parse_filter_word(text);
        word.filter = expand(word.filter);
        if (!is_v5) word = {.filter = word.filter, .qos = word.qos};
        const bool is_twice =
            std::ranges::find(one.asked_filters, word.filter) != one.asked_filters.end();
        if (!is_acceptable(one, word.filter) || is_twice) continue;
        const auto found = session.subscriptions.find(word.filter);
        const bool is_known = found != session.subscriptions.end() && found->second.is_certain;
        const bool is_new = found == session.subscriptions.end();
        session.subscriptions[word.filter] = {.options = word,
                                              .qos = word.qos,
                                              .identifier = identifier,
                                              .is_certain = false,
                                              .revision = ++revision_};
        if (word.retain_handling == 0 || (word.retain_handling == 1 && !is_known)) {
            offer_retained(one, session, word.filter, is_new, now);
        }
        filters.push_back({.filter = word.filter, .options = word.byte(is_v5)});
        one.asked_filters.push_back(word.filter);
    }
    if (filters.empty()) return std::nullopt;
    Properties properties;
    if (identifier.has_value()) {
        properties.push_back(number_property(PropertyId::subscription_identifier, *identifier));
    }
    Outgoing outgoing;
    outgoing.packets.push_back(
        send(one, build_subscribe(one.version, subscribe_id, filters, properties), now));
    if (step.has("lose")) {
        outgoing.ends = Ending::finish;
    } else {
        ++one.awaited[{PacketType::suback, subscribe_id}];
    }
    return outgoing;
}

std::optional<Outgoing> Model::begin_unsubscribe(const Step& step, Instant now) {
    auto& one = link(step.client);
    auto& session = *session_of(one);
    one.asked_filters.clear();
    one.had_filters.clear();
    for (const auto& text : step.all("filter")) {
        const auto filter = expand(parse_filter_word(text).filter);
        if (!is_acceptable(one, filter)) continue;
        const bool is_twice =
            std::ranges::find(one.asked_filters, filter) != one.asked_filters.end();
        const auto found = session.subscriptions.find(filter);
        one.asked_filters.push_back(filter);
        one.had_filters.push_back(!is_twice && found != session.subscriptions.end() &&
                                  found->second.is_certain && session.is_certain);
        if (found != session.subscriptions.end()) {
            found->second.is_certain = false;
            found->second.revision = ++revision_;
        }
        for (const auto& shared : shared_) {
            if (shared->filter != filter) continue;
            shared->needed = std::min(shared->needed, shared->arrived);
            shared->is_optional = true;
        }
        // What waits for the client may still come, and need not [MQTT-3.10.4-2].
        for (auto& copy : session.copies) {
            const bool is_left = std::ranges::any_of(copy.matches, [&](const Match& match) {
                const auto left = session.subscriptions.find(match.filter);
                return left != session.subscriptions.end() && left->second.is_certain;
            });
            if (!is_left) copy.needed = std::min(copy.needed, copy.arrived);
        }
    }
    if (one.asked_filters.empty()) return std::nullopt;
    Outgoing outgoing;
    outgoing.packets.push_back(
        send(one, build_unsubscribe(one.version, unsubscribe_id, one.asked_filters), now));
    if (step.has("lose")) {
        outgoing.ends = Ending::finish;
    } else {
        ++one.awaited[{PacketType::unsuback, unsubscribe_id}];
    }
    return outgoing;
}

std::optional<Outgoing> Model::begin_publish(const Step& step, std::size_t number, Instant now) {
    auto& one = link(step.client);
    auto& session = *session_of(one);
    const bool is_v5 = one.version == ProtocolVersion::v5;
    const auto qos =
        std::min<std::uint8_t>(static_cast<std::uint8_t>(step.number("q")), one.server_maximum_qos);
    const bool is_retained = step.has("retain");
    if (is_retained && !one.has_retain) return std::nullopt;
    if (qos > 0 && session.outbound.size() >= one.server_receive_maximum) return std::nullopt;

    std::string payload;
    if (!step.has("empty")) {
        payload = "m" + std::to_string(number);
        const auto size = step.number("size");
        if (payload.size() < size) payload.resize(size, '.');
    }
    PublishFields fields{.topic = expand(step.text("topic")),
                         .payload = payload,
                         .qos = static_cast<QoS>(qos),
                         .retain = is_retained};
    auto message = make_message(fields.topic, payload, qos, is_retained, one.session, now);
    message->is_ordered = qos < 2 || !one.is_manual;
    if (is_v5) {
        if (step.has("properties")) message->properties = travelling_properties(expand("~/reply"));
        if (step.has("response") && !step.has("properties")) {
            message->properties = {
                text_property(PropertyId::response_topic, expand(step.text("response")))};
        }
        fields.properties = message->properties;
        message->expiry_s = step.number_if("expiry");
        if (message->expiry_s.has_value()) {
            fields.properties.push_back(
                number_property(PropertyId::message_expiry_interval, *message->expiry_s));
        }
        const auto alias = step.number_if("alias");
        if (alias.has_value() && *alias <= one.server_alias_maximum && !step.has("cut")) {
            fields.properties.push_back(number_property(PropertyId::topic_alias, *alias));
            const auto known = one.aliases.find(*alias);
            const bool is_known = known != one.aliases.end() && known->second == fields.topic;
            one.aliases[*alias] = fields.topic;
            if (step.has("by-alias") && is_known) fields.topic.clear();
        }
    }
    if (qos > 0) {
        std::uint16_t id = 1;
        while (std::ranges::find(session.outbound, id, &Outbound::id) != session.outbound.end())
            ++id;
        fields.packet_id = id;
    }
    const auto draft = build_publish(one.version, fields);
    const auto size_bytes = draft.bytes().size();
    if (one.server_packet_size.has_value() && size_bytes > *one.server_packet_size) {
        return std::nullopt;
    }
    if (fields.topic.starts_with('$') || message->topic.starts_with('$')) one.may_close = true;
    Outgoing outgoing;
    const bool is_cut = step.has("cut");
    if (is_cut) {
        auto bytes = draft.bytes();
        bytes.resize(std::min<std::size_t>(step.number("cut"), bytes.size() - 1));
        outgoing.packets.push_back(std::move(bytes));
        outgoing.ends = Ending::abort;
    } else if (qos == 0) {
        outgoing.packets.push_back(send(one, draft, now));
    }
    const bool is_lost = !is_cut && step.has("lose");
    if (is_lost) outgoing.ends = Ending::finish;
    if (qos == 0) {
        if (is_cut) return outgoing;
        accept(message, !is_lost, now);
        if (is_lost) late_.push_back({.message = message});
        return outgoing;
    }
    auto& outbound = session.outbound.emplace_back();
    outbound.id = fields.packet_id;
    outbound.message = message;
    outbound.is_forgetful = step.has("forget");
    if (is_cut) return outgoing;
    outgoing.packets.push_back(send_outbound(one, outbound, false, &draft, now));
    accept(message, false, now);
    if (is_lost) {
        one.awaited.clear();
        late_.push_back({.message = message});
    }
    return outgoing;
}

Buffer Model::send_outbound(Link& link, Outbound& outbound, bool is_again, const Draft* draft,
                            Instant now) {
    const auto& message = *outbound.message;
    const auto answer = message.qos == 1 ? PacketType::puback : PacketType::pubrec;
    ++link.awaited[{answer, outbound.id}];
    if (draft != nullptr) return send(link, *draft, now);
    PublishFields fields{.topic = message.topic,
                         .payload = message.payload,
                         .qos = static_cast<QoS>(message.qos),
                         .retain = message.retain,
                         .dup = is_again,
                         .packet_id = outbound.id,
                         .properties = message.properties};
    if (message.expiry_s.has_value()) {
        fields.properties.push_back(
            number_property(PropertyId::message_expiry_interval, *message.expiry_s));
    }
    return send(link, build_publish(link.version, fields), now);
}

Buffer Model::acknowledge(Link& link, const Pending& pending, std::uint8_t code, Instant now) {
    using enum PacketType;
    auto* const session = session_of(link);
    const bool is_refusal = code >= 0x80;
    if (session != nullptr) {
        for (auto& flight : session->flights) {
            if (flight.id != pending.id || pending.type == pubrel) continue;
            flight.is_uncertain = true;
            flight.is_resend_owed = false;
            const bool completes = pending.type != pubrec || is_refusal;
            if (completes) {
                flight.is_complete = true;
                flight.is_open = false;
            } else {
                flight.is_recorded = true;
                flight.is_pubrel_owed = true;
            }
        }
        if (pending.type == pubrel) {
            ++link.awaited[{pubcomp, pending.id}];
            for (auto& outbound : session->outbound) {
                if (outbound.id != pending.id) continue;
                outbound.is_released = true;
                accept(outbound.message, false, now);  // It may be passed on now (§4.3.3).
            }
        }
    }
    return send(link, build_acknowledgement(link.version, pending.type, pending.id, code), now);
}

std::optional<Outgoing> Model::begin_acknowledge(const Step& step, Instant now) {
    auto& one = link(step.client);
    // A client keeps the order among those of one QoS (v5, v3.1.1 [MQTT-4.6.0-2], [MQTT-4.6.0-3]).
    const auto wanted = step.number_if("q");
    const auto is_wanted = [wanted](const Pending& pending) {
        return !wanted.has_value() || (*wanted == 1) == (pending.type == PacketType::puback);
    };
    const bool is_v5 = one.version == ProtocolVersion::v5;
    Outgoing outgoing;
    for (auto left = step.number("count", 1); left > 0; --left) {
        const auto found = std::ranges::find_if(one.pending, is_wanted);
        if (found == one.pending.end()) break;
        const auto pending = *found;
        one.pending.erase(found);
        const bool may_refuse =
            is_v5 && (pending.type == PacketType::puback || pending.type == PacketType::pubrec);
        const auto code = may_refuse ? static_cast<std::uint8_t>(step.number("code")) : 0;
        outgoing.packets.push_back(acknowledge(one, pending, static_cast<std::uint8_t>(code), now));
    }
    if (outgoing.packets.empty()) return std::nullopt;
    if (step.has("lose")) outgoing.ends = Ending::finish;
    return outgoing;
}

std::optional<Outgoing> Model::begin_disconnect(const Step& step, Instant now) {
    auto& one = link(step.client);
    auto& session = *session_of(one);
    const bool is_v5 = one.version == ProtocolVersion::v5;
    const auto code = is_v5 ? static_cast<std::uint8_t>(step.number("code")) : std::uint8_t{0};
    Properties properties;
    const auto expiry = step.number_if("expiry");
    // X5-04: 0 cannot be made more than 0.
    if (is_v5 && expiry.has_value() && session.expiry_s > 0) {
        session.expiry_s = *expiry;
        properties.push_back(number_property(PropertyId::session_expiry_interval, *expiry));
    }
    one.disconnect_code = code;
    Outgoing outgoing{.ends = Ending::finish};
    outgoing.packets.push_back(send(one, build_disconnect(one.version, code, properties), now));
    // [MQTT-3.14.4-3]: the Will goes with code 0, and with code 0 only.
    if (code == 0) session.will.reset();
    return outgoing;
}

std::optional<Outgoing> Model::begin_wrong(const Step& step, std::size_t number, Instant now) {
    const auto name = step.text("kind");
    const auto& kind = *std::ranges::find(wrong_kinds(), name, &WrongKind::name);
    auto& one = link(step.client);
    const auto& known = settings_.capabilities;
    if (kind.is_first_packet) {
        if (one.is_open) return std::nullopt;
        const bool is_old = name == "connect-empty-id" || name == "connect-will-wildcard" ||
                            step.text("version") == "3.1.1" || !known.speaks_v5;
        if (is_old && !known.speaks_v3_1_1) return std::nullopt;
        one = Link{};
        one.is_open = true;
        one.version = is_old ? ProtocolVersion::v3_1_1 : ProtocolVersion::v5;
    } else if (!can_ping(step.client) || session_of(one) == nullptr) {
        return std::nullopt;
    }
    const auto version = one.version;
    const bool is_v5 = version == ProtocolVersion::v5;
    const auto topic = expand("~/t");
    const auto payload = "bad" + std::to_string(number);
    Outgoing outgoing{.opens = kind.is_first_packet};
    const auto sends = [&](const Draft& draft) {
        outgoing.packets.push_back(send(one, draft, now));
    };
    /// The standard demands that the broker closes.
    const auto binding = [&](const Rule& rule) {
        if (statement_of(rule, version).empty()) {
            one.may_close = true;
            return;
        }
        one.must_close = divergence(rule, version, "not closed after " + name,
                                    "the connection stays open after " + std::string{kind.story});
        one.awaited.clear();
    };
    const auto not_accepted = [&](const Rule& rule) {
        binding(rule);
        one.must_not_accept =
            divergence(rule, version, "accepted " + name, std::string{kind.story} + " is accepted");
    };
    /// 3.1.1 demands more of a malformed CONNECT than a refusal.
    const auto not_answered = [&] {
        if (is_v5) return;
        one.must_not_answer = divergence({"", "MQTT-3.1.4-1"}, version, "CONNACK for " + name,
                                         std::string{kind.story} + " is answered with CONNACK");
    };
    const auto publish = [&](PublishFields fields) {
        fields.payload = payload + fields.payload;
        return build_publish(version, fields);
    };
    const auto connect = [&] {
        return connect_packet({.version = version, .client_id = "c" + settings_.token + "w"});
    };
    if (!kind.is_first_packet) {
        one.may_close = true;
        foresee_end(step.client, now);
    }
    if (name == "second-connect") {
        sends(
            connect_packet({.version = version, .client_id = one.client_id, .clean_start = false}));
        binding(rule::second_connect);
    } else if (name == "pubrel-flags") {
        sends(build_acknowledgement(version, PacketType::pubrel, wrong_id).first_byte(0x60));
        binding({"MQTT-3.6.1-1", "MQTT-3.6.1-1"});
    } else if (name == "subscribe-flags") {
        sends(build_subscribe(version, wrong_id, {{.filter = topic}}).first_byte(0x80));
        binding({"MQTT-3.8.1-1", "MQTT-3.8.1-1"});
    } else if (name == "unsubscribe-flags") {
        sends(build_unsubscribe(version, wrong_id, {topic}).first_byte(0xA0));
        binding({"MQTT-3.10.1-1", "MQTT-3.10.1-1"});
    } else if (name == "subscribe-options") {
        sends(build_subscribe(version, wrong_id, {{.filter = topic, .options = 0xC0}}));
        binding({"MQTT-3.8.3-5", "MQTT-3.8.3-4"});
    } else if (name == "disconnect-flags") {
        sends(build_disconnect(version).first_byte(0xE1));
        binding({"MQTT-3.14.1-1", "MQTT-3.14.1-1"});
    } else if (name == "pingreq-flags") {
        sends(build_pingreq().first_byte(0xC1));
        binding({"", "MQTT-2.2.2-2"});
    } else if (name == "publish-qos-3") {
        sends(publish({.topic = topic, .qos = QoS::exactly_once, .packet_id = wrong_id})
                  .first_byte(0x36));
        binding({"", "MQTT-3.3.1-4"});
    } else if (name == "publish-wildcard") {
        sends(publish({.topic = topic + "/+"}));
    } else if (name == "publish-utf8") {
        sends(publish({.topic = topic + "/\xC0\xAF"}));
        binding({"", "MQTT-1.5.3-1"});
    } else if (name == "publish-id-0") {
        sends(publish({.topic = topic, .qos = QoS::at_least_once, .packet_id = 0}));
    } else if (name == "publish-no-topic") {
        sends(publish({}));
    } else if (name == "publish-response-wildcard" && is_v5) {
        sends(publish(
            {.topic = topic, .properties = {text_property(PropertyId::response_topic, "a/+")}}));
    } else if (name == "publish-identifier" && is_v5) {
        sends(publish({.topic = topic,
                       .properties = {number_property(PropertyId::subscription_identifier, 9)}}));
        // A broker need not notice, but may not pass the identifier on.
        auto message = make_message(topic, payload, 0, false, one.session, now);
        message->is_ordered = false;
        accept(message, false, now);
    } else if (name == "publish-property-utf8" && is_v5) {
        sends(publish({.topic = topic, .properties = {pair_property("a", "\xC0\xAF")}}));
    } else if (name == "publish-above-qos" && is_v5 && one.server_maximum_qos < 2) {
        sends(publish({.topic = topic,
                       .qos = static_cast<QoS>(one.server_maximum_qos + 1),
                       .packet_id = wrong_id}));
        binding({"MQTT-3.2.2-11", ""});
    } else if (name == "publish-retain" && is_v5 && !one.has_retain) {
        sends(publish({.topic = topic, .retain = true}));
        binding({"MQTT-3.2.2-14", ""});
    } else if (name == "publish-too-large" && is_v5 &&
               one.server_packet_size.value_or(too_large_bytes_max) < too_large_bytes_max) {
        sends(publish({.topic = topic, .payload = std::string(*one.server_packet_size, 'x')}));
        binding({"MQTT-3.2.2-15", ""});
    } else if (name == "publish-bad-alias" && is_v5) {
        std::uint32_t alias = 1;
        while (one.aliases.contains(alias)) ++alias;
        sends(publish({.properties = {number_property(PropertyId::topic_alias, alias)}}));
    } else if (name == "subscribe-empty") {
        sends(build_subscribe(version, wrong_id, {}));
    } else if (name == "subscribe-bad-filter") {
        sends(build_subscribe(version, wrong_id, {{.filter = expand("~/#/t+")}}));
        one.refused_filter_rule = statement_of({"MQTT-4.7.1-1", "MQTT-4.7.1-2"}, version);
    } else if (name == "subscribe-no-filter") {
        sends(build_subscribe(version, wrong_id, {{.filter = ""}}));
        one.refused_filter_rule = statement_of({"MQTT-4.7.3-1", "MQTT-4.7.3-1"}, version);
    } else if (name == "subscribe-bad-share" && is_v5 && one.has_shared) {
        sends(build_subscribe(version, wrong_id, {{.filter = expand("$share/a+/~/t")}}));
        one.refused_filter_rule = statement_of({"MQTT-4.8.2-2", ""}, version);
    } else if (name == "unsubscribe-empty") {
        sends(build_unsubscribe(version, wrong_id, {}));
    } else if (name == "suback") {
        outgoing.packets.push_back(
            send_raw(one, is_v5 ? hex("90 04 03 EA 00 00") : hex("90 03 03 EA 00"), now));
        binding({"", "MQTT-4.8.0-1"});
    } else if (name == "auth" && is_v5) {
        sends(build_auth(0x19, {text_property(PropertyId::authentication_method, "m")}));
    } else if (name == "auth-flags" && is_v5) {
        sends(build_auth(0x19, {text_property(PropertyId::authentication_method, "m")})
                  .first_byte(0xF1));
        binding({"MQTT-3.15.1-1", ""});
    } else if (name == "text-frame" && known.has_frames) {
        sends(build_pingreq());
        outgoing.is_text_frame = true;
        binding({"MQTT-6.0.0-1", "MQTT-6.0.0-1"});
    } else if (name == "ping-frame" && known.has_frames) {
        outgoing.is_ping_frame = true;
        one.may_close = false;
    } else if (name == "first-ping") {
        sends(build_pingreq());
        not_accepted({"MQTT-3.1.0-1", "MQTT-3.1.0-1"});
    } else if (name == "connect-flag") {
        sends(connect().flip("connect_flags", 0x01));
        not_accepted({"MQTT-3.1.2-3", "MQTT-3.1.2-3"});
        not_answered();
    } else if (name == "connect-name") {
        sends(connect().set("protocol_name", "MQTZ"));
        not_accepted({"MQTT-3.1.2-1", ""});  // 3.1.1: SHOULD NOT be processed
        one.may_close = true;
        one.may_be_any_connack = true;
    } else if (name == "connect-version") {
        sends(connect().set("protocol_version", hex("09")));
        not_accepted({"MQTT-3.1.2-2", "MQTT-3.1.2-2"});
        one.may_be_any_connack = true;
    } else if (name == "connect-will-qos-3") {
        auto draft = connect_packet({.version = version,
                                     .client_id = "c" + settings_.token + "w",
                                     .will = WillFields{.topic = topic, .payload = payload}});
        sends(draft.flip("connect_flags", 0x18));
        not_accepted({"MQTT-3.1.4-1", "MQTT-3.1.4-1"});
        not_answered();
    } else if (name == "connect-will-empty") {
        sends(build_connect({.version = version,
                             .client_id = "c" + settings_.token + "w",
                             .will = WillFields{.payload = payload}}));
        not_accepted({"MQTT-4.7.3-1", "MQTT-4.7.3-1"});
    } else if (name == "connect-will-wildcard") {
        sends(build_connect({.version = version,
                             .client_id = "c" + settings_.token + "w",
                             .will = WillFields{.topic = topic + "/+", .payload = payload}}));
        not_accepted({"", "MQTT-4.7.1-1"});
    } else if (name == "connect-empty-id") {
        sends(connect_packet({.version = version, .clean_start = false}));
        not_accepted({"", "MQTT-3.1.3-8"});
    } else {
        one.may_close = false;
        if (kind.is_first_packet) one.is_open = false;
        return std::nullopt;
    }
    return outgoing;
}

// --- Messages and Sessions ----------------------------------------------------------------------

void Model::accept(const MessagePointer& message, bool is_certain, Instant now) {
    const bool is_first = !message->was_offered;
    message->was_offered = true;
    // Without a payload nobody can tell two of them apart.
    for (const auto& other : messages_) {
        const bool is_alike = other != message && message->payload.empty() &&
                              other->payload.empty() && other->topic == message->topic;
        if (!is_alike) continue;
        message->is_ambiguous = true;
        message->is_ordered = false;
        other->is_ordered = false;
    }
    if (is_first) message->from = now;
    if (is_certain && !message->is_late && !settings_.is_of_one_part) {
        message->is_late = true;
        late_.push_back({.message = message, .is_certain = true});
    }
    message->to = now;
    for (auto& [client_id, session] : sessions_) {
        offer_to(client_id, session, message, is_certain, is_first);
    }
    offer_to_groups(message, is_certain, is_first);
    if (message->retain) retain(message, is_certain, is_first);
}

void Model::offer_to(const std::string& client_id, Session& session, const MessagePointer& message,
                     bool is_certain, bool is_first) {
    std::vector<Match> matches;
    bool has_certain = false;
    std::uint8_t qos = 0;
    for (const auto& [filter, subscription] : session.subscriptions) {
        if (filter.starts_with("$share/") || !matches_topic(filter, message->topic)) continue;
        const bool is_own = message->publisher == client_id;
        // Until SUBACK the options of the subscription before it may hold.
        if (subscription.options.no_local && is_own && subscription.is_certain) continue;
        matches.push_back({filter, subscription});
        if (!subscription.is_certain) continue;
        has_certain = true;
        qos = std::max(qos, std::min(subscription.qos, message->qos));
    }
    if (matches.empty()) return;
    // A broker SHOULD keep clients from using topics that begin with $ (§4.7.2).
    // What is too large for a client is done with (§3.1.2.11.4).
    const bool is_online = session.client.has_value();
    const bool is_kept = (is_online ? fits(link(*session.client), *message) : qos > 0) &&
                         !message->topic.starts_with('$') && !message->is_ambiguous;
    const bool is_owed = is_certain && has_certain && session.is_certain && is_kept;
    const auto found = std::ranges::find_if(session.copies, [&](const Copy& copy) {
        return copy.message == message && !copy.is_retained;
    });
    if (found != session.copies.end()) {
        // Published again the message meets the subscriptions of today.
        for (auto& match : matches) {
            const bool is_known = std::ranges::any_of(found->matches, [&](const Match& one) {
                return one.filter == match.filter &&
                       one.subscription.revision == match.subscription.revision;
            });
            if (is_known) continue;
            found->matches.push_back(std::move(match));
            found->is_mixed = true;
            ++found->maximum;
        }
        if (is_owed && !found->is_optional && !found->is_mixed) {
            found->needed = std::max(found->needed, found->arrived_before + 1);
        }
        return;
    }
    auto& copy = session.copies.emplace_back();
    copy.message = message;
    copy.maximum = 0;
    for (const auto& match : matches) {
        // Published at QoS 1 and received at QoS 0 it may come twice [MQTT-3.8.4-8].
        copy.maximum += match.subscription.qos == 0 && message->qos == 1 ? 2 : 1;
    }
    copy.matches = std::move(matches);
    const bool was_kept = is_online ? fits(link(*session.client), *message) : highest_qos(copy) > 0;
    copy.is_optional = !is_first || !was_kept || !has_certain;
    copy.needed = is_owed && is_first ? 1 : 0;
}

void Model::offer_to_groups(const MessagePointer& message, bool is_certain, bool is_first) {
    std::map<std::string, bool> groups;  // every member is there for certain
    for (const auto& [client_id, session] : sessions_) {
        for (const auto& [filter, subscription] : session.subscriptions) {
            if (!filter.starts_with("$share/")) continue;
            const auto slash = filter.find('/', std::string_view{"$share/"}.size());
            if (!matches_topic(std::string_view{filter}.substr(slash + 1), message->topic))
                continue;
            const bool is_there = subscription.is_certain && session.is_certain &&
                                  session.client.has_value() &&
                                  fits(link(*session.client), *message);
            const auto [group, is_new] = groups.try_emplace(filter, is_there);
            if (!is_new) group->second = group->second && is_there;
        }
    }
    for (const auto& [filter, is_whole] : groups) {
        const auto found = std::ranges::find_if(shared_, [&](const auto& one) {
            return one->message == message && one->filter == filter;
        });
        if (found != shared_.end()) {
            if (is_certain && is_whole && !(*found)->is_optional) (*found)->needed = 1;
            continue;
        }
        auto& made = *shared_.emplace_back(std::make_shared<SharedCopy>());
        made.message = message;
        made.filter = filter;
        for (const auto& [client_id, session] : sessions_) {
            const auto subscription = session.subscriptions.find(filter);
            if (subscription != session.subscriptions.end()) {
                made.members[client_id] = subscription->second;
            }
        }
        made.is_optional = !is_first || !is_whole || message->is_ambiguous;
        made.needed = is_certain && !made.is_optional ? 1 : 0;
        made.maximum = message->qos == 1 ? 2 : 1;  // a member with QoS 0 may get it twice
    }
}

void Model::repeat(const MessagePointer& message, bool is_new) {
    message->is_ordered = false;
    if (message->qos != 1) return;  // At QoS 2 the broker knows it, or never had it.
    for (auto& [client_id, session] : sessions_) {
        for (auto& copy : session.copies) {
            if (copy.message != message || copy.is_retained) continue;
            copy.maximum += static_cast<unsigned>(2 * copy.matches.size());
            if (is_new) copy.arrived_before = copy.arrived;
        }
    }
    for (auto& one : shared_) {
        if (one->message == message) one->maximum += 2;
    }
}

void Model::retain(const MessagePointer& message, bool is_certain, bool is_first) {
    auto& candidates = retained_[message->topic];
    if (candidates.empty()) candidates.push_back({});
    const bool is_last = candidates.back().source == message;
    if (!is_first && !is_last) message->is_place_known = false;
    if (!is_last) {
        const auto stored = message->payload.empty() ? MessagePointer{} : message;
        candidates.push_back({stored, message});
    }
    // Nothing else has been published there since: this is it.
    const bool is_it = message->qos == 0 || (is_last && message->is_place_known);
    if (is_certain && is_it && !message->is_late) candidates = {candidates.back()};
}

void Model::offer_retained(const Link& link, Session& session, const std::string& filter,
                           bool is_new, Instant now) {
    if (filter.starts_with("$share/") || !link.has_retain) return;
    const auto& subscription = session.subscriptions[filter];
    for (const auto& [topic, candidates] : retained_) {
        if (!matches_topic(filter, topic)) continue;
        for (const auto& [message, source] : candidates) {
            if (message == nullptr) continue;
            if (is_expired(*message, now, settings_.tolerances.timer_late())) continue;
            auto& copy = session.copies.emplace_back();
            copy.message = message;
            copy.matches = {{filter, subscription}};
            copy.is_retained = true;
            copy.is_optional = subscription.options.retain_handling == 1 && !is_new;
            copy.maximum = subscription.qos == 0 && message->qos == 1 ? 2 : 1;
        }
    }
}

void Model::refuse(const MessagePointer& message) {
    for (auto& [client_id, session] : sessions_) {
        for (auto& copy : session.copies) {
            if (copy.message == message) copy.needed = 0;
        }
    }
    for (auto& one : shared_) {
        if (one->message == message) one->needed = 0;
    }
}

void Model::publish_will(Session& session, bool is_certain, Instant now) {
    if (!session.will.has_value()) return;
    const auto message = session.will->message;
    session.will.reset();
    accept(message, is_certain, now);
    if (!is_certain) late_.push_back({.message = message});
}

/// The broker may end the connection, and act on that before its client learns of it.
void Model::foresee_end(char client, Instant now) {
    auto* const session = session_of(link(client));
    if (session == nullptr) return;
    for (auto& flight : session->flights) {
        if (flight.shared != nullptr && flight.qos == 1) ++flight.shared->maximum;
    }
    if (!session->will.has_value()) return;
    const bool is_at_once = session->will->delay_s == 0 || session->expiry_s == 0;
    if (is_at_once) accept(session->will->message, false, now);
}

void Model::end_session(const std::string& client_id, bool is_will_certain, Instant now) {
    const auto found = sessions_.find(client_id);
    if (found == sessions_.end()) return;
    publish_will(found->second, is_will_certain, now);
    for (auto& flight : found->second.flights) {
        // Another member may get it; at QoS 2 none may [MQTT-4.8.2-5].
        if (flight.shared != nullptr && flight.qos == 1) ++flight.shared->maximum;
    }
    sessions_.erase(found);
}

void Model::on_gone(char client, bool is_normal, Instant now) {
    auto& one = link(client);
    one.is_open = false;
    one.is_connected = false;
    one.awaited.clear();
    one.pending.clear();
    auto* const session = session_of(one);
    if (session == nullptr || session->client != client) return;
    if (is_normal) session->will.reset();
    session->client.reset();
    session->offline_since = now;
    session->is_will_offered = false;
    for (auto& copy : session->copies) {
        if (highest_qos(copy) > 0) continue;
        copy.needed = std::min(copy.needed, copy.arrived);
        copy.is_optional = true;
    }
    for (const auto& shared : shared_) {
        if (session->subscriptions.contains(shared->filter)) {
            shared->needed = std::min(shared->needed, shared->arrived);
            shared->is_optional = true;
        }
    }
    for (auto& flight : session->flights) {
        flight.is_open = false;
        if (flight.shared != nullptr && flight.qos == 1) ++flight.shared->maximum;
    }
    if (session->will.has_value() && (session->will->delay_s == 0 || session->expiry_s == 0)) {
        publish_will(*session, true, now);
    }
    if (session->expiry_s == 0) end_session(one.session, true, now);
}

void Model::on_ended_by_client(char client, Instant now) {
    on_gone(client, link(client).disconnect_code == std::uint8_t{0}, now);
}

void Model::on_time(Instant now) {
    const auto& tolerances = settings_.tolerances;
    for (const char client : client_names) {
        auto& one = link(client);
        if (!one.is_connected || one.keep_alive_s == 0) continue;
        const Instant due = one.last_sent + std::chrono::milliseconds{1'500} * one.keep_alive_s;
        if (now >= due - tolerances.timer_early()) {
            one.may_close = true;
            foresee_end(client, now);
        }
        if (now >= due + tolerances.timer_very_late() && !one.must_close.has_value()) {
            one.must_close = divergence(rule::keep_alive, one.version, "Keep Alive not enforced",
                                        "the connection stays open after one and a half times "
                                        "its Keep Alive in silence");
            one.awaited.clear();
        }
    }
    std::vector<std::string> ended;
    for (auto& [client_id, session] : sessions_) {
        if (session.client.has_value()) continue;
        const auto after = [&session](std::uint32_t seconds) {
            return session.offline_since + std::chrono::seconds{seconds};
        };
        if (session.will.has_value()) {
            const auto due = after(std::min(session.will->delay_s, session.expiry_s));
            if (now >= due + tolerances.timer_late()) {
                publish_will(session, true, now);
            } else if (now >= due - tolerances.timer_early()) {
                accept(session.will->message, false, now);
            }
        }
        if (session.expiry_s == never_expires) continue;
        if (now >= after(session.expiry_s) - tolerances.timer_early()) {
            session.is_certain = false;
            for (auto& copy : session.copies) copy.needed = 0;
        }
        if (now >= after(session.expiry_s) + tolerances.timer_very_late())
            ended.push_back(client_id);
    }
    for (const auto& client_id : ended) end_session(client_id, true, now);
}

void Model::on_settled() {
    for (auto& one : links_) {
        const auto pings = one.awaited.find({PacketType::pingresp, 0});
        const bool is_answered = pings != one.awaited.end() && pings->second == 0;
        // It had its occasion to close.
        if (one.is_connected && one.may_close && is_answered) one.may_close = false;
    }
    for (auto& [client_id, session] : sessions_) {
        if (!session.client.has_value() || !can_ping(*session.client)) continue;
        std::erase_if(session.flights, [](const Flight& flight) { return flight.is_complete; });
        for (auto& flight : session.flights) flight.is_uncertain = false;
    }
}

std::vector<std::string> Model::topics_to_clear() const {
    std::vector<std::string> topics;
    for (const auto& [topic, candidates] : retained_) topics.push_back(topic);
    for (const auto& message : messages_) {
        if (message->retain) topics.push_back(message->topic);
    }
    std::ranges::sort(topics);
    const auto rest = std::ranges::unique(topics);
    topics.erase(rest.begin(), rest.end());
    return topics;
}

// --- What is owed -------------------------------------------------------------------------------

bool Model::is_expired(const Message& message, Instant now, Duration later) const {
    return message.expiry_s.has_value() &&
           now > message.to + std::chrono::seconds{*message.expiry_s} + later;
}

bool Model::can_be_owed(const Link& link, const Message& message, Instant now) const {
    if (message.expiry_s.has_value() &&
        now + settings_.tolerances.timer_early() >
            message.from + std::chrono::seconds{*message.expiry_s}) {
        return false;
    }
    return fits(link, message);
}

bool Model::fits(const Link& link, const Message& message) {
    if (!link.packet_size_max.has_value()) return true;
    // What the broker may add: a few Subscription Identifiers, an alias, the interval that is left.
    constexpr std::size_t added_bytes_max = 30;
    const auto draft = build_publish(link.version, {.topic = message.topic,
                                                    .payload = message.payload,
                                                    .qos = static_cast<QoS>(message.qos),
                                                    .packet_id = 1,
                                                    .properties = message.properties});
    return draft.bytes().size() + added_bytes_max <= *link.packet_size_max;
}

const Model::Link* Model::idle_link(const Session& session) const {
    if (!session.client.has_value()) return nullptr;
    const auto& one = link(*session.client);
    if (!one.is_connected || one.must_close.has_value() || one.may_close) return nullptr;
    // A broker may have fewer in flight than it could: one is enough to hold up the others.
    if (std::ranges::any_of(session.flights, &Flight::is_open)) return nullptr;
    return &one;
}

std::optional<Owed> Model::owed_on(char client) const {
    const auto& one = link(client);
    if (!one.is_open) return std::nullopt;
    if (one.must_close.has_value()) return Owed{client, *one.must_close};
    if (one.may_close) {
        // It closes, or goes on; then it answers.
        const auto pings = one.awaited.find({PacketType::pingresp, 0});
        if (pings == one.awaited.end() || pings->second == 0) return std::nullopt;
        return Owed{client, divergence(rule::pingresp, one.version, "neither closed nor answered",
                                       "the connection stays open and PINGREQ is not answered")};
    }
    if (one.is_awaiting_connack) {
        return Owed{client, divergence(rule::connack, one.version, "no CONNACK",
                                       "CONNECT gets no CONNACK")};
    }
    using enum PacketType;
    for (const auto& [what, count] : one.awaited) {
        if (count <= 0) continue;
        const auto& [type, id] = what;
        const auto& rule = type == suback     ? rule::suback
                           : type == unsuback ? rule::unsuback
                           : type == pingresp ? rule::pingresp
                           : type == pubcomp  ? rule::pubcomp
                                              : rule::publish_answer;
        const auto name = std::string{name_of(type)};
        return Owed{client,
                    divergence(rule, one.version, "no " + name,
                               name + " does not come, Packet Identifier " + std::to_string(id))};
    }
    return std::nullopt;
}

std::optional<Owed> Model::owed_to(const Session& session, Instant now) const {
    if (!session.client.has_value()) return std::nullopt;
    const auto client = *session.client;
    const auto& one = link(client);
    if (!one.is_connected || one.must_close.has_value() || one.may_close) return std::nullopt;
    for (const auto& flight : session.flights) {
        if (!flight.is_pubrel_owed) continue;
        return Owed{client, divergence(rule::pubrel, one.version, "no PUBREL",
                                       "PUBREL does not come, Packet Identifier " +
                                           std::to_string(flight.id))};
    }
    const auto* const idle = idle_link(session);
    if (idle == nullptr) return std::nullopt;
    for (const auto& flight : session.flights) {
        if (!flight.is_resend_owed) continue;
        if (flight.message == nullptr || !fits(*idle, *flight.message)) continue;
        return Owed{client, divergence(rule::resend, one.version, "not sent again",
                                       "PUBLISH is not sent again, Packet Identifier " +
                                           std::to_string(flight.id) + ", " +
                                           printable(flight.payload, 20))};
    }
    for (const auto& copy : session.copies) {
        const auto& message = *copy.message;
        const auto what =
            "message " + printable(message.payload, 20) + " to " + printable(message.topic, 40);
        if (copy.arrived < copy.needed) {
            if (!can_be_owed(*idle, message, now)) continue;
            const auto& rule = copy.is_retained  ? rule::retained
                               : message.is_will ? rule::will
                                                 : rule::session_state;
            const auto* const kind = copy.is_retained  ? "no Retained Message"
                                     : message.is_will ? "Will lost"
                                                       : "message lost";
            return Owed{client,
                        divergence(rule, one.version, kind,
                                   std::string{copy.is_retained ? "Retained " : ""} + what +
                                       " does not come, QoS " + std::to_string(highest_qos(copy)))};
        }
        if (copy.needed > 0 && !copy.has_highest_qos && is_unchanged(session, copy)) {
            return Owed{client, divergence(rule::highest_qos, one.version, "not the highest QoS",
                                           what + " does not come at QoS " +
                                               std::to_string(highest_qos(copy)))};
        }
    }
    return std::nullopt;
}

std::optional<Owed> Model::owed_to_groups(Instant now) const {
    for (const auto& one : shared_) {
        if (one->arrived >= one->needed) continue;
        std::optional<char> client;
        bool is_whole = true;
        for (const auto& [client_id, session] : sessions_) {
            const auto found = session.subscriptions.find(one->filter);
            if (found == session.subscriptions.end()) continue;
            const auto* const idle = idle_link(session);
            is_whole = is_whole && found->second.is_certain && idle != nullptr &&
                       can_be_owed(*idle, *one->message, now);
            if (session.client.has_value()) client = session.client;
        }
        if (!is_whole || !client.has_value()) continue;
        return Owed{*client,
                    divergence({"X5-70", ""}, link(*client).version, "shared message lost",
                               "no member of " + printable(one->filter, 40) + " gets message " +
                                   printable(one->message->payload, 20))};
    }
    return std::nullopt;
}

std::optional<Owed> Model::owed(Instant now) const {
    for (const char client : client_names) {
        if (auto found = owed_on(client)) return found;
    }
    for (const auto& [client_id, session] : sessions_) {
        if (auto found = owed_to(session, now)) return found;
    }
    return owed_to_groups(now);
}

}  // namespace touchstone::conformance::generated
