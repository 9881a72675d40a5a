#include "load/socket.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>

#include <fmt/format.h>

namespace touchstone::load {

void Handle::close() {
    if (raw_ >= 0) ::close(raw_);
    raw_ = -1;
}

bool Address::is_loopback() const {
    if (is_v4()) {
        sockaddr_in address{};
        std::memcpy(&address, &storage, sizeof address);
        return ntohl(address.sin_addr.s_addr) >> 24U == 127;
    }
    sockaddr_in6 address{};
    std::memcpy(&address, &storage, sizeof address);
    return IN6_IS_ADDR_LOOPBACK(&address.sin6_addr) != 0;
}

std::optional<Address> resolve(const std::string& host, std::uint16_t port, std::string& problem) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (code != 0) {
        problem =
            fmt::format("{}: {}; check the name or give an address", host, gai_strerror(code));
        return std::nullopt;
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner{found, freeaddrinfo};
    Address address;
    std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
    address.size = found->ai_addrlen;
    return address;
}

std::string loopback_source(std::uint32_t n) {
    constexpr std::uint32_t per_net = 254;
    const auto host = n + 1;  // 127.0.0.1 is left to others
    return fmt::format("127.{}.{}.{}", host / per_net / 256, host / per_net % 256,
                       host % per_net + 1);
}

Handle open_connection(const Address& to, const Address* from) {
    Handle socket{::socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!socket.is_open()) return {};
    const int on = 1;
    setsockopt(socket.raw(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto failed = [&socket] {
        const int error = errno;
        socket.close();
        errno = error;
        return Handle{};
    };
    if (from != nullptr) {
        // The port is chosen by connect(), which knows that it may be used towards another target,
        // too.
        setsockopt(socket.raw(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (::bind(socket.raw(), reinterpret_cast<const sockaddr*>(&from->storage), from->size) !=
            0)
            return failed();
    }
    const int result =
        ::connect(socket.raw(), reinterpret_cast<const sockaddr*>(&to.storage), to.size);
    if (result != 0 && errno != EINPROGRESS) return failed();
    return socket;
}

std::optional<Count> shortage_of(int error) {
    switch (error) {
        case EMFILE:
        case ENFILE: return Count::files_short;
        case EADDRNOTAVAIL:
        case EADDRINUSE: return Count::ports_short;
        case ENOBUFS:
        case ENOMEM: return Count::memory_short;
        default: return std::nullopt;
    }
}

Nanos clock_now() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return Nanos{now.tv_sec} * second + now.tv_nsec;
}

}  // namespace touchstone::load
