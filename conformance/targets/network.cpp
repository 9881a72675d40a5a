// A client that looks synchronous and never waits beyond a deadline. One class for all four
// transports, in the only file of the suite that knows Boost.Asio, Beast and OpenSSL: their headers
// take half a minute to compile.
#include "conformance/targets/network.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

namespace touchstone::conformance {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using Resolver = asio::ip::basic_resolver<asio::ip::tcp, asio::io_context::executor_type>;

// The executor is named, so that the compiler need not look through any_io_executor at each step.
using Socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;
using TlsStream = asio::ssl::stream<Socket>;
// Without permessage-deflate: what is judged is MQTT, and a frame shall hold what it says.
template <class Below>
using WebSocket = websocket::stream<Below, false>;

template <class Stream>
inline constexpr bool is_socket = std::is_same_v<Stream, Socket>;
template <class Stream>
inline constexpr bool is_web = !is_socket<Stream> && !std::is_same_v<Stream, TlsStream>;
template <class Stream>
inline constexpr bool is_encrypted =
    std::is_same_v<Stream, TlsStream> || std::is_same_v<Stream, WebSocket<TlsStream>>;

/// How long a TCP connection may take to come up. Not a matter of the broker's speed: the kernel
/// accepts for it.
constexpr std::chrono::seconds connect_time_max{5};
/// How long the broker may take for each of the handshakes of TLS and WebSocket.
constexpr std::chrono::seconds handshake_time_max{10};
/// How long the kernel may refuse more bytes before the connection counts as gone.
constexpr std::chrono::seconds send_time_max{10};

Instant now_of_steady_clock() {
    const auto since_epoch = std::chrono::steady_clock::now().time_since_epoch();
    return Instant{std::chrono::duration_cast<Duration>(since_epoch)};
}

std::string host_and_port(const NetworkAddress& address) {
    const bool is_ipv6 = address.host.find(':') != std::string::npos;
    return (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

std::string url_of(const NetworkAddress& address) {
    switch (address.transport) {
        case Transport::tcp: return "mqtt://" + host_and_port(address);
        case Transport::tls: return "mqtts://" + host_and_port(address);
        case Transport::ws: return "ws://" + host_and_port(address) + address.path;
        case Transport::wss: return "wss://" + host_and_port(address) + address.path;
    }
    return {};
}

/// Whether `error` is an alert that the other side sent (RFC 8446 §6).
bool is_tls_alert(const error_code& error) {
    return error.category() == asio::error::get_ssl_category() &&
           ERR_GET_REASON(static_cast<unsigned long>(error.value())) > SSL_AD_REASON_OFFSET;
}

bool is_orderly_end(const error_code& error) {
    // A FIN without close_notify: TCP ended in order, and MQTT has its own word for "no more".
    return error == asio::error::eof || error == asio::ssl::error::stream_truncated ||
           error == websocket::error::closed;
}

std::string text_of_tls_failure(const NetworkAddress& address, const error_code& error,
                                long verification) {
    std::string text = "no TLS with " + host_and_port(address) + ": " +
                       (error == asio::error::operation_aborted ? "timed out" : error.message());
    if (is_tls_alert(error)) text += ", an alert of the broker";
    if (verification == X509_V_OK) return text;
    return text + ", " + X509_verify_cert_error_string(verification) +
           "; --ca-file names whom to trust, --insecure trusts everybody";
}

/// `Stream` is a Socket, or something on top of one. What goes on in the background, as answering
/// a Ping, does so while one of the functions waits.
template <class Stream>
class NetworkConnection final : public Connection, private FrameSender {
public:
    NetworkConnection(const NetworkAddress& address, std::shared_ptr<asio::ssl::context> tls)
        : address_{address},
          tls_{std::move(tls)},
          stream_{make_stream()} {}

    /// The Network Connection without the handshake of WebSocket.
    bool connect(std::string& problem) {
        if (!connect_socket(problem)) return false;
        if constexpr (is_encrypted<Stream>) return shake_hands_of_tls(problem);
        return true;
    }

    WebSocketHandshake shake_hands(const std::vector<std::string>& subprotocols) {
        WebSocketHandshake handshake;
        if constexpr (is_web<Stream>) {
            prepare_web_socket(subprotocols);
            websocket::response_type response;
            std::optional<error_code> result;
            stream_.async_handshake(response, host_and_port(address_), address_.path,
                                    [&result](const error_code& outcome) { result = outcome; });
            run_until_done(result, now_of_steady_clock() + handshake_time_max);
            const bool has_answer =
                !*result || result->category() == make_error_code(websocket::error{}).category();
            if (has_answer) handshake.status = response.result_int();
            const auto selected = response.find(http::field::sec_websocket_protocol);
            if (selected != response.end()) {
                handshake.subprotocol = std::string{selected->value()};
            }
            if (*result == websocket::error::upgrade_declined) {
                handshake.problem = "HTTP status " + std::to_string(handshake.status) + " " +
                                    std::string{response.reason()} + " instead of 101";
            } else if (*result) {
                handshake.problem = *result == asio::error::operation_aborted ? "no answer in time"
                                                                              : result->message();
            }
        }
        return handshake;
    }

    bool send(Bytes bytes) override {
        if (!socket().is_open() || has_send_failed_) return false;
        std::optional<error_code> result;
        const auto on_done = [&result](const error_code& outcome, std::size_t) {
            result = outcome;
        };
        const auto buffer = asio::buffer(bytes.data(), bytes.size());
        if constexpr (is_web<Stream>) {
            stream_.binary(true);
            stream_.async_write(buffer, on_done);
        } else {
            asio::async_write(stream_, buffer, on_done);
        }
        run_until_done(result, now_of_steady_clock() + send_time_max);
        has_send_failed_ = bool{*result};
        return !has_send_failed_;
    }

    Arrival receive(Buffer& into, Instant deadline) override {
        // Beast closes the socket after a Close frame.
        if (!ended_.has_value() && !socket().is_open()) return Arrival::reset;
        while (!ended_.has_value()) {
            start_reading();
            run_until(deadline, [this] { return read_.has_value() || is_close_received_; });
            acknowledge_quickly();
            if (!read_.has_value()) {
                if (!is_close_received_) return Arrival::deadline;
                on_end(websocket::error::closed);
                break;
            }
            const auto read = *std::exchange(read_, std::nullopt);
            if constexpr (is_web<Stream>) {
                if (read.size_bytes > 0 && stream_.got_text()) return Arrival::text_frame;
            }
            if (read.size_bytes > 0) {
                has_received_ = true;
                append(into, Bytes{input_.data(), read.size_bytes});
                return Arrival::bytes;
            }
            // A WebSocket frame may be empty.
            if (read.error) on_end(read.error);
        }
        return *ended_;
    }

    void close(Ending ending) override {
        if (!socket().is_open()) return;
        error_code ignored;
        if (ending == Ending::abort) {
            // A linger time of 0 turns the close into a reset.
            socket().set_option(Socket::linger{true, 0}, ignored);
        } else {
            say_goodbye();
            socket().shutdown(Socket::shutdown_both, ignored);
        }
        socket().close(ignored);
    }

    FrameSender* frames() override { return is_web<Stream> ? this : nullptr; }
    [[nodiscard]] std::string problem() const override { return problem_; }

    ~NetworkConnection() override { close(Ending::abort); }

private:
    struct Read {
        error_code error;
        std::size_t size_bytes = 0;
    };

    Stream make_stream() {
        if constexpr (is_encrypted<Stream>) return Stream{context_, *tls_};
        if constexpr (!is_encrypted<Stream>) return Stream{context_};
    }

    Socket& socket() { return boost::beast::get_lowest_layer(stream_); }

    auto& tls_stream() requires is_encrypted<Stream> {
        if constexpr (is_web<Stream>) {
            return stream_.next_layer();
        } else {
            return stream_;
        }
    }

    bool connect_socket(std::string& problem) {
        error_code error;
        Resolver resolver{context_.get_executor()};
        const auto endpoints =
            resolver.resolve(address_.host, std::to_string(address_.port), error);
        if (error) {
            problem = "the name " + address_.host + " cannot be resolved: " + error.message();
            return false;
        }
        std::optional<error_code> result;
        asio::async_connect(socket(), endpoints, [&result](const error_code& outcome, const auto&) {
            result = outcome;
        });
        // Closing ends the whole attempt; cancelling would only go on to the next address.
        run_until_done(result, now_of_steady_clock() + connect_time_max);
        if (*result) {
            problem = "nothing accepts connections at " + host_and_port(address_) + ": " +
                      (*result == asio::error::operation_aborted ? "timed out" : result->message());
            return false;
        }
        socket().set_option(asio::ip::tcp::no_delay{true}, error);
        return true;
    }

    bool shake_hands_of_tls(std::string& problem) requires is_encrypted<Stream> {
        auto* const handle = tls_stream().native_handle();
        error_code no_address;
        asio::ip::make_address(address_.host, no_address);
        auto* const wanted = SSL_get0_param(handle);
        if (no_address) {
            // Only a name goes into Server Name Indication (RFC 6066 §3).
            SSL_set_tlsext_host_name(handle, address_.host.c_str());
            X509_VERIFY_PARAM_set1_host(wanted, address_.host.c_str(), 0);
        } else {
            X509_VERIFY_PARAM_set1_ip_asc(wanted, address_.host.c_str());
        }
        std::optional<error_code> result;
        tls_stream().async_handshake(asio::ssl::stream_base::client,
                                     [&result](const error_code& outcome) { result = outcome; });
        run_until_done(result, now_of_steady_clock() + handshake_time_max);
        if (!*result) return true;
        problem = text_of_tls_failure(
            address_, *result,
            address_.tls.checks_certificate ? SSL_get_verify_result(handle) : X509_V_OK);
        return false;
    }

    void prepare_web_socket(const std::vector<std::string>& subprotocols) requires is_web<Stream> {
        std::string offered;
        for (const auto& name : subprotocols) offered += (offered.empty() ? "" : ", ") + name;
        stream_.set_option(
            websocket::stream_base::decorator([offered](websocket::request_type& request) {
                if (!offered.empty()) request.set(http::field::sec_websocket_protocol, offered);
            }));
        stream_.read_message_max(0);   // A message may hold any number of Control Packets.
        stream_.auto_fragment(false);  // One write, one frame.
        stream_.control_callback([this](websocket::frame_type kind, boost::beast::string_view) {
            // Beast goes on to wait for the end of TCP; to us it is over.
            if (kind == websocket::frame_type::close) is_close_received_ = true;
        });
    }

    bool send(const WebSocketMessage& message) override {
        bool is_sent = socket().is_open() && !has_send_failed_;
        if constexpr (is_web<Stream>) {
            for (std::size_t i = 0; is_sent && i < message.fragments.size(); ++i) {
                std::optional<error_code> result;
                start_sending(message, i, result);
                run_until_done(result, now_of_steady_clock() + send_time_max);
                is_sent = !*result;
                has_send_failed_ = !is_sent;
            }
        }
        return is_sent;
    }

    void start_sending(const WebSocketMessage& message, std::size_t index,
                       std::optional<error_code>& result) requires is_web<Stream> {
        const auto& fragment = message.fragments[index];
        if (message.kind == WebSocketMessage::Kind::ping) {
            const auto text = as_text(fragment);
            stream_.async_ping(
                websocket::ping_data{boost::beast::string_view{text.data(), text.size()}},
                [&result](const error_code& outcome) { result = outcome; });
            return;
        }
        stream_.text(message.kind == WebSocketMessage::Kind::text);
        stream_.async_write_some(
            index + 1 == message.fragments.size(), asio::buffer(fragment),
            [&result](const error_code& outcome, std::size_t) { result = outcome; });
    }

    /// Begins a read unless there is one. It outlives the wait that began it: a WebSocket whose
    /// read is cancelled is of no use any more.
    void start_reading() {
        if (is_reading_ || read_.has_value()) return;
        is_reading_ = true;
        stream_.async_read_some(asio::buffer(input_),
                                [this](const error_code& outcome, std::size_t size_bytes) {
                                    is_reading_ = false;
                                    read_ = Read{outcome, size_bytes};
                                });
    }

    void on_end(const error_code& error) {
        if (is_orderly_end(error) || is_close_received_) {
            ended_ = Arrival::closed;
            answer_goodbye();
            return;
        }
        ended_ = Arrival::reset;
        if (is_tls_alert(error)) {
            problem_ = "no TLS with " + host_and_port(address_) + ": " + error.message() +
                       ", an alert of the broker";
            if (!has_received_) ended_ = Arrival::refused;
        } else if (error != asio::error::connection_reset && error != asio::error::broken_pipe) {
            problem_ = error.message();
        }
    }

    /// A broker may wait for the answer to its Close frame or close_notify before it takes the
    /// client for gone, and publishes the Will Message.
    void answer_goodbye() {
        if constexpr (is_encrypted<Stream>) {
            // After a Close frame Beast does so by itself.
            if (!is_close_received_) tls_stream().async_shutdown([](const error_code&) {});
        }
        context_.restart();
        context_.poll();
    }

    /// What an orderly end needs besides that of TCP. The answer is not waited for.
    void say_goodbye() {
        const auto on_done = [](const error_code&) {};
        if constexpr (is_web<Stream>) {
            if (stream_.is_open()) stream_.async_close(websocket::close_code::normal, on_done);
        } else if constexpr (is_encrypted<Stream>) {
            stream_.async_shutdown(on_done);
        }
        context_.restart();
        context_.poll();
        if constexpr (is_web<Stream> && is_encrypted<Stream>) {
            tls_stream().async_shutdown(on_done);
            context_.poll();
        }
    }

    /// A broker that leaves Nagle's algorithm on waits for our TCP acknowledgement before it sends
    /// the next packet, and Linux delays those by 40 ms. The option holds until the kernel thinks
    /// otherwise, so it is set each time.
    void acknowledge_quickly() {
        using quick_acknowledgement =
            asio::detail::socket_option::boolean<IPPROTO_TCP, TCP_QUICKACK>;
        error_code ignored;
        socket().set_option(quick_acknowledgement{true}, ignored);
    }

    /// Runs until `is_done`, or until `deadline` and at least everything that is ready.
    template <class IsDone>
    void run_until(Instant deadline, IsDone is_done) {
        context_.restart();
        context_.poll();
        while (!is_done()) {
            const auto left = deadline - now_of_steady_clock();
            if (left <= Duration::zero() || context_.run_one_for(left) == 0) return;
        }
    }

    /// Runs until `result` is there. What is not done at `deadline` is given up, and the connection
    /// with it, so a result always comes.
    void run_until_done(const std::optional<error_code>& result, Instant deadline) {
        run_until(deadline, [&result] { return result.has_value(); });
        if (result.has_value()) return;
        error_code ignored;
        socket().close(ignored);
        context_.restart();
        while (!result.has_value() && context_.run_one() > 0) {
        }
    }

    NetworkAddress address_;
    std::shared_ptr<asio::ssl::context> tls_;
    asio::io_context context_{1};
    Stream stream_;
    std::array<std::byte, 65'536> input_{};
    bool is_reading_ = false;
    std::optional<Read> read_{};      // of a read that is complete and was not looked at
    bool is_close_received_ = false;  // a Close frame
    bool has_received_ = false;
    bool has_send_failed_ = false;  // Asio would wait in vain for a second failure
    std::optional<Arrival> ended_{};
    std::string problem_{};
};

template <class Stream>
class NetworkTarget final : public Target {
public:
    NetworkTarget(const NetworkAddress& address, std::shared_ptr<asio::ssl::context> tls)
        : address_{address},
          tls_{std::move(tls)} {}

    std::unique_ptr<Connection> open(std::string& problem) override {
        auto connection = std::make_unique<NetworkConnection<Stream>>(address_, tls_);
        if (!connection->connect(problem)) return nullptr;
        if constexpr (is_web<Stream>) {
            const auto handshake = connection->shake_hands({"mqtt"});
            if (handshake.problem.empty() && handshake.subprotocol == "mqtt") return connection;
            problem = "no WebSocket at " + url_of(address_) + ": ";
            if (!handshake.problem.empty()) {
                problem += handshake.problem;
            } else if (!handshake.subprotocol.has_value()) {
                problem += "the broker selects no subprotocol, not even the one it was offered, "
                           "'mqtt' [MQTT-6.0.0-4]";
            } else {
                problem += "the broker selects the subprotocol '" + *handshake.subprotocol +
                           "' instead of 'mqtt' [MQTT-6.0.0-4]";
            }
            return nullptr;
        }
        return connection;
    }

    std::optional<WebSocketHandshake> shake_hands(const std::vector<std::string>& subprotocols,
                                                  std::string& problem) override {
        if constexpr (is_web<Stream>) {
            NetworkConnection<Stream> connection{address_, tls_};
            if (!connection.connect(problem)) return std::nullopt;
            auto handshake = connection.shake_hands(subprotocols);
            connection.close(Ending::finish);
            return handshake;
        }
        return Target::shake_hands(subprotocols, problem);
    }

    Instant now() override { return now_of_steady_clock(); }

    void pass_time_until(Instant instant) override {
        std::this_thread::sleep_for(instant - now_of_steady_clock());
    }

private:
    NetworkAddress address_;
    std::shared_ptr<asio::ssl::context> tls_;
};

class NetworkSource final : public TargetSource {
public:
    NetworkSource(const NetworkAddress& address, std::shared_ptr<asio::ssl::context> tls)
        : address_{address},
          tls_{std::move(tls)} {}

    std::unique_ptr<Target> make(std::uint64_t /*seed*/) override {
        switch (address_.transport) {
            case Transport::tcp: return std::make_unique<NetworkTarget<Socket>>(address_, tls_);
            case Transport::tls: return std::make_unique<NetworkTarget<TlsStream>>(address_, tls_);
            case Transport::ws:
                return std::make_unique<NetworkTarget<WebSocket<Socket>>>(address_, tls_);
            case Transport::wss:
                return std::make_unique<NetworkTarget<WebSocket<TlsStream>>>(address_, tls_);
        }
        return nullptr;
    }
    [[nodiscard]] bool has_virtual_time() const override { return false; }
    [[nodiscard]] bool may_run_side_by_side() const override { return true; }
    [[nodiscard]] bool has_frames() const override { return is_web_socket(address_.transport); }
    [[nodiscard]] std::string url() const override { return url_of(address_); }
    [[nodiscard]] std::string transport() const override { return text_of(address_.transport); }

private:
    NetworkAddress address_;
    std::shared_ptr<asio::ssl::context> tls_;
};

/// nullptr when a file is not what it should be.
std::shared_ptr<asio::ssl::context> make_tls(const TlsOptions& options, std::string& problem) {
    auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    error_code error;
    const auto is_usable = [&](const std::string& file, const char* what) {
        if (error) problem = file + " has no " + what + " in PEM: " + error.message();
        return !error;
    };
    tls->set_verify_mode(
        options.checks_certificate ? asio::ssl::verify_peer : asio::ssl::verify_none, error);
    if (!options.authorities_file.empty()) {
        tls->load_verify_file(options.authorities_file, error);
        if (!is_usable(options.authorities_file, "certificate")) return nullptr;
    } else if (options.checks_certificate) {
        tls->set_default_verify_paths(error);
        if (!is_usable("the folder of this machine's authorities", "certificate")) return nullptr;
    }
    if (!options.certificate_file.empty()) {
        tls->use_certificate_chain_file(options.certificate_file, error);
        if (!is_usable(options.certificate_file, "certificate")) return nullptr;
        tls->use_private_key_file(options.key_file, asio::ssl::context::pem, error);
        if (!is_usable(options.key_file, "private key of this certificate")) return nullptr;
    }
    return tls;
}

}  // namespace

const char* text_of(Transport transport) {
    switch (transport) {
        case Transport::tcp: return "tcp";
        case Transport::tls: return "tls";
        case Transport::ws: return "ws";
        case Transport::wss: return "wss";
    }
    return "";
}

std::unique_ptr<TargetSource> make_network_source(const NetworkAddress& address,
                                                  std::string& problem) {
    std::shared_ptr<asio::ssl::context> tls;
    if (has_tls(address.transport)) {
        tls = make_tls(address.tls, problem);
        if (tls == nullptr) return nullptr;
    }
    return std::make_unique<NetworkSource>(address, std::move(tls));
}

}  // namespace touchstone::conformance
