#include "broker/storage/output_gate.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::storage {

void OutputGate::hold(ConnectionId connection, BatchNumber batch) {
    if (batch <= stored_batch_) return;
    auto& held = held_[connection.raw()];
    if (held.last_batch >= batch) return;  // it waits for that already
    held.last_batch = batch;
    held.items.push_back({.what = Item::What::batch, .number = batch, .bytes = {}, .message = {}});
}

void OutputGate::hold_for(ConnectionId connection, ReceiptNumber receipt, unsigned count) {
    CHECK(count != 0);
    receipts_[receipt] = {connection, count};
    held_[connection.raw()].items.push_back(
        {.what = Item::What::receipt, .number = receipt, .bytes = {}, .message = {}});
}

void OutputGate::on_stored(BatchNumber batch) {
    CHECK(batch >= stored_batch_);
    stored_batch_ = batch;
    for (const auto connection : held()) advance(connection, held_.at(connection.raw()));
}

void OutputGate::on_receipt(ReceiptNumber receipt) {
    const auto found = receipts_.find(receipt);
    if (found == receipts_.end() || --found->second.missing != 0) return;
    const auto connection = found->second.connection;
    receipts_.erase(found);
    const auto waiting = held_.find(connection.raw());
    if (waiting != held_.end()) advance(connection, waiting->second);
}

std::optional<ConnectionId> OutputGate::waiting_for(ReceiptNumber receipt) const {
    const auto found = receipts_.find(receipt);
    if (found == receipts_.end()) return std::nullopt;
    const auto connection = found->second.connection;
    // A dropped connection's number may be another one's by now.
    const auto waiting = held_.find(connection.raw());
    const auto is_barrier = [receipt](const Item& item) {
        return item.what == Item::What::receipt && item.number == receipt;
    };
    if (waiting == held_.end() || std::ranges::none_of(waiting->second.items, is_barrier))
        return std::nullopt;
    return connection;
}

bool OutputGate::is_over(const Item& barrier) const {
    return barrier.what == Item::What::batch ? barrier.number <= stored_batch_
                                             : !receipts_.contains(barrier.number);
}

void OutputGate::advance(ConnectionId connection, Held& held) {
    auto& items = held.items;
    for (; !items.empty(); items.pop_front()) {
        const auto& item = items.front();
        switch (item.what) {
            case Item::What::batch:
            case Item::What::receipt:
                if (!is_over(item)) return;
                break;
            case Item::What::bytes: network_.send(connection, item.bytes); break;
            case Item::What::message: network_.send(connection, item.bytes, item.message); break;
            case Item::What::close:
                held_.erase(connection.raw());
                network_.close(connection);
                return;
        }
    }
    held_.erase(connection.raw());
}

bool OutputGate::is_closing(ConnectionId connection) const {
    const auto found = held_.find(connection.raw());
    return found != held_.end() && !found->second.items.empty() &&
           found->second.items.back().what == Item::What::close;
}

std::vector<ConnectionId> OutputGate::held() const {
    std::vector<ConnectionId> all;
    all.reserve(held_.size());
    for (const auto& [connection, items] : held_) all.emplace_back(connection);
    return all;
}

Bytes OutputGate::first_bytes(ConnectionId connection) const {
    const auto found = held_.find(connection.raw());
    if (found == held_.end()) return {};
    for (const auto& item : found->second.items)
        if (!item.bytes.empty()) return item.bytes;
    return {};
}

void OutputGate::drop(ConnectionId connection) {
    const bool closes = is_closing(connection);
    held_.erase(connection.raw());
    if (closes) network_.close(connection);
}

void OutputGate::let_out(ConnectionId connection) {
    auto& held = held_.at(connection.raw());
    std::erase_if(held.items, [](const Item& item) { return item.what == Item::What::batch; });
    held.last_batch = 0;
    advance(connection, held);
}

// --- Network -------------------------------------------------------------------------------------

void OutputGate::send(ConnectionId connection, Bytes bytes) {
    const auto found = held_.find(connection.raw());
    if (found == held_.end()) return network_.send(connection, bytes);
    auto& items = found->second.items;
    if (items.back().what == Item::What::bytes) return append(items.back().bytes, bytes);
    items.push_back({.what = Item::What::bytes,
                     .number = 0,
                     .bytes = Buffer{bytes.begin(), bytes.end()},
                     .message = {}});
}

void OutputGate::send(ConnectionId connection, Bytes head, const MessageRef& message) {
    const auto found = held_.find(connection.raw());
    if (found == held_.end()) return network_.send(connection, head, message);
    found->second.items.push_back({.what = Item::What::message,
                                   .number = 0,
                                   .bytes = Buffer{head.begin(), head.end()},
                                   .message = message});
}

void OutputGate::close(ConnectionId connection) {
    const auto found = held_.find(connection.raw());
    if (found == held_.end()) return network_.close(connection);
    found->second.items.push_back(
        {.what = Item::What::close, .number = 0, .bytes = {}, .message = {}});
}

void OutputGate::abort(ConnectionId connection) {
    held_.erase(connection.raw());
    network_.abort(connection);
}

void OutputGate::move(ConnectionId connection, ShardIndex owner, access::Origin origin) {
    CHECK(!is_held(connection));  // it is moved before it has a client, who alone is held
    network_.move(connection, owner, std::move(origin));
}

}  // namespace touchstone::storage
