// What waits for a stored session is on the disk only when there is too much of it, and comes from
// there, in its order, when it is its turn.

#include "broker/tests/broker_with_storage.hpp"

namespace touchstone {
namespace {

class broker_that_pages : public broker_with_storage {
protected:
    void SetUp() override {
        auto with = *access::open_rules(Settings{.queue_messages_max = 1'000});
        with.policy.limits.resident_queue_bytes = 2'000U * GetParam();
        rules = std::make_shared<const access::NodeRules>(std::move(with));
        start();
    }

    /// A subscriber that is away, and for which messages from `first` to `last` wait.
    void let_wait(unsigned first, unsigned last) {
        if (first == 1) {
            auto& subscriber = lasting("s", {.receive_maximum = 2});
            subscribe(subscriber, "t", QoS::at_least_once);
            rig->lose(subscriber);
        }
        auto& publisher = connected(beside("s"));
        for (unsigned number = first; number <= last; ++number)
            publish(publisher, "t", text_of(number), QoS::at_least_once,
                    static_cast<std::uint16_t>(number));
    }
    [[nodiscard]] static std::string text_of(unsigned number) {
        return std::to_string(number) + std::string(200, '.');
    }
    [[nodiscard]] std::uint64_t resident_bytes() {
        std::uint64_t total = 0;
        for (unsigned shard = 0; shard < GetParam(); ++shard)
            total += rig->broker(shard).gauges().queued_bytes;
        return total;
    }
    /// Takes all that comes, in steps of the window. Returns the numbers in the texts.
    [[nodiscard]] std::vector<unsigned> take_all(Peer& subscriber) {
        std::vector<unsigned> numbers;
        for (;;) {
            const auto count_before = numbers.size();
            for (const auto& text : seen(subscriber)) {
                if (!text.starts_with("PUBLISH")) continue;
                numbers.push_back(number_behind(text, "t="));
                ack(subscriber, wire::PacketType::puback,
                    static_cast<std::uint16_t>(number_behind(text, "id=")));
            }
            if (numbers.size() == count_before) return numbers;
        }
    }
    [[nodiscard]] static unsigned number_behind(const std::string& text, std::string_view name) {
        return static_cast<unsigned>(std::stoul(text.substr(text.find(name) + name.size())));
    }
    [[nodiscard]] static std::vector<unsigned> from_to(unsigned first, unsigned last) {
        std::vector<unsigned> numbers;
        for (auto number = first; number <= last; ++number) numbers.push_back(number);
        return numbers;
    }
};

TEST_P(broker_that_pages, delivers_in_order_what_is_on_the_disk_only) {
    let_wait(1, 100);
    EXPECT_LE(resident_bytes(), 2'000U * GetParam());
    EXPECT_GT(sum(Counter::messages_paged_out), 80U);
    EXPECT_EQ(take_all(lasting("s", {.receive_maximum = 7})), from_to(1, 100));
    EXPECT_EQ(sum(Counter::messages_paged_in), sum(Counter::messages_paged_out));
    EXPECT_EQ(sum(Counter::dropped_unreadable), 0U);
    EXPECT_EQ(resident_bytes(), 0U);
    // Nothing of them stays behind.
    EXPECT_EQ(keys('m'), "");
    EXPECT_EQ(keys('d'), "");
}

TEST_P(broker_that_pages, takes_what_comes_while_it_reads_behind_what_waits) {
    let_wait(1, 60);
    rig->is_reading = false;
    auto& subscriber = lasting("s");
    let_wait(61, 70);
    EXPECT_EQ(seen(subscriber), Texts{"CONNACK resumed success"});
    rig->is_reading = true;
    rig->settle();
    EXPECT_EQ(take_all(subscriber), from_to(1, 70));
}

TEST_P(broker_that_pages, needs_no_more_memory_after_a_crash) {
    let_wait(1, 100);
    crash();
    EXPECT_EQ(rig->unusable, Texts{});
    EXPECT_LE(resident_bytes(), 2'000U * GetParam());
    EXPECT_EQ(take_all(lasting("s")), from_to(1, 100));
    EXPECT_EQ(keys('m'), "");
}

TEST_P(broker_that_pages, reads_again_when_the_disk_could_not) {
    let_wait(1, 50);
    rig->can_read = false;
    auto& subscriber = lasting("s");
    const auto before = seen(subscriber);
    rig->advance(std::chrono::seconds{5});
    EXPECT_GE(sum(Counter::storage_reads_failed), 5U);
    EXPECT_EQ(take_all(subscriber), std::vector<unsigned>{});
    rig->can_read = true;
    rig->advance(std::chrono::seconds{2});
    EXPECT_EQ(take_all(subscriber), from_to(1, 50));
    EXPECT_EQ(sum(Counter::dropped_unreadable), 0U);
}

TEST_P(broker_that_pages, counts_a_message_that_the_disk_has_lost_and_delivers_the_others) {
    let_wait(1, 50);
    auto& disk = disks[owner_of("s", GetParam()).raw()];
    // The second of them is gone, the third is not what it was.
    const auto first = disk.records.lower_bound("m/");
    const auto second = std::next(first);
    std::next(second)->second[20] ^= std::byte{1};
    disk.records.erase(second);
    EXPECT_EQ(take_all(lasting("s")).size(), 48U);
    EXPECT_EQ(sum(Counter::dropped_unreadable), 2U);
    EXPECT_EQ(keys('d'), "");
}

TEST_P(broker_that_pages, drops_the_oldest_of_a_full_queue_wherever_it_is) {
    let_wait(1, 1'010);
    EXPECT_EQ(sum(Counter::dropped_queue_full), 10U);
    EXPECT_EQ(take_all(lasting("s", {.receive_maximum = 100})), from_to(11, 1'010));
}

TEST_P(broker_that_pages, forgets_a_read_for_a_session_that_has_ended) {
    let_wait(1, 50);
    rig->is_reading = false;
    lasting("s");
    auto& anew = connect("s");  // Clean Start
    subscribe(anew, "t", QoS::at_least_once);
    let_wait(51, 52);
    rig->is_reading = true;
    rig->settle();
    EXPECT_EQ(take_all(anew), from_to(51, 52));
    EXPECT_EQ(sum(Counter::dropped_unreadable), 0U);
    EXPECT_EQ(sum(Counter::dropped_session_ended), 50U);
}

TEST_P(broker_that_pages, lets_what_has_expired_on_the_disk_go) {
    auto& subscriber = lasting("s");
    subscribe(subscriber, "t", QoS::at_least_once);
    rig->lose(subscriber);
    auto& publisher = connected(beside("s"));
    wire::PropertiesWriter properties;
    properties.put_integer(PropertyId::message_expiry_interval, 10);
    for (std::uint16_t number = 1; number <= 50; ++number) {
        const auto text = text_of(number);
        publish(publisher, {.qos = QoS::at_least_once,
                            .topic = "t",
                            .packet_id = id(number),
                            .properties = properties.view(),
                            .payload = as_bytes(text)});
    }
    let_wait(51, 60);
    rig->advance(std::chrono::seconds{11});
    EXPECT_EQ(take_all(lasting("s")), from_to(51, 60));
    EXPECT_EQ(sum(Counter::dropped_expired), 50U);
}

INSTANTIATE_TEST_SUITE_P(one_two_and_four, broker_that_pages, testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace touchstone
