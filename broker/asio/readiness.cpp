#include "broker/asio/readiness.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

#include "broker/base/check.hpp"

namespace touchstone::asio_driver {

namespace {

// Edge-triggered: level-triggered events are looked at again in every wait until they are gone.
std::uint32_t events_of(Interest interest) {
    constexpr std::uint32_t always = EPOLLIN | EPOLLRDHUP | EPOLLET;
    switch (interest) {
        case Interest::read: return always;
        case Interest::read_and_write: return always | EPOLLOUT;
    }
    UNREACHABLE();
}

int control(const Descriptor& epoll, int operation, int descriptor, std::uint64_t key,
            std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = key;
    return epoll_ctl(epoll.raw(), operation, descriptor, &event);
}

void throw_if(bool failed, const char* what) {
    if (failed) throw std::system_error{errno, std::generic_category(), what};
}

}  // namespace

Readiness::Readiness()
    : epoll_{epoll_create1(EPOLL_CLOEXEC)},
      wake_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {
    throw_if(!epoll_.is_open(), "epoll_create1");
    throw_if(!wake_.is_open(), "eventfd");
    // Edge-triggered: every wake() is an edge, so nobody has to read the count away.
    throw_if(control(epoll_, EPOLL_CTL_ADD, wake_.raw(), wake_key, EPOLLIN | EPOLLET) != 0,
             "epoll_ctl");
}

bool Readiness::add(int socket, std::uint64_t key, Interest interest) {
    return control(epoll_, EPOLL_CTL_ADD, socket, key, events_of(interest)) == 0;
}

bool Readiness::change(int socket, std::uint64_t key, Interest interest) {
    return control(epoll_, EPOLL_CTL_MOD, socket, key, events_of(interest)) == 0;
}

bool Readiness::add_shared(int listener, std::uint64_t key) {
    return control(epoll_, EPOLL_CTL_ADD, listener, key, EPOLLIN | EPOLLEXCLUSIVE) == 0;
}

void Readiness::remove(int socket) {
    CHECK(epoll_ctl(epoll_.raw(), EPOLL_CTL_DEL, socket, nullptr) == 0);
}

std::span<const epoll_event> Readiness::wait(std::chrono::microseconds timeout) {
    const auto whole_ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
    const int timeout_ms =
        timeout.count() < 0 ? -1 : static_cast<int>(std::min<std::int64_t>(whole_ms, INT_MAX));
    const int count = epoll_wait(epoll_.raw(), events_, static_cast<int>(events_max), timeout_ms);
    if (count < 0) {
        throw_if(errno != EINTR, "epoll_wait");
        return {};
    }
    return {events_, static_cast<std::size_t>(count)};
}

void Readiness::wake() {
    const std::uint64_t one = 1;
    // It can only fail when the count is at its end, and then a wake-up is under way.
    [[maybe_unused]] const auto written = write(wake_.raw(), &one, sizeof one);
}

}  // namespace touchstone::asio_driver
