#include "broker/rocksdb/gradual_removal.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "broker/rocksdb/tests/store_rig.hpp"

namespace touchstone::rocksdb_driver {
namespace {

constexpr std::size_t size_bytes = (3U << 20U) + 5;

std::filesystem::path make_file(const TestDirectory& directory) {
    auto path = directory.path() / "000004.log";
    std::ofstream file{path};
    file << std::string(size_bytes, 'x');
    return path;
}

TEST(gradual_removal, cuts_a_large_file_before_it_removes_it) {
    const TestDirectory directory;
    const auto path = make_file(directory);
    std::ifstream reader{path};  // sees the file when it has no name any more
    EXPECT_TRUE(GradualRemoval{}.DeleteFile(path, {}, nullptr).ok());
    EXPECT_FALSE(std::filesystem::exists(path));
    reader.seekg(0, std::ios::end);
    EXPECT_EQ(reader.tellg(), 5);
}

TEST(gradual_removal, leaves_a_copy_whole) {
    const TestDirectory directory;
    const auto path = make_file(directory);
    const auto copy = directory.path() / "copy";
    std::filesystem::create_hard_link(path, copy);
    EXPECT_TRUE(GradualRemoval{}.DeleteFile(path, {}, nullptr).ok());
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_EQ(std::filesystem::file_size(copy), size_bytes);
}

TEST(gradual_removal, tells_that_there_is_no_such_file) {
    const TestDirectory directory;
    EXPECT_FALSE(GradualRemoval{}.DeleteFile(directory.path() / "none", {}, nullptr).ok());
}

}  // namespace
}  // namespace touchstone::rocksdb_driver
