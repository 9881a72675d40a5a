// Courier: one plain connection to the broker of a live run, outside of the run: asks whether
// clients get in before it begins, and tidies up when it is over. Waits for what it asks, but never
// for long.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "broker/base/instant.hpp"
#include "broker/base/mqtt.hpp"
#include "simulator/live/socket.hpp"

namespace touchstone::simulator::live {

class Courier {
public:
    /// A connection that has sent CONNECT with Clean Start and was accepted. Else why not: one line
    /// that names `url` and the remedy. Whatever session the client had has ended.
    static std::variant<Courier, std::string> come_in(const Address& address, std::string_view url,
                                                      ProtocolVersion version,
                                                      std::string_view client_id);

    /// Deletes the Retained Messages of the topics.
    void clear(std::span<const std::string> topics);
    /// DISCONNECT, and the end of the connection, so that all before has been carried out.
    void leave();

private:
    Courier(Socket socket, ProtocolVersion version)
        : socket_{std::move(socket)},
          version_{version} {}

    /// Until all is written, or nothing more can be.
    void send(Buffer bytes);
    /// Reads on. `waits` when nothing came in time.
    Socket::Outcome receive(Buffer& bytes);

    Socket socket_;
    ProtocolVersion version_;
};

}  // namespace touchstone::simulator::live
