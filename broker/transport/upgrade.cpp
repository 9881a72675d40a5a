// The one file that includes Boost.Beast, which is heavy.
#include "broker/transport/upgrade.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/verb.hpp>

#include "broker/base/check.hpp"

namespace touchstone::transport {

namespace {

namespace http = boost::beast::http;
using Request = http::request_parser<http::empty_body>;

constexpr std::string_view header_end = "\r\n\r\n";
/// The suffix every server adds to the key (RFC 6455 §1.3).
constexpr std::string_view key_suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a header field that holds a list, perhaps in several lines, holds `wanted`.
template <class Equal>
bool has_token(const Request& request, http::field field, std::string_view wanted, Equal equal) {
    const auto lines = request.get().equal_range(field);
    return std::any_of(lines.first, lines.second, [&](const auto& line) {
        const http::token_list tokens{line.value()};
        return std::any_of(tokens.begin(), tokens.end(), [&](const auto& token) {
            return equal(std::string_view{token.data(), token.size()}, wanted);
        });
    });
}

bool is_equal(std::string_view left, std::string_view right) {
    return left == right;
}

bool is_equal_in_any_case(std::string_view left, std::string_view right) {
    return boost::beast::iequals({left.data(), left.size()}, {right.data(), right.size()});
}

/// 16 bytes in base64.
bool is_key(std::string_view text) {
    constexpr std::size_t key_characters = 24;
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return text.size() == key_characters && text.ends_with("==") &&
           text.find_first_not_of(digits) == key_characters - 2;
}

std::string accept_value(std::string_view key) {
    const std::string text = std::string{key} + std::string{key_suffix};
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned digest_bytes = 0;
    CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &digest_bytes, EVP_sha1(), nullptr) ==
          1);
    std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> encoded{};
    const int size = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(digest_bytes));
    return {encoded.begin(), encoded.begin() + size};
}

/// Of those that are spoken here, the one that was offered; empty: none. MQTT 3.1 had its own.
std::string_view subprotocol_of(const Request& request) {
    for (const std::string_view name : {"mqtt", "mqttv3.1"})
        if (has_token(request, http::field::sec_websocket_protocol, name, is_equal)) return name;
    return {};
}

std::string_view value_of(const Request& request, http::field field) {
    const auto value = request.get()[field];
    return {value.data(), value.size()};
}

std::optional<UpgradeRefusal> refusal_of(const Request& request, const UpgradeRules& rules) {
    using enum UpgradeRefusal;
    using http::field;
    const auto& message = request.get();
    if (message.version() != 11 || message.count(field::content_length) != 0 ||
        message.count(field::transfer_encoding) != 0)
        return malformed_request;
    if (message.method() != http::verb::get) return wrong_method;
    const std::string_view target{message.target().data(), message.target().size()};
    if (target.substr(0, target.find('?')) != rules.path) return wrong_path;
    if (!has_token(request, field::upgrade, "websocket", is_equal_in_any_case) ||
        !has_token(request, field::connection, "upgrade", is_equal_in_any_case))
        return no_upgrade;
    if (value_of(request, field::sec_websocket_version) != "13") return wrong_version;
    if (message.count(field::sec_websocket_key) != 1 ||
        !is_key(value_of(request, field::sec_websocket_key)))
        return wrong_key;
    if (rules.requires_subprotocol && subprotocol_of(request).empty()) return no_subprotocol;
    return std::nullopt;
}

struct RefusalText {
    std::string_view name;
    std::string_view status;
    std::string_view text;
};
constexpr auto refusal_texts = std::to_array<RefusalText>({
#define TOUCHSTONE_UPGRADE_REFUSAL(name, status, text) {#name, status, text},
    TOUCHSTONE_UPGRADE_REFUSALS(TOUCHSTONE_UPGRADE_REFUSAL)
#undef TOUCHSTONE_UPGRADE_REFUSAL
});

UpgradeAnswer refused(UpgradeRefusal refusal) {
    const auto& about = refusal_texts[static_cast<std::size_t>(refusal)];
    std::string response = "HTTP/1.1 " + std::string{about.status} + "\r\n";
    if (refusal == UpgradeRefusal::wrong_method) response += "Allow: GET\r\n";
    if (about.status.starts_with("426"))
        response += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    response += "Connection: close\r\nContent-Type: text/plain\r\nContent-Length: " +
                std::to_string(about.text.size() + 1) + "\r\n\r\n" + std::string{about.text} + "\n";
    return {refusal, std::move(response)};
}

UpgradeAnswer accepted(const Request& request) {
    std::string response =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: " +
        accept_value(value_of(request, http::field::sec_websocket_key)) + "\r\n";
    // Naming one that was not offered would make the client give up (§4.1).
    if (const auto name = subprotocol_of(request); !name.empty())
        response += "Sec-WebSocket-Protocol: " + std::string{name} + "\r\n";
    return {std::nullopt, response + "\r\n"};
}

}  // namespace

std::string_view name_of(UpgradeRefusal refusal) {
    return refusal_texts[static_cast<std::size_t>(refusal)].name;
}

std::size_t UpgradeReader::take(Bytes bytes) {
    // The end may begin in what came before.
    const auto from = request_.size() - std::min(request_.size(), header_end.size() - 1);
    const auto before = request_.size();
    request_ += as_text(bytes.first(std::min(bytes.size(), request_bytes_max + 1 - before)));
    const auto end = request_.find(header_end, from);
    if (end != std::string::npos) request_.resize(end + header_end.size());
    is_complete_ = end != std::string::npos || request_.size() > request_bytes_max;
    return request_.size() - before;
}

UpgradeAnswer UpgradeReader::answer(const UpgradeRules& rules) const {
    CHECK(is_complete_);
    if (!request_.ends_with(header_end)) return refused(UpgradeRefusal::header_too_large);
    Request request;
    request.header_limit(request_bytes_max + 1);
    boost::system::error_code error;
    const auto parsed = request.put(boost::asio::buffer(request_), error);
    if (error || parsed != request_.size() || !request.is_header_done())
        return refused(UpgradeRefusal::malformed_request);
    const auto refusal = refusal_of(request, rules);
    return refusal ? refused(*refusal) : accepted(request);
}

}  // namespace touchstone::transport
