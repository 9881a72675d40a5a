#include "simulator/live/target.hpp"

#include <fmt/format.h>
#include <netdb.h>

#include <charconv>
#include <cstring>

namespace touchstone::simulator::live {

std::variant<Target, std::string> target_of(std::string_view url) {
    constexpr std::string_view scheme = "mqtt://";
    const auto wrong = [&](std::string_view why) {
        return fmt::format("--live {}: {}; write mqtt://HOST:PORT, e.g. mqtt://127.0.0.1:1883", url,
                           why);
    };
    if (url.starts_with("mqtts://") || url.starts_with("ws")) {
        return wrong("only plain TCP is spoken here, as the links between client and broker are "
                     "made of bytes; use a listener without TLS or WebSocket");
    }
    if (!url.starts_with(scheme)) return wrong("that is no mqtt:// address");
    std::string_view rest = url.substr(scheme.size());
    if (rest.ends_with('/')) rest.remove_suffix(1);
    if (rest.find('@') != std::string_view::npos) {
        return wrong("credentials are not taken from the address; let the broker serve anonymous "
                     "clients for the run");
    }
    Target target{.url = std::string{url}, .host = {}};
    std::string_view port;
    if (rest.starts_with('[')) {
        const auto end = rest.find(']');
        if (end == std::string_view::npos) return wrong("the address of IPv6 is not closed by ]");
        target.host = rest.substr(1, end - 1);
        port = rest.substr(end + 1);
    } else {
        const auto colon = rest.find(':');
        target.host = rest.substr(0, colon);
        if (colon != std::string_view::npos) port = rest.substr(colon);
    }
    if (target.host.empty()) return wrong("the host is missing");
    if (port.empty()) return target;
    const auto* const end = port.data() + port.size();
    const auto parsed = std::from_chars(port.data() + 1, end, target.port);
    if (port.front() != ':' || parsed.ec != std::errc{} || parsed.ptr != end || target.port == 0) {
        return wrong("the port is no number from 1 to 65535");
    }
    return target;
}

std::variant<Address, std::string> resolve(const Target& target) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failed =
        getaddrinfo(target.host.c_str(), std::to_string(target.port).c_str(), &hints, &found);
    if (failed != 0) {
        return fmt::format("{}: {}; give the address of a broker that runs", target.url,
                           gai_strerror(failed));
    }
    Address address;
    address.size_bytes = found->ai_addrlen;
    std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return address;
}

}  // namespace touchstone::simulator::live
