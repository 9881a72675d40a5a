// Folder: a directory of a test's own.
#pragma once

#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

#include "broker/asio/descriptor.hpp"
#include "broker/asio/tests/raw_client.hpp"

namespace touchstone::asio_driver {

/// An empty directory that goes away with its contents.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "touchstone-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error{"mkdtemp " + name};
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
        return path_ / name;
    }

    /// Waits until something is renamed into the folder.
    class Watch {
    public:
        explicit Watch(const Folder& folder) : events_{inotify_init1(IN_CLOEXEC)} {
            inotify_add_watch(events_.raw(), folder.path_.c_str(), IN_MOVED_TO);
        }
        [[nodiscard]] bool wait() const {
            pollfd wanted{events_.raw(), POLLIN, 0};
            return poll(&wanted, 1, std::chrono::milliseconds{wait_max}.count()) == 1;
        }

    private:
        Descriptor events_;
    };

private:
    std::filesystem::path path_;
};

}  // namespace touchstone::asio_driver
