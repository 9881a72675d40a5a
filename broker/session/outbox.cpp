#include "broker/session/outbox.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone {

namespace {

std::uint8_t priority_of(std::string_view topic, const access::QueuePriorities& priorities) {
    const auto found = priorities.by_topic.find(topic);
    if (found != priorities.by_topic.end()) return found->second;
    return priorities.is_other_highest ? std::uint8_t{255} : std::uint8_t{0};
}

std::size_t size_bytes_of(const Delivery& delivery) {
    return delivery.message ? delivery.message->size_bytes() : delivery.extras->paged_bytes;
}

}  // namespace

Outbox::Dropped Outbox::enqueue(Delivery delivery, const access::QueuePriorities& priorities,
                                const Settings& settings) {
    Dropped dropped;
    if (!priorities.by_topic.empty() && delivery.message)
        delivery.priority = priority_of(delivery.message->topic(), priorities);
    auto [begin, end] = part_of(delivery.priority);
    if (!delivery.snapshot) {
        const auto size = size_bytes_of(delivery);
        const auto snapshots = begin == 0 && end == queue_.size()
                                   ? snapshot_count_
                                   : static_cast<std::size_t>(std::count_if(
                                         at(begin), at(end),
                                         [](const Delivery& one) { return one.snapshot; }));
        while (end - begin - snapshots >= settings.queue_messages_max ||
               queue_bytes_ + size > settings.queue_bytes_max) {
            ++dropped.count;
            if (end - begin == snapshots) {
                dropped.is_new = true;
                return dropped;
            }
            drop_oldest(begin, end);
            --end;
        }
        queue_bytes_ += size;
        paged_bytes_ += delivery.message ? 0 : size;
    }
    snapshot_count_ += delivery.snapshot ? 1 : 0;
    waiting_qos_0_ += delivery.qos == QoS::at_most_once ? 1 : 0;
    if (end == queue_.size()) {
        queue_.push_back(std::move(delivery));
    } else {
        queue_.insert(at(end), std::move(delivery));
        note_place(end);
    }
    return dropped;
}

std::pair<std::size_t, std::size_t> Outbox::part_of(std::uint8_t priority) const {
    // Sorted by priority, so usually all of it is that one part.
    if (queue_.empty() ||
        (queue_.front().priority == priority && queue_.back().priority == priority))
        return {0, queue_.size()};
    const auto first = std::partition_point(
        queue_.begin(), queue_.end(),
        [&](const Delivery& one) { return one.priority > priority; });
    const auto last = std::partition_point(
        first, queue_.end(), [&](const Delivery& one) { return one.priority >= priority; });
    return {static_cast<std::size_t>(first - queue_.begin()),
            static_cast<std::size_t>(last - queue_.begin())};
}

void Outbox::drop_oldest() {
    const auto last = std::find_if(queue_.rbegin(), queue_.rend(),
                                   [](const Delivery& one) { return !one.snapshot; });
    CHECK(last != queue_.rend());
    const auto [begin, end] = part_of(last->priority);
    drop_oldest(begin, end);
}

void Outbox::drop_oldest(std::size_t begin, std::size_t end) {
    const auto oldest = [&](bool only_qos_0) {
        return std::find_if(at(begin), at(end), [only_qos_0](const Delivery& one) {
            return !one.snapshot && (!only_qos_0 || one.qos == QoS::at_most_once);
        });
    };
    auto victim = waiting_qos_0_ != 0 ? oldest(true) : at(end);
    if (victim == at(end)) victim = oldest(false);
    CHECK(victim != at(end));
    forget(*victim);
    note_place(static_cast<std::size_t>(victim - queue_.begin()));
    queue_.erase(victim);
}

void Outbox::forget(const Delivery& delivery) {
    if (delivery.snapshot) {
        --snapshot_count_;
    } else {
        const auto size = size_bytes_of(delivery);
        queue_bytes_ -= size;
        paged_bytes_ -= delivery.message ? 0 : size;
    }
    waiting_qos_0_ -= delivery.qos == QoS::at_most_once ? 1 : 0;
}

Delivery Outbox::take_front() {
    auto delivery = std::move(queue_.front());
    queue_.pop_front();
    if (paged_end_ != 0) --paged_end_;
    forget(delivery);
    return delivery;
}

// --- In storage only -----------------------------------------------------------------------------

std::size_t Outbox::page_out(storage::Number stored) {
    std::size_t count = 0;
    for (; paged_end_ < queue_.size(); ++paged_end_) {
        auto& delivery = queue_[paged_end_];
        const bool is_entered = delivery.extras && delivery.extras->entry.is_written();
        if (!is_entered || !delivery.message || delivery.snapshot || !delivery.extras->group.empty())
            continue;
        // Those behind it are newer.
        if (delivery.extras->entry.message().number() > stored) break;
        delivery.extras->paged_bytes = delivery.message->size_bytes();
        paged_bytes_ += delivery.extras->paged_bytes;
        delivery.message = {};
        ++count;
    }
    return count;
}

std::vector<storage::Number> Outbox::paged_front(std::size_t count) const {
    std::vector<storage::Number> numbers;
    for (std::size_t place = 0; place < queue_.size() && numbers.size() < count; ++place) {
        const auto& delivery = queue_[place];
        if (delivery.message) break;
        numbers.push_back(delivery.extras->entry.message().number());
    }
    return numbers;
}

bool Outbox::page_in(storage::Number number, MessageRef message) {
    const auto found = std::find_if(queue_.begin(), queue_.end(), [&](const Delivery& one) {
        return !one.message && one.extras->entry.message().number() == number;
    });
    if (found == queue_.end()) return false;  // it made room for another one
    if (message) {
        const auto size = std::exchange(found->extras->paged_bytes, 0);
        paged_bytes_ -= size;
        queue_bytes_ += message->size_bytes() - size;
        found->message = std::move(message);
        return true;
    }
    forget(*found);
    note_place(static_cast<std::size_t>(found - queue_.begin()));
    queue_.erase(found);
    return true;
}

void Outbox::note_place(std::size_t place) {
    paged_end_ = std::min(paged_end_, place);
}

std::vector<Delivery> Outbox::take_shared() {
    std::vector<Delivery> taken;
    const auto is_shared = [](const Delivery& one) { return one.extras && !one.extras->group.empty(); };
    for (auto at = flows_.begin(); at != flows_.end();) {
        if (!is_shared(at->delivery) || at->delivery.qos != QoS::at_least_once) {
            ++at;
            continue;
        }
        uncount(*at);
        resent(*at);
        taken.push_back(std::move(at->delivery));
        at = flows_.erase(at);
    }
    for (auto at = queue_.begin(); at != queue_.end();) {
        if (!is_shared(*at)) {
            ++at;
            continue;
        }
        forget(*at);
        note_place(static_cast<std::size_t>(at - queue_.begin()));
        taken.push_back(std::move(*at));
        at = queue_.erase(at);
    }
    return taken;
}

wire::PacketId Outbox::next_packet_id(std::uint16_t packet_id_max, bool check_in_use) {
    CHECK(!check_in_use || flows_.size() < packet_id_max);
    if (flows_.empty())
        is_in_order_ = check_in_use;
    else if (!check_in_use || packet_id_max != packet_id_max_)
        is_in_order_ = false;
    packet_id_max_ = packet_id_max;
    for (;;) {
        last_packet_id_ = last_packet_id_ >= packet_id_max
                              ? std::uint16_t{1}
                              : static_cast<std::uint16_t>(last_packet_id_ + 1);
        const auto packet_id = wire::PacketId::from_wire(last_packet_id_).value();
        if (!check_in_use || flows_.empty()) return packet_id;
        if (is_in_order_ && flows_.front().packet_id != packet_id) return packet_id;
        if (!is_in_order_ && find(packet_id) == nullptr) return packet_id;
        is_in_order_ = false;  // the next one stands behind one that comes later
    }
}

Outbox::Flow* Outbox::find_behind_front(wire::PacketId packet_id) {
    if (flows_.empty()) return nullptr;
    // As long as none in between has ended, a flow stands as far behind the first one as its
    // identifier is above that one's.
    const unsigned first = flows_.front().packet_id.raw();
    const unsigned distance =
        packet_id.raw() - first + (packet_id.raw() < first ? packet_id_max_ : 0U);
    if (distance < flows_.size() && flows_[distance].packet_id == packet_id)
        return &flows_[distance];
    for (auto& flow : flows_)
        if (flow.packet_id == packet_id) return &flow;
    return nullptr;
}

void Outbox::finish_behind_front(const Flow& flow) {
    const auto found =
        std::find_if(flows_.begin(), flows_.end(), [&](const Flow& one) { return &one == &flow; });
    CHECK(found != flows_.end());
    flows_.erase(found);
}

Outbox::Flow& Outbox::restore(wire::PacketId packet_id, bool released, Delivery delivery) {
    CHECK(find(packet_id) == nullptr);
    is_in_order_ = false;  // others may have ended in between
    last_packet_id_ = packet_id.raw();
    return flows_.push_back(
        {.packet_id = packet_id, .released = released, .delivery = std::move(delivery)});
}

void Outbox::begin_connection() {
    for (auto& flow : flows_) {
        flow.on_this_connection = false;
        flow.to_resend = true;
    }
    quota_used_ = 0;
    resends_owed_ = flows_.size();
}

}  // namespace touchstone
