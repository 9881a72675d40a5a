// DataDirectory: where a node keeps what outlives its process. Sees to it that one process at a
// time has it, and knows how what is in it is laid out. What the records say, and RocksDB, is left
// to others.
//
//   lock       held by the process that uses the directory, whose number is in it
//   layout     text: the version of the format, how many shards, which generation of records
//   records/   the database
//   *.bad      what was damaged, set aside
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace touchstone::rocksdb_driver {

/// The version of all that is in a data directory, but of records, which have one of their own.
inline constexpr unsigned data_format = 1;

struct Layout {
    unsigned shard_count = 0;  // 0: not set yet
    /// Which records count: those of another generation are left from a change of the number of
    /// shards that did not come to its end, or are not removed yet. 1 or 2.
    unsigned generation = 1;
    friend bool operator==(const Layout&, const Layout&) = default;
};

class DataDirectory {
public:
    enum class Missing : bool { make, refuse };

    /// Takes it, until this object ends. Throws StoreError: another process has it, it cannot be
    /// used, or its format is a later one. A layout that cannot be read is none when there are
    /// records (lost_layout()): they tell what it said.
    explicit DataDirectory(std::filesystem::path path, Missing missing = Missing::make);
    ~DataDirectory();
    DataDirectory(const DataDirectory&) = delete;
    DataDirectory& operator=(const DataDirectory&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::filesystem::path records() const { return path_ / "records"; }
    /// Whether there are files that may hold some.
    [[nodiscard]] bool has_records() const;
    [[nodiscard]] const Layout& layout() const { return layout_; }
    /// There are records, and this is why their layout is not known; empty: it is. Until
    /// set_layout(), which sets aside what is left of the old one.
    [[nodiscard]] const std::string& lost_layout() const { return lost_layout_; }
    /// Neither records nor a layout.
    [[nodiscard]] bool is_new() const { return layout_.shard_count == 0 && lost_layout_.empty(); }
    /// Durable when this returns, and never seen in part. Throws StoreError.
    void set_layout(const Layout& layout);
    /// A name in the directory that is not in use yet: "stem-N.bad".
    [[nodiscard]] std::filesystem::path unused_name(std::string_view stem) const;

private:
    void take_lock();
    void read_layout();
    /// Throws StoreError: the format is a later one. Nothing when it was read, else why not.
    std::string parse_layout();

    std::filesystem::path path_;
    int lock_ = -1;
    Layout layout_;
    std::string lost_layout_;
};

/// At most this many.
inline constexpr unsigned shard_count_max = 64;

}  // namespace touchstone::rocksdb_driver
