#include "planner/measure/pace.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <thread>
#include <utility>
#include <vector>

#include "load/socket.hpp"
#include "planner/measure/windows.hpp"

namespace touchstone::planner {

namespace {

constexpr unsigned turns = 60;  // of a piece
constexpr unsigned pieces = 12;
constexpr std::size_t message_bytes = 64;

class Descriptor {
public:
    explicit Descriptor(int number) : number_{number} {}
    ~Descriptor() {
        if (number_ >= 0) close(number_);
    }
    Descriptor(Descriptor&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
    Descriptor& operator=(Descriptor&&) = delete;

    [[nodiscard]] bool is_open() const { return number_ >= 0; }
    [[nodiscard]] int number() const { return number_; }

private:
    int number_ = -1;
};

struct Connection {
    Descriptor near;
    Descriptor far;
};

/// Over loopback, as clients of a broker on this machine come.
std::optional<Connection> connect_to_self() {
    const Descriptor listener{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!listener.is_open()) return std::nullopt;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener.number(), plain, length) != 0 || listen(listener.number(), 1) != 0 ||
        getsockname(listener.number(), plain, &length) != 0) {
        return std::nullopt;
    }
    Descriptor near{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!near.is_open() || connect(near.number(), plain, length) != 0) return std::nullopt;
    Descriptor far{accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (!far.is_open()) return std::nullopt;
    for (const auto* end : {&near, &far}) {
        const int on = 1;
        setsockopt(end->number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return Connection{.near = std::move(near), .far = std::move(far)};
}

bool moves_to(int processor) {
    cpu_set_t only{};
    CPU_SET(processor, &only);
    return sched_setaffinity(0, sizeof only, &only) == 0;
}

double processor_time_s() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

using Message = std::array<char, message_bytes>;

/// As an event loop does: asks what there is, which it sleeps for, reads, and writes.
std::vector<double> answer_all(int connection, load::Nanos patience) {
    const Descriptor poller{epoll_create1(EPOLL_CLOEXEC)};
    epoll_event wanted{.events = EPOLLIN, .data = {}};
    if (!poller.is_open() || epoll_ctl(poller.number(), EPOLL_CTL_ADD, connection, &wanted) != 0) {
        return {};
    }
    std::vector<double> took_s;
    Message message{};
    for (unsigned piece = 0; piece < pieces; ++piece) {
        const double begun_s = processor_time_s();
        for (unsigned i = 0; i < turns; ++i) {
            epoll_event event{};
            const int wait_ms = static_cast<int>(patience / load::millisecond);
            if (epoll_wait(poller.number(), &event, 1, wait_ms) != 1) return {};
            const auto got = recv(connection, message.data(), message.size(), MSG_WAITALL);
            if (std::cmp_not_equal(got, message.size())) return {};
            if (send(connection, message.data(), message.size(), MSG_NOSIGNAL) != got) return {};
        }
        took_s.push_back((processor_time_s() - begun_s) / turns);
    }
    return took_s;
}

/// As a generator that never sleeps does. False: no answer in time.
bool ask_all(int connection, load::Nanos until) {
    Message message{};
    for (unsigned i = 0; i < pieces * turns; ++i) {
        if (send(connection, message.data(), message.size(), MSG_NOSIGNAL) < 0) return false;
        std::size_t got = 0;
        while (got < message.size()) {
            const auto some = recv(connection, message.data(), message.size() - got, MSG_DONTWAIT);
            if (some > 0) {
                got += static_cast<std::size_t>(some);
                continue;
            }
            if (some == 0 || errno != EAGAIN || load::clock_now() > until) return false;
        }
    }
    return true;
}

}  // namespace

std::optional<double> pace_of(ProcessorPair processors, load::Nanos patience) {
    auto connection = connect_to_self();
    if (!connection) return std::nullopt;
    const auto until = load::clock_now() + patience;
    std::vector<double> took_s;
    // The caller keeps its own processors.
    std::thread one{[&] {
        if (moves_to(processors.first)) took_s = answer_all(connection->near.number(), patience);
        // Whoever waits for more is told that there is none.
        shutdown(connection->near.number(), SHUT_RDWR);
    }};
    std::thread other{[&] {
        if (!moves_to(processors.second) || !ask_all(connection->far.number(), until)) {
            shutdown(connection->far.number(), SHUT_RDWR);
        }
    }};
    one.join();
    other.join();
    if (took_s.size() < pieces) return std::nullopt;
    return median_of(std::move(took_s));
}

std::optional<double> pace_of(std::span<const ProcessorPair> pairs) {
    if (pairs.empty()) return std::nullopt;
    double sum = 0;
    for (const auto& pair : pairs) {
        const auto pace = pace_of(pair);
        if (!pace) return std::nullopt;
        sum += *pace;
    }
    return sum / static_cast<double>(pairs.size());
}

bool is_similar_pace(double one_s, double other_s) {
    if (one_s <= 0 || other_s <= 0) return true;
    constexpr double factor_max = 1.33;
    return std::max(one_s, other_s) / std::min(one_s, other_s) <= factor_max;
}

double usual_pace(std::span<const double> paces_s) {
    std::vector<double> most;
    for (const double one : paces_s) {
        if (one <= 0) continue;
        std::vector<double> similar;
        for (const double other : paces_s) {
            if (other > 0 && is_similar_pace(one, other)) similar.push_back(other);
        }
        if (similar.size() > most.size()) most = std::move(similar);
    }
    return most.empty() ? 0 : median_of(std::move(most));
}

}  // namespace touchstone::planner
