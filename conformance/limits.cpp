#include "conformance/limits.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "conformance/suite/report.hpp"

namespace touchstone::conformance {

namespace {

/// The value of a field as it stands in the file; "nothing" when it is absent.
std::string text_of(const Limits& limits, const google::protobuf::FieldDescriptor& field) {
    const auto& reflection = *limits.GetReflection();
    if (!reflection.HasField(limits, &field)) return "nothing";
    if (field.cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_BOOL) {
        return reflection.GetBool(limits, &field) ? "true" : "false";
    }
    return std::to_string(reflection.GetUInt32(limits, &field));
}

}  // namespace

Limits to_limits(const Capabilities& capabilities) {
    Limits limits;
    limits.set_maximum_qos(capabilities.maximum_qos);
    limits.set_retain_available(capabilities.retain_available);
    limits.set_wildcard_subscription_available(capabilities.wildcards_available);
    limits.set_subscription_identifiers_available(capabilities.subscription_identifiers_available);
    limits.set_shared_subscription_available(capabilities.shared_subscriptions_available);
    limits.set_receive_maximum(capabilities.receive_maximum);
    limits.set_topic_alias_maximum(capabilities.topic_alias_maximum);
    if (const auto size = capabilities.maximum_packet_size_bytes) {
        limits.set_maximum_packet_size_bytes(*size);
    }
    if (const auto keep_alive = capabilities.server_keep_alive_s) {
        limits.set_server_keep_alive_s(*keep_alive);
    }
    limits.set_session_expiry_s_max(capabilities.session_expiry_s_max);
    return limits;
}

Capabilities to_capabilities(const Limits& limits) {
    Capabilities known;
    const auto take = [](bool is_there, auto value, auto& into) {
        if (is_there) into = static_cast<std::remove_reference_t<decltype(into)>>(value);
    };
    take(limits.has_maximum_qos(), limits.maximum_qos(), known.maximum_qos);
    take(limits.has_retain_available(), limits.retain_available(), known.retain_available);
    take(limits.has_wildcard_subscription_available(), limits.wildcard_subscription_available(),
         known.wildcards_available);
    take(limits.has_subscription_identifiers_available(),
         limits.subscription_identifiers_available(), known.subscription_identifiers_available);
    take(limits.has_shared_subscription_available(), limits.shared_subscription_available(),
         known.shared_subscriptions_available);
    take(limits.has_receive_maximum(), limits.receive_maximum(), known.receive_maximum);
    take(limits.has_topic_alias_maximum(), limits.topic_alias_maximum(), known.topic_alias_maximum);
    take(limits.has_session_expiry_s_max(), limits.session_expiry_s_max(),
         known.session_expiry_s_max);
    if (limits.has_maximum_packet_size_bytes()) {
        known.maximum_packet_size_bytes = limits.maximum_packet_size_bytes();
    }
    if (limits.has_server_keep_alive_s()) {
        known.server_keep_alive_s = static_cast<std::uint16_t>(limits.server_keep_alive_s());
    }
    return known;
}

void add_declared_facts(const Broker& broker, results::Run& run) {
    for (const auto& observation : broker.observations()) {
        add_fact(run, observation.name(), observation.value(), "observed");
    }
    if (broker.has_credentials()) add_fact(run, "users", "the suite was one", "declared");
    if (broker.has_guarded())
        add_fact(run, "set up with users and access rules", "yes", "declared");
    if (broker.has_reduced()) add_fact(run, "set up with small limits", "yes", "declared");
}

std::vector<std::string> contradictions(const Limits& declared, const Capabilities& announced) {
    std::vector<std::string> lines;
    if (!announced.speaks_v5) return lines;
    const auto seen = to_limits(announced);
    const auto* const type = Limits::descriptor();
    for (int i = 0; i < type->field_count(); ++i) {
        const auto& field = *type->field(i);
        const auto said = text_of(declared, field);
        if (said == "nothing" || said == text_of(seen, field)) continue;
        lines.push_back("the file says " + field.name() + " " + said + ", the CONNACK " +
                        text_of(seen, field));
    }
    return lines;
}

}  // namespace touchstone::conformance
