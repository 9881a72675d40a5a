#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

#include "broker/session/outbox.hpp"

namespace touchstone {
namespace {

Delivery delivery_of(std::string_view payload, QoS qos = QoS::at_least_once) {
    return {.message = Message::make({.topic = "t", .payload = as_bytes(payload)}), .qos = qos};
}

std::string waiting(const Outbox& outbox) {
    std::string text;
    for (const auto& one : outbox.waiting()) text += as_text(one.message->payload());
    return text;
}

wire::PacketId id(std::uint16_t raw) {
    return wire::PacketId::from_wire(raw).value();
}

TEST(outbox, drops_the_oldest_qos_0_message_first_and_then_the_oldest) {
    const Settings settings{.queue_messages_max = 3};
    Outbox outbox;
    for (const auto* const one : {"a", "b"})
        EXPECT_EQ(outbox.enqueue(delivery_of(one), {}, settings).count, 0U);
    EXPECT_EQ(outbox.enqueue(delivery_of("0", QoS::at_most_once), {}, settings).count, 0U);
    EXPECT_EQ(outbox.enqueue(delivery_of("c"), {}, settings).count, 1U);
    EXPECT_EQ(waiting(outbox), "abc");
    EXPECT_EQ(outbox.enqueue(delivery_of("d"), {}, settings).count, 1U);
    EXPECT_EQ(waiting(outbox), "bcd");
}

TEST(outbox, drops_the_new_one_when_it_may_keep_none) {
    Outbox outbox;
    EXPECT_TRUE(outbox.enqueue(delivery_of("a"), {}, {.queue_messages_max = 0}).is_new);
    EXPECT_TRUE(outbox.enqueue(delivery_of("a"), {}, {.queue_bytes_max = 10}).is_new);
    EXPECT_FALSE(outbox.has_waiting());
}

TEST(outbox, counts_each_message_that_makes_room_for_a_large_one) {
    const auto size = delivery_of("x").message->size_bytes();
    const Settings settings{.queue_bytes_max = 3 * size};
    Outbox outbox;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(outbox.enqueue(delivery_of("x"), {}, settings).count, 0U);
    EXPECT_EQ(outbox.enqueue(delivery_of(std::string(size + 1, 'y')), {}, settings).count, 2U);
    EXPECT_EQ(outbox.waiting().size(), 2U);
}

TEST(outbox, does_not_count_the_retained_messages_of_a_new_subscription) {
    const Settings settings{.queue_messages_max = 1};
    Outbox outbox;
    for (const auto* const one : {"r", "s", "t"}) {
        auto delivery = delivery_of(one);
        delivery.snapshot = true;
        EXPECT_EQ(outbox.enqueue(std::move(delivery), {}, settings).count, 0U);
    }
    EXPECT_EQ(outbox.enqueue(delivery_of("a"), {}, settings).count, 0U);
    EXPECT_EQ(outbox.enqueue(delivery_of("b"), {}, settings).count, 1U);
    EXPECT_EQ(waiting(outbox), "rstb");
}

TEST(outbox, never_gives_out_a_packet_identifier_that_is_in_use) {
    constexpr std::uint16_t packet_id_max = 3;
    Outbox outbox;
    const auto start = [&] {
        return outbox.start(delivery_of("x"), Instant{}, packet_id_max, true).packet_id.raw();
    };
    EXPECT_EQ(start(), 1);
    EXPECT_EQ(start(), 2);
    EXPECT_EQ(start(), 3);
    outbox.finish(*outbox.find(id(2)));
    EXPECT_EQ(start(), 2) << "wraps around and skips 3 and 1";
    outbox.finish(*outbox.find(id(1)));
    outbox.finish(*outbox.find(id(3)));
    EXPECT_EQ(start(), 3);
    EXPECT_EQ(start(), 1);
}

/// Every identifier is free or of one flow, whatever order flows end in.
RC_GTEST_PROP(outbox, gives_every_flow_an_identifier_of_its_own,
              (const std::vector<std::uint8_t>& steps)) {
    Outbox outbox;
    std::vector<std::uint16_t> model;
    for (const auto step : steps) {
        const std::uint16_t packet_id_max = step % 16 == 0 ? 12 : 8;  // as after a reload
        if (step % 3 != 0 && model.size() < 8) {
            const auto started = outbox.start(delivery_of("x"), Instant{}, packet_id_max, true)
                                     .packet_id.raw();
            RC_ASSERT(started >= 1 && started <= packet_id_max);
            RC_ASSERT(std::find(model.begin(), model.end(), started) == model.end());
            model.push_back(started);
        } else if (!model.empty()) {
            const auto place = step % 2 == 0 ? 0 : step / 4 % model.size();
            auto* const flow = outbox.find(id(model[place]));
            RC_ASSERT(flow != nullptr);
            RC_ASSERT(flow->packet_id.raw() == model[place]);
            outbox.finish(*flow);
            model.erase(model.begin() + static_cast<std::ptrdiff_t>(place));
        }
        for (std::uint16_t raw = 1; raw <= 12; ++raw)
            RC_ASSERT((outbox.find(id(raw)) != nullptr) ==
                      (std::find(model.begin(), model.end(), raw) != model.end()));
    }
}

TEST(outbox, counts_the_send_quota_of_one_connection) {
    Outbox outbox;
    for (int i = 0; i < 2; ++i)
        outbox.count_on_connection(outbox.start(delivery_of("x"), Instant{}, 100, true));
    EXPECT_EQ(outbox.quota_used(), 2U);
    outbox.begin_connection();
    EXPECT_EQ(outbox.quota_used(), 0U);
    EXPECT_EQ(outbox.resends_owed(), 2U);
    // Acknowledged before it was sent again: adds nothing to the quota of the new connection.
    outbox.finish(*outbox.find(id(1)));
    EXPECT_EQ(outbox.quota_used(), 0U);
    EXPECT_EQ(outbox.resends_owed(), 1U);
    auto& second = *outbox.find(id(2));
    outbox.count_on_connection(second);
    outbox.resent(second);
    outbox.finish(second);
    EXPECT_EQ(outbox.quota_used(), 0U);
    EXPECT_TRUE(outbox.is_idle());
}

}  // namespace
}  // namespace touchstone
