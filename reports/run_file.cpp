#include "reports/run_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "reports/protobuf_text.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

// Tag of Run::checksum (field 1000, 64-bit) as protobuf writes it: (1000 << 3 | 1) as a varint.
constexpr std::string_view checksum_tag = "\xC1\x3E";
constexpr std::size_t checksum_size_bytes = 8;
constexpr std::size_t trailer_size_bytes = checksum_tag.size() + checksum_size_bytes;
static_assert(((results::Run::kChecksumFieldNumber << 3) | 1) ==
              0x1F41);  // 0xC1 0x3E, seven bits at a time

/// FNV-1a with 64 bits: against damage, not against malice.
std::uint64_t checksum_of(std::string_view bytes) {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const char c : bytes) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001B3U;
    }
    return hash;
}

std::string little_endian(std::uint64_t value) {
    std::string bytes;
    for (unsigned shift = 0; shift < 64; shift += 8)
        bytes += static_cast<char>((value >> shift) & 0xFFU);
    return bytes;
}

Problem unreadable(const std::filesystem::path& path, std::string_view why,
                   std::string_view remedy) {
    return {one_line(fmt::format("{}: {}; {}", path.string(), why, remedy))};
}

std::optional<Problem> wrong_version(const std::filesystem::path& path, const results::Run& run) {
    if (run.format_version() == run_format_version) return std::nullopt;
    return unreadable(
        path, fmt::format("format version {} is not {}", run.format_version(), run_format_version),
        "read it with the touchstone that wrote it, or run again");
}

std::variant<results::Run, Problem> from_binary(const std::filesystem::path& path,
                                                std::string_view content) {
    constexpr std::string_view remedy = "run again, or give the run.json beside it";
    const bool has_trailer =
        content.size() >= trailer_size_bytes &&
        content.substr(content.size() - trailer_size_bytes, checksum_tag.size()) == checksum_tag;
    if (!has_trailer)
        return unreadable(path, "not a run.pb, or cut short: its checksum is missing", remedy);
    const std::string_view body = content.substr(0, content.size() - trailer_size_bytes);
    if (content.substr(content.size() - checksum_size_bytes) != little_endian(checksum_of(body))) {
        return unreadable(path, "damaged: its checksum does not match", remedy);
    }
    results::Run run;
    if (body.size() > std::numeric_limits<int>::max() ||
        !run.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
        return unreadable(path, "damaged: not a touchstone.results.Run", remedy);
    }
    if (auto problem = wrong_version(path, run)) return *std::move(problem);
    return run;
}

std::variant<results::Run, Problem> from_json(const std::filesystem::path& path,
                                              const std::string& content) {
    // The version first and unknown fields ignored: a file of a later version shall be named as
    // such.
    results::Run run;
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    auto status = google::protobuf::util::JsonStringToMessage(content, &run, options);
    if (status.ok()) {
        if (auto problem = wrong_version(path, run)) return *std::move(problem);
        run.Clear();
        status = google::protobuf::util::JsonStringToMessage(content, &run);
    }
    if (status.ok()) return run;
    const std::string why{status.message().data(), status.message().size()};
    return unreadable(path, fmt::format("not a run in JSON: {}", why.substr(0, why.find('\n'))),
                      "give the run.json or run.pb of a result directory");
}

std::variant<results::Run, Problem> from_file(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    std::ostringstream content;
    if (!file || !(content << file.rdbuf()) || file.bad()) {
        // An empty file sets failbit, too; it is told apart by its size.
        std::error_code error;
        if (!file || std::filesystem::file_size(path, error) != 0 || error) {
            return unreadable(path, fmt::format("cannot read: {}", std::strerror(errno)),
                              "check the path");
        }
    }
    std::string bytes = std::move(content).str();
    const auto first = bytes.find_first_not_of(" \t\r\n");
    if (first != std::string::npos && bytes[first] == '{') return from_json(path, bytes);
    return from_binary(path, bytes);
}

}  // namespace

std::string run_to_binary(const results::Run& run) {
    results::Run body = run;
    body.set_format_version(run_format_version);
    body.clear_checksum();
    std::string bytes;
    if (body.ByteSizeLong() > std::numeric_limits<int>::max() - trailer_size_bytes ||
        !body.SerializeToString(&bytes)) {
        throw std::length_error{"the run is larger than the 2 GiB protobuf can hold"};
    }
    bytes += std::string{checksum_tag} + little_endian(checksum_of(bytes));
    return bytes;
}

std::string run_to_json(const results::Run& run) {
    results::Run body = run;
    body.set_format_version(run_format_version);
    body.clear_checksum();
    return message_to_json(body, JsonLayout::indented);
}

std::variant<results::Run, Problem> load_run(const std::filesystem::path& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) {
        return unreadable(path, "no such file or directory",
                          "give a result directory, a run.pb or a run.json");
    }
    if (!std::filesystem::is_directory(status)) return from_file(path);
    for (const std::string_view name : {"run.pb", "run.json"}) {
        if (std::filesystem::exists(path / name, error)) return from_file(path / name);
    }
    return unreadable(path, "neither run.pb nor run.json in it",
                      "give the result directory of a run");
}

}  // namespace touchstone::reports
