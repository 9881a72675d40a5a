// bench_crowd: more connections than a process may have open files. Its threads have tables of
// descriptors of their own, as the broker's shards can, and addresses of their own, because an
// address has only so many ports. Every client connects, is answered, stays, and is answered again
// when all are there. Prints one JSON object about the broker's process.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <barrier>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ci/bench.d/measure.hpp"
#include "ci/bench.d/program.hpp"

namespace touchstone::bench {
namespace {

struct Arguments {
    std::uint16_t port = 1883;
    pid_t broker = 0;
    int cpu = -1;
    unsigned clients = 60'000;
    unsigned at_once = 64;  // of each thread
};

// An address has 28,232 ports for connections, as systems usually are set up.
constexpr unsigned clients_per_thread_max = 15'000;
constexpr unsigned answer_wait_s = 30;
constexpr std::string_view connack{"\x20\x02\x00\x00", 4};
constexpr std::string_view pingreq{"\xc0\x00", 2};
constexpr std::string_view pingresp{"\xd0\x00", 2};

/// MQTT 3.1.1, Clean Session, Keep Alive 600 s.
std::string connect_packet(const std::string& client_id) {
    std::string packet{"\x10\x00\x00\x04MQTT\x04\x02\x02\x58\x00", 13};
    packet += static_cast<char>(client_id.size());
    packet += client_id;
    packet[1] = static_cast<char>(packet.size() - 2);
    return packet;
}

void require(bool succeeded, const char* what) {
    if (!succeeded) throw std::runtime_error{fmt::format("{}: {}", what, std::strerror(errno))};
}

/// The clients of one thread, all of them sockets in its own table.
class Part {
public:
    Part(const Arguments& arguments, unsigned number, unsigned clients)
        : arguments_{arguments},
          number_{number} {
        require(unshare(CLONE_FILES) == 0, "unshare");
        sockets_.reserve(clients);
        while (sockets_.size() < clients) connect_some(clients);
    }
    ~Part() {
        for (const int socket : sockets_) close(socket);
    }
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;

    void ping_all() const {
        for (const int socket : sockets_) send(socket, pingreq);
        for (const int socket : sockets_) expect(socket, pingresp);
    }

private:
    void connect_some(unsigned clients) {
        const auto first = sockets_.size();
        const auto last = std::min<std::size_t>(clients, first + arguments_.at_once);
        while (sockets_.size() < last) {
            sockets_.push_back(open());
            send(sockets_.back(),
                 connect_packet(fmt::format("crowd-{}-{}", number_, sockets_.size())));
        }
        for (auto i = first; i < last; ++i) expect(sockets_[i], connack);
    }
    [[nodiscard]] int open() const {
        const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        require(socket >= 0, "socket");
        const int yes = 1;
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        const timeval wait{answer_wait_s, 0};
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 256 + number_);  // 127.0.1.1 …
        setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        require(bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
                "bind");
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(arguments_.port);
        require(connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
                "connect");
        return socket;
    }
    static void send(int socket, std::string_view bytes) {
        require(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                    static_cast<ssize_t>(bytes.size()),
                "send");
    }
    static void expect(int socket, std::string_view wanted) {
        std::string got(wanted.size(), '\0');
        const auto size = recv(socket, got.data(), got.size(), MSG_WAITALL);
        require(size >= 0, "recv");
        if (got != wanted) throw std::runtime_error{"the broker has answered something else"};
    }

    const Arguments& arguments_;
    const unsigned number_;
    std::vector<int> sockets_;
};

void parse(CLI::App& app, Arguments& arguments) {
    app.add_option("--port", arguments.port, "Of 127.0.0.1")->required();
    app.add_option("--pid", arguments.broker, "Process of the broker")->required();
    app.add_option("--cpu", arguments.cpu, "Processor to run on; default: any");
    app.add_option("--clients", arguments.clients)
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    app.add_option("--at-once", arguments.at_once, "Connects of each thread without an answer")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.footer("Exit code 0: measured; 2: an option is wrong; 6: a client was not served.");
}

void prepare_process(int cpu) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    require(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

void print(const Arguments& arguments, unsigned threads, const ProcessUsage& before,
           const ProcessUsage& after) {
    const auto per_client = [&](auto late, auto early) {
        return (static_cast<double>(late) - static_cast<double>(early)) / arguments.clients;
    };
    const auto time_ns = static_cast<double>(after.at_ns - before.at_ns);
    std::vector<double> shares;
    for (std::size_t i = 0; i < after.thread_cpu_ns.size(); ++i) {
        const auto early = i < before.thread_cpu_ns.size() ? before.thread_cpu_ns[i] : 0;
        shares.push_back(static_cast<double>(after.thread_cpu_ns[i] - early) / 1e9);
    }
    fmt::print("{{\"connections\":{},\"load_threads\":{},\"resident_bytes_per_connection\":{:.1f},"
               "\"cpu_ns_per_connect\":{:.1f},\"connects_per_s\":{:.0f},\"time_s\":{:.3f},"
               "\"broker_thread_cpu_s\":[{:.3f}]}}\n",
               arguments.clients, threads, per_client(after.resident_bytes, before.resident_bytes),
               per_client(after.cpu_ns, before.cpu_ns), arguments.clients / (time_ns / 1e9),
               time_ns / 1e9, fmt::join(shares, ","));
}

int measure(const Arguments& arguments) {
    prepare_process(arguments.cpu);
    const unsigned threads =
        (arguments.clients + clients_per_thread_max - 1) / clients_per_thread_max;
    const auto before = ProcessUsage::of(arguments.broker);
    std::mutex mutex;
    std::string problem;
    ProcessUsage after;
    bool is_measured = false;
    const auto on_all_connected = [&]() noexcept {
        if (!std::exchange(is_measured, true)) after = ProcessUsage::of(arguments.broker);
    };
    // All are there, and all were answered.
    std::barrier milestones{static_cast<std::ptrdiff_t>(threads), on_all_connected};
    std::vector<std::thread> crowd;
    for (unsigned number = 0; number < threads; ++number) {
        crowd.emplace_back([&, number] {
            try {
                // The last ones get what is left.
                const auto share =
                    arguments.clients / threads + (number < arguments.clients % threads ? 1 : 0);
                const Part part{arguments, number, share};
                milestones.arrive_and_wait();
                part.ping_all();
                milestones.arrive_and_wait();
            } catch (const std::exception& failure) {
                const std::scoped_lock lock{mutex};
                problem = failure.what();
                milestones.arrive_and_drop();
            }
        });
    }
    for (auto& thread : crowd) thread.join();
    if (!problem.empty()) throw std::runtime_error{problem};
    print(arguments, threads, before, after);
    return 0;
}

}  // namespace
}  // namespace touchstone::bench

int main(int argument_count, char** argument_values) {
    touchstone::bench::Arguments arguments;
    CLI::App app{"Connects more clients to an MQTT broker of this machine than a process can.",
                 "bench_crowd"};
    touchstone::bench::parse(app, arguments);
    return touchstone::bench::run_program(app, argument_count, argument_values,
                                          [&] { return touchstone::bench::measure(arguments); });
}
