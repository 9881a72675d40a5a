// Ring: a queue in one piece of memory. One that was never used has none, and one that is used again
// and again allocates nothing: what a std::deque does for every twelve flows.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone {

/// First in, first out; elements can also be reached, taken out and added by their place. References
/// and iterators are valid until an element is added, or one is taken out anywhere but in front.
template <class T> class Ring {
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>);

    template <class Of> class Place {
    public:
        using iterator_category = std::random_access_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = Of*;
        using reference = Of&;
        using Owner = std::conditional_t<std::is_const_v<Of>, const Ring, Ring>;

        Place() = default;
        Place(Owner* ring, std::size_t at) : ring_{ring}, at_{at} {}
        reference operator*() const { return (*ring_)[at_]; }
        pointer operator->() const { return &(*ring_)[at_]; }
        reference operator[](difference_type by) const { return *(*this + by); }
        Place& operator+=(difference_type by) {
            at_ += static_cast<std::size_t>(by);
            return *this;
        }
        Place& operator-=(difference_type by) { return *this += -by; }
        Place& operator++() { return *this += 1; }
        Place& operator--() { return *this -= 1; }
        Place operator++(int) { return std::exchange(*this, *this + 1); }
        Place operator--(int) { return std::exchange(*this, *this - 1); }
        friend Place operator+(Place place, difference_type by) { return place += by; }
        friend Place operator+(difference_type by, Place place) { return place += by; }
        friend Place operator-(Place place, difference_type by) { return place -= by; }
        friend difference_type operator-(Place a, Place b) {
            return static_cast<difference_type>(a.at_ - b.at_);
        }
        friend bool operator==(Place a, Place b) { return a.at_ == b.at_; }
        friend auto operator<=>(Place a, Place b) { return a.at_ <=> b.at_; }
        [[nodiscard]] std::size_t place() const { return at_; }

    private:
        Owner* ring_ = nullptr;
        std::size_t at_ = 0;  // from the front
    };

public:
    using iterator = Place<T>;
    using const_iterator = Place<const T>;

    Ring() = default;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring() {
        for (std::size_t i = 0; i < size_; ++i) std::destroy_at(slot(i));
        free_memory();
    }

    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] T& operator[](std::size_t place) {
        CHECK(place < size_);
        return *slot(place);
    }
    [[nodiscard]] const T& operator[](std::size_t place) const {
        CHECK(place < size_);
        return *slot(place);
    }
    [[nodiscard]] T& front() { return (*this)[0]; }
    [[nodiscard]] const T& front() const { return (*this)[0]; }
    [[nodiscard]] T& back() { return (*this)[size_ - 1]; }
    [[nodiscard]] const T& back() const { return (*this)[size_ - 1]; }
    [[nodiscard]] iterator begin() { return {this, 0}; }
    [[nodiscard]] iterator end() { return {this, size_}; }
    [[nodiscard]] const_iterator begin() const { return {this, 0}; }
    [[nodiscard]] const_iterator end() const { return {this, size_}; }
    [[nodiscard]] auto rbegin() { return std::reverse_iterator{end()}; }
    [[nodiscard]] auto rend() { return std::reverse_iterator{begin()}; }

    T& push_back(T&& value) {
        if (size_ == capacity_) grow();
        return *std::construct_at(slot(size_++), std::move(value));
    }
    void pop_front() {
        CHECK(size_ != 0);
        std::destroy_at(slot(0));
        first_ = (first_ + 1) & (capacity_ - 1);
        if (--size_ == 0) on_emptied();
    }
    /// Before the element that stands at `place`, or behind the last one.
    void insert(iterator place, T value) {
        push_back(std::move(value));
        for (auto at = size_ - 1; at > place.place(); --at) std::swap(*slot(at), *slot(at - 1));
    }
    /// Returns the place of the next element.
    iterator erase(iterator place) {
        CHECK(place.place() < size_);
        if (place.place() == 0) {
            pop_front();
            return begin();
        }
        for (auto at = place.place(); at + 1 < size_; ++at) *slot(at) = std::move(*slot(at + 1));
        std::destroy_at(slot(size_ - 1));
        --size_;
        return place;
    }

private:
    static constexpr std::uint32_t capacity_min = 4;
    /// A ring this large or smaller keeps its memory when it is empty. It covers the window of
    /// flows; a queue that was longer was an exception.
    static constexpr std::uint32_t kept_capacity_max = 32;

    [[nodiscard]] T* slot(std::size_t place) {
        return slots_ + ((first_ + place) & (capacity_ - 1));
    }
    [[nodiscard]] const T* slot(std::size_t place) const {
        return slots_ + ((first_ + place) & (capacity_ - 1));
    }
    void grow() {
        const auto capacity = capacity_ == 0 ? capacity_min : 2 * capacity_;
        T* const slots = std::allocator<T>{}.allocate(capacity);
        for (std::size_t i = 0; i < size_; ++i) {
            std::construct_at(slots + i, std::move(*slot(i)));
            std::destroy_at(slot(i));
        }
        free_memory();
        slots_ = slots;
        capacity_ = capacity;
        first_ = 0;
    }
    void on_emptied() {
        if (capacity_ <= kept_capacity_max) return;
        free_memory();
        slots_ = nullptr;
        capacity_ = 0;
        first_ = 0;
    }
    void free_memory() {
        if (slots_ != nullptr) std::allocator<T>{}.deallocate(slots_, capacity_);
    }

    T* slots_ = nullptr;
    std::uint32_t capacity_ = 0;  // a power of two, or 0
    std::uint32_t first_ = 0;     // slot of the front
    std::size_t size_ = 0;
};

}  // namespace touchstone
