#include "broker/rocksdb/gradual_removal.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <thread>

namespace touchstone::rocksdb_driver {

namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t part_bytes = 1 << 20;
/// Between two parts, for the syncs that wait to have their turn; a file system tells nobody that
/// one waits (broker/README.md has what it is without). RocksDB removes files in the background; an
/// open waits 32 ms for a log.
constexpr auto pause = std::chrono::milliseconds{1};

}  // namespace

rocksdb::IOStatus GradualRemoval::DeleteFile(const std::string& path,
                                             const rocksdb::IOOptions& options,
                                             rocksdb::IODebugContext* debug) {
    // Whatever is wrong with the file, the removal itself will tell.
    std::error_code failed;
    auto size_bytes = fs::file_size(path, failed);
    const bool is_ours = !failed && fs::hard_link_count(path, failed) == 1 && !failed;
    while (is_ours && !failed && size_bytes > part_bytes) {
        size_bytes -= part_bytes;
        fs::resize_file(path, size_bytes, failed);
        std::this_thread::sleep_for(pause);
    }
    return target()->DeleteFile(path, options, debug);
}

}  // namespace touchstone::rocksdb_driver
