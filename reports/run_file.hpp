// Runs as files: binary and JSON, with a version and a checksum, so that what is read back is what
// was written.
#pragma once

#include <filesystem>
#include <string>
#include <variant>

#include "reports/result_directory.hpp"
#include "reports/results.pb.h"

namespace touchstone::reports {

/// Run::format_version of this program's files.
inline constexpr std::uint32_t run_format_version = 1;

/// Content of run.pb: plain protobuf whose last field is the checksum of all bytes before it.
/// Strings are valid UTF-8. Throws std::length_error when it would exceed the 2 GiB that protobuf
/// can read.
[[nodiscard]] std::string run_to_binary(const results::Run& run);

/// Content of run.json: indented protobuf JSON with the field names of results.proto. 64-bit
/// integers are strings, bytes are Base64, as protobuf defines.
[[nodiscard]] std::string run_to_json(const results::Run& run);

/// Reads a result directory (its run.pb, else its run.json), or one such file; which of the two it
/// is, its content tells. Refuses damaged or cut files and other format versions.
[[nodiscard]] std::variant<results::Run, Problem> load_run(const std::filesystem::path& path);

}  // namespace touchstone::reports
