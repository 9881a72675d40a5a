// The subcommand `broker`, in-process.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/asio/command.hpp"

namespace touchstone::asio_driver {

/// Returns the exit code; `words` come behind the subcommand's name.
inline int run(std::vector<std::string> words) {
    words.insert(words.begin(), "broker");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    return broker_command(static_cast<int>(arguments.size()), arguments.data());
}

struct CommandRefusal {
    int exit_code;
    std::string text;
};

/// Of a command that does not come to serve.
inline CommandRefusal refusal_of(const std::vector<std::string>& words) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int exit_code = run(words);
    testing::internal::GetCapturedStdout();
    return {exit_code, testing::internal::GetCapturedStderr()};
}

}  // namespace touchstone::asio_driver
