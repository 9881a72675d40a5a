// What the programs of this folder have in common as programs.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

namespace touchstone::bench {

/// Takes the command line apart and calls `measure`, which prints what came out.
/// Returns the exit code: measure's; 0 after --help; 2: an option is wrong; 6: it could not be
/// measured.
template <class Measure>
int run_program(CLI::App& app, int argument_count, char** arguments, Measure measure) {
    try {
        app.parse(argument_count, arguments);
        return measure();
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", app.get_name(), error.what());
        return 6;
    }
}

}  // namespace touchstone::bench
