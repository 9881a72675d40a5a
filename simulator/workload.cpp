#include "simulator/workload.hpp"

#include <array>
#include <string>

#include "broker/base/check.hpp"
#include "simulator/set_up.hpp"

namespace touchstone::simulator {

namespace {

template <class T, std::size_t count>
T pick(RandomStream& stream, const std::array<T, count>& choices) {
    return stream.pick(std::span<const T>{choices});
}

QoS draw_qos(RandomStream& stream) {
    return static_cast<QoS>(stream.below(3));
}

}  // namespace

void shuffle_node(NodeOptions& options, RandomStream stream) {
    auto& settings = options.settings;
    settings.inflight_max = pick(stream, std::to_array<std::uint16_t>({1, 2, 5, 32}));
    settings.receive_maximum = pick(stream, std::to_array<std::uint16_t>({1, 3, 100}));
    settings.packet_id_max = pick(stream, std::to_array<std::uint16_t>({3, 12, 65'535}));
    settings.queue_messages_max = pick(stream, std::to_array<std::uint32_t>({5, 1'000, 1'000}));
    settings.queue_qos_0_offline = stream.chance(300);
    settings.unwritten_bytes_max = pick(stream, std::to_array<std::size_t>({512, 256 * 1024}));
    const bool is_retrying = stream.chance(300);
    if (!is_retrying) return;
    settings.retry_interval = std::chrono::seconds{1};
    // A repeated PUBLISH is acknowledged repeatedly. Where its identifier is used again soon, the
    // late PUBACK ends another flow: a flaw of the protocol before v5, not of a broker.
    settings.packet_id_max = 65'535;
}

void shuffle_client(ClientOptions& options, const scenario::Workload& workload,
                    const std::string& name, RandomStream stream) {
    const bool is_v5 = stream.chance(600);
    options.version = is_v5 ? ProtocolVersion::v5 : ProtocolVersion::v3_1_1;
    options.clean_start = stream.chance(250);
    const auto expiry_s =
        pick(stream, std::to_array<std::uint32_t>({0, 2, 600, 0xFFFF'FFFF, 0xFFFF'FFFF}));
    options.session_expiry_s = is_v5 ? expiry_s : 0;
    options.receive_maximum = pick(stream, std::to_array<std::uint16_t>({1, 2, 5, 65'535}));
    options.keep_alive_s = pick(stream, std::to_array<std::uint16_t>({0, 2, 5, 30}));
    options.ping_timeout = std::chrono::seconds{2};
    options.connect_timeout = std::chrono::seconds{2};
    options.packet_id_max = pick(stream, std::to_array<std::uint16_t>({3, 12, 65'535}));
    options.inflight_max = pick(stream, std::to_array<std::uint16_t>({1, 2, 20}));
    options.acknowledgements.delay_high =
        milliseconds(pick(stream, std::to_array<std::uint64_t>({0, 0, 20, 400})));
    options.completions.delay_high =
        milliseconds(pick(stream, std::to_array<std::uint64_t>({0, 0, 20, 400})));
    options.queue_qos_0_offline = stream.chance(300);
    const bool has_will = stream.chance(500);
    if (!has_will) return;
    const auto topic = stream.below(static_cast<std::uint64_t>(workload.topics_size()));
    const QoS qos = draw_qos(stream);
    const auto delay_s = pick(stream, std::to_array<std::uint32_t>({0, 0, 1, 5}));
    options.will = WillOptions{{.topic = workload.topics(static_cast<int>(topic)),
                                .payload = "will-" + name,
                                .qos = qos,
                                .retain = false,
                                .expiry_s = std::nullopt},
                               is_v5 ? delay_s : 0};
}

Workload::Workload(World& world, const scenario::Workload& description,
                   std::vector<ClientIndex> clients, std::vector<ClientIndex> publishers,
                   Instant from, Instant until)
    : world_{world},
      description_{description},
      clients_{std::move(clients)},
      publishers_{std::move(publishers)},
      until_{until},
      owner_{world.engine().add_handler(*this)},
      published_(publishers_.size()),
      disturbs_{world.engine().stream(Domain::workload, 0, Purpose::disturb)},
      shapes_{world.engine().stream(Domain::workload, 0, Purpose::shape)} {
    CHECK(!clients_.empty());
    for (std::size_t i = 0; i < publishers_.size(); ++i) {
        publishes_.push_back(world.engine().stream(Domain::workload, i, Purpose::publish));
    }
    world.engine().schedule(from, {owner_, begin, 0, 0});
    world.engine().schedule(until, {owner_, end, 0, 0});
}

void Workload::on_event(const Event& event) {
    switch (static_cast<EventKind>(event.kind)) {
        case begin: return begin_all();
        case publish: return publish_next(event.subject);
        case disturb: return disturb_next();
        case end_disturbance: return end_trouble(troubles_[event.subject]);
        case end: return end_all();
        case reassure: return reassure_all();
    }
    UNREACHABLE();
}

void Workload::begin_all() {
    for (const auto client : clients_) {
        std::vector<Wish> wishes;
        const auto count = 1 + shapes_.below(2);
        for (std::uint64_t i = 0; i < count; ++i) wishes.push_back(draw_wish());
        world_.subscribe(client, wishes);
        if (!world_.client(client).connection()) world_.connect(client);
    }
    for (std::uint32_t i = 0; i < publishers_.size(); ++i) {
        schedule_in(publishes_[i].between(Duration::zero(),
                                          milliseconds(description_.publish_every_ms_high())),
                    publish, i);
    }
    if (description_.disturbances_size() > 0) {
        schedule_in(disturbs_.between(milliseconds(description_.disturb_every_ms_low()),
                                      milliseconds(description_.disturb_every_ms_high())),
                    disturb, 0);
    }
}

void Workload::publish_next(std::uint32_t publisher) {
    if (world_.now() >= until_) return;
    auto& stream = publishes_[publisher];
    const auto client = publishers_[publisher];
    const auto topic = stream.below(static_cast<std::uint64_t>(description_.topics_size()));
    const QoS qos = draw_qos(stream);
    const bool retain = stream.chance(description_.retain_per_mille());
    const auto payload = world_.name_of(client) + "-" + std::to_string(++published_[publisher]);
    world_.publish(client, {.topic = description_.topics(static_cast<int>(topic)),
                            .payload = payload,
                            .qos = qos,
                            .retain = retain,
                            .expiry_s = std::nullopt});
    schedule_in(stream.between(milliseconds(description_.publish_every_ms_low()),
                               milliseconds(description_.publish_every_ms_high())),
                publish, publisher);
}

void Workload::disturb_next() {
    if (world_.now() >= until_) return;
    const auto kind = disturbs_.below(static_cast<std::uint64_t>(description_.disturbances_size()));
    const auto client = clients_[static_cast<std::size_t>(disturbs_.below(clients_.size()))];
    const Duration span = disturbs_.between(milliseconds(description_.disturb_for_ms_low()),
                                            milliseconds(description_.disturb_for_ms_high()));
    disturb_now(description_.disturbances(static_cast<int>(kind)), client, span);
    schedule_in(disturbs_.between(milliseconds(description_.disturb_every_ms_low()),
                                  milliseconds(description_.disturb_every_ms_high())),
                disturb, 0);
}

void Workload::disturb_now(scenario::Disturbance disturbance, ClientIndex client, Duration span) {
    constexpr std::array all_directions{Directions::both, Directions::to_broker,
                                        Directions::to_client};
    const Directions directions = pick(disturbs_, all_directions);
    Trouble trouble{.kind = Trouble::Kind::fault, .fault = 0, .client = client};
    switch (disturbance) {
        case scenario::stall_link: trouble.fault = world_.begin_stall(client, directions); break;
        case scenario::drop_link: trouble.fault = world_.begin_drop(client, directions); break;
        case scenario::cut_link: trouble.fault = world_.begin_cut(client); break;
        case scenario::half_open_link: return world_.half_open(client, directions);
        case scenario::slow_reader: trouble.fault = world_.begin_slow_reading(client); break;
        case scenario::take_over: return world_.connect(client);
        case scenario::leave_and_return:
            world_.disconnect(client);
            trouble.kind = Trouble::Kind::absence;
            break;
        case scenario::change_subscription: return change_subscription(client);
        case scenario::stop_acknowledging:
            world_.set_acknowledgements(client, {.only_first = 0});
            trouble.kind = Trouble::Kind::no_acknowledgements;
            break;
        case scenario::crash_node: trouble.fault = world_.begin_crash(NodeIndex{0}, false); break;
        case scenario::crash_client: trouble.fault = world_.begin_client_crash(client); break;
        case scenario::reset_at_byte: {
            constexpr std::uint64_t bytes_max = 200;
            const auto bytes = 1 + disturbs_.below(bytes_max);
            return world_.reset_after(client,
                                      directions == Directions::to_client ? Direction::to_client
                                                                          : Direction::to_broker,
                                      bytes);
        }
        case scenario::application_away:
            world_.set_listening(client, false);
            trouble.kind = Trouble::Kind::no_application;
            break;
        default: UNREACHABLE();  // Protobuf adds sentinels to its enumerations.
    }
    troubles_.push_back(trouble);
    schedule_in(span, end_disturbance, troubles_.size() - 1);
}

void Workload::end_trouble(const Trouble& trouble) {
    switch (trouble.kind) {
        case Trouble::Kind::fault: return world_.end_fault(trouble.fault);
        case Trouble::Kind::absence:
            if (!world_.client(trouble.client).connection()) world_.connect(trouble.client);
            return;
        case Trouble::Kind::no_acknowledgements:
            return world_.set_acknowledgements(
                trouble.client, world_.client(trouble.client).options().acknowledgements);
        case Trouble::Kind::no_application: return world_.set_listening(trouble.client, true);
    }
    UNREACHABLE();
}

void Workload::change_subscription(ClientIndex client) {
    const Wish wish = draw_wish();
    const bool is_leaving = disturbs_.chance(500);
    if (is_leaving) {
        world_.unsubscribe(client, {wish.filter});
    } else {
        world_.subscribe(client, {wish});
    }
}

void Workload::end_all() {
    for (const auto& trouble : troubles_) {
        if (trouble.kind != Trouble::Kind::absence) end_trouble(trouble);
    }
    for (const auto client : clients_) {
        world_.set_acknowledgements(client, {});
        world_.set_completions(client, {});
        // One whose connection is dead without knowing it finds out by its Keep Alive, if that is
        // short.
        constexpr std::uint16_t short_keep_alive_s = 5;
        const auto keep_alive_s = world_.client(client).options().keep_alive_s;
        if (!world_.client(client).is_connected() || keep_alive_s == 0 ||
            keep_alive_s > short_keep_alive_s) {
            world_.connect(client);
        }
    }
    // A connection that was abandoned shortly before may have taken the session over from the one
    // that followed it; the client was told so and stays away.
    constexpr Duration patience = std::chrono::seconds{8};
    schedule_in(patience, reassure, 0);
}

void Workload::reassure_all() {
    for (const auto client : clients_) {
        if (!world_.client(client).connection()) world_.connect(client);
    }
}

void Workload::schedule_in(Duration delay, EventKind kind, std::uint64_t subject) {
    world_.engine().schedule_in(delay, {owner_, kind, static_cast<std::uint32_t>(subject), 0});
}

Wish Workload::draw_wish() {
    const auto filter = shapes_.below(static_cast<std::uint64_t>(description_.filters_size()));
    const QoS qos = draw_qos(shapes_);
    return {.filter = description_.filters(static_cast<int>(filter)), .options = {.qos = qos}};
}

}  // namespace touchstone::simulator
