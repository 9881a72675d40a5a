// A node's listeners: what an operator has set for each, and what its shards share about them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "broker/access/origin.hpp"
#include "broker/access/token_bucket.hpp"
#include "broker/asio/descriptor_table.hpp"
#include "broker/asio/endpoint.hpp"
#include "broker/base/instant.hpp"
#include "broker/settings/node_settings.hpp"
#include "broker/transport/tls_context.hpp"

namespace touchstone::asio_driver {

/// What a node is told about a listener.
struct ListenerOptions {
    settings::Listener settings;
    access::ListenerIndex index;  // its place in NodeRules::listeners
};

/// MQTT over TCP without limits on each of `endpoints`, all of them the listener 0 of
/// access::open_rules().
[[nodiscard]] std::vector<ListenerOptions> plain_listeners(const std::vector<Endpoint>& endpoints);

/// What shards obey about a listener. Never changed; a reload makes another one, and a connection
/// that is being prepared keeps the one it began with.
struct ListenerPlan {
    settings::Listener settings;
    std::shared_ptr<const transport::TlsContext> tls;  // null: without TLS

    /// Whether something comes before the first byte of MQTT.
    [[nodiscard]] bool has_preparation() const {
        return settings.has_proxy_header || tls != nullptr || has_web();
    }
    [[nodiscard]] bool has_web() const {
        using settings::Transport;
        return settings.transport == Transport::ws || settings.transport == Transport::wss;
    }
};

/// A listener as all shards see it. Outlives them.
class SharedListener {
public:
    SharedListener(ListeningSocket socket, access::ListenerIndex index)
        : socket_{std::move(socket)},
          index_{index} {}

    [[nodiscard]] const ListeningSocket& socket() const { return socket_; }
    [[nodiscard]] int raw() const { return socket_.socket.raw(); }
    [[nodiscard]] access::ListenerIndex index() const { return index_; }

    // From any thread.

    /// The rate of connections from now on; nothing: any.
    void set_rate(std::optional<access::Rate> rate, Instant now);
    /// A connection was accepted. Returns how long to accept no more.
    [[nodiscard]] Duration count_accepted(Instant now);

    std::atomic<std::uint64_t> connections{0};  // open now, of all shards

private:
    ListeningSocket socket_;
    access::ListenerIndex index_;
    std::atomic<bool> has_rate_{false};
    std::mutex mutex_;  // of what follows
    std::optional<access::TokenBucket> bucket_;
    Instant counted_at_;  // shards read the clock one after the other
};

/// What all shards of a node share.
struct SharedNode {
    std::vector<std::unique_ptr<SharedListener>> listeners;
    std::vector<std::unique_ptr<ShardTable>> tables;  // by shard; empty: none has one of its own
    std::atomic<std::uint64_t> connections{0};        // open now, of all listeners
};

}  // namespace touchstone::asio_driver
