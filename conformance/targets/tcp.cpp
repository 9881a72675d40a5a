// A client that looks synchronous and never waits beyond a deadline. The only file of the suite
// that knows Boost.Asio.
#include "conformance/targets/tcp.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <array>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

namespace touchstone::conformance {

namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

/// How long a TCP connection may take to come up. Not a matter of the broker's speed: the kernel
/// accepts for it.
constexpr std::chrono::seconds connect_time_max{5};
/// How long the kernel may refuse more bytes before the connection counts as gone.
constexpr std::chrono::seconds send_time_max{10};

Instant now_of_steady_clock() {
    const auto since_epoch = std::chrono::steady_clock::now().time_since_epoch();
    return Instant{std::chrono::duration_cast<Duration>(since_epoch)};
}

class TcpConnection final : public Connection {
public:
    TcpConnection() : socket_{context_} {}

    bool connect(const std::string& host, std::uint16_t port, std::string& problem) {
        error_code error;
        tcp::resolver resolver{context_};
        const auto endpoints = resolver.resolve(host, std::to_string(port), error);
        if (error) {
            problem = "the name " + host + " cannot be resolved: " + error.message();
            return false;
        }
        std::optional<error_code> result;
        boost::asio::async_connect(
            socket_, endpoints,
            [&result](const error_code& outcome, const tcp::endpoint&) { result = outcome; });
        // Closing ends the whole attempt; cancelling would only go on to the next address.
        run_until_done(result, now_of_steady_clock() + connect_time_max, GiveUp::close);
        if (*result) {
            problem = "nothing accepts connections at " + host + ":" + std::to_string(port) + ": " +
                      (*result == boost::asio::error::operation_aborted ? "timed out"
                                                                        : result->message());
            return false;
        }
        socket_.set_option(tcp::no_delay{true}, error);
        return true;
    }

    bool send(Bytes bytes) override {
        if (!socket_.is_open()) return false;
        std::optional<error_code> result;
        boost::asio::async_write(
            socket_, boost::asio::buffer(bytes.data(), bytes.size()),
            [&result](const error_code& outcome, std::size_t) { result = outcome; });
        run_until_done(result, now_of_steady_clock() + send_time_max, GiveUp::close);
        return !*result;
    }

    Arrival receive(Buffer& into, Instant deadline) override {
        if (!socket_.is_open()) return Arrival::reset;
        std::optional<error_code> result;
        std::size_t received_bytes = 0;
        socket_.async_read_some(boost::asio::buffer(input_),
                                [&](const error_code& outcome, std::size_t size_bytes) {
                                    result = outcome;
                                    received_bytes = size_bytes;
                                });
        run_until_done(result, deadline, GiveUp::cancel);
        acknowledge_quickly();
        if (received_bytes > 0) {
            append(into, Bytes{input_.data(), received_bytes});
            return Arrival::bytes;
        }
        if (*result == boost::asio::error::operation_aborted) return Arrival::deadline;
        if (*result == boost::asio::error::eof) return Arrival::closed;
        return Arrival::reset;
    }

    void close(Ending ending) override {
        error_code ignored;
        if (ending == Ending::abort) {
            // A linger time of 0 turns the close into a reset.
            socket_.set_option(tcp::socket::linger{true, 0}, ignored);
        } else {
            socket_.shutdown(tcp::socket::shutdown_both, ignored);
        }
        socket_.close(ignored);
    }

    ~TcpConnection() override {
        if (socket_.is_open()) close(Ending::abort);
    }

private:
    /// A broker that leaves Nagle's algorithm on waits for our TCP acknowledgement before it sends
    /// the next packet, and Linux delays those by 40 ms. The option holds until the kernel thinks
    /// otherwise, so it is set each time.
    void acknowledge_quickly() {
        using quick_acknowledgement =
            boost::asio::detail::socket_option::boolean<IPPROTO_TCP, TCP_QUICKACK>;
        error_code ignored;
        socket_.set_option(quick_acknowledgement{true}, ignored);
    }

    enum class GiveUp : std::uint8_t { cancel, close };

    /// Runs until `result` is there. What is not done at `deadline` is given up, so a result always
    /// comes; a read that completed in the meantime keeps its bytes.
    void run_until_done(const std::optional<error_code>& result, Instant deadline, GiveUp give_up) {
        context_.restart();
        while (!result.has_value()) {
            const auto left = deadline - now_of_steady_clock();
            if (left > Duration::zero() && context_.run_one_for(left) > 0) continue;
            error_code ignored;
            if (give_up == GiveUp::cancel) {
                socket_.cancel(ignored);
            } else {
                socket_.close(ignored);
            }
            while (!result.has_value() && context_.run_one() > 0) {
            }
        }
    }

    boost::asio::io_context context_{1};
    tcp::socket socket_;
    std::array<std::byte, 65'536> input_{};
};

class TcpTarget final : public Target {
public:
    TcpTarget(std::string host, std::uint16_t port) : host_{std::move(host)}, port_{port} {}

    std::unique_ptr<Connection> open(std::string& problem) override {
        auto connection = std::make_unique<TcpConnection>();
        if (!connection->connect(host_, port_, problem)) return nullptr;
        return connection;
    }

    Instant now() override { return now_of_steady_clock(); }

    void pass_time_until(Instant instant) override {
        std::this_thread::sleep_for(instant - now_of_steady_clock());
    }

private:
    std::string host_;
    std::uint16_t port_;
};

class TcpSource final : public TargetSource {
public:
    TcpSource(std::string host, std::uint16_t port) : host_{std::move(host)}, port_{port} {}

    std::unique_ptr<Target> make(std::uint64_t /*seed*/) override {
        return std::make_unique<TcpTarget>(host_, port_);
    }
    [[nodiscard]] bool has_virtual_time() const override { return false; }
    [[nodiscard]] bool may_run_side_by_side() const override { return true; }
    [[nodiscard]] std::string url() const override {
        const bool is_ipv6 = host_.find(':') != std::string::npos;
        return "mqtt://" + (is_ipv6 ? "[" + host_ + "]" : host_) + ":" + std::to_string(port_);
    }
    [[nodiscard]] std::string transport() const override { return "tcp"; }

private:
    std::string host_;
    std::uint16_t port_;
};

}  // namespace

std::unique_ptr<TargetSource> make_tcp_source(std::string host, std::uint16_t port) {
    return std::make_unique<TcpSource>(std::move(host), port);
}

}  // namespace touchstone::conformance
