// The engine of tier T0: the devices of a fleet as light clients, which send and read real Control
// Packets, and the real core in virtual time. What devices do, and when, is as in tier T2
// (behaviour.hpp); what comes of it is the core's doing.
//
// A node is `servers_per_node` shards of the core (core_shard.hpp). Nodes share nothing, as in a
// cluster that carries no message from node to node: what_t0_cannot says what a fleet may not have.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/wire/packets.hpp"
#include "simulator/fleet/behaviour.hpp"
#include "simulator/fleet/bucket_list.hpp"
#include "simulator/fleet/draws.hpp"
#include "simulator/fleet/model.hpp"
#include "simulator/fleet/outcome.hpp"
#include "simulator/fleet/pages.hpp"
#include "simulator/fleet/real_core/core_shard.hpp"
#include "simulator/fleet/real_core/light_packets.hpp"
#include "simulator/fleet/sampler.hpp"

namespace touchstone::simulator::fleet {

/// Why this fleet cannot be simulated in tier T0, and what to do; nothing when it can.
[[nodiscard]] std::optional<std::string> what_t0_cannot(const FleetModel& model);

class CoreFleet final : private CoreHost {
public:
    /// what_t0_cannot has found nothing. Throws std::runtime_error when there is no memory for so
    /// many devices.
    explicit CoreFleet(FleetModel model);
    ~CoreFleet();

    /// As Fleet::run.
    Outcome run(const std::function<bool(Time now, std::uint64_t connected)>& goes_on = {});

    /// Of a device's state, without the event list and without its connection.
    [[nodiscard]] static constexpr std::size_t device_bytes() { return sizeof(Device); }

private:
    enum class Kind : std::uint8_t {
        start,      // devices of a class
        connect,    // a CONNECT is at the broker
        timer,      // of a device
        to_broker,  // a parcel
        to_client,
        moved,   // a connection is at its client's shard
        letter,  // of a shard to another
        shard_free,
        shard_tick,
        read,  // a slow device takes its next message
        crash,
        node_up,
        sample,
    };
    enum class Phase : std::uint8_t { away = 0, connecting, connected };

    struct Device {
        Time timer_at = 0;  // of its pending event; 0: none
        Time begun_at = 0;  // connecting
        Time next_at = 0;   // connected: its next action
        Time ping_at = 0;   // the PINGREQ that is not answered yet; 0: none
        ConnectionRef connection{};
        Action::Kind next = Action::Kind::ping;
        Phase phase = Phase::away;
        std::uint8_t attempts = 0;
        std::uint8_t generation = 0;  // of its attempts to connect
        bool has_connection = false;
    };
    /// What a device that publishes with QoS 1 or 2 waits for.
    struct Flows {
        struct Flow {
            std::uint16_t packet_id = 0;
            Time sent_at = 0;
        };
        std::vector<Flow> open;  // oldest first
        std::uint16_t last_packet_id = 0;
        bool is_held = false;  // a message is due, and has no slot
    };
    /// What a slow device has not read.
    struct Inbox {
        Buffer bytes;
        std::size_t begin = 0;
        Time free_at = 0;
        bool is_reading = false;
    };
    struct Parcel {
        ConnectionRef connection;
        Buffer bytes;
        std::uint32_t shard = 0;  // moved
        bool is_end = false;
        bool is_crash = false;
    };
    struct Letter {
        std::optional<PeerMessage> message;
        ShardIndex from;
        std::uint32_t to = 0;
    };
    struct Node {
        bool is_up = true;
        std::uint8_t life = 0;  // letters and calls of an earlier one are for nobody
        ConnectRate connects;
    };

    void step(const TimedEvent& event);
    void put(Time at, Kind kind, std::uint32_t subject, std::uint8_t generation = 0) {
        list_.put({.at = at,
                   .subject = subject,
                   .kind = static_cast<std::uint8_t>(kind),
                   .generation = generation,
                   .detail = 0});
    }
    [[nodiscard]] std::size_t class_of(std::uint32_t device) const;
    [[nodiscard]] Draws draws_of(std::uint32_t device, Time at) const {
        return device_draws_.of(device, at);
    }

    // core_fleet.cpp: the run, nodes
    void on_crash(const TimedEvent& event);
    void on_sample();
    void look_at_queues();
    void finish_core_figures();
    void publish_retained(std::uint32_t node);

    // core_fleet_clients.cpp: what devices do
    void start_devices(std::size_t number, Time now);
    void attempt(std::uint32_t device, Time start);
    void retry(std::size_t number, std::uint32_t device, Time from);
    void on_connect(const TimedEvent& event);
    void on_timer(const TimedEvent& event);
    void arm(std::size_t number, std::uint32_t device);
    void schedule(std::size_t number, std::uint32_t device);
    void act(std::size_t number, std::uint32_t device);
    void publish(std::size_t number, std::uint32_t device);
    void disconnect(std::size_t number, std::uint32_t device);
    void lose(std::size_t number, std::uint32_t device, std::uint64_t ClassCounts::*count);
    void set_away(std::uint32_t device);
    [[nodiscard]] bool is_cut(std::size_t number, std::uint32_t device, Time at) const;
    [[nodiscard]] std::optional<Time> deadline(std::size_t number, std::uint32_t device) const;

    // core_fleet_packets.cpp: what comes to devices
    void on_to_client(const TimedEvent& event);
    void on_end(std::size_t number, std::uint32_t device, bool is_crash);
    void on_packet(std::size_t number, std::uint32_t device, const wire::Frame& frame);
    void on_connack(std::size_t number, std::uint32_t device, const wire::Frame& frame);
    void on_publish(std::size_t number, std::uint32_t device, const wire::Frame& frame);
    void on_acknowledged(std::size_t number, std::uint32_t device, const wire::Frame& frame);
    void on_read(const TimedEvent& event);

    // core_fleet_ways.cpp: connections, and what is on its way
    [[nodiscard]] ConnectionRef open_connection(std::uint32_t device);
    void leave_connection(std::uint32_t device, bool is_told);
    void free_if_over(ConnectionRef connection);
    void send_to_broker(std::size_t number, std::uint32_t device, const Buffer& bytes, bool is_end);
    void on_to_broker(const TimedEvent& event);
    void on_moved(const TimedEvent& event);
    void on_letter(const TimedEvent& event);
    [[nodiscard]] std::uint32_t take_parcel(ConnectionRef connection, Bytes bytes);
    void release_parcel(std::uint32_t index);
    void mix(Bytes bytes);

    // CoreHost
    void wake_when_free(std::uint32_t shard, Time at) override;
    void wake_for_tick(std::uint32_t shard, Time at) override;
    std::size_t send(ConnectionRef connection, Bytes bytes, Time at) override;
    void end(ConnectionRef connection, Bytes unsent, Time at) override;
    void move(ConnectionRef connection, std::uint32_t shard, Bytes bytes, Time at) override;
    void send_peer(std::uint32_t from, std::uint32_t shard, PeerMessage message, Time at) override;
    void note_wait(Time wait) override { outcome_.latencies.wait.add(wait); }
    void forget(ConnectionRef connection) override;
    Connection* find(ConnectionRef connection) override;
    bool is_owned(ConnectionRef connection, std::uint32_t shard) override;

    [[nodiscard]] std::uint32_t node_of(std::uint32_t shard) const {
        return shard / model_.cost.servers;
    }

    FleetModel model_;
    LightPackets packets_;
    std::shared_ptr<const access::NodeRules> rules_;
    DrawFamily device_draws_;
    DrawFamily phase_draws_;
    DrawFamily cut_draws_;
    std::unique_ptr<BucketList> list_owner_ = std::make_unique<BucketList>();
    BucketList& list_ = *list_owner_;
    PageArray<Device> devices_;
    std::vector<std::unique_ptr<CoreShard>> shards_;
    std::vector<Node> nodes_;
    std::vector<std::uint32_t> nodes_up_;
    std::vector<std::uint32_t> started_;     // by class
    std::vector<std::vector<Cut>> cuts_;     // by class
    std::vector<std::vector<Flows>> flows_;  // by class, by device of it; empty where none is
    std::vector<std::vector<Inbox>>
        inboxes_;  // by class, by device of it; empty where none is slow
    std::vector<Connection> connections_;
    std::vector<std::uint32_t> free_connections_;
    std::vector<Parcel> parcels_;
    std::vector<std::uint32_t> free_parcels_;
    std::vector<Letter> letters_;
    std::vector<std::uint32_t> free_letters_;
    Buffer scratch_;
    Sampler sampler_;
    CoreFigures figures_;
    Outcome outcome_;
    std::size_t heap_before_ = 0;
    std::uint64_t digest_ = 0xCBF2'9CE4'8422'2325U;
};

}  // namespace touchstone::simulator::fleet
