#include "broker/asio/endpoint.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <charconv>
#include <optional>

namespace touchstone::asio_driver {

namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

std::optional<std::uint16_t> port_from(std::string_view text) {
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, port);
    if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    return port;
}

/// Takes the brackets off an IPv6 address, which must have them.
std::string_view address_from(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']')) return text.substr(1, text.size() - 2);
    return text.find(':') == std::string_view::npos ? text : std::string_view{};
}

std::string remedy(const boost::system::error_code& error, const Endpoint& endpoint) {
    if (error == asio::error::address_in_use) {
        return "another program listens there; choose another port, or 0 for any free one";
    }
    if (error == boost::system::errc::address_not_available) {
        return "this machine has no such address; `ip address` lists those it has";
    }
    if (error == asio::error::access_denied ||
        error == boost::system::errc::operation_not_permitted) {
        return endpoint.port != 0 && endpoint.port < 1024
                   ? "ports below 1024 need a privilege; choose one from 1024 on"
                   : "the system forbids it; check the sandbox or security policy";
    }
    return "check the address and the port";
}

}  // namespace

Endpoint Endpoint::from_text(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon != std::string_view::npos) {
        const auto port = port_from(text.substr(colon + 1));
        const std::string address{address_from(text.substr(0, colon))};
        boost::system::error_code error;
        const auto parsed = asio::ip::make_address(address, error);
        if (port && !error) return {parsed.to_string(), *port, parsed.is_loopback()};
    }
    throw OperatorError{"'" + std::string{text} +
                        "' is not ADDRESS:PORT; write it like 127.0.0.1:1883 or [::1]:1883, with a "
                        "numeric address and a port from 0 (any free one) to 65535"};
}

Endpoint Endpoint::from_address(const settings::ListenAddress& address) {
    return {address.address.to_text(), address.port, address.address.is_loopback()};
}

std::string Endpoint::to_text() const {
    const bool is_v6 = address.find(':') != std::string::npos;
    return (is_v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

ListeningSocket ListeningSocket::open(const Endpoint& wanted, const SocketOptions& options) {
    asio::io_context context{1};
    Tcp::acceptor acceptor{context};
    const Tcp::endpoint place{asio::ip::make_address(wanted.address), wanted.port};
    boost::system::error_code error;
    const auto attempt = [&](auto&& step) {
        if (!error) step();
    };
    acceptor.open(place.protocol(), error);
    attempt([&] { acceptor.set_option(Tcp::acceptor::reuse_address{true}, error); });
    attempt([&] {
        if (place.address().is_v6() && options.is_v6_only)
            acceptor.set_option(asio::ip::v6_only{*options.is_v6_only}, error);
    });
    attempt([&] { acceptor.bind(place, error); });
    attempt([&] { acceptor.listen(options.backlog, error); });
    attempt([&] { acceptor.native_non_blocking(true, error); });
    if (error) {
        throw OperatorError{"cannot listen on " + wanted.to_text() + ": " + error.message() + "; " +
                            remedy(error, wanted)};
    }
    Endpoint endpoint = wanted;
    endpoint.port = acceptor.local_endpoint().port();
    ListeningSocket listening{Descriptor{acceptor.release()}, std::move(endpoint)};
    listening.apply(options);
    return listening;
}

void ListeningSocket::apply(const SocketOptions& options) const {
    // Linux hands all of them down to every accepted socket: no system call for each.
    const auto put = [this](int level, int name, int value) {
        setsockopt(socket.raw(), level, name, &value, sizeof value);  // not taking one is no harm
    };
    put(IPPROTO_TCP, TCP_NODELAY, options.has_no_delay ? 1 : 0);
    if (options.receive_buffer_bytes)
        put(SOL_SOCKET, SO_RCVBUF, static_cast<int>(*options.receive_buffer_bytes));
    if (options.send_buffer_bytes)
        put(SOL_SOCKET, SO_SNDBUF, static_cast<int>(*options.send_buffer_bytes));
    // A peer that vanished without a word is found out within 15 minutes, even when neither Keep
    // Alive nor output would tell.
    put(SOL_SOCKET, SO_KEEPALIVE, 1);
    put(IPPROTO_TCP, TCP_KEEPIDLE, 600);
    put(IPPROTO_TCP, TCP_KEEPINTVL, 60);
    put(IPPROTO_TCP, TCP_KEEPCNT, 5);
}

}  // namespace touchstone::asio_driver
