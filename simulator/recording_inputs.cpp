#include "simulator/recording_inputs.hpp"

#include <algorithm>
#include <limits>
#include <string_view>
#include <variant>

#include "broker/router/router.hpp"
#include "broker/wire/primitives.hpp"
#include "broker/wire/properties.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone::simulator {

namespace {

/// Of every text and of binary data in a packet (§1.5.4, §1.5.6).
constexpr std::size_t text_bytes_max = std::numeric_limits<std::uint16_t>::max();
/// Of texts that an operator writes, which become parts of others.
constexpr std::size_t setting_bytes_max = 4'096;
constexpr Duration span_max{std::numeric_limits<Duration::rep>::max() / 8};

bool is_span(Duration span) {
    return span >= Duration::zero() && span <= span_max;
}

bool is_usable(const Settings& settings) {
    return settings.packet_id_max >= 1 && settings.inflight_max >= 1 &&
           settings.receive_maximum >= 1 && settings.packet_size_bytes_max >= 1 &&
           settings.packet_size_bytes_max <= wire::packet_size_bytes_max &&
           is_span(settings.connect_timeout) && is_span(settings.retry_interval) &&
           settings.response_topic_prefix.size() <= setting_bytes_max;
}

bool is_usable(const access::ZonePolicy& policy) {
    const auto& limit = policy.publish_limit;
    const bool is_rate = !limit || (limit->per_second >= 1 && limit->per_second <= limit->burst &&
                                    limit->burst <= access::Rate::most);
    const bool is_threshold =
        !policy.flapping || (policy.flapping->changes_max >= 1 && is_span(policy.flapping->window));
    const bool is_cache = !policy.access_cache || is_span(policy.access_cache->life);
    return is_rate && is_threshold && is_cache && is_span(policy.flapping_ban);
}

bool is_route(const std::string& filter, const std::string& share_name) {
    if (share_name.empty()) return wire::is_topic_filter(filter);
    const auto text = wire::shared_text(share_name, filter);
    const auto shared = wire::split_shared(text);
    return text.size() <= text_bytes_max && shared && shared->share_name == share_name &&
           shared->filter == filter;
}

}  // namespace

bool is_usable(Instant instant) {
    return instant >= Instant{} && instant.time_since_epoch() <= span_max;
}

bool are_usable(const access::NodeRules& rules, bool has_authentication) {
    const bool asks = rules.has_credentials || !rules.authentication_method.empty();
    const auto& policy = rules.policy;
    return !rules.zones.empty() && !rules.listeners.empty() && (has_authentication || !asks) &&
           rules.authentication_method.size() <= text_bytes_max &&
           policy.node_name.size() <= setting_bytes_max && is_span(policy.sys_interval) &&
           is_span(policy.sys_heartbeat) &&
           std::ranges::all_of(rules.zones,
                               [](const access::Zone& zone) {
                                   return is_usable(zone.settings) && is_usable(zone.policy);
                               }) &&
           std::ranges::all_of(rules.listeners, [&](const access::ListenerRules& listener) {
               return listener.zone.raw() < rules.zones.size();
           });
}

bool is_usable(const MessageRef& message) {
    if (!message || !wire::is_topic_name(message->topic())) return false;
    const bool expires = message->expires_at() != never;
    if (expires && !is_usable(message->expires_at())) return false;
    const auto properties = message->properties();
    constexpr std::size_t others_bytes_max = 1'024;  // the header, lengths and what a server adds
    const auto size_bytes =
        message->topic().size() + properties.size() + message->payload().size() + others_bytes_max;
    if (size_bytes > wire::packet_size_bytes_max) return false;
    Buffer encoded;
    wire::put_variable_byte_integer(encoded, static_cast<std::uint32_t>(properties.size()));
    append(encoded, properties);
    Bytes rest = encoded;
    return wire::Properties::take(rest, wire::PropertyPlace::publish).has_value() && rest.empty();
}

bool is_usable(const AuthenticationAnswer& answer) {
    return answer.data.size() <= text_bytes_max && answer.user_name.size() <= text_bytes_max;
}

bool is_usable(const access::Origin& origin) {
    return origin.certificate_user_name.size() <= text_bytes_max;
}

bool PeerLetters::may_have(const PeerReceipt& receipt) const {
    return has_storage_ || !receipt.is_stored;
}

bool PeerLetters::take(ShardIndex from, const PeerMessage& message) {
    return std::visit(
        [&]<class T>(const T& one) {
            if constexpr (std::is_same_v<T, PeerPublication>) {
                return is_usable(one.message) && may_have(one.receipt);
            } else if constexpr (std::is_same_v<T, PeerSharedPublication>) {
                const auto name = FilterName::parse(one.group, true);
                return is_usable(one.message) && may_have(one.receipt) && name &&
                       !name->share_name.empty();
            } else if constexpr (std::is_same_v<T, PeerAddRoute>) {
                if (!is_route(one.filter, one.share_name)) return false;
                routes_.emplace(from, one.filter, one.share_name);
                return true;
            } else if constexpr (std::is_same_v<T, PeerRouteAdded>) {
                return true;
            } else if constexpr (std::is_same_v<T, PeerRemoveRoute>) {
                return routes_.erase({from, one.filter, one.share_name}) != 0;
            } else if constexpr (std::is_same_v<T, PeerGroupSize>) {
                return one.members >= 1;
            } else if constexpr (std::is_same_v<T, PeerStored>) {
                return has_storage_;
            } else if constexpr (std::is_same_v<T, PeerRetained>) {
                return is_usable(one.message);
            } else if constexpr (std::is_same_v<T, PeerReadiness>) {
                return false;  // a gateway's, and members of clusters are not recorded
            } else {
                static_assert(std::is_same_v<T, PeerRecovered>);
                constexpr auto number_max = std::numeric_limits<std::int64_t>::max();
                return has_storage_ && one.last_taken <= static_cast<std::uint64_t>(number_max) &&
                       recovered_.size() + 1 < shard_count_ && recovered_.insert(from).second;
            }
        },
        message);
}

}  // namespace touchstone::simulator
