// Messages from a pool: their memory comes back from wherever they end, also after the pool.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "broker/base/message.hpp"

namespace touchstone {
namespace {

MessageRef message_of(std::string_view payload, MessagePool& pool) {
    return Message::make({.topic = "t", .payload = as_bytes(payload)}, pool);
}

TEST(message_pool, uses_the_memory_of_a_message_that_has_ended_again) {
    MessagePool pool;
    const Message* first = nullptr;
    {
        const auto message = message_of("one", pool);
        first = &*message;
    }
    const auto message = message_of("two", pool);
    EXPECT_EQ(&*message, first);
    EXPECT_EQ(as_text(message->payload()), "two");
}

TEST(message_pool, gives_messages_of_every_size_what_they_were_made_of) {
    MessagePool pool;
    std::vector<MessageRef> kept;
    for (std::size_t size = 0; size < 2'000; ++size)
        kept.push_back(message_of(std::string(size, static_cast<char>('a' + size % 26)), pool));
    for (std::size_t size = 0; size < 2'000; ++size)
        EXPECT_EQ(as_text(kept[size]->payload()),
                  std::string(size, static_cast<char>('a' + size % 26)));
}

TEST(message_pool, serves_more_messages_than_it_has_memory_for) {
    MessagePool pool;
    std::vector<MessageRef> kept;
    for (int i = 0; i < 50'000; ++i) kept.push_back(message_of(std::to_string(i), pool));
    for (int i = 0; i < 50'000; ++i)
        EXPECT_EQ(as_text(kept[static_cast<std::size_t>(i)]->payload()), std::to_string(i));
}

TEST(message_pool, is_outlived_by_its_messages) {
    std::vector<MessageRef> kept;
    {
        std::optional<MessagePool> pool{std::in_place};
        for (int i = 0; i < 10; ++i) kept.push_back(message_of(std::to_string(i), *pool));
        kept.erase(kept.begin(), kept.begin() + 5);
        kept.push_back(message_of("last", *pool));
    }
    EXPECT_EQ(as_text(kept.front()->payload()), "5");
    EXPECT_EQ(as_text(kept.back()->payload()), "last");
}

TEST(message_pool, takes_back_what_ends_on_another_thread_also_when_it_is_gone) {
    constexpr std::size_t count = 20'000;
    std::optional<MessagePool> pool{std::in_place};
    std::vector<MessageRef> here(count);
    std::vector<MessageRef> there(count);
    std::atomic<std::size_t> ready_count{0};
    std::thread other{[&] {
        for (std::size_t i = 0; i < count; ++i) {
            while (ready_count.load(std::memory_order_acquire) <= i) std::this_thread::yield();
            EXPECT_EQ(as_text(there[i]->payload()), std::to_string(i));
            there[i] = {};
        }
    }};
    for (std::size_t i = 0; i < count; ++i) {
        here[i] = message_of(std::to_string(i), *pool);
        there[i] = here[i];
        ready_count.store(i + 1, std::memory_order_release);
        if (i % 3 != 0) here[i] = {};
    }
    pool.reset();
    here.clear();
    other.join();
}

}  // namespace
}  // namespace touchstone
