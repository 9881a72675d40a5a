// A broker writes down what crosses its core's border; a core of this build has to do the same
// again.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "broker/asio/tests/folder.hpp"
#include "broker/record/codec.hpp"
#include "simulator/live/tests/live_fixture.hpp"
#include "simulator/recording.hpp"
#include "simulator/tests/captured.hpp"

namespace touchstone::simulator::live {
namespace {

namespace packet = asio_driver::packet;
using asio_driver::bytes_of;
using asio_driver::Folder;
using asio_driver::RawClient;
using asio_driver::RunningNode;
using asio_driver::operator+;
using asio_driver::Shards;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

Buffer publish_qos_2(std::string_view payload, unsigned id, bool is_dup = false) {
    Buffer body = packet::text("t") + bytes_of({0, id});
    append(body, as_bytes(payload));
    return packet::with_fixed_header(is_dup ? 0x3C : 0x34, body);
}

/// Sessions with all levels of QoS, one that is resumed, a takeover, a Will Message, a Shared
/// Subscription and a Retained Message. Each step waits for the one before, however slow the
/// machine is.
void talk(std::uint16_t port) {
    using namespace asio_driver::packet;
    const Buffer connect_lasting = with_fixed_header(
        0x10, text("MQTT") + bytes_of({4, 0, 0, 0}) + text("subscriber"));  // Clean Session 0
    RawClient subscriber{port};
    subscriber.send(connect_lasting);
    subscriber.expect(connack());
    subscriber.send(subscribe("t", 2));
    subscriber.expect(suback(2));
    auto publisher = RawClient::connected(port, "publisher");
    for (const unsigned id : {1U, 2U}) {
        publisher.send(publish_qos_2(std::to_string(id), id));
        publisher.expect(bytes_of({0x50, 2, 0, id}));  // PUBREC
        publisher.send(bytes_of({0x62, 2, 0, id}));    // PUBREL
        publisher.expect(bytes_of({0x70, 2, 0, id}));  // PUBCOMP
    }
    for (const unsigned id : {1U, 2U}) subscriber.expect(publish_qos_2(std::to_string(id), id));
    subscriber.reset();
    RawClient resumed{port};
    resumed.send(connect_lasting);
    resumed.expect(bytes_of({0x20, 2, 1, 0}));  // CONNACK, Session Present
    for (const unsigned id : {1U, 2U}) resumed.expect(publish_qos_2(std::to_string(id), id, true));
    for (const unsigned id : {1U, 2U}) {
        resumed.send(bytes_of({0x50, 2, 0, id}));
        resumed.expect(bytes_of({0x62, 2, 0, id}));
        resumed.send(bytes_of({0x70, 2, 0, id}));
    }

    auto mortal = RawClient::connected(port, "mortal", {"will", "gone"});
    auto watcher = RawClient::subscribed(port, "watcher", "will");
    mortal.reset();
    watcher.expect(publish("will", "gone"));

    auto second = RawClient::connected(port, "publisher");
    publisher.receive_to_end();
    auto member = RawClient::subscribed(port, "member", "$share/group/work");
    second.send(publish("work", "1"));
    member.expect(publish("work", "1"));

    Buffer retained = text("kept") + bytes_of({0, 3}) + bytes_of({'2'});
    second.send(with_fixed_header(0x33, retained));
    second.expect(puback(3));
    auto late = RawClient::subscribed(port, "late", "kept");
    late.receive(publish("kept", "2").size());
    late.send(pingreq() + disconnect());
    late.expect(pingresp());
}

std::string record_in(const Folder& folder) {
    return (folder / "record").string();
}
std::string shard_in(const Folder& folder, unsigned number) {
    return (folder / ("record/shard-" + std::to_string(number) + ".record")).string();
}

/// A node that records; its clients are those of talk(), and those of scenarios, for which the
/// machine may be too slow: whatever happens is recorded.
void record(const Folder& folder, Shards shards, const std::vector<const char*>& scenarios = {},
            std::uint64_t size_bytes_max = 16U << 20U) {
    RunningNode node{{.listeners = asio_driver::plain_listeners(
                          {asio_driver::Endpoint::from_text("127.0.0.1:0")}),
                      .shard_count = shards.count,
                      .descriptor_tables = shards.tables,
                      .record = asio_driver::RecordOptions{record_in(folder), size_bytes_max}}};
    talk(node.port());
    for (const auto* scenario : scenarios) run(url_of(node), loaded(scenario));
    node.stop();
    node.await_stopped();
}

Captured replayed(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "replay");
    return simulate_captured(std::move(arguments));
}

Buffer content_of(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
    const Bytes bytes = as_bytes(text);
    return {bytes.begin(), bytes.end()};
}

void write(const std::string& path, Bytes bytes) {
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    file << as_text(bytes);
}

/// The record with its frames as `change` leaves them, and right checksums; those for which it says
/// false are left out.
template <class Change>
Buffer changed(Bytes before, Change change) {
    Buffer after;
    append(after, as_bytes(record::magic));
    const auto frames = record::frames_of(before);
    for (const auto& frame : std::get<record::Frames>(frames).all) {
        Buffer payload{frame.payload.begin(), frame.payload.end()};
        if (change(frame.kind, payload)) record::put_frame(after, frame.kind, payload);
    }
    return after;
}

/// The names of the kinds of frames in it.
std::set<std::string> kinds_in(const std::string& path) {
    std::set<std::string> kinds;
    const auto file = content_of(path);
    const auto frames = record::frames_of(file);
    for (const auto& frame : std::get<record::Frames>(frames).all) {
        kinds.emplace(record::name_of(frame.kind));
    }
    return kinds;
}

class Recording : public testing::TestWithParam<Shards> {};
INSTANTIATE_TEST_SUITE_P(Nodes, Recording, testing::Values(Shards{1}, Shards{2}),
                         [](const auto& nodes) { return nodes.param.to_text(); });

TEST_P(Recording, is_replayed_to_the_same_bytes) {
    const Folder folder;
    record(folder, GetParam(), {cut_in_a_flow, will_and_takeover});
    const auto result = replayed({record_in(folder), "--trace", "all"});
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, AllOf(Not(HasSubstr("note:")), HasSubstr("the same bytes"),
                                  HasSubstr("subscriber"), HasSubstr("PUBLISH id=1 q2"),
                                  HasSubstr("PUBREC id=1"), HasSubstr("PASS replay record | ")));
    std::set<std::string> kinds;
    for (unsigned shard = 0; shard < GetParam().count; ++shard) {
        const auto path = shard_in(folder, shard);
        const auto mode = std::filesystem::status(path).permissions();
        EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
        kinds.merge(kinds_in(path));
    }
    EXPECT_THAT(kinds, IsSupersetOf({"begin", "open", "bytes", "written", "close", "stop", "sent",
                                     "closed", "drawn", "taken", "end"}));
    const bool is_alone = GetParam().count == 1;
    EXPECT_EQ(kinds.contains("peer") && kinds.contains("told_peer") && kinds.contains("moved"),
              !is_alone);
}

TEST_P(Recording, is_judged_with_a_report) {
    const Folder folder;
    record(folder, GetParam(), {cut_in_a_flow, will_and_takeover});
    const auto out = (folder / "out").string();
    const auto result = replayed({record_in(folder), "--judge", "--out", out});
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out,
                AllOf(HasSubstr("pass  W1"), HasSubstr("pass  S1"), Not(HasSubstr("FAIL")),
                      HasSubstr("PASS simulation replay of record | 1 pass"),
                      HasSubstr("report " + out + "/report.html")));
    const auto page = content_of(out + "/report.html");
    EXPECT_THAT(std::string{as_text(page)}, AllOf(HasSubstr("-subscriber"), HasSubstr("PUBREC")));
}

TEST(Recording, a_core_with_a_defect_parts_at_a_place_that_is_shown) {
    const Folder folder;
    record(folder, 1);
    const auto result = replayed({record_in(folder), "--defect", "redeliver_unordered"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.out,
                AllOf(HasSubstr("DIFF"), HasSubstr("shard 0 parts at 0."),
                      HasSubstr("(bytes, byte "), HasSubstr("recorded: sent to connection"),
                      HasSubstr("now:      sent to"),
                      HasSubstr("('subscriber'): PUBLISH id=1 q2 dup t='t' | 3C 06 00 01 74 00 01"),
                      HasSubstr("('subscriber'): PUBLISH id=2 q2 dup t='t' | 3C 06 00 01 74 00 02"),
                      HasSubstr("FAIL replay record"), HasSubstr("not the same"),
                      HasSubstr("record --defect redeliver_unordered\n")));
    const auto other = replayed({record_in(folder), "--defect", "puback_missing"});
    EXPECT_EQ(other.exit_code, 1);
    EXPECT_THAT(other.out, AllOf(HasSubstr("('publisher'): PUBACK id=3 | 40 02 00 03\n"),
                                 HasSubstr("now:      taken 11 bytes")));
}

TEST(Recording, a_changed_byte_is_found_whether_or_not_its_checksum_is_right) {
    const Folder folder;
    record(folder, 1);
    const auto path = shard_in(folder, 0);
    const auto whole = content_of(path);
    auto other = whole;
    other[whole.size() / 2] ^= std::byte{1};
    write(path, other);
    const auto damaged = replayed({record_in(folder)});
    EXPECT_EQ(damaged.exit_code, 2);
    EXPECT_THAT(damaged.err, AllOf(HasSubstr("shard-0.record: byte "), HasSubstr("record again")));

    unsigned sent = 0;
    write(path, changed(whole, [&](record::Kind kind, Buffer& payload) {
              if (kind == record::Kind::sent && ++sent == 3) payload.back() ^= std::byte{1};
              return true;
          }));
    const auto forged = replayed({record_in(folder)});
    EXPECT_EQ(forged.exit_code, 1);
    EXPECT_THAT(forged.out, HasSubstr("parts at"));

    write(path,
          changed(whole, [](record::Kind kind, Buffer&) { return kind != record::Kind::drawn; }));
    const auto without_draws = replayed({record_in(folder)});
    EXPECT_EQ(without_draws.exit_code, 1);
    EXPECT_THAT(without_draws.out,
                AllOf(HasSubstr("recorded: nothing more"), HasSubstr("now:      drawn")));

    write(path,
          changed(whole, [](record::Kind kind, Buffer&) { return kind != record::Kind::open; }));
    const auto impossible = replayed({record_in(folder)});
    EXPECT_EQ(impossible.exit_code, 2);
    EXPECT_THAT(impossible.err, HasSubstr("no driver gives such an input, bytes"));
}

TEST(Recording, a_broken_promise_in_it_is_named_by_the_judge) {
    const Folder folder;
    record(folder, 1);
    const auto path = shard_in(folder, 0);
    bool was_resumed = false;
    write(path, changed(content_of(path), [&](record::Kind kind, Buffer& payload) {
              // Behind the number of the connection and the size: CONNACK with Session Present 1.
              const auto packet = Bytes{payload}.subspan(std::min<std::size_t>(8, payload.size()));
              if (kind != record::Kind::sent || packet.size() < 3) return true;
              if (packet[0] != std::byte{0x20} || packet[2] != std::byte{1}) return true;
              was_resumed = true;
              payload[8 + 2] = std::byte{0};
              return true;
          }));
    ASSERT_TRUE(was_resumed);
    const auto result =
        replayed({record_in(folder), "--judge", "--out", (folder / "out").string()});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.out, AllOf(HasSubstr("DIFF"), HasSubstr("FAIL  S3"),
                                  HasSubstr("was told Session Present 0"),
                                  HasSubstr("FAIL simulation replay of record | 1 fail")));
}

TEST(Recording, one_that_was_cut_off_is_replayed_up_to_there) {
    const Folder folder;
    record(folder, 1);
    const auto whole = content_of(shard_in(folder, 0));
    write(shard_in(folder, 0), Bytes{whole}.first(whole.size() * 2 / 3));
    const auto result = replayed({record_in(folder)});
    EXPECT_EQ(result.exit_code, 0) << result.out;
    EXPECT_THAT(
        result.out,
        HasSubstr(
            "note: it breaks off, as the broker was killed or the disk was full; judged up to"));
    EXPECT_EQ(
        replayed({record_in(folder), "--judge", "--out", (folder / "out").string()}).exit_code, 0);
}

TEST(Recording, one_that_became_too_long_is_replayed_up_to_there) {
    const Folder folder;
    record(folder, 1, {}, 4'000);
    EXPECT_LT(content_of(shard_in(folder, 0)).size(), 5'000U);
    const auto result = replayed({record_in(folder)});
    EXPECT_EQ(result.exit_code, 0) << result.out;
    EXPECT_THAT(result.out, HasSubstr("note: the record was as long as it may become"));
}

TEST(Recording, may_end_at_any_byte) {
    const Folder folder;
    record(folder, 1);
    const auto whole = content_of(shard_in(folder, 0));
    for (std::size_t size = 0; size < whole.size(); size += 7) {
        const Bytes part = Bytes{whole}.first(size);
        const auto read = shard_record("part", Buffer{part.begin(), part.end()});
        if (const auto* const shard = std::get_if<ShardRecord>(&read)) {
            const auto outcome = replay(*shard, {});
            ASSERT_TRUE(std::holds_alternative<Replayed>(outcome)) << size;
            EXPECT_FALSE(std::get<Replayed>(outcome).parting) << size;
        }
    }
}

TEST(Recording, with_any_payload_is_replayed_or_refused) {
    const Folder folder;
    record(folder, 2);
    for (const unsigned number : {0U, 1U}) {
        const auto whole = content_of(shard_in(folder, number));
        const auto count = std::get<record::Frames>(record::frames_of(whole)).all.size();
        rc::check([&] {
            const auto wanted = *rc::gen::inRange<std::size_t>(0, count);
            const auto by = static_cast<std::byte>(*rc::gen::inRange(1, 256));
            const auto place = *rc::gen::arbitrary<std::uint16_t>();
            std::size_t frame = 0;
            auto other = changed(whole, [&](record::Kind kind, Buffer& payload) {
                // What another shard says is trusted, as that shard is.
                const bool is_changed = frame++ == wanted && kind != record::Kind::peer;
                if (is_changed && !payload.empty()) payload[place % payload.size()] ^= by;
                return true;
            });
            const auto read = shard_record("changed", std::move(other));
            if (const auto* const shard = std::get_if<ShardRecord>(&read)) {
                const auto outcome = replay(*shard, {});
                if (!std::holds_alternative<Replayed>(outcome)) return;
                RC_ASSERT(!trace_of({*shard}).actors.empty());
            }
        });
    }
}

TEST(Recording, what_is_no_record_is_refused) {
    const Folder folder;
    std::filesystem::create_directories(record_in(folder));
    write(shard_in(folder, 0), as_bytes("a file of somebody else's"));
    const auto foreign = replayed({record_in(folder)});
    EXPECT_EQ(foreign.exit_code, 2);
    EXPECT_THAT(foreign.err, HasSubstr("shard-0.record: byte 0: this is no record of a broker"));
    const auto defect = replayed({record_in(folder), "--defect", "qos2_client_no_dedupe"});
    EXPECT_EQ(defect.exit_code, 2);
    EXPECT_THAT(defect.err, HasSubstr("is no switch of nodes"));
}

TEST(Recording, one_without_all_its_shards_is_refused) {
    const Folder folder;
    record(folder, 2);
    const auto first = content_of(shard_in(folder, 0));
    std::filesystem::remove(shard_in(folder, 1));
    const auto half = replayed({record_in(folder)});
    EXPECT_EQ(half.exit_code, 2);
    EXPECT_THAT(half.err, HasSubstr("is one of 2 shards' records, 1 are there"));
    write(shard_in(folder, 1), first);
    const auto twice = replayed({record_in(folder)});
    EXPECT_EQ(twice.exit_code, 2);
    EXPECT_THAT(twice.err, HasSubstr("is the record of shard 0 of 2, not of shard 1 of 2"));
}

TEST(Recording, a_directory_that_holds_a_record_is_not_written_to) {
    const Folder folder;
    record(folder, 1);
    EXPECT_THROW(record(folder, 1), asio_driver::OperatorError);
}

}  // namespace
}  // namespace touchstone::simulator::live
