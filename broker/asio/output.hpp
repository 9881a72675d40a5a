// Output: what a connection still has to write, gathered during a turn of the loop and written with
// one system call. Short bytes are copied into pooled segments; a long payload stays in its Message
// and is referred to. An Output without bytes owns no memory.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "broker/base/bytes.hpp"
#include "broker/base/message.hpp"

namespace touchstone::asio_driver {

/// A piece of output: copied bytes that follow this header, or a reference to a payload.
struct OutputSegment {
    enum class Kind : std::uint8_t { reference, small, medium, large };

    OutputSegment* next = nullptr;
    const std::byte* bytes = nullptr;
    std::uint32_t begin = 0;       // written so far
    std::uint32_t end = 0;         // filled so far
    std::uint32_t room_bytes = 0;  // behind `end`; a reference has none
    Kind kind = Kind::reference;
    MessageRef message;  // of a reference
};

/// The memory of a shard's output. Keeps what is given back, up to a bound, so that a turn reuses
/// what the last one has left in the processor's cache.
class OutputPool {
public:
    OutputPool() = default;
    OutputPool(const OutputPool&) = delete;
    OutputPool& operator=(const OutputPool&) = delete;
    ~OutputPool();

    /// Room for at least one byte: for `size_bytes`, if they fit some kind of piece, and more than
    /// that behind a piece of kind `previous`, because who has filled one is likely to fill more.
    OutputSegment* segment_for(std::size_t size_bytes, OutputSegment::Kind previous);
    OutputSegment* reference_to(const MessageRef& message);
    void give_back(OutputSegment* segment);

    /// Memory in use by outputs; payloads that are referred to not counted.
    [[nodiscard]] std::size_t used_bytes() const { return used_bytes_; }
    /// The most it has ever been.
    [[nodiscard]] std::size_t used_bytes_most() const { return used_bytes_most_; }

private:
    // What most connections are sent in a turn fits the small one: a burst to 1,000 receivers then
    // touches a megabyte, which stays in the second-level cache.
    static constexpr std::size_t small_bytes = 1024;
    static constexpr std::size_t medium_bytes = 4 * 1024;
    static constexpr std::size_t large_bytes = 16 * 1024;
    static constexpr std::size_t kept_bytes_max = 4 * 1024 * 1024;

    struct Shelf {
        std::size_t size_bytes = 0;
        OutputSegment* first = nullptr;
    };
    OutputSegment* take(OutputSegment::Kind kind);
    Shelf& shelf_of(OutputSegment::Kind kind) { return shelves_[static_cast<std::size_t>(kind)]; }

    std::array<Shelf, 4> shelves_{
        {{sizeof(OutputSegment)}, {small_bytes}, {medium_bytes}, {large_bytes}}};
    std::size_t kept_bytes_ = 0;
    std::size_t used_bytes_ = 0;
    std::size_t used_bytes_most_ = 0;
};

/// First in, first out. Every call gets the pool of its shard.
class Output {
public:
    Output() = default;
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    [[nodiscard]] bool is_empty() const { return first_ == nullptr; }

    void append(OutputPool& pool, Bytes bytes) {
        if (last_ != nullptr && last_->room_bytes >= bytes.size()) {
            copy_into_last(bytes);
        } else {
            append_to_new_segment(pool, bytes);
        }
    }
    /// The payload of `message`, by reference.
    void append(OutputPool& pool, const MessageRef& message);

    /// Describes the oldest bytes in `pieces`; returns the part of it that is used.
    std::span<iovec> oldest(std::span<iovec> pieces) const;

    /// Forgets the oldest `size_bytes`, which were written.
    void drop(OutputPool& pool, std::size_t size_bytes);
    void drop_all(OutputPool& pool);

private:
    void copy_into_last(Bytes bytes) {
        if (bytes.empty()) return;  // memcpy from a null pointer is undefined even for 0 bytes
        // A piece with room is one of ours, and its bytes follow its header.
        auto* room = reinterpret_cast<std::byte*>(last_ + 1) + last_->end;
        std::memcpy(room, bytes.data(), bytes.size());
        last_->end += static_cast<std::uint32_t>(bytes.size());
        last_->room_bytes -= static_cast<std::uint32_t>(bytes.size());
    }
    void append_to_new_segment(OutputPool& pool, Bytes bytes);
    void put_last(OutputSegment* segment);

    OutputSegment* first_ = nullptr;
    OutputSegment* last_ = nullptr;
};

}  // namespace touchstone::asio_driver
