// What the files of World share, and nobody else includes.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/check.hpp"
#include "simulator/world.hpp"

namespace touchstone::simulator {

/// Messages that a session was to get and did not, although it lasted.
inline std::uint64_t lost_messages(const Counters& counters) {
    return counters.of(Counter::dropped_queue_full) + counters.of(Counter::dropped_expired) +
           counters.of(Counter::dropped_too_large);
}

/// A client's place in the world: its end of connections, its timer, its random streams.
class World::Host final : public ConnectionEnd, public ClientPort, private EventHandler {
public:
    Host(World& world, std::string name, ClientOptions options, LinkIndex link, Actor actor,
         NodeIndex node)
        : world_{world},
          name_{std::move(name)},
          paths_{link},
          node_{node},
          actor_{actor},
          owner_{world.engine_.add_handler(*this)},
          reconnects_{world.engine_.stream(Domain::client, actor.raw(), Purpose::reconnect)},
          acknowledges_{world.engine_.stream(Domain::client, actor.raw(), Purpose::acknowledge)},
          client_{std::move(options), *this} {}
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    [[nodiscard]] const std::string& name() const { return name_; }
    /// The path in use.
    [[nodiscard]] LinkIndex link() const {
        return failover_.empty() ? paths_[path_] : failover_[attempts_ % failover_.size()];
    }
    [[nodiscard]] NodeIndex node() const { return node_; }
    void add_path(LinkIndex link) { paths_.push_back(link); }
    /// The next connection goes to that one of the nodes it may go to.
    void go_to(std::size_t place) { attempts_ = place; }
    void add_failover(LinkIndex link) {
        if (failover_.empty()) failover_.push_back(paths_.front());
        failover_.push_back(link);
    }
    void use_path(std::size_t path) {
        CHECK(path < paths_.size());
        path_ = path;
    }
    [[nodiscard]] Actor actor() const { return actor_; }
    [[nodiscard]] const std::vector<std::string>& received() const { return received_; }
    [[nodiscard]] Client& client() { return client_; }
    [[nodiscard]] const Client& client() const { return client_; }

    std::uint64_t next_sequence() { return ++sequence_; }

    /// Calls the client and arms its timer for what it then waits for.
    template <class Call>
    void act(Call call) {
        call(client_, client_now());
        for (const auto number : unwritten_) world_.links_.flush(number, Direction::to_broker);
        unwritten_.clear();
        arm_timer();
    }

    /// The client is told the time by `clock` from now on, or its rate has changed.
    void on_clock_changed(const Clock& clock) {
        clock_ = &clock;
        tick_at_.reset();
        arm_timer();
    }

    void set_reading(bool on) {
        if (on) {
            CHECK(not_reading_ > 0);
            if (--not_reading_ > 0) return;
            for (const auto number : std::exchange(unread_, {})) on_bytes_ready(number);
        } else {
            ++not_reading_;
        }
    }

    void set_bridge(Host& other) { other_end_ = &other; }
    void set_pool(std::string pool) { pool_ = std::move(pool); }
    [[nodiscard]] const std::string& pool() const { return pool_; }
    /// As the end of a bridge: publishes what the other end received.
    void bring(const Publication& publication) {
        brought_.insert(publication.payload);
        act([&](Client& client, Instant now) { client.publish(publication, now); });
    }

    // ConnectionEnd
    void on_bytes_ready(ConnectionNumber number) override {
        if (not_reading_ > 0) {
            if (std::ranges::find(unread_, number) == unread_.end()) unread_.push_back(number);
            return;
        }
        arrivals_begin_ = world_.trace_.entries.size();
        const Buffer bytes = world_.links_.take(number, Direction::to_client);
        if (bytes.empty()) return;
        act([&](Client& client, Instant now) { client.on_bytes(number, bytes, now); });
    }
    void on_written(ConnectionNumber, std::size_t) override {}
    void on_ended(ConnectionNumber number, Ending) override {
        const bool is_loss = client_.connection() == number;
        if (is_loss) ++attempts_;  // the next one goes to the next node
        act([&](Client& client, Instant now) { client.on_ended(number, now); });
        if (is_loss) world_.tell_pool(*this);
    }

    // ClientPort
    ConnectionNumber open() override { return world_.links_.open(link(), *this, actor_); }
    void send(ConnectionNumber number, Bytes bytes) override {
        world_.links_.put(number, Direction::to_broker, bytes);
        unwritten_.push_back(number);
    }
    void close(ConnectionNumber number) override {
        world_.links_.close(number, Direction::to_broker);
    }
    void abort(ConnectionNumber number) override {
        world_.links_.abort(number, Direction::to_broker);
        ++attempts_;
    }
    std::uint32_t receive(ConnectionNumber number, const wire::Publish& publish) override {
        inbound_.push_back({number, packet_of(publish), label_of(as_text(publish.payload)), {}});
        if (other_end_ != nullptr) {
            inbound_.back().publication = std::make_unique<Publication>(
                Publication{.topic = std::string{publish.topic},
                            .payload = std::string{as_text(publish.payload)},
                            .qos = publish.qos,
                            .retain = publish.retain,
                            .expiry_s = std::nullopt});
        }
        return static_cast<std::uint32_t>(inbound_.size() - 1);
    }
    void deliver(std::uint32_t received) override {
        const auto& inbound = inbound_[received];
        received_.push_back(inbound.label);
        world_.trace_.add({world_.engine_.now(), TraceEntry::Kind::delivered, Direction::to_client,
                           actor_, inbound.connection, inbound.packet});
        if (other_end_ == nullptr) return;
        const auto& publication = *inbound.publication;
        // What this end has brought comes back as a subscriber's copy, or as a Retained Message.
        const bool is_own = brought_.contains(publication.payload);
        const bool has_echo = client_.options().defects.has(ClientDefect::bridge_echo_retained);
        if (is_own && !(has_echo && publication.retain)) return;
        other_end_->bring(publication);
    }
    void forgot() override { world_.note(TraceEntry::Kind::forgot, actor_); }
    void died() override { world_.note(TraceEntry::Kind::died, actor_); }
    void register_will(const Publication& will) override {
        world_.trace_.add_message({.payload = will.payload,
                                   .topic = will.topic,
                                   .qos = will.qos,
                                   .retain = will.retain,
                                   .is_will = true,
                                   .publisher = actor_,
                                   .sequence = next_sequence()});
    }
    RandomStream& random(Purpose purpose) override {
        return purpose == Purpose::reconnect ? reconnects_ : acknowledges_;
    }

private:
    /// The packet of the trace that is being handled: among those that came with the last take, the
    /// first that was not handled before.
    [[nodiscard]] std::uint32_t packet_of(const wire::Publish& publish) {
        const auto& trace = world_.trace_;
        const auto packet_id = publish.packet_id ? publish.packet_id->raw() : 0;
        for (auto& index = arrivals_begin_;;) {
            CHECK(index < trace.entries.size());
            const auto& entry = trace.entries[index++];
            if (entry.kind != TraceEntry::Kind::arrived || entry.actor != actor_ ||
                entry.type != wire::PacketType::publish)
                continue;
            const auto& packet = trace.packets[entry.index];
            if (packet.direction == Direction::to_client && packet.packet_id == packet_id &&
                packet.topic == publish.topic) {
                return entry.index;
            }
        }
    }

    [[nodiscard]] Instant client_now() const {
        const Instant now = world_.engine_.now();
        return clock_ == nullptr ? now : clock_->steady_at(now);
    }

    void arm_timer() {
        const auto next = client_.next_tick();
        if (!next) return;
        const Instant due = clock_ == nullptr ? *next : clock_->when_steady_shows(*next);
        const Instant at = std::max(due, world_.engine_.now());
        if (tick_at_ && *tick_at_ <= at) return;
        tick_at_ = at;
        world_.engine_.schedule(at, {owner_, 0, actor_.raw(), 0});
    }

    void on_event(const Event&) override {
        if (tick_at_ != world_.engine_.now()) return;
        tick_at_.reset();
        act([](Client& client, Instant now) { client.on_tick(now); });
    }

    struct Inbound {
        ConnectionNumber connection;
        std::uint32_t packet;                      // index into Trace::packets
        std::string label;                         // of the payload
        std::unique_ptr<Publication> publication;  // of the end of a bridge
    };

    World& world_;
    std::string name_;
    std::vector<LinkIndex> paths_;
    std::size_t path_ = 0;
    std::vector<LinkIndex> failover_;  // to the nodes it may go to; empty: it has only its own
    std::size_t attempts_ = 0;         // that were lost
    NodeIndex node_;
    Actor actor_;
    std::uint16_t owner_;
    RandomStream reconnects_;
    RandomStream acknowledges_;
    std::uint64_t sequence_ = 0;
    unsigned not_reading_ = 0;
    std::size_t arrivals_begin_ = 0;  // entries of the trace from here on: what is being handled
    std::vector<ConnectionNumber> unread_;
    std::vector<ConnectionNumber> unwritten_;
    std::vector<std::string> received_;
    std::vector<Inbound> inbound_;
    Host* other_end_ = nullptr;      // of the bridge
    std::set<std::string> brought_;  // payloads that this end of it has published
    std::string pool_;
    const Clock* clock_ = nullptr;  // null: right
    std::optional<Instant> tick_at_;
    Client client_;
};

}  // namespace touchstone::simulator
