// Who has subscribed to what: the part of History that SUBSCRIBE and UNSUBSCRIBE decide.

#include <algorithm>

#include "broker/wire/topics.hpp"
#include "simulator/checkers/history.hpp"

namespace touchstone::simulator {

namespace {

/// `$share/…` has its meaning for clients of every version; v3.1.1 knows no malformed one.
std::optional<wire::SharedFilter> shared_of(std::string_view filter) {
    return wire::is_shared(filter) ? wire::split_shared(filter) : std::nullopt;
}

/// Whether the UNSUBSCRIBE at `one.entry` has ended the subscription.
bool is_ended_by(const SubscriptionHistory& subscription, const auto& one) {
    const auto shared = shared_of(one.text);
    return subscription.end_entry == one.entry &&
           subscription.filter == (shared ? shared->filter : std::string_view{one.text}) &&
           subscription.share_name == (shared ? shared->share_name : std::string_view{});
}

}  // namespace

void History::on_suback(const Trace& trace, std::size_t entry, const TracedPacket& packet) {
    auto& connection = connections[packet.connection.raw()];
    const auto asked = subscribes_.find({packet.connection, packet.packet_id});
    if (asked == subscribes_.end() || connection.session == no_session) return;
    const auto suback = wire::decode_suback(trace.frame_of(packet), connection.version).value();
    const auto& request = trace.packets[asked->second.packet];
    const auto subscribe =
        wire::decode_subscribe(trace.frame_of(request), connection.version).value();
    auto& subscriptions = sessions[connection.session].subscriptions;
    std::size_t position = 0;
    subscribe.for_each([&](const wire::Subscription& subscription) {
        if (position >= suback.reasons.size()) return;
        const auto code = static_cast<std::uint8_t>(suback.reasons[position++]);
        if (code > 2) return;
        SubscriptionHistory granted{.filter = std::string{subscription.filter},
                                    .options = subscription.options,
                                    .granted = static_cast<QoS>(code),
                                    .requested_entry = asked->second.entry,
                                    .granted_entry = entry};
        if (const auto shared = shared_of(subscription.filter)) {
            granted.is_shared = true;
            granted.share_name = shared->share_name;
            granted.filter = shared->filter;
        }
        for (auto& earlier : subscriptions) {
            if (earlier.end_entry == no_entry && earlier.filter == granted.filter &&
                earlier.share_name == granted.share_name) {
                earlier.end_entry = entry;
            }
        }
        // The SUBACK may have waited for the disk, and an UNSUBSCRIBE have come meanwhile.
        const auto ended = std::ranges::find_if(unsubscribed_, [&](const Unsubscribed& one) {
            return one.entry > asked->second.entry && one.connection == packet.connection &&
                   one.text == subscription.filter;
        });
        if (ended != unsubscribed_.end()) granted.end_entry = ended->entry;
        subscriptions.push_back(std::move(granted));
    });
    subscribes_.erase(asked);
}

void History::on_unsubscribe(const Trace& trace, std::size_t entry, const TracedPacket& packet) {
    auto& connection = connections[packet.connection.raw()];
    if (connection.session == no_session) return;
    const auto unsubscribe =
        wire::decode_unsubscribe(trace.frame_of(packet), connection.version).value();
    unsubscribe.for_each([&](std::string_view text) {
        unsubscribed_.push_back({entry, packet.connection, packet.packet_id, std::string{text}});
        const auto shared = shared_of(text);
        const auto filter = shared ? shared->filter : text;
        for (auto& one : sessions[connection.session].subscriptions) {
            if (one.end_entry == no_entry && one.filter == filter &&
                one.share_name == (shared ? shared->share_name : std::string_view{})) {
                one.end_entry = entry;
            }
        }
    });
}

void History::on_unsuback(const Trace& trace, const TracedPacket& packet) {
    const auto& connection = of(packet.connection);
    if (connection.session == no_session) return;
    const auto unsuback = wire::decode_unsuback(trace.frame_of(packet), connection.version).value();
    std::size_t position = 0;
    // All that was to be subscribed before is answered too, so nobody asks for these any more.
    std::erase_if(unsubscribed_, [&](const Unsubscribed& one) {
        if (one.connection != packet.connection || one.packet_id != packet.packet_id) return false;
        const bool is_refused = position < unsuback.reasons.size() &&
                                is_failure(static_cast<ReasonCode>(unsuback.reasons[position++]));
        if (!is_refused) return true;
        for (auto& kept : sessions[connection.session].subscriptions)
            if (is_ended_by(kept, one)) kept.end_entry = no_entry;
        return true;
    });
}

bool History::may_have_waited(ConnectionNumber number, std::size_t entry) const {
    if (of(number).end_entry == no_entry) return false;
    const bool is_behind_subscribe = std::ranges::any_of(subscribes_, [&](const auto& one) {
        return one.first.first == number && one.second.entry < entry;
    });
    return is_behind_subscribe || std::ranges::any_of(unsubscribed_, [&](const auto& one) {
               return one.connection == number && one.entry < entry;
           });
}

void History::keep_unanswered(const Trace& trace, ConnectionNumber number) {
    const auto& connection = of(number);
    if (!connection.is_durable || connection.session == no_session) return;
    auto& subscriptions = sessions[connection.session].subscriptions;
    for (auto asked = subscribes_.lower_bound({number, 0});
         asked != subscribes_.end() && asked->first.first == number;
         asked = subscribes_.erase(asked)) {
        const auto subscribe =
            wire::decode_subscribe(trace.frame_of(trace.packets[asked->second.packet]),
                                   connection.version)
                .value();
        subscribe.for_each([&](const wire::Subscription& one) {
            SubscriptionHistory possible{.filter = std::string{one.filter},
                                         .options = one.options,
                                         .granted = one.options.qos,
                                         .requested_entry = asked->second.entry};
            const auto shared = shared_of(one.filter);
            const bool is_malformed = wire::is_shared(one.filter) && !shared;
            if (is_malformed && connection.version == ProtocolVersion::v5) return;
            if (shared) {
                possible.is_shared = true;
                possible.share_name = shared->share_name;
                possible.filter = shared->filter;
            }
            for (auto& earlier : subscriptions) {
                if (earlier.end_entry == no_entry && earlier.filter == possible.filter &&
                    earlier.share_name == possible.share_name) {
                    earlier.end_entry = possible.requested_entry;
                }
            }
            subscriptions.push_back(std::move(possible));
        });
    }
    // What was to be unsubscribed may still be there.
    for (const auto& one : unsubscribed_) {
        if (one.connection != number) continue;
        for (std::size_t i = 0; i < subscriptions.size(); ++i) {
            if (!is_ended_by(subscriptions[i], one)) continue;
            auto possible = subscriptions[i];
            possible.granted_entry = no_entry;
            possible.end_entry = no_entry;
            subscriptions.push_back(std::move(possible));
        }
    }
}

void History::inherit(const Trace& trace, SessionHistory& session, Instant since) {
    std::vector<SubscriptionHistory> possible;
    for (const auto& earlier : sessions) {
        const bool is_its = &earlier != &session && earlier.node == session.node &&
                            earlier.client_id == session.client_id;
        const bool was_over =
            earlier.end_entry != no_entry && trace.entries[earlier.end_entry].at < since;
        if (!is_its || was_over) continue;
        for (auto one : earlier.subscriptions) {
            one.granted_entry = no_entry;
            one.end_entry = no_entry;
            possible.push_back(std::move(one));
        }
    }
    session.subscriptions = std::move(possible);
}

std::vector<const SubscriptionHistory*>
History::matching(std::uint32_t session, std::string_view topic, std::size_t entry) const {
    std::vector<const SubscriptionHistory*> found;
    for (const auto& one : sessions[session].subscriptions) {
        if (one.is_shared || one.granted_entry >= entry || one.end_entry < entry) continue;
        if (wire::matches(one.filter, topic)) found.push_back(&one);
    }
    return found;
}

std::vector<const SubscriptionHistory*> History::ever_matching(std::uint32_t session,
                                                               std::string_view topic) const {
    std::vector<const SubscriptionHistory*> found;
    for (const auto& one : sessions[session].subscriptions) {
        if (wire::matches(one.filter, topic)) found.push_back(&one);
    }
    return found;
}

}  // namespace touchstone::simulator
