// Links between a client and a node that only record what they get.

#include <gtest/gtest.h>

#include <string>

#include "simulator/links.hpp"

namespace touchstone::simulator {
namespace {

using std::chrono::milliseconds;

class RecordingEnd final : public Acceptor {
public:
    RecordingEnd(Links& links, Direction direction) : links_{links}, direction_{direction} {}
    [[nodiscard]] bool accepts() override { return listens; }
    void on_opened(ConnectionNumber) override { log += "opened;"; }
    void on_bytes_ready(ConnectionNumber number) override {
        if (takes) log += std::string{as_text(links_.take(number, direction_))} + ";";
    }
    void on_written(ConnectionNumber, std::size_t size) override {
        log += "written " + std::to_string(size) + ";";
    }
    void on_ended(ConnectionNumber, Ending ending) override {
        log += ending == Ending::orderly ? "closed;" : "reset;";
    }
    std::string take_log() { return std::exchange(log, {}); }

    bool listens = true;
    bool takes = true;
    std::string log;

private:
    Links& links_;
    Direction direction_;
};

class LinksTest : public testing::Test {
protected:
    LinksTest() { link = links.add_link({.delay = {.low = milliseconds{10}}}, node, Actor{}); }

    void run(Duration span) { engine.run_until(engine.now() + span); }
    ConnectionNumber opened() {
        const auto number = links.open(link, client, Actor{});
        run(milliseconds{10});
        EXPECT_EQ(node.take_log(), "opened;");
        return number;
    }
    void send(ConnectionNumber number, Direction to, std::string_view text) {
        links.put(number, to, as_bytes(text));
        links.flush(number, to);
    }

    Engine engine{1};
    Links links{engine, nullptr};
    RecordingEnd node{links, Direction::to_broker};
    RecordingEnd client{links, Direction::to_client};
    LinkIndex link;
};

TEST_F(LinksTest, bytes_arrive_after_the_delay_and_the_orderly_end_behind_them) {
    const auto number = opened();
    send(number, Direction::to_broker, "hello");
    links.close(number, Direction::to_broker);
    run(milliseconds{9});
    EXPECT_EQ(node.take_log(), "");
    run(milliseconds{1});
    EXPECT_EQ(node.take_log(), "hello;closed;");
    EXPECT_TRUE(links.is_over(number, Direction::to_broker));
}

TEST_F(LinksTest, a_reset_overtakes_nothing_that_has_arrived_and_drops_what_was_not_taken) {
    const auto number = opened();
    node.takes = false;
    send(number, Direction::to_broker, "lost");
    links.abort(number, Direction::to_broker);
    run(milliseconds{10});
    EXPECT_EQ(node.take_log(), "reset;");
    EXPECT_TRUE(links.take(number, Direction::to_broker).empty());
}

TEST_F(LinksTest, random_delays_keep_the_order) {
    links.set_model(link, {.delay = {.kind = DelayModel::Kind::uniform,
                                     .low = milliseconds{1},
                                     .high = milliseconds{50}}});
    const auto number = links.open(link, client, Actor{});
    std::string sent;
    for (char c = 'a'; c <= 'z'; ++c) {
        send(number, Direction::to_broker, std::string(1, c));
        sent += c;
        run(milliseconds{1});
    }
    run(milliseconds{100});
    std::string arrived = node.take_log();
    ASSERT_TRUE(arrived.starts_with("opened;"));
    arrived.erase(0, 7);
    std::erase(arrived, ';');
    EXPECT_EQ(arrived, sent);
}

TEST_F(LinksTest, bandwidth_spreads_pieces_over_time) {
    links.set_model(link, {.delay = {.low = milliseconds{10}}, .bandwidth_bytes_per_s = 1'000});
    const auto number = opened();
    send(number, Direction::to_broker, std::string(100, 'x'));  // 100 ms on the line
    run(milliseconds{109});
    EXPECT_EQ(node.take_log(), "");
    run(milliseconds{1});
    EXPECT_EQ(node.take_log().size(), 101U);
}

TEST_F(LinksTest, a_stall_holds_one_direction_and_then_delivers_in_order) {
    const auto number = opened();
    links.set_stalled(link, Direction::to_broker, true);
    send(number, Direction::to_broker, "1");
    run(milliseconds{5});
    send(number, Direction::to_broker, "2");
    send(number, Direction::to_client, "back");
    run(milliseconds{1'000});
    EXPECT_EQ(node.take_log(), "");
    EXPECT_EQ(client.take_log(), "back;");
    links.set_stalled(link, Direction::to_broker, false);
    run(Duration::zero());
    EXPECT_EQ(node.take_log(), "12;");
}

TEST_F(LinksTest, a_drop_silences_the_connection_for_ever_and_not_the_next_one) {
    const auto number = opened();
    links.set_dropping(link, Direction::to_broker, true);
    send(number, Direction::to_broker, "lost");
    links.set_dropping(link, Direction::to_broker, false);
    send(number, Direction::to_broker, "behind the gap");
    links.close(number, Direction::to_broker);
    run(milliseconds{1'000});
    EXPECT_EQ(node.take_log(), "");

    const auto next = opened();
    send(next, Direction::to_broker, "heard");
    run(milliseconds{10});
    EXPECT_EQ(node.take_log(), "heard;");
}

TEST_F(LinksTest, a_cut_tells_both_ends_at_once_and_loses_what_is_under_way) {
    const auto number = opened();
    send(number, Direction::to_broker, "lost");
    run(milliseconds{5});
    links.cut(link);
    run(milliseconds{100});
    EXPECT_EQ(node.take_log(), "reset;");
    EXPECT_EQ(client.take_log(), "reset;");
    EXPECT_TRUE(links.is_over(number, Direction::to_client));
}

TEST_F(LinksTest, a_refused_connection_is_reset) {
    links.set_refusing(link, true);
    links.open(link, client, Actor{});
    run(milliseconds{20});
    EXPECT_EQ(client.take_log(), "reset;");
    links.set_refusing(link, false);
    node.listens = false;
    links.open(link, client, Actor{});
    run(milliseconds{20});
    EXPECT_EQ(client.take_log(), "reset;");
    EXPECT_EQ(node.take_log(), "");
}

TEST_F(LinksTest, a_half_open_connection_tells_nobody) {
    const auto number = opened();
    links.black_hole(link, Direction::to_broker);
    links.black_hole(link, Direction::to_client);
    links.abort(number, Direction::to_broker);
    send(number, Direction::to_client, "into the void");
    run(milliseconds{10'000});
    EXPECT_EQ(node.take_log(), "");
    EXPECT_EQ(client.take_log(), "");
}

TEST_F(LinksTest, a_sender_gets_stuck_behind_a_receiver_that_does_not_read) {
    links.set_model(link, {.delay = {.low = milliseconds{10}}, .buffer_bytes = 4});
    const auto number = opened();
    client.takes = false;
    links.put(number, Direction::to_client, as_bytes("0123456789"));
    EXPECT_EQ(links.flush(number, Direction::to_client), 4U);
    run(milliseconds{100});
    EXPECT_EQ(node.take_log(), "");  // nothing more was written
    EXPECT_EQ(as_text(links.take(number, Direction::to_client)), "0123");
    client.takes = true;
    run(milliseconds{100});
    EXPECT_EQ(node.take_log(), "written 4;written 2;");
    EXPECT_EQ(client.take_log(), "4567;89;");
}

TEST_F(LinksTest, an_end_that_does_not_look_does_not_notice_an_orderly_end) {
    const auto number = opened();
    links.set_reading(number, Direction::to_broker, false);
    links.close(number, Direction::to_broker);
    run(milliseconds{100});
    EXPECT_EQ(node.take_log(), "");
    links.set_reading(number, Direction::to_broker, true);
    run(Duration::zero());
    EXPECT_EQ(node.take_log(), "closed;");
}

TEST_F(LinksTest, a_reset_at_a_chosen_byte_lets_everything_up_to_it_arrive) {
    const auto number = opened();
    links.reset_after(link, Direction::to_broker, 7);
    send(number, Direction::to_broker, "abcd");
    send(number, Direction::to_broker, "efgh");
    send(number, Direction::to_broker, "ijkl");
    run(milliseconds{0});
    EXPECT_EQ(client.take_log(), "reset;");
    run(milliseconds{11});
    EXPECT_EQ(node.take_log(), "abcdefg;reset;");
    // The next connection is as any other.
    const auto next = opened();
    send(next, Direction::to_broker, "abcdefgh");
    run(milliseconds{10});
    EXPECT_EQ(node.take_log(), "abcdefgh;");
}

}  // namespace
}  // namespace touchstone::simulator
