// Chunks: a list that only grows, in pieces of many elements that never move, so that who refers to
// an element may go on doing so.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace touchstone::simulator {

template <class T>
class Chunks {
public:
    Chunks() = default;
    Chunks(const Chunks& other) : size_{other.size_} {
        for (const auto& chunk : other.chunks_) chunks_.push_back(std::make_unique<Chunk>(*chunk));
    }
    Chunks(Chunks&& other) noexcept
        : chunks_{std::move(other.chunks_)},
          size_{std::exchange(other.size_, 0)} {}
    Chunks& operator=(Chunks other) noexcept {
        std::swap(chunks_, other.chunks_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Chunks() = default;

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] T& operator[](std::size_t index) {
        return (*chunks_[index / chunk_size])[index % chunk_size];
    }
    [[nodiscard]] const T& operator[](std::size_t index) const {
        return (*chunks_[index / chunk_size])[index % chunk_size];
    }
    [[nodiscard]] T& back() { return (*this)[size_ - 1]; }
    [[nodiscard]] const T& back() const { return (*this)[size_ - 1]; }
    void push_back(T element) {
        if (size_ % chunk_size == 0) chunks_.push_back(std::make_unique<Chunk>());
        ++size_;
        back() = std::move(element);
    }

    class Iterator {
    public:
        Iterator(const Chunks& list, std::size_t index) : list_{&list}, index_{index} {}
        const T& operator*() const { return (*list_)[index_]; }
        Iterator& operator++() {
            ++index_;
            return *this;
        }
        friend bool operator==(const Iterator& a, const Iterator& b) = default;

    private:
        const Chunks* list_;
        std::size_t index_;
    };
    [[nodiscard]] Iterator begin() const { return {*this, 0}; }
    [[nodiscard]] Iterator end() const { return {*this, size_}; }

private:
    static constexpr std::size_t chunk_size = 256;
    using Chunk = std::array<T, chunk_size>;

    std::vector<std::unique_ptr<Chunk>> chunks_;
    std::size_t size_ = 0;
};

}  // namespace touchstone::simulator
