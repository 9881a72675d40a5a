#include <gtest/gtest.h>

#include "broker/base/message.hpp"
#include "broker/base/reason_code.hpp"

namespace touchstone {
namespace {

TEST(reason_code, the_standard_has_43_of_them) {
    int count = 0;
    for (int raw = 0; raw < 256; ++raw) count += is_reason_code(static_cast<std::uint8_t>(raw));
    EXPECT_EQ(count, 43);
}

TEST(reason_code, every_refusal_has_a_return_code_in_3_1_1) {
    for (int raw = 0x80; raw < 256; ++raw) {
        const auto code = static_cast<ReasonCode>(raw);
        EXPECT_GE(connack_return_code(code), 1);
        EXPECT_LE(connack_return_code(code), 5);
    }
    EXPECT_EQ(connack_return_code(ReasonCode::success), 0);
    EXPECT_EQ(connack_return_code(ReasonCode::bad_user_name_or_password), 4);
}

TEST(message, keeps_what_it_was_made_of_after_the_sources_are_gone) {
    MessageRef kept;
    {
        const std::string topic = "a/b";
        const std::string payload(1000, 'p');
        const auto message = Message::make({.topic = topic,
                                            .payload = as_bytes(payload),
                                            .properties = as_bytes("xyz"),
                                            .qos = QoS::exactly_once,
                                            .retain = true,
                                            .publisher = 7});
        kept = message;
    }
    EXPECT_EQ(kept->topic(), "a/b");
    EXPECT_EQ(as_text(kept->payload()), std::string(1000, 'p'));
    EXPECT_EQ(as_text(kept->properties()), "xyz");
    EXPECT_EQ(kept->qos(), QoS::exactly_once);
    EXPECT_TRUE(kept->retain());
    EXPECT_EQ(kept->publisher(), 7U);
    EXPECT_EQ(kept->expires_at(), never);
}

}  // namespace
}  // namespace touchstone
