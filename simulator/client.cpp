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
    if (options_.only_raw) return;
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
    port_.forgot();
}

void Client::crash(Instant now) {
    if (connection_) port_.abort(*connection_);
    lose_connection(now, false);
    phase_ = Phase::crashed;
    if (options_.store == Store::durable) {
        std::erase_if(queue_, [](const Waiting& one) { return !one.is_stored; });
        return;
    }
    forget();
    queue_.clear();
    inbox_.clear();
    must_start_clean_ = true;
}

void Client::set_listening(bool is_listening) {
    is_listening_ = is_listening;
    if (!is_listening) return;
    for (const auto received : std::exchange(inbox_, {})) port_.deliver(received);
}

void Client::on_sibling_lost(Instant now) {
    if (!has(ClientDefect::reconnect_siblings) || !connection_) return;
    port_.abort(*connection_);
    lose_connection(now, options_.reconnect.enabled);
}

void Client::publish(Publication publication, Instant now) {
    if (phase_ == Phase::crashed) return;
    const bool is_away = phase_ != Phase::connected;
    if (publication.qos == QoS::at_most_once && is_away && !options_.queue_qos_0_offline) return;
    if (has(ClientDefect::limits_at_enqueue) && !is_sendable(publication)) return;
    const bool is_stored = !is_away || !has(ClientDefect::client_store_after_connect_only);
    const bool is_pushy = !is_away && has(ClientDefect::live_bypasses_backlog);
    queue_.insert(is_pushy ? queue_.begin() : queue_.end(), {std::move(publication), is_stored});
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
    const auto packet_id = request_packet_id();
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
        send_ack(next.type, next.packet_id, now);
    }
}

void Client::send_raw(Bytes bytes) {
    if (connection_) port_.send(*connection_, bytes);
}

void Client::on_bytes(ConnectionNumber connection, Bytes bytes, Instant now) {
    if (connection_ != connection || options_.only_raw) return;
    Buffer whole;
    if (!partial_.empty()) {
        append(partial_, bytes);
        whole = std::exchange(partial_, {});
        bytes = whole;
    }
    Bytes rest = bytes;
    while (connection_ == connection) {
        const auto frame = wire::take_frame(rest, packet_size_bytes_max, options_.version);
        if (frame && !frame.value()) break;
        if (frame && is_fatal(*frame.value())) {
            lose_connection(now, false);
            phase_ = Phase::crashed;
            return port_.died();
        }
        if (!frame || !on_packet(*frame.value(), now)) {
            // A server that sends this is judged by the checkers; a client can only leave.
            port_.abort(connection);
            return lose_connection(now, options_.reconnect.enabled);
        }
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
    repeat_overdue(now);
    if (phase_ != Phase::connected || keep_alive_ == Duration::zero() || answer_deadline_) return;
    if (now < last_sent_at_ + keep_alive_) return;
    Buffer bytes;
    wire::encode_pingreq(bytes);
    send(bytes, now);
    if (has(ClientDefect::no_pingresp_timeout)) return;
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
        if (!is_retrying()) return next;
        for (const auto& exchange : exchanges_)
            if (exchange.is_on_connection) consider(exchange.sent_at + options_.retry_interval);
    }
    return next;
}

bool Client::on_packet(const wire::Frame& frame, Instant now) {
    const auto version = options_.version;
    switch (frame.type) {
        case PacketType::connack: {
            const auto packet = wire::decode_connack(frame, version);
            if (packet) on_connack(packet.value(), now);
            return packet.has_value();
        }
        case PacketType::publish: {
            const auto packet = wire::decode_publish(frame, version);
            if (packet) on_publish(packet.value(), now);
            return packet.has_value();
        }
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp: {
            const auto packet = wire::decode_ack(frame, version);
            if (packet) on_ack(frame.type, packet.value(), now);
            return packet.has_value();
        }
        case PacketType::suback:
        case PacketType::unsuback: {
            const auto packet = frame.type == PacketType::suback
                                    ? wire::decode_suback(frame, version)
                                    : wire::decode_unsuback(frame, version);
            if (!packet) return false;
            std::erase_if(requests_, [&](const Request& request) {
                return request.packet_id == packet.value().packet_id.raw();
            });
            pump(now);
            return true;
        }
        case PacketType::pingresp:
            if (phase_ == Phase::connected) answer_deadline_.reset();
            return true;
        case PacketType::disconnect: {
            const auto packet = wire::decode_disconnect(frame, version);
            if (packet) on_disconnect(packet.value());
            return packet.has_value();
        }
        case PacketType::auth:
        // Never sent by a server; the checkers see them.
        case PacketType::connect:
        case PacketType::subscribe:
        case PacketType::unsubscribe:
        case PacketType::pingreq: return true;
    }
    return false;
}

bool Client::is_fatal(const wire::Frame& frame) const {
    auto rest = frame.body;
    if (frame.type == PacketType::publish && has(ClientDefect::topic_len_underflow)) {
        const auto topic_size_bytes = wire::take_u16(rest);
        return topic_size_bytes && topic_size_bytes.value() > rest.size();
    }
    if (frame.type == PacketType::connack && has(ClientDefect::prop_len_unchecked)) {
        constexpr std::size_t flags_and_reason_bytes = 2;
        if (rest.size() <= flags_and_reason_bytes) return false;
        rest = rest.subspan(flags_and_reason_bytes);
        const auto properties_size_bytes = wire::take_variable_byte_integer(rest);
        return properties_size_bytes && properties_size_bytes.value() > rest.size();
    }
    return false;
}

void Client::on_connack(const wire::Connack& connack, Instant now) {
    if (phase_ != Phase::connecting || is_failure(connack.reason)) return;
    phase_ = Phase::connected;
    failed_attempts_ = 0;
    must_start_clean_ = false;
    answer_deadline_.reset();
    const auto& properties = connack.properties;
    quota_ = options_.inflight_max;
    const auto receive_maximum = properties.integer(PropertyId::receive_maximum);
    if (receive_maximum && !has(ClientDefect::recvmax_not_renegotiated)) {
        quota_ = std::min(quota_, *receive_maximum);
    }
    quota_ -= std::min(quota_, leaked_quota_);
    limits_ = {};
    limits_.packet_size_bytes_max =
        properties.integer(PropertyId::maximum_packet_size).value_or(limits_.packet_size_bytes_max);
    limits_.qos_max = properties.integer(PropertyId::maximum_qos).value_or(limits_.qos_max);
    limits_.topic_alias_max = std::min<std::uint32_t>(
        options_.topic_alias_max, properties.integer(PropertyId::topic_alias_maximum).value_or(0));
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
                if (!one->is_released) queue_.push_front({std::move(one->publication)});
            }
        }
        if (options_.restore_subscriptions && !wishes_.empty()) send_subscribe(wishes_, now);
    }
    if (has(ClientDefect::client_queue_lifo)) std::ranges::reverse(queue_);
    if (has(ClientDefect::client_store_double_enqueue)) {
        for (auto one = exchanges_.rbegin(); one != exchanges_.rend(); ++one) {
            if (!one->is_released) queue_.push_front({one->publication});
        }
    }
    pump(now);
}

void Client::on_publish(const wire::Publish& publish, Instant now) {
    const auto packet_id = publish.packet_id ? publish.packet_id->raw() : std::uint16_t{0};
    if (packet_id != 0 && has(ClientDefect::pid_directions_conflated)) {
        const auto answered = std::erase_if(
            requests_, [&](const Request& request) { return request.packet_id == packet_id; });
        if (answered > 0) return;
    }
    const auto received = port_.receive(*connection_, publish);
    if (publish.qos == QoS::at_most_once) return hand_over(received);
    if (publish.qos == QoS::at_least_once) {
        hand_over(received);
        return answer(acknowledgements_, PacketType::puback, packet_id, now);
    }
    const bool is_new = unreleased_.insert(packet_id).second;
    if (is_new || has(ClientDefect::qos2_client_no_dedupe)) hand_over(received);
    answer(acknowledgements_, PacketType::pubrec, packet_id, now);
}

void Client::hand_over(std::uint32_t received) {
    if (is_listening_) return port_.deliver(received);
    if (!has(ClientDefect::client_ack_before_handover)) inbox_.push_back(received);
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
            send_ack(PacketType::pubrel, packet_id, now);
        }
        return;
    }
    if (has(ClientDefect::ack_in_order_only) && exchange != exchanges_.begin()) return;
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
    if (stash_ && !is_in_use(stash_packet_id())) {
        queue_.push_front({*std::exchange(stash_, std::nullopt)});
    }
    pump(now);
}

void Client::on_disconnect(const wire::Disconnect& disconnect) {
    was_taken_over_ = disconnect.reason == ReasonCode::session_taken_over;
}

void Client::lose_connection(Instant now, bool may_reconnect) {
    const bool had_failed = phase_ == Phase::connecting;
    phase_ = Phase::offline;
    connection_.reset();
    partial_.clear();
    requests_.clear();
    acknowledgements_.pending.clear();
    completions_.pending.clear();
    answer_deadline_.reset();
    reconnect_at_.reset();
    if (!has(ClientDefect::alias_survives_reconnect)) aliases_.clear();
    if (has(ClientDefect::qos2_rx_not_in_session)) unreleased_.clear();
    if (has(ClientDefect::inflight_counter_leak)) {
        leaked_quota_ += static_cast<std::uint32_t>(
            std::ranges::count(exchanges_, true, &Exchange::holds_quota));
    }
    for (auto& exchange : exchanges_) {
        exchange.is_on_connection = false;
        exchange.holds_quota = false;
    }
    if (!may_reconnect || was_taken_over_) return;
    if (had_failed) ++failed_attempts_;
    reconnect_at_ = now + reconnect_delay();
}

Duration Client::reconnect_delay() {
    const auto& policy = options_.reconnect;
    if (has(ClientDefect::reconnect_no_jitter)) return policy.delay_low;
    Duration low = policy.delay_low;
    Duration high = policy.delay_high;
    for (std::uint32_t i = 0; policy.delay_max && i < failed_attempts_; ++i) {
        low = std::min(2 * low, *policy.delay_max);
        high = std::min(2 * high, *policy.delay_max);
    }
    return port_.random(Purpose::reconnect).between(low, high);
}

void Client::answer(Answers& answers, PacketType type, std::uint16_t packet_id, Instant now) {
    const auto& policy = answers.policy;
    const Duration delay =
        port_.random(Purpose::acknowledge).between(policy.delay_low, policy.delay_high);
    answers.busy_until = std::max(answers.busy_until, now) + policy.per_message;
    Instant due = std::max(answers.busy_until, now + delay);
    auto& pending = answers.pending;
    auto place = pending.end();
    if (has(ClientDefect::acks_from_workers)) {
        place = std::ranges::upper_bound(pending, due, {}, &Answer::due);
    } else if (!pending.empty()) {
        // No earlier than those before it, so that the order is kept.
        due = std::max(due, pending.back().due);
    }
    if (place == pending.end())
        pending.push_back({type, packet_id, due});
    else
        pending.insert(place, {type, packet_id, due});
    release(answers, now);
}

void Client::release(Answers& answers, Instant now) {
    auto& only_first = answers.policy.only_first;
    while (phase_ == Phase::connected && !answers.pending.empty()) {
        const Answer next = answers.pending.front();
        if (next.due > now || only_first == 0U) return;
        if (only_first) --*only_first;
        answers.pending.pop_front();
        send_ack(next.type, next.packet_id, now);
    }
}

std::optional<Instant> Client::next_release(const Answers& answers) {
    if (answers.pending.empty() || answers.policy.only_first == 0U) return std::nullopt;
    return answers.pending.front().due;
}

}  // namespace touchstone::simulator
