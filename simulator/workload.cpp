#include "simulator/workload.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "broker/base/check.hpp"
#include "simulator/draws.hpp"
#include "simulator/set_up.hpp"

namespace touchstone::simulator {

const google::protobuf::RepeatedPtrField<std::string>&
publishers_of(const scenario::Workload& workload) {
    return workload.publishers().empty() ? workload.clients() : workload.publishers();
}

std::string topic_of(std::string topic, std::string_view publisher) {
    constexpr std::string_view name_mark = "%c";
    for (auto at = topic.find(name_mark); at != std::string::npos;
         at = topic.find(name_mark, at + publisher.size())) {
        topic.replace(at, name_mark.size(), publisher);
    }
    return topic;
}

Workload::Workload(World& world, const scenario::Scenario& scenario,
                   const std::vector<ClientIndex>& clients, Instant until, TakeStep take_step)
    : world_{world},
      description_{scenario.workload()},
      until_{until},
      take_step_{std::move(take_step)},
      owner_{world.engine().add_handler(*this)},
      disturbs_{world.engine().stream(Domain::workload, 0, Purpose::disturb)},
      disturbs_nodes_{world.engine().stream(Domain::workload, 0, Purpose::disturb_nodes)},
      shapes_{world.engine().stream(Domain::workload, 0, Purpose::shape)} {
    CHECK(std::size_t(description_.clients_size()) == clients.size());
    for (std::size_t i = 0; i < clients.size(); ++i) {
        const auto one = std::ranges::find(scenario.clients(), world.name_of(clients[i]),
                                           &scenario::Client::name);
        CHECK(one != scenario.clients().end());
        members_.push_back({&*one, clients[i]});
    }
    CHECK(!members_.empty());
    const auto& publishers = publishers_of(description_);
    publishers_.assign(publishers.begin(), publishers.end());
    published_.resize(publishers_.size());
    for (const auto& node : scenario.nodes()) nodes_.push_back(node_name(node));
    for (int i = 0; i < description_.disturbances_size(); ++i) {
        const auto one = description_.disturbances(i);
        const bool has_own_pace = is_of_nodes(one) && description_.nodes_every_ms_low() > 0;
        (has_own_pace ? node_disturbances_ : disturbances_).push_back(one);
    }
    for (const auto& name : description_.visitors()) {
        const auto one = std::ranges::find(scenario.clients(), name, &scenario::Client::name);
        CHECK(one != scenario.clients().end());
        visitors_.push_back(&*one);
    }
    for (std::size_t i = 0; i < publishers_.size(); ++i) {
        publishes_.push_back(world.engine().stream(Domain::workload, i, Purpose::publish));
    }
    if (!description_.only_end()) {
        world.engine().schedule(run_begin + milliseconds(description_.from_ms()),
                                {owner_, begin, 0, 0});
    }
    world.engine().schedule(until, {owner_, end, 0, 0});
}

void Workload::on_event(const Event& event) {
    switch (static_cast<EventKind>(event.kind)) {
        case begin: return begin_all();
        case publish: return publish_next(event.subject);
        case disturb: return disturb_next();
        case step: return take_step_(later_[event.subject]);
        case end: return end_all();
        case reassure: return reassure_all();
        case next_of_nodes: return disturb_nodes_next();
    }
    UNREACHABLE();
}

void Workload::begin_all() {
    for (const auto& member : members_) {
        auto wanted = step_now();
        wanted.mutable_subscribe()->set_client(member.description->name());
        const auto count = 1 + shapes_.below(2);
        for (std::uint64_t i = 0; i < count; ++i) {
            draw_subscription(*wanted.mutable_subscribe()->add_subscriptions());
        }
        take_step_(wanted);
        if (world_.client(member.index).connection()) continue;
        auto connecting = step_now();
        connecting.mutable_connect()->set_client(member.description->name());
        take_step_(connecting);
    }
    for (std::uint32_t i = 0; i < publishers_.size(); ++i) {
        schedule_in(draw_between(publishes_[i], 0, description_.publish_every_ms_high()), publish,
                    i);
    }
    if (!disturbances_.empty()) {
        schedule_in(draw_between(disturbs_, description_.disturb_every_ms_low(),
                                 description_.disturb_every_ms_high()),
                    disturb, 0);
    }
    if (!node_disturbances_.empty()) {
        schedule_in(draw_between(disturbs_nodes_, description_.nodes_every_ms_low(),
                                 description_.nodes_every_ms_high()),
                    next_of_nodes, 0);
    }
}

void Workload::publish_next(std::uint32_t publisher) {
    if (world_.now() >= until_) return;
    auto& stream = publishes_[publisher];
    auto publishing = step_now();
    publishing.mutable_publish()->set_client(publishers_[publisher]);
    draw_publication(publisher, *publishing.mutable_publish()->add_messages());
    take_step_(publishing);
    schedule_in(draw_between(stream, description_.publish_every_ms_low(),
                             description_.publish_every_ms_high()),
                publish, publisher);
}

void Workload::draw_publication(std::uint32_t publisher, scenario::Publication& message) {
    auto& stream = publishes_[publisher];
    const auto& name = publishers_[publisher];
    message.set_topic(topic_of(draw_one(stream, description_.topics()), name));
    message.set_qos(description_.has_publish_qos() ? description_.publish_qos() : draw_qos(stream));
    message.set_retain(stream.chance(description_.retain_per_mille()));
    message.set_payload(name + "-" + std::to_string(++published_[publisher]));
    if (description_.delete_per_mille() > 0 && stream.chance(description_.delete_per_mille())) {
        message.set_retain(true);
        message.clear_payload();
        return;
    }
    if (description_.size_bytes_size() > 0) {
        message.set_size_bytes(draw_one(stream, description_.size_bytes()));
    }
    if (description_.expire_per_mille() > 0 && stream.chance(description_.expire_per_mille())) {
        message.set_expiry_s(
            draw_between(stream, description_.expiry_s_low(), description_.expiry_s_high()));
    }
}

void Workload::disturb_next() {
    if (world_.now() >= until_) return;
    const auto kind = static_cast<std::size_t>(disturbs_.below(disturbances_.size()));
    const auto& member = members_[static_cast<std::size_t>(disturbs_.below(members_.size()))];
    const auto span_ms = draw_between(disturbs_, description_.disturb_for_ms_low(),
                                      description_.disturb_for_ms_high());
    disturb_now(disturbances_[kind], *member.description, span_ms);
    schedule_in(draw_between(disturbs_, description_.disturb_every_ms_low(),
                             description_.disturb_every_ms_high()),
                disturb, 0);
}

std::uint32_t Workload::lasting_ms(std::uint32_t span_ms) const {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until_ - world_.now()).count();
    return std::max(1U, std::min(span_ms, static_cast<std::uint32_t>(left)));
}

void Workload::end_all() {
    for (const auto& member : members_) {
        const auto client = member.index;
        world_.set_acknowledgements(client, {});
        world_.set_completions(client, {});
        world_.set_listening(client, true);
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
    constexpr std::uint32_t patience_ms = 8'000;
    schedule_in(patience_ms, reassure, 0);
}

void Workload::reassure_all() {
    for (const auto& member : members_) {
        if (!world_.client(member.index).connection()) world_.connect(member.index);
    }
}

scenario::Step Workload::step_now() const {
    scenario::Step what;
    what.set_at_ms(static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(world_.now() - run_begin).count()));
    return what;
}

void Workload::take_later(std::uint32_t delay_ms, scenario::Step what) {
    if (world_.now() + milliseconds(delay_ms) >= until_) return;
    what.set_at_ms(what.at_ms() + delay_ms);
    later_.push_back(std::move(what));
    schedule_in(delay_ms, step, later_.size() - 1);
}

void Workload::schedule_in(std::uint32_t delay_ms, EventKind kind, std::uint64_t subject) {
    world_.engine().schedule_in(milliseconds(delay_ms),
                                {owner_, kind, static_cast<std::uint32_t>(subject), 0});
}

void Workload::draw_subscription(scenario::Subscription& subscription) {
    subscription.set_filter(draw_one(shapes_, description_.filters()));
    subscription.set_qos(draw_qos(shapes_));
}

}  // namespace touchstone::simulator
