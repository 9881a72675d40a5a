// Records as lines of JSON and back, and the subcommand that does it.
#include "broker/rocksdb/dump.hpp"

#include <gtest/gtest.h>

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>

#include <map>
#include <sstream>

#include "broker/base/exit_code.hpp"
#include "broker/rocksdb/ctl_command.hpp"
#include "broker/rocksdb/dump.pb.h"
#include "broker/rocksdb/store_error.hpp"
#include "broker/rocksdb/tests/store_rig.hpp"
#include "broker/storage/records.hpp"

namespace touchstone::rocksdb_driver {
namespace {

using enum StorageOutcome;

void put(StoreRig& rig, unsigned shard, const storage::Record& record) {
    const auto key = storage::key_of(record);
    const auto value = storage::encode(key, record, Duration{});
    rig.put(key, std::string{as_text(value)}, shard);
}

/// A session with a subscription and a message that waits, and a topic that is no text.
void fill(const TestDirectory& directory) {
    StoreRig rig{directory, {.shard_count = 1}};
    put(rig, 0, storage::SessionRecord{.client_id = "dev-1", .number = 1, .is_durable = true});
    put(rig, 0, storage::SubscriptionRecord{.session = 1, .text = "a/#"});
    const auto message =
        Message::make({.topic = "a/1", .payload = as_bytes("x"), .qos = QoS::at_least_once});
    put(rig, 0, storage::MessageRecord{.number = 2, .message = message});
    put(rig, 0, storage::DeliveryRecord{.session = 1, .sequence = 3, .message = 2});
    put(rig, 0,
        storage::RetainedRecord{
            {.at_us = 5}, Message::make({.topic = "\xC3\xA4\x01", .payload = as_bytes("y")})});
    EXPECT_EQ(rig.committed(), stored);
}

std::string exported(const TestDirectory& from, DumpFormat format = DumpFormat::json) {
    DataDirectory directory{from.data()};
    Database database{directory};
    std::ostringstream lines;
    EXPECT_EQ(export_records(database, format, lines), 5U);
    return lines.str();
}

TEST(dump, of_records_can_be_read_again) {
    const TestDirectory first;
    fill(first);
    const auto lines = exported(first);
    EXPECT_NE(lines.find(R"("kind":"session")"), std::string::npos) << lines;
    EXPECT_NE(lines.find(R"("client_id":"dev-1")"), std::string::npos) << lines;
    EXPECT_NE(lines.find(R"("key_base64":)"), std::string::npos) << lines;
    const TestDirectory second;
    std::istringstream from{lines};
    EXPECT_EQ(import_records(second.data(), from), 5U);
    EXPECT_EQ(exported(second), lines);
    EXPECT_EQ((StoreRig{second, {.shard_count = 1}}.records()),
              (StoreRig{first, {.shard_count = 1}}.records()));
}

TEST(dump, as_protobuf_can_be_read_again_and_says_the_same) {
    const TestDirectory first;
    fill(first);
    const auto items = exported(first, DumpFormat::protobuf);
    google::protobuf::io::ArrayInputStream input{items.data(), static_cast<int>(items.size())};
    std::map<dump::Record::SaysCase, dump::Record> said;
    dump::Item item;
    while (google::protobuf::util::ParseDelimitedFromZeroCopyStream(&item, &input, nullptr)) {
        if (item.has_record()) said[item.record().says_case()] = item.record();
        item.Clear();
    }
    EXPECT_EQ(said.size(), 5U);
    EXPECT_EQ(said[dump::Record::kSession].session().client_id(), "dev-1");
    EXPECT_EQ(said[dump::Record::kSubscription].subscription().filter(), "a/#");
    EXPECT_EQ(said[dump::Record::kMessage].message().content().payload(), "x");
    EXPECT_EQ(said[dump::Record::kRetained].retained().content().topic(), "\xC3\xA4\x01");
    EXPECT_EQ(said[dump::Record::kDelivery].delivery().message(), 2U);
    const TestDirectory second;
    std::istringstream from{items};
    EXPECT_EQ(import_records(second.data(), from), 5U);
    EXPECT_EQ(exported(second), exported(first));
}

TEST(dump, as_protobuf_that_is_none_is_refused_with_its_item) {
    const TestDirectory first;
    fill(first);
    const auto items = exported(first, DumpFormat::protobuf);
    auto changed = items;
    changed[changed.find("dev-1") + 1] ^= 1;  // in a key
    const std::pair<std::string, std::string> wrong[] = {
        {items.substr(0, 3), "item 1: is cut off"},
        {items.substr(0, items.size() - 1), "item 6: is cut off"},
        {items + items, "item 7: is no record"},
        {std::string{"\x02\x12\x00", 3}, "item 1: is no head"},
        {std::string{"\x06\x0A\x04\x08\x02\x10\x01", 7}, "item 1: is of format 2"},
        {std::string{"\x04\x0A\x02\x08\x01", 5}, "item 1: \"shards\" is not 1 to 64"},
        {changed, "has no record: it was damaged"}};
    for (const auto& [text, expected] : wrong) {
        const TestDirectory second;
        std::istringstream from{text};
        try {
            import_records(second.data(), from);
            FAIL() << expected;
        } catch (const StoreError& error) {
            EXPECT_NE(std::string_view{error.what()}.find(expected), std::string_view::npos)
                << error.what();
        }
    }
}

TEST(dump, that_is_none_is_refused_with_its_line) {
    const TestDirectory first;
    fill(first);
    const auto lines = exported(first);
    auto changed = lines;
    const auto value = changed.find(R"("value":")") + 12;
    changed[value] = changed[value] == 'A' ? 'B' : 'A';
    const std::pair<std::string, std::string> wrong[] = {
        {"", "line 1: "},
        {"{\"touchstone_data\":2,\"shards\":1}", "line 1: is of format 2"},
        {"{\"touchstone_data\":1,\"shards\":0}", "line 1: "},
        {lines + "x\n", "line 7: is no object"},
        {changed, "line 2: has no record"},
        {lines + "{\"shard\":1,\"key\":\"n\",\"value\":\"AAAA\"}\n", "line 7: has a shard"}};
    for (const auto& [text, expected] : wrong) {
        const TestDirectory second;
        std::istringstream from{text};
        try {
            import_records(second.data(), from);
            FAIL() << expected;
        } catch (const StoreError& error) {
            EXPECT_NE(std::string_view{error.what()}.find(expected), std::string_view::npos)
                << error.what();
        }
    }
    std::istringstream from{lines};
    EXPECT_THROW(import_records(first.data(), from), StoreError);  // it has data
}

int ctl(std::vector<std::string> words) {
    words.insert(words.begin(), "ctl");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    return ctl_command(static_cast<int>(arguments.size()), arguments.data());
}

TEST(ctl_store, finds_records_that_are_of_no_use) {
    const TestDirectory directory;
    fill(directory);
    testing::internal::CaptureStdout();
    EXPECT_EQ(ctl({"store", "verify", directory.data()}), to_int(ExitCode::as_expected));
    EXPECT_EQ(testing::internal::GetCapturedStdout(),
              "delivery 1\nmessage 1\nretained 1\nsession 1\nsubscription 1\n"
              "verify: 5 records, 0 of no use\n");
    {
        StoreRig rig{directory, {.shard_count = 1}};
        rig.put("s/rotten", "nothing");
        put(rig, 0, storage::SubscriptionRecord{.session = 77, .text = "a/#"});
        EXPECT_EQ(rig.committed(), stored);
    }
    testing::internal::CaptureStdout();
    EXPECT_EQ(ctl({"store", "verify", directory.data()}), to_int(ExitCode::expectation_failed));
    const auto told = testing::internal::GetCapturedStdout();
    EXPECT_NE(told.find("of no use: shard 0: s/rotten\n"), std::string::npos) << told;
    EXPECT_NE(told.find("verify: 7 records, 2 of no use\n"), std::string::npos) << told;
    EXPECT_EQ((StoreRig{directory, {.shard_count = 1}}.records().size()), 7U);
}

TEST(ctl_store, does_not_repair_what_it_verifies) {
    const TestDirectory directory;
    fill(directory);
    const auto log = directory.files(".log").front();
    auto bytes = read_file(log);
    bytes[bytes.size() / 2] ^= 1;
    write_file(log, bytes);
    testing::internal::CaptureStderr();
    EXPECT_EQ(ctl({"store", "verify", directory.data()}), to_int(ExitCode::expectation_failed));
    EXPECT_NE(testing::internal::GetCapturedStderr().find("sets aside what cannot be read"),
              std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(directory.data() / "log-1.bad"));
}

TEST(ctl_store, exports_in_the_format_that_is_asked_for) {
    const TestDirectory directory;
    fill(directory);
    for (const auto& [format, expected] :
         {std::pair{"json", DumpFormat::json}, std::pair{"protobuf", DumpFormat::protobuf}}) {
        testing::internal::CaptureStdout();
        EXPECT_EQ(ctl({"store", "export", "--format", format, directory.data()}),
                  to_int(ExitCode::as_expected));
        EXPECT_EQ(testing::internal::GetCapturedStdout(), exported(directory, expected));
    }
    testing::internal::CaptureStderr();
    EXPECT_EQ(ctl({"store", "export", "--format", "xml", directory.data()}),
              to_int(ExitCode::usage_error));
    EXPECT_NE(testing::internal::GetCapturedStderr().find("--format"), std::string::npos);
}

TEST(ctl_store, gives_room_back) {
    const TestDirectory directory;
    fill(directory);
    EXPECT_EQ(ctl({"store", "compact", directory.data()}), to_int(ExitCode::as_expected));
    EXPECT_EQ(exported(directory).empty(), false);
}

TEST(ctl_store, refuses_a_directory_without_data_or_in_use) {
    const TestDirectory directory;
    testing::internal::CaptureStderr();
    EXPECT_EQ(ctl({"store", "verify", directory.data()}), to_int(ExitCode::usage_error));
    EXPECT_NE(testing::internal::GetCapturedStderr().find("holds no data"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(directory.data()));
    const StoreRig broker{directory, {.shard_count = 1}};
    testing::internal::CaptureStderr();
    EXPECT_EQ(ctl({"store", "export", directory.data()}), to_int(ExitCode::usage_error));
    EXPECT_NE(testing::internal::GetCapturedStderr().find("is in use"), std::string::npos);
}

}  // namespace
}  // namespace touchstone::rocksdb_driver
