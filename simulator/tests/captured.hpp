// What a command prints and how it exits, for tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "simulator/command.hpp"

namespace touchstone::simulator {

struct Captured {
    int exit_code = 0;
    std::string out;
    std::string err;
};

/// `command` returns the exit code.
template <class Command>
Captured captured(Command command) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Captured result;
    result.exit_code = command();
    std::fflush(stdout);
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    return result;
}

/// `touchstone simulate ARGUMENTS…`
inline Captured simulate_captured(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "simulate");
    std::vector<char*> raw;
    for (auto& one : arguments) raw.push_back(one.data());
    return captured([&] { return simulate_command(static_cast<int>(raw.size()), raw.data()); });
}

}  // namespace touchstone::simulator
