#include "broker/transport/upgrade.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace touchstone::transport {
namespace {

using Fields = std::map<std::string, std::string>;

/// The example of RFC 6455 §1.3, for MQTT.
const Fields usual_fields{
    {"Host", "server.example.com"},     {"Upgrade", "websocket"},
    {"Connection", "Upgrade"},          {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
    {"Sec-WebSocket-Protocol", "mqtt"}, {"Sec-WebSocket-Version", "13"}};

std::string request(const Fields& changed = {}, const std::string& line = "GET /mqtt HTTP/1.1") {
    auto fields = usual_fields;
    for (const auto& [name, value] : changed) fields[name] = value;
    std::string text = line + "\r\n";
    for (const auto& [name, value] : fields)
        if (!value.empty()) text += name + ": " + value + "\r\n";
    return text + "\r\n";
}

UpgradeAnswer answer(const std::string& text, const UpgradeRules& rules = {}) {
    UpgradeReader reader;
    EXPECT_EQ(reader.take(as_bytes(text)), text.size());
    EXPECT_TRUE(reader.is_complete());
    return reader.answer(rules);
}

void expect_refusal(const std::string& text, UpgradeRefusal refusal, const std::string& status) {
    const auto given = answer(text);
    EXPECT_EQ(given.refusal, refusal) << given.response;
    EXPECT_TRUE(given.response.starts_with("HTTP/1.1 " + status)) << given.response;
}

TEST(upgrade, is_accepted_as_the_standard_says) {
    const auto given = answer(request());
    EXPECT_EQ(given.refusal, std::nullopt);
    EXPECT_EQ(given.response,
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
              "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
}

TEST(upgrade, finds_words_in_lists_and_in_any_case) {
    for (const Fields& changed :
         {Fields{{"Connection", "keep-alive, uPGRADE"}}, Fields{{"Upgrade", "h2c, WebSocket"}},
          Fields{{"Sec-WebSocket-Protocol", "chat, mqtt"}}}) {
        EXPECT_EQ(answer(request(changed)).refusal, std::nullopt);
    }
    EXPECT_EQ(answer(request({}, "GET /mqtt?token=1 HTTP/1.1")).refusal, std::nullopt);
}

TEST(upgrade, chooses_the_subprotocol_that_was_offered) {
    const auto has = [](const UpgradeAnswer& given, const char* text) {
        return given.response.find(text) != std::string::npos;
    };
    EXPECT_TRUE(has(answer(request({{"Sec-WebSocket-Protocol", "mqttv3.1"}})), ": mqttv3.1\r\n"));
    EXPECT_TRUE(has(answer(request({{"Sec-WebSocket-Protocol", "mqttv3.1, mqtt"}})), ": mqtt\r\n"));
    const auto without =
        answer(request({{"Sec-WebSocket-Protocol", ""}}), {.requires_subprotocol = false});
    EXPECT_EQ(without.refusal, std::nullopt);
    EXPECT_FALSE(has(without, "Sec-WebSocket-Protocol"));
}

TEST(upgrade, is_refused_with_the_reason) {
    using enum UpgradeRefusal;
    expect_refusal(request({}, "GET /other HTTP/1.1"), wrong_path, "404");
    expect_refusal(request({}, "GET /mqtt/ HTTP/1.1"), wrong_path, "404");
    expect_refusal(request({}, "POST /mqtt HTTP/1.1"), wrong_method, "405");
    expect_refusal(request({}, "GET /mqtt HTTP/1.0"), malformed_request, "400");
    expect_refusal(request({{"Content-Length", "5"}}), malformed_request, "400");
    expect_refusal("hello\r\n\r\n", malformed_request, "400");
    expect_refusal(request({{"Bad Name", "x"}}), malformed_request, "400");
    expect_refusal(request({{"Upgrade", ""}}), no_upgrade, "426");
    expect_refusal(request({{"Connection", "close"}}), no_upgrade, "426");
    expect_refusal(request({{"Sec-WebSocket-Version", "8"}}), wrong_version, "426");
    expect_refusal(request({{"Sec-WebSocket-Key", ""}}), wrong_key, "400");
    expect_refusal(request({{"Sec-WebSocket-Key", "short"}}), wrong_key, "400");
    expect_refusal(request({{"Sec-WebSocket-Protocol", ""}}), no_subprotocol, "400");
    expect_refusal(request({{"Sec-WebSocket-Protocol", "MQTT"}}), no_subprotocol, "400");
}

TEST(upgrade, says_which_version_it_wants) {
    const auto given = answer(request({{"Sec-WebSocket-Version", "8"}}));
    EXPECT_NE(given.response.find("Sec-WebSocket-Version: 13\r\n"), std::string::npos);
}

TEST(upgrade, leaves_what_is_behind_the_request) {
    const auto text = request();
    for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{7}, std::size_t{1'000}}) {
        UpgradeReader reader;
        std::size_t taken = 0;
        const auto all = text + "behind";
        for (std::size_t begin = 0; begin < all.size() && !reader.is_complete();
             begin += piece_bytes) {
            taken += reader.take(as_bytes(std::string_view{all}.substr(begin, piece_bytes)));
        }
        EXPECT_EQ(taken, text.size());
        EXPECT_EQ(reader.answer({}).refusal, std::nullopt);
    }
}

TEST(upgrade, is_refused_when_the_request_is_too_large) {
    const auto of_size = [](std::size_t size_bytes) {
        const auto rest = request({{"X", "x"}}).size() - 1;
        return request({{"X", std::string(size_bytes - rest, 'x')}});
    };
    EXPECT_EQ(answer(of_size(UpgradeReader::request_bytes_max)).refusal, std::nullopt);
    UpgradeReader reader;
    const auto large = of_size(UpgradeReader::request_bytes_max + 10);
    EXPECT_LE(reader.take(as_bytes(large)), UpgradeReader::request_bytes_max + 1);
    ASSERT_TRUE(reader.is_complete());
    EXPECT_EQ(reader.answer({}).refusal, UpgradeRefusal::header_too_large);
    EXPECT_TRUE(reader.answer({}).response.starts_with("HTTP/1.1 431"));
}

}  // namespace
}  // namespace touchstone::transport
