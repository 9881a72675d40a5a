// FaultyFiles: the system's files, that refuse to be written or synced when a test says so.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>

namespace touchstone::rocksdb_driver {

class FaultyFiles final : public rocksdb::FileSystemWrapper {
public:
    enum class Fault { none, no_space, no_sync };

    FaultyFiles() : FileSystemWrapper{rocksdb::FileSystem::Default()} {}
    const char* Name() const override { return "FaultyFiles"; }

    void set(Fault fault) { fault_ = fault; }
    [[nodiscard]] unsigned syncs() const { return syncs_; }
    /// Called before each sync, in the thread that syncs.
    std::function<void()> before_sync = [] {};

    rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* result,
                                      rocksdb::IODebugContext* context) override {
        std::unique_ptr<rocksdb::FSWritableFile> file;
        auto status = target()->NewWritableFile(name, options, &file, context);
        if (status.ok()) *result = std::make_unique<File>(*this, std::move(file));
        return status;
    }

private:
    [[nodiscard]] rocksdb::IOStatus trouble_with(bool is_sync) const {
        const Fault fault = fault_;
        if (fault == Fault::no_space && !is_sync)
            return rocksdb::IOStatus::NoSpace("no space (test)");
        if (fault == Fault::no_sync && is_sync) return rocksdb::IOStatus::IOError("EIO (test)");
        return rocksdb::IOStatus::OK();
    }

    class File final : public rocksdb::FSWritableFileOwnerWrapper {
    public:
        File(FaultyFiles& files, std::unique_ptr<rocksdb::FSWritableFile>&& file)
            : FSWritableFileOwnerWrapper{std::move(file)},
              files_{files} {}
        using FSWritableFileOwnerWrapper::Append;
        rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* context) override {
            auto trouble = files_.trouble_with(false);
            if (!trouble.ok()) return trouble;
            return FSWritableFileOwnerWrapper::Append(data, options, context);
        }
        rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                                 const rocksdb::DataVerificationInfo& verification,
                                 rocksdb::IODebugContext* context) override {
            auto trouble = files_.trouble_with(false);
            if (!trouble.ok()) return trouble;
            return FSWritableFileOwnerWrapper::Append(data, options, verification, context);
        }
        rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override {
            auto trouble = on_sync();
            if (!trouble.ok()) return trouble;
            return FSWritableFileOwnerWrapper::Sync(options, context);
        }
        rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                                rocksdb::IODebugContext* context) override {
            auto trouble = on_sync();
            if (!trouble.ok()) return trouble;
            return FSWritableFileOwnerWrapper::Fsync(options, context);
        }

    private:
        rocksdb::IOStatus on_sync() {
            files_.before_sync();
            ++files_.syncs_;
            return files_.trouble_with(true);
        }

        FaultyFiles& files_;
    };

    std::atomic<Fault> fault_{Fault::none};
    std::atomic<unsigned> syncs_{0};
};

}  // namespace touchstone::rocksdb_driver
