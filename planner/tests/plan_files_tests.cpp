#include "planner/plan_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "broker/asio/tests/folder.hpp"
#include "planner/tests/made_up.hpp"

namespace touchstone::planner {
namespace {

using asio_driver::Folder;
using testing::ElementsAre;
using testing::HasSubstr;

std::string written(const Folder& folder, const std::string& text) {
    const auto path = (folder / "file").string();
    std::ofstream{path} << text;
    return path;
}

TEST(CalibrationFile, is_read_as_it_was_written) {
    const Folder folder;
    const auto path = (folder / "our.calibration").string();
    const auto before = made_up_file();
    ASSERT_FALSE(write_calibration(path, before));
    std::vector<std::string> problems;
    const auto file = read_calibration(path, problems);
    ASSERT_TRUE(file) << (problems.empty() ? "" : problems.front());
    const auto& one = file->calibration;
    const auto& other = before.calibration;
    EXPECT_EQ(one.broker, other.broker);
    EXPECT_EQ(one.cpu.coefficients, other.cpu.coefficients);
    EXPECT_EQ(one.cpu.covariance, other.cpu.covariance);
    EXPECT_EQ(one.wake_delay_s, other.wake_delay_s);
    EXPECT_EQ(one.answer_s, other.answer_s);
    EXPECT_EQ(one.pace_s, other.pace_s);
    EXPECT_EQ(one.gathers, other.gathers);
    EXPECT_EQ(one.memory_range, other.memory_range);
    EXPECT_EQ(one.latencies[0].seconds.points(), other.latencies[0].seconds.points());
    EXPECT_EQ(one.latencies[0].samples, 100'000U);
    EXPECT_EQ(one.wait_factor.half_width, 0.25);
    EXPECT_EQ(one.awake_factor, 0.75);
    EXPECT_EQ(one.tls_handshake_s.value, 0);
    EXPECT_EQ(one.concurrency.size(), 5U);
    EXPECT_EQ(one.last_validation[0].measured, 0.0025);
    EXPECT_EQ(one.validated_at, other.validated_at);
    EXPECT_EQ(file->warnings, before.warnings);
}

TEST(CalibrationFile, of_another_format_is_refused_with_a_remedy) {
    const Folder folder;
    std::vector<std::string> problems;
    EXPECT_FALSE(read_calibration(written(folder, "format: 9\n"), problems));
    EXPECT_THAT(problems,
                ElementsAre(HasSubstr("format: is 9, this version reads 2; calibrate again")));
    problems.clear();
    EXPECT_FALSE(read_calibration(written(folder, "format: 2 servers: 1\n"), problems));
    EXPECT_THAT(problems, testing::Contains(HasSubstr("processor: is not a law of this version")));
    problems.clear();
    EXPECT_FALSE(read_calibration("/nonexistent", problems));
    EXPECT_THAT(problems, ElementsAre(HasSubstr("plan calibrate --save")));
}

TEST(PriceFile, is_read_and_its_mistakes_are_named) {
    const Folder folder;
    std::vector<std::string> problems;
    const auto prices = read_prices(
        written(folder, "currency: 'EUR' per_gb_out: 0.05\n"
                        "nodes { name: 'small' processors: 2 memory_gb: 4 per_month: 12.5 }\n"),
        problems);
    ASSERT_TRUE(prices);
    EXPECT_EQ(prices->nodes[0].memory_bytes, 4e9);
    EXPECT_EQ(prices->nodes[0].speed, 1);
    EXPECT_FALSE(read_prices(written(folder, "nodes { name: 'x' memory_gb: 4 }"), problems));
    EXPECT_THAT(problems, ElementsAre(HasSubstr("'x' needs processors")));
    problems.clear();
    EXPECT_FALSE(read_prices(written(folder, "currency: 'EUR'"), problems));
    EXPECT_THAT(problems, ElementsAre(HasSubstr("there is no node in it")));
}

}  // namespace
}  // namespace touchstone::planner
