// What is sent, when, and what becomes of it: arrivals that are due, closed loops,
// acknowledgements.

#include <algorithm>

#include "load/payload.hpp"
#include "load/schedule.hpp"
#include "load/worker.hpp"

namespace touchstone::load {

namespace {

using Process = Publishing::Process;

/// A connection with more unwritten bytes is given no more messages: the target does not take them.
constexpr std::size_t unwritten_bytes_max = 64 * 1'024;
constexpr int offers_per_turn_max = 2'048;
/// The clock is read again after so many messages.
constexpr int offers_per_clock = 32;

bool has_own_schedule(Process process) {
    return process == Process::periodic || process == Process::poisson ||
           process == Process::bursts || process == Process::aligned;
}

}  // namespace

void Worker::begin_publishing() {
    const auto from = shared_.publish_from.load(std::memory_order_acquire);
    if (from == no_time || now_ < from) return;
    is_publishing_ = true;
    for (std::uint32_t g = 0; g < plan_.groups(); ++g) {
        const auto& publishing = plan_.group(g).publishing;
        auto& stream = streams_[g];
        if (stream.publishers.empty()) continue;
        const auto share = static_cast<double>(stream.publishers.size()) / plan_.group(g).count;
        const auto owner = std::uint64_t{g} << 32U | index_;
        if (publishing.process == Process::stream) {
            stream.arrivals.emplace(
                publishing.spacing, publishing.rate_per_s * share, from,
                static_cast<double>(index_) / shared_.threads,
                Draws{workload_.seed, Purpose::arrivals, owner ^ (std::uint64_t{1} << 63U)});
            stream.chooser.emplace(workload_.seed, Purpose::publishers, owner);
            continue;
        }
        for (const auto index : stream.publishers) {
            auto& client = clients_[index];
            if (client.state != State::ready) continue;
            schedule_publication(client, from);
            fill_loop(client);
        }
    }
}

void Worker::schedule_publication(Client& client, Nanos after) {
    const auto& publishing = group_of(client).publishing;
    if (!has_own_schedule(publishing.process)) return;
    const auto next =
        shared_.start + next_publication(publishing, workload_.seed, number_over_all(client),
                                         after - shared_.start);
    if (next < window_to_) put(next, index_of(client), Due::publish);
}

void Worker::offer_stream(std::uint32_t group) {
    auto& stream = streams_[group];
    for (int i = 0; i < offers_per_turn_max; ++i) {
        const auto due = stream.arrivals->due();
        if (due >= window_to_) {
            stream.arrivals.reset();
            return;
        }
        if (due > now_) return;
        stream.arrivals->take();
        const auto count = stream.publishers.size();
        // Independent choices keep each publisher's own messages a Poisson process.
        const auto chosen = plan_.group(group).publishing.spacing == Spacing::poisson
                                ? stream.chooser->below(count)
                                : stream.next++ % count;
        if (i % offers_per_clock == offers_per_clock - 1) now_ = clock_now();
        offer(clients_[stream.publishers[chosen]], due);
    }
}

void Worker::offer(Client& client, Nanos due) {
    has_worked_ = true;
    const auto& audience = group_of(client).publishing.audience;
    const auto copies =
        audience.kind == Audience::Kind::some_of ? std::max(1U, audience.receivers) : 1U;
    for (std::uint32_t i = 0; i < copies; ++i) {
        count(client, Count::offered);
        if (is_in_window(due)) count(client, Count::offered_in_window);
        if (client.state != State::ready) {
            count(client, Count::publisher_away);
            continue;
        }
        Waiting message{.due = due};
        if (audience.kind == Audience::Kind::some_of) {
            message.receiver =
                static_cast<std::uint32_t>(receivers_.below(plan_.group(audience.group).count));
        }
        send_or_wait(client, message);
        if (client.state != State::ready) return;
    }
}

bool Worker::has_room(const Client& client) const {
    const auto& talk = *client.talk;
    if (talk.output_left() > unwritten_bytes_max) return false;
    if (group_of(client).publishing.qos == QoS::at_most_once) return true;
    // Packet Identifiers are given in turn, so none may come round while it is in use.
    constexpr std::size_t open_max = 60'000;
    return talk.unacknowledged.size() < std::min<std::size_t>(talk.receive_maximum, open_max);
}

void Worker::send_or_wait(Client& client, const Waiting& message) {
    auto& talk = talk_of(client);
    if (talk.waiting.empty() && has_room(client)) {
        if (is_in_window(message.due)) times_.lag.add(now_ - message.due);
        interval_times_.lag.add(now_ - message.due);
        return send_message(client, message);
    }
    count(client, Count::held_back);
    talk.waiting.push_back(message);
    ++open_;
}

void Worker::send_message(Client& client, const Waiting& message) {
    const auto& publishing = group_of(client).publishing;
    auto& talk = *client.talk;
    Unacknowledged sent{.due = message.due,
                        .number = talk.next_number++,
                        .receiver = message.receiver,
                        .size = draw_size(publishing, sizes_)};
    if (publishing.qos != QoS::at_most_once) {
        sent.packet_id = client.next_packet_id++;
        if (client.next_packet_id == 0) client.next_packet_id = 1;
        talk.unacknowledged.push_back(sent);
        ++open_;
    }
    encode_message(client, sent, false);
    const auto receivers = plan_.receivers_of(client.group, client.number);
    owed_ += receivers;
    count(client, Count::expected, receivers);
    count(client, Count::sent);
    count(client, Count::sent_bytes, sent.size);
    if (is_in_window(now_)) count(client, Count::sent_in_window);
    client.last_sent = now_;
    mark_dirty(client);
}

void Worker::encode_message(Client& client, const Unacknowledged& message, bool is_repeated) {
    const auto& publishing = group_of(client).publishing;
    auto& talk = *client.talk;
    const bool is_drawn = publishing.audience.kind == Audience::Kind::some_of;
    if (is_drawn || talk.topic.empty()) {
        talk.topic =
            plan_.topic(client.group, client.number, publishing.audience, message.receiver);
    }
    wire::Publish publish{.dup = is_repeated,
                          .qos = publishing.qos,
                          .retain = publishing.retain,
                          .topic = talk.topic,
                          .payload = Bytes{filler_}.first(message.size)};
    if (message.packet_id != 0) {
        publish.packet_id = wire::PacketId::from_wire(message.packet_id).value();
    }
    wire::encode_head(talk.output, publish, workload_.version);
    append(talk.output, publish.payload);
    if (message.size < stamp_bytes) return;
    write_stamp(
        std::span{talk.output}.last(message.size),
        {.due = message.due, .publisher = number_over_all(client), .number = message.number});
}

void Worker::send_waiting(Client& client) {
    if (!client.talk) return;
    auto& talk = *client.talk;
    while (!talk.waiting.empty() && has_room(client)) {
        const auto message = talk.waiting.front();
        talk.waiting.pop_front();
        --open_;
        send_message(client, message);
    }
}

void Worker::fill_loop(Client& client) {
    const auto& publishing = group_of(client).publishing;
    if (publishing.process != Process::closed_loop || !is_publishing_) return;
    if (client.state != State::ready) return;
    auto& talk = talk_of(client);
    const auto receivers = plan_.receivers_of(client.group, client.number);
    const bool is_acknowledged = publishing.qos != QoS::at_most_once;
    while (now_ < window_to_ && has_room(client)) {
        // A message without acknowledgement is on its way until all have it; one that nobody gets
        // is not to be waited for.
        const auto open = is_acknowledged ? talk.unacknowledged.size()
                          : receivers > 0 ? talk.next_number - talk.credits / receivers
                                          : 0;
        if (open >= publishing.in_flight) return;
        count(client, Count::offered);
        if (is_in_window(now_)) count(client, Count::offered_in_window);
        send_message(client, {.due = now_});
    }
}

void Worker::resend(Client& client) {
    auto& talk = *client.talk;
    for (const auto& message : talk.unacknowledged) {
        if (message.is_received) {
            append(talk.output,
                   wire::short_ack(wire::PacketType::pubrel,
                                   wire::PacketId::from_wire(message.packet_id).value()));
        } else {
            encode_message(client, message, true);
        }
    }
    if (!talk.unacknowledged.empty()) mark_dirty(client);
}

void Worker::on_acknowledgement(Client& client, wire::PacketType type, const wire::Ack& ack) {
    using enum wire::PacketType;
    auto& talk = talk_of(client);
    const auto id = ack.packet_id.raw();
    if (type == pubrel) {
        std::erase(talk.held_ids, id);
        append(talk.output, wire::short_ack(pubcomp, ack.packet_id));
        return mark_dirty(client);
    }
    const auto message = std::ranges::find(talk.unacknowledged, id, &Unacknowledged::packet_id);
    if (message == talk.unacknowledged.end()) return count(client, Count::protocol_errors);
    if (type == pubrec && !is_failure(ack.reason)) {
        message->is_received = true;
        append(talk.output, wire::short_ack(pubrel, ack.packet_id));
        return mark_dirty(client);
    }
    if (is_failure(ack.reason)) {
        count(client, Count::refused_messages);
        shared_.board.add_failure("a message refused: " + std::string{name_of(ack.reason)});
        owed_ -= plan_.receivers_of(client.group, client.number);
    } else {
        count(client, Count::acknowledged);
        interval_times_.acknowledge.add(now_ - message->due);
        if (is_in_window(message->due)) times_.acknowledge.add(now_ - message->due);
    }
    talk.unacknowledged.erase(message);
    --open_;
    send_waiting(client);
    fill_loop(client);
}

void Worker::abandon(Client& client) {
    if (!client.talk) return;
    auto& talk = *client.talk;
    open_ -= talk.waiting.size();
    count(client, Count::publisher_away, talk.waiting.size());
    talk.waiting.clear();
    if (group_of(client).is_persistent) return;
    talk.held_ids.clear();
    count(client, Count::abandoned, talk.unacknowledged.size());
    open_ -= talk.unacknowledged.size();
    talk.unacknowledged.clear();
}

void Worker::take_credits() {
    if (!shared_.has_credits) return;
    shared_.credits.take(index_, credits_taken_);
    auto& own = credits_to_post_[index_];
    credits_taken_.insert(credits_taken_.end(), own.begin(), own.end());
    own.clear();
    for (const auto publisher : credits_taken_) {
        const auto group = plan_.group_of(publisher);
        const auto number = publisher - plan_.client(group, 0);
        add_credit(clients_[first_of_group_[group] + number / shared_.threads]);
    }
}

void Worker::add_credit(Client& client) {
    ++talk_of(client).credits;
    fill_loop(client);
}

void Worker::post_credits() {
    if (!shared_.has_credits) return;
    for (unsigned to = 0; to < shared_.threads; ++to) {
        auto& publishers = credits_to_post_[to];
        if (to == index_ || publishers.empty()) continue;
        shared_.credits.post(to, publishers);
        publishers.clear();
    }
}

void Worker::clear_retained(Client& client) {
    const auto& publishing = group_of(client).publishing;
    const bool has_own_topic = publishing.audience.kind == Audience::Kind::own_topic &&
                               client.number < publishing.audience.topics;
    const bool is_first =
        publishing.audience.kind != Audience::Kind::own_topic && client.number == 0;
    if (!publishing.retain || !client.talk || client.talk->topic.empty()) return;
    if (!has_own_topic && !is_first) return;
    wire::encode(client.talk->output, wire::Publish{.retain = true, .topic = client.talk->topic},
                 workload_.version);
}

}  // namespace touchstone::load
