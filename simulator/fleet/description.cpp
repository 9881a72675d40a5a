#include "simulator/fleet/description.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "simulator/fleet/link_presets.hpp"
#include "simulator/scenario_place.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator::fleet {

namespace {

namespace file = touchstone::fleet;

constexpr std::string_view ending = ".fleet";
constexpr Time us = 1'000;
constexpr Time ms = 1'000 * us;
constexpr Time second = 1'000 * ms;
constexpr std::uint64_t devices_max = 200'000'000;
constexpr std::uint32_t duration_s_max = 30 * 24 * 3'600;

std::uint64_t share_of(std::uint64_t part, std::uint64_t whole) {
    return (part << 32U) / whole;
}

/// Checks a fleet and makes the model of it; complaints go with the place of the field.
class Judge {
public:
    Judge(std::string path, std::string variant, std::vector<std::string>& problems)
        : path_{std::move(path)},
          variant_{std::move(variant)},
          problems_{problems} {}

    FleetModel model_of(const file::Fleet& fleet, const Place& top) {
        FleetModel model;
        model.seed = fleet.seed();
        if (fleet.duration_s() < 1 || fleet.duration_s() > duration_s_max) {
            complain(top, "duration_s", "{} s; give 1 to {}", fleet.duration_s(), duration_s_max);
        }
        model.duration = fleet.duration_s() * second;
        model.sample_every = fleet.sample_every_ms() > 0 ? fleet.sample_every_ms() * ms
                                                         : std::max(model.duration / 300, 100 * ms);
        constexpr Time samples_max = 100'000;
        if (model.duration / model.sample_every > samples_max) {
            complain(top, "sample_every_ms", "{} makes more than {} samples; give at least {}",
                     fleet.sample_every_ms(), samples_max, model.duration / ms / samples_max + 1);
        }
        model.cost = cost_of(fleet.broker(), top.in("broker"));
        model.limits = limits_of(fleet.broker(), top.in("broker"));
        if (fleet.classes().empty()) {
            complain(top, "classes",
                     "there is none; give classes {{ name: \"meters\" count: 1000 "
                     "keep_alive_s: 60 }}");
        }
        if (fleet.classes_size() > 255) {
            complain(top, "classes", "{} are too many; give at most 255", fleet.classes_size());
        }
        for (const auto& one : fleet.classes()) names_.push_back(one.name());
        std::uint64_t first = 0;
        for (int i = 0; i < fleet.classes_size(); ++i) {
            const auto place = top.in("classes", i);
            model.classes.push_back(class_of(fleet.classes(i), place));
            model.classes.back().first = static_cast<std::uint32_t>(first);
            first += fleet.classes(i).count();
            if (std::ranges::count(names_, fleet.classes(i).name()) > 1) {
                complain(place, "name", "'{}' is there twice; names are unique",
                         fleet.classes(i).name());
            }
        }
        if (first > devices_max) {
            complain(top, "classes", "{} devices; give at most {}", first, devices_max);
        }
        disturb(fleet, top, model);
        return model;
    }

private:
    template <class... Values>
    void complain(const Place& place, const std::string& field,
                  fmt::format_string<const Values&...> text, const Values&... values) {
        const int line = place.line_of(field, 0);
        const auto where = line >= 0 ? fmt::format("{}:{}", path_, line + 1) : path_;
        const auto name = place.name.empty() ? field : place.name + "." + field;
        const auto of = variant_.empty() ? "" : fmt::format("variant '{}': ", variant_);
        problems_.push_back(
            fmt::format("{}: {}{}: {}", where, of, name, fmt::format(text, values...)));
    }

    void within(const Place& place, const std::string& field, std::uint64_t value,
                std::uint64_t low, std::uint64_t high) {
        if (value < low || value > high) {
            complain(place, field, "{}; give {} to {}", value, low, high);
        }
    }

    /// The index of the class with that name; 0, and a complaint, when there is none.
    int find_class(const Place& place, const std::string& field, const std::string& name) {
        const auto found = std::ranges::find(names_, name);
        if (found != names_.end()) return static_cast<int>(found - names_.begin());
        complain(place, field, "there is no class '{}'{}", name, remedy(name, names_));
        return 0;
    }

    FanOut fan_out_of(const file::FanOut& fan_out, const Place& place) {
        return {.to_class = find_class(place, "to", fan_out.to()),
                .receivers = fan_out.receivers()};
    }

    Publishing publishing_of(const file::Publish& publish, const Place& place) {
        Publishing how;
        if (publish.process() == file::Publish::silent) {
            if (publish.every_ms() > 0) {
                complain(place, "process", "left out, but every_ms is {}; give process: periodic",
                         publish.every_ms());
            }
        } else {
            within(place, "every_ms", publish.every_ms(), 1, duration_s_max * 1'000ULL);
        }
        within(place, "qos", publish.qos(), 0, 2);
        how.qos = std::min(publish.qos(), 2U);
        how.every = std::max(1U, publish.every_ms()) * ms;
        how.phase_spread = how.every;
        how.payload_min = publish.payload_bytes();
        how.payload_max = std::max(publish.payload_bytes(), publish.payload_bytes_max());
        within(place, "payload_bytes", how.payload_max, 0, 268'435'455);
        if (publish.payload_bytes_max() > 0 &&
            publish.payload_bytes_max() < publish.payload_bytes()) {
            complain(place, "payload_bytes_max", "{} is below payload_bytes, {}",
                     publish.payload_bytes_max(), publish.payload_bytes());
        }
        if (publish.payload_sizes_size() > 0) draw_sizes(publish, place, how);
        switch (publish.process()) {
            case file::Publish::poisson: how.process = PublishProcess::poisson; break;
            case file::Publish::periodic: how.process = PublishProcess::periodic; break;
            case file::Publish::top_of_minute:
                how.process = PublishProcess::periodic;
                within(place, "clock_error_ms", publish.clock_error_ms(), 0, publish.every_ms());
                how.phase_spread = publish.clock_error_ms() * ms;
                break;
            case file::Publish::bursts:
                how.process = PublishProcess::bursts;
                within(place, "burst_count", publish.burst_count(), 1, 1'000'000);
                within(place, "burst_spacing_ms", publish.burst_spacing_ms(), 1,
                       publish.every_ms());
                how.burst_count = std::max(1U, publish.burst_count());
                how.burst_spacing = std::max(1U, publish.burst_spacing_ms()) * ms;
                if (how.burst_count * how.burst_spacing > how.every) {
                    complain(place, "burst_count",
                             "{} messages {} ms apart take longer than "
                             "every_ms, {}; give fewer, or a longer period",
                             publish.burst_count(), publish.burst_spacing_ms(), publish.every_ms());
                }
                break;
            default: break;
        }
        return how;
    }

    void draw_sizes(const file::Publish& publish, const Place& place, Publishing& how) {
        if (publish.payload_bytes() > 0 || publish.payload_bytes_max() > 0) {
            complain(place, "payload_sizes", "there is payload_bytes, too; give one of both");
        }
        std::uint64_t weights = 0;
        std::uint64_t bytes = 0;
        for (int i = 0; i < publish.payload_sizes_size(); ++i) {
            const auto& size = publish.payload_sizes(i);
            const auto at = place.in("payload_sizes", i);
            within(at, "weight", size.weight(), 1, 1'000'000);
            within(at, "bytes", size.bytes(), 0, 268'435'455);
            weights += size.weight();
            bytes += std::uint64_t{size.bytes()} * size.weight();
            how.payload_sizes.emplace_back(size.bytes(), static_cast<std::uint32_t>(weights));
        }
        how.payload_min = static_cast<std::uint32_t>(bytes / std::max<std::uint64_t>(1, weights));
        how.payload_max = how.payload_min;
    }

    Link link_of(const file::Link& link, const Publishing& publishing, const Place& place) {
        const auto& preset = link_presets[link.kind()];
        const auto or_preset = [](bool has, std::uint32_t value, std::uint32_t otherwise) {
            return has ? value : otherwise;
        };
        Link made;
        made.latency_min =
            or_preset(link.has_latency_us(), link.latency_us(), preset.latency_us) * us;
        made.latency_spread = or_preset(link.has_latency_spread_us(), link.latency_spread_us(),
                                        preset.latency_spread_us) *
                              us;
        within(place, "latency_us", made.latency_min / us, 1, 60'000'000);
        within(place, "latency_spread_us", made.latency_spread / us, 0, 60'000'000);
        const auto rate = or_preset(link.has_bits_per_s(), link.bits_per_s(), preset.bits_per_s);
        within(place, "bits_per_s", rate, 1'000, 4'000'000'000);
        made.picoseconds_per_byte = 8'000'000'000'000ULL / std::max(1'000U, rate);
        const auto loss = or_preset(link.has_loss_per_million(), link.loss_per_million(),
                                    preset.loss_per_million);
        within(place, "loss_per_million", loss, 0, 500'000);
        made.loss = share_of(loss, 1'000'000);
        made.retransmit_after = preset.retransmit_ms * ms;
        made.nat_timeout =
            or_preset(link.has_nat_timeout_s(), link.nat_timeout_s(), preset.nat_timeout_s) *
            second;
        const auto duty = or_preset(link.has_duty_cycle_per_mille(), link.duty_cycle_per_mille(),
                                    preset.duty_cycle_per_mille);
        within(place, "duty_cycle_per_mille", duty, 0, 1'000);
        if (duty > 0) {
            // LoRaWAN's frame has 13 bytes around the payload.
            const Time bytes = publishing.payload_mean() + 13;
            made.gap_min = bytes * made.picoseconds_per_byte / 1'000 * (1'000 - duty) / duty;
        }
        return made;
    }

    Reconnecting reconnecting_of(const file::Reconnect& reconnect, const Place& place) {
        Reconnecting how;
        how.policy = static_cast<ReconnectPolicy>(reconnect.policy());
        const auto base_ms = reconnect.base_ms() > 0 ? reconnect.base_ms() : 1'000;
        const auto cap_ms =
            reconnect.cap_ms() > 0 ? reconnect.cap_ms() : std::max(base_ms, 60'000U);
        within(place, "base_ms", base_ms, 1, 3'600'000);
        if (cap_ms < base_ms) {
            complain(place, "cap_ms", "{} is below base_ms, {}; give at least that", cap_ms,
                     base_ms);
        }
        how.base = base_ms * ms;
        how.cap = cap_ms * ms;
        return how;
    }

    DeviceClass class_of(const file::DeviceClass& from, const Place& place) {
        DeviceClass one;
        one.name = from.name();
        if (from.name().empty()) complain(place, "name", "there is none; give one");
        if (from.count() == 0) complain(place, "count", "0; give at least 1");
        one.count = from.count();
        one.ramp_start = from.ramp_start_ms() * ms;
        if (from.ramp_per_s() < 0) complain(place, "ramp_per_s", "below 0; give 0 or more");
        if (from.ramp_per_s() > 0) {
            constexpr double longest_s = 1e9;
            if (from.count() / from.ramp_per_s() > longest_s) {
                complain(place, "ramp_per_s", "{} takes longer than {} s for {} devices; give more",
                         from.ramp_per_s(), longest_s, from.count());
            } else {
                one.ramp_every = static_cast<Time>(1e9 / from.ramp_per_s());
            }
        }
        within(place, "keep_alive_s", from.keep_alive_s(), 1, 65'535);
        one.keep_alive = from.keep_alive_s() * second;
        one.ping_every = from.ping_every_s() > 0 ? from.ping_every_s() * second : one.keep_alive;
        if (one.ping_every > one.keep_alive + one.keep_alive / 2) {
            complain(place, "ping_every_s",
                     "{} is more than 1.5 times keep_alive_s, {}: the broker "
                     "closes such a connection; give less",
                     from.ping_every_s(), from.keep_alive_s());
        }
        one.publishing = publishing_of(from.publish(), place.in("publish"));
        if (from.has_fan_out()) one.fan_out = fan_out_of(from.fan_out(), place.in("fan_out"));
        one.has_will = from.has_will();
        if (from.has_will()) one.will_to = fan_out_of(from.will(), place.in("will"));
        one.subscriptions = from.subscriptions();
        one.retained = from.retained_messages();
        one.retained_bytes = from.retained_bytes();
        within(place, "subscriptions", one.subscriptions, 0, 1'000'000);
        within(place, "retained_messages", one.retained, 0, 100'000'000);
        constexpr std::uint64_t retained_bytes_max = 1'000'000'000'000;
        within(
            place, "retained_bytes", one.retained_bytes, 0,
            std::min<std::uint64_t>(268'435'455, retained_bytes_max / std::max(1U, one.retained)));
        if (from.has_duty_cycle()) {
            const auto duty = place.in("duty_cycle");
            within(duty, "awake_s", from.duty_cycle().awake_s(), 1, duration_s_max);
            within(duty, "asleep_s", from.duty_cycle().asleep_s(), 1, duration_s_max);
            one.awake = from.duty_cycle().awake_s() * second;
            one.asleep = from.duty_cycle().asleep_s() * second;
        }
        if (from.reads_per_s() != 0) {
            if (from.reads_per_s() < 1e-6 || from.reads_per_s() > 1e6) {
                complain(place, "reads_per_s",
                         "{}; give 0.000001 to 1000000, or leave it out for a device that takes "
                         "messages as they come",
                         from.reads_per_s());
            } else {
                one.read_every = static_cast<Time>(1e9 / from.reads_per_s());
            }
        }
        one.link = link_of(from.link(), one.publishing, place.in("link"));
        one.reconnecting = reconnecting_of(from.reconnect(), place.in("reconnect"));
        one.tls = static_cast<Tls>(from.tls());
        const auto patience = [](std::uint32_t given, std::uint32_t otherwise) {
            return (given > 0 ? given : otherwise) * ms;
        };
        one.connect_patience = patience(from.connect_patience_ms(), 10'000);
        one.answer_patience = patience(from.answer_patience_ms(), 20'000);
        return one;
    }

    CostModel cost_of(const file::Broker& broker, const Place& place) {
        CostModel cost;
        cost.nodes = broker.nodes() > 0 ? broker.nodes() : 1;
        cost.servers = broker.servers_per_node() > 0 ? broker.servers_per_node() : 1;
        within(place, "nodes", cost.nodes, 1, 255);
        within(place, "servers_per_node", cost.servers, 1, 1'024);
        cost.any_server = broker.shared_queue();
        cost.variation = static_cast<Variation>(broker.variation());
        if (cost.variation == Variation::two_kinds) {
            within(place, "slow_per_mille", broker.slow_per_mille(), 1, 999);
            within(place, "slow_factor_per_mille", broker.slow_factor_per_mille(), 1,
                   1'000'000 / std::max(1U, broker.slow_per_mille()));
            cost.slow_share = share_of(std::clamp(broker.slow_per_mille(), 1U, 999U), 1'000);
            cost.slow_per_mille = broker.slow_factor_per_mille();
        }
        const auto or_default = [](bool has, std::uint32_t value, std::uint32_t otherwise) -> Time {
            return has ? value : otherwise;
        };
        cost.connect = or_default(broker.has_connect_ns(), broker.connect_ns(), 40'000);
        cost.tls_full = or_default(broker.has_tls_full_ns(), broker.tls_full_ns(), 600'000);
        cost.tls_resumed =
            or_default(broker.has_tls_resumed_ns(), broker.tls_resumed_ns(), 150'000);
        cost.ping = or_default(broker.has_ping_ns(), broker.ping_ns(), 3'000);
        cost.publish = by_qos(broker.publish_ns(), {4'000, 6'000, 10'000}, "publish_ns", place);
        cost.deliver = by_qos(broker.deliver_ns(), {3'000, 5'000, 8'000}, "deliver_ns", place);
        cost.picoseconds_per_byte =
            or_default(broker.has_payload_byte_ps(), broker.payload_byte_ps(), 200);
        within(place, "payload_byte_ps", cost.picoseconds_per_byte, 0, 1'000'000);
        cost.subscribe = or_default(broker.has_subscribe_ns(), broker.subscribe_ns(), 4'000);
        cost.disconnect = or_default(broker.has_disconnect_ns(), broker.disconnect_ns(), 8'000);
        cost.forward = or_default(broker.has_forward_ns(), broker.forward_ns(), 50'000);
        cost.refuse = or_default(broker.has_refuse_ns(), broker.refuse_ns(), 10'000);
        cost.connects_per_second_max = broker.connects_per_s_max();
        cost.connect_wait_max = broker.connect_wait_max_ms() * ms;
        cost.bytes_per_connection =
            or_default(broker.has_bytes_per_connection(), broker.bytes_per_connection(), 8'000);
        return cost;
    }

    QueueLimits limits_of(const file::Broker& broker, const Place& place) {
        QueueLimits limits;
        if (broker.has_inflight_max()) limits.inflight = broker.inflight_max();
        if (broker.has_queue_messages_max()) limits.queue_messages = broker.queue_messages_max();
        if (broker.has_queue_bytes_max()) limits.queue_bytes = broker.queue_bytes_max();
        if (broker.has_node_queue_bytes_max())
            limits.node_queue_bytes = broker.node_queue_bytes_max();
        if (broker.has_unwritten_bytes_max()) limits.unwritten_bytes = broker.unwritten_bytes_max();
        if (broker.has_socket_bytes()) limits.socket_bytes = broker.socket_bytes();
        constexpr std::uint64_t bytes_max = std::uint64_t{1} << 40U;
        within(place, "inflight_max", limits.inflight, 1, 65'535);
        within(place, "queue_messages_max", limits.queue_messages, 0, 10'000'000);
        within(place, "queue_bytes_max", limits.queue_bytes, 0, bytes_max);
        within(place, "node_queue_bytes_max", limits.node_queue_bytes, 0, bytes_max);
        within(place, "unwritten_bytes_max", limits.unwritten_bytes, 1, bytes_max);
        within(place, "socket_bytes", limits.socket_bytes, 1'024, bytes_max);
        return limits;
    }

    template <class Repeated>
    std::array<Time, 3> by_qos(const Repeated& given, std::array<Time, 3> otherwise,
                               const std::string& field, const Place& place) {
        if (given.empty()) return otherwise;
        if (given.size() == 3) return {given[0], given[1], given[2]};
        complain(place, field, "{} values; give three, for QoS 0, 1 and 2", given.size());
        return otherwise;
    }

    void disturb(const file::Fleet& fleet, const Place& top, FleetModel& model) {
        for (int i = 0; i < fleet.crashes_size(); ++i) {
            const auto& crash = fleet.crashes(i);
            const auto place = top.in("crashes", i);
            within(place, "at_ms", crash.at_ms(), 1, fleet.duration_s() * 1'000ULL);
            within(place, "node", crash.node(), 0, model.cost.nodes);
            model.crashes.push_back({.at = crash.at_ms() * ms,
                                     .down = crash.down_ms() * ms,
                                     .node = static_cast<int>(crash.node()) - 1});
        }
        for (int i = 0; i < fleet.rolling_restarts_size(); ++i) {
            const auto& restart = fleet.rolling_restarts(i);
            within(top.in("rolling_restarts", i), "at_ms", restart.at_ms(), 1,
                   fleet.duration_s() * 1'000ULL);
            const Time each = Time{restart.down_ms()} * ms + restart.pause_ms() * ms;
            for (std::uint32_t node = 0; node < model.cost.nodes; ++node) {
                model.crashes.push_back({.at = restart.at_ms() * ms + node * each,
                                         .down = restart.down_ms() * ms,
                                         .node = static_cast<int>(node)});
            }
        }
        for (int i = 0; i < fleet.cuts_size(); ++i) {
            const auto& cut = fleet.cuts(i);
            const auto place = top.in("cuts", i);
            const auto share = cut.has_share_per_mille() ? cut.share_per_mille() : 1'000;
            within(place, "share_per_mille", share, 1, 1'000);
            model.cuts.push_back({.at = cut.at_ms() * ms,
                                  .duration = cut.for_ms() * ms,
                                  .device_class = find_class(place, "class", cut.class_()),
                                  .share = share_of(share, 1'000)});
        }
        for (int i = 0; i < fleet.partitions_size(); ++i)
            part(fleet, fleet.partitions(i), top.in("partitions", i), model);
    }

    /// What nodes do that stop or start again is what a crash of them does.
    void part(const file::Fleet& fleet, const file::Partition& from, const Place& place,
              FleetModel& model) {
        within(place, "at_ms", from.at_ms(), 1, fleet.duration_s() * 1'000ULL);
        within(place, "for_ms", from.for_ms(), 1, fleet.duration_s() * 1'000ULL);
        const auto nodes = from.nodes();
        if (nodes < 1 || nodes * 2 >= model.cost.nodes) {
            complain(place, "nodes", "{} of {} are apart; give at least 1, and fewer than half",
                     nodes, model.cost.nodes);
            return;
        }
        Partition partition{
            .at = from.at_ms() * ms, .duration = from.for_ms() * ms, .is_apart = {}};
        partition.is_apart.assign(model.cost.nodes, false);
        const Time over = partition.at + partition.duration;
        const auto notice = (from.notice_ms() > 0 ? from.notice_ms() : 10'000) * ms;
        const auto restart = (from.restart_ms() > 0 ? from.restart_ms() : 5'000) * ms;
        for (std::uint32_t node = 0; node < nodes; ++node) {
            partition.is_apart[node] = true;
            const int number = static_cast<int>(node);
            if (from.during() == file::Partition::smaller_stops && partition.duration > notice) {
                model.crashes.push_back({.at = partition.at + notice,
                                         .down = partition.duration - notice,
                                         .node = number});
            }
            if (from.after() == file::Partition::smaller_restarts)
                model.crashes.push_back({.at = over, .down = restart, .node = number});
        }
        model.partitions.push_back(std::move(partition));
    }

    std::string path_;
    std::string variant_;
    std::vector<std::string>& problems_;
    std::vector<std::string> names_;
};

/// The fleet with the changes of a variant. A class that is not there is a problem.
file::Fleet varied(const std::string& path, const file::Fleet& fleet, const file::Variant& variant,
                   std::vector<std::string>& problems) {
    file::Fleet changed = fleet;
    for (const auto& change : variant.classes()) {
        auto& classes = *changed.mutable_classes();
        const auto found = std::ranges::find(classes, change.name(), &file::DeviceClass::name);
        if (found != classes.end()) {
            found->MergeFrom(change);
            continue;
        }
        std::vector<std::string> names;
        for (const auto& one : fleet.classes()) names.push_back(one.name());
        problems.push_back(fmt::format("{}: variant '{}': there is no class '{}'{}", path,
                                       variant.name(), change.name(),
                                       remedy(change.name(), names)));
    }
    if (variant.broker().publish_ns_size() > 0) changed.mutable_broker()->clear_publish_ns();
    if (variant.broker().deliver_ns_size() > 0) changed.mutable_broker()->clear_deliver_ns();
    changed.mutable_broker()->MergeFrom(variant.broker());
    changed.mutable_expect()->MergeFrom(variant.expect());
    changed.mutable_partitions()->MergeFrom(variant.partitions());
    changed.mutable_crashes()->MergeFrom(variant.crashes());
    return changed;
}

std::string file_of(const std::string& argument) {
    const std::string below = "scenarios/" + argument + std::string{ending};
    std::error_code failed;
    const bool is_there = std::filesystem::is_regular_file(argument, failed);
    return !is_there && std::filesystem::is_regular_file(below, failed) ? below : argument;
}

}  // namespace

bool names_fleet(const std::string& argument) {
    return argument.ends_with(ending) || file_of(argument) != argument;
}

LoadedFleet load_fleet(const std::string& path) {
    LoadedFleet loaded;
    loaded.path = file_of(path);
    auto& problems = loaded.problems;
    const auto text = read_text_file(
        loaded.path, "name a fleet's file (*.fleet), e.g. million/xmeter-1m", problems);
    Place::Tree tree;
    if (!text || !parse_text(loaded.path, *text, loaded.fleet, &tree, problems)) return loaded;
    const Place top{&loaded.fleet, &tree, ""};
    const auto add = [&](const std::string& name, const file::Fleet& fleet, const Place& place) {
        Judge judge{loaded.path, name, problems};
        auto model = judge.model_of(fleet, place);
        loaded.runs.push_back({name, std::move(model), fleet});
    };
    if (loaded.fleet.variants().empty()) {
        add("", loaded.fleet, top);
        return loaded;
    }
    std::set<std::string> names;
    for (const auto& variant : loaded.fleet.variants()) {
        if (variant.name().empty() || !names.insert(variant.name()).second) {
            problems.push_back(
                fmt::format("{}: variants: '{}' is empty or there twice; give each a "
                            "name of its own",
                            loaded.path, variant.name()));
        }
        const auto fleet = varied(loaded.path, loaded.fleet, variant, problems);
        // Lines are those of the fleet that is varied; fields that only the variant has show none.
        add(variant.name(), fleet, Place{&fleet, &tree, ""});
    }
    return loaded;
}

double connects_per_second(const FleetModel& model, const DeviceClass& one) {
    const auto& cost = model.cost;
    Time each =
        cost.connect + one.subscriptions * cost.subscribe +
        one.retained * (cost.deliver[0] + one.retained_bytes * cost.picoseconds_per_byte / 1'000);
    if (one.tls == Tls::full) each += cost.tls_full;
    if (one.tls == Tls::resumed) each += cost.tls_resumed;
    double rate = static_cast<double>(cost.nodes) * cost.servers * 1e9 / static_cast<double>(each);
    if (cost.connects_per_second_max > 0) {
        rate = std::min(rate, static_cast<double>(cost.nodes) * cost.connects_per_second_max);
    }
    return rate;
}

}  // namespace touchstone::simulator::fleet
