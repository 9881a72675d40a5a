// A file is read as it was written, or it is said where it is not what was written; and what
// crosses the border of a core comes into it, in order.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/record/record.hpp"
#include "broker/record/recorder.hpp"

namespace touchstone::record {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

Buffer file_of(const std::vector<std::pair<Kind, std::string>>& frames) {
    Buffer file;
    append(file, as_bytes(magic));
    for (const auto& [kind, payload] : frames) put_frame(file, kind, as_bytes(payload));
    return file;
}

TEST(Record, frames_are_read_as_they_were_written) {
    const auto file = file_of({{Kind::begin, "rules"}, {Kind::tick, ""}, {Kind::end, "x"}});
    const auto frames = std::get<Frames>(frames_of(file));
    ASSERT_EQ(frames.all.size(), 3U);
    EXPECT_EQ(frames.all[0].kind, Kind::begin);
    EXPECT_EQ(as_text(frames.all[0].payload), "rules");
    EXPECT_FALSE(frames.is_torn);
}

TEST(Record, a_file_that_was_cut_off_is_read_up_to_there) {
    const auto file = file_of({{Kind::begin, "rules"}, {Kind::tick, "12345678"}});
    const auto whole_bytes = file_of({{Kind::begin, "rules"}}).size();
    for (auto size = whole_bytes; size < file.size(); ++size) {
        const auto read = frames_of(Bytes{file}.first(size));
        EXPECT_EQ(std::get<Frames>(read).all.size(), 1U);
        EXPECT_EQ(std::get<Frames>(read).is_torn, size > whole_bytes);
    }
}

TEST(Record, every_changed_byte_is_noticed) {
    const auto file = file_of({{Kind::begin, "rules"}, {Kind::tick, "12345678"}, {Kind::end, "x"}});
    for (std::size_t at = 0; at < file.size(); ++at) {
        auto changed = file;
        changed[at] ^= std::byte{0x10};
        const auto read = frames_of(changed);
        ASSERT_TRUE(std::holds_alternative<std::string>(read)) << at;
        EXPECT_THAT(std::get<std::string>(read), HasSubstr("byte "));
    }
}

TEST(Record, a_file_of_another_kind_is_refused) {
    EXPECT_THAT(std::get<std::string>(frames_of(as_bytes("seed: 42"))),
                HasSubstr("byte 0: this is no record of a broker"));
    EXPECT_THAT(std::get<std::string>(frames_of(as_bytes("touchstone record 0\n"))),
                HasSubstr("of another format"));
    EXPECT_THAT(std::get<std::string>(frames_of({})), HasSubstr("byte 0"));
    EXPECT_THAT(std::get<std::string>(frames_of(file_of({{Kind::tick, ""}}))),
                HasSubstr("the frame that begins a record is missing"));
}

RC_GTEST_PROP(Record, any_bytes_behind_the_first_line_are_judged, (const std::string& bytes)) {
    Buffer file;
    append(file, as_bytes(magic));
    append(file, as_bytes(bytes));
    const auto read = frames_of(file);
    // Checksums do not come about by chance, so it begins with no frame.
    RC_ASSERT(std::holds_alternative<std::string>(read));
}

/// A driver that does nothing, and where its record goes.
struct Driver final : Network, Peers, Random, Authentication, Events, Storage, Sink {
    void send(ConnectionId, Bytes) override { ++sends; }
    void send(ConnectionId, Bytes, const MessageRef&) override { ++sends; }
    void close(ConnectionId) override {}
    void abort(ConnectionId) override {}
    void move(ConnectionId, ShardIndex, access::Origin) override {}
    void resume(ConnectionId) override {}
    void send(ShardIndex, PeerMessage) override {}
    std::uint64_t next() override { return ++drawn; }
    void ask(QuestionNumber, AuthenticationQuestion) override {}
    void forget(QuestionNumber) override {}
    void on_connected(const ClientEvent&) override {}
    void on_disconnected(const ClientEvent&, DisconnectReason) override {}
    void put(std::string_view, Bytes) override {}
    void erase(std::string_view) override {}
    void commit(BatchNumber number) override { committed = number; }
    void read(ReadNumber /*number*/, std::vector<std::string> /*keys*/) override {}

    bool write(Bytes bytes) override {
        append(file, bytes);
        return !is_full;
    }
    void on_limit() override { ++limits; }

    [[nodiscard]] Broker::Ports ports(Storage* storage = nullptr) {
        return {.network = *this,
                .peers = *this,
                .random = *this,
                .authentication = this,
                .events = this,
                .storage = storage};
    }
    [[nodiscard]] std::vector<std::string> kinds() const {
        std::vector<std::string> names;
        const auto frames = frames_of(file);
        for (const auto& frame : std::get<Frames>(frames).all) {
            if (frame.kind != Kind::drawn) names.emplace_back(name_of(frame.kind));
        }
        return names;
    }

    Buffer file;
    bool is_full = false;
    int sends = 0;
    int limits = 0;
    std::uint64_t drawn = 0;
    BatchNumber committed = 0;
};

Buffer connect_packet(bool is_lasting = false) {
    Buffer bytes;
    wire::encode(bytes, wire::Connect{.version = ProtocolVersion::v3_1_1,
                                      .clean_start = !is_lasting,
                                      .client_id = "c",
                                      .will = {},
                                      .user_name = {},
                                      .password = {}});
    return bytes;
}

TEST(Recorder, inputs_stand_before_their_effects) {
    Driver driver;
    const auto rules = std::make_shared<access::NodeRules>(*access::open_rules({}));
    rules->policy.publishes_presence = true;
    rules->policy.auto_subscribe.add(access::TopicTemplate::from_text("$SYS/#").value(), {});
    RecordedBroker broker{rules, {}, driver.ports(), &driver, 1U << 20U};
    broker.on_open(ConnectionId{0}, {}, Instant{1s});
    static_cast<void>(broker.on_bytes(ConnectionId{0}, connect_packet(), Instant{1s}));
    broker.on_close(ConnectionId{0}, Instant{2s});
    broker.end_record();
    EXPECT_THAT(driver.kinds(), ElementsAre("begin", "open", "bytes", "sent", "connected", "taken",
                                            "close", "disconnected", "end"));
    EXPECT_EQ(driver.sends, 1);
}

TEST(Recorder, what_is_stored_and_found_again_is_recorded) {
    Driver driver;
    RecordedBroker broker{access::open_rules({}), {}, driver.ports(&driver), &driver, 1U << 20U};
    EXPECT_FALSE(broker.on_record("no key", as_bytes("no record")));
    EXPECT_TRUE(broker.on_recovered(Instant{1s}).empty());
    broker.on_open(ConnectionId{0}, {}, Instant{1s});
    static_cast<void>(broker.on_bytes(ConnectionId{0}, connect_packet(true), Instant{1s}));
    ASSERT_NE(driver.committed, 0U);
    broker.on_stored(driver.committed, StorageOutcome::stored, Instant{2s});
    broker.end_record();
    EXPECT_THAT(driver.kinds(), AllOf(IsSupersetOf({"found", "readable", "recovered", "unusable",
                                                    "put", "committed", "stored", "sent"}),
                                      Not(Contains("?"))));
}

TEST(Recorder, an_input_is_written_before_the_core_sees_it) {
    Driver driver;
    RecordedBroker broker{access::open_rules({}), {}, driver.ports(), &driver, 1U << 20U};
    broker.on_open(ConnectionId{0}, {}, Instant{1s});
    EXPECT_THAT(driver.kinds(), ElementsAre("begin", "open"));
}

TEST(Recorder, a_record_that_becomes_too_long_ends_and_the_broker_goes_on) {
    Driver driver;
    RecordedBroker broker{access::open_rules({}), {}, driver.ports(), &driver, 2'000};
    broker.on_open(ConnectionId{0}, {}, Instant{1s});
    for (int i = 0; i < 1'000; ++i) broker.on_tick(Instant{1s});
    EXPECT_EQ(driver.limits, 1);
    EXPECT_LT(driver.file.size(), 2'100U);
    EXPECT_EQ(driver.kinds().back(), "end");
    static_cast<void>(broker.on_bytes(ConnectionId{0}, connect_packet(), Instant{1s}));
    EXPECT_EQ(driver.sends, 1);
}

TEST(Recorder, a_sink_that_is_full_is_left_alone) {
    Driver driver;
    RecordedBroker broker{access::open_rules({}), {}, driver.ports(), &driver, 1U << 20U};
    driver.is_full = true;
    broker.on_tick(Instant{1s});
    const auto size = driver.file.size();
    broker.on_tick(Instant{2s});
    broker.end_record();
    EXPECT_EQ(driver.file.size(), size);
}

TEST(Recorder, nothing_is_recorded_without_a_sink) {
    Driver driver;
    RecordedBroker broker{access::open_rules({}), {}, driver.ports(), nullptr, 0};
    broker.on_open(ConnectionId{0}, {}, Instant{1s});
    static_cast<void>(broker.on_bytes(ConnectionId{0}, connect_packet(), Instant{1s}));
    broker.end_record();
    EXPECT_TRUE(driver.file.empty());
    EXPECT_EQ(driver.sends, 1);
}

}  // namespace
}  // namespace touchstone::record
