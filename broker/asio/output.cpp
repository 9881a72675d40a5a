#include "broker/asio/output.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::asio_driver {

namespace {

void destroy(OutputSegment* segment) {
    segment->~OutputSegment();
    ::operator delete(segment);
}

}  // namespace

OutputPool::~OutputPool() {
    for (Shelf& shelf : shelves_) {
        while (shelf.first != nullptr) destroy(std::exchange(shelf.first, shelf.first->next));
    }
}

OutputSegment* OutputPool::segment_for(std::size_t size_bytes, OutputSegment::Kind previous) {
    using enum OutputSegment::Kind;
    auto kind = previous == reference ? small : previous == small ? medium : large;
    const auto room_bytes_of = [this](OutputSegment::Kind of) {
        return shelf_of(of).size_bytes - sizeof(OutputSegment);
    };
    if (kind == small && size_bytes > room_bytes_of(small)) kind = medium;
    if (kind == medium && size_bytes > room_bytes_of(medium)) kind = large;
    OutputSegment* segment = take(kind);
    segment->bytes = reinterpret_cast<const std::byte*>(segment + 1);
    segment->end = 0;
    segment->room_bytes = static_cast<std::uint32_t>(room_bytes_of(kind));
    return segment;
}

OutputSegment* OutputPool::reference_to(const MessageRef& message) {
    OutputSegment* segment = take(OutputSegment::Kind::reference);
    const Bytes payload = message->payload();
    segment->bytes = payload.data();
    segment->end = static_cast<std::uint32_t>(payload.size());
    segment->message = message;
    return segment;
}

void OutputPool::give_back(OutputSegment* segment) {
    Shelf& shelf = shelf_of(segment->kind);
    used_bytes_ -= shelf.size_bytes;
    if (kept_bytes_ + shelf.size_bytes > kept_bytes_max) {
        destroy(segment);
        return;
    }
    kept_bytes_ += shelf.size_bytes;
    segment->message = MessageRef{};
    segment->next = shelf.first;
    shelf.first = segment;
}

OutputSegment* OutputPool::take(OutputSegment::Kind kind) {
    Shelf& shelf = shelf_of(kind);
    used_bytes_ += shelf.size_bytes;
    used_bytes_most_ = std::max(used_bytes_most_, used_bytes_);
    OutputSegment* segment = shelf.first;
    if (segment == nullptr) {
        segment = new (::operator new(shelf.size_bytes)) OutputSegment;
        segment->kind = kind;
    } else {
        shelf.first = segment->next;
        kept_bytes_ -= shelf.size_bytes;
    }
    segment->next = nullptr;
    segment->begin = 0;
    return segment;
}

void Output::append(OutputPool& pool, const MessageRef& message) {
    put_last(pool.reference_to(message));
}

std::span<iovec> Output::oldest(std::span<iovec> pieces) const {
    std::size_t count = 0;
    for (const OutputSegment* segment = first_; segment != nullptr && count < pieces.size();
         segment = segment->next) {
        // writev and its kind take pieces they do not change as non-const.
        pieces[count++] = {const_cast<std::byte*>(segment->bytes) + segment->begin,
                           segment->end - segment->begin};
    }
    return pieces.first(count);
}

void Output::drop(OutputPool& pool, std::size_t size_bytes) {
    while (size_bytes > 0) {
        CHECK(first_ != nullptr);
        const std::size_t left_bytes = first_->end - first_->begin;
        if (size_bytes < left_bytes) {
            first_->begin += static_cast<std::uint32_t>(size_bytes);
            return;
        }
        size_bytes -= left_bytes;
        pool.give_back(std::exchange(first_, first_->next));
    }
    if (first_ == nullptr) last_ = nullptr;
}

void Output::drop_all(OutputPool& pool) {
    while (first_ != nullptr) pool.give_back(std::exchange(first_, first_->next));
    last_ = nullptr;
}

void Output::append_to_new_segment(OutputPool& pool, Bytes bytes) {
    while (!bytes.empty()) {
        const std::size_t room_bytes = last_ == nullptr ? 0 : last_->room_bytes;
        const std::size_t now_bytes = std::min(bytes.size(), room_bytes);
        copy_into_last(bytes.first(now_bytes));
        bytes = bytes.subspan(now_bytes);
        if (bytes.empty()) return;
        const auto previous = last_ == nullptr ? OutputSegment::Kind::reference : last_->kind;
        put_last(pool.segment_for(bytes.size(), previous));
    }
}

void Output::put_last(OutputSegment* segment) {
    (last_ == nullptr ? first_ : last_->next) = segment;
    last_ = segment;
}

}  // namespace touchstone::asio_driver
