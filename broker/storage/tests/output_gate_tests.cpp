#include "broker/storage/output_gate.hpp"

#include <gtest/gtest.h>

#include <string>

namespace touchstone::storage {
namespace {

/// What leaves, as a text: "1:abc 1:close".
class NotingNetwork final : public Network {
public:
    void send(ConnectionId id, Bytes bytes) override { note(id, as_text(bytes)); }
    void send(ConnectionId id, Bytes head, const MessageRef& message) override {
        note(id, std::string{as_text(head)} + std::string{as_text(message->payload())});
    }
    void close(ConnectionId id) override { note(id, "close"); }
    void abort(ConnectionId id) override { note(id, "abort"); }
    void move(ConnectionId id, ShardIndex /*owner*/, access::Origin /*origin*/) override {
        note(id, "move");
    }
    void resume(ConnectionId id) override { note(id, "resume"); }

    std::string taken() { return std::exchange(text_, {}); }

private:
    void note(ConnectionId id, std::string_view what) {
        text_ += (text_.empty() ? "" : " ") + std::to_string(id.raw()) + ":" + std::string{what};
    }
    std::string text_;
};

class output_gate : public testing::Test {
protected:
    void send(ConnectionId id, std::string_view text) { gate.send(id, as_bytes(text)); }

    NotingNetwork network;
    OutputGate gate{network};
    ConnectionId one{1};
    ConnectionId two{2};
};

TEST_F(output_gate, lets_through_who_was_never_held) {
    send(one, "a");
    gate.resume(one);
    gate.close(one);
    EXPECT_EQ(network.taken(), "1:a 1:resume 1:close");
}

TEST_F(output_gate, keeps_back_what_is_sent_after_the_hold_until_the_batch_is_stored) {
    send(one, "before");
    gate.hold(one, 1);
    send(one, "ack");
    send(one, "next");
    send(two, "other");
    EXPECT_EQ(network.taken(), "1:before 2:other");
    EXPECT_TRUE(gate.is_held(one));
    gate.on_stored(1);
    EXPECT_EQ(network.taken(), "1:acknext");
    EXPECT_FALSE(gate.is_held(one));
    send(one, "later");
    EXPECT_EQ(network.taken(), "1:later");
}

TEST_F(output_gate, lets_out_up_to_the_first_batch_that_is_not_stored) {
    gate.hold(one, 1);
    send(one, "a");
    gate.hold(one, 2);
    send(one, "b");
    gate.on_stored(1);
    EXPECT_EQ(network.taken(), "1:a");
    send(one, "c");
    EXPECT_EQ(network.taken(), "");
    gate.on_stored(2);
    EXPECT_EQ(network.taken(), "1:bc");
}

TEST_F(output_gate, does_not_wait_for_what_is_stored) {
    gate.on_stored(5);
    gate.hold(one, 5);
    send(one, "a");
    EXPECT_EQ(network.taken(), "1:a");
}

TEST_F(output_gate, waits_for_a_batch_and_for_every_receipt) {
    gate.hold(one, 1);
    gate.hold_for(one, 7, 2);
    send(one, "ack");
    gate.on_receipt(7);
    gate.on_stored(1);
    EXPECT_EQ(network.taken(), "");
    gate.on_receipt(7);
    EXPECT_EQ(network.taken(), "1:ack");
    gate.on_receipt(7);  // nobody waits for it
}

TEST_F(output_gate, knows_who_waits_for_a_receipt) {
    gate.hold_for(one, 7, 1);
    send(one, "a");
    EXPECT_EQ(gate.waiting_for(7), one);
    gate.drop(one);
    EXPECT_EQ(gate.waiting_for(7), std::nullopt);
    // Another connection has its number now.
    gate.hold_for(one, 8, 1);
    EXPECT_EQ(gate.waiting_for(7), std::nullopt);
    EXPECT_EQ(gate.waiting_for(8), one);
    gate.on_receipt(8);
    EXPECT_EQ(gate.waiting_for(8), std::nullopt);
}

TEST_F(output_gate, keeps_the_order_of_acknowledgements_whose_receipts_come_in_another) {
    gate.hold_for(one, 7, 1);
    send(one, "a");
    gate.hold_for(one, 8, 1);
    send(one, "b");
    gate.on_receipt(8);
    EXPECT_EQ(network.taken(), "");
    gate.on_receipt(7);
    EXPECT_EQ(network.taken(), "1:a 1:b");
}

TEST_F(output_gate, keeps_back_messages_that_lie_elsewhere) {
    gate.hold(one, 1);
    send(one, "a");
    gate.send(one, as_bytes("head-"), Message::make({.topic = "t", .payload = as_bytes("body")}));
    send(one, "b");
    gate.on_stored(1);
    EXPECT_EQ(network.taken(), "1:a 1:head-body 1:b");
}

TEST_F(output_gate, closes_after_what_waits) {
    gate.hold(one, 1);
    send(one, "bye");
    gate.close(one);
    EXPECT_TRUE(gate.is_closing(one));
    EXPECT_EQ(network.taken(), "");
    gate.on_stored(1);
    EXPECT_EQ(network.taken(), "1:bye 1:close");
    EXPECT_FALSE(gate.is_closing(one));
}

TEST_F(output_gate, an_abort_drops_what_waits) {
    gate.hold(one, 1);
    send(one, "a");
    gate.abort(one);
    gate.on_stored(1);
    EXPECT_EQ(network.taken(), "1:abort");
}

TEST_F(output_gate, a_connection_that_is_gone_is_sent_nothing) {
    gate.hold(one, 1);
    gate.hold_for(one, 7, 1);
    send(one, "a");
    gate.forget(one);
    gate.on_receipt(7);
    gate.on_stored(1);
    EXPECT_EQ(network.taken(), "");
}

TEST_F(output_gate, dropping_what_waits_closes_what_was_closed) {
    gate.hold(one, 1);
    send(one, "a");
    gate.hold(two, 1);
    send(two, "b");
    gate.close(two);
    EXPECT_EQ(as_text(gate.first_bytes(one)), "a");
    for (const auto connection : gate.held()) gate.drop(connection);
    EXPECT_EQ(network.taken(), "2:close");
    send(one, "c");
    EXPECT_EQ(network.taken(), "1:c");
}

}  // namespace
}  // namespace touchstone::storage
