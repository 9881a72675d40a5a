// Where a live run goes: `mqtt://HOST[:PORT]`, resolved to an address of the operating system.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace touchstone::simulator::live {

struct Target {
    std::string url;  // as given
    std::string host;
    std::uint16_t port = 1883;
};

/// The target that `url` names; else what is wrong with it and what to write instead, in one line.
[[nodiscard]] std::variant<Target, std::string> target_of(std::string_view url);

/// One address of a target.
struct Address {
    sockaddr_storage storage{};
    socklen_t size_bytes = 0;
};

/// The first address of the host. Else why there is none, in one line.
[[nodiscard]] std::variant<Address, std::string> resolve(const Target& target);

}  // namespace touchstone::simulator::live
