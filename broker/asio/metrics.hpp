// Metrics: a node's figures in Prometheus' text format over HTTP. The counters are plain integers
// of the shards; a scrape asks each shard's thread for them, so counting costs nothing but an
// addition.
#pragma once

#include <memory>

#include "broker/asio/endpoint.hpp"

namespace touchstone::asio_driver {

class Node;

class Metrics {
public:
    /// Serves http://`wanted`/metrics about `node`, which outlives it.
    /// Errors: OperatorError.
    Metrics(const Endpoint& wanted, Node& node);
    ~Metrics();

    /// Where it listens, with the real port.
    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

private:
    class Server;
    Endpoint endpoint_;
    std::unique_ptr<Server> server_;
};

}  // namespace touchstone::asio_driver
