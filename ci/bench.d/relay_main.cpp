// bench_relay: the floor under any broker of one thread on this machine. It answers CONNECT,
// SUBSCRIBE, PINGREQ and DISCONNECT, but of a PUBLISH it only finds the end, and copies whole
// packets from the publisher's socket to those subscribed to exactly the same topic. No sessions,
// no topic tree, no limits, no timers. QoS 1: PUBACK to the publisher at once, the packet as it is
// to the subscribers, whose PUBACK is dropped. Trusts its clients: for bench_load only.
//
//   bench_relay PORT_FILE     "127.0.0.1:PORT" is written there when it listens
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace touchstone::bench {
namespace {

constexpr std::size_t input_bytes = 256 * 1024;
constexpr int listen_backlog = 4096;

volatile std::sig_atomic_t stopped = 0;

struct Topic;

struct Connection {
    int descriptor = -1;
    bool is_marked = false;
    bool waits_writable = false;
    bool is_disconnected = false;
    Topic* topic = nullptr;  // of its last PUBLISH: a publisher has only one
    std::string unread;
    std::string unwritten;
};

struct Topic {
    std::vector<Connection*> subscribers;
};

unsigned u8_at(std::string_view bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at]);
}

std::size_t u16_at(std::string_view bytes, std::size_t at) {
    return std::size_t{u8_at(bytes, at)} << 8U | u8_at(bytes, at + 1);
}

class Relay {
public:
    explicit Relay(int listener) : listener_{listener}, epoll_{epoll_create1(EPOLL_CLOEXEC)} {
        epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
        epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
    }

    void run() {
        while (stopped == 0) {
            const int ready =
                epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), -1);
            for (int index = 0; index < ready; ++index) {
                const auto& event = events_[static_cast<std::size_t>(index)];
                if (event.data.ptr == nullptr) {
                    accept_all();
                } else {
                    on_ready(*static_cast<Connection*>(event.data.ptr), event.events);
                }
            }
            write_marked();
        }
    }

private:
    void accept_all() {
        for (;;) {
            const int descriptor =
                accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (descriptor < 0) return;
            const int yes = 1;
            setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            const auto index = static_cast<std::size_t>(descriptor);
            if (index >= connections_.size()) connections_.resize(index + 256);
            auto& connection = connections_[index];
            if (!connection) connection = std::make_unique<Connection>();
            connection->descriptor = descriptor;
            epoll_event event{.events = EPOLLIN, .data = {.ptr = connection.get()}};
            epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event);
        }
    }

    void on_ready(Connection& connection, std::uint32_t events) {
        if (connection.descriptor < 0) return;
        if ((events & EPOLLOUT) != 0) mark(connection);
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
        const auto size = recv(connection.descriptor, input_.data(), input_.size(), 0);
        if (size > 0) {
            take({input_.data(), static_cast<std::size_t>(size)}, connection);
        } else if (size == 0 || errno != EAGAIN) {
            drop(connection);
        }
    }

    void take(std::string_view bytes, Connection& connection) {
        if (connection.unread.empty()) {
            connection.unread = take_packets(connection, bytes);
        } else {
            connection.unread += bytes;
            connection.unread = std::string{take_packets(connection, connection.unread)};
        }
        if (connection.is_disconnected) drop(connection);
    }

    /// Returns the bytes of the packet that is incomplete.
    std::string_view take_packets(Connection& connection, std::string_view bytes) {
        // PUBLISHes for the same topic one after the other are copied as one piece.
        const char* piece = nullptr;
        Topic* piece_topic = nullptr;
        const auto copy_piece = [&](const char* end) {
            if (piece_topic == nullptr) return;
            for (auto* const subscriber : piece_topic->subscribers) {
                subscriber->unwritten.append(piece, static_cast<std::size_t>(end - piece));
                mark(*subscriber);
            }
            piece_topic = nullptr;
        };
        while (bytes.size() >= 2) {
            std::size_t length = 0;
            std::size_t head = 1;
            unsigned digit = 128;
            for (; head < bytes.size() && head < 5 && digit >= 128; ++head) {
                digit = u8_at(bytes, head);
                length |= std::size_t{digit & 127U} << (7 * (head - 1));
            }
            if (digit >= 128 || bytes.size() < head + length) break;
            const auto body = bytes.substr(head, length);
            if (u8_at(bytes, 0) >> 4U == 3) {
                auto* const topic = topic_of(connection, body);
                if (topic != piece_topic) {
                    copy_piece(bytes.data());
                    piece = bytes.data();
                    piece_topic = topic;
                }
                if ((u8_at(bytes, 0) & 6U) != 0) {
                    answer(connection, {"\x40\x02", 2}, body.substr(2 + u16_at(body, 0), 2));
                }
            } else {
                copy_piece(bytes.data());
                on_other_packet(connection, u8_at(bytes, 0) >> 4U, body);
            }
            bytes.remove_prefix(head + length);
        }
        copy_piece(bytes.data());
        return bytes;
    }

    Topic* topic_of(Connection& connection, std::string_view body) {
        if (connection.topic == nullptr) {
            connection.topic = &topics_[std::string{body.substr(2, u16_at(body, 0))}];
        }
        return connection.topic;
    }

    void on_other_packet(Connection& connection, unsigned type, std::string_view body) {
        if (type == 1) answer(connection, {"\x20\x02\x00\x00", 4});
        if (type == 8) {
            const auto length = u16_at(body, 2);
            topics_[std::string{body.substr(4, length)}].subscribers.push_back(&connection);
            answer(connection, {"\x90\x03", 2}, body.substr(0, 2));
            answer(connection, body.substr(4 + length, 1));
        }
        if (type == 12) answer(connection, {"\xd0\x00", 2});
        if (type == 14) connection.is_disconnected = true;
    }

    void answer(Connection& connection, std::string_view bytes, std::string_view more = {}) {
        connection.unwritten.append(bytes).append(more);
        mark(connection);
    }

    void mark(Connection& connection) {
        if (connection.is_marked) return;
        connection.is_marked = true;
        marked_.push_back(&connection);
    }

    void write_marked() {
        for (auto* const connection : marked_) {
            connection->is_marked = false;
            if (connection->descriptor >= 0 && !connection->unwritten.empty()) write(*connection);
        }
        marked_.clear();
    }

    void write(Connection& connection) {
        auto& bytes = connection.unwritten;
        auto size = send(connection.descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN) return drop(connection);
        bytes.erase(0, size < 0 ? 0 : static_cast<std::size_t>(size));
        if (bytes.empty() != connection.waits_writable) return;
        connection.waits_writable = !bytes.empty();
        epoll_event event{.events = EPOLLIN | (connection.waits_writable ? EPOLLOUT : 0U),
                          .data = {.ptr = &connection}};
        epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.descriptor, &event);
    }

    void drop(Connection& connection) {
        for (auto& [name, topic] : topics_) std::erase(topic.subscribers, &connection);
        close(connection.descriptor);
        // It may be marked still, and is used again for the next with that descriptor.
        connection = Connection{.is_marked = connection.is_marked};
    }

    int listener_;
    int epoll_;
    std::unordered_map<std::string, Topic> topics_;
    std::vector<std::unique_ptr<Connection>> connections_;  // by descriptor
    std::vector<Connection*> marked_;
    std::vector<epoll_event> events_ = std::vector<epoll_event>(1024);
    std::vector<char> input_ = std::vector<char>(input_bytes);
};

int serve(const char* port_file) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    // Without SA_RESTART, so that the wait ends.
    struct sigaction action {};
    action.sa_handler = [](int) { stopped = 1; };
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);

    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener, any, sizeof address) != 0 || listen(listener, listen_backlog) != 0 ||
        getsockname(listener, any, &size) != 0) {
        std::perror("bench_relay: listen");
        return 3;
    }
    std::ofstream{port_file} << "127.0.0.1:" << ntohs(address.sin_port) << '\n';
    Relay{listener}.run();
    return 0;
}

}  // namespace
}  // namespace touchstone::bench

int main(int argument_count, char** arguments) {
    if (argument_count != 2) {
        std::fputs("usage: bench_relay PORT_FILE\n", stderr);
        return 2;
    }
    return touchstone::bench::serve(arguments[1]);
}
