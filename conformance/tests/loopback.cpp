#include "conformance/tests/loopback.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace touchstone::conformance {

namespace {

void require(bool condition, const char* what) {
    if (!condition) throw std::runtime_error{std::string{"the test's broker: "} + what};
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    require(extension != nullptr, "no such extension");
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

template <class Write>
void write_file(const std::string& path, Write write) {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    require(file != nullptr, "no temporary file");
    const int result = write(file);
    std::fclose(file);
    require(result == 1, "no PEM");
}

/// A name of its own for the files of each identity, also when tests run side by side.
std::string next_stem() {
    static std::atomic<unsigned> count{0};
    const auto name = "touchstone-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    return (std::filesystem::temp_directory_path() / name).string();
}

/// Sec-WebSocket-Accept (RFC 6455 §4.2.2).
std::string accept_of(const std::string& key) {
    const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned digest_bytes = 0;
    EVP_Digest(text.data(), text.size(), digest.data(), &digest_bytes, EVP_sha1(), nullptr);
    std::string base_64(4 * ((digest_bytes + 2) / 3) + 1, '\0');
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base_64.data()),
                                       digest.data(), static_cast<int>(digest_bytes));
    base_64.resize(static_cast<std::size_t>(length));
    return base_64;
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// A TCP socket at any port of 127.0.0.1.
int bound_socket() {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
    const auto any = loopback(0);
    require(::bind(descriptor, reinterpret_cast<const sockaddr*>(&any), sizeof(any)) == 0,
            "no port");
    return descriptor;
}

std::uint16_t port_of(int descriptor) {
    sockaddr_in bound{};
    socklen_t size_bytes = sizeof(bound);
    require(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &size_bytes) == 0,
            "no port");
    return ntohs(bound.sin_port);
}

std::uint64_t number_of(const std::string& bytes) {
    std::uint64_t number = 0;
    for (const char byte : bytes) number = number << 8U | static_cast<unsigned char>(byte);
    return number;
}

}  // namespace

Identity::Identity(Kind kind, const std::string& names, const Identity* issuer)
    : key_{EVP_EC_gen("P-256")},
      certificate_{X509_new()},
      stem_{next_stem()} {
    require(key_ != nullptr && certificate_ != nullptr, "no key");
    constexpr long day_s = 86'400;
    static std::atomic<long> serial{0};
    X509_set_version(certificate_, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate_), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate_), -day_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate_), day_s);
    X509_set_pubkey(certificate_, key_);
    auto* const subject = X509_get_subject_name(certificate_);
    const std::string common_name = "touchstone test " + std::to_string(serial);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                               0);
    X509* const signer = issuer != nullptr ? issuer->certificate_ : certificate_;
    X509_set_issuer_name(certificate_, X509_get_subject_name(signer));
    const bool is_authority = kind == Kind::authority;
    add_extension(certificate_, signer, NID_basic_constraints,
                  is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!names.empty()) add_extension(certificate_, signer, NID_subject_alt_name, names);
    X509_sign(certificate_, issuer != nullptr ? issuer->key_ : key_, EVP_sha256());
    write_file(certificate_file(),
               [this](std::FILE* file) { return PEM_write_X509(file, certificate_); });
    write_file(key_file(), [this](std::FILE* file) {
        return PEM_write_PrivateKey(file, key_, nullptr, nullptr, 0, nullptr, nullptr);
    });
}

Identity::~Identity() {
    std::remove(certificate_file().c_str());
    std::remove(key_file().c_str());
    X509_free(certificate_);
    EVP_PKEY_free(key_);
}

LoopbackConnection::LoopbackConnection(int descriptor, SSL_CTX* tls)
    : descriptor_{descriptor},
      tls_{tls != nullptr ? SSL_new(tls) : nullptr} {
    // A test that went wrong ends, and says so, instead of waiting for ever.
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (tls_ != nullptr) SSL_set_fd(tls_, descriptor_);
}

LoopbackConnection::~LoopbackConnection() {
    SSL_free(tls_);
    if (descriptor_ >= 0) ::close(descriptor_);
}

bool LoopbackConnection::shake_hands() {
    return tls_ == nullptr || SSL_accept(tls_) == 1;
}

std::string LoopbackConnection::read(std::size_t size_bytes) {
    std::string bytes(size_bytes, '\0');
    std::size_t filled = 0;
    while (filled < size_bytes && end_ == ClientEnd::none) {
        const auto left = size_bytes - filled;
        const auto result = tls_ != nullptr
                                ? static_cast<ssize_t>(
                                      SSL_read(tls_, bytes.data() + filled, static_cast<int>(left)))
                                : ::recv(descriptor_, bytes.data() + filled, left, 0);
        if (result > 0) {
            filled += static_cast<std::size_t>(result);
        } else if (tls_ != nullptr &&
                   SSL_get_error(tls_, static_cast<int>(result)) == SSL_ERROR_ZERO_RETURN) {
            end_ = ClientEnd::close_notify;
        } else {
            end_ = result == 0 ? ClientEnd::finish : ClientEnd::reset;
        }
    }
    bytes.resize(filled);
    return bytes;
}

std::string LoopbackConnection::read_until(std::string_view end) {
    std::string bytes;
    while (!bytes.ends_with(end) && end_ == ClientEnd::none) bytes += read(1);
    return bytes;
}

void LoopbackConnection::write(std::string_view bytes) {
    if (tls_ != nullptr) {
        SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()));
    } else {
        static_cast<void>(::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
    }
}

ClientEnd LoopbackConnection::await_end() {
    while (end_ == ClientEnd::none) read(1);
    return end_;
}

void LoopbackConnection::send_finish() {
    ::shutdown(descriptor_, SHUT_WR);
}

void LoopbackConnection::send_close_notify() {
    SSL_shutdown(tls_);
}

void LoopbackConnection::reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    ::close(std::exchange(descriptor_, -1));
}

std::string LoopbackConnection::server_name() const {
    const char* const name = SSL_get_servername(tls_, TLSEXT_NAMETYPE_host_name);
    return name != nullptr ? name : "";
}

bool LoopbackConnection::has_client_certificate() const {
    return SSL_get0_peer_certificate(tls_) != nullptr;
}

ClientFrame read_frame(LoopbackConnection& connection) {
    const auto head = connection.read(2);
    if (head.size() < 2) return {};
    const auto first = static_cast<unsigned char>(head[0]);
    const auto second = static_cast<unsigned char>(head[1]);
    std::uint64_t size_bytes = second & 0x7FU;
    if (size_bytes == 126) size_bytes = number_of(connection.read(2));
    if (size_bytes == 127) size_bytes = number_of(connection.read(8));
    ClientFrame frame{.is_final = (first & 0x80U) != 0,
                      .opcode = first & 0x0FU,
                      .is_masked = (second & 0x80U) != 0};
    const auto mask = frame.is_masked ? connection.read(4) : std::string(4, '\0');
    frame.payload = connection.read(static_cast<std::size_t>(size_bytes));
    for (std::size_t i = 0; i < frame.payload.size(); ++i) {
        frame.payload[i] = static_cast<char>(frame.payload[i] ^ mask[i % 4]);
    }
    return frame;
}

std::string frame(unsigned opcode, std::string_view payload, bool is_final) {
    require(payload.size() < 126, "a frame that long is not needed");
    std::string bytes;
    bytes += static_cast<char>((is_final ? 0x80U : 0U) | opcode);
    bytes += static_cast<char>(payload.size());
    return bytes.append(payload);
}

std::string accept_web_socket(LoopbackConnection& connection,
                              std::optional<std::string> subprotocol) {
    auto request = connection.read_until("\r\n\r\n");
    constexpr std::string_view name = "Sec-WebSocket-Key: ";
    const auto begin = request.find(name);
    if (begin == std::string::npos) return request;
    const auto key_begin = begin + name.size();
    const auto key = request.substr(key_begin, request.find('\r', key_begin) - key_begin);
    std::string answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: " +
                         accept_of(key) + "\r\n";
    if (subprotocol.has_value()) answer += "Sec-WebSocket-Protocol: " + *subprotocol + "\r\n";
    connection.write(answer + "\r\n");
    return request;
}

LoopbackBroker::LoopbackBroker(Options options, std::function<void(LoopbackConnection&)> serve)
    : options_{options},
      serve_{std::move(serve)},
      listener_{bound_socket()} {
    if (has_tls(options_.transport)) {
        tls_ = SSL_CTX_new(TLS_server_method());
        const auto& identity = *options_.identity;
        require(SSL_CTX_use_certificate_file(tls_, identity.certificate_file().c_str(),
                                             SSL_FILETYPE_PEM) == 1 &&
                    SSL_CTX_use_PrivateKey_file(tls_, identity.key_file().c_str(),
                                                SSL_FILETYPE_PEM) == 1,
                "no certificate");
        // What is sent after the handshake would be left in the client's way when it is reset.
        SSL_CTX_set_num_tickets(tls_, 0);
        if (const auto* issuer = options_.client_issuer) {
            SSL_CTX_load_verify_file(tls_, issuer->certificate_file().c_str());
            SSL_CTX_set_verify(tls_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        }
    }
    require(::listen(listener_, 16) == 0, "no port");
    thread_ = std::jthread{[this] { accept_all(); }};
}

LoopbackBroker::~LoopbackBroker() {
    finish();
    ::close(listener_);
    SSL_CTX_free(tls_);
}

NetworkAddress LoopbackBroker::address() const {
    return {.transport = options_.transport, .host = "127.0.0.1", .port = port_of(listener_)};
}

void LoopbackBroker::finish() {
    if (!thread_.joinable()) return;
    // A connection of our own, behind those that wait to be accepted.
    const auto descriptor = bound_socket();
    last_port_ = port_of(descriptor);
    const auto end = loopback(port_of(listener_));
    require(::connect(descriptor, reinterpret_cast<const sockaddr*>(&end), sizeof(end)) == 0,
            "no connection");
    thread_.join();
    ::close(descriptor);
    ::shutdown(listener_, SHUT_RDWR);
}

void LoopbackBroker::accept_all() {
    for (;;) {
        sockaddr_in peer{};
        socklen_t size_bytes = sizeof(peer);
        const int accepted = ::accept(listener_, reinterpret_cast<sockaddr*>(&peer), &size_bytes);
        require(accepted >= 0, "no connection");
        LoopbackConnection connection{accepted, tls_};
        if (ntohs(peer.sin_port) == last_port_) return;
        if (connection.shake_hands()) serve_(connection);
    }
}

}  // namespace touchstone::conformance
