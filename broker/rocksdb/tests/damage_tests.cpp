// Files that were damaged while nobody used them: the store opens, says so, and has what is
// readable.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <random>

#include "broker/rocksdb/tests/store_rig.hpp"

namespace touchstone::rocksdb_driver {
namespace {

using enum StorageOutcome;
using Records = StoreRig::Records;

constexpr int batches = 50;

std::string name(int number) {
    return "key-" + std::to_string(1'000 + number);
}

/// Batches of one record each, in the log only.
Records fill_log(const TestDirectory& directory) {
    StoreRig rig{directory};
    for (int i = 0; i < batches; ++i)
        EXPECT_EQ(rig.put(name(i), std::string(200, 'v')).committed(), stored);
    return rig.records();
}

/// The same, in a file of records.
Records fill_file(const TestDirectory& directory) {
    const auto all = fill_log(directory);
    StoreRig rig{directory};
    EXPECT_TRUE(rig.database().db().Flush({}).ok());
    EXPECT_EQ(rig.put("later", "1").committed(), stored);
    return all;
}

/// The file that has the records, not one that is new and empty.
std::filesystem::path largest(const std::vector<std::filesystem::path>& files) {
    return *std::ranges::max_element(
        files, {}, [](const auto& file) { return std::filesystem::file_size(file); });
}

void flip(const std::filesystem::path& file, std::size_t place) {
    auto bytes = read_file(file);
    bytes[place] = static_cast<char>(bytes[place] ^ 0x10);
    write_file(file, bytes);
}

TEST(a_damaged_store, without_the_end_of_its_log_is_what_it_was_before) {
    const TestDirectory directory;
    fill_log(directory);
    const auto log = largest(directory.files(".log"));
    std::filesystem::resize_file(log, std::filesystem::file_size(log) / 2 + 7);
    StoreRig rig{directory};
    // As after a crash in the middle of a write: this is no damage.
    EXPECT_EQ(rig.store().figures().damaged_parts, 0U);
    const auto left = rig.records();
    EXPECT_GT(left.size(), 10U);
    EXPECT_LT(left.size(), 40U);
    for (int i = 0; i < static_cast<int>(left.size()); ++i) EXPECT_TRUE(left.contains(name(i)));
    EXPECT_EQ(rig.put("new", "1").committed(), stored);
}

TEST(a_damaged_store, with_a_hole_in_its_log_has_what_is_around_it) {
    const TestDirectory directory;
    const auto all = fill_log(directory);
    const auto log = largest(directory.files(".log"));
    flip(log, std::filesystem::file_size(log) / 2);
    {
        StoreRig rig{directory};
        EXPECT_EQ(rig.store().figures().damaged_parts, 1U);
        EXPECT_TRUE(std::filesystem::exists(directory.data() / "log-1.bad"));
        const auto left = rig.records();
        EXPECT_TRUE(left.contains(name(0)));
        EXPECT_LT(left.size(), all.size());
        EXPECT_EQ(rig.put("new", "1").committed(), stored);
    }
    StoreRig again{directory};
    EXPECT_TRUE(again.records().contains("new"));
    EXPECT_TRUE(again.records().contains(name(0)));
}

TEST(a_damaged_store, with_a_bad_file_of_records_sets_it_aside_and_has_the_rest) {
    const TestDirectory directory;
    fill_file(directory);
    const auto file = largest(directory.files(".sst"));
    flip(file, std::filesystem::file_size(file) / 3);
    {
        StoreRig rig{directory};
        EXPECT_GE(rig.store().figures().damaged_parts, 1U);
        EXPECT_TRUE(std::filesystem::exists(directory.data() / "files-1.bad"));
        EXPECT_EQ(rig.records(), (Records{{"later", "1"}}));
        EXPECT_EQ(rig.put("new", "1").committed(), stored);
    }
    StoreRig again{directory};
    EXPECT_EQ(again.store().figures().damaged_parts, 0U);
    EXPECT_EQ(again.records(), (Records{{"later", "1"}, {"new", "1"}}));
}

TEST(a_damaged_store, without_its_list_of_files_finds_them) {
    const TestDirectory directory;
    auto all = fill_file(directory);
    for (const auto& file : directory.files("")) {
        const auto file_name = file.filename().string();
        if (file_name.starts_with("MANIFEST") || file_name == "CURRENT")
            std::filesystem::remove(file);
    }
    StoreRig rig{directory};
    all.emplace("later", "1");
    EXPECT_EQ(rig.records(), all);
}

TEST(a_damaged_store, opens_whatever_was_done_to_its_files) {
    std::mt19937 draw{20'261'122};
    for (int run = 0; run < 30; ++run) {
        const TestDirectory directory;
        fill_file(directory);
        for (int wound = 0; wound < 3; ++wound) {
            auto files = directory.files("");
            std::erase_if(files,
                          [](const auto& file) { return std::filesystem::file_size(file) == 0; });
            const auto& file = files[draw() % files.size()];
            const auto size_bytes = std::filesystem::file_size(file);
            switch (draw() % 3) {
                case 0: flip(file, draw() % size_bytes); break;
                case 1: std::filesystem::resize_file(file, draw() % size_bytes); break;
                case 2: std::filesystem::remove(file); break;
            }
        }
        StoreRig rig{directory};
        EXPECT_EQ(rig.put("new", "1").committed(), stored) << "run " << run;
        EXPECT_TRUE(rig.records().contains("new")) << "run " << run;
    }
}

}  // namespace
}  // namespace touchstone::rocksdb_driver
