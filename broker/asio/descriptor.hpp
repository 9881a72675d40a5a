// Descriptor: an open file descriptor with one owner.
#pragma once

#include <unistd.h>

#include <utility>

namespace touchstone::asio_driver {

/// Owns a file descriptor and closes it. Empty after a move and by default.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int raw) : raw_{raw} {}
    Descriptor(Descriptor&& other) noexcept : raw_{std::exchange(other.raw_, none)} {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(raw_, other.raw_);
        return *this;
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { close(); }

    [[nodiscard]] bool is_open() const { return raw_ != none; }
    [[nodiscard]] int raw() const { return raw_; }
    void close() {
        if (raw_ != none) ::close(std::exchange(raw_, none));
    }

private:
    static constexpr int none = -1;
    int raw_ = none;
};

}  // namespace touchstone::asio_driver
