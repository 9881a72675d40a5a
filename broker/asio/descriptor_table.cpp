#include "broker/asio/descriptor_table.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "broker/asio/endpoint.hpp"

namespace touchstone::asio_driver {

namespace {

constexpr unsigned first_beyond_standard_streams = 3;
constexpr unsigned last_number = ~0U;
/// For what libraries open and close in passing.
constexpr std::size_t spare_places = 4;

/// What a message says besides its descriptors, of which some may be lost.
struct Head {
    unsigned from;
    unsigned count;
};

std::string last_error() {
    return std::generic_category().message(errno);
}

void leave() {
    if (is_descriptor_table_watched) return;
    if (unshare(CLONE_FILES) == 0) return;
    // Sandboxes of containers forbid unshare() because of all else that it can do. This call can do
    // the same for descriptors, and is harmless otherwise: no descriptor has that number.
    const int error = errno;
    if (close_range(last_number, last_number, CLOSE_RANGE_UNSHARE) == 0) return;
    errno = error;
    throw OperatorError{
        "node.descriptor_tables = per_shard: the system refuses a thread a table of "
        "descriptors of its own: " +
        last_error() + "; set it to shared, or allow unshare or close_range in the sandbox"};
}

void close_numbers(unsigned first, unsigned last) {
    if (is_descriptor_table_watched) return;
    if (close_range(first, last, 0) == 0) return;
    throw OperatorError{"node.descriptor_tables = per_shard: the system refuses to close_range: " +
                        last_error() + "; set it to shared, or allow the call in the sandbox"};
}

std::size_t numbers_max() {
    rlimit limit{};
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    return limit.rlim_cur;
}

bool is_open(int descriptor) {
    return fcntl(descriptor, F_GETFD) >= 0;
}

}  // namespace

std::size_t leave_shared_descriptor_table(std::vector<int> kept) {
    leave();
    std::ranges::sort(kept);
    unsigned first = first_beyond_standard_streams;
    for (const int descriptor : kept) {
        const auto number = static_cast<unsigned>(descriptor);
        if (number > first) close_numbers(first, number - 1);
        first = std::max(first, number + 1);
    }
    close_numbers(first, last_number);

    for (int stream = 0; std::cmp_less(stream, first_beyond_standard_streams); ++stream) {
        if (is_open(stream)) kept.push_back(stream);
    }
    const auto numbers = numbers_max();
    const auto used = std::ranges::count_if(
        kept, [numbers](int descriptor) { return std::cmp_less(descriptor, numbers); });
    const auto needed = static_cast<std::size_t>(used) + spare_places;
    if (numbers > needed) return numbers - needed;
    throw OperatorError{"node.descriptor_tables = per_shard: a table of " +
                        std::to_string(numbers) + " descriptors has no room for connections, as " +
                        std::to_string(needed) +
                        " are needed otherwise; raise the limit of open files (`ulimit -n`), or "
                        "set fewer node.shards"};
}

void close_own_descriptor_table() {
    close_numbers(first_beyond_standard_streams, last_number);
}

DescriptorPassage::DescriptorPassage(std::optional<int> buffer_bytes) {
    int ends[2];
    // Messages stay whole, and in order.
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        throw std::system_error{errno, std::generic_category(), "socketpair"};
    }
    sending_ = Descriptor{ends[0]};
    receiving_ = Descriptor{ends[1]};
    if (!buffer_bytes) return;
    setsockopt(sending_.raw(), SOL_SOCKET, SO_SNDBUF, &*buffer_bytes, sizeof *buffer_bytes);
}

bool DescriptorPassage::send(ShardIndex from, std::span<const int> descriptors) {
    CHECK(!descriptors.empty() && descriptors.size() <= per_message_max);
    Head head{from.raw(), static_cast<unsigned>(descriptors.size())};
    iovec piece{&head, sizeof head};
    alignas(cmsghdr) std::byte control[CMSG_SPACE(per_message_max * sizeof(int))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
    // Whatever is in the way (the buffer is full, too many of this user's descriptors are on their
    // way, no memory) may be out of it later.
    return sendmsg(sending_.raw(), &message, MSG_NOSIGNAL) == sizeof head;
}

std::optional<DescriptorPassage::Arrival> DescriptorPassage::receive() {
    Head head{};
    iovec piece{&head, sizeof head};
    alignas(cmsghdr) std::byte control[CMSG_SPACE(per_message_max * sizeof(int))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t size = 0;
    do {
        size = recvmsg(receiving_.raw(), &message, MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0) return std::nullopt;
    CHECK(size == sizeof head);

    Arrival arrival{ShardIndex{head.from}, {}};
    arrival.descriptors.reserve(head.count);
    if (const cmsghdr* const rights = CMSG_FIRSTHDR(&message)) {
        for (std::size_t at = CMSG_LEN(0); at < rights->cmsg_len; at += sizeof(int)) {
            int descriptor = -1;
            std::memcpy(&descriptor, reinterpret_cast<const std::byte*>(rights) + at,
                        sizeof descriptor);
            arrival.descriptors.emplace_back(descriptor);
        }
    }
    // The system takes them from the front; what is missing is missing at the end.
    CHECK(arrival.descriptors.size() <= head.count);
    arrival.descriptors.resize(head.count);
    return arrival;
}

}  // namespace touchstone::asio_driver
