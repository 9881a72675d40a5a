// An MQTT 3.1.1 client that does one thing after the other and waits for each answer: it holds what
// memory is measured by. Everything throws CannotMeasure with a line that says what is wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "broker/wire/packets.hpp"
#include "load/socket.hpp"
#include "load/workload.hpp"

namespace touchstone::planner {

class CannotMeasure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The machine was too busy with others for this measurement; the next one may be possible.
class MachineTooBusy : public CannotMeasure {
public:
    using CannotMeasure::CannotMeasure;
};

struct PlainMessage {
    std::string topic;
    std::string payload;
    bool retain = false;
};

class PlainClient {
public:
    /// Connects, with credentials of the target, and asks to be let in. Many may be under way at
    /// the same time; nothing else is done before enter().
    PlainClient(const load::Target& target, const load::Address& address, const std::string& id,
                bool is_clean);
    /// Has been let in when this returns.
    void enter();

    /// At QoS 1.
    void subscribe(const std::vector<std::string>& filters);
    /// At QoS 1, a few at a time; all are acknowledged when this returns.
    void publish(const std::vector<PlainMessage>& messages);
    void disconnect();
    /// The payload of the first message that comes within `patience_s`.
    [[nodiscard]] std::optional<std::string> await_message(double patience_s);

private:
    void send(Bytes bytes);
    /// Takes packets until `wanted` says that one is it. False: none came in time.
    bool take_until(const std::function<bool(const wire::Frame&)>& wanted, double patience_s);

    load::Handle socket_;
    Buffer packet_;
    Buffer received_;
    std::size_t received_size_ = 0;
    std::uint16_t next_packet_id_ = 1;
};

/// As many files as this process may open.
void raise_open_files();

}  // namespace touchstone::planner
