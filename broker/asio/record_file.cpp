#include "broker/asio/record_file.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "broker/asio/endpoint.hpp"

namespace touchstone::asio_driver {

namespace {

Descriptor created(const std::filesystem::path& path) {
    Descriptor file{open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR)};
    if (file.is_open()) return file;
    const std::string remedy = errno == EEXIST ? "; give a directory that holds no record"
                                               : "; give a directory that can be written";
    throw OperatorError{"--record: " + path.string() + ": " +
                        std::generic_category().message(errno) + remedy};
}

}  // namespace

RecordFile::RecordFile(std::filesystem::path path, std::uint64_t size_bytes_max)
    : path_{std::move(path)},
      size_bytes_max_{size_bytes_max},
      file_{created(path_)} {}

bool RecordFile::write(Bytes bytes) {
    while (!bytes.empty()) {
        const auto size = ::write(file_.raw(), bytes.data(), bytes.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) {
            spdlog::error("record {}: {}; it ends here, the broker goes on", path_.string(),
                          std::generic_category().message(errno));
            return false;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(size));
    }
    return true;
}

void RecordFile::on_limit() {
    spdlog::warn(
        "record {}: as long as --record-limit-mib allows; it ends here, the broker goes on",
        path_.string());
}

std::vector<std::unique_ptr<RecordFile>> open_records(const RecordOptions& options,
                                                      unsigned shard_count) {
    std::error_code failed;
    std::filesystem::create_directories(options.directory, failed);
    if (failed) {
        throw OperatorError{"--record: " + options.directory.string() + ": " + failed.message() +
                            "; give a directory that can be made"};
    }
    std::vector<std::unique_ptr<RecordFile>> files;
    for (unsigned shard = 0; shard < shard_count; ++shard) {
        files.push_back(std::make_unique<RecordFile>(
            options.directory / ("shard-" + std::to_string(shard) + ".record"),
            options.size_bytes_max / shard_count));
    }
    return files;
}

}  // namespace touchstone::asio_driver
