// What an Outbox does wrong when a defect switch asks for it. Nothing here is used without one.

#include <algorithm>

#include "broker/session/outbox.hpp"

namespace touchstone {

void Outbox::let_newest_overtake() {
    CHECK(!queue_.empty());
    auto newest = std::move(queue_.back());
    queue_.erase(queue_.end() - 1);
    queue_.insert(queue_.begin(), std::move(newest));
}

void Outbox::reverse_batches(std::size_t size) {
    CHECK(size != 0);
    for (std::size_t begin = 0; begin < queue_.size(); begin += size)
        std::reverse(at(begin), at(std::min(begin + size, queue_.size())));
}

void Outbox::rename(Flow& flow, wire::PacketId packet_id) {
    flow.packet_id = packet_id;
    is_in_order_ = false;
}

wire::PacketId Outbox::peek_packet_id() const {
    return wire::PacketId::from_wire(static_cast<std::uint16_t>(last_packet_id_ % 65'535 + 1))
        .value();
}

void Outbox::carry_quota() {
    for (const auto& flow : flows_) quota_used_ += flow.released ? 0 : 1;
}

void Outbox::refund_quota() {
    const auto counted = std::find_if(flows_.begin(), flows_.end(),
                                      [](const Flow& flow) { return flow.on_this_connection; });
    if (counted != flows_.end()) uncount(*counted);
}

void Outbox::truncate(std::size_t count) {
    while (queue_.size() > count) {
        forget(queue_.back());
        queue_.erase(queue_.end() - 1);
    }
}

}  // namespace touchstone
