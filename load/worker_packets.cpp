// What the target sends: answers, and messages.

#include <algorithm>

#include <fmt/format.h>

#include "load/payload.hpp"
#include "load/worker.hpp"

namespace touchstone::load {

namespace {

/// Topic Filters in one SUBSCRIBE.
constexpr std::size_t filters_per_packet = 50;

std::string words_of(std::string_view packet, ReasonCode reason) {
    return fmt::format("{} 0x{:02X} {}", packet, static_cast<unsigned>(reason), name_of(reason));
}

}  // namespace

void Worker::on_packet(Client& client, const wire::Frame& frame) {
    using enum wire::PacketType;
    const auto version = workload_.version;
    const auto fail = [&] {
        count(client, Count::protocol_errors);
        lose(client, Count::lost_connections,
             fmt::format("{} that cannot be understood", wire::name_of(frame.type)));
    };
    if (!is_connected(client.state) && frame.type != connack) return fail();
    switch (frame.type) {
        case connack: {
            const auto packet = wire::decode_connack(frame, version);
            return packet ? on_connack(client, packet.value()) : fail();
        }
        case publish: {
            const auto packet = wire::decode_publish(frame, version, wire::Sender::server);
            return packet ? on_publish(client, packet.value()) : fail();
        }
        case puback:
        case pubrec:
        case pubrel:
        case pubcomp: {
            const auto packet = wire::decode_ack(frame, version, wire::Sender::server);
            return packet ? on_acknowledgement(client, frame.type, packet.value()) : fail();
        }
        case suback: {
            const auto packet = wire::decode_suback(frame, version);
            return packet ? on_suback(client, packet.value()) : fail();
        }
        case pingresp:
            if (!client.awaits_pong) return;
            client.awaits_pong = false;
            count(client, Count::pings_answered);
            times_.ping.add(now_ - client.since);
            return interval_times_.ping.add(now_ - client.since);
        case disconnect: {
            const auto packet = wire::decode_disconnect(frame, version, wire::Sender::server);
            if (!packet) return fail();
            return lose(client, Count::lost_connections,
                        words_of("DISCONNECT", packet.value().reason));
        }
        case connect:
        case subscribe:
        case unsubscribe:
        case unsuback:
        case pingreq:
        case auth: return fail();
    }
}

void Worker::on_connack(Client& client, const wire::Connack& connack) {
    if (client.state != State::awaiting_connack) {
        count(client, Count::protocol_errors);
        return lose(client, Count::lost_connections, "a second CONNACK");
    }
    if (is_failure(connack.reason)) {
        return lose(client, Count::refused, words_of("CONNACK", connack.reason));
    }
    count(client, Count::connects);
    times_.connect.add(now_ - client.since);
    interval_times_.connect.add(now_ - client.since);
    client.attempts = 0;
    const auto& group = group_of(client);
    if (group.resumes_tls && client.talk && client.talk->tls && !ticket_)
        ticket_ = client.talk->tls->ticket();
    const auto maximum = connack.properties.integer(wire::PropertyId::receive_maximum);
    const bool publishes = group.publishing.process != Publishing::Process::silent;
    if (publishes) talk_of(client).receive_maximum = maximum.value_or(65'535);
    if (!connack.session_present && client.talk && !client.talk->unacknowledged.empty()) {
        count(client, Count::abandoned, client.talk->unacknowledged.size());
        open_ -= client.talk->unacknowledged.size();
        client.talk->unacknowledged.clear();
    }
    if (group.keep_alive_s > 0) {
        const auto every = group.ping_every > 0 ? group.ping_every : group.keep_alive_s * second;
        put(now_ + every, index_of(client), Due::ping);
    }
    set_state(client, State::subscribing);
    if (group.awake > 0) put(now_ + group.awake, index_of(client), Due::sleep);
    if (group.subscribing.is_any() && !connack.session_present) {
        subscribe(client);
    } else {
        become_ready(client);
    }
}

void Worker::subscribe(Client& client) {
    const auto filters = plan_.filters(client.group, client.number);
    auto& talk = talk_of(client);
    talk.logs.resize(plan_.has_lines() ? plan_.lines(client.group) : 0);
    talk.subscriptions_open = 0;
    for (std::size_t at = 0; at < filters.size(); at += filters_per_packet) {
        Buffer entries;
        const auto end = std::min(filters.size(), at + filters_per_packet);
        for (auto i = at; i < end; ++i) {
            const wire::Subscription subscription{
                .filter = filters[i], .options = {.qos = group_of(client).subscribing.qos}};
            wire::put_subscription(entries, subscription, workload_.version);
        }
        packet_.clear();
        const auto packet_id = client.next_packet_id++;
        if (client.next_packet_id == 0) client.next_packet_id = 1;
        wire::encode(packet_,
                     wire::Subscribe{.packet_id = wire::PacketId::from_wire(packet_id).value(),
                                     .entries = entries,
                                     .entry_count = end - at,
                                     .version = workload_.version},
                     workload_.version);
        ++talk.subscriptions_open;
        write(client, packet_);
    }
}

void Worker::on_suback(Client& client, const wire::SubscribeAck& suback) {
    for (const auto reason : suback.reasons) {
        const bool is_granted = std::to_integer<unsigned>(reason) < 0x80;
        count(client, is_granted ? Count::subscriptions : Count::subscriptions_refused);
        if (!is_granted) {
            shared_.board.add_failure(words_of("SUBACK", static_cast<ReasonCode>(reason)));
        }
    }
    if (!client.talk || client.talk->subscriptions_open == 0) return;
    if (--client.talk->subscriptions_open == 0) become_ready(client);
}

void Worker::become_ready(Client& client) {
    set_state(client, State::ready);
    if (!client.talk) return;
    resend(client);
    send_waiting(client);
    if (!is_publishing_) return;
    schedule_publication(client, now_);
    fill_loop(client);
}

void Worker::on_publish(Client& client, const wire::Publish& publish) {
    auto& talk = talk_of(client);
    bool is_held = false;
    if (publish.packet_id) {
        const auto id = publish.packet_id->raw();
        const bool is_twice = publish.qos == QoS::exactly_once;
        if (is_twice) {
            is_held = std::ranges::find(talk.held_ids, id) != talk.held_ids.end();
            if (!is_held) talk.held_ids.push_back(id);
        }
        const auto type = is_twice ? wire::PacketType::pubrec : wire::PacketType::puback;
        append(talk.output, wire::short_ack(type, *publish.packet_id));
        client.last_sent = now_;
        mark_dirty(client);
    }
    if (is_held) return;  // the target repeats what has been acknowledged: no other message
    if (as_text(publish.payload) == "will") return count(client, Count::wills);
    count(client, Count::received);
    count(client, Count::received_bytes, publish.payload.size());
    if (is_in_window(now_)) count(client, Count::received_in_window);
    const auto stamp = read_stamp(publish.payload);
    if (!stamp) {
        count(client, Count::unstamped);
        ++arrived_;
        return;
    }
    note_delivery(client, *stamp);
}

void Worker::note_delivery(Client& client, const Stamp& stamp) {
    const auto line = plan_.line(client.group, client.number, stamp.publisher);
    if (!line) return count(client, Count::foreign);
    auto& talk = *client.talk;
    bool is_new = true;
    if (line->is_once) {
        is_new = once_.note(stamp.publisher, stamp.number);
        constexpr std::uint32_t order_clients_max = 2'000;
        if (plan_.clients() <= order_clients_max) {
            talk.last_of.resize(plan_.clients());
            auto& last = talk.last_of[stamp.publisher];
            if (is_new && stamp.number + 1 < last) count(client, Count::out_of_order);
            last = std::max(last, stamp.number + 1);
        }
    } else if (line->log < talk.logs.size()) {
        const auto arrival = talk.logs[line->log].note(stamp.number);
        is_new = arrival != Arrival::duplicate;
        if (arrival == Arrival::late) count(client, Count::out_of_order);
    }
    if (!is_new) return count(client, Count::duplicates);
    count(client, Count::received_once);
    ++arrived_;
    interval_times_.delivery.add(now_ - stamp.due);
    if (is_in_window(stamp.due)) times_.delivery.add(now_ - stamp.due);
    if (!shared_.has_credits) return;
    const auto owner = shared_.owner_of(stamp.publisher);
    credits_to_post_[owner].push_back(stamp.publisher);
}

void Worker::on_ping_due(Client& client) {
    const auto& group = group_of(client);
    const auto every = group.ping_every > 0 ? group.ping_every : group.keep_alive_s * second;
    const auto index = index_of(client);
    if (client.awaits_pong) {
        if (now_ >= client.since + group.answer_patience) {
            return lose(client, Count::answer_timeouts, "no PINGRESP in time");
        }
        return put(client.since + group.answer_patience, index, Due::ping);
    }
    if (now_ < client.last_sent + every) return put(client.last_sent + every, index, Due::ping);
    packet_.clear();
    wire::encode_pingreq(packet_);
    client.awaits_pong = true;
    client.since = now_;
    count(client, Count::pings);
    put(now_ + std::min(every, group.answer_patience), index, Due::ping);
    write(client, packet_);
}

}  // namespace touchstone::load
