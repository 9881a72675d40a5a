// RecordFile: the file that a shard's record goes into. What clients send is in it, passwords and
// all, so nobody but the broker's user may read it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "broker/asio/descriptor.hpp"
#include "broker/record/recorder.hpp"

namespace touchstone::asio_driver {

struct RecordOptions {
    std::filesystem::path directory;
    std::uint64_t size_bytes_max = 0;  // of all shards together
};

class RecordFile final : public record::Sink {
public:
    /// Creates the file. Throws OperatorError, also when there is one already.
    RecordFile(std::filesystem::path path, std::uint64_t size_bytes_max);
    RecordFile(const RecordFile&) = delete;
    RecordFile& operator=(const RecordFile&) = delete;

    [[nodiscard]] int raw() const { return file_.raw(); }
    [[nodiscard]] std::uint64_t size_bytes_max() const { return size_bytes_max_; }

    // Sink; in the shard's thread.
    [[nodiscard]] bool write(Bytes bytes) override;
    void on_limit() override;

private:
    std::filesystem::path path_;
    std::uint64_t size_bytes_max_;
    Descriptor file_;
};

/// "shard-N.record" for each, in the directory, which is made with its parents. Throws
/// OperatorError.
[[nodiscard]] std::vector<std::unique_ptr<RecordFile>> open_records(const RecordOptions& options,
                                                                    unsigned shard_count);

}  // namespace touchstone::asio_driver
