#include "simulator/probe.hpp"

#include "broker/base/check.hpp"
#include "simulator/probe_names.hpp"

namespace touchstone::simulator {

namespace {

/// To subscribe, and to be known to all nodes.
constexpr Duration subscribing_time = std::chrono::seconds{1};
/// For what was published to arrive everywhere.
constexpr Duration delivery_time = std::chrono::seconds{1};
/// At each node, of the client that goes from one to the next.
constexpr Duration visit_time = std::chrono::milliseconds{300};
constexpr Duration journey_time = std::chrono::milliseconds{100};

}  // namespace

ClusterProbe::ClusterProbe(World& world, const std::vector<NodeIndex>& nodes,
                           const std::string& id_prefix)
    : world_{world},
      owner_{world.engine().add_handler(*this)},
      nodes_{nodes} {
    for (const auto node : nodes) {
        ClientOptions options;
        const auto name = std::string{probe_prefix} + world.name_of(node);
        options.client_id = id_prefix + name;
        clients_.push_back(world.add_client(name, std::move(options), node, LinkModel{}));
        world.subscribe(clients_.back(),
                        {{.filter = "probe/#", .options = {.qos = QoS::exactly_once}}});
    }
    ClientOptions options;
    options.client_id = id_prefix + std::string{roaming_probe};
    options.clean_start = false;
    options.session_expiry_s = 3'600;
    options.reconnect.enabled = false;
    roaming_ = world.add_client(std::string{roaming_probe}, std::move(options), nodes.front(),
                                LinkModel{});
    for (std::size_t place = 1; place < nodes.size(); ++place)
        world.add_failover(roaming_, nodes[place], LinkModel{});
}

Duration ClusterProbe::lasts(std::size_t node_count) {
    return subscribing_time + delivery_time +
           static_cast<std::int64_t>(node_count + 1) * (visit_time + journey_time);
}

bool ClusterProbe::is_there(std::size_t place) const {
    return world_.is_up(nodes_[place]);
}

void ClusterProbe::begin() {
    for (std::size_t place = 0; place < clients_.size(); ++place)
        if (is_there(place)) world_.connect(clients_[place]);
    auto& engine = world_.engine();
    engine.schedule_in(subscribing_time, {owner_, publish, 0, 0});
    auto at = subscribing_time + delivery_time;
    for (std::uint32_t place = 0; place < clients_.size(); ++place) {
        if (!is_there(place)) continue;
        engine.schedule_in(at, {owner_, arrive, place, 0});
        engine.schedule_in(at + visit_time, {owner_, leave, place, 0});
        at += visit_time + journey_time;
    }
}

void ClusterProbe::on_event(const Event& event) {
    switch (static_cast<EventKind>(event.kind)) {
        case publish:
            for (std::size_t place = 0; place < clients_.size(); ++place) {
                if (!is_there(place)) continue;
                for (const auto qos : {QoS::at_least_once, QoS::exactly_once}) {
                    const auto number = std::to_string(place);
                    world_.publish(clients_[place],
                                   {.topic = "probe/" + number,
                                    .payload = "probe " + number + " at QoS " +
                                               std::to_string(static_cast<unsigned>(qos)),
                                    .qos = qos});
                }
            }
            return;
        case arrive: world_.go_to(roaming_, event.subject); return world_.connect(roaming_);
        case leave: return world_.disconnect(roaming_);
    }
    UNREACHABLE();
}

}  // namespace touchstone::simulator
