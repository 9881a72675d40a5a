// The client's part that sends: packets, Packet Identifiers, and what goes when.

#include <algorithm>
#include <utility>

#include "broker/wire/primitives.hpp"
#include "simulator/client.hpp"

namespace touchstone::simulator {

using wire::PacketType;
using wire::PropertyId;

wire::PacketId Client::packet_id_of(std::uint16_t raw) {
    return wire::PacketId::from_wire(raw).value();
}

void Client::send_ack(PacketType type, std::uint16_t packet_id, Instant now) {
    built_.clear();
    wire::encode(built_, type, {.packet_id = packet_id_of(packet_id)}, options_.version);
    send(built_, now);
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
                          .clean_start = options_.clean_start || must_start_clean_,
                          .keep_alive_s = options_.keep_alive_s,
                          .client_id = client_id_,
                          .will = std::nullopt,
                          .user_name = options_.user_name,
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
    const auto packet_id = request_packet_id();
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

void Client::put_topic(wire::Publish& publish, wire::PropertiesWriter& properties,
                       Exchange& exchange) {
    publish.topic = exchange.publication.topic;
    if (exchange.stored_alias != 0) {
        properties.put_integer(PropertyId::topic_alias, exchange.stored_alias);
        publish.topic = {};
        return;
    }
    const auto known = aliases_.find(exchange.publication.topic);
    if (known != aliases_.end()) {
        properties.put_integer(PropertyId::topic_alias, known->second);
        publish.topic = {};
        if (has(ClientDefect::alias_only_stored)) exchange.stored_alias = known->second;
        return;
    }
    if (aliases_.size() >= limits_.topic_alias_max) return;
    const auto alias = static_cast<std::uint16_t>(aliases_.size() + 1);
    aliases_.emplace(exchange.publication.topic, alias);
    properties.put_integer(PropertyId::topic_alias, alias);
}

Buffer Client::publish_packet(Exchange& exchange) {
    const auto& publication = exchange.publication;
    wire::PropertiesWriter properties;
    wire::Publish publish{.dup = exchange.was_sent,
                          .qos = publication.qos,
                          .retain = publication.retain,
                          .topic = {},
                          .packet_id = std::nullopt,
                          .properties = {},
                          .payload = as_bytes(publication.payload)};
    if (options_.version == ProtocolVersion::v5 && publication.expiry_s) {
        properties.put_integer(PropertyId::message_expiry_interval, *publication.expiry_s);
    }
    put_topic(publish, properties, exchange);
    publish.properties = properties.view();
    if (exchange.packet_id != 0) publish.packet_id = packet_id_of(exchange.packet_id);
    Buffer bytes;
    wire::encode(bytes, publish, options_.version);
    return bytes;
}

bool Client::is_sendable(const Publication& publication) const {
    if (static_cast<std::uint32_t>(publication.qos) > limits_.qos_max) {
        return has(ClientDefect::qos2_loop_on_downgrade);
    }
    // Fixed header, length of the topic, Packet Identifier, and the properties that we send.
    constexpr std::size_t others_size_bytes_max = 5 + 2 + 2 + 1 + 5 + 3;
    return publication.topic.size() + publication.payload.size() + others_size_bytes_max <=
           limits_.packet_size_bytes_max;
}

void Client::send_publish(Exchange& exchange, Instant now) {
    send(publish_packet(exchange), now);
    exchange.was_sent = true;
    exchange.is_on_connection = true;
    exchange.sent_at = now;
}

void Client::send_pubrel(Exchange& exchange, Instant now) {
    send_ack(PacketType::pubrel, exchange.packet_id, now);
    exchange.is_on_connection = true;
    exchange.sent_at = now;
}

void Client::pump(Instant now) {
    if (phase_ != Phase::connected) return;
    if (!has(ClientDefect::limits_at_enqueue)) {
        // What the server does not take is given back to the application, which this one ignores.
        std::erase_if(queue_, [&](const Waiting& one) { return !is_sendable(one.publication); });
        std::erase_if(exchanges_, [&](const Exchange& one) {
            return !one.is_on_connection && !is_sendable(one.publication);
        });
    }
    if (has(ClientDefect::new_before_retransmit)) {
        while (send_waiting(now)) continue;
    }
    if (has(ClientDefect::client_resend_concurrent)) {
        while (send_waiting(now) && send_owed(now)) continue;
    }
    while (send_owed(now)) continue;
    const bool is_owing =
        std::ranges::find(exchanges_, false, &Exchange::is_on_connection) != exchanges_.end();
    while (!is_owing && send_waiting(now)) continue;
}

bool Client::send_owed(Instant now) {
    const bool may_release = !has(ClientDefect::qos2_republish_after_pubrec);
    // A PUBREL needs no quota, so a PUBLISH that waits for some does not hold it up (§4.9).
    const auto next = std::ranges::find_if(exchanges_, [&](const Exchange& one) {
        return !one.is_on_connection && (quota_ > 0 || (one.is_released && may_release));
    });
    if (next == exchanges_.end()) return false;
    if (next->is_released && may_release) {
        send_pubrel(*next, now);
        return true;
    }
    --quota_;
    next->is_released = false;
    next->holds_quota = true;
    send_publish(*next, now);
    return true;
}

bool Client::send_waiting(Instant now) {
    if (queue_.empty() || stash_) return false;
    Exchange next{.packet_id = 0, .publication = queue_.front().publication};
    if (next.publication.qos == QoS::at_most_once) {
        queue_.pop_front();
        send_publish(next, now);
        return true;
    }
    if (quota_ == 0) return false;
    if (has(ClientDefect::pid_collision_stash_stuck) && is_in_use(stash_packet_id())) {
        stash_ = next.publication;
        queue_.pop_front();
        return false;
    }
    const auto packet_id = free_packet_id();
    if (!packet_id) return false;
    next.packet_id = *packet_id;
    next.holds_quota = true;
    queue_.pop_front();
    --quota_;
    exchanges_.push_back(std::move(next));
    send_publish(exchanges_.back(), now);
    return true;
}

void Client::repeat_overdue(Instant now) {
    if (phase_ != Phase::connected || !is_retrying()) return;
    bool is_behind = false;
    for (auto& exchange : exchanges_) {
        const bool is_overdue =
            exchange.is_on_connection && exchange.sent_at + options_.retry_interval <= now;
        if (is_behind || (is_overdue && has(ClientDefect::qos2_go_back_n))) {
            is_behind = true;
            exchange.is_released = false;
            send_publish(exchange, now);
        } else if (is_overdue && exchange.is_released) {
            send_pubrel(exchange, now);
        } else if (is_overdue) {
            send_publish(exchange, now);
        }
    }
}

std::uint16_t Client::next_packet_id() const {
    return last_packet_id_ >= options_.packet_id_max
               ? std::uint16_t{1}
               : static_cast<std::uint16_t>(last_packet_id_ + 1);
}

std::uint16_t Client::stash_packet_id() const {
    return last_packet_id_ >= options_.inflight_max
               ? std::uint16_t{1}
               : static_cast<std::uint16_t>(last_packet_id_ + 1);
}

std::optional<std::uint16_t> Client::free_packet_id() {
    if (has(ClientDefect::pid_collision_stash_stuck)) return last_packet_id_ = stash_packet_id();
    for (std::uint32_t tries = 0; tries < options_.packet_id_max; ++tries) {
        last_packet_id_ = next_packet_id();
        if (!is_in_use(last_packet_id_) || has(ClientDefect::pid_no_in_use_check)) {
            return last_packet_id_;
        }
    }
    return std::nullopt;
}

std::optional<std::uint16_t> Client::request_packet_id() {
    if (!has(ClientDefect::pid_subs_share_unchecked)) return free_packet_id();
    return last_packet_id_ = next_packet_id();
}

bool Client::is_in_use(std::uint16_t packet_id) const {
    return std::ranges::find(exchanges_, packet_id, &Exchange::packet_id) != exchanges_.end() ||
           std::ranges::find(requests_, packet_id, &Request::packet_id) != requests_.end();
}

std::deque<Client::Exchange>::iterator Client::find(std::uint16_t packet_id) {
    return std::ranges::find(exchanges_, packet_id, &Exchange::packet_id);
}

}  // namespace touchstone::simulator
