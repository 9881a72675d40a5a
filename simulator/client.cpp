#include "simulator/client.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/wire/primitives.hpp"

namespace touchstone::simulator {

using wire::PacketType;
using wire::PropertyId;

namespace {

/// A client takes what a server sends; the limit only keeps a broken one from filling memory.
constexpr std::uint32_t packet_size_bytes_max = wire::packet_size_bytes_max;

wire::PacketId packet_id_of(std::uint16_t raw) {
    return wire::PacketId::from_wire(raw).value();
}

Buffer encoded(PacketType type, std::uint16_t packet_id, ProtocolVersion version) {
    Buffer bytes;
    wire::encode(bytes, type, {.packet_id = packet_id_of(packet_id)}, version);
    return bytes;
}

}  // namespace

Client::Client(ClientOptions options, ClientPort& port)
    : options_{std::move(options)},
      port_{port},
      client_id_{options_.client_id} {
    acknowledgements_.policy = options_.acknowledgements;
    completions_.policy = options_.completions;
}

void Client::connect(Instant now) {
    connection_.reset();
    lose_connection(now, false);
    if (options_.clean_start) forget();
    phase_ = Phase::connecting;
    was_taken_over_ = false;
    connection_ = port_.open();
    answer_deadline_ = now + options_.connect_timeout;
    send_connect(now);
}

void Client::disconnect(Instant now, ReasonCode reason,
                        std::optional<std::uint32_t> session_expiry_s) {
    reconnect_at_.reset();
    if (!connection_) return;
    if (phase_ == Phase::connected) {
        wire::PropertiesWriter properties;
        if (session_expiry_s) {
            properties.put_integer(PropertyId::session_expiry_interval, *session_expiry_s);
        }
        Buffer bytes;
        wire::encode(bytes, wire::Disconnect{.reason = reason, .properties = properties.view()},
                     options_.version);
        send(bytes, now);
    }
    port_.close(*connection_);
    lose_connection(now, false);
}

void Client::vanish(Instant now) {
    reconnect_at_.reset();
    if (!connection_) return;
    port_.abort(*connection_);
    lose_connection(now, false);
}

void Client::forget() {
    exchanges_.clear();
    unreleased_.clear();
    last_packet_id_ = 0;
}

void Client::publish(Publication publication, Instant now) {
    if (publication.qos == QoS::at_most_once && phase_ != Phase::connected &&
        !options_.queue_qos_0_offline) {
        return;
    }
    queue_.push_back(std::move(publication));
    pump(now);
}

void Client::subscribe(const std::vector<Wish>& wishes, Instant now) {
    for (const auto& wish : wishes) {
        const auto known = std::ranges::find(wishes_, wish.filter, &Wish::filter);
        if (known == wishes_.end()) {
            wishes_.push_back(wish);
        } else {
            *known = wish;
        }
    }
    if (phase_ == Phase::connected) send_subscribe(wishes, now);
}

void Client::unsubscribe(const std::vector<std::string>& filters, Instant now) {
    for (const auto& filter : filters) {
        std::erase_if(wishes_, [&](const Wish& wish) { return wish.filter == filter; });
    }
    if (phase_ != Phase::connected || filters.empty()) return;
    const auto packet_id = free_packet_id();
    if (!packet_id) return;
    requests_.push_back({*packet_id});
    Buffer entries;
    for (const auto& filter : filters) wire::put_string(entries, filter);
    Buffer bytes;
    wire::encode(bytes,
                 wire::Unsubscribe{.packet_id = packet_id_of(*packet_id),
                                   .properties = {},
                                   .entries = entries,
                                   .entry_count = filters.size()},
                 options_.version);
    send(bytes, now);
}

void Client::set_acknowledgements(const AckPolicy& policy, Instant now) {
    acknowledgements_.policy = policy;
    for (auto& one : acknowledgements_.pending) one.due = std::max(one.due, now);
    release(acknowledgements_, now);
}

void Client::set_completions(const AckPolicy& policy, Instant now) {
    completions_.policy = policy;
    for (auto& one : completions_.pending) one.due = std::max(one.due, now);
    release(completions_, now);
}

void Client::acknowledge(std::uint64_t count, Instant now) {
    auto& pending = acknowledgements_.pending;
    for (; count > 0 && !pending.empty() && phase_ == Phase::connected; --count) {
        const Answer next = pending.front();
        pending.pop_front();
        send(encoded(next.type, next.packet_id, options_.version), now);
    }
}

void Client::send_raw(Bytes bytes) {
    if (connection_) port_.send(*connection_, bytes);
}

void Client::on_bytes(ConnectionNumber connection, Bytes bytes, Instant now) {
    if (connection_ != connection) return;
    append(partial_, bytes);
    const Buffer whole = std::exchange(partial_, {});
    Bytes rest = whole;
    while (connection_ == connection) {
        const auto frame = wire::take_frame(rest, packet_size_bytes_max, options_.version);
        if (!frame) {
            // A server that sends this is judged by the checkers; a client can only leave.
            port_.abort(connection);
            return lose_connection(now, options_.reconnect.enabled);
        }
        if (!frame.value()) break;
        on_packet(*frame.value(), now);
    }
    if (connection_ == connection) partial_.assign(rest.begin(), rest.end());
}

void Client::on_ended(ConnectionNumber connection, Instant now) {
    if (connection_ == connection) lose_connection(now, options_.reconnect.enabled);
}

void Client::on_tick(Instant now) {
    if (reconnect_at_ && *reconnect_at_ <= now) return connect(now);
    if (answer_deadline_ && *answer_deadline_ <= now) {
        port_.abort(*connection_);
        return lose_connection(now, options_.reconnect.enabled);
    }
    release(acknowledgements_, now);
    release(completions_, now);
    if (phase_ != Phase::connected || keep_alive_ == Duration::zero() || answer_deadline_) return;
    if (now < last_sent_at_ + keep_alive_) return;
    Buffer bytes;
    wire::encode_pingreq(bytes);
    send(bytes, now);
    answer_deadline_ = now + options_.ping_timeout;
}

std::optional<Instant> Client::next_tick() const {
    std::optional<Instant> next;
    const auto consider = [&](std::optional<Instant> at) {
        if (at && (!next || *at < *next)) next = at;
    };
    consider(reconnect_at_);
    consider(answer_deadline_);
    if (phase_ == Phase::connected) {
        consider(next_release(acknowledgements_));
        consider(next_release(completions_));
        if (keep_alive_ != Duration::zero() && !answer_deadline_) {
            consider(last_sent_at_ + keep_alive_);
        }
    }
    return next;
}

void Client::on_packet(const wire::Frame& frame, Instant now) {
    const auto version = options_.version;
    switch (frame.type) {
        case PacketType::connack:
            if (const auto packet = wire::decode_connack(frame, version)) {
                on_connack(packet.value(), now);
            }
            return;
        case PacketType::publish:
            if (const auto packet = wire::decode_publish(frame, version)) {
                on_publish(packet.value(), now);
            }
            return;
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
            if (const auto packet = wire::decode_ack(frame, version)) {
                on_ack(frame.type, packet.value(), now);
            }
            return;
        case PacketType::suback:
        case PacketType::unsuback: {
            const auto packet = frame.type == PacketType::suback
                                    ? wire::decode_suback(frame, version)
                                    : wire::decode_unsuback(frame, version);
            if (!packet) return;
            std::erase_if(requests_, [&](const Request& request) {
                return request.packet_id == packet.value().packet_id.raw();
            });
            return pump(now);
        }
        case PacketType::pingresp:
            if (phase_ == Phase::connected) answer_deadline_.reset();
            return;
        case PacketType::disconnect:
            if (const auto packet = wire::decode_disconnect(frame, version)) {
                on_disconnect(packet.value());
            }
            return;
        case PacketType::auth:
        // Never sent by a server; the checkers see them.
        case PacketType::connect:
        case PacketType::subscribe:
        case PacketType::unsubscribe:
        case PacketType::pingreq: return;
    }
}

void Client::on_connack(const wire::Connack& connack, Instant now) {
    if (phase_ != Phase::connecting || is_failure(connack.reason)) return;
    phase_ = Phase::connected;
    answer_deadline_.reset();
    const auto& properties = connack.properties;
    quota_ = options_.inflight_max;
    if (const auto maximum = properties.integer(PropertyId::receive_maximum)) {
        quota_ = std::min(quota_, *maximum);
    }
    const std::uint32_t keep_alive_s =
        properties.integer(PropertyId::server_keep_alive).value_or(options_.keep_alive_s);
    keep_alive_ = std::chrono::seconds{keep_alive_s};
    if (const auto assigned = properties.text(PropertyId::assigned_client_identifier)) {
        client_id_ = *assigned;
    }
    if (!connack.session_present) {
        // [MQTT-3.2.2-5] and its reverse: state that only one side has is of no use.
        auto lost = std::exchange(exchanges_, {});
        forget();
        if (options_.republish_unacknowledged) {
            for (auto one = lost.rbegin(); one != lost.rend(); ++one) {
                if (!one->is_released) queue_.push_front(std::move(one->publication));
            }
        }
        if (options_.restore_subscriptions && !wishes_.empty()) send_subscribe(wishes_, now);
    }
    pump(now);
}

void Client::on_publish(const wire::Publish& publish, Instant now) {
    if (publish.qos == QoS::at_most_once) return port_.deliver(*connection_, publish);
    const auto packet_id = publish.packet_id->raw();
    if (publish.qos == QoS::at_least_once) {
        port_.deliver(*connection_, publish);
        return answer(acknowledgements_, PacketType::puback, packet_id, now);
    }
    const bool is_new = unreleased_.insert(packet_id).second;
    if (is_new || options_.defects.has(ClientDefect::qos2_client_no_dedupe))
        port_.deliver(*connection_, publish);
    answer(acknowledgements_, PacketType::pubrec, packet_id, now);
}

void Client::on_ack(PacketType type, const wire::Ack& ack, Instant now) {
    const auto packet_id = ack.packet_id.raw();
    if (type == PacketType::pubrel) {
        unreleased_.erase(packet_id);
        return answer(completions_, PacketType::pubcomp, packet_id, now);
    }
    const auto exchange = find(packet_id);
    if (exchange == exchanges_.end()) {
        // A PUBREC that nobody waits for is answered all the same, so that the server's side ends.
        if (type == PacketType::pubrec) {
            send(encoded(PacketType::pubrel, packet_id, options_.version), now);
        }
        return;
    }
    if (type == PacketType::pubrec && !is_failure(ack.reason)) {
        if (exchange->publication.qos != QoS::exactly_once) return;
        exchange->is_released = true;
        return send_pubrel(*exchange, now);
    }
    const bool is_qos_2 = exchange->publication.qos == QoS::exactly_once;
    if (type == PacketType::puback && is_qos_2) return;
    if (type != PacketType::puback && !is_qos_2) return;
    // A PUBREL resent on a resumed connection took none of its quota (§4.9).
    if (exchange->holds_quota) ++quota_;
    exchanges_.erase(exchange);
    pump(now);
}

void Client::on_disconnect(const wire::Disconnect& disconnect) {
    was_taken_over_ = disconnect.reason == ReasonCode::session_taken_over;
}

void Client::lose_connection(Instant now, bool may_reconnect) {
    phase_ = Phase::offline;
    connection_.reset();
    partial_.clear();
    requests_.clear();
    acknowledgements_.pending.clear();
    completions_.pending.clear();
    answer_deadline_.reset();
    reconnect_at_.reset();
    if (options_.defects.has(ClientDefect::qos2_rx_not_in_session)) unreleased_.clear();
    for (auto& exchange : exchanges_) {
        exchange.is_on_connection = false;
        exchange.holds_quota = false;
    }
    if (!may_reconnect || was_taken_over_) return;
    const auto& policy = options_.reconnect;
    reconnect_at_ =
        now + port_.random(Purpose::reconnect).between(policy.delay_low, policy.delay_high);
}

void Client::send(Bytes packet, Instant now) {
    last_sent_at_ = now;
    port_.send(*connection_, packet);
}

void Client::send_connect(Instant now) {
    const bool is_v5 = options_.version == ProtocolVersion::v5;
    wire::PropertiesWriter properties;
    if (is_v5 && options_.session_expiry_s != 0) {
        properties.put_integer(PropertyId::session_expiry_interval, options_.session_expiry_s);
    }
    if (is_v5 && options_.receive_maximum != 65'535) {
        properties.put_integer(PropertyId::receive_maximum, options_.receive_maximum);
    }
    wire::PropertiesWriter will_properties;
    wire::Connect connect{.version = options_.version,
                          .clean_start = options_.clean_start,
                          .keep_alive_s = options_.keep_alive_s,
                          .client_id = client_id_,
                          .will = std::nullopt,
                          .user_name = std::nullopt,
                          .password = std::nullopt,
                          .properties = properties.view()};
    Publication will;
    if (options_.will) {
        will = next_will();
        if (is_v5 && options_.will->delay_s != 0) {
            will_properties.put_integer(PropertyId::will_delay_interval, options_.will->delay_s);
        }
        connect.will = wire::Will{.qos = will.qos,
                                  .retain = will.retain,
                                  .topic = will.topic,
                                  .payload = as_bytes(will.payload),
                                  .properties = will_properties.view()};
    }
    Buffer bytes;
    wire::encode(bytes, connect);
    send(bytes, now);
}

Publication Client::next_will() {
    Publication will = options_.will->message;
    ++wills_;
    if (wills_ > 1) will.payload += "#" + std::to_string(wills_);
    port_.register_will(will);
    return will;
}

void Client::send_subscribe(const std::vector<Wish>& wishes, Instant now) {
    const auto packet_id = free_packet_id();
    if (!packet_id) return;
    requests_.push_back({*packet_id});
    Buffer entries;
    for (const auto& wish : wishes) {
        wire::put_subscription(entries, {.filter = wish.filter, .options = wish.options},
                               options_.version);
    }
    Buffer bytes;
    wire::encode(bytes,
                 wire::Subscribe{.packet_id = packet_id_of(*packet_id),
                                 .properties = {},
                                 .entries = entries,
                                 .entry_count = wishes.size(),
                                 .version = options_.version},
                 options_.version);
    send(bytes, now);
}

void Client::send_publish(Exchange& exchange, Instant now) {
    const auto& publication = exchange.publication;
    wire::PropertiesWriter properties;
    if (options_.version == ProtocolVersion::v5 && publication.expiry_s) {
        properties.put_integer(PropertyId::message_expiry_interval, *publication.expiry_s);
    }
    wire::Publish publish{.dup = exchange.was_sent,
                          .qos = publication.qos,
                          .retain = publication.retain,
                          .topic = publication.topic,
                          .packet_id = std::nullopt,
                          .properties = properties.view(),
                          .payload = as_bytes(publication.payload)};
    if (exchange.packet_id != 0) publish.packet_id = packet_id_of(exchange.packet_id);
    Buffer bytes;
    wire::encode(bytes, publish, options_.version);
    send(bytes, now);
    exchange.was_sent = true;
    exchange.is_on_connection = true;
}

void Client::send_pubrel(Exchange& exchange, Instant now) {
    send(encoded(PacketType::pubrel, exchange.packet_id, options_.version), now);
    exchange.is_on_connection = true;
}

void Client::pump(Instant now) {
    if (phase_ != Phase::connected) return;
    for (auto& exchange : exchanges_) {
        if (exchange.is_on_connection) continue;
        if (exchange.is_released) {
            send_pubrel(exchange, now);
            continue;
        }
        if (quota_ == 0) return;
        --quota_;
        exchange.holds_quota = true;
        send_publish(exchange, now);
    }
    while (!queue_.empty()) {
        Exchange next{.packet_id = 0, .publication = queue_.front()};
        if (next.publication.qos == QoS::at_most_once) {
            queue_.pop_front();
            send_publish(next, now);
            continue;
        }
        if (quota_ == 0) return;
        const auto packet_id = free_packet_id();
        if (!packet_id) return;
        next.packet_id = *packet_id;
        next.holds_quota = true;
        queue_.pop_front();
        --quota_;
        exchanges_.push_back(std::move(next));
        send_publish(exchanges_.back(), now);
    }
}

void Client::answer(Answers& answers, PacketType type, std::uint16_t packet_id, Instant now) {
    const auto& policy = answers.policy;
    const Duration delay =
        port_.random(Purpose::acknowledge).between(policy.delay_low, policy.delay_high);
    answers.busy_until = std::max(answers.busy_until, now) + policy.per_message;
    // No earlier than those before it, so that the order is kept.
    Instant due = std::max(answers.busy_until, now + delay);
    if (!answers.pending.empty()) due = std::max(due, answers.pending.back().due);
    answers.pending.push_back({type, packet_id, due});
    release(answers, now);
}

void Client::release(Answers& answers, Instant now) {
    auto& only_first = answers.policy.only_first;
    while (phase_ == Phase::connected && !answers.pending.empty()) {
        const Answer next = answers.pending.front();
        if (next.due > now || only_first == 0U) return;
        if (only_first) --*only_first;
        answers.pending.pop_front();
        send(encoded(next.type, next.packet_id, options_.version), now);
    }
}

std::optional<Instant> Client::next_release(const Answers& answers) {
    if (answers.pending.empty() || answers.policy.only_first == 0U) return std::nullopt;
    return answers.pending.front().due;
}

std::optional<std::uint16_t> Client::free_packet_id() {
    for (std::uint32_t tries = 0; tries < options_.packet_id_max; ++tries) {
        last_packet_id_ = last_packet_id_ >= options_.packet_id_max
                              ? std::uint16_t{1}
                              : static_cast<std::uint16_t>(last_packet_id_ + 1);
        if (!is_in_use(last_packet_id_)) return last_packet_id_;
    }
    return std::nullopt;
}

bool Client::is_in_use(std::uint16_t packet_id) const {
    return std::ranges::find(exchanges_, packet_id, &Exchange::packet_id) != exchanges_.end() ||
           std::ranges::find(requests_, packet_id, &Request::packet_id) != requests_.end();
}

std::deque<Client::Exchange>::iterator Client::find(std::uint16_t packet_id) {
    return std::ranges::find(exchanges_, packet_id, &Exchange::packet_id);
}

}  // namespace touchstone::simulator
