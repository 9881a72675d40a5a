#include "simulator/workload.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "broker/base/check.hpp"
#include "simulator/draws.hpp"
#include "simulator/set_up.hpp"
#include "simulator/swarm.hpp"

namespace touchstone::simulator {

Workload::Workload(World& world, const scenario::Scenario& scenario,
                   const std::vector<ClientIndex>& clients, Instant until, TakeStep take_step)
    : world_{world},
      description_{scenario.workload()},
      until_{until},
      take_step_{std::move(take_step)},
      owner_{world.engine().add_handler(*this)},
      disturbs_{world.engine().stream(Domain::workload, 0, Purpose::disturb)},
      shapes_{world.engine().stream(Domain::workload, 0, Purpose::shape)} {
    CHECK(std::size_t(description_.clients_size()) == clients.size());
    for (std::size_t i = 0; i < clients.size(); ++i) {
        const auto one = std::ranges::find(scenario.clients(), world.name_of(clients[i]),
                                           &scenario::Client::name);
        CHECK(one != scenario.clients().end());
        members_.push_back({&*one, clients[i]});
    }
    CHECK(!members_.empty());
    const auto& publishers =
        description_.publishers().empty() ? description_.clients() : description_.publishers();
    publishers_.assign(publishers.begin(), publishers.end());
    published_.resize(publishers_.size());
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
    if (description_.disturbances_size() > 0) {
        schedule_in(draw_between(disturbs_, description_.disturb_every_ms_low(),
                                 description_.disturb_every_ms_high()),
                    disturb, 0);
    }
}

void Workload::publish_next(std::uint32_t publisher) {
    if (world_.now() >= until_) return;
    auto& stream = publishes_[publisher];
    auto publishing = step_now();
    publishing.mutable_publish()->set_client(publishers_[publisher]);
    auto& message = *publishing.mutable_publish()->add_messages();
    message.set_topic(draw_one(stream, description_.topics()));
    message.set_qos(draw_qos(stream));
    message.set_retain(stream.chance(description_.retain_per_mille()));
    message.set_payload(publishers_[publisher] + "-" + std::to_string(++published_[publisher]));
    take_step_(publishing);
    schedule_in(draw_between(stream, description_.publish_every_ms_low(),
                             description_.publish_every_ms_high()),
                publish, publisher);
}

void Workload::disturb_next() {
    if (world_.now() >= until_) return;
    const auto kind = disturbs_.below(static_cast<std::uint64_t>(description_.disturbances_size()));
    const auto& member = members_[static_cast<std::size_t>(disturbs_.below(members_.size()))];
    const auto span_ms = draw_between(disturbs_, description_.disturb_for_ms_low(),
                                      description_.disturb_for_ms_high());
    disturb_now(description_.disturbances(static_cast<int>(kind)), *member.description, span_ms);
    schedule_in(draw_between(disturbs_, description_.disturb_every_ms_low(),
                             description_.disturb_every_ms_high()),
                disturb, 0);
}

void Workload::disturb_now(scenario::Disturbance disturbance, const scenario::Client& client,
                           std::uint32_t span_ms) {
    constexpr std::array all_directions{scenario::both, scenario::to_broker, scenario::to_client};
    const auto direction = pick(disturbs_, all_directions);
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until_ - world_.now()).count();
    const auto for_ms = std::max(1U, std::min(span_ms, static_cast<std::uint32_t>(left)));
    auto trouble = step_now();
    auto relief = step_now();
    switch (disturbance) {
        case scenario::stall_link:
            trouble.mutable_stall()->set_link(client.name());
            trouble.mutable_stall()->set_direction(direction);
            trouble.mutable_stall()->set_for_ms(for_ms);
            return take_step_(trouble);
        case scenario::drop_link:
            trouble.mutable_drop()->set_link(client.name());
            trouble.mutable_drop()->set_direction(direction);
            trouble.mutable_drop()->set_for_ms(for_ms);
            return take_step_(trouble);
        case scenario::cut_link:
            trouble.mutable_cut()->set_link(client.name());
            trouble.mutable_cut()->set_for_ms(for_ms);
            return take_step_(trouble);
        case scenario::half_open_link:
            trouble.mutable_half_open()->set_link(client.name());
            trouble.mutable_half_open()->set_direction(direction);
            return take_step_(trouble);
        case scenario::slow_reader:
            trouble.mutable_stop_reading()->set_client(client.name());
            trouble.mutable_stop_reading()->set_for_ms(for_ms);
            return take_step_(trouble);
        case scenario::take_over:
            trouble.mutable_connect()->set_client(client.name());
            return take_step_(trouble);
        case scenario::leave_and_return:
            trouble.mutable_disconnect()->set_client(client.name());
            relief.mutable_connect()->set_client(client.name());
            relief.mutable_connect()->set_unless_connected(true);
            take_step_(trouble);
            return take_later(span_ms, std::move(relief));
        case scenario::change_subscription: return change_subscription(client.name());
        case scenario::stop_acknowledging:
            trouble.mutable_acknowledgements()->set_client(client.name());
            trouble.mutable_acknowledgements()->mutable_policy()->set_only_first(0);
            relief.mutable_acknowledgements()->set_client(client.name());
            *relief.mutable_acknowledgements()->mutable_policy() = client.acknowledgements();
            take_step_(trouble);
            return take_later(span_ms, std::move(relief));
        case scenario::crash_node:
            trouble.mutable_crash()->set_restart_after_ms(for_ms);
            return take_step_(trouble);
        case scenario::crash_client:
            trouble.mutable_crash_client()->set_client(client.name());
            trouble.mutable_crash_client()->set_restart_after_ms(for_ms);
            return take_step_(trouble);
        case scenario::reset_at_byte: {
            constexpr std::uint64_t bytes_max = 200;
            trouble.mutable_reset_after()->set_link(client.name());
            trouble.mutable_reset_after()->set_direction(
                direction == scenario::to_client ? scenario::to_client : scenario::to_broker);
            trouble.mutable_reset_after()->set_bytes(
                1 + static_cast<std::uint32_t>(disturbs_.below(bytes_max)));
            return take_step_(trouble);
        }
        case scenario::application_away:
            trouble.mutable_leave_application()->set_client(client.name());
            relief.mutable_return_application()->set_client(client.name());
            take_step_(trouble);
            return take_later(span_ms, std::move(relief));
        case scenario::change_path: return change_path(client);
        case scenario::change_link:
            trouble.mutable_set_link()->set_link(client.name());
            *trouble.mutable_set_link()->mutable_model() = draw_narrow_link(disturbs_);
            trouble.mutable_set_link()->set_for_ms(for_ms);
            return take_step_(trouble);
        case scenario::change_clock: return change_clock(client.name());
        case scenario::pause_node:
            trouble.mutable_pause()->set_for_ms(for_ms);
            trouble.mutable_pause()->set_sleeps(disturbs_.chance(300));
            return take_step_(trouble);
        case scenario::stop_node:
            trouble.mutable_stop()->set_restart_after_ms(for_ms);
            return take_step_(trouble);
        case scenario::crash_machine:
            trouble.mutable_crash()->set_silent(true);
            trouble.mutable_crash()->set_restart_after_ms(for_ms);
            return take_step_(trouble);
        case scenario::vanish_and_return:
            trouble.mutable_vanish()->set_client(client.name());
            relief.mutable_connect()->set_client(client.name());
            relief.mutable_connect()->set_unless_connected(true);
            take_step_(trouble);
            return take_later(span_ms, std::move(relief));
        case scenario::slow_disk:
        case scenario::full_disk:
        case scenario::failing_disk:
        case scenario::lose_batches:
        case scenario::tear_batch: return disturb_disk(disturbance, for_ms);
        default: UNREACHABLE();  // Protobuf adds sentinels to its enumerations.
    }
}

void Workload::change_subscription(const std::string& client) {
    scenario::Subscription subscription;
    draw_subscription(subscription);
    auto change = step_now();
    const bool is_leaving = disturbs_.chance(500);
    if (is_leaving) {
        change.mutable_unsubscribe()->set_client(client);
        change.mutable_unsubscribe()->add_filters(subscription.filter());
    } else {
        change.mutable_subscribe()->set_client(client);
        *change.mutable_subscribe()->add_subscriptions() = subscription;
    }
    take_step_(change);
}

void Workload::change_path(const scenario::Client& client) {
    if (client.paths_size() == 0) return;
    auto change = step_now();
    auto& what = *change.mutable_change_path();
    what.set_client(client.name());
    what.set_path(draw_between(disturbs_, 0, static_cast<std::uint32_t>(client.paths_size())));
    what.set_reconnect(true);
    take_step_(change);
}

void Workload::change_clock(const std::string& client) {
    auto change = step_now();
    auto& what = *change.mutable_set_clock();
    const bool is_client = disturbs_.chance(500);
    if (is_client) {
        what.set_client(client);
    } else {
        constexpr std::uint64_t jump_ms_max = 3'600'000;
        const auto jump_ms = static_cast<std::int64_t>(disturbs_.below(2 * jump_ms_max + 1));
        what.set_jump_ms(jump_ms - static_cast<std::int64_t>(jump_ms_max));
    }
    what.set_drift_ppm(draw_drift_ppm(disturbs_));
    take_step_(change);
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
