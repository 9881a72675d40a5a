// Memory by the gigabyte, straight from the system: in huge pages where it has them, since a table
// of 10^8 devices that is visited at random otherwise waits for the page tables more than for
// itself.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace touchstone::simulator::fleet {

/// Zeroed bytes. They count as used when they are touched.
class Pages {
public:
    Pages() = default;
    /// Throws std::runtime_error, which says how much was asked for, when there is no room.
    explicit Pages(std::size_t bytes);
    ~Pages();
    Pages(Pages&& other) noexcept
        : data_{std::exchange(other.data_, nullptr)},
          bytes_{std::exchange(other.bytes_, 0)} {}
    Pages& operator=(Pages&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;

    [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(data_); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

/// An array of a fixed size, at first all zeros.
template <class T>
class PageArray {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

public:
    PageArray() = default;
    /// As Pages.
    explicit PageArray(std::size_t size) : pages_{size * sizeof(T)}, size_{size} {}

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] T* data() const { return reinterpret_cast<T*>(pages_.data()); }
    T& operator[](std::size_t i) { return data()[i]; }
    const T& operator[](std::size_t i) const { return data()[i]; }

private:
    Pages pages_;
    std::size_t size_ = 0;
};

/// Resident bytes of this process and the most there ever were; 0 where the system does not say.
struct ResidentBytes {
    std::size_t now = 0;
    std::size_t peak = 0;
};
[[nodiscard]] ResidentBytes resident_bytes();

/// What this process has asked of malloc and not given back; 0 where the C library does not say.
[[nodiscard]] std::size_t heap_bytes();

}  // namespace touchstone::simulator::fleet
