// What may go wrong in a random load, one kind after the other.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/wire/packets.hpp"
#include "simulator/draws.hpp"
#include "simulator/set_up.hpp"
#include "simulator/swarm.hpp"
#include "simulator/workload.hpp"

namespace touchstone::simulator {

namespace {

/// From a visitor's CONNECT to what it does next: its CONNACK is there by then.
constexpr std::uint32_t arrival_ms = 300;
/// Between two things that a visitor does.
constexpr std::uint32_t pause_ms = 800;

/// A PUBLISH of QoS 1 or 2 to a topic nobody subscribes to, as a scenario writes bytes.
std::string publish_hex(const scenario::Client& client, unsigned qos, unsigned packet_id,
                        std::size_t payload_size_bytes) {
    // Topic Name "x", Packet Identifier, in v5 no Properties.
    const std::string_view properties = client.version() == 3 ? "" : "00";
    const std::size_t rest = 2 + 1 + 2 + properties.size() / 2 + payload_size_bytes;
    CHECK(rest < 128);
    std::string hex =
        fmt::format("{:02X}{:02X}000178{:04X}{}", 0x30U | qos << 1U, rest, packet_id, properties);
    for (std::size_t i = 0; i < payload_size_bytes; ++i) hex += "2E";
    return hex;
}

/// A packet of v5 that has Properties: what comes before their length and what behind it, as a
/// scenario writes bytes.
struct AroundProperties {
    unsigned first_byte;
    std::string_view before;
    std::string_view behind;
};
constexpr std::array packets_with_properties{
    AroundProperties{0x10, "00044D5154540502003C", "000178"},  // CONNECT, Client Identifier "x"
    AroundProperties{0x20, "0000", ""},                        // CONNACK, Success
    AroundProperties{0x32, "0001780001", "2E"},                // PUBLISH, QoS 1, Topic Name "x"
    AroundProperties{0x40, "000100", ""},                      // PUBACK, Success
    AroundProperties{0x50, "000100", ""},                      // PUBREC
    AroundProperties{0x62, "000100", ""},                      // PUBREL
    AroundProperties{0x70, "000100", ""},                      // PUBCOMP
    AroundProperties{0x82, "0001", "00017800"},                // SUBSCRIBE, Topic Filter "x"
    AroundProperties{0x90, "0001", "00"},                      // SUBACK, Granted QoS 0
    AroundProperties{0xA2, "0001", "000178"},                  // UNSUBSCRIBE
    AroundProperties{0xB0, "0001", "00"},                      // UNSUBACK, Success
    AroundProperties{0xE0, "00", ""},                          // DISCONNECT, normal
    AroundProperties{0xF0, "18", ""},                          // AUTH, Continue authentication
};

/// A packet with a length that goes past its end, which both sides may get, whoever is meant to
/// send it. In v3.1.1 only a Topic Name has one that makes every packet malformed.
std::string draw_overlong(RandomStream& stream, const scenario::Client& client) {
    constexpr std::uint64_t topic_share_per_mille = 100;
    const bool is_topic = stream.chance(topic_share_per_mille) || client.version() == 3;
    if (is_topic) {
        const auto size_bytes = draw_between(stream, 2, 65'535);  // and one follows
        return fmt::format("3003{:04X}78", size_bytes);
    }
    const auto packet = pick(stream, packets_with_properties);
    const auto left_bytes = packet.behind.size() / 2;
    constexpr std::uint32_t one_byte_max = 127;  // of a Variable Byte Integer (§1.5.5)
    const auto properties_bytes =
        draw_between(stream, static_cast<std::uint32_t>(left_bytes + 1), one_byte_max);
    const auto rest = packet.before.size() / 2 + 1 + left_bytes;
    return fmt::format("{:02X}{:02X}{}{:02X}{}", packet.first_byte, rest, packet.before,
                       properties_bytes, packet.behind);
}

}  // namespace

void Workload::disturb_now(scenario::Disturbance disturbance, const scenario::Client& client,
                           std::uint32_t span_ms) {
    constexpr std::array all_directions{scenario::both, scenario::to_broker, scenario::to_client};
    const auto direction = pick(disturbs_, all_directions);
    const auto for_ms = lasting_ms(span_ms);
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
        case scenario::part_nodes:
        case scenario::cut_two_nodes:
        case scenario::crash_any_node:
        case scenario::pause_any_node:
        case scenario::lose_any_node:
        case scenario::change_any_clock: return disturb_nodes(disturbance, for_ms, disturbs_);
        case scenario::visit:
        case scenario::visit_with_will:
        case scenario::wrong_acknowledgement:
        case scenario::overrun:
        case scenario::trickle:
        case scenario::spoilt_connect:
        case scenario::overlong_length:
        case scenario::silent_visit: return receive_visitor(disturbance, span_ms);
        case scenario::change_access_rules:
            trouble.mutable_access_rules()->set_rules(
                draw_one(disturbs_, description_.access_rules()));
            return take_step_(trouble);
        case scenario::all_unsubscribe: return unsubscribe_all(span_ms);
        case scenario::leave_with_expiry: {
            const auto expiry_s = pick(disturbs_, std::to_array<std::uint32_t>({0, 1, 4, 600}));
            trouble.mutable_disconnect()->set_client(client.name());
            // Who had none in CONNECT must not name one later (v5 §3.14.2.2.2).
            if (client.version() != 3 && client.session_expiry_s() > 0) {
                trouble.mutable_disconnect()->set_session_expiry_s(expiry_s);
            }
            relief.mutable_connect()->set_client(client.name());
            relief.mutable_connect()->set_unless_connected(true);
            take_step_(trouble);
            return take_later(span_ms, std::move(relief));
        }
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

void Workload::receive_visitor(scenario::Disturbance disturbance, std::uint32_t span_ms) {
    const auto& visitor = *visitors_[static_cast<std::size_t>(disturbs_.below(visitors_.size()))];
    auto coming = step_now();
    coming.mutable_connect()->set_client(visitor.name());
    coming.mutable_connect()->set_unless_connected(true);
    if (disturbance == scenario::visit_with_will) {
        auto& will = *coming.mutable_connect()->mutable_will();
        will.set_topic(topic_of(draw_one(disturbs_, description_.topics()), visitor.name()));
        will.set_payload("will-" + visitor.name() + "-" + std::to_string(++wills_));
        will.set_qos(draw_qos(disturbs_));
    }
    take_step_(coming);
    switch (disturbance) {
        case scenario::wrong_acknowledgement: {
            constexpr std::array first_bytes{0x40U, 0x50U, 0x62U, 0x70U};  // PUBACK … PUBCOMP
            constexpr std::uint64_t packet_id_max = 4;
            for (std::uint32_t delay_ms = arrival_ms; delay_ms < span_ms; delay_ms += pause_ms) {
                const auto first_byte = pick(disturbs_, first_bytes);
                const auto packet_id = 1 + disturbs_.below(packet_id_max);
                send_later(delay_ms, visitor, fmt::format("{:02X}02{:04X}", first_byte, packet_id));
            }
            break;
        }
        case scenario::spoilt_connect: {
            constexpr std::uint64_t property_ids = 256;
            // MQTT 5.0, Will at QoS 0, Client Identifier "x", Will Properties of two bytes.
            send_later(arrival_ms, visitor,
                       fmt::format("101700044D5154540506003C0000017802{:02X}0000017700"
                                   "0177",
                                   disturbs_.below(property_ids)));
            break;
        }
        case scenario::overlong_length: {
            auto hex = draw_overlong(disturbs_, visitor);
            // Who has not said which version it speaks has no server that would say anything.
            const bool is_from_server = disturbs_.chance(500) && !visitor.only_raw();
            if (!is_from_server) {
                send_later(arrival_ms, visitor, std::move(hex));
                break;
            }
            auto answer = step_now();
            answer.mutable_raw_to_client()->set_client(visitor.name());
            answer.mutable_raw_to_client()->set_hex(std::move(hex));
            take_later(arrival_ms, std::move(answer));
            break;
        }
        case scenario::overrun: {
            constexpr std::uint64_t publishes_max = 12;
            const auto count = 1 + static_cast<unsigned>(disturbs_.below(publishes_max));
            std::string hex;
            for (unsigned packet_id = 1; packet_id <= count; ++packet_id) {
                hex += publish_hex(visitor, 2, packet_id, 1);
            }
            send_later(arrival_ms, visitor, std::move(hex));
            break;
        }
        case scenario::trickle: {
            constexpr std::size_t payload_size_bytes = 100;
            const auto hex = publish_hex(visitor, 1, 1, payload_size_bytes);
            for (std::uint32_t i = 0; i < hex.size() / 2; ++i) {
                const auto delay_ms = arrival_ms + i * pause_ms;
                if (delay_ms >= span_ms) break;
                send_later(delay_ms, visitor, hex.substr(2UL * i, 2));
            }
            break;
        }
        case scenario::silent_visit: {
            auto silence = step_now();
            silence.mutable_drop()->set_link(visitor.name());
            silence.mutable_drop()->set_direction(scenario::to_broker);
            silence.mutable_drop()->set_for_ms(span_ms);
            take_later(arrival_ms, std::move(silence));
            break;
        }
        default: break;  // it is there, and that is all
    }
    auto leaving = step_now();
    leaving.mutable_vanish()->set_client(visitor.name());
    take_later(arrival_ms + span_ms, std::move(leaving));
}

void Workload::send_later(std::uint32_t delay_ms, const scenario::Client& client, std::string hex) {
    auto sending = step_now();
    sending.mutable_raw()->set_client(client.name());
    sending.mutable_raw()->set_hex(std::move(hex));
    take_later(delay_ms, std::move(sending));
}

void Workload::unsubscribe_all(std::uint32_t span_ms) {
    scenario::Subscription subscription;
    draw_subscription(subscription);
    for (const auto& member : members_) {
        auto leaving = step_now();
        leaving.mutable_unsubscribe()->set_client(member.description->name());
        leaving.mutable_unsubscribe()->add_filters(subscription.filter());
        take_step_(leaving);
        const bool is_coming_back = disturbs_.chance(500);
        if (!is_coming_back) continue;
        auto coming = step_now();
        coming.mutable_subscribe()->set_client(member.description->name());
        *coming.mutable_subscribe()->add_subscriptions() = subscription;
        take_later(span_ms, std::move(coming));
    }
}

}  // namespace touchstone::simulator
