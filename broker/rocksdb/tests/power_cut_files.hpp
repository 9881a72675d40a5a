// PowerCutFiles: the system's files, of which a power cut leaves what was synced. What was appended
// stays in memory until then; what is done to names (making, renaming, removing a file) lasts at
// once.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

namespace touchstone::rocksdb_driver {

class PowerCutFiles final : public rocksdb::FileSystemWrapper {
public:
    PowerCutFiles() : FileSystemWrapper{rocksdb::FileSystem::Default()} {}
    const char* Name() const override { return "PowerCutFiles"; }

    /// While it is closed, a sync of the log waits.
    void close_gate() { set(State::closed); }
    void open_gate() { set(State::open); }
    /// Nothing reaches the files from now on, until open_gate().
    void cut() { set(State::cut); }
    /// Waits until a sync waits at the gate, or `is_over`, which is asked when something changes.
    template <class IsOver>
    void await_sync(IsOver is_over) {
        std::unique_lock lock{mutex_};
        has_changed_.wait(lock, [&] { return waiting_ != 0 || is_over(); });
    }
    /// For who has changed what await_sync() asks for.
    void tell() {
        const std::scoped_lock lock{mutex_};
        has_changed_.notify_all();
    }

    rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* result,
                                      rocksdb::IODebugContext* context) override {
        if (is_cut()) return no_power();
        std::unique_ptr<rocksdb::FSWritableFile> file;
        auto status = target()->NewWritableFile(name, options, &file, context);
        if (status.ok()) *result = std::make_unique<File>(*this, name, std::move(file));
        return status;
    }
    rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                                 const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* context) override {
        return is_cut() ? no_power() : target()->RenameFile(from, to, options, context);
    }
    rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* context) override {
        return is_cut() ? no_power() : target()->DeleteFile(name, options, context);
    }

private:
    enum class State { open, closed, cut };

    static rocksdb::IOStatus no_power() { return rocksdb::IOStatus::IOError("no power (test)"); }

    void set(State state) {
        const std::scoped_lock lock{mutex_};
        state_ = state;
        has_changed_.notify_all();
    }
    bool is_cut() {
        const std::scoped_lock lock{mutex_};
        return state_ == State::cut;
    }
    /// Whether the sync may go on.
    bool pass_gate() {
        std::unique_lock lock{mutex_};
        ++waiting_;
        has_changed_.notify_all();
        has_changed_.wait(lock, [&] { return state_ != State::closed; });
        --waiting_;
        return state_ != State::cut;
    }

    class File final : public rocksdb::FSWritableFileOwnerWrapper {
    public:
        File(PowerCutFiles& files, const std::string& name,
             std::unique_ptr<rocksdb::FSWritableFile>&& file)
            : FSWritableFileOwnerWrapper{std::move(file)},
              files_{files},
              is_log_{name.ends_with(".log")} {}
        ~File() override { write_down({}, nullptr); }

        rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& /*options*/,
                                 rocksdb::IODebugContext* /*context*/) override {
            unsynced_.append(data.data(), data.size());
            return rocksdb::IOStatus::OK();
        }
        rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                                 const rocksdb::DataVerificationInfo& /*verification*/,
                                 rocksdb::IODebugContext* context) override {
            return Append(data, options, context);
        }
        rocksdb::IOStatus Flush(const rocksdb::IOOptions& /*options*/,
                                rocksdb::IODebugContext* /*context*/) override {
            return rocksdb::IOStatus::OK();
        }
        rocksdb::IOStatus RangeSync(std::uint64_t /*offset*/, std::uint64_t /*size_bytes*/,
                                    const rocksdb::IOOptions& /*options*/,
                                    rocksdb::IODebugContext* /*context*/) override {
            return rocksdb::IOStatus::OK();
        }
        rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override {
            if (is_log_ && !files_.pass_gate()) return no_power();
            auto status = write_down(options, context);
            return status.ok() ? FSWritableFileOwnerWrapper::Sync(options, context) : status;
        }
        rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                                rocksdb::IODebugContext* context) override {
            return Sync(options, context);
        }
        rocksdb::IOStatus Truncate(std::uint64_t size_bytes, const rocksdb::IOOptions& options,
                                   rocksdb::IODebugContext* context) override {
            auto status = write_down(options, context);
            return status.ok() ? FSWritableFileOwnerWrapper::Truncate(size_bytes, options, context)
                               : status;
        }
        rocksdb::IOStatus Close(const rocksdb::IOOptions& options,
                                rocksdb::IODebugContext* context) override {
            auto status = write_down(options, context);
            auto closed = FSWritableFileOwnerWrapper::Close(options, context);
            return status.ok() ? closed : status;
        }
        std::uint64_t GetFileSize(const rocksdb::IOOptions& options,
                                  rocksdb::IODebugContext* context) override {
            return FSWritableFileOwnerWrapper::GetFileSize(options, context) + unsynced_.size();
        }

    private:
        rocksdb::IOStatus write_down(const rocksdb::IOOptions& options,
                                     rocksdb::IODebugContext* context) {
            if (files_.is_cut()) return no_power();
            if (unsynced_.empty()) return rocksdb::IOStatus::OK();
            auto status = FSWritableFileOwnerWrapper::Append(unsynced_, options, context);
            unsynced_.clear();
            return status;
        }

        PowerCutFiles& files_;
        bool is_log_;
        std::string unsynced_;
    };

    std::mutex mutex_;
    std::condition_variable has_changed_;
    State state_ = State::open;
    unsigned waiting_ = 0;
};

}  // namespace touchstone::rocksdb_driver
