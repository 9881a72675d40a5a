// The engine of tier T2: every device by itself, with one pending event, the arrival of its next
// packet at the broker. The answer needs no event: in a FIFO queue it is known when the packet
// comes. What a device will publish next is a function of its number and the time, so that a device
// is four bytes, and sixteen in the event list.
//
// Leaves to others: what the numbers mean to people (description.hpp, report.hpp).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "simulator/fleet/behaviour.hpp"
#include "simulator/fleet/bucket_list.hpp"
#include "simulator/fleet/cohorts.hpp"
#include "simulator/fleet/draws.hpp"
#include "simulator/fleet/model.hpp"
#include "simulator/fleet/outcome.hpp"
#include "simulator/fleet/pages.hpp"
#include "simulator/fleet/sampler.hpp"
#include "simulator/fleet/servers.hpp"

namespace touchstone::simulator::fleet {

class Fleet {
public:
    /// Throws std::runtime_error when there is no memory for so many devices.
    explicit Fleet(FleetModel model);

    /// Runs to the end of the model. `goes_on` is asked at every sample, with virtual time.
    Outcome run(const std::function<bool(Time now, std::uint64_t connected)>& goes_on = {});

    /// Of the devices' state, without the event list: as in the file comment.
    [[nodiscard]] static constexpr std::size_t device_bytes() { return sizeof(Device); }

private:
    enum class Kind : std::uint8_t {
        connect,
        ping,
        publish,
        disconnect,
        lost,
        deliver,
        deliver_group,
        deliver_wills,
        will,
        start,
        crash,
        node_up,
        cohort,
        sample,
        read,
    };
    enum class Phase : std::uint8_t { away = 0, connected = 1 };

    struct Device {
        std::uint8_t node = 0;
        std::uint8_t generation = 0;  // of its event; others are outdated
        Phase phase = Phase::away;
        std::uint8_t attempts = 0;  // without success, at most 63
    };
    static_assert(sizeof(Device) == 4);

    /// A time in 16 bits, to one part in 1,024 and not shorter: what an event carries. At most 73
    /// minutes.
    static std::uint16_t pack(Time time);
    static Time unpack(std::uint16_t packed);

    void step(const TimedEvent& event);
    void put(Time at, Kind kind, std::uint32_t subject, std::uint8_t generation,
             std::uint16_t detail) {
        list_.put({.at = at,
                   .subject = subject,
                   .kind = static_cast<std::uint8_t>(kind),
                   .generation = generation,
                   .detail = detail});
    }
    static constexpr Kind kind_of(Action::Kind kind) {
        switch (kind) {
            case Action::Kind::ping: return Kind::ping;
            case Action::Kind::publish: return Kind::publish;
            case Action::Kind::disconnect: return Kind::disconnect;
            case Action::Kind::lost: return Kind::lost;
        }
        UNREACHABLE();
    }
    [[nodiscard]] int class_of(std::uint32_t device) const;

    // fleet.cpp: connections
    void start_devices(int device_class, Time now);
    void attempt(int device_class, std::uint32_t device, Time start);
    void retry(int device_class, std::uint32_t device, Time from, Draws& draws);
    void on_connect(const TimedEvent& event);
    void set_connected(int device_class, std::uint32_t device, std::uint32_t node);
    void set_away(int device_class, std::uint32_t device);
    void lose_connection(int device_class, std::uint32_t device, Time broker_knows_at);
    void schedule(int device_class, std::uint32_t device, Time sent, Draws& draws);
    void put_packet(int device_class, std::uint32_t device, Kind kind, Time sent, Draws& draws);
    void on_ping(const TimedEvent& event);
    void on_disconnect(const TimedEvent& event);
    void on_lost(const TimedEvent& event);

    // fleet_traffic.cpp: Application Messages
    void on_publish(const TimedEvent& event);
    void fan_out(const FanOut& to, Kind to_all, int from_class, std::uint32_t publisher, Time sent,
                 Time done, Draws& draws);
    void on_deliver(const TimedEvent& event);
    void on_deliver_group(const TimedEvent& event, const FanOut& to);
    void on_will(const TimedEvent& event);
    [[nodiscard]] bool is_parted(std::uint32_t from_node, std::uint32_t to_node, Time at) const;

    // fleet_readers.cpp: devices that read slowly
    struct WaitingLimits {
        std::uint64_t sent = 0;    // messages that the connection has, and the device has not read
        std::uint64_t queued = 0;  // behind them, in the broker
        std::uint64_t queued_bytes_each = 0;
    };
    [[nodiscard]] WaitingLimits waiting_limits(const Publishing& message) const;
    void hand_over(int device_class, std::uint32_t device, const Publishing& message, Time sent,
                   Time done);
    void on_read(const TimedEvent& event);
    [[nodiscard]] Time reading_backlog(int device_class, std::uint32_t device) const;
    void forget_waiting(int device_class, std::uint32_t device);

    // fleet_disturbances.cpp
    void on_crash(const TimedEvent& event);
    void cut_connection(int device_class, std::uint32_t device, Time at);
    [[nodiscard]] Time cut_until(int device_class, std::uint32_t device, Time at) const;
    void on_sample(Time now);

    // fleet_cohorts.cpp: tier T3
    [[nodiscard]] bool is_steady(const DeviceClass& one) const;
    void join_cohort(int device_class, std::uint32_t device, std::uint32_t node, Time next_ping);
    void on_cohort(const TimedEvent& event);
    void leave_cohorts(std::uint32_t node, Time at);

    struct Node {
        bool is_up = true;
        ConnectRate connects;
        std::uint64_t queued_bytes = 0;  // for devices that read slowly
    };
    /// What waits for a device that reads slowly; when it was sent.
    struct Reader {
        std::deque<Time> sent_at;
        std::uint64_t sent_max = 1;    // of these the connection has so many at most
        std::uint64_t bytes_each = 0;  // of the others
        Time free_at = 0;
        Time reads_at = 0;  // its pending event; 0: none
    };

    FleetModel model_;
    DrawFamily device_draws_;
    DrawFamily phase_draws_;
    DrawFamily cut_draws_;
    Servers servers_;
    std::unique_ptr<BucketList> list_owner_ = std::make_unique<BucketList>();
    BucketList& list_ = *list_owner_;
    PageArray<Device> devices_;
    std::vector<Node> nodes_;
    std::vector<std::uint32_t> nodes_up_;
    std::vector<std::uint32_t> started_;  // by class
    std::vector<std::vector<Cut>> cuts_;  // by class
    std::vector<std::vector<std::uint32_t>>
        connected_at_;                          // by class that gets messages, by server
    std::vector<std::vector<Reader>> readers_;  // by class, by device of it; of those that are slow
    Sampler sampler_;
    Cohorts cohorts_;
    Outcome outcome_;
};

}  // namespace touchstone::simulator::fleet
