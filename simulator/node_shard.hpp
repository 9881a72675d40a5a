// Node::Shard: one shard of a node with its ports. Included by node.cpp and nobody else.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/check.hpp"
#include "broker/wire/topics.hpp"
#include "simulator/node.hpp"

namespace touchstone::simulator {

/// One Broker with its ports. Effects go to the links at once, which call nobody back.
class Node::Shard final : public Network,
                          public Peers,
                          public Random,
                          public Authentication,
                          public Events,
                          public Storage,
                          public Registry {
public:
    Shard(Node& node, unsigned index)
        : node_{node},
          index_{index},
          random_{node.engine_.stream(Domain::node, node.entity_ << 16U | index, Purpose::core)},
          broker_{node.rules_,
                  {.self = ShardIndex{index},
                   .shard_count = node.options_.shard_count,
                   .node = node.options_.cluster ? node.options_.cluster->self.raw() : 0,
                   .defects = node.options_.defects,
                   .wall_offset = node.wall_offset()},
                  {.network = *this,
                   .peers = *this,
                   .random = *this,
                   .authentication = this,
                   .events = node.options_.publishes_presence ? this : nullptr,
                   .storage = node.store_ != nullptr ? this : nullptr,
                   .registry = node.options_.cluster ? this : nullptr}} {}
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    [[nodiscard]] Broker& broker() { return broker_; }

    /// A ConnectionId for the connection: the one that became free last, so that reuse is common.
    ConnectionId enter(ConnectionNumber number) {
        if (free_.empty()) {
            free_.push_back(static_cast<std::uint32_t>(slots_.size()));
            slots_.emplace_back();
        }
        const auto slot = free_.back();
        free_.pop_back();
        slots_[slot] = {number, false};
        return ConnectionId{slot};
    }
    void leave(ConnectionId id) {
        slots_[id.raw()].number.reset();
        free_.push_back(id.raw());
    }
    [[nodiscard]] ConnectionNumber number_of(ConnectionId id) const {
        CHECK(id.raw() < slots_.size());
        CHECK(slots_[id.raw()].number.has_value());
        return *slots_[id.raw()].number;
    }

    /// Connections that were sent something since the last call, in the order of the first send.
    /// Until the next call.
    [[nodiscard]] const std::vector<ConnectionNumber>& take_unwritten() {
        taken_.clear();
        for (const auto id : unwritten_) {
            auto& slot = slots_[id.raw()];
            slot.is_unwritten = false;
            // Closed meanwhile: the link writes the rest on its own.
            if (slot.number) taken_.push_back(*slot.number);
        }
        unwritten_.clear();
        return taken_;
    }

    std::optional<Instant> tick_at;  // of the tick that counts; others are outdated
    unsigned ticks_at_one_instant = 0;

    // Network
    void send(ConnectionId connection, Bytes bytes) override {
        if (node_.options_.defects.has(Defect::congested_tail_reorder)) {
            put_before_tail(number_of(connection), bytes);
        } else {
            node_.links_.put(number_of(connection), Direction::to_client, bytes);
        }
        note_unwritten(connection);
    }
    void send(ConnectionId connection, Bytes head, const MessageRef& message) override {
        if (node_.options_.defects.has(Defect::congested_tail_reorder)) {
            Buffer whole{head.begin(), head.end()};
            append(whole, message->payload());
            return send(connection, whole);
        }
        node_.links_.put(number_of(connection), Direction::to_client, head, message->payload());
        note_unwritten(connection);
    }
    void close(ConnectionId connection) override {
        const auto number = number_of(connection);
        detach(connection);
        node_.links_.close(number, Direction::to_client);
    }
    void abort(ConnectionId connection) override {
        const auto number = number_of(connection);
        detach(connection);
        node_.links_.abort(number, Direction::to_client);
    }
    void move(ConnectionId connection, ShardIndex owner, access::Origin /*origin*/) override {
        CHECK(owner.raw() != index_);
        CHECK(owner.raw() < node_.options_.shard_count);
        const auto number = number_of(connection);
        leave(connection);
        node_.attachments_.at(number).is_moving = true;
        node_.links_.set_unaware(number, true);  // neither shard looks
        node_.put(index_, owner.raw(), Move{number});
    }
    void resume(ConnectionId connection) override {
        const auto number = number_of(connection);
        node_.engine_.schedule_in(Duration::zero(),
                                  {node_.owner_, Node::resume, number.raw(), node_.incarnation_});
    }

    // Peers
    void send(ShardIndex to, PeerMessage message) override {
        CHECK(to.raw() != index_);
        CHECK(to.raw() < node_.peer_count());
        node_.put(index_, to.raw(), std::move(message));
    }

    // Registry
    void claim(ClaimNumber number, std::string_view client_id, bool clean_start) override {
        put_to_gateway(Claiming{number, std::string{client_id}, clean_start});
    }
    void withdraw(ClaimNumber number) override { put_to_gateway(Withdrawal{number}); }
    void enter(std::string_view client_id) override {
        put_to_gateway(Entry{std::string{client_id}});
    }
    void release(std::string_view client_id) override {
        put_to_gateway(Release{std::string{client_id}});
    }

    // Authentication
    void ask(QuestionNumber number, AuthenticationQuestion question) override {
        CHECK(node_.options_.authority != nullptr);
        node_.questions_.push_back(
            {.shard = index_, .number = number, .content = std::move(question)});
        node_.engine_.schedule_in(node_.options_.authentication_delay,
                                  {node_.owner_, Node::authenticated, 0, node_.incarnation_});
    }
    void forget(QuestionNumber number) override {
        for (auto& question : node_.questions_) {
            if (question.shard == index_ && question.number == number) question.is_forgotten = true;
        }
        node_.options_.authority->forget(index_, number);
    }

    // Random
    std::uint64_t next() override { return random_.next(); }

    // Storage
    void put(std::string_view key, Bytes value) override { node_.store_->put(index_, key, value); }
    void erase(std::string_view key) override { node_.store_->erase(index_, key); }
    void commit(BatchNumber number) override { node_.store_->commit(index_, number); }
    void read(ReadNumber number, std::vector<std::string> keys) override {
        node_.store_->read(index_, number, std::move(keys));
    }

    // Events
    void on_connected(const ClientEvent& client) override { note_presence(client, "connected"); }
    void on_disconnected(const ClientEvent& client, DisconnectReason /*reason*/) override {
        note_presence(client, "disconnected");
    }
    /// Publishes what the core has said about its clients, as a driver does.
    void publish_presence() {
        for (const auto& one : std::exchange(presence_, {}))
            broker_.on_publish({.topic = one.topic, .payload = as_bytes(one.what), .qos = one.qos},
                               node_.core_now());
    }

private:
    struct Slot {
        std::optional<ConnectionNumber> number;
        bool is_unwritten = false;
    };

    struct Presence {
        std::string topic;
        std::string what;
        QoS qos = QoS::at_least_once;
    };
    void note_unwritten(ConnectionId connection) {
        if (std::exchange(slots_[connection.raw()].is_unwritten, true)) return;
        unwritten_.push_back(connection);
    }
    void put_to_gateway(Item item) {
        node_.put(index_, node_.options_.shard_count, std::move(item));
    }
    void note_presence(const ClientEvent& client, const std::string& what) {
        std::string topic{"$SYS/brokers/"};
        topic.append(node_.rules_->policy.node_name).append("/clients/").append(client.client_id);
        topic.append("/").append(what);
        // As of any driver: no Topic Name has wildcards, whatever its client is called.
        if (wire::is_topic_name(topic)) presence_.push_back({std::move(topic), what, client.qos});
    }
    /// What the connection does not take at once comes behind the next packet.
    void put_before_tail(ConnectionNumber number, Bytes bytes) {
        Buffer all{bytes.begin(), bytes.end()};
        append(all, std::exchange(tails_[number], {}));
        const auto size_bytes =
            std::min(all.size(), node_.links_.room_bytes(number, Direction::to_client));
        node_.links_.put(number, Direction::to_client, Bytes{all}.first(size_bytes));
        tails_[number].assign(all.begin() + static_cast<std::ptrdiff_t>(size_bytes), all.end());
    }
    void detach(ConnectionId connection) {
        tails_.erase(number_of(connection));
        node_.attachments_.erase(number_of(connection));
        leave(connection);
    }

    Node& node_;
    unsigned index_;
    RandomStream random_;
    std::vector<Slot> slots_;  // by ConnectionId
    std::vector<std::uint32_t> free_;
    std::vector<ConnectionId> unwritten_;
    std::vector<ConnectionNumber> taken_;  // from there, last
    std::vector<Presence> presence_;
    std::map<ConnectionNumber, Buffer> tails_;  // by the defect congested_tail_reorder
    Broker broker_;
};

}  // namespace touchstone::simulator
