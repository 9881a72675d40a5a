// GradualRemoval: the file system, except that large files are removed in parts. One that takes a
// file of tens of megabytes away at once holds up each sync meanwhile, by 30 ms and more.
#pragma once

#include <rocksdb/file_system.h>

#include <string>

namespace touchstone::rocksdb_driver {

class GradualRemoval final : public rocksdb::FileSystemWrapper {
public:
    GradualRemoval() : FileSystemWrapper{rocksdb::FileSystem::Default()} {}
    const char* Name() const override { return "touchstone.gradual_removal"; }

    /// What nobody refers to any more loses its end before its name; after a crash between the two
    /// it is removed again, unread. What has another name, in a copy of the directory, stays whole.
    rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* debug) override;
};

}  // namespace touchstone::rocksdb_driver
