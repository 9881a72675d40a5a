// A random load: who publishes what when, and what goes wrong meanwhile, drawn from the seed as
// steps of a scenario, so that what was random in a run can be written down.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "simulator/scenario.pb.h"
#include "simulator/world.hpp"

namespace touchstone::simulator {

/// Who publishes: `publishers`, or all of `clients`.
[[nodiscard]] const google::protobuf::RepeatedPtrField<std::string>&
publishers_of(const scenario::Workload& workload);

/// One of the workload's `topics`, as that client publishes to it.
[[nodiscard]] std::string topic_of(std::string topic, std::string_view publisher);

/// Whether it happens to any node of a cluster, or between two of them.
[[nodiscard]] bool is_of_nodes(scenario::Disturbance disturbance);

class Workload final : private EventHandler {
public:
    /// Makes happen, now, what the step says. Its `at_ms` is now.
    using TakeStep = std::function<void(const scenario::Step&)>;

    /// The clients of `scenario`'s workload begin at its beginning and are disturbed until `until`,
    /// when all of them are brought back and acknowledge. `clients` are these, in the workload's
    /// order. References outlive the Workload.
    Workload(World& world, const scenario::Scenario& scenario,
             const std::vector<ClientIndex>& clients, Instant until, TakeStep take_step);
    Workload(const Workload&) = delete;
    Workload& operator=(const Workload&) = delete;

private:
    enum EventKind : std::uint16_t { begin, publish, disturb, step, end, reassure, next_of_nodes };

    struct Member {
        const scenario::Client* description = nullptr;
        ClientIndex index;
    };

    void on_event(const Event& event) override;
    void begin_all();
    void publish_next(std::uint32_t publisher);
    void draw_publication(std::uint32_t publisher, scenario::Publication& message);
    void disturb_next();
    /// What lasts at most to the end of the workload: at least 1.
    [[nodiscard]] std::uint32_t lasting_ms(std::uint32_t span_ms) const;
    // workload_disturbances.cpp
    void disturb_now(scenario::Disturbance disturbance, const scenario::Client& client,
                     std::uint32_t span_ms);
    void change_subscription(const std::string& client);
    void change_path(const scenario::Client& client);
    /// workload_disks.cpp
    void disturb_disk(scenario::Disturbance disturbance, std::uint32_t for_ms);
    /// workload_nodes.cpp
    void disturb_nodes_next();
    void disturb_nodes(scenario::Disturbance disturbance, std::uint32_t for_ms,
                       RandomStream& stream);
    void lose_node(const std::string& node, bool is_silent);
    void change_clock(const std::string& client);
    void receive_visitor(scenario::Disturbance disturbance, std::uint32_t span_ms);
    void send_later(std::uint32_t delay_ms, const scenario::Client& client, std::string hex);
    void unsubscribe_all(std::uint32_t span_ms);
    // workload.cpp again
    void end_all();
    void reassure_all();
    [[nodiscard]] scenario::Step step_now() const;
    /// The step is taken then, unless the workload has ended.
    void take_later(std::uint32_t delay_ms, scenario::Step step);
    void schedule_in(std::uint32_t delay_ms, EventKind kind, std::uint64_t subject);
    void draw_subscription(scenario::Subscription& subscription);

    World& world_;
    const scenario::Workload& description_;
    std::vector<Member> members_;
    std::vector<const scenario::Client*> visitors_;
    std::vector<std::string> publishers_;
    std::vector<std::string> nodes_;  // their names
    std::vector<std::string> lost_nodes_;
    std::vector<scenario::Disturbance> disturbances_;
    std::vector<scenario::Disturbance> node_disturbances_;  // those that have a pace of their own
    Instant until_;
    TakeStep take_step_;
    std::uint16_t owner_;
    std::vector<RandomStream> publishes_;  // by publisher
    std::vector<std::uint64_t> published_;
    std::uint64_t wills_ = 0;  // of visitors
    RandomStream disturbs_;
    RandomStream disturbs_nodes_;
    RandomStream shapes_;
    std::vector<scenario::Step> later_;
};

}  // namespace touchstone::simulator
