#include "broker/rocksdb/data_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "broker/rocksdb/store_error.hpp"

namespace touchstone::rocksdb_driver {

namespace {

constexpr std::string_view first_line = "touchstone data";

std::string error_text() {
    return std::generic_category().message(errno);
}

[[noreturn]] void refuse(const std::filesystem::path& place, const std::string& why) {
    throw StoreError{"data directory: " + place.string() + ": " + why};
}

/// Makes what was written to a file, or the names in a directory, durable.
void sync(const std::filesystem::path& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const bool is_synced = file >= 0 && fsync(file) == 0;
    const auto why = error_text();
    if (file >= 0) close(file);
    if (!is_synced) refuse(path, why + "; see that the disk is sound and has room");
}

std::string to_text(const Layout& layout) {
    std::ostringstream text;
    text << first_line << "\nformat " << data_format << "\nshards " << layout.shard_count
         << "\ngeneration " << layout.generation << '\n';
    return text.str();
}

}  // namespace

DataDirectory::DataDirectory(std::filesystem::path path, Missing missing) : path_{std::move(path)} {
    std::error_code failed;
    const bool has_data = std::filesystem::exists(path_ / "layout", failed) || has_records();
    if (missing == Missing::refuse && !has_data)
        refuse(path_, "holds no data of a broker; give the directory of --data or node.data_dir");
    const bool is_new = std::filesystem::create_directories(path_, failed);
    if (failed) refuse(path_, failed.message() + "; give a directory that can be made and written");
    if (is_new) sync(path_ / "..");
    // Messages, and Wills of clients that have shown a password, are nobody else's business.
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all, failed);
    take_lock();
    try {
        read_layout();
    } catch (...) {
        close(lock_);
        throw;
    }
}

DataDirectory::~DataDirectory() {
    close(lock_);  // and with it the lock
}

bool DataDirectory::has_records() const {
    std::error_code failed;
    for (const auto& file : std::filesystem::directory_iterator{records(), failed})
        if (file.path().extension() == ".sst" || file.path().extension() == ".log") return true;
    return false;
}

void DataDirectory::take_lock() {
    const auto name = path_ / "lock";
    lock_ = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (lock_ < 0) refuse(name, error_text() + "; give a directory that can be written");
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
        const auto why = errno;
        std::string owner;
        std::ifstream{name} >> owner;
        close(lock_);
        if (why != EWOULDBLOCK) refuse(name, std::generic_category().message(why));
        refuse(path_, "is in use by another process" + (owner.empty() ? "" : " (" + owner + ")") +
                          "; stop that one, or give this one a directory of its own");
    }
    const auto number = std::to_string(getpid()) + "\n";
    // For people only; who cannot read it knows from the lock.
    if (ftruncate(lock_, 0) == 0 && pwrite(lock_, number.data(), number.size(), 0) < 0)
        refuse(name, error_text() + "; free some room on the disk");
}

void DataDirectory::read_layout() {
    const auto name = path_ / "layout";
    const bool is_there = std::filesystem::exists(name);
    if (!is_there && !has_records()) return;
    const auto why = is_there ? parse_layout() : "is missing";
    if (why.empty()) return;
    layout_ = {};
    if (has_records())
        lost_layout_ = why;
    else
        refuse(name, why + "; give another directory, or restore the file");
}

std::string DataDirectory::parse_layout() {
    std::ifstream file{path_ / "layout"};
    std::string first;
    std::string format_word;
    std::string shards_word;
    std::string generation_word;
    unsigned format = 0;
    std::getline(file, first);
    file >> format_word >> format;
    if (!file || first != first_line || format_word != "format" || format == 0)
        return "is no layout of a broker's data";
    if (format > data_format)
        refuse(path_ / "layout",
               "format " + std::to_string(format) +
                   " is of a later version; this one reads up to " + std::to_string(data_format) +
                   ": start that version, or restore what was saved before the upgrade");
    file >> shards_word >> layout_.shard_count >> generation_word >> layout_.generation;
    const bool is_good = file && shards_word == "shards" && generation_word == "generation" &&
                         layout_.shard_count <= shard_count_max &&
                         (layout_.generation == 1 || layout_.generation == 2);
    return is_good ? "" : "is damaged";
}

void DataDirectory::set_layout(const Layout& layout) {
    const auto name = path_ / "layout";
    const auto part = path_ / "layout.part";
    {
        std::ofstream file{part, std::ios::trunc};
        file << to_text(layout);
        file.close();
        if (!file) refuse(part, error_text() + "; give a directory that can be written, with room");
    }
    sync(part);
    std::error_code failed;
    // Who dies here has lost it again.
    if (!lost_layout_.empty()) std::filesystem::rename(name, unused_name("layout"), failed);
    std::filesystem::rename(part, name, failed);
    // RocksDB makes durable what is in its directory, but not that it is there.
    if (!failed) std::filesystem::create_directory(records(), failed);
    if (failed) refuse(name, failed.message());
    sync(path_);
    layout_ = layout;
    lost_layout_.clear();
}

std::filesystem::path DataDirectory::unused_name(std::string_view stem) const {
    for (unsigned number = 1;; ++number) {
        auto name = path_ / (std::string{stem} + "-" + std::to_string(number) + ".bad");
        if (!std::filesystem::exists(name)) return name;
    }
}

}  // namespace touchstone::rocksdb_driver
