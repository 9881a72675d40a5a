// Rig: a node of N shards without a world: bytes go in by hand, what the core sends is kept, and
// messages between shards are delivered when the test says so.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/hash.hpp"
#include "broker/broker.hpp"
#include "broker/storage/records.hpp"
#include "broker/storage/tests/memory_storage.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone {

class Rig {
public:
    struct Options {
        unsigned shards = 1;
        Settings settings;
        Defects defects;
        std::shared_ptr<const access::NodeRules> rules;  // null: open_rules(settings)
        std::vector<MemoryStorage>* disks = nullptr;     // by shard; null: nothing outlives the rig
        Duration wall_offset{};
        bool is_in_cluster = false;  // the test plays its registry and its gateway
    };
    explicit Rig(const Options& options)
        : rules{options.rules ? options.rules : access::open_rules(options.settings)} {
        for (unsigned index = 0; index < options.shards; ++index) {
            auto shard = std::make_unique<Shard>(*this, index);
            shard->broker = std::make_unique<Broker>(
                rules,
                Broker::Options{.self = ShardIndex{index},
                                .shard_count = options.shards,
                                .defects = options.defects,
                                .wall_offset = options.wall_offset},
                Broker::Ports{.network = *shard,
                              .peers = *shard,
                              .random = *shard,
                              .authentication = shard.get(),
                              .events = shard.get(),
                              .storage =
                                  options.disks == nullptr ? nullptr : &(*options.disks)[index],
                              .registry = options.is_in_cluster ? shard.get() : nullptr});
            shards.push_back(std::move(shard));
        }
        if (options.disks == nullptr) return;
        disks = options.disks;
        recover();
    }
    Rig() : Rig{Options{}} {}

    /// One Network Connection, wherever its shard is.
    struct Peer {
        unsigned shard = 0;
        ConnectionId id{};
        Buffer unread;      // sent by the broker, not looked at yet
        Buffer unconsumed;  // sent to the broker, not taken yet
        bool is_open = true;
        bool is_stalled = false;
        ProtocolVersion version = ProtocolVersion::v3_1_1;
        access::Origin origin;
    };

    /// What a shard wants to know about a client.
    struct Question {
        unsigned shard = 0;
        QuestionNumber number = 0;
        AuthenticationQuestion what;
    };

    /// What a shard has asked the registry.
    struct Claim {
        unsigned shard = 0;
        ClaimNumber number = 0;
        std::string client_id;
        bool clean_start = false;
    };

    Peer& open(unsigned shard = 0, access::Origin origin = {}) {
        peers.push_back(std::make_unique<Peer>());
        auto& peer = *peers.back();
        peer.origin = std::move(origin);
        place(peer, shard);
        return peer;
    }

    void send(Peer& peer, Bytes bytes) {
        append(peer.unconsumed, bytes);
        push(peer);
    }

    void lose(Peer& peer) {
        auto& shard = *shards[peer.shard];
        shard.connections.erase(peer.id.raw());
        peer.is_open = false;
        shard.broker->on_close(peer.id, now);
    }

    void answer(const Question& question, AuthenticationAnswer with) {
        shards[question.shard]->broker->on_authenticated(question.number, std::move(with), now);
        settle();
    }
    void answer(const Claim& claim, ClaimAnswer with) {
        shards[claim.shard]->broker->on_claimed(claim.number, std::move(with), now);
        settle();
    }
    void reload(std::shared_ptr<const access::NodeRules> with) {
        rules = std::move(with);
        for (auto& shard : shards) shard->broker->on_rules(rules, now);
    }

    /// Delivers messages between shards and moved connections until nothing is left to do.
    void settle() {
        for (bool busy = true; busy;) {
            busy = false;
            for (auto& [route, queue] : mail) {
                if (queue.empty()) continue;
                auto message = std::move(queue.front());
                queue.pop_front();
                if (route.second == shards.size()) {
                    on_gateway(route.first, std::move(message));
                    continue;
                }
                shards[route.second]->broker->on_peer(ShardIndex{route.first}, std::move(message),
                                                      now);
                busy = true;
            }
            for (auto* const peer : std::exchange(to_push, {})) {
                if (!peer->is_open) continue;
                peer->is_stalled = false;
                push(*peer);
                busy = true;
            }
            for (unsigned index = 0; disks != nullptr && index < shards.size(); ++index) {
                auto& disk = (*disks)[index];
                while (!disk.reads.empty() && is_reading) {
                    auto [number, found] = disk.look_up();
                    if (!can_read) found.values.clear();
                    shards[index]->broker->on_read(number, found, now);
                    busy = true;
                }
                if (!disk.under_way || !outcome) continue;
                const auto number = disk.complete(*outcome);
                shards[index]->broker->on_stored(number, *outcome, now);
                busy = true;
            }
        }
    }

    void advance(Duration by) {
        const auto until = now + by;
        for (;;) {
            Broker* first = nullptr;
            auto at = until;
            for (auto& shard : shards) {
                const auto next = shard->broker->next_tick();
                if (next && *next <= at && (first == nullptr || *next < at)) {
                    first = shard->broker.get();
                    at = *next;
                }
            }
            if (first == nullptr) break;
            now = std::max(now, at);
            first->on_tick(now);
            settle();
        }
        now = until;
    }

    Broker& broker(unsigned shard = 0) { return *shards[shard]->broker; }
    Broker& owner(std::string_view client_id) {
        return *shards[owner_of(client_id, static_cast<unsigned>(shards.size())).raw()]->broker;
    }

    std::shared_ptr<const access::NodeRules> rules;
    std::vector<MemoryStorage>* disks = nullptr;
    /// What becomes of batches; nothing: they stay on their way.
    std::optional<StorageOutcome> outcome = StorageOutcome::stored;
    bool is_reading = true;  // false: reads are not answered
    bool can_read = true;    // false: reads fail
    std::vector<std::string> unusable;  // keys that recovery could not use
    std::vector<Question> questions;
    std::vector<QuestionNumber> forgotten;
    std::vector<Claim> claims;
    std::vector<std::string> registry;        // "enter c", "release c", "withdraw"
    std::vector<PeerMessage> to_gateway;      // but for routes
    std::vector<std::string> gateway_routes;  // as shards have announced them
    std::vector<std::string> events;          // "connected c", "disconnected c normal"
    Instant now{std::chrono::seconds{1}};
    std::map<std::pair<unsigned, unsigned>, std::deque<PeerMessage>> mail;

private:
    struct Shard final : Network, Peers, Random, Authentication, Events, Registry {
        Shard(Rig& owner, unsigned own_index) : rig{owner}, index{own_index} {}

        void send(ConnectionId id, Bytes bytes) override {
            auto& peer = *connections.at(id.raw());
            append(peer.unread, bytes);
        }
        void send(ConnectionId id, Bytes head, const MessageRef& message) override {
            send(id, head);
            send(id, message->payload());
        }
        void close(ConnectionId id) override {
            connections.at(id.raw())->is_open = false;
            connections.erase(id.raw());
        }
        void abort(ConnectionId id) override { close(id); }
        void move(ConnectionId id, ShardIndex owner, access::Origin origin) override {
            auto* const peer = connections.at(id.raw());
            peer->origin = std::move(origin);
            connections.erase(id.raw());
            moving.push_back({peer, owner.raw()});
        }
        void resume(ConnectionId id) override { rig.to_push.push_back(connections.at(id.raw())); }
        void send(ShardIndex to, PeerMessage message) override {
            rig.mail[{index, to.raw()}].push_back(std::move(message));
        }
        void ask(QuestionNumber number, AuthenticationQuestion question) override {
            rig.questions.push_back({index, number, std::move(question)});
        }
        void forget(QuestionNumber number) override { rig.forgotten.push_back(number); }
        void on_connected(const ClientEvent& client) override {
            rig.events.push_back("connected " + std::string{client.client_id});
        }
        void on_disconnected(const ClientEvent& client, DisconnectReason reason) override {
            rig.events.push_back("disconnected " + std::string{client.client_id} + " " +
                                 std::string{name_of(reason)});
        }
        void claim(ClaimNumber number, std::string_view client_id, bool clean_start) override {
            rig.claims.push_back({index, number, std::string{client_id}, clean_start});
        }
        void withdraw(ClaimNumber) override { rig.registry.emplace_back("withdraw"); }
        void enter(std::string_view client_id) override {
            rig.registry.push_back("enter " + std::string{client_id});
        }
        void release(std::string_view client_id) override {
            rig.registry.push_back("release " + std::string{client_id});
        }
        std::uint64_t next() override { return hash_of(std::to_string(++draws), index); }

        Rig& rig;
        unsigned index;
        std::unique_ptr<Broker> broker;
        std::map<std::uint32_t, Peer*> connections;
        std::vector<std::pair<Peer*, unsigned>> moving;
        std::uint32_t last_id = 0;
        std::uint64_t draws = 0;
    };

    void on_gateway(unsigned from, PeerMessage message) {
        if (const auto* const added = std::get_if<PeerAddRoute>(&message)) {
            gateway_routes.push_back(added->filter);
            shards[from]->broker->on_peer(gateway(static_cast<unsigned>(shards.size())),
                                          PeerRouteAdded{added->sequence}, now);
        } else if (const auto* const removed = std::get_if<PeerRemoveRoute>(&message)) {
            std::erase(gateway_routes, removed->filter);
        } else {
            to_gateway.push_back(std::move(message));
        }
    }

    void recover() {
        for (unsigned index = 0; index < shards.size(); ++index) {
            auto& broker = *shards[index]->broker;
            for (const bool of_messages : {false, true})
                for (const auto& [key, value] : (*disks)[index].records)
                    if (storage::is_of_message(key) == of_messages && !broker.on_record(key, value))
                        unusable.push_back(key);
            for (auto& key : broker.on_recovered(now)) unusable.push_back(std::move(key));
        }
        settle();
    }

    void place(Peer& peer, unsigned index) {
        auto& shard = *shards[index];
        peer.shard = index;
        peer.id = ConnectionId{shard.last_id++};
        shard.connections[peer.id.raw()] = &peer;
        shard.broker->on_open(peer.id, peer.origin, now);
    }

    void push(Peer& peer) {
        if (!peer.is_open || peer.is_stalled) return;
        auto& shard = *shards[peer.shard];
        const auto bytes = peer.unconsumed;
        const auto intake = shard.broker->on_bytes(peer.id, bytes, now);
        peer.unconsumed.assign(bytes.begin() + static_cast<std::ptrdiff_t>(intake.consumed_bytes),
                               bytes.end());
        peer.is_stalled = intake.next == Intake::Next::stalled;
        for (const auto& [moved, to] : std::exchange(shard.moving, {})) {
            place(*moved, to);
            push(*moved);
        }
    }

    std::vector<std::unique_ptr<Shard>> shards;
    std::vector<std::unique_ptr<Peer>> peers;
    std::vector<Peer*> to_push;
};

}  // namespace touchstone
