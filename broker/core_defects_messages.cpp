// What goes wrong with messages when a defect switch asks for it.

#include <algorithm>

#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {

namespace {

MessageRef copy_of(const Message& message, std::string_view topic, QoS qos, bool retain) {
    return Message::make({.topic = topic,
                          .payload = message.payload(),
                          .properties = message.properties(),
                          .qos = qos,
                          .retain = retain,
                          .expires_at = message.expires_at(),
                          .publisher = message.publisher()});
}

}  // namespace

// --- QoS 2 from clients --------------------------------------------------------------------------

bool Broker::Core::spoil_qos_2(Client& client, const wire::Publish& packet) {
    const auto& defects = options_.defects;
    const auto packet_id = *packet.packet_id;
    if (defects.has(Defect::qos2_rx_ttl))
        postpone(std::chrono::seconds{300},
                 [this, packet_id, client_id = client.session.client_id()] {
                     const auto found = clients_.find(client_id);
                     if (found != clients_.end())
                         found->second->session.unreceive_qos_2(context_, packet_id);
                 });
    if (packet.dup && defects.has(Defect::qos2_drop_unseen_dup)) {
        client.session.acknowledge(context_, packet, ReasonCode::success);
        return true;
    }
    if (!defects.has(Defect::qos2_window_drop) && !defects.has(Defect::qos2_release_context_lost))
        return false;
    hold(client, packet);
    client.session.acknowledge(context_, packet, ReasonCode::success);
    return true;
}

std::optional<Broker::Core::Handled> Broker::Core::spoil_duplicate(ConnectionId id, Client& client,
                                                                   const wire::Publish& packet) {
    const auto& defects = options_.defects;
    if (defects.has(Defect::qos2_dup_rejected)) {
        client.session.acknowledge(context_, packet, ReasonCode::packet_identifier_in_use);
        return Handled::done;
    }
    if (defects.has(Defect::qos2_same_id_leak))
        defect_memory().leaked_bytes += packet.payload.size();
    const auto count =
        ++defect_memory().duplicates[{client.session.client_id(), packet.packet_id->raw()}];
    if (defects.has(Defect::qos2_dup_limit) && count > 1)
        return fail(id, ReasonCode::protocol_error);
    return std::nullopt;
}

void Broker::Core::hold(Client& client, const wire::Publish& packet) {
    auto message = Message::make({.topic = packet.topic,
                                  .payload = packet.payload,
                                  .properties = packet.properties.raw(),
                                  .qos = packet.qos,
                                  .retain = packet.retain,
                                  .publisher = client.publisher});
    defect_memory().held[{client.session.client_id(), packet.packet_id->raw()}] = {
        std::move(message), open_connection(client.session.connection()).generation};
}

void Broker::Core::release_held(Client& client, const wire::Frame& frame) {
    const auto ack = wire::decode_ack(frame, client.session.terms().version, wire::Sender::client);
    if (!ack) return;
    auto& held = defect_memory().held;
    const auto found = held.find({client.session.client_id(), ack.value().packet_id.raw()});
    if (found == held.end()) return;
    auto message = std::move(found->second.message);
    const auto generation = found->second.connection_generation;
    held.erase(found);
    if (options_.defects.has(Defect::qos2_release_context_lost) &&
        generation != open_connection(client.session.connection()).generation)
        message = copy_of(*message, message->topic(), QoS::at_most_once, false);
    Publication publication{std::move(message)};
    publish(publication, &client);
}

void Broker::Core::drop_held(const Client& client) {
    bool is_lost = false;
    std::erase_if(defect_memory().held, [&](const auto& one) {
        if (one.first.first != client.session.client_id()) return false;
        return std::exchange(is_lost, !is_lost);
    });
}

// --- Retained Messages ---------------------------------------------------------------------------

void Broker::Core::keep_retained(const MessageRef& message, RetainVersion version) {
    Publication publication{message};
    keep_retained(publication, version);
}

bool Broker::Core::spoil_retained(const MessageRef& message, RetainVersion version) {
    const auto& defects = options_.defects;
    auto& memory = defect_memory();
    if (defects.has(Defect::retain_async_single_writer)) {
        constexpr std::size_t waiting_max = 8;
        if (memory.unwritten_retained >= waiting_max) return true;
        ++memory.unwritten_retained;
        postpone(std::chrono::milliseconds{20}, [this, message, version] {
            --defect_memory().unwritten_retained;
            keep_retained(message, version);
        });
        return true;
    }
    if (version.shard == options_.self.raw()) return false;
    const std::string topic{message->topic()};
    memory.mirrored_topics.insert(topic);
    if (defects.has(Defect::retain_replication_lag)) {
        postpone(std::chrono::seconds{2},
                 [this, message, version] { keep_retained(message, version); });
        return true;
    }
    if (defects.has(Defect::retain_delete_poison)) {
        if (memory.deleted_topics.contains(topic)) return true;
        if (message->payload().empty()) memory.deleted_topics.insert(topic);
    }
    if (defects.has(Defect::retain_buffer_alias) && !message->payload().empty()) {
        // The body kept last lies in a buffer that this one is read into.
        if (!memory.last_mirrored_topic.empty() && memory.last_mirrored_topic != topic) {
            auto version_of_last = memory.last_mirrored_version;
            ++version_of_last.at_us;
            keep_retained(copy_of(*message, memory.last_mirrored_topic, message->qos(), true),
                          version_of_last);
        }
        memory.last_mirrored_topic = topic;
        memory.last_mirrored_version = version;
    }
    return false;
}

bool Broker::Core::spoil_snapshot(Client& client, const FilterName& name,
                                  wire::SubscriptionOptions options, std::uint32_t identifier) {
    const auto& defects = options_.defects;
    const bool is_late = defects.has(Defect::retain_snapshot_after_live);
    const bool is_twice = defects.has(Defect::retain_double_mirror);
    const bool is_unregistered = defects.has(Defect::retain_bypass_inflight);
    if (!is_late && !is_twice && !is_unregistered) return false;
    std::vector<MessageRef> messages;
    retained_.collect(name.filter, context_.now, messages);
    const Session::Grant grant{
        .qos = options.qos, .retain = true, .snapshot = true, .identifier = identifier};
    for (auto& message : messages) {
        if (is_late) {
            postpone(std::chrono::milliseconds{300},
                     [this, message, grant, client_id = client.session.client_id()] {
                         auto* const holder = find_connected(client_id);
                         Publication publication{message};
                         if (holder != nullptr) deliver(*holder, publication, grant);
                     });
            continue;
        }
        Publication publication{message};
        const bool has_flow = min(grant.qos, message->qos()) != QoS::at_most_once;
        if (is_unregistered && has_flow)
            client.session.send_unregistered(context_, publication, grant);
        else
            deliver(client, publication, grant);
        if (is_twice && defect_memory().mirrored_topics.contains(message->topic()))
            deliver(client, publication, grant);
    }
    return true;
}

// --- Shared Subscriptions ------------------------------------------------------------------------

bool Broker::Core::stays_behind(const FilterName& name) {
    if (name.share_name.empty()) return false;
    auto& left_at = defect_memory().left_at;
    const auto last = left_at.find(name.text);
    const bool is_at_once =
        last != left_at.end() && context_.now - last->second < std::chrono::milliseconds{1};
    left_at[std::string{name.text}] = context_.now;
    return is_at_once;
}

}  // namespace touchstone
