#include "broker/base/message.hpp"

#include <array>
#include <cstring>
#include <new>

#include "broker/base/check.hpp"

namespace touchstone {

/// What is behind a MessagePool. The owner takes from a list of its own; whoever ends a message, on
/// any thread, pushes its memory on another list, which the owner takes as a whole when its own is
/// empty. So nobody ever takes a single block off a shared list, and there is no ABA problem.
class MessageMemory {
public:
    /// Memory for a message; null when it is too long, or too many are there.
    void* take(std::size_t size_bytes) {
        for (auto& shelf : shelves_) {
            if (size_bytes > shelf.block_bytes) continue;
            if (shelf.free == nullptr)
                shelf.free = shelf.returned.exchange(nullptr, std::memory_order_acquire);
            if (shelf.free != nullptr) return std::exchange(shelf.free, shelf.free->next);
            if (shelf.made_count * shelf.block_bytes >= shelf_bytes_max) return nullptr;
            ++shelf.made_count;
            return ::operator new(shelf.block_bytes);
        }
        return nullptr;
    }

    /// `memory` held a message of that size. The object may be gone afterwards.
    void give_back(void* memory, std::size_t size_bytes) {
        for (auto& shelf : shelves_) {
            if (size_bytes > shelf.block_bytes) continue;
            auto* const block = new (memory) Block;
            block->next = shelf.returned.load(std::memory_order_acquire);
            do {
                if (block->next != &closed_) continue;
                ::operator delete(memory);
                return leave(1);
            } while (!shelf.returned.compare_exchange_weak(block->next, block,
                                                           std::memory_order_acq_rel,
                                                           std::memory_order_acquire));
            return;
        }
        UNREACHABLE();
    }

    /// The owner is gone: frees what is here; the rest frees itself when it comes back.
    void close() {
        // One more, so that the others do not end this object meanwhile.
        std::size_t count = 1;
        for (const auto& shelf : shelves_) count += shelf.made_count;
        blocks_left_.store(count, std::memory_order_relaxed);
        std::size_t freed_count = 1;
        for (auto& shelf : shelves_) {
            freed_count += free_all(shelf.free);
            freed_count +=
                free_all(shelf.returned.exchange(&closed_, std::memory_order_acq_rel));
        }
        leave(freed_count);
    }

private:
    struct Block {
        Block* next = nullptr;
    };
    struct Shelf {
        std::size_t block_bytes = 0;
        std::size_t made_count = 0;
        Block* free = nullptr;
        std::atomic<Block*> returned{nullptr};
    };
    static constexpr std::size_t shelf_bytes_max = 2 * 1024 * 1024;

    static std::size_t free_all(Block* block) {
        std::size_t count = 0;
        for (; block != nullptr; ++count)
            ::operator delete(std::exchange(block, block->next));
        return count;
    }
    void leave(std::size_t block_count) {
        if (blocks_left_.fetch_sub(block_count, std::memory_order_acq_rel) == block_count)
            delete this;
    }

    std::array<Shelf, 2> shelves_{{{128}, {512}}};
    Block closed_;                            // on a list: the owner is gone
    std::atomic<std::size_t> blocks_left_{0};  // counted from close() on
};

MessagePool::MessagePool() : memory_{new MessageMemory} {}

MessagePool::~MessagePool() { memory_->close(); }

MessageRef Message::make(const MessageFields& fields) {
    return MessageRef{new (::operator new(size_bytes_of(fields))) Message{fields, nullptr}};
}

MessageRef Message::make(const MessageFields& fields, MessagePool& pool) {
    void* const memory = pool.memory_->take(size_bytes_of(fields));
    if (memory == nullptr) return make(fields);
    return MessageRef{new (memory) Message{fields, pool.memory_}};
}

Message::Message(const MessageFields& fields, MessageMemory* memory)
    : memory_{memory},
      payload_size_{static_cast<std::uint32_t>(fields.payload.size())},
      properties_size_{static_cast<std::uint32_t>(fields.properties.size())},
      topic_size_{static_cast<std::uint16_t>(fields.topic.size())},
      qos_{fields.qos},
      retain_{fields.retain},
      expires_at_{fields.expires_at},
      publisher_{fields.publisher} {
    CHECK(fields.topic.size() <= 65'535);  // §1.5.4: a string's length is two bytes
    auto* to = reinterpret_cast<char*>(this + 1);
    const auto put = [&to](const void* from, std::size_t size) {
        if (size != 0) std::memcpy(to, from, size);
        to += size;
    };
    put(fields.topic.data(), fields.topic.size());
    put(fields.properties.data(), fields.properties.size());
    put(fields.payload.data(), fields.payload.size());
}

void Message::end() const {
    auto* const self = const_cast<Message*>(this);
    auto* const memory = memory_;
    const auto size = size_bytes();
    self->~Message();
    if (memory == nullptr)
        ::operator delete(self);
    else
        memory->give_back(self, size);
}

}  // namespace touchstone
