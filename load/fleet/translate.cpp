#include "load/fleet/translate.hpp"

#include <algorithm>
#include <cmath>

namespace touchstone::load {

namespace {

namespace fleet = simulator::fleet;

Nanos nanos(fleet::Time time) {
    return static_cast<Nanos>(time);
}

void scale_model(fleet::FleetModel& model, double scale) {
    std::uint32_t first = 0;
    for (auto& one : model.classes) {
        one.first = first;
        one.count = static_cast<std::uint32_t>(std::max(1.0, std::round(one.count * scale)));
        one.ramp_every =
            static_cast<fleet::Time>(static_cast<double>(one.ramp_every) / std::max(scale, 1e-9));
        if (one.fan_out.receivers > 0) one.fan_out.receivers = std::max(1U, one.fan_out.receivers);
        first += one.count;
    }
    // A message cannot go to more devices than there are.
    for (auto& one : model.classes) {
        for (auto* const to : {&one.fan_out, &one.will_to}) {
            if (to->to_class < 0) continue;
            const auto count = model.classes[static_cast<std::size_t>(to->to_class)].count;
            to->receivers = std::min(to->receivers, count);
        }
    }
}

/// Takes away what only a simulated world can do.
std::vector<std::string> leave_out(fleet::FleetModel& model) {
    std::vector<std::string> left_out;
    if (!model.crashes.empty()) {
        left_out.emplace_back(
            "Crashes and restarts of nodes are left out: the broker is not ours to "
            "end.");
        model.crashes.clear();
    }
    if (!model.cuts.empty()) {
        left_out.emplace_back("Cuts are left out: the network is the machine's.");
        model.cuts.clear();
    }
    if (!model.partitions.empty()) {
        left_out.emplace_back("Partitions are left out: the cluster is not ours to part.");
        model.partitions.clear();
    }
    bool has_links = false;
    bool has_slow = false;
    bool has_retained = false;
    for (auto& one : model.classes) {
        has_links = has_links || one.link.latency_min > 0 || one.link.loss > 0;
        has_retained = has_retained || one.retained > 0;
        has_slow = has_slow || one.read_every > 0;
        one.link = {};
        one.retained = 0;
        one.read_every = 0;
    }
    if (has_links) {
        left_out.emplace_back(
            "Links (latency, rate, loss, NAT) are left out: the way is the machine's "
            "network.");
    }
    if (has_slow) {
        left_out.emplace_back(
            "Slow readers (reads_per_s) are left out: the generator reads what comes.");
    }
    if (has_retained)
        left_out.emplace_back(
            "Retained Messages that the file assumes at the broker are left out.");
    return left_out;
}

Publishing publishing_of(const fleet::DeviceClass& one) {
    using enum Publishing::Process;
    const auto& from = one.publishing;
    Publishing to;
    to.every = nanos(from.every);
    switch (from.process) {
        case fleet::PublishProcess::none: to.process = silent; break;
        case fleet::PublishProcess::poisson: to.process = poisson; break;
        case fleet::PublishProcess::bursts: to.process = bursts; break;
        case fleet::PublishProcess::periodic:
            to.process = from.phase_spread >= from.every ? periodic : aligned;
            to.clock_error = nanos(from.phase_spread);
            break;
    }
    to.burst_count = from.burst_count;
    to.burst_spacing = nanos(from.burst_spacing);
    to.qos = static_cast<QoS>(from.qos);
    to.size_min = from.payload_min;
    to.size_max = std::max(from.payload_min, from.payload_max);
    // Weights there are sums up to and with each.
    std::uint32_t before = 0;
    for (const auto& [bytes, sum] : from.payload_sizes) {
        to.sizes.emplace_back(bytes, sum - before);
        before = sum;
    }
    return to;
}

Audience audience_of(const fleet::FanOut& fan_out) {
    if (fan_out.to_class < 0) return {};
    const auto group = static_cast<std::uint32_t>(fan_out.to_class);
    if (fan_out.receivers == 0) return {.kind = Audience::Kind::all_of, .group = group};
    return {.kind = Audience::Kind::some_of, .group = group, .receivers = fan_out.receivers};
}

Reconnecting reconnecting_of(const fleet::Reconnecting& from) {
    Reconnecting to{.base = nanos(from.base), .cap = nanos(from.cap)};
    switch (from.policy) {
        case fleet::ReconnectPolicy::fixed: to.policy = Reconnecting::Policy::fixed; break;
        case fleet::ReconnectPolicy::exponential:
            to.policy = Reconnecting::Policy::exponential;
            break;
        case fleet::ReconnectPolicy::full_jitter:
            to.policy = Reconnecting::Policy::full_jitter;
            break;
    }
    return to;
}

Group group_of(const fleet::DeviceClass& one) {
    Group group{.name = one.name, .count = one.count};
    group.ramp_start = nanos(one.ramp_start);
    group.ramp_per_s =
        one.ramp_every == 0 ? 0 : static_cast<double>(second) / static_cast<double>(one.ramp_every);
    group.keep_alive_s = static_cast<std::uint16_t>(nanos(one.keep_alive) / second);
    group.ping_every = nanos(one.ping_every);
    group.publishing = publishing_of(one);
    group.publishing.audience = audience_of(one.fan_out);
    if (one.has_will) {
        group.will = audience_of(one.will_to);
        group.will.receivers = 1;
    }
    group.reconnecting = reconnecting_of(one.reconnecting);
    group.resumes_tls = one.tls == fleet::Tls::resumed;
    group.awake = nanos(one.awake);
    group.asleep = nanos(one.asleep);
    group.connect_patience = nanos(one.connect_patience);
    group.answer_patience = nanos(one.answer_patience);
    return group;
}

/// Who gets messages subscribes to them; what a class subscribes to besides, nobody publishes to.
void subscribe(const fleet::FleetModel& model, std::vector<Group>& groups) {
    for (std::size_t g = 0; g < groups.size(); ++g) {
        auto& subscribing = groups[g].subscribing;
        for (const auto& from : groups) {
            for (const auto* const audience : {&from.publishing.audience, &from.will}) {
                if (audience->kind == Audience::Kind::nobody || audience->group != g) continue;
                const bool is_all = audience->kind == Audience::Kind::all_of;
                (is_all ? subscribing.takes_all_of : subscribing.takes_some_of) = true;
                subscribing.qos = max(subscribing.qos, from.publishing.qos);
            }
        }
        const std::uint32_t used =
            (subscribing.takes_all_of ? 1U : 0U) + (subscribing.takes_some_of ? 1U : 0U);
        const auto asked_for = model.classes[g].subscriptions;
        subscribing.idle_filters = asked_for > used ? asked_for - used : 0;
    }
}

}  // namespace

LiveFleet translate(fleet::FleetModel model, double scale, Nanos duration_max) {
    LiveFleet live;
    live.left_out = leave_out(model);
    scale_model(model, scale);
    if (duration_max > 0)
        model.duration = std::min(model.duration, static_cast<fleet::Time>(duration_max));
    model.sample_every = std::min(model.sample_every, model.duration);
    for (const auto& one : model.classes) live.workload.groups.push_back(group_of(one));
    subscribe(model, live.workload.groups);
    live.workload.publishes_at_once = true;
    live.workload.measure = nanos(model.duration);
    live.workload.interval = std::max(nanos(model.sample_every), 50 * millisecond);
    live.workload.drain_max = 5 * second;
    live.model = std::move(model);
    return live;
}

}  // namespace touchstone::load
