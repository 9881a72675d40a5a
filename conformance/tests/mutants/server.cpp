#include "conformance/tests/mutants/server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

#include "conformance/tests/mutants/trial.hpp"

namespace touchstone::conformance {

namespace {

/// The simulated world moves on at least so often: its timers and links have no descriptor.
constexpr int turn_ms = 1;
constexpr std::size_t read_bytes_max = 64 * 1024;

void check(bool is_good, const char* what) {
    if (!is_good) throw std::system_error{errno, std::generic_category(), what};
}

/// The next close() is a reset instead of an orderly end.
void abort_on_close(int descriptor) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace

const Mutant& mutant_named(std::string_view name) {
    static const Mutant none{.name = "none", .story = "it is as it should be"};
    if (name == none.name) return none;
    const auto& mutants = all_mutants();
    const auto found = std::ranges::find(mutants, name, &Mutant::name);
    if (found == mutants.end()) {
        throw std::invalid_argument{"no mutant '" + std::string{name} +
                                    "'; conformance/MUTANTS.md lists all"};
    }
    if (found->frames.has_value()) {
        throw std::invalid_argument{"'" + found->name + "' breaks WebSocket, and this is TCP"};
    }
    return *found;
}

/// A socket, and the connection of the simulated world that it stands for.
struct MutantServer::Client {
    int descriptor = -1;
    std::unique_ptr<Connection> connection{};
    Buffer unsent{};
    bool has_broker_ended = false;
    bool is_shut = false;  // we have sent our end, and wait for the client's
    bool is_over = false;

    Client(int socket, std::unique_ptr<Connection> behind)
        : descriptor{socket},
          connection{std::move(behind)} {}
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { close(descriptor); }
};

MutantServer::MutantServer(const Mutant& mutant, std::uint16_t port)
    : source_{make_mutant_source(mutant)},
      target_{source_->make(trial_seed)},
      listener_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)} {
    check(listener_ >= 0, "socket");
    const int yes = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    check(bind(listener_, any, size) == 0, "bind");
    check(listen(listener_, SOMAXCONN) == 0, "listen");
    check(getsockname(listener_, any, &size) == 0, "getsockname");
    port_ = ntohs(address.sin_port);
}

MutantServer::~MutantServer() {
    close(listener_);
}

void MutantServer::serve(const std::atomic<bool>& is_stopped) {
    using Clock = std::chrono::steady_clock;
    const auto began = Clock::now();
    const auto virtual_began = target_->now();
    while (!is_stopped) {
        std::vector<pollfd> watched{{.fd = listener_, .events = POLLIN, .revents = 0}};
        for (const auto& client : clients_) {
            const bool has_output = !client->unsent.empty();
            watched.push_back({.fd = client->descriptor,
                               .events = static_cast<short>(POLLIN | (has_output ? POLLOUT : 0)),
                               .revents = 0});
        }
        poll(watched.data(), watched.size(), turn_ms);
        for (std::size_t i = 0; i < clients_.size(); ++i) {
            if (watched[i + 1].revents != 0) take_input(*clients_[i]);
        }
        if (watched[0].revents != 0) accept_one();
        target_->pass_time_until(virtual_began +
                                 std::chrono::duration_cast<Duration>(Clock::now() - began));
        for (const auto& client : clients_) give_output(*client);
        std::erase_if(clients_, [](const auto& client) { return client->is_over; });
    }
}

void MutantServer::accept_one() {
    const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) return;  // whoever came is gone again
    const int yes = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    std::string problem;
    clients_.push_back(std::make_unique<Client>(descriptor, target_->open(problem)));
}

void MutantServer::take_input(Client& client) {
    std::array<std::byte, read_bytes_max> bytes;
    for (;;) {
        const auto count = recv(client.descriptor, bytes.data(), bytes.size(), 0);
        if (count > 0) {
            // What comes after the broker's end is read and dropped: a socket that is closed with
            // unread bytes sends a reset, which may overtake what the client has not read yet.
            if (client.has_broker_ended) continue;
            client.connection->send(Bytes{bytes.data(), static_cast<std::size_t>(count)});
            continue;
        }
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
        client.connection->close(count == 0 ? Ending::finish : Ending::abort);
        client.is_over = true;
        return;
    }
}

void MutantServer::give_output(Client& client) {
    while (!client.is_over && !client.has_broker_ended) {
        const auto arrival = client.connection->receive(client.unsent, target_->now());
        if (arrival == Arrival::bytes) continue;
        if (arrival == Arrival::deadline) break;
        client.has_broker_ended = true;
        if (arrival != Arrival::reset) break;
        abort_on_close(client.descriptor);
        client.is_over = true;
    }
    if (client.is_over) return;
    if (!client.unsent.empty()) {
        const auto count = send(client.descriptor, client.unsent.data(), client.unsent.size(),
                                MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0) {
            client.is_over = errno != EAGAIN && errno != EINTR;
            return;
        }
        client.unsent.erase(client.unsent.begin(), client.unsent.begin() + count);
    }
    if (client.has_broker_ended && client.unsent.empty() && !client.is_shut) {
        client.is_shut = true;
        shutdown(client.descriptor, SHUT_WR);
    }
}

}  // namespace touchstone::conformance
