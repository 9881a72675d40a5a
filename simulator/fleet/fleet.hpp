// The engine of tier T2: every device by itself, with one pending event, the arrival of its next
// packet at the broker. The answer needs no event: in a FIFO queue it is known when the packet
// comes. What a device will publish next is a function of its number and the time, so that a device
// is four bytes, and sixteen in the event list.
//
// Leaves to others: what the numbers mean to people (description.hpp, report.hpp).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "simulator/fleet/bucket_list.hpp"
#include "simulator/fleet/cohorts.hpp"
#include "simulator/fleet/draws.hpp"
#include "simulator/fleet/model.hpp"
#include "simulator/fleet/outcome.hpp"
#include "simulator/fleet/pages.hpp"
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
    [[nodiscard]] int class_of(std::uint32_t device) const;
    [[nodiscard]] Time one_way(const Link& link, std::uint32_t bytes, Draws& draws) const;

    // fleet.cpp: connections
    void start_devices(int device_class, Time now);
    void attempt(int device_class, std::uint32_t device, Time start);
    void retry(int device_class, std::uint32_t device, Time from, Draws& draws);
    void on_connect(const TimedEvent& event);
    [[nodiscard]] int node_for(std::uint32_t device, Time at) const;
    [[nodiscard]] bool takes_connect(std::uint32_t node, Time at);
    void set_connected(int device_class, std::uint32_t device, std::uint32_t node);
    void set_away(int device_class, std::uint32_t device);
    void lose_connection(int device_class, std::uint32_t device, Time broker_knows_at);
    void schedule(int device_class, std::uint32_t device, Time sent, Draws& draws);
    void put_packet(int device_class, std::uint32_t device, Kind kind, Time sent, Draws& draws);
    void on_ping(const TimedEvent& event);
    void on_disconnect(const TimedEvent& event);
    void on_lost(const TimedEvent& event);

    // fleet_traffic.cpp: Application Messages
    [[nodiscard]] Time next_publication(const DeviceClass& one, std::uint32_t device, Time after,
                                        Draws& draws) const;
    void on_publish(const TimedEvent& event);
    void fan_out(const FanOut& to, Kind to_all, int from_class, std::uint32_t publisher, Time sent,
                 Time done, Draws& draws);
    void on_deliver(const TimedEvent& event);
    void on_deliver_group(const TimedEvent& event, const FanOut& to);
    void on_will(const TimedEvent& event);

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
        Time second = 0;  // of the connects that are counted
        std::uint32_t connects = 0;
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
        connected_at_;               // by class that gets messages, by server
    std::vector<Time> busy_before_;  // by server, at the last sample
    ClassCounts counts_before_;
    std::uint64_t waits_before_ = 0;
    std::uint64_t wait_sum_before_ = 0;
    Cohorts cohorts_;
    Outcome outcome_;
    Time sampled_at_ = 0;
};

}  // namespace touchstone::simulator::fleet
