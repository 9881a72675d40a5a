// Runs to test with: small, but with everything that the outputs tell apart.
#pragma once

#include <filesystem>
#include <string>

#include "reports/results.pb.h"

namespace touchstone::reports::tests {

/// Markup, quotes, line ends, control characters, U+2028, and bytes that are not UTF-8.
[[nodiscard]] std::string hostile_text();

/// A conformance run over five statements (v3.1.1 and v5): one pass, one fail with packets, one not
/// applicable, one reasoned, one uncovered. Not completed.
[[nodiscard]] results::Run conformance_run(const std::string& name);

/// A simulated scenario with the states of a window of two, a fault, and two invariants, one of
/// them violated.
[[nodiscard]] results::Run simulation_run(const std::string& name);

/// conformance_run with hostile_text in every string field, and as payload.
[[nodiscard]] results::Run hostile_run();

/// A new empty directory under the test's temporary directory, removed with its content at the end.
class ScratchDirectory {
public:
    ScratchDirectory();
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;
    ~ScratchDirectory();
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

[[nodiscard]] std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, const std::string& content);

/// How often `part` occurs in `text`, without overlaps.
[[nodiscard]] std::size_t occurrences(const std::string& text, const std::string& part);

}  // namespace touchstone::reports::tests
