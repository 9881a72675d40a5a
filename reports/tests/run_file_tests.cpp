#include "reports/run_file.hpp"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "reports/protobuf_text.hpp"
#include "reports/tests/sample_runs.hpp"

namespace touchstone::reports {
namespace {

using google::protobuf::util::MessageDifferencer;

class RunFile : public testing::Test {
protected:
    [[nodiscard]] std::string refusal(const std::string& content,
                                      const std::string& name = "run.pb") const {
        tests::write_file(directory_.path() / name, content);
        const auto loaded = load_run(directory_.path() / name);
        const auto* problem = std::get_if<Problem>(&loaded);
        return problem == nullptr ? "accepted" : problem->line;
    }

    tests::ScratchDirectory directory_;
};

results::Run complete_run() {
    results::Run run = tests::conformance_run("a");
    *run.add_scenarios() = tests::simulation_run("b").scenarios(0);
    run.set_format_version(run_format_version);
    return run;
}

TEST_F(RunFile, what_is_written_is_read_back_from_both_forms) {
    const results::Run run = complete_run();
    for (const auto& [name, content] :
         {std::pair{"run.pb", run_to_binary(run)}, {"run.json", run_to_json(run)}}) {
        tests::write_file(directory_.path() / name, content);
        const auto loaded = load_run(directory_.path() / name);
        ASSERT_TRUE(std::holds_alternative<results::Run>(loaded)) << std::get<Problem>(loaded).line;
        EXPECT_TRUE(MessageDifferencer::Equals(std::get<results::Run>(loaded), run)) << name;
    }
}

TEST_F(RunFile, hostile_strings_survive_both_forms) {
    results::Run run = tests::hostile_run();
    make_strings_valid(run);
    run.set_format_version(run_format_version);
    for (const auto& content : {run_to_binary(run), run_to_json(run)}) {
        tests::write_file(directory_.path() / "file", content);
        const auto loaded = load_run(directory_.path() / "file");
        ASSERT_TRUE(std::holds_alternative<results::Run>(loaded)) << std::get<Problem>(loaded).line;
        EXPECT_TRUE(MessageDifferencer::Equals(std::get<results::Run>(loaded), run));
    }
}

TEST_F(RunFile, the_binary_form_is_plain_protobuf) {
    results::Run run;
    ASSERT_TRUE(run.ParseFromString(run_to_binary(complete_run())));
    EXPECT_NE(run.checksum(), 0U);
    run.clear_checksum();
    EXPECT_TRUE(MessageDifferencer::Equals(run, complete_run()));
}

TEST_F(RunFile, every_proper_prefix_of_a_binary_file_is_refused) {
    const std::string content = run_to_binary(complete_run());
    for (std::size_t size = 0; size < content.size(); ++size) {
        const std::string line = refusal(content.substr(0, size));
        ASSERT_NE(line.find("run.pb: "), std::string::npos) << size << " bytes: " << line;
        ASSERT_EQ(line.find('\n'), std::string::npos);
    }
}

TEST_F(RunFile, every_flipped_bit_of_a_binary_file_is_refused) {
    const std::string content = run_to_binary(complete_run());
    for (std::size_t bit = 0; bit < content.size() * 8; bit += 7) {
        std::string damaged = content;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
        ASSERT_NE(refusal(damaged), "accepted") << "bit " << bit;
    }
}

TEST_F(RunFile, another_format_version_is_refused_in_both_forms) {
    results::Run run = complete_run();
    run.set_format_version(2);
    // The writer sets its own version, so the files of the future are made by hand here.
    EXPECT_NE(refusal(R"({"format_version": 2, "a_later_field": 1})", "run.json")
                  .find("format version 2 is not 1"),
              std::string::npos);
    EXPECT_NE(refusal(R"({})", "run.json").find("format version 0 is not 1"), std::string::npos);
    std::string body = run.SerializeAsString();
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const char c : body) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
    results::Run trailer;
    trailer.set_checksum(hash);
    EXPECT_NE(refusal(body + trailer.SerializeAsString()).find("format version 2 is not 1"),
              std::string::npos);
}

TEST_F(RunFile, json_that_is_no_run_is_refused_in_one_line) {
    for (const char* content :
         {"{", "{\"format_version\": 1, \"no_such_field\": 1}", "{\"format_version\": \"x\"}",
          "{\"format_version\": 1, \"verdict\": \"splendid\"}", "{]\n\n}"}) {
        const std::string line = refusal(content, "run.json");
        EXPECT_NE(line.find("run.json: not a run in JSON"), std::string::npos)
            << content << ": " << line;
        EXPECT_EQ(line.find('\n'), std::string::npos);
    }
}

TEST_F(RunFile, a_directory_is_read_by_its_binary_file_first) {
    results::Run run = complete_run();
    tests::write_file(directory_.path() / "run.pb", run_to_binary(run));
    run.set_name("other");
    tests::write_file(directory_.path() / "run.json", run_to_json(run));
    EXPECT_EQ(std::get<results::Run>(load_run(directory_.path())).name(), "a");
    std::filesystem::remove(directory_.path() / "run.pb");
    EXPECT_EQ(std::get<results::Run>(load_run(directory_.path())).name(), "other");
    std::filesystem::remove(directory_.path() / "run.json");
    const auto empty = load_run(directory_.path());
    EXPECT_NE(std::get<Problem>(empty).line.find("neither run.pb nor run.json in it"),
              std::string::npos);
}

TEST_F(RunFile, a_missing_file_is_named) {
    const auto loaded = load_run(directory_.path() / "nothing.pb");
    EXPECT_NE(std::get<Problem>(loaded).line.find("nothing.pb: no such file or directory; give"),
              std::string::npos);
    EXPECT_EQ(std::get<Problem>(loaded).exit_code, ExitCode::usage_error);
}

}  // namespace
}  // namespace touchstone::reports
