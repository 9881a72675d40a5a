// A random load on a world: who publishes what when, and what goes wrong meanwhile, drawn from the
// seed. Swarm testing: each run draws which limits and habits its clients and nodes have.
#pragma once

#include <vector>

#include "simulator/scenario.pb.h"
#include "simulator/world.hpp"

namespace touchstone::simulator {

/// Draws limits for a node: small ones are common, since that is where bugs show.
void shuffle_node(NodeOptions& options, RandomStream stream);
/// Draws version, session, window, Keep Alive, acknowledgements and a Will for a client.
void shuffle_client(ClientOptions& options, const scenario::Workload& workload,
                    const std::string& name, RandomStream stream);

class Workload final : private EventHandler {
public:
    /// `clients` and `publishers` are those of the scenario's workload. It ends at `until`, when
    /// all its clients are brought back and acknowledge. References outlive the Workload.
    Workload(World& world, const scenario::Workload& description, std::vector<ClientIndex> clients,
             std::vector<ClientIndex> publishers, Instant from, Instant until);
    Workload(const Workload&) = delete;
    Workload& operator=(const Workload&) = delete;

private:
    enum EventKind : std::uint16_t { begin, publish, disturb, end_disturbance, end, reassure };

    struct Trouble {
        enum class Kind : std::uint8_t { fault, absence, no_acknowledgements, no_application };
        Kind kind{};
        World::FaultNumber fault = 0;
        ClientIndex client;
    };

    void on_event(const Event& event) override;
    void begin_all();
    void publish_next(std::uint32_t publisher);
    void disturb_next();
    void disturb_now(scenario::Disturbance disturbance, ClientIndex client, Duration span);
    void end_trouble(const Trouble& trouble);
    void change_subscription(ClientIndex client);
    void end_all();
    void reassure_all();
    void schedule_in(Duration delay, EventKind kind, std::uint64_t subject);
    [[nodiscard]] Wish draw_wish();

    World& world_;
    const scenario::Workload& description_;
    std::vector<ClientIndex> clients_;
    std::vector<ClientIndex> publishers_;
    Instant until_;
    std::uint16_t owner_;
    std::vector<RandomStream> publishes_;  // by publisher
    std::vector<std::uint64_t> published_;
    RandomStream disturbs_;
    RandomStream shapes_;
    std::vector<Trouble> troubles_;
};

}  // namespace touchstone::simulator
