#include "simulator/live/socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace touchstone::simulator::live {

namespace {

/// What the system keeps for us unread. Small, so that a client that reads slowly is one to the
/// broker, too.
constexpr int receive_buffer_bytes = 16 * 1024;

}  // namespace

Socket::Outcome Socket::outcome_of_errno() {
    is_refused_ |= errno == ECONNREFUSED;
    if (is_refused_) return Outcome::refused;
    const bool can_go_on = errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
    return can_go_on ? Outcome::waits : Outcome::broken;
}

std::optional<Socket> Socket::connect(const Address& address) {
    const int descriptor =
        socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return std::nullopt;
    Socket made{descriptor};
    const int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
               sizeof receive_buffer_bytes);
    const int failed = ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address.storage),
                                 address.size_bytes);
    if (failed == 0 || errno == EINPROGRESS) return made;
    made.is_refused_ = errno == ECONNREFUSED;
    if (!made.is_refused_) return std::nullopt;
    return made;
}

Socket::~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
}

Socket::Outcome Socket::read(Buffer& bytes, std::size_t size_bytes_max) {
    std::array<std::byte, 16 * 1024> room;
    const auto size = recv(descriptor_, room.data(), std::min(room.size(), size_bytes_max), 0);
    if (size < 0) return outcome_of_errno();
    if (size == 0) return is_refused_ ? Outcome::refused : Outcome::ended;
    append(bytes, Bytes{room}.first(static_cast<std::size_t>(size)));
    return Outcome::done;
}

Socket::Outcome Socket::write(Buffer& bytes) {
    const auto size = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0) return outcome_of_errno();
    bytes.erase(bytes.begin(), bytes.begin() + size);
    return Outcome::done;
}

void Socket::end_output() {
    shutdown(descriptor_, SHUT_WR);
}

}  // namespace touchstone::simulator::live
