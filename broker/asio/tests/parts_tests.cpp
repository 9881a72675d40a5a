// The driver's parts that need no socket: Output and Mailbox.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/asio/mailbox.hpp"
#include "broker/asio/output.hpp"

namespace touchstone::asio_driver {

namespace {

Buffer text_of(std::span<const iovec> pieces) {
    Buffer text;
    for (const iovec& piece : pieces) {
        append(text, {static_cast<const std::byte*>(piece.iov_base), piece.iov_len});
    }
    return text;
}

RC_GTEST_PROP(output, gives_back_what_was_appended_in_order, ()) {
    OutputPool pool;
    Output output;
    Buffer model;
    unsigned next = 0;
    const auto steps = *rc::gen::inRange(1, 60);
    for (int step = 0; step < steps; ++step) {
        const auto size_bytes = *rc::gen::element(1, 20, 471, 472, 473, 5'000, 16'384, 40'000);
        Buffer bytes(static_cast<std::size_t>(size_bytes));
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(next++);
        switch (*rc::gen::inRange(0, 3)) {
            case 0:
                output.append(pool, bytes);
                append(model, bytes);
                break;
            case 1:
                output.append(pool, Message::make({.topic = "t", .payload = bytes}));
                append(model, bytes);
                break;
            case 2: {
                const auto dropped_bytes = std::min(bytes.size(), model.size());
                output.drop(pool, dropped_bytes);
                model.erase(model.begin(),
                            model.begin() + static_cast<std::ptrdiff_t>(dropped_bytes));
                break;
            }
        }
        std::array<iovec, 4> room{};
        const Buffer oldest = text_of(output.oldest(room));
        RC_ASSERT(oldest.size() <= model.size());
        RC_ASSERT(std::equal(oldest.begin(), oldest.end(), model.begin()));
        RC_ASSERT(output.is_empty() == model.empty());
        RC_ASSERT(oldest.empty() == model.empty());
    }
    output.drop_all(pool);
    RC_ASSERT(pool.used_bytes() == 0U);
}

TEST(output, holds_a_payload_until_it_is_dropped_and_no_longer) {
    OutputPool pool;
    Output output;
    MessageRef message = Message::make({.topic = "t", .payload = as_bytes("payload")});
    const Message* const address = &*message;
    output.append(pool, message);
    message = MessageRef{};
    std::array<iovec, 1> room{};
    EXPECT_EQ(output.oldest(room).front().iov_base, address->payload().data());
    EXPECT_EQ(as_text(text_of(output.oldest(room))), "payload");
    output.drop(pool, 7);  // AddressSanitizer tells when it is not given back
    EXPECT_TRUE(output.is_empty());
}

TEST(mailbox, shows_nothing_before_it_is_published) {
    Mailbox<int> mailbox;
    EXPECT_FALSE(mailbox.publish());
    mailbox.push(1, 1);
    EXPECT_TRUE(mailbox.is_empty());
    EXPECT_FALSE(mailbox.take().has_value());
    EXPECT_TRUE(mailbox.publish());
    EXPECT_FALSE(mailbox.is_empty());
    EXPECT_EQ(mailbox.take(), 1);
    EXPECT_TRUE(mailbox.is_empty());
}

TEST(mailbox, brings_everything_once_and_in_order_from_one_thread_to_another) {
    constexpr int items = 200'000;
    Mailbox<std::unique_ptr<int>> mailbox;
    std::thread producer{[&] {
        for (int i = 0; i < items; ++i) {
            mailbox.push(std::make_unique<int>(i), 1);
            if (i % 7 == 0 || i == items - 1) mailbox.publish();
        }
    }};
    for (int expected = 0; expected < items;) {
        const auto item = mailbox.take();
        if (!item) {
            std::this_thread::yield();
            continue;
        }
        ASSERT_EQ(**item, expected);
        ++expected;
    }
    producer.join();
    EXPECT_TRUE(mailbox.is_empty());
}

TEST(mailbox, destroys_what_nobody_took) {
    const auto item = std::make_shared<int>(1);
    {
        Mailbox<std::shared_ptr<int>> mailbox;
        for (int i = 0; i < 100; ++i) mailbox.push(item, 1);
        mailbox.publish();
        for (int i = 0; i < 40; ++i) mailbox.take();
        EXPECT_EQ(item.use_count(), 61);
    }
    EXPECT_EQ(item.use_count(), 1);
}

TEST(mailbox, tells_the_producer_when_there_is_room_again) {
    Mailbox<int> mailbox;
    for (int i = 0; i < 100; ++i) mailbox.push(i, 10);
    EXPECT_TRUE(mailbox.owes_more_than(999));
    EXPECT_FALSE(mailbox.owes_more_than(1'000));
    EXPECT_FALSE(mailbox.awaits_room());
    mailbox.await_room(500);
    mailbox.publish();
    for (int i = 0; i < 49; ++i) mailbox.take();
    EXPECT_EQ(mailbox.owed_bytes(), 1'000U);  // the producer has not been told
    EXPECT_FALSE(mailbox.return_taken());
    EXPECT_TRUE(mailbox.awaits_room());
    mailbox.push(100, 10);  // is not waited for
    mailbox.take();
    EXPECT_TRUE(mailbox.return_taken());
    EXPECT_FALSE(mailbox.awaits_room());
    EXPECT_EQ(mailbox.owed_bytes(), 510U);
    mailbox.take();
    EXPECT_FALSE(mailbox.return_taken());  // nobody waits
}

}  // namespace

}  // namespace touchstone::asio_driver
